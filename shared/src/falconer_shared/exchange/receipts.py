"""Receipts as one file, or one code: those that a machine shows again to a coordinator that lacks them.

    {"machine": "ssh-ed25519 ...", "receipts": [{"wallet": ..., "number": 7, "text": "...", "signature": "-----BEGIN ..."}]}

JSON, because people look into it. Of each receipt only text and signature are read: everything else repeats
what they say, or is for people. Whose a receipt is, its signature says; what it is about, its request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from falconer_shared.encoding.reader import prefixed
from falconer_shared.errors import Malformed
from falconer_shared.exchange.receipt import MAX_RECEIPT_BYTES, SignedReceipt
from falconer_shared.sshsig.signature import SshSignature

MAX_FILE: Final = 2 * 1024 * 1024
"""Bytes: what may come by code; several hundred receipts."""

_MAX_SIGNATURE: Final = 4096
"""Characters of an armoured signature; the largest of security keys takes 600."""


def write(
    machine: str | None, receipts: Sequence[SignedReceipt], wallets: Sequence[Mapping[str, str]]
) -> bytes:
    """The file. `wallets` says for each receipt, for people, whose it is ("wallet", "wallet_id")."""
    document = {"machine": machine, "receipts": list(entries(receipts, wallets))}
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def entries(
    receipts: Sequence[SignedReceipt], wallets: Sequence[Mapping[str, str]]
) -> Iterable[dict[str, Any]]:
    """Each receipt as an object of the file."""
    for signed, wallet in zip(receipts, wallets, strict=True):
        yield {
            **wallet,
            "number": signed.receipt.number,
            "digest": signed.receipt.digest,
            "text": signed.receipt.text.decode("ascii"),
            "signature": signed.signature.armoured().decode("ascii"),
        }


def read(data: bytes) -> tuple[SignedReceipt, ...]:
    """The receipts of a file, well-formed and unproven, in its order.

    Raises:
        Malformed: `receipts-malformed`, and what `SignedReceipt.parse` raises.
    """
    if len(data) > MAX_FILE:
        raise _malformed(f"{len(data)} bytes are more than such a file has")
    try:
        found = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        raise _malformed("it is not JSON in plain ASCII") from None
    receipts = found.get("receipts") if isinstance(found, dict) else None
    if not isinstance(receipts, list) or not receipts:
        raise _malformed("it has no list 'receipts', or an empty one")
    return tuple(map(_read_one, receipts))


def _read_one(entry: object) -> SignedReceipt:
    text = entry.get("text") if isinstance(entry, dict) else None
    signature = entry.get("signature") if isinstance(entry, dict) else None
    if not isinstance(text, str) or not isinstance(signature, str):
        raise _malformed("an entry has no 'text' or no 'signature'")
    if not text.isascii() or not signature.isascii():
        raise _malformed("a text or signature is not plain ASCII")
    if len(text) > MAX_RECEIPT_BYTES or len(signature) > _MAX_SIGNATURE:
        raise _malformed("a text or signature is longer than any")
    raw = SshSignature.parse(signature.encode("ascii")).raw
    return SignedReceipt.parse(prefixed(text.encode("ascii")) + raw)


def _malformed(reason: str) -> Malformed:
    return Malformed(
        "receipts-malformed",
        f"this is no file of receipts: {reason}",
        remedy="falconer-offline receipt show --since N --out FILE, or --qr, makes one",
    )
