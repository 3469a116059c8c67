"""Descriptor text to tree (BIP 380 to 383, 386, 389), and nothing that this program could not spend from.

In the order of a reader who trusts nothing: length and characters; private keys; checksum; depth; form; keys;
keys among each other. Bounds come before recursion, and no form is guessed: what is valid elsewhere but not
supported here is refused as such (`descriptor-form-unsupported`), what is valid nowhere as
`descriptor-syntax`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import MAX_MULTISIG_KEYS, MAX_REDEEM_SCRIPT_SIZE
from falconer_shared.descriptor.ast import DescriptorKey, Node, ScriptExpression
from falconer_shared.descriptor.checksum import (
    check_characters,
    descriptor_checksum,
    strip_checksum,
    with_checksum,
)
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Pkh, Sh, Tr, Wpkh, Wsh
from falconer_shared.descriptor.keys import check_distinct, parse_key, refuse_private_keys
from falconer_shared.errors import Malformed
from falconer_shared.text import safe

__all__ = ["descriptor_checksum", "parse_canonical", "parse_descriptor", "with_checksum"]

MAX_DEPTH = 32
"""Nested expressions: far more than any spendable script, far less than the interpreter's recursion limit
(A041).
"""

SUPPORTED = "pkh, wpkh, sh(wpkh) and tr of a key, and multi or sortedmulti in sh, wsh or sh(wsh)"
"""What a person may write instead."""

_T = TypeVar("_T")
_CALL = re.compile(r"([a-z0-9_:]+)\((.*)\)", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_KNOWN_ELSEWHERE = frozenset({
    "pk", "pkh", "combo", "rawtr", "raw", "addr", "multi", "sortedmulti", "multi_a", "sortedmulti_a",
    "musig", "unused",
    "pk_k", "pk_h", "older", "after", "sha256", "hash256", "ripemd160", "hash160", "thresh",
    "andor", "and_v", "and_b", "and_n", "or_b", "or_c", "or_d", "or_i",
})  # fmt: skip
"""Descriptor functions and miniscript fragments that exist and that this program does not read where they
stand.
"""


def parse_descriptor(text: str, network: Network) -> Node:
    """The tree of a descriptor that came from people, files or nodes, with its checksum.

    Raises:
        Malformed: `descriptor-white-space`, `descriptor-syntax`, `descriptor-too-deep`,
            `descriptor-form-unsupported`, `descriptor-threshold`, `descriptor-too-many-keys`,
            `descriptor-redeem-script-too-large`, and what `strip_checksum`, `refuse_private_keys` and `parse_key` raise.
        VerificationError: what `parse_key` and `check_distinct` raise.
    """
    _check_text(text)
    return _parse(strip_checksum(text), network)


def parse_canonical(text: str, network: Network) -> Node:
    """The tree of a canonical descriptor that this program wrote itself (state, wallet files): no checksum,
    one spelling.

    Raises:
        Malformed: `descriptor-not-canonical`, and what `parse_descriptor` raises.
    """
    _check_text(text)
    node = _parse(text, network)
    if node.text() != text:
        raise Malformed("descriptor-not-canonical", "the stored descriptor is not in its canonical spelling")
    return node


def _check_text(text: str) -> None:
    check_characters(text)
    refuse_private_keys(text)
    if " " in text:
        # BIP 380 counts the space among its characters and gives it no meaning: two spellings of one wallet
        raise Malformed(
            "descriptor-white-space",
            f"a space at character {text.index(' ') + 1}; a descriptor is one word",
            remedy="Remove the spaces only if the program that made the text did not put them there.",
        )


def _parse(text: str, network: Network) -> Node:
    _check_nesting(text)
    name, body = _call(text, "a descriptor")
    node = _entry(_TOP, name, "at the top")(body, network)
    check_distinct(node.keys)
    return node


def _check_nesting(text: str) -> None:
    """Brackets balance and nest no deeper than allowed, found out without recursion (A041)."""
    open_brackets: list[str] = []
    for position, character in enumerate(text):
        if character in "({":
            open_brackets.append(character)
            if len(open_brackets) > MAX_DEPTH:
                raise Malformed(
                    "descriptor-too-deep",
                    f"expressions nest deeper than {MAX_DEPTH} levels",
                    position=position,
                )
        elif character in ")}" and (not open_brackets or open_brackets.pop() != "({"[")}".index(character)]):
            raise _syntax(f"'{character}' at character {position + 1} closes nothing")
    if open_brackets:
        raise _syntax(f"{len(open_brackets)} opened '{open_brackets[-1]}' never closes")


def _pkh(body: str, network: Network) -> Node:
    return Pkh(_key(body, network, 1))


def _wpkh(body: str, network: Network) -> Wpkh:
    return Wpkh(_key(body, network, 1))


def _tr(body: str, network: Network) -> Node:
    if len(_arguments(body)) > 1 or body.startswith("musig("):
        raise Malformed(
            "descriptor-form-unsupported",
            f"tr() with scripts or with several keys is not supported; {SUPPORTED} are",
        )
    return Tr(_key(body, network, 1))


def _wsh(body: str, network: Network) -> Wsh:
    name, inner = _call(body, "wsh()")
    return Wsh(_entry(_SCRIPTS, name, "in wsh()")(inner, network))


def _sh(body: str, network: Network) -> Node:
    name, inner = _call(body, "sh()")
    if name in _IN_SH:
        return NestedSegwit(_IN_SH[name](inner, network))
    script = _entry(_SCRIPTS, name, "in sh()")(inner, network)
    if script.script_bytes > MAX_REDEEM_SCRIPT_SIZE:
        # The script is pushed whole when it is spent, and consensus pushes no more at once: coins would be lost (BIP 383, A036).
        raise Malformed(
            "descriptor-redeem-script-too-large",
            f"a script of {script.script_bytes} bytes in sh(); {MAX_REDEEM_SCRIPT_SIZE} can be spent, which is 15 keys",
            remedy="Put it into wsh(), which takes 20 keys.",
            bytes=script.script_bytes,
            limit=MAX_REDEEM_SCRIPT_SIZE,
        )
    return Sh(script)


def _multi(body: str, network: Network) -> ScriptExpression:
    return _multisig(body, network, in_order_of_keys=False)


def _sortedmulti(body: str, network: Network) -> ScriptExpression:
    return _multisig(body, network, in_order_of_keys=True)


def _multisig(body: str, network: Network, *, in_order_of_keys: bool) -> ScriptExpression:
    threshold, *keys = _arguments(body)
    if len(keys) > MAX_MULTISIG_KEYS:
        # Consensus counts no further. In P2WSH it is the bound that bites: twenty keys make a script of 687 bytes, where nodes
        # relay up to 3,600 (Bitcoin Core MAX_STANDARD_P2WSH_SCRIPT_SIZE), and 21 stack items, where they relay 100.
        raise Malformed(
            "descriptor-too-many-keys",
            f"{len(keys)} keys, more than the {MAX_MULTISIG_KEYS} that Bitcoin counts",
            keys=len(keys),
            limit=MAX_MULTISIG_KEYS,
        )
    if not _NUMBER.fullmatch(threshold) or int(threshold) > len(keys):
        raise Malformed(
            "descriptor-threshold",
            f"the threshold of {len(keys)} keys must be a number from 1 to {len(keys)}",
        )
    return Multi(
        int(threshold),
        tuple(_key(key, network, number) for number, key in enumerate(keys, start=1)),
        in_order_of_keys,
    )


_TOP: Mapping[str, Callable[[str, Network], Node]] = {
    "pkh": _pkh,
    "wpkh": _wpkh,
    "sh": _sh,
    "wsh": _wsh,
    "tr": _tr,
}
_IN_SH: Mapping[str, Callable[[str, Network], Wpkh | Wsh]] = {"wpkh": _wpkh, "wsh": _wsh}
_SCRIPTS: Mapping[str, Callable[[str, Network], ScriptExpression]] = {
    "multi": _multi,
    "sortedmulti": _sortedmulti,
}


def _key(text: str, network: Network, number: int) -> DescriptorKey:
    if not text or "(" in text or "," in text:
        raise _syntax(f"one key must stand at the place of key {number}")
    return parse_key(text, network, f"key {number}")


def _call(text: str, inside: str) -> tuple[str, str]:
    """Name and body of `name(body)`."""
    match = _CALL.fullmatch(text)
    if match is None:
        # the text is not repeated: what is no descriptor may be a secret that was pasted into the wrong place
        raise _syntax(f"{inside} must be or hold an expression, a name with parentheses")
    return match[1], match[2]


def _entry(table: Mapping[str, _T], name: str, place: str) -> _T:
    builder = table.get(name)
    if builder is not None:
        return builder
    shown = safe(name, 30)
    if name.rpartition(":")[2] in _KNOWN_ELSEWHERE:
        raise Malformed(
            "descriptor-form-unsupported",
            f"{shown}() {place} is not supported; {SUPPORTED} are",
        )
    raise _syntax(f"{shown}() cannot stand {place}")


def _arguments(body: str) -> list[str]:
    """The parts of a body between the commas that no bracket encloses."""
    depth = 0
    start = 0
    parts: list[str] = []
    for position, character in enumerate(body):
        if character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
            if depth < 0:
                raise _syntax("something follows a closed expression")
        elif character == "," and not depth:
            parts.append(body[start:position])
            start = position + 1
    return [*parts, body[start:]]


def _syntax(problem: str) -> Malformed:
    return Malformed("descriptor-syntax", f"this is no descriptor: {problem}")
