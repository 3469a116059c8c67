"""What one QR code holds at error correction L (ISO 18004, table 7), by version and mode."""

from __future__ import annotations

from enum import Enum
from typing import Final

MAX_VERSION: Final = 40

_DATA_BITS_L: Final = (
    *(152, 272, 440, 640, 864, 1088, 1248, 1552, 1856, 2192, 2592, 2960, 3424, 3688, 4184, 4712, 5176, 5768),
    *(6360, 6888, 7456, 8048, 8752, 9392, 10208, 10960, 11744, 12248, 13048, 13880, 14744, 15640, 16568),
    *(17528, 18448, 19472, 20528, 21616, 22496, 23648),
)  # fmt: skip
"""Bits for data in versions 1 to 40."""


class Mode(Enum):
    """How a code packs its text. Whoever draws picks the densest that fits; these are the two in use here."""

    ALPHANUMERIC = "alphanumeric"
    """Upper case, digits and nine signs, 5.5 bits each."""

    BYTE = "byte"
    """Anything, 8 bits each."""


def capacity(version: int, mode: Mode) -> int:
    """Characters (bytes, in byte mode) that a code of this version holds.

    `version` is 1 to 40.
    """
    bits = _DATA_BITS_L[version - 1] - 4
    if mode is Mode.BYTE:
        return (bits - (8 if version < 10 else 16)) // 8
    pairs, rest = divmod(bits - (9 if version < 10 else 11 if version < 27 else 13), 11)
    return 2 * pairs + (rest >= 6)


def version_for(length: int, mode: Mode) -> int | None:
    """The smallest version that holds so many characters; None if none does."""
    return next((v for v in range(1, MAX_VERSION + 1) if capacity(v, mode) >= length), None)
