"""Fixtures: a coordinator with nothing, and one with a funded wallet and a policy on the real node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.online.office import Machine, Office
from tests.support.node import RegtestNode
from tests.support.treasury import wpkh_descriptor, wsh_descriptor


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """No coordinator yet."""
    for name in ("FALCONER_NODE_USER", "FALCONER_NODE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return Office(tmp_path, monkeypatch)


_SEEDS = iter(range(10_000, 1_000_000, 10))


@pytest.fixture
def treasury(office: Office, regtest_node: RegtestNode) -> Callable[..., Office]:
    """A ready coordinator: P2WPKH wallet (or 2-of-3), coins of these amounts, a policy with these limits."""

    def make(*coins: int, multisig: bool = False, **limits: int) -> Office:
        seed = next(_SEEDS)
        if multisig:
            seeds = (seed, seed + 1, seed + 2)
            office.machines = tuple(
                Machine(f"machine-{n}", (each,)) for n, each in zip("abc", seeds, strict=True)
            )
            descriptor = wsh_descriptor(2, seeds)
        else:
            office.machines = (Machine("machine-a", (seed,)),)
            descriptor = wpkh_descriptor(seed)
        office.init(regtest_node)
        office.register(descriptor)
        office.install_policy(**limits)
        for sats in coins:
            address = office.run("wallet", "address", "--new").json["address"]
            regtest_node.fund(address, sats, confirmations=0)
        if coins:
            regtest_node.mine(1)
        return office

    return make


@pytest.fixture
def stranger(regtest_node: RegtestNode) -> Callable[[], str]:
    """New addresses of somebody else's."""
    return lambda: str(regtest_node.rpc("getnewaddress", wallet="miner"))
