"""Each kind of value at its bounds."""

from __future__ import annotations

import pytest

from falconer_shared.policy.values import RULES, Kind, RuleValue, check_value, read_value, write_value

HIGHEST = {
    Kind.SATS: 2_100_000_000_000_000,
    Kind.RATE: 2_100_000_000_000,
    Kind.COUNT: 1_000_000,
    Kind.SECONDS: 31_622_400,
    Kind.HOURS: 8_784,
    Kind.PERCENT: 100,
}


@pytest.mark.parametrize("kind", HIGHEST)
def test_numbers_have_bounds(kind: Kind):
    assert read_value(kind, "0") == 0
    assert read_value(kind, str(HIGHEST[kind])) == HIGHEST[kind]
    for spelling in (str(HIGHEST[kind] + 1), "-1", "00", "", " 1", "1 ", "\u0661"):
        with pytest.raises(ValueError, match="must be"):
            read_value(kind, spelling)
    for value in (True, False, 1.0, "1", -1):
        with pytest.raises(ValueError, match="must be"):
            check_value(kind, value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.YES_NO, "yes", True),
        (Kind.YES_NO, "no", False),
        (Kind.HOUR, "00:00", "00:00"),
        (Kind.HOUR, "23:59", "23:59"),
        (Kind.ZONE, "Europe/Berlin", "Europe/Berlin"),
        (Kind.ZONE, "America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        (Kind.ZONE, "UTC", "UTC"),
        (Kind.NAMES, "a", ("a",)),
        (Kind.NAMES, "a,b-1,c", ("a", "b-1", "c")),
        (Kind.SATS, "-", None),
        (Kind.NAMES, "-", None),
    ],
)
def test_spellings_and_values_belong_together(kind: Kind, text: str, value: RuleValue):
    read = read_value(kind, text)
    assert read == value
    assert type(read) is type(value)
    assert write_value(value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.YES_NO, 1),
        (Kind.YES_NO, "yes"),
        (Kind.HOUR, "24:00"),
        (Kind.HOUR, "23:60"),
        (Kind.HOUR, 9),
        (Kind.ZONE, "europe/berlin"),
        (Kind.ZONE, "A/B/C/D"),
        (Kind.NAMES, ()),
        (Kind.NAMES, ("b", "a")),
        (Kind.NAMES, ("a", 1)),
        (Kind.NAMES, ("A",)),
        (Kind.NAMES, ["a"]),
        (Kind.NAMES, "a"),
    ],
)
def test_values_of_another_kind_are_refused(kind: Kind, value: object):
    with pytest.raises(ValueError, match="must be"):
        check_value(kind, value)


def test_every_kind_is_used():
    assert set(RULES.values()) == set(Kind)
