"""Base58 and Base58Check, as Bitcoin Core reads and writes them.

Texts in this alphabet are often private keys that a person pasted into the wrong place, so no error of this module repeats any
part of what it read: it names positions only.
"""

from __future__ import annotations

import hashlib

from falconer_shared.errors import Malformed

MAX_BASE58 = 256
"""Characters read at most: an extended key has 111, and the work grows with the square (A079)."""

CHECKSUM_SIZE = 4
"""Bytes of the double SHA-256 that end a Base58Check text."""

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


def encode(data: bytes) -> str:
    """Bytes as Base58; each leading zero byte becomes one `1`."""
    number = int.from_bytes(data, "big")
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def decode(text: str, where: str = "base58 text") -> bytes:
    """The bytes of a Base58 text; no white space is skipped.

    Raises:
        Malformed: `base58-too-long`, `base58-character`.
    """
    if len(text) > MAX_BASE58:
        raise Malformed("base58-too-long", f"{where}: {len(text)} characters, more than {MAX_BASE58}")
    number = 0
    for position, character in enumerate(text):
        value = _VALUES.get(character)
        if value is None:
            raise Malformed(
                "base58-character",
                f"{where}: character {position + 1} is not one of the 58 (0, O, I, l and spaces are not)",
                position=position,
            )
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode_check(payload: bytes) -> str:
    """Base58 of the payload and its checksum."""
    return encode(payload + _checksum(payload))


def decode_check(text: str, where: str = "base58 text") -> bytes:
    """The payload of a Base58Check text.

    Raises:
        Malformed: `base58-checksum`, and what `decode` raises.
    """
    data = decode(text, where)
    payload = data[:-CHECKSUM_SIZE]
    if len(data) < CHECKSUM_SIZE or data[-CHECKSUM_SIZE:] != _checksum(payload):
        raise Malformed(
            "base58-checksum", f"{where}: the checksum does not match, so at least one character is wrong"
        )
    return payload


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:CHECKSUM_SIZE]
