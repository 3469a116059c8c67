"""Composing, registering and handing out addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from falconer_online.wallets import (
    WATCHED_INDEXES,
    PlaceFinder,
    coins,
    compose,
    parse_birthday,
    receive_address,
    register,
)
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError, UsageError
from falconer_shared.wallet.ownership import OwnPlace
from tests.online.desk import Desk
from tests.support.refusal import refused
from tests.support.treasury import (
    FORMS,
    MULTI_PATH,
    PATHS,
    descriptor_of,
    key_expression,
    stranger_address,
    wpkh_descriptor,
    wpkh_wallet,
    wsh_descriptor,
    wsh_wallet,
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.make(tmp_path)


def test_composing():
    assert compose([key_expression(1) + "\n"], None, Network.REGTEST).descriptor_text == wpkh_descriptor(1)
    keys = [key_expression(seed, MULTI_PATH) for seed in (1, 2, 3)]
    assert compose(keys, 2, Network.REGTEST).descriptor_text == wsh_descriptor(2, (1, 2, 3))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_by_name_and_by_path(form: str):
    several = form in {"sh", "sh-wsh", "wsh"}
    seeds, threshold = ((1, 2, 3), 2) if several else ((1,), None)
    keys = [key_expression(seed, PATHS[form]) for seed in seeds]
    wanted = descriptor_of(form, 2, seeds)
    assert compose(keys, threshold, Network.REGTEST, form).descriptor_text == wanted
    assert compose(keys, threshold, Network.REGTEST).descriptor_text == wanted
    # other spellings of the hardened marker say the same
    assert (
        compose([key.replace("h/", "'/") for key in keys], threshold, Network.REGTEST).descriptor_text
        == wanted
    )


def test_paths_that_say_nothing_that_fits():
    several = [key_expression(1, "84h/1h/0h"), key_expression(2, "84h/1h/0h")]
    assert compose(several, 1, Network.REGTEST).descriptor_text.startswith("wsh(")
    mixed = [key_expression(1, PATHS["sh"]), key_expression(2, PATHS["sh-wsh"])]
    assert compose(mixed, 2, Network.REGTEST).descriptor_text.startswith("wsh(")
    assert compose([key_expression(1, "0h")], None, Network.REGTEST).descriptor_text.startswith("wpkh(")
    assert compose([key_expression(1, PATHS["wsh"])], None, Network.REGTEST).descriptor_text.startswith(
        "wpkh("
    )


@pytest.mark.parametrize(
    ("form", "threshold"), [("tr", 1), ("wpkh", 1), ("wsh", None), ("sh", None), ("sh-wsh", None)]
)
def test_forms_that_take_another_number_of_keys(form: str, threshold: int | None):
    with refused("wallet-form", UsageError):
        compose([key_expression(1)], threshold, Network.REGTEST, form)


@pytest.mark.parametrize(
    "text", ["", "tpub", "[c928eb36/84h]", "x" * 300, "[c928eb36/84h]tpub\nmore", "[c928eb36/84h]tpub,evil"]
)
def test_keys_that_are_none(text: str):
    with refused("key-expression", UsageError):
        compose([text], None, Network.REGTEST)


@pytest.mark.parametrize("threshold", [None, 0, 3, -1])
def test_thresholds_that_cannot_be(threshold: int | None):
    keys = [key_expression(seed, MULTI_PATH) for seed in (1, 2)]
    with refused("wallet-threshold", UsageError):
        compose(keys, threshold, Network.REGTEST)


def test_names_and_ids_are_kept_apart(desk: Desk):
    def progress(_done: int, _total: int) -> None: ...

    with refused("wallet-name", UsageError):
        register(desk.coordinator, "My Wallet", wpkh_descriptor(1), None, progress)
    with refused("wallet-registered", StateError):
        register(desk.coordinator, "treasury", wsh_descriptor(), None, progress)
    with refused("wallet-registered", StateError):
        register(desk.coordinator, "other", wpkh_descriptor(1), None, progress)
    assert register(desk.coordinator, "treasury", wpkh_descriptor(1), parse_birthday("1"), progress)


def test_a_node_that_watches_something_else_is_noticed(desk: Desk):
    desk.node.wallet = wpkh_wallet(seed=9)
    with desk.coordinator.store.read() as view:
        row = view.wallet(None)
    with refused("node-wallet-differs", StateError):
        receive_address(desk.coordinator, row, new=False, index=None)


def give(desk: Desk, *, new: bool = False, index: int | None = None) -> int:
    with desk.coordinator.store.read() as view:
        row = view.wallet(None)
    found, address = receive_address(desk.coordinator, row, new=new, index=index)
    assert address == wpkh_wallet().address(0, found)
    return found


def test_an_address_is_given_until_it_is_paid(desk: Desk):
    assert [give(desk), give(desk), give(desk, new=True), give(desk)] == [0, 0, 1, 1]
    desk.node.next_receive = 2
    assert [give(desk), give(desk)] == [2, 2]
    assert desk.events().count("address-handed-out") == 3


def test_no_more_addresses_than_a_restored_wallet_finds(desk: Desk):
    assert [give(desk, new=True) for _ in range(20)] == list(range(20))
    with refused("address-gap", StateError):
        give(desk, new=True)
    desk.node.next_receive = 1
    assert give(desk, new=True) == 20


def test_an_address_by_its_index(desk: Desk):
    assert give(desk, index=WATCHED_INDEXES - 1) == WATCHED_INDEXES - 1
    for index in (-1, WATCHED_INDEXES):
        with refused("address-index", UsageError):
            give(desk, index=index)


def test_what_is_ours_is_found_by_deriving(desk: Desk):
    wallet = wsh_wallet()
    finder = PlaceFinder(wallet)
    assert finder.find(wallet.scripts(1, 70).script_pubkey) == OwnPlace(1, 70)
    assert finder.find(wpkh_wallet().scripts(0, 0).script_pubkey) is None


def test_a_coin_that_the_node_made_up_is_left_out(desk: Desk):
    real = desk.node.add_coin(3, 50_000)
    desk.node.wallet = wpkh_wallet(seed=8)
    desk.node.add_coin(4, 60_000)
    desk.node.wallet = wpkh_wallet()
    with desk.coordinator.store.read() as view:
        row = view.wallet(None)
    (found,) = coins(desk.coordinator, row)
    assert (found.coin.outpoint, found.place, found.held_by) == (real, OwnPlace(0, 3), None)


def test_several_wallets_must_be_named(desk: Desk):
    def progress(_done: int, _total: int) -> None: ...

    desk.node.wallet = wsh_wallet()
    register(desk.coordinator, "vault", wsh_descriptor(), None, progress)
    with desk.coordinator.store.read() as view:
        assert view.wallet("vault").name == "vault"
        with refused("wallet-ambiguous", UsageError):
            view.wallet(None)
    with refused("policy-not-installed", StateError):
        desk.create(to=stranger_address(), wallet="vault")
