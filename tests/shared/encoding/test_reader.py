"""Bounded reading: nothing beyond the end, nothing allocated for a promise, one form of each number."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding.reader import ByteReader, compact_size, prefixed
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused


def test_numbers_are_little_endian_and_in_order():
    reader = ByteReader(bytes(range(1, 16)), "bytes")
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (
        0x01,
        0x0302,
        0x07060504,
        0x0F0E0D0C0B0A0908,
    )
    reader.end()


@pytest.mark.parametrize(("name", "size"), [("u8", 1), ("u16", 2), ("u32", 4), ("u64", 8)])
def test_a_number_needs_all_its_bytes(name, size):
    assert getattr(ByteReader(b"\xff" * size, "bytes"), name)() == 256**size - 1
    with refused("bytes-truncated", Malformed):
        getattr(ByteReader(b"\xff" * (size - 1), "bytes"), name)()


def test_reading_stops_at_the_end():
    reader = ByteReader(b"abc", "bytes")
    assert reader.take(3) == b"abc"
    assert reader.take(0) == b""
    for size in (1, 2**64, -1):
        with refused("bytes-truncated", Malformed) as caught:
            reader.take(size)
        assert caught.value.details == {"position": 3}


def test_a_refused_read_leaves_the_place_and_names_it():
    reader = ByteReader(b"\x05abc", "the label", rule="label-malformed")
    with refused("label-malformed") as caught:
        reader.prefixed()
    assert "the label" in caught.value.message


def test_trailing_bytes_are_refused():
    reader = ByteReader(b"ab", "bytes")
    reader.take(1)
    with refused("trailing-bytes", Malformed):
        reader.end()
    reader.take(1)
    reader.end()


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "00"),
        (0xFC, "fc"),
        (0xFD, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x10000, "fe00000100"),
        (0xFFFFFFFF, "feffffffff"),
        (0x100000000, "ff0000000001000000"),
        (2**64 - 1, "ffffffffffffffffff"),
    ],
)
def test_compact_size_at_every_boundary(value, data):
    assert compact_size(value).hex() == data
    reader = ByteReader(bytes.fromhex(data), "bytes")
    assert reader.compact_size() == value
    reader.end()


@pytest.mark.parametrize(
    "data", ["fd0000", "fdfc00", "fe00000000", "feffff0000", "ff" + "00" * 8, "ffffffffff00000000"]
)
def test_longer_forms_of_a_number_are_refused(data):
    with refused("compact-size-not-minimal", Malformed):
        ByteReader(bytes.fromhex(data), "bytes").compact_size()


@given(st.integers(0, 2**64 - 1))
def test_compact_size_round_trip_and_truncation(value):
    data = compact_size(value)
    assert ByteReader(data, "bytes").compact_size() == value
    for cut in range(len(data)):
        with refused("bytes-truncated"):
            ByteReader(data[:cut], "bytes").compact_size()


@given(st.binary(max_size=12))
def test_every_accepted_number_is_written_as_it_was_read(data):
    reader = ByteReader(data, "bytes")
    value, rule = outcome(reader.compact_size)
    if value is None:
        assert rule in {"bytes-truncated", "compact-size-not-minimal"}
    else:
        assert data.startswith(compact_size(value))


@given(st.binary(max_size=600))
def test_prefixed_round_trip(data):
    reader = ByteReader(prefixed(data), "bytes")
    assert reader.prefixed() == data
    reader.end()


def test_a_count_must_fit_in_what_is_there():
    assert ByteReader(b"\x02" + bytes(82), "bytes").count(41) == 2
    with refused("bytes-truncated", Malformed):
        ByteReader(b"\x02" + bytes(81), "bytes").count(41)


def test_nothing_is_allocated_for_a_promise():
    data = b"\xff" + b"\xff" * 8 + b"x"
    tracemalloc.start()
    for read in (ByteReader(data, "bytes").prefixed, lambda: ByteReader(data, "bytes").count(1)):
        with refused("bytes-truncated"):
            read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_negative_number_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="unsigned"):
        compact_size(-1)
