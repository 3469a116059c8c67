"""Bounded reading of untrusted bytes.

Nothing is allocated for a length or a count before the bytes are there (A079), CompactSize must be minimal
(A074), and a nested object is read from a slice of its own that must be used up exactly (A075).
"""

from __future__ import annotations

from falconer_shared.errors import Malformed


class ByteReader:
    """A cursor over bytes that never reads past the end.

    `where` names the bytes in errors; `rule` is the refusal id of a truncated or over-long read.
    """

    __slots__ = ("_data", "_end", "_rule", "_where", "position")

    def __init__(self, data: bytes, where: str, rule: str = "bytes-truncated") -> None:
        self._data = data
        self._end = len(data)
        self._where = where
        self._rule = rule
        self.position = 0

    def error(self, problem: str, rule: str | None = None) -> Malformed:
        """A refusal that names the place."""
        return Malformed(
            rule or self._rule, f"{self._where}: {problem} at byte {self.position}", position=self.position
        )

    def remaining(self) -> int:
        """Bytes not yet read."""
        return self._end - self.position

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self.position
        end = start + size
        if size < 0 or end > self._end:
            raise self.error(f"{size} bytes wanted, {self._end - start} left")
        self.position = end
        return self._data[start:end]

    def u8(self) -> int:
        """An unsigned byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes, little endian."""
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        """Four bytes, little endian."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        """Eight bytes, little endian."""
        return int.from_bytes(self.take(8), "little")

    def compact_size(self) -> int:
        """A CompactSize number in its one minimal form."""
        position = self.position
        if position >= self._end:
            raise self.error("a CompactSize wanted, nothing left")
        first = self._data[position]
        if first < 0xFD:
            self.position = position + 1
            return first
        self.position = position + 1
        size = 2 if first == 0xFD else 4 if first == 0xFE else 8
        value = int.from_bytes(self.take(size), "little")
        if value < (0xFD, 0x10000, 0x100000000)[size.bit_length() - 2]:
            raise self.error("a CompactSize that is not in its shortest form", "compact-size-not-minimal")
        return value

    def count(self, smallest: int) -> int:
        """A CompactSize that counts objects of at least `smallest` bytes each, which must fit in what is left
        (A079).
        """
        value = self.compact_size()
        if value * smallest > self.remaining():
            raise self.error(f"{value} objects announced, {self.remaining()} bytes left")
        return value

    def prefixed(self) -> bytes:
        """Bytes preceded by their CompactSize length."""
        return self.take(self.compact_size())

    def end(self) -> None:
        """Nothing may follow (A076)."""
        if self.position != self._end:
            raise self.error(f"{self._end - self.position} bytes too many", "trailing-bytes")


_ONE_BYTE = tuple(bytes((value,)) for value in range(0xFD))


def compact_size(value: int) -> bytes:
    """A number as minimal CompactSize."""
    if 0 <= value < 0xFD:
        return _ONE_BYTE[value]
    if value < 0:
        raise ValueError("CompactSize is unsigned")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    return b"\xff" + value.to_bytes(8, "little")


def prefixed(data: bytes) -> bytes:
    """Bytes with their CompactSize length before them."""
    return compact_size(len(data)) + data
