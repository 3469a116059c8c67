"""The raw key-value maps: bounds, duplicates, lengths, order."""

from __future__ import annotations

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt import maps
from falconer_shared.psbt.maps import MAX_FIELDS, read_map, write_map
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.rawpsbt import edited
from tests.support.refusal import refused

BIG = b"\xf1" + b"k" * 300


def read(data: bytes, budget: int = MAX_FIELDS) -> tuple[dict[bytes, bytes], int]:
    return read_map(data, 0, "map", budget)


def test_order_is_kept_and_writing_is_the_inverse():
    fields = {b"\xf2z": b"", b"\xf1": b"\x00" * 253, BIG: b"v" * 70_000, b"\xf0a": b"1"}
    data = write_map(fields)
    found, end = read(data + b"more")
    assert list(found.items()) == list(fields.items())
    assert end == len(data)
    assert write_map({}) == b"\0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\xf0",
        b"\x02\xf0",
        b"\x01\xf0\x01",
        b"\x01\xf0\x00",
        b"\x01\xf0\xfd",
        b"\xfd\x01",
        b"\xff" * 9,
    ],
)
def test_what_ends_too_early_is_refused(data):
    with refused("psbt-truncated", Malformed):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xfd\x01\x00\xf0\x00\x00",
        b"\xfd\x00\x00",
        b"\x01\xf0\xfe\x01\x00\x00\x00v\x00",
        b"\x01\xf0\xff" + b"\x01" + bytes(7) + b"v\0",
    ],
    ids=["key-length", "separator", "value-length-4", "value-length-8"],
)
def test_lengths_must_be_minimal(data):
    """A074: a separator in a long form would end the map for one parser and not for another."""
    with refused("compact-size-not-minimal", Malformed):
        read(data)


def test_type_numbers_must_be_minimal():
    good = psbts.with_field("input", b"\xfd\xfd\x00data", b"v")
    assert UntrustedPsbt.parse(good).raw == good
    with refused("compact-size-not-minimal", Malformed):
        UntrustedPsbt.parse(psbts.with_field("input", b"\xfd\x02\x00", b"v"))
    with refused("psbt-key-size", Malformed):
        UntrustedPsbt.parse(psbts.with_field("input", b"\xfd\x02", b"v"))


@pytest.mark.parametrize("where", ["global", "input", "output"])
@pytest.mark.parametrize("value", [b"first", b"other"])
def test_a_key_occurs_once_in_a_map(where, value):
    """A070, whatever the values."""
    fields = [(b"\xf0key", b"first"), (b"\xf0kez", value)]
    assert UntrustedPsbt.parse(psbts.v0(added={where: fields}))
    fields[1] = (b"\xf0key", value)
    with refused("psbt-duplicate-key", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={where: fields}))


def test_the_same_key_may_stand_in_two_maps():
    def copy(raw):
        raw.input(0).append((b"\xf0", b"1"))
        raw.input(1).append((b"\xf0", b"2"))

    assert UntrustedPsbt.parse(edited(psbts.v0(inputs=2), copy)).inputs[1].fields == {b"\xf0": b"2"}


def test_the_number_of_fields_is_bounded_over_all_maps(monkeypatch):
    with refused("psbt-too-many-fields", Malformed):
        read(b"\x01\xf0\x00\x01\xf1\x00\x00", budget=1)
    assert read(b"\x01\xf0\x00\x00", budget=1)[0]
    monkeypatch.setattr("falconer_shared.psbt.parse.MAX_FIELDS", 3)
    two = {"input": [(b"\xf0", b"")], "output": [(b"\xf0", b"")]}
    assert UntrustedPsbt.parse(psbts.v0(added=two))
    with refused("psbt-too-many-fields", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={**two, "global": [(b"\xf0", b"")]}))


def test_the_bound_leaves_room_for_the_largest_psbt_that_is_parsed():
    assert maps.MAX_FIELDS >= 10_000 * 25


def test_an_empty_key_is_never_written():
    with pytest.raises(ValueError, match="empty key"):
        write_map({b"": b"x"})
