"""The published vectors: BIP 380 to 387, 389 and Bitcoin Core's descriptor_tests.

Three uses, because this program takes a small part of the language on purpose:

* every text that must not parse does not, and none is read as something else;
* every text that is valid elsewhere and refused here is refused for a reason that stands in a table, with its count;
* for the forms that are taken, scripts are compared: the keys of a vector are derived by embit (some are private or have hardened
  steps, which our parser refuses), the scripts made by our forms.

Faults of key expressions and thresholds are also grafted onto an otherwise valid descriptor of ours, so that the refusal can have
no other reason.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from embit.bip32 import HDError, HDKey
from embit.ec import PrivateKey

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import strip_checksum, with_checksum
from falconer_shared.descriptor.forms import Multi, Wpkh, Wsh
from falconer_shared.descriptor.parse import parse_descriptor
from falconer_shared.errors import Malformed, VerificationError
from tests.support.descriptors import TAIL, fingerprint, full_key, keys, parse, xpub

BIPS = ("380", "381", "382", "383", "384", "385", "386", "387", "389")
CORE_MUST_FAIL = ("CheckUnparsable", "CheckSingleUnparsable")


def load(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(json.loads((folder / "vectors/json" / name).read_text()))


def bip(folder: Path, kinds: set[str]) -> list[str]:
    return [
        case["value"]
        for number in BIPS
        for case in load(folder, f"bip{number}_descriptors.json")
        if case["kind"] in kinds
    ]


def core(folder: Path, functions: tuple[str, ...], arguments: slice) -> list[str]:
    texts = [
        text.strip('"')
        for case in load(folder, "core_descriptor_tests.json")
        if case["fn"] in functions
        for text in case["args"][arguments]
    ]
    return [text for text in texts if text]


def reason(text: str, network: Network = Network.MAINNET) -> str:
    """Why a text is refused, its checksum being right; what is taken fails the test."""
    try:
        body = text if "#" in text else with_checksum(text)
        parse_descriptor(body, network)
    except (Malformed, VerificationError) as error:
        return error.rule
    pytest.fail(f"taken: {text}")


def test_nothing_invalid_is_taken(vectors: Path) -> None:
    bad = bip(vectors, {"invalid", "checksum_invalid"}) + core(vectors, CORE_MUST_FAIL, slice(0, 2))
    assert len(bad) > 200
    reasons = Counter(reason(text) for text in bad)
    assert sum(reasons.values()) == len(bad)


VALID_BUT_REFUSED = {
    "private-key-in-public-data": (126, "a private key has no place in a registered wallet (A039)"),
    "descriptor-form-unsupported": (110, "a form that is not read yet, or never"),
    "descriptor-syntax": (12, "a bare key expression of BIP 380, which is no descriptor"),
    "descriptor-key-raw": (3, "a single public key: every payment on one address"),
    "descriptor-single-path": (2, "one branch alone"),
    "descriptor-multipath": (2, "another multipath than <0;1>"),
    "descriptor-key-origin-missing": (2, "a key that does not say whose it is"),
}
"""How many valid vectors are refused, and why."""


def test_what_is_valid_elsewhere_is_refused_for_a_known_reason(vectors: Path) -> None:
    good = bip(vectors, {"valid"}) + core(vectors, ("Check", "CheckMultipath"), slice(0, 2))
    reasons = Counter(reason(text) for text in good)
    assert reasons == {rule: count for rule, (count, _) in VALID_BUT_REFUSED.items()}


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

_TAKEN = re.compile(r"(?P<wrap>wsh\()?(?P<form>wpkh|multi|sortedmulti)\((?P<inner>[^()]*)\)+\Z")


def pubkey_of(expression: str, index: int) -> bytes:
    """The public key of a key expression at `index`, by embit."""
    key, *steps = expression.rpartition("]")[2].split("/")
    if re.fullmatch(r"[0-9a-f]{66}|[0-9a-f]{130}", key):
        return bytes.fromhex(key)
    if key[1:4] not in {"pub", "prv"}:
        return bytes(PrivateKey.from_wif(key).get_public_key().sec())
    path = [
        (index if step[0] == "*" else int(step.rstrip("h'"))) + (0x80000000 if step[-1] in "h'" else 0)
        for step in steps
    ]
    return bytes(HDKey.from_base58(key).derive(path).get_public_key().sec())


def our_script(text: str, index: int) -> bytes | None:
    """The output script (of a bare multi: the script) by our forms, or None where the vector has a form or key we never have."""
    match = _TAKEN.match(text)
    if match is None:
        return None
    *threshold, last = match["inner"].split(",")
    expressions = [*threshold[1:], last] if match["form"] != "wpkh" else [last]
    try:
        pubkeys = [pubkey_of(expression, index) for expression in expressions]
    except HDError:  # a hardened step below a public key
        return None
    if any(len(pubkey) != 33 for pubkey in pubkeys):
        return None
    if match["form"] == "wpkh":
        return Wpkh(keys(1)[0]).assemble(pubkeys).script_pubkey
    inner = Multi(int(threshold[0]), keys(len(pubkeys)), match["form"] == "sortedmulti")
    return Wsh(inner).assemble(pubkeys).script_pubkey if match["wrap"] else inner.compile(pubkeys)


def test_scripts_of_bips_382_and_383(vectors: Path) -> None:
    compared: Counter[str] = Counter()
    for number in ("382", "383"):
        for case in load(vectors, f"bip{number}_descriptors.json"):
            if case["kind"] != "valid":
                continue
            for index, expected in enumerate(case["expands"]):
                ours = our_script(case["value"], index)
                if ours is not None:
                    assert ours.hex() == expected, case["value"]
                    compared[case["value"].partition("(")[0]] += 1
    assert compared == {"wpkh": 6, "sortedmulti": 3, "wsh": 4}


def test_scripts_of_bitcoin_core(vectors: Path) -> None:
    compared: Counter[str] = Counter()
    for case in load(vectors, "core_descriptor_tests.json"):
        if case["fn"] != "Check":
            continue
        for text in case["args"][:2]:
            for index, expected in enumerate(re.findall(r'"([0-9a-f]+)"', case["args"][4])):
                ours = our_script(text, index)
                if ours is not None:
                    assert ours.hex() == expected, text
                    compared[text.partition("(")[0]] += 1
    assert compared["wpkh"] >= 5
    assert compared["wsh"] >= 5


def test_multipath_vectors_expand_like_our_branches() -> None:
    """BIP 389: `<0;1>` means the two single-path descriptors, in that order."""
    node = parse(f"wpkh({full_key(1)})")
    for branch in (0, 1):
        single = f"wpkh({full_key(1).replace('<0;1>', str(branch))})"
        assert our_script(single, 5) == node.script(branch, 5).script_pubkey
