"""Untrusted text: nothing that could move a cursor, hide, or pass for something else is left in it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.text import MAX_SHOWN, describe_foreign, is_token, safe, safe_bytes

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_only_printable_ascii_comes_out(text):
    assert all(" " <= character <= "~" for character in safe(text))


@given(ANY_TEXT)
def test_nothing_is_lost_and_two_texts_never_look_alike(text):
    assert ast.literal_eval('"' + safe(text, 10**9).replace('"', '\\"') + '"') == text


@given(ANY_TEXT, st.integers(1, 50))
def test_the_length_is_bounded(text, limit):
    shown = safe(text, limit)
    assert len(shown) <= limit + len(f"[+{len(text)} more]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 5 sats.", "plain text, 5 sats."),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),  # A117: clear the screen
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),  # A117: write the clipboard
        ("\x9b31m", r"\x9b31m"),  # A117: C1 introducer
        ("a\rb\bc", r"a\x0db\x08c"),
        ("one\n{two", r"one\x0a{two"),  # A119
        ("abc\u202edef", r"abc\u202edef"),  # A118: bidi override
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),  # A118: zero width
        ("p\u0430y", r"p\u0430y"),  # A118: Cyrillic a
        ("\U0001f600", r"\U0001f600"),
        ("\ud800", r"\ud800"),
        ("back\\slash", "back\\\\slash"),
        ("\x7f\x00", r"\x7f\x00"),
    ],
)
def test_known_tricks(text, shown):
    assert safe(text) == shown


def test_the_cut_is_marked_with_what_is_missing():
    assert safe("x" * MAX_SHOWN) == "x" * MAX_SHOWN
    assert safe("x" * (MAX_SHOWN + 1)) == "x" * MAX_SHOWN + "[+1 more]"
    assert safe("ab\x00cd", 4) == "ab[+3 more]"  # an escape is never cut in the middle
    with pytest.raises(ValueError, match="positive"):
        safe("x", 0)


@given(st.binary(max_size=300), st.integers(1, 300))
def test_bytes_are_shown_like_text(data, limit):
    shown = safe_bytes(data, limit)
    assert all(" " <= character <= "~" for character in shown)
    assert ("more" in shown) or len(data) <= limit


def test_bytes_beyond_the_limit_are_counted():
    assert safe_bytes(b"abc", 3) == "abc"
    assert safe_bytes(b"abcd", 3) == "abc[+1 more bytes]"
    assert safe_bytes(b"\xff\n") == r"\xff\x0a"


def test_the_first_foreign_character_is_named():
    assert describe_foreign("plain") is None
    assert describe_foreign("p\u0430y") == "letter or digit 2 is CYRILLIC SMALL LETTER A (U+0430)"
    assert describe_foreign("ab\u202e") == "character 3 is RIGHT-TO-LEFT OVERRIDE (U+202E)"
    assert describe_foreign("\x00") == "character 1 is unnamed character (U+0000)"


@pytest.mark.parametrize("token", ["a", "0", "a.b_c-d", "z" * 64])
def test_tokens(token):
    assert is_token(token)


@pytest.mark.parametrize("text", ["", "z" * 65, "A", "a b", "a\n", "é", "\u0661", "a/b", "a:b"])
def test_what_is_no_token(text):
    assert not is_token(text)
