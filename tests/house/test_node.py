"""The real node that other tests rest on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support import bitcoind as finder
from tests.support.node import RegtestNode, RpcError, still_running


def test_it_pays_and_confirms_what_it_is_told(regtest_node: RegtestNode) -> None:
    regtest_node.rpc("createwallet", "payee")
    address = regtest_node.rpc("getnewaddress", wallet="payee")

    txid = regtest_node.fund(address, 123_456_789, confirmations=2)

    assert regtest_node.confirmations(txid) == 2
    assert regtest_node.rpc("getbalance", wallet="payee") == Decimal("1.23456789")


def test_an_error_of_the_node_is_an_error_here(regtest_node: RegtestNode) -> None:
    with pytest.raises(RpcError, match="Method not found") as caught:
        regtest_node.rpc("nosuchmethod")
    assert caught.value.code == -32601


def test_stopping_ends_its_own_process_and_keeps_its_chain(bitcoind: Path, tmp_path: Path) -> None:
    node = RegtestNode(tmp_path, program=bitcoind)
    url = node.start()
    pid = node.pid
    tip = node.mine(3)[-1]
    assert still_running(pid, tmp_path)

    node.stop()
    assert not node.running
    assert not still_running(pid, tmp_path)

    assert node.start() == url
    assert node.rpc("getbestblockhash") == tip
    node.stop()


def test_a_named_bitcoind_that_is_not_there_is_never_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITCOIND", "/nonexistent/bitcoind")
    with pytest.raises(finder.NodeUnavailableError, match="not a program"):
        finder.ensure()
