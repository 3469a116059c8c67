"""Deterministic CBOR: what is accepted has this one encoding, and cbor2 alone reads the same value out of it."""

from __future__ import annotations

import random

import cbor2

from falconer_shared.encoding import cbor
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt

MAX_LEN = 4_096
TAGS = frozenset({303, 304, 305, 308, 310, 40303, 40308, 40310, 37_000})


def seeds() -> dict[str, bytes]:
    key = cbor2.CBORTag(
        303,
        {
            3: bytes(33),
            4: bytes(32),
            5: cbor2.CBORTag(305, {1: 1}),
            6: cbor2.CBORTag(304, {1: [84, True, 0, True], 2: 7}),
        },
    )
    values: dict[str, object] = {
        "bytes": b"psbt\xff" + bytes(30),
        "part": [7, 31, 2**20, 2**32 - 1, bytes(100)],
        "numbers": [0, 23, 24, 255, 256, 2**16, 2**32, 2**64 - 1, -1, -(2**64)],
        "account": {1: 1, 2: [cbor2.CBORTag(404 - 96, "wpkh(@0)"), cbor2.CBORTag(308, key)]},
        "simple": [False, True, None],
        "text": "descriptor",
    }
    found = {name: cbor2.dumps(value, canonical=True) for name, value in values.items()}
    found["bomb"] = bytes.fromhex("9b00ffffffffffffff")
    found["deep"] = b"\x81" * 60 + b"\x00"
    found["shared"] = bytes.fromhex("82d81c81d81d00d81d00")
    return found


def check(data: bytes) -> bool:
    value = attempt(lambda: cbor.decode(data, "message", max_bytes=MAX_LEN, tags=TAGS))
    again = attempt(lambda: cbor.decode(data, "message", max_bytes=MAX_LEN))
    if value is None and data != b"\xf6":
        assert again is None
        return False
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.cbor(data, choose)
