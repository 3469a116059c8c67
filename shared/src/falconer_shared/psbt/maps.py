"""The key-value maps that a PSBT is made of (BIP 174, "Specification"), read once and without interpretation.

    <map> := { <key length> <key> <value length> <value> } 0x00

Guaranteed for what `read_map` returns: every length is minimal and inside the data, no key occurs twice
(A070), the order is kept. `write_map` is its exact inverse.
"""

from __future__ import annotations

from collections.abc import Mapping

from falconer_shared.encoding.reader import ByteReader, prefixed
from falconer_shared.errors import Malformed

MAX_FIELDS = 250_000
"""Key-value pairs in one PSBT: 10,000 inputs with 25 fields each, and the bound on the time and memory that
junk can take (a pair takes three bytes in the file and about 200 in memory)."""


def read_map(data: bytes, position: int, where: str, budget: int) -> tuple[dict[bytes, bytes], int]:
    """The map at `position` and the position behind it.

    `budget` is the number of pairs that the PSBT may still have; `where` names the map in errors.

    Raises:
        Malformed: `psbt-truncated`, `compact-size-not-minimal`, `psbt-duplicate-key`, `psbt-too-many-fields`.
    """
    fields: dict[bytes, bytes] = {}
    end = len(data)
    while True:
        # lengths below 253 are their own CompactSize; everything rarer goes through the reader
        if position >= end:
            raise Malformed("psbt-truncated", f"{where}: the data end inside it", position=position)
        size = data[position]
        position += 1
        if size == 0:
            return fields, position
        if size >= 0xFD:
            size, position = _long_size(data, position - 1, where)
        start = position
        position += size
        key = data[start:position]
        if position >= end:
            raise Malformed("psbt-truncated", f"{where}: the data end inside a key", position=end)
        size = data[position]
        position += 1
        if size >= 0xFD:
            size, position = _long_size(data, position - 1, where)
        start = position
        position += size
        if position > end:
            raise Malformed(
                "psbt-truncated",
                f"{where}: field {key[:8].hex()} announces {size} bytes, {end - start} are left",
                position=start,
            )
        if key in fields:
            raise Malformed("psbt-duplicate-key", f"{where}: key {key[:40].hex()} occurs twice")
        if len(fields) >= budget:
            raise Malformed(
                "psbt-too-many-fields", f"{where}: more than the {MAX_FIELDS} fields that a PSBT may have"
            )
        fields[key] = data[start:position]


def _long_size(data: bytes, position: int, where: str) -> tuple[int, int]:
    reader = ByteReader(data, where, rule="psbt-truncated")
    reader.position = position
    return reader.compact_size(), reader.position


def write_map(fields: Mapping[bytes, bytes]) -> bytes:
    """The bytes of a map, fields in their order, the closing zero included."""
    if b"" in fields:
        raise ValueError("an empty key would end the map")
    parts: list[bytes] = []
    for key, value in fields.items():
        parts.append(prefixed(key))
        parts.append(prefixed(value))
    parts.append(b"\0")
    return b"".join(parts)
