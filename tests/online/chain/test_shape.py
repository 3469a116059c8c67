"""What a node answers is asked for by name, kind and bound; a lying node gets one id, whatever it lies about."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from falconer_online.chain import shape
from falconer_shared.errors import DeviceError
from tests.support.refusal import refused

GOOD: dict[str, tuple[Callable[[], object], object]] = {
    "object": (lambda: shape.an_object({}, "it"), {}),
    "list": (lambda: shape.a_list([], "it"), []),
    "field": (lambda: shape.field({"a": None}, "a", "it"), None),
    "text": (lambda: shape.text({"a": ""}, "a", "it"), ""),
    "integer": (lambda: [shape.integer({"a": n}, "a", "it", 1, 3) for n in (1, 3)], [1, 3]),
    "flag": (lambda: shape.flag({"a": False}, "a", "it"), False),
    "hex": (lambda: shape.from_hex("00fF", "it"), b"\x00\xff"),
}
BAD: dict[str, Callable[[], object]] = {
    "object": lambda: shape.an_object([], "it"),
    "list": lambda: shape.a_list({}, "it"),
    "list-text": lambda: shape.a_list("ab", "it"),
    "field": lambda: shape.field({"b": 1}, "a", "it"),
    "field-of-a-list": lambda: shape.field([], "a", "it"),
    "text": lambda: shape.text({"a": 1}, "a", "it"),
    "integer-low": lambda: shape.integer({"a": 0}, "a", "it", 1, 3),
    "integer-high": lambda: shape.integer({"a": 4}, "a", "it", 1, 3),
    "integer-true": lambda: shape.integer({"a": True}, "a", "it", 1, 3),
    "integer-decimal": lambda: shape.integer({"a": Decimal(2)}, "a", "it", 1, 3),
    "flag": lambda: shape.flag({"a": 0}, "a", "it"),
    "hex": lambda: shape.from_hex("0g", "it"),
    "hex-odd": lambda: shape.from_hex("000", "it"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_fits_is_taken(name: str):
    made, expected = GOOD[name]
    assert made() == expected


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name: str):
    with refused("node-answer", DeviceError):
        BAD[name]()
