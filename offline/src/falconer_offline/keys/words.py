"""BIP 39: words to seed and back, and the making of new words from the system's randomness and dice.

The mix is one hash that anybody can compute again:

    entropy = first 16 to 32 bytes of SHA-256(system || dice)

with `system` = 32 bytes of the kernel's generator, tested (`randomness`), and `dice` = the rolls as ASCII
digits, in order. With dice, SHA-256(system) is shown before the first roll and `system` after the last, so the
program cannot choose `system` to fit the rolls. Either source alone, if unknown to an attacker, makes the words
unknown to him. Nothing else feeds it (A091). docs/offline.md has the recipe for a second tool.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field

from falconer_offline.keys import randomness
from falconer_shared.canonical import Writer
from falconer_shared.errors import Malformed, SecretError

WORD_COUNTS = (12, 15, 18, 21, 24)
"""BIP 39: 128 to 256 bits in steps of 32."""

SYSTEM_SIZE = 32
"""Bytes taken from the kernel's generator, whatever the number of words."""

MAX_ROLLS = 1000
"""Rolls that are mixed in: 100 already carry 258 bits."""

PBKDF2_ROUNDS = 2048
"""BIP 39, from mnemonic to seed."""


@dataclass(frozen=True, slots=True)
class Mix:
    """New entropy and where it came from. All of it is secret but `commitment`."""

    system: bytes = field(repr=False)

    @classmethod
    def start(cls) -> Mix:
        """Take the system's part.

        Raises:
            SecretError: `random-source-unhealthy`.
        """
        return cls(randomness.draw(SYSTEM_SIZE))

    @property
    def commitment(self) -> str:
        """SHA-256 of the system's part, hex: shown before the dice are rolled."""
        return hashlib.sha256(self.system).hexdigest()

    def entropy(self, rolls: str, words: int) -> bytes:
        """The entropy of that many words. `rolls` are digits 1 to 6, possibly none.

        Raises:
            Malformed: `dice-malformed`.
        """
        if words not in WORD_COUNTS:
            raise ValueError("12, 15, 18, 21 or 24 words")
        if len(rolls) > MAX_ROLLS or any(roll not in "123456" for roll in rolls):
            raise Malformed("dice-malformed", f"dice rolls are up to {MAX_ROLLS} digits from 1 to 6")
        return hashlib.sha256(self.system + rolls.encode("ascii")).digest()[: words * 4 // 3]

    def transcript(self, rolls: str, words: int) -> bytes:
        """All that another tool needs to compute the words again: as secret as the words."""
        return (
            Writer("falconer-dice")
            .line("words", words)
            .line("commitment", self.commitment)
            .line("system", self.system.hex())
            .line("rolls", rolls)
            .text()
        )


def words_of(entropy: bytes) -> tuple[str, ...]:
    """The BIP 39 words of 16 to 32 bytes."""
    from embit import bip39  # noqa: PLC0415

    if len(entropy) * 3 // 4 not in WORD_COUNTS or len(entropy) % 4:
        raise ValueError("16, 20, 24, 28 or 32 bytes")
    return tuple(bip39.mnemonic_from_bytes(entropy).split(" "))


def check_words(text: str) -> tuple[str, ...]:
    """The words in `text`, all of the English list and with a checksum that fits. Nothing is corrected or
    completed (A093).

    Raises:
        SecretError: `words-count`, `words-unknown`, `words-checksum`. None of them repeats a word.
    """
    from embit import bip39  # noqa: PLC0415

    words = unicodedata.normalize("NFKD", text).split()
    if len(words) not in WORD_COUNTS:
        raise SecretError(
            "words-count", f"{len(words)} words; BIP 39 has 12, 15, 18, 21 or 24", count=len(words)
        )
    for position, word in enumerate(words, 1):
        if word not in bip39.WORDLIST:
            raise SecretError(
                "words-unknown", f"word {position} is not in the BIP 39 English list", position=position
            )
    try:
        bip39.mnemonic_to_bytes(" ".join(words))
    except ValueError:
        raise SecretError(
            "words-checksum", "the words do not fit together: one is wrong, or their order"
        ) from None
    return tuple(words)


def seed_of(words: tuple[str, ...], passphrase: str) -> bytes:
    """The 64-byte seed (BIP 39: PBKDF2-HMAC-SHA512 over NFKD text)."""
    salt = "mnemonic" + unicodedata.normalize("NFKD", passphrase)
    return hashlib.pbkdf2_hmac("sha512", " ".join(words).encode("ascii"), salt.encode("utf-8"), PBKDF2_ROUNDS)
