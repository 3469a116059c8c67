"""Descriptors: BIP 380 to 390 and 393, the policies of BIP 388, Bitcoin Core's descriptor and miniscript tests, python-bip380.

`text`: the text as it is written, given the checksum that it lacks, to the parser. This program takes a small part of the
language on purpose, so most of what is valid elsewhere is refused here, for a reason that stands below. `scripts`: for the forms
that are taken, the output scripts that a vector states, with keys derived by embit (some are private or have hardened
steps, which our parser refuses) and scripts made by our forms.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from embit.bip32 import HDError, HDKey
from embit.ec import PrivateKey

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import DescriptorKey, Node
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Pkh, Sh, Tr, Wpkh, Wsh
from falconer_shared.descriptor.parse import parse_descriptor
from tests.official.cases import Case, Part, bad, good, same, skip
from tests.support.descriptors import keys

CORE = "json/core_descriptor_tests.json"
MINISCRIPT = "json/core_miniscript_tests.json"
SAMPLES = "raw/darosior_python-bip380/tests/data"
BIPS = (380, 381, 382, 383, 384, 385, 386, 387, 389, 390, 393)

PRIVATE = "a private key has no place in a registered wallet (A039)"
FORM = "a form that exists and that is not read: pk, combo, raw, addr, rawtr, bare multi, miniscript, musig, script trees"
SCOPE: Mapping[str, str] = {
    "private-key-in-public-data": PRIVATE,
    "descriptor-form-unsupported": FORM,
    "descriptor-key-raw": "a single public key: every payment on one address (A038)",
    "descriptor-single-path": "one branch alone, where a wallet has receive and change in one text",
    "descriptor-multipath": "another multipath than <0;1> (A040)",
    "descriptor-key-origin-missing": "a key that does not say from which master key it comes",
    "descriptor-syntax": "a bare key expression, or BIP 393's annotations, neither of which is a descriptor here",
    "descriptor-checksum-missing": "BIP 380 lets a descriptor go without checksum; we take none from anybody (A035)",
}


def listed(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(json.loads((folder / name).read_text()))


def parse(text: str) -> Node:
    """The text as it is; with its checksum where it has none, so that a refusal is about the text."""
    return parse_descriptor(text if "#" in text else with_checksum(text), Network.MAINNET)


def bip(number: int, folder: Path) -> Iterator[Case]:
    for place, case in enumerate(listed(folder, f"json/bip{number}_descriptors.json")):
        name = f"{place} {case['kind']} {case['text']}"[:90]
        if case["kind"].startswith("checksum"):
            # the checksum is what these are about: nothing is added
            run: Callable[[], object] = functools.partial(parse_descriptor, case["value"], Network.MAINNET)
        else:
            run = functools.partial(parse, case["value"])
        yield bad(name, run) if case["kind"].endswith("invalid") else good(name, run)


def policies(folder: Path) -> Iterator[Case]:
    """The descriptors that BIP 388's policies stand for; of what is no policy there is only the text."""
    for place, case in enumerate(listed(folder, "json/bip388_policies.json")):
        if "descriptor" in case:
            yield good(f"{place} {case['title']}", functools.partial(_round_trip, case["descriptor"]))
        elif "(@" in case.get("text", "") or "(1,@" in case.get("text", ""):
            yield bad(
                f"{place} {case['text']}"[:90], functools.partial(parse, case["text"].partition(":")[0])
            )
        else:
            yield skip(f"{place} heading", HEADING)


def _round_trip(text: str) -> None:
    """Taken, and written again in our one spelling: the same but for the hardened mark."""
    same(parse(text).text(), text.replace("'", "h"))


def _texts(case: dict[str, Any], arguments: slice) -> list[str]:
    return [text.strip('"') for text in case["args"][arguments] if text.strip('"')]


def core(folder: Path) -> Iterator[Case]:
    for place, case in enumerate(listed(folder, CORE)):
        name = f"{place} {case['fn']}"
        match case["fn"]:
            case "CheckUnparsable":
                for text in _texts(case, slice(0, 2)):
                    yield bad(name, functools.partial(parse, text))
            case "CheckSingleUnparsable":
                yield bad(name, functools.partial(parse, _texts(case, slice(0, 1))[0]))
            case "Check" | "CheckMultipath":
                for text in _texts(case, slice(0, 2)):
                    yield good(name, functools.partial(parse, text))
            case _:
                yield skip(name, INFER)


def miniscript(folder: Path) -> Iterator[Case]:
    """Whether Core takes it or not, in `wsh()` and in a taproot leaf: the parser takes none of it."""
    for place, case in enumerate(listed(folder, MINISCRIPT)):
        sorter = bad if "INVALID" in str(case["rest"]) else good
        yield sorter(f"{place} {case['ms']}"[:80], functools.partial(parse, f"wsh({case['ms']})"))


def samples(name: str, folder: Path) -> Iterator[Case]:
    sorter = bad if name.startswith("invalid") else good
    for place, line in enumerate((folder / SAMPLES / name).read_text().splitlines()):
        yield sorter(f"{place} {line}"[:80], functools.partial(parse, f"wsh({line.split()[0]})"))


# scripts ----------------------------------------------------------------------------------------------

HEADING = "prose"
INFER = "from script to descriptor"
OTHER_FORM = "another form"

_TAKEN = re.compile(
    r"(?P<wraps>(?:sh\(|wsh\()*)(?P<form>pkh|wpkh|tr|multi|sortedmulti)\((?P<inner>[^(){}]*)\)+\Z"
)
_SINGLE: Mapping[str, Callable[[DescriptorKey], Node]] = {
    "pkh": Pkh,
    "wpkh": Wpkh,
    "tr": Tr,
    "sh(wpkh": lambda key: NestedSegwit(Wpkh(key)),
}
_OF_SCRIPT: Mapping[str, Callable[[Multi], Node]] = {
    "sh(": Sh,
    "wsh(": Wsh,
    "sh(wsh(": lambda inner: NestedSegwit(Wsh(inner)),
}


def _pubkey(expression: str, index: int) -> bytes:
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
    """The output script (of a bare multi: the script) by our forms; None where the form or a key is one that we never have."""
    match = _TAKEN.match(text)
    if match is None or "<" in text:
        return None
    *threshold, last = match["inner"].split(",")
    try:
        pubkeys = [_pubkey(expression, index) for expression in [*threshold[1:], last]]
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


def _compare(name: str, text: str, index: int, expected: str) -> Case:
    ours = our_script(text.partition("#")[0], index)
    if ours is None:
        return skip(name, OTHER_FORM)
    return good(name, functools.partial(same, ours.hex(), expected))


def scripts_of_bip(number: int, folder: Path) -> Iterator[Case]:
    for place, case in enumerate(listed(folder, f"json/bip{number}_descriptors.json")):
        for index, expected in enumerate(case["expands"]):
            yield _compare(f"{place} script {index}", case["value"], index, expected)


def scripts_of_core(folder: Path) -> Iterator[Case]:
    for place, case in enumerate(listed(folder, CORE)):
        if case["fn"] != "Check":
            continue
        for text in _texts(case, slice(0, 2)):
            for index, expected in enumerate(re.findall(r'"([0-9a-f]+)"', case["args"][4])):
                yield _compare(f"{place} script {index}", text, index, expected)


FORM_SKIP = {
    OTHER_FORM: "a form, a key or a multipath that no wallet of ours has, so that there is no script of ours to compare"
}

PARTS = (
    *(
        Part(f"json/bip{number}_descriptors.json", "text", functools.partial(bip, number), SCOPE)
        for number in BIPS
    ),
    *(
        Part(
            f"json/bip{n}_descriptors.json", "scripts", functools.partial(scripts_of_bip, n), skips=FORM_SKIP
        )
        for n in (381, 382, 383, 386)
    ),
    Part(
        "json/bip388_policies.json",
        "text",
        policies,
        SCOPE,
        {HEADING: "titles and remarks, extracted with the vectors"},
    ),
    Part(
        CORE, "text", core, SCOPE, {INFER: "Core makes a descriptor out of a script, which nothing here does"}
    ),
    Part(CORE, "scripts", scripts_of_core, skips=FORM_SKIP),
    Part(MINISCRIPT, "text", miniscript, SCOPE),
    Part(f"{SAMPLES}/valid_samples.txt", "text", functools.partial(samples, "valid_samples.txt"), SCOPE),
    Part(f"{SAMPLES}/invalid_samples.txt", "text", functools.partial(samples, "invalid_samples.txt"), SCOPE),
)
