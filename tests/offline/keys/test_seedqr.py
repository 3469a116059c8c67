from __future__ import annotations

import ast
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_offline.keys import seedqr, words
from falconer_shared.errors import SecretError
from tests.support.refusal import refused


@pytest.fixture(scope="module")
def official(vectors):
    """(words, digits, compact bytes) of each vector, from the document of the format."""
    found = []
    for entry in json.loads((vectors / "vectors" / "json" / "seedqr_vectors.json").read_text()):
        phrase = re.search(r"^((?:[a-z]+ ){11,23}[a-z]+)$", entry["text"], re.MULTILINE)
        digits = entry["standard"][0]
        literal = re.search(r"^(b['\"].*['\"])$", entry["text"], re.MULTILINE)
        assert phrase is not None
        assert literal is not None
        found.append((tuple(phrase[1].split()), digits, ast.literal_eval(literal[1])))
    assert len(found) >= 7
    return found


def test_official_vectors(official):
    for phrase, digits, compact in official:
        assert seedqr.read_digits(digits) == phrase
        assert seedqr.read_code(digits.encode()) == phrase
        assert seedqr.read_code(compact) == phrase


def test_vectors_with_troublesome_bytes_are_among_them(official):
    compact = [each[2] for each in official]
    assert any(b"\x00" in each for each in compact)
    assert {len(each) for each in compact} == {16, 32}


@given(st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_all_words_come_back(entropy):
    from embit import bip39

    phrase = words.words_of(entropy)
    digits = "".join(f"{bip39.WORDLIST.index(word):04d}" for word in phrase)
    assert seedqr.read_digits(" ".join(digits[i : i + 4] for i in range(0, len(digits), 4))) == phrase
    assert seedqr.read_code(digits.encode()) == phrase
    if len(entropy) in seedqr.COMPACT_SIZES:
        assert seedqr.read_code(entropy) == phrase


ABOUT = "0000" * 11 + "0003"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ABOUT[:-1], "seedqr-malformed"),
        (ABOUT + "0", "seedqr-malformed"),
        ("0000" * 10 + "0003", "seedqr-malformed"),
        ("", "seedqr-malformed"),
        (ABOUT[:-1] + "x", "seedqr-malformed"),
        (ABOUT[:-1] + "\u0663", "seedqr-malformed"),
        ("2048" + ABOUT[4:], "seedqr-malformed"),
        ("9999" * 12, "seedqr-malformed"),
        ("-001" + ABOUT[4:], "seedqr-malformed"),
        ("0000" * 12, "words-checksum"),
        ("2047" + ABOUT[4:], "words-checksum"),
    ],
)
def test_digits_are_neither_corrected_nor_repeated(text, rule):
    with refused(rule, SecretError) as caught:
        seedqr.read_digits(text)
    assert "0003" not in str(caught.value.as_json())
    assert seedqr.read_digits(ABOUT)[-1] == "about"


@pytest.mark.parametrize("size", [0, 1, 15, 17, 20, 24, 28, 31, 33, 48, 64, 96, 2953])
def test_bytes_of_other_lengths_are_no_seed(size):
    with refused("seedqr-malformed", SecretError):
        seedqr.read_code(b"\xc3" * size)
