"""Forms in which wallets travel: a descriptor alone in a file, JSON around one, Coldcard's lines.

Only the frame is judged here; what the descriptor says is `descriptor.parse`'s to judge. Which form it is, the
beginning says.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from falconer_shared.descriptor.checksum import MAX_DESCRIPTOR_CHARACTERS
from falconer_shared.errors import Malformed
from falconer_shared.text import safe
from falconer_shared.wallet import multisig_text
from falconer_shared.wallet.multisig_text import WalletText
from falconer_shared.wallet.registration import RegisteredWallet

MAX_FILE_BYTES = MAX_DESCRIPTOR_CHARACTERS + 2
"""A descriptor and one line ending. A caller reads at most one byte more than this (A113)."""


def read_descriptor_file(data: bytes) -> str:
    """The descriptor of a file that holds nothing else. One line ending after it is not part of it.

    Raises:
        Malformed: `descriptor-file-malformed`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(
            "descriptor-file-malformed",
            f"the file has {len(data)} bytes or more, a descriptor at most {MAX_FILE_BYTES}",
        )
    line = data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    if not line:
        raise Malformed("descriptor-file-malformed", "the file is empty")
    if not line.isascii() or b"\n" in line or b"\r" in line:
        # what a person pasted or an editor added: nothing here is guessed away, and nothing of it is repeated
        raise Malformed(
            "descriptor-file-malformed",
            "the file must hold one line of plain ASCII text, the descriptor with its checksum",
            remedy="Save the descriptor alone, without quotes, comments or a byte order mark.",
        )
    return line.decode("ascii")


class Form(Enum):
    """How a wallet's description is written for others. The values are those of `transport.profiles.Form`."""

    DESCRIPTOR = "descriptor"
    MULTISIG_TEXT = "multisig-text"
    JSON_DESC = "json-desc"


def render(wallet: RegisteredWallet, form: Form, name: str) -> bytes:
    """The description of a registered wallet for a signer that reads this form.

    Raises:
        UsageError: `wallet-not-multisig-text`.
    """
    match form:
        case Form.DESCRIPTOR:
            return f"{wallet.descriptor_text}\n".encode("ascii")
        case Form.MULTISIG_TEXT:
            return multisig_text.write(wallet, name).encode("ascii")
        case Form.JSON_DESC:
            document = {"name": safe(name)[: multisig_text.MAX_NAME], "desc": wallet.descriptor_text}
            return json.dumps(document, ensure_ascii=True).encode("ascii")


_NAMES = ("label", "name")
_TEXTS = ("descriptor", "desc")


def read_wallet(data: bytes) -> WalletText:
    """A wallet's description in any of the forms: a descriptor alone, `{"label", "descriptor"}` as Specter writes it,
    `{"name", "desc"}` as Coldcard does, or Coldcard's lines.

    Raises:
        Malformed: `wallet-json-malformed`, `multisig-text-malformed`, `descriptor-file-malformed`.
    """
    match form_of(data):
        case Form.JSON_DESC:
            return _from_json(data)
        case Form.DESCRIPTOR:
            text = read_descriptor_file(data)
            return WalletText("", text, checked="#" in text)
        case Form.MULTISIG_TEXT:
            return multisig_text.read(data)


def form_of(data: bytes) -> Form:
    """Which form it claims to be, by how it begins. Every text is one of them."""
    if data[:64].lstrip()[:1] == b"{":
        return Form.JSON_DESC
    return Form.DESCRIPTOR if b"(" in data.split(b"\n", 1)[0] else Form.MULTISIG_TEXT


def _from_json(data: bytes) -> WalletText:
    if len(data) > 2 * MAX_FILE_BYTES:
        raise _json_malformed(f"{len(data)} bytes are more than a wallet takes")
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _json_malformed("it is not JSON, or says one thing twice") from None
    texts = [found[key] for key in _TEXTS if isinstance(found, dict) and isinstance(found.get(key), str)]
    if len(texts) != 1 or not texts[0].isascii() or len(texts[0]) > MAX_FILE_BYTES:
        raise _json_malformed("it has no 'descriptor' or 'desc', or both")
    names = [found[key] for key in _NAMES if isinstance(found.get(key), str)]
    text = texts[0].strip()
    return WalletText(names[0] if names else "", text, checked="#" in text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _json_malformed(reason: str) -> Malformed:
    return Malformed("wallet-json-malformed", f"this is no wallet in JSON: {reason}")
