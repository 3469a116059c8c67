"""What a registered wallet proves, and what registering refuses."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import FalconerError, Malformed, VerificationError
from falconer_shared.seal import Seal
from falconer_shared.wallet.registration import MAX_GAP_LIMIT, RegisteredWallet, quorums_without
from tests.support.descriptors import TAIL, fingerprint, full_key, xpub
from tests.support.treasury import wpkh_descriptor, wpkh_wallet, wsh_descriptor, wsh_wallet

BIP84_ACCOUNT = "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V"
"""The account of BIP 84's test vectors, as xpub."""


def refused(rule: str, *arguments: object, **named: object) -> FalconerError:
    with pytest.raises((Malformed, VerificationError)) as caught:
        RegisteredWallet.register(*arguments, **named)  # type: ignore[arg-type]
    assert caught.value.rule == rule
    return caught.value


def test_the_id_is_the_hash_of_the_canonical_descriptor() -> None:
    wallet = wpkh_wallet()
    assert wallet.canonical == wpkh_descriptor().partition("#")[0]
    assert wallet.wallet_id == hashlib.sha256(wallet.canonical.encode()).hexdigest()
    assert wallet.descriptor_text == wpkh_descriptor()


def test_every_spelling_of_a_wallet_has_one_id() -> None:
    body = wsh_descriptor().partition("#")[0]
    for spelling in (body, body.replace("h/", "'/"), body.replace(fingerprint(1), fingerprint(1).upper())):
        wallet = RegisteredWallet.register("vault", Network.REGTEST, with_checksum(spelling))
        assert wallet == wsh_wallet()


@pytest.mark.parametrize(
    "other",
    [
        wsh_wallet(threshold=1),  # A029
        wsh_wallet(
            seeds=(1, 3, 2)
        ),  # another order is another wallet for `multi`, and is kept apart for both
        wsh_wallet(seeds=(1, 2, 4)),  # A027
        wsh_wallet(form="multi"),
        wpkh_wallet(),
    ],
)
def test_every_other_wallet_has_another_id(other: RegisteredWallet) -> None:
    assert other.wallet_id != wsh_wallet().wallet_id


def test_the_addresses_of_bip84() -> None:
    text = with_checksum(f"wpkh([73c5da0a/84h/0h/0h]{BIP84_ACCOUNT}{TAIL})")
    wallet = RegisteredWallet.register("bip84", Network.MAINNET, text)
    assert wallet.address(0, 0) == "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
    assert wallet.address(0, 1) == "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"
    assert wallet.address(1, 0) == "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"


def test_threshold_and_size() -> None:
    assert (wpkh_wallet().threshold, wpkh_wallet().size) == (1, 1)
    assert (wsh_wallet(2).threshold, wsh_wallet(2).size) == (2, 3)


def test_the_type_is_made_here_alone() -> None:
    wallet = wpkh_wallet()
    fields = (
        wallet.name,
        wallet.network,
        wallet.descriptor,
        wallet.wallet_id,
        wallet.canonical,
        wallet.gap_limit,
    )
    with pytest.raises(TypeError):
        RegisteredWallet(*fields)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="registration"):
        RegisteredWallet(*fields, Seal("somebody else"))
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(wallet, name="other")
    with pytest.raises(dataclasses.FrozenInstanceError):
        wallet.wallet_id = "0" * 64  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "A", "a b", "a" * 65, "schlüssel", "a/b", "a\n", "../a"])
def test_names_are_ids(name: str) -> None:
    refused("wallet-name-malformed", name, Network.REGTEST, wpkh_descriptor())


@pytest.mark.parametrize("name", ["a", "a" * 64, "treasury-2025.cold_1"])
def test_names_that_are(name: str) -> None:
    assert RegisteredWallet.register(name, Network.REGTEST, wpkh_descriptor()).name == name


def test_gap_limits() -> None:
    for gap_limit in (1, MAX_GAP_LIMIT):
        assert (
            RegisteredWallet.register("w", Network.REGTEST, wpkh_descriptor(), gap_limit).gap_limit
            == gap_limit
        )
    for gap_limit in (0, -1, MAX_GAP_LIMIT + 1, True):
        refused("wallet-gap-limit-out-of-range", "w", Network.REGTEST, wpkh_descriptor(), gap_limit)
    assert wpkh_wallet().gap_limit == 20


# coin type (A094) -------------------------------------------------------------------------------------


def descriptor_at(path: str, network: str = "regtest") -> str:
    return with_checksum(f"wpkh([{fingerprint(1)}/{path}]{xpub(1, path, network=network)}{TAIL})")


@pytest.mark.parametrize("purpose", [44, 48, 49, 84, 86, 87])
def test_a_key_of_another_coin_is_refused(purpose: int) -> None:
    for coin in ("0h", "2h", "1"):
        error = refused(
            "wallet-coin-type-mismatch", "w", Network.REGTEST, descriptor_at(f"{purpose}h/{coin}/0h")
        )
        assert "regtest" in error.message
    refused("wallet-coin-type-mismatch", "w", Network.REGTEST, descriptor_at(f"{purpose}h/0h"))
    refused("wallet-coin-type-mismatch", "w", Network.MAINNET, descriptor_at(f"{purpose}h/1h/0h", "main"))


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("purpose", [44, 48, 49, 84, 86, 87])
def test_a_key_of_the_networks_coin_is_taken(purpose: int, network: Network) -> None:
    version = "main" if network is Network.MAINNET else "regtest"
    text = descriptor_at(f"{purpose}h/{network.coin_type}h/0h", version)
    assert RegisteredWallet.register("w", network, text).network is network


@pytest.mark.parametrize("path", ["45h", "84h", "0h/0h/0h", "45h/0h", "84/0h/0h", "7h/0h"])
def test_paths_that_do_not_speak_of_coins_are_taken(path: str) -> None:
    RegisteredWallet.register("w", Network.REGTEST, descriptor_at(path))


def test_one_wrong_cosigner_is_enough() -> None:
    wrong = f"[{fingerprint(2)}/48h/0h/0h/2h]{xpub(2, '48h/0h/0h/2h')}{TAIL}"
    error = refused(
        "wallet-coin-type-mismatch",
        "w",
        Network.REGTEST,
        with_checksum(f"wsh(multi(1,{full_key(1)},{wrong}))"),
    )
    assert error.details == {"key": 2}


# stored and read back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wallet", [wpkh_wallet(), wsh_wallet(), wsh_wallet(form="multi")])
def test_restoring_what_was_registered(wallet: RegisteredWallet) -> None:
    again = RegisteredWallet.restore(wallet.name, wallet.network, wallet.canonical, wallet.gap_limit)
    assert again == wallet
    assert again.address(1, 9) == wallet.address(1, 9)


def test_restoring_judges_like_registering() -> None:
    wallet = wpkh_wallet()
    for rule, arguments in (
        ("descriptor-not-canonical", (wallet.name, wallet.network, wallet.canonical.replace("h/", "'/"), 20)),
        ("descriptor-character", (wallet.name, wallet.network, wallet.canonical + "\n", 20)),
        ("wallet-name-malformed", ("W", wallet.network, wallet.canonical, 20)),
        ("xpub-other-network", (wallet.name, Network.MAINNET, wallet.canonical, 20)),
    ):
        with pytest.raises((Malformed, VerificationError)) as caught:
            RegisteredWallet.restore(*arguments)
        assert caught.value.rule == rule


# quorums that need nothing of ours --------------------------------------------------------------------


def test_quorums_without_this_machine() -> None:
    wallet = wsh_wallet(2)
    assert quorums_without(wallet, [0]) == ((1, 2),)
    assert quorums_without(wallet, [0, 1]) == ()
    assert quorums_without(wallet, []) == ((0, 1), (0, 2), (1, 2))
    assert quorums_without(wallet, [2, 2]) == ((0, 1),)
    assert quorums_without(wpkh_wallet(), [0]) == ()
    assert quorums_without(wpkh_wallet(), []) == ((0,),)


@pytest.mark.parametrize("held", [[3], [-1], [0, 7]])
def test_positions_that_the_wallet_does_not_have(held: list[int]) -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        quorums_without(wsh_wallet(), held)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 7), st.data())
def test_a_quorum_without_us_spends_and_needs_each_of_its_keys(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    held = data.draw(st.sets(st.integers(0, n - 1)))
    wallet = wsh_wallet(k, tuple(range(n)))
    quorums = quorums_without(wallet, held)
    assert len(quorums) == math.comb(n - len(held), k)
    for quorum in quorums:
        assert not held & set(quorum)
        assert wallet.descriptor.plan(quorum, 0, 0).positions == quorum
        with pytest.raises(VerificationError):
            wallet.descriptor.plan(quorum[1:], 0, 0)


def test_keys_of_one_seed_are_pointed_out() -> None:
    assert wsh_wallet().notes() == ()
    text = with_checksum(f"wsh(multi(2,{full_key(1)},{full_key(2)},{full_key(1, '48h/1h/1h/2h')}))")
    (note,) = RegisteredWallet.register("w", Network.REGTEST, text).notes()
    assert "keys 1, 3" in note
    assert fingerprint(1) in note


def test_copies_are_the_wallet_or_nothing() -> None:
    wallet = wpkh_wallet()
    assert copy.copy(wallet) == wallet
    assert copy.copy(wallet).address(0, 0) == wallet.address(0, 0)
