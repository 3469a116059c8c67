"""Addresses: strict, of one network, both ways."""

from __future__ import annotations

import json

import pytest
import wallycore
from embit import script as embit_script
from embit.networks import NETWORKS
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.address import MAX_ADDRESS, address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import p2pkh, p2sh, p2tr, p2wpkh, p2wsh
from falconer_shared.encoding import base58, bech32
from falconer_shared.encoding.bech32 import Checksum
from falconer_shared.errors import Malformed, VerificationError
from tests.support.refusal import outcome, refused

CORE = {
    "main": Network.MAINNET,
    "testnet4": Network.TESTNET4,
    "signet": Network.SIGNET,
    "regtest": Network.REGTEST,
}
NETWORK = st.sampled_from(Network)
SCRIPT = st.one_of(
    st.builds(p2pkh, st.binary(min_size=20, max_size=20)),
    st.builds(p2sh, st.binary(min_size=20, max_size=20)),
    st.builds(p2wpkh, st.binary(min_size=20, max_size=20)),
    st.builds(p2wsh, st.binary(min_size=32, max_size=32)),
    st.builds(p2tr, st.binary(min_size=32, max_size=32)),
    st.builds(
        lambda version, data: bytes((0x50 + version, len(data))) + data,
        st.integers(1, 16),
        st.binary(min_size=2, max_size=40),
    ),
)
REFUSALS = {
    "address-malformed",
    "address-other-network",
    "base58-character",
    "base58-checksum",
    "bech32-character",
    "bech32-checksum",
    "bech32-mixed-case",
    "bech32-padding",
    "bech32-separator",
}


@given(SCRIPT, NETWORK)
def test_round_trip(script, network):
    address = address_of(script, network)
    assert len(address) <= MAX_ADDRESS
    assert script_of(address, network) == script


@given(SCRIPT, NETWORK, NETWORK)
def test_an_address_of_another_network_is_refused_by_name(script, network, other):
    address = address_of(script, network)
    if address == address_of(script, other):
        assert script_of(address, other) == script
    else:
        with refused("address-other-network", VerificationError) as caught:
            script_of(address, other)
        assert network.label in caught.value.message.split("not to")[0]


@given(st.text(max_size=95), NETWORK)
def test_any_text_is_an_address_or_refused(text, network):
    script, rule = outcome(lambda: script_of(text, network))
    assert rule in REFUSALS if script is None else address_of(script, network) in {text, text.lower()}


@given(SCRIPT, st.data())
def test_one_wrong_character_is_always_found(script, data):
    address = address_of(script, Network.MAINNET)
    position = data.draw(st.integers(0, len(address) - 1))
    character = data.draw(st.sampled_from("0123456789abcdefghjkmnpqrstuvwxyzABCZ"))
    changed = address[:position] + character + address[position + 1 :]
    found, _ = outcome(lambda: script_of(changed, Network.MAINNET))
    assert (found is None) == (changed != address)


def test_core_valid(vectors):
    cases = json.loads((vectors / "vectors/raw/bitcoin-core_gui/src/test/data/key_io_valid.json").read_text())
    seen = 0
    for text, script, about in cases:
        network = CORE[about["chain"]]
        if about["isPrivkey"]:
            with refused("private-key-in-public-data", Malformed) as caught:
                script_of(text, network)
            assert text[:8] not in json.dumps(caught.value.as_json())
            continue
        assert script_of(text, network).hex() == script
        assert address_of(bytes.fromhex(script), network) == text
        flipped, _ = outcome(lambda text=text, network=network: script_of(text.swapcase(), network))
        assert (flipped is not None) == bool(about.get("tryCaseFlip"))
        seen += 1
    assert seen == 54


def test_core_invalid(vectors):
    cases = json.loads(
        (vectors / "vectors/raw/bitcoin-core_gui/src/test/data/key_io_invalid.json").read_text()
    )
    for (text,) in cases:
        for network in Network:
            script, rule = outcome(lambda text=text, network=network: script_of(text, network))
            assert script is None, text
            assert rule in REFUSALS | {"private-key-in-public-data", "base58-too-long"}
    assert len(cases) == 70


@pytest.mark.parametrize("bip", [173, 350])
def test_bip_vectors(vectors, bip):
    accepted = refusals = 0
    for case in json.loads((vectors / f"vectors/json/bip{bip}.json").read_text()):
        if "translate to" in case["section"]:
            address, script = case["strings"][:2]
            network = Network.MAINNET if address.lower().startswith("bc") else Network.TESTNET4
            if bip == 173 and script[:2] != "00":
                # BIP 350 took these back: a version above 0 takes the other checksum
                with refused("address-malformed", Malformed):
                    script_of(address, network)
            else:
                assert script_of(address, network).hex() == script
                accepted += 1
        elif "their invalidity" in case["section"]:
            for network in Network:
                assert outcome(lambda a=case["strings"][0], n=network: script_of(a, n))[0] is None
            refusals += 1
    assert (accepted, refusals) == {173: (3, 10), 350: (8, 15)}[bip]


@given(SCRIPT)
def test_embit_and_wallycore_agree(script):
    address = address_of(script, Network.REGTEST)
    if script[0] in {0x76, 0xA9}:
        assert wallycore.address_to_scriptpubkey(address, wallycore.WALLY_NETWORK_BITCOIN_TESTNET) == script
    else:
        assert wallycore.addr_segwit_to_bytes(address, "bcrt", 0) == script
    if script[0] in {0x00, 0x76, 0xA9} or script[:2] == b"\x51\x20":
        assert embit_script.Script(script).address(NETWORKS["regtest"]) == address


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"\x51",
        b"\x6a\x01x",
        b"\x00\x15" + bytes(21),
        b"\x21" + b"\x02" * 33 + b"\xac",
        p2pkh(bytes(20)) + b"\x61",
    ],
)
def test_scripts_without_address(script):
    assert address_of(p2pkh(bytes(20)), Network.MAINNET)
    with refused("script-has-no-address", VerificationError):
        address_of(script, Network.MAINNET)


def segwit(version: int, program: bytes, checksum: Checksum, hrp: str = "bcrt") -> str:
    return bech32.encode(hrp, bytes((version,)) + bech32.to_values(program), checksum)


GOOD = segwit(0, bytes(20), Checksum.BECH32)
B58 = base58.encode_check(b"\x6f" + bytes(20))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (segwit(0, bytes(20), Checksum.BECH32M), "address-malformed"),
        (segwit(1, bytes(32), Checksum.BECH32), "address-malformed"),
        (segwit(0, bytes(21), Checksum.BECH32), "address-malformed"),
        (segwit(17, bytes(32), Checksum.BECH32M), "address-malformed"),
        (segwit(1, bytes(1), Checksum.BECH32M), "address-malformed"),
        (segwit(1, bytes(41), Checksum.BECH32M), "address-malformed"),
        (bech32.encode("bcrt", b"", Checksum.BECH32), "address-malformed"),
        (bech32.encode("bcrt", b"\0" + bytes(32) + b"\1", Checksum.BECH32), "bech32-padding"),
        (segwit(0, bytes(20), Checksum.BECH32, "ltc"), "address-malformed"),
        (segwit(0, bytes(20), Checksum.BECH32, "bc"), "address-other-network"),
        (segwit(0, bytes(20), Checksum.BECH32, "tb"), "address-other-network"),
        (GOOD.replace("q", "Q", 1), "bech32-mixed-case"),
        (GOOD.capitalize(), "bech32-mixed-case"),
        (GOOD + "q", "bech32-checksum"),
        (GOOD + "\n", "bech32-character"),
        ("bitcoin:" + GOOD, "bech32-checksum"),
        ("bcrt1", "bech32-separator"),
        ("", "address-malformed"),
        ("q" * 91, "address-malformed"),
        (B58 + " ", "base58-character"),
        (B58[:-1] + "z", "base58-checksum"),
        (B58.swapcase(), "base58-character"),
        (base58.encode_check(b"\x6f" + bytes(21)), "address-malformed"),
        (base58.encode_check(b"\x6f" + bytes(19)), "address-malformed"),
        (base58.encode_check(b""), "address-malformed"),
        (base58.encode_check(b"\x30" + bytes(20)), "address-malformed"),
        (base58.encode_check(b"\x00" + bytes(20)), "address-other-network"),
        (base58.encode_check(b"\xef" + bytes(32)), "private-key-in-public-data"),
        (base58.encode_check(b"\xef" + bytes(32) + b"\1"), "private-key-in-public-data"),
    ],
)
def test_each_refusal(text, rule):
    assert script_of(GOOD, Network.REGTEST) == script_of(GOOD.upper(), Network.REGTEST) == p2wpkh(bytes(20))
    assert script_of(B58, Network.REGTEST) == p2pkh(bytes(20))
    with refused(rule):
        script_of(text, Network.REGTEST)


def test_the_networks_that_share_an_address_form_are_all_named():
    with refused("address-other-network", VerificationError) as caught:
        script_of(segwit(0, bytes(20), Checksum.BECH32, "tb"), Network.MAINNET)
    assert "testnet4 or signet" in caught.value.message
