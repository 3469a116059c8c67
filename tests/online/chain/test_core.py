"""Bitcoin Core or Knots itself: wallets, rescans, locks and what is lost when a wallet is unloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from falconer_online.chain.core import CoreNode
from falconer_online.config import Config, Home, NodeConfig
from falconer_online.coordinator import node_wallet_name
from falconer_online.wallets import Birthday, _height_before, branch_descriptor, parse_birthday
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import DeviceError, UsageError
from falconer_shared.wallet.registration import RegisteredWallet
from tests.online.office import Office
from tests.support.node import RegtestNode
from tests.support.refusal import refused
from tests.support.treasury import wpkh_wallet, wsh_wallet


@pytest.fixture
def core(regtest_node: RegtestNode, tmp_path) -> CoreNode:
    node = NodeConfig(regtest_node.url, regtest_node.cookie_file)
    return CoreNode(Config(Home(tmp_path, tmp_path), Network.REGTEST, node, 1))


def watch(core: CoreNode, wallet: RegisteredWallet) -> str:
    from falconer_shared.descriptor.checksum import with_checksum

    name = node_wallet_name(wallet.wallet_id)
    core.open_wallet(name)
    core.import_descriptors(name, [with_checksum(branch_descriptor(wallet, b)) for b in (0, 1)], 99)
    return name


def test_status(core: CoreNode):
    status = core.status()
    assert status.chain == "regtest"
    assert status.height >= 101
    assert status.lowest_height == 0
    assert core.block_time(1) <= core.block_time(status.height)


@pytest.mark.parametrize(
    "wallet", [wpkh_wallet(seed=7001), wsh_wallet(seeds=(7001, 7002, 7003))], ids=["wpkh", "wsh"]
)
def test_it_derives_what_we_derive(core: CoreNode, regtest_node: RegtestNode, wallet: RegisteredWallet):
    name = watch(core, wallet)
    assert not core.open_wallet(name)
    txid = regtest_node.fund(wallet.address(0, 5), 70_000)
    (coin,) = core.coins(name)
    assert (coin.amount, coin.confirmations) == (70_000, 1)
    assert coin.script == wallet.scripts(0, 5).script_pubkey
    assert core.next_indexes(name) == {branch_descriptor(wallet, 0): 6, branch_descriptor(wallet, 1): 0}
    assert core.raw_transaction(name, txid)
    status = core.transaction(name, txid)
    assert status is not None
    assert status.confirmations == 1
    assert core.transaction(name, "00" * 32) is None


def test_a_held_coin_stays_in_the_list_and_the_lock_outlives_unloading(
    core: CoreNode, regtest_node: RegtestNode
):
    wallet = wpkh_wallet(seed=7010)
    name = watch(core, wallet)
    regtest_node.fund(wallet.address(0, 0), 70_000)
    outpoint = core.coins(name)[0].outpoint
    assert core.lock(name, outpoint)
    assert core.lock(name, outpoint)
    assert core.locked(name) == {outpoint}
    assert [coin.outpoint for coin in core.coins(name)] == [outpoint]
    regtest_node.rpc("unloadwallet", name)
    assert core.locked(name) == {outpoint}
    core.unlock(name, [outpoint, OutPoint(bytes(32), 0)])
    assert not core.locked(name)
    assert not core.lock(name, OutPoint(b"\x01" * 32, 0))


def test_a_wallet_that_the_node_does_not_have(core: CoreNode):
    with refused("node-wallet-unknown", DeviceError):
        core.coins("falconer-nothing")


def test_a_rescan_finds_the_past_in_stretches(core: CoreNode, regtest_node: RegtestNode):
    wallet = wpkh_wallet(seed=7020)
    regtest_node.fund(wallet.address(0, 1), 70_000)
    regtest_node.mine(3)
    name = watch(core, wallet)
    steps: list[tuple[int, int]] = []
    core.rescan(name, 1, lambda done, total: steps.append((done, total)))
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1] == core.status().height
    assert [coin.amount for coin in core.coins(name)] == [70_000]
    core.rescan(name, 10**6, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (1, 1)


def test_a_date_finds_its_block(core: CoreNode):
    status = core.status()
    assert _height_before(core, core.block_time(1)) <= 1
    assert _height_before(core, core.block_time(status.height) + 10**6) == status.height


def test_birthdays():
    assert parse_birthday("840000") == Birthday(840_000, None)
    assert parse_birthday("1970-01-02") == Birthday(None, 86_400)
    for text in ("", "-1", "2026-02-30", "yesterday", "٣"):
        with refused("wallet-birthday", UsageError):
            parse_birthday(text)


def test_the_fallback_is_for_networks_where_nobody_competes(bitcoind: Path, tmp_path: Path):
    # a node of its own: the one that tests share may have seen enough of them to know a rate
    with RegtestNode(tmp_path / "node", program=bitcoind) as fresh:
        node = NodeConfig(fresh.url, fresh.cookie_file)
        assert CoreNode(Config(Home(tmp_path, tmp_path), Network.REGTEST, node, 1)).fee_rate(6) is None


def test_a_registered_wallet_is_found_again_from_its_birthday(office: Office, regtest_node: RegtestNode):
    office.init(regtest_node)
    wallet = wpkh_wallet(seed=7030)
    regtest_node.fund(wallet.address(0, 4), 55_000)
    office.register(wallet.descriptor_text, "old", "--birthday", "0")
    assert office.run("wallet", "balance").json["confirmed"] == 55_000
    assert office.run("wallet", "address").json["index"] == 5
    # the same again is no error, and watches anew
    assert (
        office.register(wallet.descriptor_text, "old", "--birthday", "2020-01-01")["wallet_id"]
        == wallet.wallet_id
    )
    other = office.run("wallet", "register", "other", office.folder / "old.txt", expect=9)
    assert other.ids == ["wallet-registered"]


def test_a_lost_node_wallet_says_what_to_do(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(90_000)
    name = node_wallet_name(office.wallet_id)
    regtest_node.rpc("unloadwallet", name)
    (regtest_node.datadir / "regtest" / "wallets" / name).rename(office.folder / "away")
    lost = office.create((stranger(), 10_000), expect=7)
    assert lost.ids == ["node-wallet-unknown"]
    office.register(office.descriptor, "treasury", "--birthday", "0")
    assert office.create((stranger(), 10_000)).json["proposal"]["state"] == "approved"
