"""A payload as it is, in one code: a PSBT or a transaction in base64, hexadecimal, Electrum's base 43 or binary; a
descriptor, a key, a payment URI, `addwallet`, or any plain text.

Which of these it is, its first characters say. Nothing is tried one after the other: two programs that decode
one text differently would show two transactions (A081). Base 43 alone has no beginning of its own: a long text
of its letters is a transaction if its bytes begin and end as one, and text otherwise.

Electrum compresses nothing in its codes (zlib is in its wallet files and its sound modem).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from falconer_shared.encoding.capacity import Mode
from falconer_shared.errors import Malformed
from falconer_shared.text import describe_foreign
from falconer_shared.transport import content
from falconer_shared.transport.parts import PSBT_MAGIC, Kind, Received, Whole

_NAME: Final = "plain"

_BASE64_START: Final = "cHNidP"
_HEX_START: Final = PSBT_MAGIC.hex()
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+\Z|(?:[0-9A-F]{2})+\Z", re.ASCII)
_HEX_TRANSACTION: Final = re.compile(r"0[123]000000(?:[0-9a-f]{112,}|[0-9A-F]{112,})\Z", re.ASCII)
"""Version 1 to 3, and as long as the shortest transaction."""

_DIGITS_43: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*+-./:"
_VALUES_43: Final = {digit: value for value, digit in enumerate(_DIGITS_43)}
_BASE43: Final = re.compile(r"[0-9A-Z$*+\-./:]{80,}\Z", re.ASCII)
MAX_BASE43: Final = 7089
"""Digits of one code: base 43 takes quadratic time."""

_ADDWALLET: Final = re.compile(r"addwallet ([^&]{1,200})&(.+)\Z", re.ASCII | re.DOTALL)


class PlainDialect:
    """Takes every frame, so it stands last."""

    name = _NAME

    def recognises(self, frame: str) -> bool:  # noqa: ARG002 - whatever nobody else recognised
        return True

    def read(self, frame: str) -> Whole:
        """The payload of one code.

        Raises:
            Malformed: as `read_text`.
        """
        if frame.startswith(PSBT_MAGIC.decode("latin-1")):
            return Whole(_psbt(_to_bytes(frame), "binary"))
        return Whole(read_text(frame))


def _to_bytes(frame: str) -> bytes:
    try:
        return frame.encode("latin-1")
    except UnicodeEncodeError:
        raise Malformed("qr-text-foreign", "a binary code with characters that are no bytes") from None


def read_text(frame: str) -> Received:
    """The payload in a whole text.

    Raises:
        Malformed: `qr-base64-malformed`, `qr-hex-malformed`, `qr-text-foreign`, `qr-empty`, `secret-in-code`,
        `transport-not-transaction`.
    """
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
    if _HEX_TRANSACTION.match(text):
        return _transaction(_from_hex(text), "hex")
    if _BASE43.match(text) and (found := _from_base43(text)) is not None:
        return found
    if not text:
        raise Malformed("qr-empty", "the code is empty")
    foreign = describe_foreign(text.replace("\n", " ").replace("\r", " ").replace("\t", " "))
    if foreign:
        raise Malformed("qr-text-foreign", f"text that is not plain ASCII: {foreign}")
    wallet = _ADDWALLET.match(text)
    if wallet:
        content.refuse_secret(wallet[2])
        return Received(Kind.DESCRIPTOR, wallet[2].encode("ascii"), _NAME, "addwallet", wallet[1])
    return Received(content.kind_of_text(text), text.encode("ascii"), _NAME, "text")


def _psbt(data: bytes, spelling: str) -> Received:
    return Received(Kind.PSBT, data, _NAME, spelling)


def _transaction(data: bytes, spelling: str) -> Received:
    content.check_transaction(data, f"what came as a transaction in {spelling}")
    return Received(Kind.TRANSACTION, data, _NAME, spelling)


def _from_hex(text: str) -> bytes:
    if len(text) % 2:
        raise Malformed("qr-hex-malformed", "a transaction in hexadecimal with an odd length")
    return bytes.fromhex(text)


def _from_base64(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("qr-base64-malformed", "the base64 text of this PSBT is not strict base64") from error
    # the strict decoder still ignores the unused low bits of the last character: two texts, one PSBT
    if base64.b64encode(data) != text.encode("ascii") or not data.startswith(PSBT_MAGIC):
        raise Malformed("qr-base64-malformed", "base64 whose last characters encode nothing")
    return data


def _from_base43(text: str) -> Received | None:
    """The PSBT or transaction in a text of base 43, or None where it holds none."""
    if len(text) > MAX_BASE43:
        return None
    number = 0
    for digit in text:
        number = number * 43 + _VALUES_43[digit]
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if to_base43(data) != text:
        return None  # leading zeros: neither a PSBT nor a transaction has them
    if data.startswith(PSBT_MAGIC):
        return _psbt(data, "base43")
    if data[:4] in (b"\1\0\0\0", b"\2\0\0\0", b"\3\0\0\0"):
        return _transaction(data, "base43")
    return None


def to_base43(data: bytes) -> str:
    """A PSBT or transaction as Electrum spells it in codes."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 43)
        digits.append(_DIGITS_43[digit])
    return "".join(reversed(digits))


class PlainSender:
    """A payload in one code, already spelled. `carried` is what a receiver makes of the text."""

    dialect = _NAME
    n = 1

    def __init__(self, carried: bytes, kind: Kind, text: str, spelling: str, room: dict[Mode, int]) -> None:
        alphanumeric = not set(text) - set(_DIGITS_43 + " %")
        self.mode = Mode.ALPHANUMERIC if alphanumeric else Mode.BYTE
        if not text or len(text) > room[self.mode]:
            raise ValueError("it does not fit into one code of this size")
        self._text = text
        self.type = spelling
        self.digest = Received(kind, carried, self.dialect, spelling).digest

    def frame(self, number: int) -> str:
        """The one text."""
        del number
        return self._text

    def frames(self) -> Iterator[str]:
        """The one text, once."""
        yield self._text
