"""A multisig wallet as lines of text, Coldcard's form, which Jade, Keystone and Passport read too.

    Name: treasury
    Policy: 2 of 3
    Format: P2WSH
    Derivation: m/48'/0'/0'/2'
    D34DB33F: xpub6...

`Derivation` holds for the keys that follow it. The keys are sorted in the script (BIP 67), so the form stands for
`sortedmulti` alone. Reading is strict: one line for each fact, nothing unknown but comments, and the count of
keys that `Policy` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from falconer_shared.bitcoin.bip32 import format_path, parse_path
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.text import safe
from falconer_shared.wallet.registration import RegisteredWallet

MAX_BYTES: Final = 16_384

MAX_NAME: Final = 20
"""Characters of a name that Coldcard takes."""

_FORMATS: Final = {
    "P2WSH": "wsh({})",
    "P2SH-P2WSH": "sh(wsh({}))",
    "P2WSH-P2SH": "sh(wsh({}))",
    "P2SH": "sh({})",
}
_WRAPPED: Final = re.compile(r"(wsh|sh\(wsh|sh)\(sortedmulti\(", re.ASCII)
_NAME_OF: Final = {"wsh": "P2WSH", "sh(wsh": "P2SH-P2WSH", "sh": "P2SH"}

_LINE: Final = re.compile(r"([A-Za-z0-9]+): *(.+)\Z", re.ASCII)
_POLICY: Final = re.compile(r"([1-9][0-9]?) of ([1-9][0-9]?)\Z", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{8}\Z", re.ASCII)
_KEY: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{1,112}\Z", re.ASCII)
"""One key in base 58. Anything else would be written on in the descriptor: a comma and a further key, a branch."""
_CONTROL: Final = re.compile(r"[^\t\r\n -~]", re.ASCII)
"""Some of these end a line for Python and for no editor: what looks like a comment would be a fact."""


@dataclass(frozen=True, slots=True)
class WalletText:
    """A wallet's description from elsewhere: its name, as untrusted as the rest, and the text of its descriptor.

    `checked` tells whether the text brought its own checksum; the forms that have none came with another one.
    """

    name: str
    descriptor: str
    checked: bool = False


def write(wallet: RegisteredWallet, name: str) -> str:
    """The lines for a registered wallet; the name is cut to what signers take.

    Raises:
        UsageError: `wallet-not-multisig-text`.
    """
    match = _WRAPPED.match(wallet.canonical)
    if match is None:
        raise UsageError(
            "wallet-not-multisig-text",
            "only a multisig wallet of sorted keys can be written as Coldcard's lines",
            remedy="send the descriptor instead, to a signer that reads one",
        )
    lines = [
        f"# {wallet.size} keys, written by Falconer",
        f"Name: {safe(name)[:MAX_NAME]}",
        f"Policy: {wallet.threshold} of {wallet.size}",
        f"Format: {_NAME_OF[match[1]]}",
    ]
    path: tuple[int, ...] | None = None
    for key in wallet.keys:
        if key.origin != path:
            path = key.origin
            lines += ["", f"Derivation: m/{format_path(path).replace('h', chr(39))}".rstrip("/")]
        lines.append(f"{key.fingerprint.hex().upper()}: {key.xpub.text(key.network)}")
    return "\n".join(lines) + "\n"


def read(data: bytes) -> WalletText:
    """The wallet that such lines describe; keys get receive and change as their branches.

    Raises:
        Malformed: `multisig-text-malformed`, and what reading a path raises.
    """
    text = _text(data)
    facts: dict[str, str] = {}
    keys: list[str] = []
    path: str | None = None
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise _malformed(f"a line is none of 'name: value': '{safe(line, 20)}'")
        label, value = match[1], match[2].strip()
        if label == "Derivation":
            path = format_path(parse_path(value.removeprefix("m").removeprefix("/")))
        elif label in ("Name", "Policy", "Format"):
            if label in facts:
                raise _malformed(f"'{label}' stands twice")
            facts[label] = value
        elif _FINGERPRINT.match(label):
            if path is None:
                raise _malformed("a key stands before any derivation")
            keys.append(_key_expression(label.lower(), path, value))
        else:
            raise _malformed(f"'{safe(label, 20)}' is no line of such a file")
    return WalletText(facts.get("Name", ""), _descriptor(facts, keys))


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _malformed(f"{len(data)} bytes are more than such a file has")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise _malformed("it is not plain ASCII") from None
    if _CONTROL.search(text):
        raise _malformed("it holds control characters")
    return text


def _key_expression(fingerprint: str, path: str, key: str) -> str:
    if _KEY.match(key) is None:
        raise _malformed(f"what stands behind '{fingerprint}' is not one key: '{safe(key, 20)}'")
    return f"[{'/'.join(filter(None, (fingerprint, path)))}]{key}/<0;1>/*"


def _descriptor(facts: dict[str, str], keys: list[str]) -> str:
    policy = _POLICY.match(facts.get("Policy", ""))
    form = _FORMATS.get(facts.get("Format", ""))
    if policy is None or form is None:
        raise _malformed("'Policy: k of n' or 'Format: P2WSH' (P2SH-P2WSH, P2SH) is missing")
    if int(policy[2]) != len(keys) or int(policy[1]) > len(keys):
        raise _malformed(f"the policy is {policy[0]}, and there are {len(keys)} keys")
    return form.format(f"sortedmulti({policy[1]},{','.join(keys)})")


def _malformed(reason: str) -> Malformed:
    return Malformed("multisig-text-malformed", f"this is no multisig wallet in Coldcard's lines: {reason}")
