"""Five bits a letter, in whatever alphabet: bytes out of text, in linear time and with one spelling each."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"

RFC4648: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def table(alphabet: str) -> dict[int, int]:
    """What `decode` needs to know of an alphabet of 32 letters."""
    return str.maketrans(alphabet, _DIGITS)


def decode(text: str, letters: dict[int, int]) -> bytes | None:
    """The bytes of a text whose letters are all of the alphabet; None where they spell no whole bytes, or where
    bits are left over that are not zero.
    """
    size, rest = divmod(len(text) * 5, 8)
    number = int(text.translate(letters), 32) if text else 0
    if rest > 4 or number & (1 << rest) - 1:
        return None
    return (number >> rest).to_bytes(size, "big")
