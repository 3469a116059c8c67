"""A wallet in other programs' files: read back by our parser, by Bitcoin Core, and by a reader of the multisig text."""

from __future__ import annotations

import json
import re

import pytest

from falconer_online.exporting import FORMATS, export
from falconer_online.wallets import compose
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import UsageError
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.node import RegtestNode
from tests.support.refusal import refused
from tests.support.treasury import FORMS, wallet_of

SEVERAL = ("sh", "sh-wsh", "wsh")


@pytest.mark.parametrize("form", FORMS)
def test_the_descriptor_is_read_back_by_our_parser(form: str):
    wallet = wallet_of(form)
    for text in (export(wallet, "descriptor"), export(wallet, "sparrow")):
        # Sparrow takes the first paragraph that is no comment
        line = next(line for line in text.split("\n") if line and not line.startswith("#"))
        assert RegisteredWallet.register("again", Network.REGTEST, line).wallet_id == wallet.wallet_id


@pytest.mark.parametrize("form", FORMS)
def test_core_imports_it_and_gives_the_same_addresses(form: str, regtest_node: RegtestNode):
    # of keys that no other test is paid to: Core gives out no address that was used on the chain
    wallet = wallet_of(form, seeds=(191, 192, 193))
    requests = json.loads(export(wallet, "core"))
    assert [(each["internal"], each["timestamp"]) for each in requests] == [(False, 0), (True, 0)]
    name = f"export-{form}"
    regtest_node.rpc("createwallet", name, True, True)
    try:
        # a rescan from the first block is what the file asks for; the addresses do not depend on it
        answers = regtest_node.rpc(
            "importdescriptors", [{**each, "timestamp": "now"} for each in requests], wallet=name
        )
        assert all(each["success"] for each in answers), answers
        kind = {
            "pkh": "legacy",
            "sh": "legacy",
            "sh-wpkh": "p2sh-segwit",
            "sh-wsh": "p2sh-segwit",
            "tr": "bech32m",
        }
        for index in range(3):
            there = regtest_node.rpc("getnewaddress", "", kind.get(form, "bech32"), wallet=name)
            assert there == wallet.address(0, index)
        assert regtest_node.rpc(
            "getrawchangeaddress", kind.get(form, "bech32"), wallet=name
        ) == wallet.address(1, 0)
    finally:
        regtest_node.rpc("unloadwallet", name)


def composed(text: str) -> RegisteredWallet:
    """What a program makes of the multisig text."""
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    facts, keys, path = {}, [], ""
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "Derivation":
            path = value.removeprefix("m").replace("'", "h")
        elif re.fullmatch("[0-9A-F]{8}", key):
            keys.append(f"[{key.lower()}{path}]{value}")
        else:
            facts[key] = value
    form = {"P2SH": "sh", "P2WSH-P2SH": "sh-wsh", "P2WSH": "wsh"}[facts["Format"]]
    k, of, n = facts["Policy"].split()
    assert (of, int(n), facts["Name"]) == ("of", len(keys), form)
    return compose(keys, int(k), Network.REGTEST, form)


@pytest.mark.parametrize("program", ["coldcard", "bluewallet-multisig-txt"])
@pytest.mark.parametrize("form", SEVERAL)
def test_the_multisig_text_makes_the_same_wallet(form: str, program: str):
    wallet = wallet_of(form)
    text = export(wallet, program)
    assert text.startswith("# Coldcard" if program == "coldcard" else "# BlueWallet")
    assert text.count("Derivation:") == 1
    assert composed(text).wallet_id == wallet.wallet_id


def test_keys_with_paths_of_their_own_each_say_it():
    from falconer_shared.descriptor.checksum import with_checksum
    from tests.support.treasury import key_expression

    keys = [
        key_expression(1, "48h/1h/0h/2h"),
        key_expression(2, "48h/1h/1h/2h"),
        key_expression(3, "48h/1h/1h/2h"),
    ]
    descriptor = with_checksum(f"wsh(sortedmulti(2,{','.join(f'{key}/<0;1>/*' for key in keys)}))")
    wallet = RegisteredWallet.register("wsh", Network.REGTEST, descriptor)
    text = export(wallet, "coldcard")
    assert text.count("Derivation:") == 2
    assert composed(text).wallet_id == wallet.wallet_id


@pytest.mark.parametrize("program", ["coldcard", "bluewallet-multisig-txt"])
def test_what_the_multisig_text_cannot_say_is_refused(program: str):
    # keys in the order of the descriptor would become keys in sorted order: other addresses
    for wallet in (wallet_of("wpkh"), wallet_of("tr"), wallet_of("wsh", script="multi")):
        with refused("wallet-export-form", UsageError):
            export(wallet, program)
    with refused("wallet-export-form", UsageError):
        export(wallet_of("wsh"), "electrum")


def test_a_long_name_is_cut_to_what_a_device_keeps():
    wallet = RegisteredWallet.register("a" * 64, Network.REGTEST, wallet_of("wsh").descriptor_text)
    assert f"\nName: {'a' * 20}\n" in export(wallet, "coldcard")


def test_the_command_offers_every_form():
    from falconer_online.cli.export import FORMATS as OFFERED

    assert OFFERED == FORMATS
