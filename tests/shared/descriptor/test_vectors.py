"""The published descriptor vectors, beyond what `tests/official` does with every one of them.

There each text is parsed as it stands, and each script compared. Here the faults of key expressions, multipaths and thresholds
are grafted onto an otherwise valid descriptor of ours, so that the refusal can have no other reason; and the wallets of BIP 49
and 86 are registered whole.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from embit.bip32 import HDKey

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import strip_checksum, with_checksum
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.wallet.registration import RegisteredWallet
from tests.official.descriptors import our_script
from tests.support.descriptors import TAIL, fingerprint, full_key, parse, xpub

BIPS = ("380", "381", "382", "383", "384", "385", "386", "387", "389")


def load(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(json.loads((folder / "vectors/json" / name).read_text()))


def bip(folder: Path, kinds: set[str]) -> list[str]:
    return [
        case["value"]
        for number in BIPS
        for case in load(folder, f"bip{number}_descriptors.json")
        if case["kind"] in kinds
    ]


def test_the_checksum_vectors_of_bip380(vectors: Path) -> None:
    by_kind = {kind: bip(vectors, {kind}) for kind in ("checksum_valid", "checksum_invalid")}
    assert (len(by_kind["checksum_valid"]), len(by_kind["checksum_invalid"])) == (2, 6)
    for text in by_kind["checksum_valid"]:
        if "#" in text:
            assert strip_checksum(text) == text.partition("#")[0]
        else:
            with pytest.raises(Malformed, match="ends without"):
                strip_checksum(text)
    for text in by_kind["checksum_invalid"]:
        with pytest.raises(Malformed):
            strip_checksum(text)


# faults grafted onto a valid descriptor ---------------------------------------------------------------

OUR_KEY = xpub(1, "0h/0h/0h")
OUR_ORIGIN = f"[{fingerprint(1)}/0h/0h/0h]"


def test_the_key_to_graft_on_is_valid() -> None:
    parse(f"wpkh({OUR_ORIGIN}{OUR_KEY}{TAIL})")


def test_faulty_origins_of_bip380_on_a_valid_key(vectors: Path) -> None:
    faults = [
        case["value"]
        for case in load(vectors, "bip380_descriptors.json")
        if case["kind"] == "invalid" and "]" in case["value"]
    ]
    tried = 0
    for fault in faults:
        origin = (
            fault[: fault.rindex("]") + 1]
            .replace("deadbeef", fingerprint(1))
            .replace("aaaaaaaa", fingerprint(1))
        )
        if origin == f"[{fingerprint(1)}/0h/1h/2]" or origin == f"[{fingerprint(1)}]":
            continue  # the fault of these two lies behind the origin
        with pytest.raises((Malformed, VerificationError)) as caught:
            parse(f"wpkh({origin}{OUR_KEY}{TAIL})")
        assert caught.value.rule in {
            "derivation-path-malformed",
            "descriptor-key-origin-form",
            "descriptor-key-origin-missing",
            "descriptor-key-form",
        }
        tried += 1
    assert tried >= 9


def test_faulty_multipaths_of_bip389_on_a_valid_key(vectors: Path) -> None:
    tails = [
        tail
        for text in bip_389_invalid(vectors)
        for tail in re.findall(r"[xt](?:pub|prv)[1-9A-HJ-NP-Za-km-z]+(/[^,)}]*)", text)
        if "<" in tail or ">" in tail
    ]
    assert len(tails) >= 8
    for tail in tails:
        with pytest.raises(Malformed) as caught:
            parse(f"wpkh({OUR_ORIGIN}{OUR_KEY}{tail})")
        assert caught.value.rule == "descriptor-multipath"


def bip_389_invalid(folder: Path) -> list[str]:
    return [case["value"] for case in load(folder, "bip389_descriptors.json") if case["kind"] == "invalid"]


def test_faulty_thresholds_of_bip383_on_valid_keys(vectors: Path) -> None:
    faults = [
        match.groups()
        for case in load(vectors, "bip383_descriptors.json")
        if case["kind"] == "invalid" and (match := re.fullmatch(r"multi\(([^,]*),(.*)\)", case["value"]))
    ]
    assert len(faults) == 3
    for threshold, listed in faults:
        ours = ",".join(full_key(seed) for seed in range(len(listed.split(","))))
        with pytest.raises(Malformed) as caught:
            parse(f"wsh(multi({threshold},{ours}))")
        assert caught.value.rule == "descriptor-threshold"
        parse(f"wsh(multi(1,{ours}))")


# scripts ----------------------------------------------------------------------------------------------


def test_multipath_vectors_expand_like_our_branches() -> None:
    """BIP 389: `<0;1>` means the two single-path descriptors, in that order."""
    node = parse(f"wpkh({full_key(1)})")
    for branch in (0, 1):
        single = f"wpkh({full_key(1).replace('<0;1>', str(branch))})"
        assert our_script(single, 5) == node.script(branch, 5).script_pubkey


def values(folder: Path, name: str) -> dict[str, list[str]]:
    """A BIP's list of `key = value`: what stands under each key, in order."""
    found: dict[str, list[str]] = {}
    for line in load(folder, name):
        found.setdefault(line["key"], []).append(line["value"])
    return found


def test_the_addresses_of_bip86(vectors: Path) -> None:
    listed = values(vectors, "bip86.json")
    origin = f"[73c5da0a/86h/0h/0h]{listed['xpub'][0]}{TAIL}"
    wallet = RegisteredWallet.register("bip86", Network.MAINNET, with_checksum(f"tr({origin})"))
    for number, (branch, index) in enumerate(((0, 0), (0, 1), (1, 0))):
        scripts = wallet.scripts(branch, index)
        assert (scripts.internal_key or b"").hex() == listed["internal_key"][number]
        assert scripts.signing_keys[0].hex() == listed["output_key"][number]
        assert scripts.script_pubkey.hex() == listed["scriptPubKey"][number]
        assert wallet.address(branch, index) == listed["address"][number]


def test_the_address_of_bip49(vectors: Path) -> None:
    listed = {key: found[0] for key, found in values(vectors, "bip49.json").items()}
    # the BIP writes SLIP 132's upub: the same 74 bytes under other version bytes
    upub = listed["account0Xpub"].split()[0]
    account = HDKey.from_base58(upub).to_base58(version=bytes.fromhex("043587cf"))
    wallet = RegisteredWallet.register(
        "bip49", Network.TESTNET4, with_checksum(f"sh(wpkh([73c5da0a/49h/1h/0h]{account}{TAIL}))")
    )
    scripts = wallet.scripts(0, 0)
    assert f"0x{scripts.pubkeys[0].hex()}" == listed["account0recvPublicKeyHex"]
    assert f"0x{(scripts.redeem_script or b'').hex()}" in listed["scriptSig"]
    assert wallet.address(0, 0) in listed["address"]
