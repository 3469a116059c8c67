from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from math import comb

import pytest

from falconer_offline.keys import randomness
from falconer_shared.errors import SecretError
from tests.support.refusal import refused


def noise(size: int, seed: bytes = b"") -> bytes:
    """Bytes without a pattern that any test here sees."""
    blocks = (hashlib.sha256(seed + number.to_bytes(4, "big")).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def source(monkeypatch, data: bytes, most: int = 1 << 20) -> None:
    """A generator that gives these bytes, at most so many a call, and then starts again."""
    place = 0

    def getrandom(size: int, flags: int = 0) -> bytes:
        nonlocal place
        assert flags == 0, "it must wait for the pool"
        size = min(size, most, len(data) - place)
        place += size
        given = data[place - size : place]
        place %= len(data)
        return given

    monkeypatch.setattr(os, "getrandom", getrandom)


def test_the_real_source_passes_and_never_repeats():
    drawn = {randomness.draw(32) for _ in range(50)}
    assert len(drawn) == 50


def test_what_is_drawn_was_not_part_of_the_sample(monkeypatch):
    data = noise(randomness.STARTUP + 200)
    source(monkeypatch, data, most=100)
    assert randomness.draw(32) == data[randomness.STARTUP : randomness.STARTUP + 32]


@pytest.mark.parametrize("place", [0, 100, randomness.STARTUP - 6])
def test_repetition_count(place):
    data = bytearray(noise(randomness.STARTUP))
    fill = data[place - 1] ^ 0xFF
    data[place + randomness.REPETITIONS - 1 : place + randomness.REPETITIONS] = bytes([fill ^ 1])
    data[place : place + randomness.REPETITIONS - 1] = bytes([fill]) * (randomness.REPETITIONS - 1)
    randomness.check(bytes(data))
    data[place + randomness.REPETITIONS - 1] = fill
    with refused("random-source-unhealthy", SecretError):
        randomness.check(bytes(data))


@pytest.mark.parametrize("window", [0, 3, 7])
def test_adaptive_proportion(window):
    data = bytearray(noise(randomness.STARTUP))
    start = window * randomness.WINDOW
    value = data[start]
    other = (value + 1) % 256
    part = bytearray(other if byte == value else byte for byte in data[start : start + randomness.WINDOW])
    part[0] = value
    for place in range(1, randomness.PROPORTION - 1):
        part[place * 20] = value
    data[start : start + randomness.WINDOW] = part
    randomness.check(bytes(data))
    data[start + 500] = value
    with refused("random-source-unhealthy", SecretError):
        randomness.check(bytes(data))


def test_the_bounds_are_those_of_the_standard():
    """SP 800-90B 4.4, computed exactly: alpha = 2^-40, 8 bits a sample."""
    assert randomness.REPETITIONS == 1 + -(-40 // 8)
    p, alpha = Fraction(1, 256), Fraction(1, 2**40)
    total, critical = Fraction(0), -1
    while total < 1 - alpha:
        critical += 1
        total += comb(randomness.WINDOW, critical) * p**critical * (1 - p) ** (randomness.WINDOW - critical)
    assert 1 + critical == randomness.PROPORTION
    assert randomness.STARTUP >= 1024


@pytest.mark.parametrize(
    "data",
    [
        bytes(randomness.STARTUP),
        b"\xff" * 5000,
        noise(4096),  # after the sample it begins again: what is drawn was seen already
        noise(4096) + noise(32) * 3,
        noise(4096, b"x") + bytes(64) + noise(2000),
        bytes(byte & 0x0F for byte in noise(9000)),
    ],
)
def test_broken_sources_make_no_key(monkeypatch, data):
    source(monkeypatch, data)
    with refused("random-source-unhealthy", SecretError):
        randomness.draw(32)


def test_a_source_that_fails_is_not_replaced_by_another(monkeypatch):
    def fails(size: int, flags: int = 0) -> bytes:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "getrandom", fails)
    with refused("random-source-unhealthy", SecretError):
        randomness.draw(32)
    monkeypatch.setattr(os, "getrandom", lambda size, flags=0: b"")
    with refused("random-source-unhealthy", SecretError):
        randomness.draw(32)


def test_a_sample_has_a_size():
    with pytest.raises(ValueError, match="512"):
        randomness.check(noise(511))
    randomness.check(noise(512))
