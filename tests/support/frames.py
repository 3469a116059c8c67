"""Frames of UR taken apart and put together again with one thing changed, and the messages of the official vectors."""

from __future__ import annotations

import random
from collections.abc import Callable

from falconer_shared.encoding import cbor
from falconer_shared.transport import bytewords, fountain

Fields = list[cbor.Cbor]


def wolf(size: int, seed: str = "Wolf") -> bytes:
    """The pseudorandom message that the vectors of BCR-2024-001 use."""
    draws = fountain.xoshiro256(seed.encode())
    return bytes(int(next(draws) / 2.0**64 * 256) for _ in range(size))


def psbt(size: int, seed: int = 0) -> bytes:
    """Bytes that begin as a PSBT does. Transport looks no further."""
    return b"psbt\xff" + random.Random(seed).randbytes(size - 5)


def fields(frame: str) -> Fields:
    """[number, n, message length, checksum, data] of a part."""
    value = cbor.decode(bytewords.decode(frame.lower().rsplit("/", 1)[1]), "frame", max_bytes=10_000)
    assert isinstance(value, list)
    return value


def rebuilt(frame: str, values: cbor.Cbor, *, path: str | None = None) -> str:
    """The frame with other content; its path (`7-31`) stays, unless another one is given."""
    scheme, sequence, _ = frame.split("/")
    return f"{scheme}/{path or sequence}/{bytewords.encode(cbor.encode(values))}".upper()


def edited(frame: str, change: Callable[[Fields], None]) -> str:
    """The frame with a change to its five fields, and a path that agrees."""
    values = fields(frame)
    change(values)
    return rebuilt(frame, values, path=f"{values[0]}-{values[1]}")


def forged(frame: str, seed: int = 1) -> str:
    """The frame with other data under the same header: what a person who means harm holds before the camera (A098)."""

    def change(values: Fields) -> None:
        data = values[4]
        assert isinstance(data, bytes)
        values[4] = random.Random(seed).randbytes(len(data))

    return edited(frame, change)
