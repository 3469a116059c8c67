"""A PSBT as a list of ordered maps, for building one that the product would never build.

Knows nothing of what the fields mean, so any of them can be left out, doubled, or filled with lies. Shares no code with the
product.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

MAGIC = b"psbt\xff"

Map = list[tuple[bytes, bytes]]


def size(value: int) -> bytes:
    if value < 0xFD:
        return struct.pack("<B", value)
    if value < 0x10000:
        return b"\xfd" + struct.pack("<H", value)
    return b"\xfe" + struct.pack("<I", value)


def _read_size(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


class RawPsbt:
    """Maps in file order: global, then one per input, then one per output."""

    def __init__(self, data: bytes) -> None:
        at = len(MAGIC)
        self.maps: list[Map] = []
        current: Map = []
        while at < len(data):
            length, at = _read_size(data, at)
            if not length:
                self.maps.append(current)
                current = []
                continue
            key, at = data[at : at + length], at + length
            length, at = _read_size(data, at)
            current.append((key, data[at : at + length]))
            at += length
        tx = dict(self.maps[0]).get(b"\x00")
        self.inputs_count = _read_size(tx, 4)[0] if tx else dict(self.maps[0])[b"\x04"][0]

    def bytes(self) -> bytes:
        out = [MAGIC]
        for entries in self.maps:
            out += [size(len(key)) + key + size(len(value)) + value for key, value in entries]
            out.append(b"\x00")
        return b"".join(out)

    def input(self, index: int) -> Map:
        return self.maps[1 + index]

    def output(self, index: int) -> Map:
        return self.maps[1 + self.inputs_count + index]

    @staticmethod
    def set(entries: Map, key: bytes, value: bytes | None) -> None:
        """Replace a field in place, append it when it is new, remove it for None."""
        for position, (name, _) in enumerate(entries):
            if name == key:
                if value is None:
                    del entries[position]
                else:
                    entries[position] = (key, value)
                return
        if value is not None:
            entries.append((key, value))

    @staticmethod
    def get(entries: Map, key: bytes) -> bytes:
        return dict(entries)[key]


def edited(data: bytes, edit: Callable[[RawPsbt], None]) -> bytes:
    """The bytes of a PSBT after one edit."""
    raw = RawPsbt(data)
    edit(raw)
    return raw.bytes()
