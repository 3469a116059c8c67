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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from embit.bip32 import HDError, HDKey
from embit.ec import PrivateKey

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import DescriptorKey, Node
from falconer_shared.descriptor.checksum import strip_checksum, with_checksum
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Pkh, Sh, Tr, Wpkh, Wsh
from falconer_shared.descriptor.parse import parse_descriptor
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.wallet.registration import RegisteredWallet
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
    "descriptor-form-unsupported": (86, "a form that is not read yet, or never"),
    "descriptor-syntax": (12, "a bare key expression of BIP 380, which is no descriptor"),
    "descriptor-key-raw": (14, "a single public key: every payment on one address"),
    "descriptor-single-path": (7, "one branch alone"),
    "descriptor-multipath": (2, "another multipath than <0;1>"),
    "descriptor-key-origin-missing": (10, "a key that does not say whose it is"),
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

_TAKEN = re.compile(
    r"(?P<wraps>(?:sh\(|wsh\()*)(?P<form>pkh|wpkh|tr|multi|sortedmulti)\((?P<inner>[^(){}]*)\)+\Z"
)
_SINGLE: dict[str, Callable[[DescriptorKey], Node]] = {
    "pkh": Pkh,
    "wpkh": Wpkh,
    "tr": Tr,
    "sh(wpkh": lambda key: NestedSegwit(Wpkh(key)),
}
_OF_SCRIPT: dict[str, Callable[[Multi], Node]] = {
    "sh(": Sh,
    "wsh(": Wsh,
    "sh(wsh(": lambda inner: NestedSegwit(Wsh(inner)),
}


def pubkey_of(expression: str, index: int) -> bytes:
    """The public key of a key expression at `index`, by embit."""
    key, *steps = expression.rpartition("]")[2].split("/")
    if re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{66}|[0-9a-f]{130}", key):
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
    try:
        pubkeys = [pubkey_of(expression, index) for expression in [*threshold[1:], last]]
    except HDError:  # a hardened step below a public key
        return None
    if match["form"] == "tr" and len(pubkeys[0]) == 32:
        pubkeys = [b"\2" + pubkeys[0]]
    if any(len(pubkey) != 33 for pubkey in pubkeys):
        return None
    single = _SINGLE.get(match["wraps"] + match["form"])
    if single is not None:
        return single(keys(1)[0]).assemble(pubkeys).script_pubkey
    if match["form"] not in {"multi", "sortedmulti"}:
        return None
    inner = Multi(int(threshold[0]), keys(len(pubkeys)), match["form"] == "sortedmulti")
    form = _OF_SCRIPT.get(match["wraps"])
    return inner.compile(pubkeys) if form is None else form(inner).assemble(pubkeys).script_pubkey


def kind_of(text: str) -> str:
    match = _TAKEN.match(text)
    return match["wraps"] + match["form"] if match else ""


def test_scripts_of_the_bips(vectors: Path) -> None:
    compared: Counter[str] = Counter()
    for number in ("381", "382", "383", "386"):
        for case in load(vectors, f"bip{number}_descriptors.json"):
            if case["kind"] != "valid":
                continue
            for index, expected in enumerate(case["expands"]):
                ours = our_script(case["value"], index)
                if ours is not None:
                    assert ours.hex() == expected, case["value"]
                    compared[kind_of(case["value"])] += 1
    assert compared == {
        "pkh": 5, "wpkh": 6, "sh(wpkh": 6, "sortedmulti": 3, "sh(multi": 1, "wsh(multi": 4, "sh(wsh(multi": 2, "tr": 2,
    }  # fmt: skip


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
                    compared[kind_of(text)] += 1
    assert compared == {
        "pkh": 4, "wpkh": 8, "sh(wpkh": 5, "multi": 8, "sortedmulti": 6, "sh(multi": 4, "wsh(multi": 7, "sh(wsh(multi": 4,
        "tr": 2,
    }  # fmt: skip


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
