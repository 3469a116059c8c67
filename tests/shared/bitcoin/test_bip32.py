"""Extended public keys: BIP 32's vectors, embit and wallycore; private keys and foreign versions refused."""

from __future__ import annotations

import dataclasses
import json

import bdkpython
import pytest
import wallycore
from embit.bip32 import HDKey
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.bip32 import HARDENED, MAX_DEPTH, ExtendedPublicKey, format_path, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import hash160, p2wpkh
from falconer_shared.encoding import base58
from falconer_shared.errors import Malformed, VerificationError
from tests.support.refusal import outcome, refused

XPUB = HDKey.from_seed(bytes(range(16))).to_public().to_base58()
"""The master key of BIP 32's first vector, as embit makes it."""

INDEXES = st.integers(0, HARDENED - 1)
SEEDS = st.binary(min_size=16, max_size=64)


def vector_chains(vectors) -> list[dict[str, str]]:
    return [c for v in json.loads((vectors / "vectors/json/bip32.json").read_text()) for c in v["chains"]]


def vector_keys(vectors) -> dict[str, ExtendedPublicKey]:
    """Public keys of the vectors by vector number and path."""
    return {
        f"{v['vector']} {c['path']}".replace("'", "h").replace("H", "h"): ExtendedPublicKey.parse(
            c["xpub"], Network.MAINNET
        )
        for v in json.loads((vectors / "vectors/json/bip32.json").read_text())
        for c in v["chains"]
    }


def test_vectors_round_trip(vectors):
    chains = vector_chains(vectors)
    assert len(chains) == 17
    for chain in chains:
        key = ExtendedPublicKey.parse(chain["xpub"], Network.MAINNET)
        assert key.text(Network.MAINNET) == chain["xpub"]
        steps = parse_path(chain["path"].replace("H", "h").partition("/")[2])
        assert key.depth == len(steps)
        assert key.child_number == (steps[-1] if steps else 0)


def test_vectors_derive(vectors):
    """Every key whose last step is not hardened comes out of its parent's public key."""
    keys = vector_keys(vectors)
    derived = 0
    for name, key in keys.items():
        parent, _, step = name.rpartition("/")
        if parent and not step.endswith("h"):
            assert keys[parent].derive(int(step)) == key
            derived += 1
        elif parent:
            assert key.parent_fingerprint == keys[parent].fingerprint()
            with refused("derivation-hardened", VerificationError):
                keys[parent].derive(int(step[:-1]) + HARDENED)
    assert derived >= 5


def test_vectors_private_keys(vectors):
    for chain in vector_chains(vectors):
        with refused("private-key-in-public-data", Malformed) as caught:
            ExtendedPublicKey.parse(chain["xprv"], Network.MAINNET)
        shown = json.dumps(caught.value.as_json())
        assert not any(chain["xprv"][i : i + 6] in shown for i in range(105))


INVALID = {
    "pubkey version / prvkey mismatch": "private-key-in-public-data",
    "prvkey version / pubkey mismatch": "private-key-in-public-data",
    "invalid pubkey prefix 04": "pubkey-malformed",
    "invalid prvkey prefix 04": "private-key-in-public-data",
    "invalid pubkey prefix 01": "pubkey-malformed",
    "invalid prvkey prefix 01": "private-key-in-public-data",
    "zero depth with non-zero parent fingerprint": "xpub-malformed",
    "zero depth with non-zero index": "xpub-malformed",
    "private key 0 not in 1..n-1": "private-key-in-public-data",
    "private key n not in 1..n-1": "private-key-in-public-data",
    "invalid pubkey 020000000000000000000000000000000000000000000000000000000000000007": "pubkey-not-on-curve",
    "invalid checksum": "base58-checksum",
}


def test_vector_5(vectors):
    """A043: all fourteen are refused, each for the reason given."""
    cases = [c for v in json.loads((vectors / "vectors/json/bip32.json").read_text()) for c in v["invalid"]]
    assert len(cases) == 14
    for case in cases:
        private_twin = case["key"].startswith("xprv") and "zero depth" in case["reason"]
        with refused("private-key-in-public-data" if private_twin else INVALID[case["reason"]], Malformed):
            ExtendedPublicKey.parse(case["key"], Network.MAINNET)


@given(SEEDS, st.lists(INDEXES, max_size=4))
def test_embit_derives_the_same(seed, path):
    root = HDKey.from_seed(seed).derive("m/84h/0h/0h").to_public()
    ours = ExtendedPublicKey.parse(root.to_base58(), Network.MAINNET)
    assert ours.derive_branch(path).text(Network.MAINNET) == root.derive(path).to_base58()
    assert ours.fingerprint() == root.my_fingerprint


@given(SEEDS, INDEXES)
def test_wallycore_derives_the_same(seed, index):
    private = wallycore.bip32_key_from_seed(seed[:16] * 2, wallycore.BIP32_VER_TEST_PRIVATE, 0)
    public = wallycore.bip32_key_to_base58(private, wallycore.BIP32_FLAG_KEY_PUBLIC)
    child = wallycore.bip32_key_from_parent(private, index, wallycore.BIP32_FLAG_KEY_PRIVATE)
    ours = ExtendedPublicKey.parse(public, Network.REGTEST).derive(index)
    assert ours.text(Network.REGTEST) == wallycore.bip32_key_to_base58(child, wallycore.BIP32_FLAG_KEY_PUBLIC)


@pytest.mark.parametrize("index", [0, 1, 1000, HARDENED - 1])
def test_bdk_derives_the_same(index):
    # bdk keeps key and path apart, so that only an address shows what it derived
    key = ExtendedPublicKey.parse(changed(version=Network.REGTEST.xpub_version), Network.REGTEST)
    text = f"wpkh({key.text(Network.REGTEST)}/7/{index})"
    theirs = bdkpython.Descriptor(text, bdkpython.NetworkKind.TEST).derive_address(
        0, bdkpython.Network.REGTEST
    )
    assert script_of(str(theirs), Network.REGTEST) == p2wpkh(hash160(key.derive_branch((7, index)).pubkey))


def test_published_wallets_of_bip84_and_bip86(vectors):
    """BIP 84 writes zpub, refused here by name; the same key as xpub gives the BIP's keys."""
    entries = json.loads((vectors / "vectors/json/bip84.json").read_text())
    zpub = next(e["value"] for e in entries if e["key"] == "xpub")
    with refused("xpub-slip132", Malformed):
        ExtendedPublicKey.parse(zpub, Network.MAINNET)
    account = ExtendedPublicKey.parse(
        base58.encode_check(Network.MAINNET.xpub_version + base58.decode_check(zpub)[4:]), Network.MAINNET
    )
    published = [e["value"] for e in entries if e["key"] == "pubkey"]
    assert published == [account.derive_branch(path).pubkey.hex() for path in ((0, 0), (0, 1), (1, 0))]
    entries = json.loads((vectors / "vectors/json/bip86.json").read_text())
    account, *children = [e["value"] for e in entries if e["key"] == "xpub"]
    parsed = ExtendedPublicKey.parse(account, Network.MAINNET)
    for path, child in zip(((0, 0), (0, 1), (1, 0)), children, strict=True):
        assert parsed.derive_branch(path).text(Network.MAINNET) == child


def changed(**fields: bytes) -> str:
    """The good key with some of its bytes replaced, under a right checksum."""
    data = bytearray(base58.decode_check(XPUB))
    places = {"version": 0, "depth": 4, "parent": 5, "child": 9, "chain": 13, "key": 45}
    for name, value in fields.items():
        data[places[name] : places[name] + len(value)] = value
    return base58.encode_check(bytes(data))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (changed(version=Network.REGTEST.xpub_version), "xpub-other-network"),
        (changed(version=bytes.fromhex("0488ade4")), "private-key-in-public-data"),
        (changed(version=bytes.fromhex("04358394")), "private-key-in-public-data"),
        (changed(version=bytes.fromhex("04b24746")), "xpub-slip132"),
        (changed(version=bytes.fromhex("02575483")), "xpub-slip132"),
        (changed(version=bytes(4)), "xpub-version-unknown"),
        (changed(child=b"\0\0\0\1"), "xpub-malformed"),
        (changed(parent=b"\0\0\0\1"), "xpub-malformed"),
        (changed(key=b"\4"), "pubkey-malformed"),
        (changed(key=b"\0"), "private-key-in-public-data"),
        (changed(key=b"\2" + (5).to_bytes(32, "big")), "pubkey-not-on-curve"),
        (base58.encode_check(base58.decode_check(XPUB)[:-1]), "xpub-malformed"),
        (base58.encode_check(base58.decode_check(XPUB) + b"\0"), "xpub-malformed"),
        (base58.encode_check(b""), "xpub-version-unknown"),
        (base58.encode_check(b"\x80" + bytes(range(32)) + b"\1"), "private-key-in-public-data"),
        (XPUB[:-1] + "9", "base58-checksum"),
        (XPUB + "\n", "base58-character"),
        (" " + XPUB, "base58-character"),
        ("", "base58-checksum"),
        (XPUB * 3, "base58-too-long"),
    ],
)
def test_each_refusal(text, rule):
    assert changed(depth=b"\1", child=b"\0\0\0\1", parent=b"\0\0\0\1") != XPUB
    ExtendedPublicKey.parse(changed(depth=b"\1", child=b"\0\0\0\1", parent=b"\0\0\0\1"), Network.MAINNET)
    ExtendedPublicKey.parse(XPUB, Network.MAINNET)
    with refused(rule):
        ExtendedPublicKey.parse(text, Network.MAINNET)


SLIP132 = {
    "ypub": "049d7cb2", "zpub": "04b24746", "Ypub": "0295b43f", "Zpub": "02aa7ed3",
    "upub": "044a5262", "vpub": "045f1cf6", "Upub": "024289ef", "Vpub": "02575483",
}  # fmt: skip


@pytest.mark.parametrize("name", SLIP132)
def test_foreign_prefixes_are_named(name):
    """A042."""
    text = changed(version=bytes.fromhex(SLIP132[name]))
    assert text.startswith(name)
    for network in Network:
        with refused("xpub-slip132", Malformed) as caught:
            ExtendedPublicKey.parse(text, network)
        assert name in caught.value.message
        assert caught.value.remedy


def test_the_other_network_is_named():
    tpub = changed(version=Network.SIGNET.xpub_version)
    assert tpub.startswith("tpub")
    for network in (Network.TESTNET4, Network.SIGNET, Network.REGTEST):
        assert ExtendedPublicKey.parse(tpub, network).text(network) == tpub
        with refused("xpub-other-network", VerificationError) as caught:
            ExtendedPublicKey.parse(XPUB, network)
        assert "belongs to mainnet" in caught.value.message


@given(st.binary(max_size=90), st.booleans())
def test_any_payload_is_a_key_exactly_or_refused(data, with_version):
    text = base58.encode_check((Network.MAINNET.xpub_version if with_version else b"") + data)
    key, _ = outcome(lambda: ExtendedPublicKey.parse(text, Network.MAINNET))
    assert key is None or key.text(Network.MAINNET) == text


def test_depth_boundary():
    last_but_one = ExtendedPublicKey.parse(changed(depth=bytes((MAX_DEPTH - 1,))), Network.MAINNET)
    deepest = last_but_one.derive(0)
    assert deepest.depth == MAX_DEPTH
    assert ExtendedPublicKey.parse(deepest.text(Network.MAINNET), Network.MAINNET) == deepest
    with refused("derivation-too-deep", VerificationError):
        deepest.derive(0)


def test_hardened_boundary():
    key = ExtendedPublicKey.parse(XPUB, Network.MAINNET)
    assert key.derive(HARDENED - 1).child_number == HARDENED - 1
    for index in (HARDENED, 2 * HARDENED - 1):
        with refused("derivation-hardened", VerificationError):
            key.derive(index)
    with refused("derivation-hardened", VerificationError):
        key.derive_branch((0, 1, HARDENED))
    for index in (-1, 2**32):
        with pytest.raises(ValueError, match="32 bits"):
            key.derive(index)


def test_a_child_is_not_its_sibling():
    key = ExtendedPublicKey.parse(XPUB, Network.MAINNET)
    assert len({key.derive(i).pubkey for i in range(50)}) == 50
    assert key.derive_branch(()) is key


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": -1},
        {"depth": 256},
        {"child_number": 2**32},
        {"child_number": -1},
        {"chain_code": bytes(31)},
        {"parent_fingerprint": bytes(3)},
        {"pubkey": bytes(32)},
    ],
)
def test_parts_that_do_not_fit_are_a_programmers_mistake(fields):
    with pytest.raises(ValueError, match=r"extended key|out of range"):
        dataclasses.replace(ExtendedPublicKey.parse(XPUB, Network.MAINNET), **fields)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=12))
def test_path_round_trip(path):
    assert parse_path(format_path(path)) == tuple(path)
    assert parse_path(format_path(path).replace("h", "'")) == tuple(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("0", (0,)),
        ("84h/1h/0h", (84 + HARDENED, 1 + HARDENED, HARDENED)),
        ("2147483647h/2147483647", (2**32 - 1, HARDENED - 1)),
    ],
)
def test_paths(text, path):
    assert parse_path(text) == path
    assert format_path(path) == text


@pytest.mark.parametrize(
    "text",
    [
        "m",
        "m/0",
        "/0",
        "0/",
        "0//1",
        "2147483648",
        "2147483648h",
        "99999999999999999999",
        "-1",
        "+1",
        "01",
        "0H",
        "0hh",
        "0h'",
        "h",
        "0 ",
        " 0",
        "0\n",
        "\u0661",
        "*",
        "<0;1>",
        "0x1",
        "1_0",
    ],
)
def test_paths_that_are_refused(text):
    with refused("derivation-path-malformed", Malformed):
        parse_path(text)


def test_longest_path():
    assert len(parse_path("/".join(["0"] * MAX_DEPTH))) == MAX_DEPTH
    for steps in (MAX_DEPTH + 1, 100_000):
        with refused("derivation-path-malformed", Malformed):
            parse_path("/".join(["0"] * steps))
