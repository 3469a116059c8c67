"""From what a file, a frame or a pipe holds to the binary form of a PSBT.

Two spellings are taken, told apart by their first bytes and never by trial: the binary form, byte for byte,
and base64 in the standard alphabet with its padding (BIP 174). White space may surround the base64 text,
because files of text end in a line feed; inside it there is none. Hexadecimal, URL-safe base64, a byte order
mark and wrapped lines are refused with what to do about them (A081): two tools that decode one file
differently would show two transactions.
"""

from __future__ import annotations

import base64
import binascii

from falconer_shared.errors import Malformed
from falconer_shared.text import safe_bytes

MAGIC = b"psbt\xff"
"""BIP 174: the first five bytes."""

MAX_PSBT_BYTES = 16 * 1024 * 1024
"""Bytes of a PSBT file, in either spelling: 1,470 inputs (all that a standard transaction holds) leave 11 kB
for the previous transaction of each."""

_BASE64_START = b"cHNidP"
_HEX_START = MAGIC.hex().encode("ascii")
_SPACE = b" \t\r\n"


def binary(data: bytes) -> bytes:
    """The binary form of `data`, which begins with the magic bytes; nothing behind them is looked at.

    Raises:
        Malformed: `psbt-too-large`, `psbt-empty`, `psbt-not-recognised`, `psbt-hex-refused`,
        `psbt-base64-malformed`.
    """
    if len(data) > MAX_PSBT_BYTES:
        raise Malformed(
            "psbt-too-large",
            f"{len(data)} bytes are more than the {MAX_PSBT_BYTES} that a PSBT may have",
            size=len(data),
        )
    if data.startswith(MAGIC):
        return data
    text = data.strip(_SPACE)
    if text.startswith(_BASE64_START):
        return _from_base64(text)
    if text[: len(_HEX_START)].lower() == _HEX_START:
        raise Malformed(
            "psbt-hex-refused",
            "this is a PSBT in hexadecimal",
            remedy="convert it first: xxd -r -p FILE > FILE.psbt",
        )
    if not text:
        raise Malformed("psbt-empty", "nothing there: a PSBT was expected")
    raise Malformed(
        "psbt-not-recognised",
        f"not a PSBT: it begins with '{safe_bytes(data[:12])}'",
        remedy="give the binary file, or its base64 text, which begins with cHNidP",
    )


def _from_base64(text: bytes) -> bytes:
    remedy = "write it in one line: base64 -w0 FILE"
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise Malformed("psbt-base64-malformed", f"not strict base64: {error}", remedy=remedy) from error
    # the strict decoder still ignores the unused low bits of the last character: two texts, one PSBT
    if base64.b64encode(decoded) != text or not decoded.startswith(MAGIC):
        raise Malformed("psbt-base64-malformed", "base64 whose last characters encode nothing", remedy=remedy)
    return decoded
