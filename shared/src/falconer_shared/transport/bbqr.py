"""BBQr (Coinkite): numbered parts with a head of eight characters.

    B$ <encoding> <type> <parts, two digits in base 36> <part, from 00> <data>

Encodings: `H` hexadecimal, `2` Base32 without padding, `Z` raw deflate with a window of 1 KiB, then Base32.
Everything has one spelling here: upper case, base 36 of `0-9A-Z` alone (A103), whole bytes in every part and
zero in the unused low bits (A108), all parts but the last of one length. A compressed message ends exactly
where its deflate stream ends (A106) and has at most 2 MiB when it is unpacked (A105). What the type promises is
looked at before anything is handed on (A109).
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from falconer_shared.encoding import base32
from falconer_shared.encoding.capacity import Mode
from falconer_shared.errors import Malformed
from falconer_shared.transport import content
from falconer_shared.transport.numbered import NumberedPart, rounds
from falconer_shared.transport.parts import MAX_PAYLOAD, PSBT_MAGIC, Kind, Part, Received, Whole

MAX_PARTS: Final = 36 * 36 - 1
HEAD: Final = 8

_WINDOW_BITS: Final = -10
"""No header, and a window that the smallest signer can hold."""

_BASE36: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FRAME: Final = re.compile(r"B\$([0-9A-Z])([0-9A-Z])([0-9A-Z]{2})([0-9A-Z]{2})([0-9A-Z]+)\Z", re.ASCII)
_HEX: Final = re.compile(r"[0-9A-F]*\Z", re.ASCII)
_BASE32: Final = re.compile(r"[A-Z2-7]*\Z", re.ASCII)
_LETTERS: Final = base32.table(base32.RFC4648)

TYPES: Final[Mapping[str, tuple[str, Kind | None]]] = {
    "P": ("psbt", Kind.PSBT),
    "T": ("transaction", Kind.TRANSACTION),
    "J": ("json", Kind.JSON),
    "U": ("text", None),
    "C": ("cbor", Kind.BYTES),
    "B": ("binary", Kind.BYTES),
    "X": ("executable", Kind.BYTES),
}
"""Letter -> name and kind. What a text is, its beginning says. An executable is carried as bytes and never run."""

_SECRET_TYPES: Final = frozenset("RSE")
"""Coldcard's key teleport: encrypted seeds, and requests for them."""

SEND_TYPE: Final[Mapping[Kind, str]] = {
    Kind.PSBT: "P", Kind.TRANSACTION: "T", Kind.JSON: "J", Kind.BYTES: "B",
    Kind.DESCRIPTOR: "U", Kind.ACCOUNT: "U", Kind.KEY: "U", Kind.WALLET: "U", Kind.URI: "U", Kind.TEXT: "U",
}  # fmt: skip


class BbqrDialect:
    """Reads BBQr."""

    name = "bbqr"

    def recognises(self, frame: str) -> bool:
        return frame[:2] in ("B$", "b$")

    def read(self, frame: str) -> Whole | Part:
        """A whole payload or a part.

        Raises:
            Malformed: `bbqr-head-malformed`, `bbqr-encoding-unknown`, `bbqr-type-unknown`, `secret-in-code`,
            `bbqr-number-out-of-range`, `bbqr-padding`, `bbqr-too-large`; of a single part also what `_join` raises.
        """
        match = _FRAME.match(frame)
        if match is None:
            raise Malformed(
                "bbqr-head-malformed",
                "this begins with B$ and is not a head of eight characters and data, in upper case",
            )
        encoding, letter, total_text, index_text, text = match.groups()
        if letter in _SECRET_TYPES:
            content.refuse_as_secret()
        if letter not in TYPES:
            raise Malformed(
                "bbqr-type-unknown", f"BBQr of type '{letter}' is not known (known are {', '.join(TYPES)})"
            )
        if encoding not in "H2Z":
            raise Malformed(
                "bbqr-encoding-unknown", f"BBQr in encoding '{encoding}' is not known (known are H, 2, Z)"
            )
        total, index = _from_base36(total_text), _from_base36(index_text)
        if total == 0 or index >= total:
            raise Malformed(
                "bbqr-number-out-of-range", f"part {index + 1} of {total}", part=index + 1, parts=total
            )
        piece = _decode(encoding, text, last=index == total - 1)
        if (total - 1) * len(piece) > MAX_PAYLOAD and index != total - 1:
            raise _too_large(total * len(piece))
        join = partial(_join, encoding, letter)
        if total == 1:
            return Whole(join((piece,)))
        return NumberedPart((self.name, encoding, letter, total), index, total, piece, join)


def _from_base36(digits: str) -> int:
    return _BASE36.index(digits[0]) * 36 + _BASE36.index(digits[1])


def _to_base36(number: int) -> str:
    return _BASE36[number // 36] + _BASE36[number % 36]


def _decode(encoding: str, text: str, *, last: bool) -> bytes:
    """The bytes of one part."""
    if encoding == "H":
        if len(text) % 2 or not _HEX.match(text):
            raise _padding()
        return bytes.fromhex(text)
    if not _BASE32.match(text) or (len(text) % 8 and not last):
        raise _padding()
    data = base32.decode(text, _LETTERS)
    if data is None:
        raise _padding()
    return data


def _padding() -> Malformed:
    return Malformed(
        "bbqr-padding", "a part of BBQr does not spell whole bytes, with nothing left over, in its encoding"
    )


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=")


def _join(encoding: str, letter: str, pieces: Sequence[bytes]) -> Received:
    """The payload of all parts.

    Raises:
        Malformed: `bbqr-deflate`, `bbqr-too-large`, `bbqr-payload-malformed`, `transport-not-transaction`,
        `secret-in-code`.
    """
    data = b"".join(pieces)
    if encoding == "Z":
        data = _inflate(data)
    if len(data) > MAX_PAYLOAD:
        raise _too_large(len(data))
    name, kind = TYPES[letter]
    is_psbt = data.startswith(PSBT_MAGIC)
    if is_psbt != (kind is Kind.PSBT) and kind is not Kind.BYTES:
        raise Malformed("bbqr-payload-malformed", f"BBQr of type {letter} ({name}) holds something else")
    if kind is Kind.TRANSACTION:
        content.check_transaction(data, "what came as BBQr of type T")
    elif kind is None or kind is Kind.JSON:
        found = _text_kind(data, letter)
        if kind is Kind.JSON and found is not Kind.JSON:
            raise Malformed("bbqr-payload-malformed", "BBQr of type J holds no JSON object or list")
        kind = found
    elif is_psbt:
        kind = Kind.PSBT
    elif kind is Kind.BYTES:
        # words and keys are refused under whatever letter they come
        content.kind_of(data)
    return Received(kind, data, BbqrDialect.name, name)


def _text_kind(data: bytes, letter: str) -> Kind:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("bbqr-payload-malformed", f"BBQr of type {letter} is not UTF-8") from None
    return content.kind_of_text(text)


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj(_WINDOW_BITS)
    try:
        unpacked = stream.decompress(data, MAX_PAYLOAD + 1)
    except zlib.error:
        raise Malformed("bbqr-deflate", "the compressed message is damaged") from None
    if len(unpacked) > MAX_PAYLOAD:
        raise _too_large(len(unpacked))
    if not stream.eof:
        raise Malformed("bbqr-deflate", "the compressed message ends too early")
    if stream.unused_data or stream.unconsumed_tail:
        raise Malformed("bbqr-deflate", "bytes follow the compressed message")
    return unpacked


def _too_large(size: int) -> Malformed:
    return Malformed(
        "bbqr-too-large", f"BBQr of {size} bytes or more; {MAX_PAYLOAD} may come by QR", limit=MAX_PAYLOAD
    )


# --- sending -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Split:
    encoding: str
    text: str
    each: int
    n: int


def _split(payload: bytes, characters: int, encodings: str) -> _Split:
    """The fewest parts; of two encodings with as many, the shorter text."""
    room = characters - HEAD
    if room < 8:
        raise ValueError("a code of this size has no room for data")
    found = []
    for encoding in encodings:
        if encoding == "H":
            text, step = payload.hex().upper(), 2
        else:
            data = _deflate(payload) if encoding == "Z" else payload
            text, step = _base32(data), 8
        each = room - room % step
        # one part alone may fill its code; of several, none may be longer than the first
        n = 1 if len(text) <= room else -(-len(text) // each)
        found.append((n, len(text), _Split(encoding, text, _level(len(text), n, each, step), n)))
    return min(found, key=lambda entry: entry[:2])[2]


def _level(length: int, n: int, each: int, step: int) -> int:
    """Characters a part, so that n parts are about equally full and none is larger than it need be."""
    if n == 1:
        return length
    level = -(-length // n)
    level += -level % step
    return level if level <= each and -(-length // level) == n else each


def _deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(level=9, wbits=_WINDOW_BITS)
    return stream.compress(data) + stream.flush()


class BbqrSender:
    """A payload as BBQr, in codes of at most so many alphanumeric characters.

    `encodings` are those that may be chosen. The last part is as long as the others or shorter.
    """

    dialect = BbqrDialect.name
    mode = Mode.ALPHANUMERIC

    def __init__(self, payload: bytes, kind: Kind, characters: int, *, encodings: str = "Z2H") -> None:
        if not payload or len(payload) > MAX_PAYLOAD:
            raise ValueError("a payload has 1 byte to 2 MiB")
        self._letter = SEND_TYPE[kind]
        self._split = _split(payload, characters, encodings)
        self.n = self._split.n
        if self.n > MAX_PARTS:
            raise ValueError(f"{self.n} parts are more than BBQr counts: use larger codes, or a file")
        self.type = TYPES[self._letter][0]
        self.digest = Received(kind, payload, self.dialect, self.type).digest

    def frame(self, number: int) -> str:
        """The text of part `number` (from 1; past the last it begins again)."""
        split = self._split
        index = (number - 1) % split.n
        piece = split.text[index * split.each : (index + 1) * split.each]
        return f"B${split.encoding}{self._letter}{_to_base36(split.n)}{_to_base36(index)}{piece}"

    def frames(self) -> Iterator[str]:
        """The texts to show, again and again without end (a single code once)."""
        return rounds(self.n, self.frame)
