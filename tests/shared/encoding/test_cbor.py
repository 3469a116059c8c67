"""CBOR has one spelling here (A104)."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding import cbor
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused


def decode(text: str, tags: frozenset[int] = frozenset()) -> cbor.Cbor:
    return cbor.decode(bytes.fromhex(text), "message", max_bytes=1000, tags=tags)


SCALARS = st.one_of(
    st.integers(min_value=-(2**64), max_value=2**64 - 1),
    st.binary(max_size=30),
    st.text(max_size=20),
    st.booleans(),
    st.none(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_encoded_decodes_to_itself(value: cbor.Cbor) -> None:
    data = cbor.encode(value)
    found, rule = outcome(lambda: cbor.decode(data, "message", max_bytes=len(data)))
    if rule is None:
        assert found == value
    else:
        assert rule == "cbor-too-deep"


@given(st.binary(max_size=40))
def test_whatever_is_accepted_is_the_one_encoding_of_its_value(data: bytes) -> None:
    found, rule = outcome(lambda: cbor.decode(data, "message", max_bytes=100))
    if rule is None:
        assert cbor2.dumps(found, canonical=True) == data
    else:
        assert rule.startswith("cbor-")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17", 23),
        ("1818", 24),
        ("1901f4", 500),
        ("1b00000002540be400", 10_000_000_000),
        ("20", -1),
        ("40", b""),
        ("4401020304", b"\1\2\3\4"),
        ("6161", "a"),
        ("80", []),
        ("850c0818641a12345678450105030305", [12, 8, 100, 0x12345678, bytes.fromhex("0105030305")]),
        ("a201020304", {1: 2, 3: 4}),
        ("f4", False),
        ("f5", True),
        ("f6", None),
    ],
)
def test_values(text: str, value: cbor.Cbor) -> None:
    assert decode(text) == value
    assert cbor.encode(value).hex() == text


@pytest.mark.parametrize(
    "text",
    [
        "1817",  # 23 in two bytes
        "190017",
        "1a000001f4",
        "1b00000000000001f4",
        "5801ff",  # a length of 1 in two bytes
        "9f01ff",  # lists, bytes, text and maps without a length
        "5f4101ff",
        "7f6161ff",
        "bf0102ff",
        "ff",
        "1c",  # reserved
        "a203040102",  # keys out of order
        "a201020103",  # one key twice
        "61ff",  # not UTF-8
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with refused("cbor-not-deterministic", Malformed):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "f97e00",  # floats of three sizes
        "fa47c35000",
        "fb3ff199999999999a",
        "f7",  # undefined
        "f8ff",  # a simple value
        "c001",  # dates, big numbers, patterns, mail, shared objects
        "c240",
        "d8236161",
        "d8246161",
        "d81c80",
        "d81d00",
        "d90136 41ff".replace(" ", ""),  # 310: known, and not asked for
        "a120f5",  # keys that are no unsigned numbers
        "a1616101",
        "a1f501",
        "a1800 1".replace(" ", ""),
    ],
)
def test_a_type_that_has_no_place_is_refused(text: str) -> None:
    with refused("cbor-type-refused", Malformed):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "18",
        "1901",
        "4401",
        "5bffffffffffffffff00",
        "62" + "61",
        "8201",
        "9bffffffffffffffff",
        "bb7fffffffffffffff",
        "a101",
    ],
)
def test_nothing_is_allocated_for_what_is_not_there(text: str) -> None:
    with refused("cbor-truncated", Malformed):
        decode(text)


def test_bytes_behind_the_value_are_refused() -> None:
    assert decode("01") == 1
    with refused("cbor-trailing-bytes", Malformed):
        decode("0100")


def test_depth_has_a_limit() -> None:
    assert decode("81" * cbor.MAX_DEPTH + "01") is not None
    with refused("cbor-too-deep", Malformed):
        decode("81" * (cbor.MAX_DEPTH + 1) + "01")


def test_the_number_of_values_has_a_limit() -> None:
    inside = cbor.encode([0] * (cbor.MAX_ITEMS - 1))
    assert cbor.decode(inside, "message", max_bytes=20_000) == [0] * (cbor.MAX_ITEMS - 1)
    with refused("cbor-too-many-items", Malformed):
        cbor.decode(cbor.encode([0] * cbor.MAX_ITEMS), "message", max_bytes=20_000)


def test_size_is_bounded_first() -> None:
    assert cbor.decode(b"\x41\x00", "message", max_bytes=2) == b"\0"
    with refused("cbor-too-large", Malformed):
        cbor.decode(b"\x42\x00\x00", "message", max_bytes=2)


def test_a_tag_that_was_asked_for_arrives_as_a_tag() -> None:
    value = decode("d9013641ff", frozenset({310}))
    assert isinstance(value, cbor2.CBORTag)
    assert (value.tag, value.value) == (310, b"\xff")


@pytest.mark.parametrize("tag", [0, 2, 28, 29, 35, 36, 258])
def test_a_tag_that_the_library_would_interpret_cannot_be_asked_for(tag: int) -> None:
    with pytest.raises(ValueError, match="meaning of its own"):
        decode("01", frozenset({tag}))


def test_every_tag_that_the_library_interprets_is_known() -> None:
    from cbor2 import _decoder

    assert set(_decoder.semantic_decoders) <= cbor._INTERPRETED
