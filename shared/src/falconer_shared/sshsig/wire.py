"""The SSH wire format (RFC 4251 section 5): strings with a four-byte big-endian length.

Only what keys and signatures need. Lengths are checked against what is there before anything is copied (A079), and an object
must be used up exactly (A075, A076).
"""

from __future__ import annotations

import base64
import binascii

from falconer_shared.errors import Malformed

MAX_OBJECT = 2048
"""Bytes of one key or signature: an Ed25519 SSHSIG takes 163, a security key's about 350; DESIGN bounds an approval by 2 KiB."""


class WireReader:
    """A cursor over one SSH object; every fault raises the caller's rule id."""

    __slots__ = ("_data", "_position", "_rule", "_where")

    def __init__(self, data: bytes, where: str, rule: str) -> None:
        self._data = data
        self._position = 0
        self._where = where
        self._rule = rule
        if len(data) > MAX_OBJECT:
            raise self.error(f"{len(data)} bytes, more than the {MAX_OBJECT} that it may have")

    def error(self, problem: str) -> Malformed:
        """The refusal for a fault of form in this object."""
        return Malformed(self._rule, f"{self._where}: {problem}", position=self._position)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._position + size
        if end > len(self._data):
            raise self.error(f"{size} bytes wanted, {len(self._data) - self._position} left")
        piece = self._data[self._position : end]
        self._position = end
        return piece

    def u32(self) -> int:
        """Four bytes, big endian."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Bytes preceded by their length."""
        return self.take(self.u32())

    def name(self) -> str:
        """A string that must be printable ASCII without spaces: an algorithm or a namespace."""
        value = self.string()
        if not value or min(value) <= 0x20 or max(value) > 0x7E:
            raise self.error("a name that is empty or not printable ASCII")
        return value.decode("ascii")

    def end(self) -> None:
        """Nothing may follow."""
        if self._position != len(self._data):
            raise self.error(f"{len(self._data) - self._position} bytes too many")


def string(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return len(data).to_bytes(4, "big") + data


def strict_base64(text: str, where: str, rule: str) -> bytes:
    """The bytes of a base64 text in its one spelling: standard alphabet, full padding, no stray bits.

    Raises:
        Malformed: the caller's rule id.
    """
    if len(text) > 2 * MAX_OBJECT:
        raise Malformed(
            rule,
            f"{where}: {len(text)} characters of base64, more than the {2 * MAX_OBJECT} that it may have",
        )
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed(rule, f"{where}: not base64") from None
    # b64decode forgives non-zero bits under the padding: two texts for one key would mean two spellings of one policy
    if base64.b64encode(data).decode("ascii") != text:
        raise Malformed(rule, f"{where}: base64 that is not in its one canonical spelling")
    return data
