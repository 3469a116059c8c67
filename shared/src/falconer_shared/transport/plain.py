"""A payload as it is, in one code: a PSBT in base64, hexadecimal or binary, or plain text.

Which of these it is, its first characters say. Nothing is tried one after the other: two programs that decode
one text differently would show two transactions (A081). What begins as a dialect that is not spoken here is
named and refused, and never taken for text (A109).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from falconer_shared.errors import Malformed
from falconer_shared.text import describe_foreign
from falconer_shared.transport.parts import PSBT_MAGIC, Kind, Received, Whole

_BASE64_START: Final = "cHNidP"
_HEX_START: Final = PSBT_MAGIC.hex()
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+\Z|(?:[0-9A-F]{2})+\Z", re.ASCII)

_UNSPOKEN: Final = ((re.compile(r"p[0-9]+of[0-9]+ ", re.ASCII), "Specter's pMofN"),)


class PlainDialect:
    """Takes every frame, so it stands last."""

    name = "plain"

    def recognises(self, frame: str) -> bool:  # noqa: ARG002 - whatever nobody else recognised
        return True

    def read(self, frame: str) -> Whole:
        """The payload of one code.

        Raises:
            Malformed: `qr-dialect-unsupported`, `qr-base64-malformed`, `qr-hex-malformed`, `qr-text-foreign`,
            `qr-empty`.
        """
        for pattern, name in _UNSPOKEN:
            if pattern.match(frame):
                raise Malformed(
                    "qr-dialect-unsupported",
                    f"this is {name}, which is not read",
                    remedy="choose UR (crypto-psbt) on the other side",
                )
        if frame.startswith(PSBT_MAGIC.decode("latin-1")):
            return _psbt(frame.encode("latin-1"), "binary")
        text = frame.strip(" \t\r\n")
        if text.startswith(_BASE64_START):
            return _psbt(_from_base64(text), "base64")
        if text[: len(_HEX_START)].lower() == _HEX_START:
            if not _HEX.match(text):
                raise Malformed(
                    "qr-hex-malformed",
                    "a PSBT in hexadecimal with an odd length, mixed case or other characters",
                )
            return _psbt(bytes.fromhex(text), "hex")
        if not text:
            raise Malformed("qr-empty", "the code is empty")
        foreign = describe_foreign(text.replace("\n", " ").replace("\r", " ").replace("\t", " "))
        if foreign:
            raise Malformed("qr-text-foreign", f"text that is not plain ASCII: {foreign}")
        return Whole(Received(Kind.TEXT, text.encode("ascii"), "plain", "text"))


def _psbt(data: bytes, spelling: str) -> Whole:
    return Whole(Received(Kind.PSBT, data, "plain", spelling))


def _from_base64(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("qr-base64-malformed", "the base64 text of this PSBT is not strict base64") from error
    # the strict decoder still ignores the unused low bits of the last character: two texts, one PSBT
    if base64.b64encode(data) != text.encode("ascii") or not data.startswith(PSBT_MAGIC):
        raise Malformed("qr-base64-malformed", "base64 whose last characters encode nothing")
    return data
