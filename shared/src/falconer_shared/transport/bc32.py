"""BC32 (BCR-2020-004): Bech32 without a prefix, as the first version of UR spells its messages.

In linear time, since a message has up to 2 MiB: the bits go through Base32, whose letters are exchanged.
"""

from __future__ import annotations

import base64
from typing import Final

from falconer_shared.encoding import base32
from falconer_shared.errors import Malformed

CHECKSUM_LENGTH: Final = 6

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_TO_BC32: Final = str.maketrans(base32.RFC4648, _ALPHABET)
_FROM_BC32: Final = base32.table(_ALPHABET)
_VALUES: Final = bytes.maketrans(_ALPHABET.encode(), bytes(range(32)))
_LETTERS: Final = frozenset(_ALPHABET)
_TARGET: Final = 0x3FFFFFFF
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _table() -> tuple[int, ...]:
    table = []
    for top in range(32):
        mixed = 0
        for bit, generator in enumerate(_GENERATOR):
            mixed ^= generator if top >> bit & 1 else 0
        table.append(mixed)
    return tuple(table)


_TABLE: Final = _table()


def encode(data: bytes) -> str:
    """The lower-case text of these bytes, with its checksum."""
    text = base64.b32encode(data).decode("ascii").rstrip("=").translate(_TO_BC32)
    residue = _residue(text.encode("ascii").translate(_VALUES) + bytes(CHECKSUM_LENGTH)) ^ _TARGET
    return text + "".join(
        _ALPHABET[residue >> 5 * place & 31] for place in range(CHECKSUM_LENGTH - 1, -1, -1)
    )


def decode(text: str) -> bytes:
    """The bytes that a lower-case text spells; its checksum must fit and its padding be zero.

    Raises:
        Malformed: `bc32-malformed`, `bc32-checksum`.
    """
    if not _LETTERS.issuperset(text) or len(text) < CHECKSUM_LENGTH:
        raise Malformed("bc32-malformed", "a text with other letters than BC32 has, or too short for it")
    if _residue(text.encode("ascii").translate(_VALUES)) != _TARGET:
        raise Malformed("bc32-checksum", "the checksum of a BC32 text does not fit: it was misread")
    body = text[:-CHECKSUM_LENGTH]
    data = base32.decode(body, _FROM_BC32)
    if data is None:
        raise Malformed("bc32-malformed", "a BC32 text that spells no whole bytes, or has bits left over")
    return data


def _residue(values: bytes) -> int:
    # 1, then the zero that stands in the place of a prefix
    residue = 1 << 5
    for value in values:
        residue = (residue & 0x1FFFFFF) << 5 ^ value ^ _TABLE[residue >> 25]
    return residue
