"""Canonical text: one spelling, or a refusal."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.canonical import MAX_LINE, MAX_TIME, Reader, Writer, digest, format_time, parse_time
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused

RULE = "thing-malformed"


def reader(data: bytes, max_bytes: int = 10_000) -> Reader:
    return Reader(data, "falconer-thing", where="thing", rule=RULE, max_bytes=max_bytes)


def read(data: bytes) -> tuple[str, list[str], int]:
    """A small text of our own kind: a name, any number of members (at most 3), a count."""
    taking = reader(data)
    name = taking.token(taking.one("name"))
    members = taking.many("member", 3)
    count = taking.number(taking.one("count"), 0, 1000)
    taking.end(write(name, members, count))
    return name, members, count


def write(name: str, members: list[str], count: int) -> bytes:
    return Writer("falconer-thing").line("name", name).lines("member", members).line("count", count).text()


GOOD = b"falconer-thing 1\nname alpha\nmember one\nmember two words\ncount 12\n"


def test_what_is_written_can_be_read():
    assert write("alpha", ["one", "two words"], 12) == GOOD
    assert read(GOOD) == ("alpha", ["one", "two words"], 12)
    assert digest(GOOD) == hashlib.sha256(GOOD).hexdigest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n", b"\r\n"),
        (b"name alpha", b"name  alpha"),
        (b"name alpha", b" name alpha"),
        (b"name alpha", b"name alpha "),
        (b"name alpha", b"name\talpha"),
        (b"name alpha", b"name Alpha"),
        (b"name alpha", b"name"),
        (b"name alpha", b"name " + "\u0430lpha".encode()),
        (b"count 12", b"count 012"),
        (b"count 12", b"count +12"),
        (b"count 12", b"count 1001"),
        (b"count 12", b"count 1e2"),
        (b"count 12", b"count 12\nextra 1"),
        (b"count 12", b"count 12\n"),
        (b"count 12\n", b"count 12"),
        (b"count 12\n", b""),
        (b"member one\n", b"member one\nmember three\nmember four\n"),
        (b"name alpha\nmember one\n", b"member one\nname alpha\n"),
        (b"thing 1", b"thing 2"),
        (b"falconer-thing", b"falconer-other"),
        (b"alpha", b"al\x00pha"),
        (b"alpha", b"al\x7fpha"),
        (b"alpha", b"al\xa0pha"),
    ],
)
def test_any_other_spelling_is_refused(old, new):
    assert old in GOOD
    with refused(RULE, Malformed):
        read(GOOD.replace(old, new))


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"falconer-thing 1", b" \n"])
def test_texts_without_substance_are_refused(data):
    with refused(RULE):
        read(data)


def test_a_text_that_reads_well_but_is_written_differently_is_refused():
    taking = reader(b"falconer-thing 1\nname alpha\n")
    taking.one("name")
    with refused(RULE):
        taking.end(b"falconer-thing 1\nname beta\n")


@pytest.mark.parametrize(
    "data", [GOOD[:-1], GOOD.replace(b"thing 1", b"thing 2"), GOOD.replace(b"thing", b"other")]
)
def test_a_text_that_is_cut_off_or_another_is_refused_before_a_line_is_taken(data):
    assert reader(GOOD).peek() == "name"
    with refused(RULE):
        reader(data)


def test_lines_may_not_be_left_over():
    taking = reader(b"falconer-thing 1\nname alpha\n")
    with refused(RULE):
        taking.end(b"falconer-thing 1\nname alpha\n")


def test_bounds_of_size():
    assert reader(GOOD, len(GOOD)).peek() == "name"
    with refused(RULE):
        reader(GOOD, len(GOOD) - 1)
    longest = b"falconer-thing 1\nx " + b"y" * (MAX_LINE - 2) + b"\n"
    assert reader(longest).one("x") == "y" * (MAX_LINE - 2)
    with refused(RULE):
        reader(longest.replace(b"x ", b"x y"))


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=64),
    st.lists(st.text("abc XYZ.:", min_size=1, max_size=20), max_size=3),
    st.integers(0, 1000),
)
def test_round_trip(name, members, count):
    members = [" ".join(m.split()) or "x" for m in members]
    assert read(write(name, members, count)) == (name, members, count)


@given(st.binary(max_size=200))
def test_bytes_are_understood_exactly_or_refused(tail):
    for data in (tail, b"falconer-thing 1\n" + tail, GOOD[:-8] + tail):
        understood, rule = outcome(lambda data=data: read(data))
        assert rule == RULE if understood is None else write(*understood) == data


@pytest.mark.parametrize("value", ["", " x", "x ", "a  b", "a\nb", "a\x00", "\xe9", "\x7f"])
def test_a_writer_refuses_what_could_break_a_line(value):
    with pytest.raises(ValueError, match="canonical"):
        Writer("falconer-thing").line("name", value)


def test_words_hex_and_numbers():
    taking = reader(b"falconer-thing 1\npair one two\n")
    assert taking.words("pair", 2) == ["one", "two"]
    assert taking.peek() is None
    assert taking.hex("00ff", 2) == b"\x00\xff"
    for text in ("00FF", "00f", "00ff00", "0x00", "00 ff", "\uff10\uff10ff"):
        with refused(RULE):
            taking.hex(text, 2)
    with refused(RULE):
        taking.split("one two", 3)
    with refused(RULE):
        taking.one("more")
    assert taking.number(str(2**63 - 1)) == 2**63 - 1
    for text in (str(2**63), "-1", "1_000", "", "\u0663", "1" * 5000, "1\n"):
        with refused(RULE):
            taking.number(text)
    assert taking.time("2026-01-31T09:30:00Z") == 1769851800
    with refused(RULE):
        taking.time("2026-01-31 09:30:00Z")


@given(st.integers(0, MAX_TIME))
def test_times_agree_with_datetime(seconds):
    expected = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%H:%M:%SZ")
    text = format_time(seconds)
    assert text.endswith("T" + expected)
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:59:60Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-31T09:30:00z",
        "2026-01-31T09:30:00+00:00",
        "2026-01-31T09:30:00.0Z",
        "2026-01-31T09:30Z",
        "\uff12026-01-31T09:30:00Z",
        "2026-01-31T09:30:00Z\n",
    ],
)
def test_times_that_do_not_exist_or_are_spelled_otherwise(text):
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_times_out_of_range():
    assert format_time(MAX_TIME) == "9999-12-31T23:59:59Z"
    for seconds in (-1, MAX_TIME + 1):
        with pytest.raises(ValueError, match="range"):
            format_time(seconds)
