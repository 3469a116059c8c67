"""What is in a file that is to be shown, and what a received payload is, in words."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed
from falconer_shared.text import safe
from falconer_shared.transport import content
from falconer_shared.transport.parts import MAX_PAYLOAD, PSBT_MAGIC, Kind, Received

MAX_FILE: Final = 2 * MAX_PAYLOAD
"""Bytes of a file that is to be shown: the largest payload as hex."""

TEXTS: Final = frozenset(
    {Kind.DESCRIPTOR, Kind.ACCOUNT, Kind.KEY, Kind.WALLET, Kind.URI, Kind.JSON, Kind.TEXT}
)
"""Kinds whose bytes are text for people."""

_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2})+\Z")
_PSBT_IN_BASE64: Final = base64.b64encode(PSBT_MAGIC)[:6]
_MAX_SHOWN: Final = 4000


def read(data: bytes) -> tuple[bytes, Kind]:
    """The payload of a file, and its kind: a PSBT or transaction, binary or as text; any other text or bytes.

    Raises:
        Malformed: `payload-malformed` for a text that begins as a PSBT and is none; `secret-in-code`.
    """
    text = data.strip()
    if text.startswith(_PSBT_IN_BASE64):
        try:
            return base64.b64decode(text, validate=True), Kind.PSBT
        except binascii.Error:
            raise Malformed("payload-malformed", "the file begins as a PSBT in base64 and is none") from None
    if _HEX.match(text):
        unpacked = bytes.fromhex(text.decode("ascii"))
        kind = content.kind_of(unpacked)
        if kind is Kind.PSBT:
            return unpacked, kind
        if _is_transaction(unpacked):
            return unpacked, Kind.TRANSACTION
    kind = content.kind_of(data)
    if kind is Kind.BYTES and _is_transaction(data):
        return data, Kind.TRANSACTION
    return data, kind


def _is_transaction(data: bytes) -> bool:
    try:
        Transaction.parse(data)
    except Malformed:
        return False
    return True


def document(received: Received) -> dict[str, str | int]:
    """What a scan found, for `--json`."""
    found: dict[str, str | int] = {
        "dialect": received.dialect,
        "type": received.type,
        "kind": received.kind.value,
        "bytes": len(received.data),
        "sha256": received.digest,
    }
    if received.label:
        found["label"] = received.label
    if received.kind in TEXTS:
        found["text"] = received.data.decode("ascii", "backslashreplace")
    return found


def lines(received: Received) -> tuple[str, ...]:
    """What a scan found, for a person; nothing of it is trusted."""
    head = [
        f"Dialect   {received.dialect}",
        f"Type      {safe(received.type, 60)}",
        f"Kind      {received.kind.value}",
        f"Size      {len(received.data):,} bytes",
        f"SHA-256   {received.digest}",
    ]
    if received.label:
        head.append(f"Name      {safe(received.label, 120)} (by the sender)")
    if received.kind in TEXTS:
        shown = received.data.decode("ascii", "backslashreplace").rstrip("\n").split("\n")
        head += ["", *(safe(line, _MAX_SHOWN) for line in shown[:200])]
    return tuple(head)
