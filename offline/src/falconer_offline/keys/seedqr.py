"""SeedQR (SeedSigner's docs/seed_qr): the words of a key as one QR code, read only.

Standard: four digits for the place of each word in the BIP 39 list, from 0000 to 2047, checksum word included.
Compact: the entropy alone, 16 or 32 bytes, so its checksum is computed and *finds no mistake*: any 16 or 32
bytes are a key. Only the fingerprint tells whether it is the right one.

Which of the two a code holds, its length says: no length belongs to both. Nothing is corrected or completed,
and no refusal repeats what was read (A093).
"""

from __future__ import annotations

from typing import Final

from falconer_offline.keys.words import WORD_COUNTS, check_words, words_of
from falconer_shared.errors import SecretError

DIGITS: Final = 4
"""Of one word."""

COMPACT_SIZES: Final = (16, 32)
"""Bytes of a compact code, for 12 and 24 words. The format names no others."""

_LIST_LENGTH: Final = 2048


def read_digits(text: str) -> tuple[str, ...]:
    """The words of a standard SeedQR, as a person types its digits: spaces between them do not matter.

    Raises:
        SecretError: `seedqr-malformed`, `words-checksum`.
    """
    from embit import bip39  # noqa: PLC0415 - only who reads words needs the list

    digits = "".join(text.split())
    if not digits.isascii() or not digits.isdigit():
        raise SecretError("seedqr-malformed", "a SeedQR holds digits only")
    if len(digits) % DIGITS or len(digits) // DIGITS not in WORD_COUNTS:
        raise SecretError(
            "seedqr-malformed",
            f"{len(digits)} digits; a SeedQR has four for each of 12, 15, 18, 21 or 24 words",
            count=len(digits),
        )
    places = [int(digits[start : start + DIGITS]) for start in range(0, len(digits), DIGITS)]
    for position, place in enumerate(places, 1):
        if place >= _LIST_LENGTH:
            raise SecretError(
                "seedqr-malformed",
                f"the digits of word {position} are above 2047, the last place of the list",
                position=position,
            )
    return check_words(" ".join(bip39.WORDLIST[place] for place in places))


def read_code(code: bytes) -> tuple[str, ...]:
    """The words in what a code holds, standard or compact.

    Raises:
        SecretError: as `read_digits`.
    """
    if len(code) in COMPACT_SIZES:
        return words_of(code)
    try:
        text = code.decode("ascii")
    except UnicodeDecodeError:
        raise SecretError(
            "seedqr-malformed", f"{len(code)} bytes that are neither digits nor a compact SeedQR"
        ) from None
    return read_digits(text)
