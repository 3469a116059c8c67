"""Bech32 (BIP 173) and Bech32m (BIP 350), strict: one case, exact checksum, zero padding.

Which of the two checksums a text carries is part of the result; what it must carry is for the caller to say.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

from falconer_shared.errors import Malformed

MAX_BECH32 = 90
"""Characters at most (BIP 173): beyond it the checksum no longer finds four errors."""

CHECKSUM_LENGTH = 6
"""Characters of the checksum."""

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LETTERS = _ALPHABET.encode("ascii").ljust(256, b"?")
_TAIL_SHIFTS = range(5 * (CHECKSUM_LENGTH - 1), -1, -5)
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _fed_back(top: int) -> int:
    """What the five bits that leave the residue put into it (BIP 173)."""
    mixed = 0
    for bit, generator in enumerate(_GENERATOR):
        if top >> bit & 1:
            mixed ^= generator
    return mixed


_FED_BACK = tuple(_fed_back(top) for top in range(32))


class Checksum(enum.Enum):
    """The constant that tells the two encodings apart."""

    BECH32 = 1
    BECH32M = 0x2BC830A3


@dataclass(frozen=True, slots=True)
class Bech32:
    """What a text says: its human-readable part in lower case, its five-bit values without checksum, its kind of checksum."""

    hrp: str
    values: bytes
    checksum: Checksum


def encode(hrp: str, values: bytes, checksum: Checksum) -> str:
    """The lower-case text of these five-bit values.

    Raises:
        ValueError: not encodable: a programmer's mistake.
    """
    if not hrp or hrp != hrp.lower() or not all("!" <= c <= "~" for c in hrp) or max(values, default=0) > 31:
        raise ValueError("not encodable as bech32")
    if len(hrp) + 1 + len(values) + CHECKSUM_LENGTH > MAX_BECH32:
        raise ValueError("too long for bech32")
    residue = _polymod(values + bytes(CHECKSUM_LENGTH), _begun(hrp)) ^ checksum.value
    tail = bytes([residue >> shift & 31 for shift in _TAIL_SHIFTS])
    return f"{hrp}1{(values + tail).translate(_LETTERS).decode('ascii')}"


def decode(text: str, where: str = "bech32 text") -> Bech32:
    """Take a text apart.

    Raises:
        Malformed: `bech32-length`, `bech32-mixed-case`, `bech32-character`, `bech32-separator`, `bech32-checksum`.
    """
    if len(text) > MAX_BECH32:
        raise Malformed("bech32-length", f"{where}: {len(text)} characters, more than {MAX_BECH32}")
    for position, character in enumerate(text):
        if not "!" <= character <= "~":
            raise _character(where, position)
    if text != text.lower() and text != text.upper():
        raise Malformed("bech32-mixed-case", f"{where}: upper and lower case are mixed")
    lower = text.lower()
    separator = lower.rfind("1")
    if separator < 1 or len(lower) - separator - 1 < CHECKSUM_LENGTH:
        raise Malformed(
            "bech32-separator",
            f"{where}: no '1' between a first part and at least {CHECKSUM_LENGTH} characters",
        )
    data = bytearray()
    for position in range(separator + 1, len(lower)):
        value = _VALUES.get(lower[position])
        if value is None:
            raise _character(where, position)
        data.append(value)
    hrp = lower[:separator]
    residue = _polymod(bytes(data), _begun(hrp))
    for checksum in Checksum:
        if residue == checksum.value:
            return Bech32(hrp, bytes(data[:-CHECKSUM_LENGTH]), checksum)
    raise Malformed(
        "bech32-checksum", f"{where}: the checksum does not match, so at least one character is wrong"
    )


def to_values(data: bytes) -> bytes:
    """Bytes as five-bit values, the last one padded with zero bits."""
    length = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << (length * 5 - len(data) * 8)
    return bytes([number >> shift & 31 for shift in range(5 * (length - 1), -1, -5)])


def from_values(values: bytes, where: str = "bech32 text") -> bytes:
    """The inverse of `to_values`: at most four padding bits, all zero (BIP 173).

    Raises:
        Malformed: `bech32-padding`.
    """
    number = 0
    for value in values:
        number = number << 5 | value
    size, padding = divmod(len(values) * 5, 8)
    if padding > 4 or number & ((1 << padding) - 1):
        raise Malformed("bech32-padding", f"{where}: does not end in fewer than five bits of zero padding")
    return (number >> padding).to_bytes(size, "big")


def _character(where: str, position: int) -> Malformed:
    return Malformed(
        "bech32-character",
        f"{where}: character {position + 1} is not of the bech32 alphabet",
        position=position,
    )


@functools.lru_cache(maxsize=16)
def _begun(hrp: str) -> int:
    """The residue behind a first part, of which few are ever seen (BIP 173, `bech32_hrp_expand`)."""
    codes = hrp.encode("ascii")
    return _polymod(bytes([c >> 5 for c in codes]) + b"\0" + bytes([c & 31 for c in codes]), 1)


def _polymod(values: bytes, residue: int) -> int:
    for value in values:
        residue = (residue & 0x1FFFFFF) << 5 ^ value ^ _FED_BACK[residue >> 25]
    return residue
