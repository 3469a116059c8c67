"""Base58, Bech32, Bech32m and addresses: BIP 173, BIP 350, Bitcoin Core's base58, key_io and rpc_decodescript."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import classify, hash160, p2sh
from falconer_shared.encoding import base58, bech32
from falconer_shared.encoding.bech32 import Checksum
from falconer_shared.errors import Malformed
from tests.official.cases import Case, Part, bad, good, same, skip

DATA = "raw/bitcoin-core_gui/src/test/data"
DECODESCRIPT = "raw/bitcoin-core_gui/test/functional/data/rpc_decodescript.json"
NETWORKS = {
    "main": Network.MAINNET,
    "test": Network.TESTNET4,
    "testnet4": Network.TESTNET4,
    "signet": Network.SIGNET,
    "regtest": Network.REGTEST,
}
"""Core's names of chains; testnet3 has the encodings of testnet4."""


def base58_texts(folder: Path) -> Iterator[Case]:
    for number, (data, text) in enumerate(
        json.loads((folder / DATA / "base58_encode_decode.json").read_text())
    ):
        yield good(f"encode {number}", functools.partial(_encodes, bytes.fromhex(data), text))
        yield good(f"decode {number}", functools.partial(_decodes, bytes.fromhex(data), text))


def _encodes(data: bytes, text: str) -> None:
    same(base58.encode(data), text)


def _decodes(data: bytes, text: str) -> None:
    same(base58.decode(text), data)


def addresses(folder: Path) -> Iterator[Case]:
    for number, (text, script, about) in enumerate(
        json.loads((folder / DATA / "key_io_valid.json").read_text())
    ):
        yield good(f"{number} {about['chain']}", functools.partial(_address, text, script, about))


def _address(text: str, script: str, about: dict[str, Any]) -> None:
    network = NETWORKS[about["chain"]]
    same(script_of(text, network).hex(), script)
    same(address_of(bytes.fromhex(script), network), text)
    if about.get("tryCaseFlip"):
        same(script_of(text.swapcase(), network).hex(), script)


def no_addresses(folder: Path) -> Iterator[Case]:
    """Each on every network."""
    for number, (text,) in enumerate(json.loads((folder / DATA / "key_io_invalid.json").read_text())):
        for network in Network:
            yield bad(f"{number} {network.label}", functools.partial(script_of, text, network))


NO_STRING = "prose"


def _text(case: dict[str, Any]) -> str:
    """The string, with the unprintable character put back that the BIP writes as a number."""
    ends = ["" if case[end] is None else chr(int(case[end], 16)) for end in ("prefix_byte", "suffix_byte")]
    return ends[0] + str(case["strings"][0]) + ends[1]


def _decode(text: str, checksum: Checksum) -> None:
    """A text of one BIP may be a good text of the other: then it must not pass as this one."""
    decoded = bech32.decode(text)
    if decoded.checksum is not checksum:
        raise Malformed("bech32-checksum", "the other checksum")
    same(bech32.encode(decoded.hrp, decoded.values, checksum), text.lower())


def bech32_texts(bip: int, checksum: Checksum, folder: Path) -> Iterator[Case]:
    for number, case in enumerate(json.loads((folder / f"json/bip{bip}.json").read_text())):
        name = f"{number} {case['section'][:60]}"
        if not case["strings"]:
            yield skip(name, NO_STRING)
            continue
        if "translate to" in case["section"]:
            address, script = case["strings"][:2]
            network = Network.MAINNET if address.lower().startswith("bc") else Network.TESTNET4
            yield good(name, functools.partial(_witness_address, address, script, network))
        elif "their invalidity" in case["section"]:
            for network in Network:
                yield bad(f"{name} {network.label}", functools.partial(script_of, _text(case), network))
        else:
            sorter = good if case["kind"] == "valid" else bad
            yield sorter(name, functools.partial(_decode, _text(case), checksum))


def _witness_address(address: str, script: str, network: Network) -> None:
    same(script_of(address, network).hex(), script)
    same(address_of(bytes.fromhex(script), network), address.lower())


NAMES = {
    "witness_v1_taproot": "p2tr", "witness_unknown": "witness_unknown", "witness_v0_scripthash": "p2wsh",
    "witness_v0_keyhash": "p2wpkh", "scripthash": "p2sh", "pubkeyhash": "p2pkh", "nulldata": "op_return",
    "multisig": "bare_multisig", "pubkey": "p2pk", "nonstandard": "unknown", "anchor": "witness_unknown",
}  # fmt: skip
"""Core's names of scripts in ours."""

NO_ADDRESS = "has no address"


def decoded_scripts(folder: Path) -> Iterator[Case]:
    for number, (script, about) in enumerate(json.loads((folder / DECODESCRIPT).read_text())):
        name = f"{number} {about['type']}"
        if "address" not in about:
            yield skip(name, NO_ADDRESS)
            continue
        yield good(name, functools.partial(_decoded, bytes.fromhex(script), about))


def _decoded(script: bytes, about: dict[str, Any]) -> None:
    same(classify(script).value, NAMES[about["type"]])
    same(address_of(script, Network.REGTEST), about["address"])
    same(script_of(about["address"], Network.REGTEST), script)
    if "p2sh" in about:
        same(address_of(p2sh(hash160(script)), Network.REGTEST), about["p2sh"])


PARTS = (
    Part(
        f"{DATA}/base58_encode_decode.json",
        "base58",
        base58_texts,
        {
            "base58-too-long": "longer than anything that Bitcoin writes in Base58; what encodes to it is compared all the same"
        },
    ),
    Part(
        f"{DATA}/key_io_valid.json",
        "addresses",
        addresses,
        {
            "private-key-in-public-data": "private keys (WIF): refused wherever they are met, and never repeated (A039)"
        },
    ),
    Part(f"{DATA}/key_io_invalid.json", "addresses", no_addresses),
    Part(
        "json/bip173.json",
        "bech32",
        functools.partial(bech32_texts, 173, Checksum.BECH32),
        {"address-malformed": "witness versions above 0 with the old checksum, which BIP 350 took back"},
        {NO_STRING: "a sentence about the design of the checksum that was extracted with the vectors"},
    ),
    Part("json/bip350.json", "bech32", functools.partial(bech32_texts, 350, Checksum.BECH32M)),
    Part(
        DECODESCRIPT,
        "addresses",
        decoded_scripts,
        skips={
            NO_ADDRESS: "an output script without an address, of which Core's answer says nothing that we compute"
        },
    ),
)
