"""Bech32 and Bech32m against the vectors of BIP 173 and BIP 350."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding import bech32
from falconer_shared.encoding.bech32 import Bech32, Checksum
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused

RULES = {"bech32-length", "bech32-mixed-case", "bech32-character", "bech32-separator", "bech32-checksum"}
BIPS = pytest.mark.parametrize(("bip", "checksum"), [(173, Checksum.BECH32), (350, Checksum.BECH32M)])


def cases(vectors, bip: int, kind: str, heading: str) -> list[str]:
    """The strings of one section, with the unprintable characters that the BIP writes as numbers put back."""
    found = []
    for case in json.loads((vectors / f"vectors/json/bip{bip}.json").read_text()):
        if case["kind"] == kind and heading in case["section"]:
            prefix, suffix = (
                "" if b is None else chr(int(b, 16)) for b in (case["prefix_byte"], case["suffix_byte"])
            )
            found.append(prefix + case["strings"][0] + suffix)
    return found


@BIPS
def test_valid_vectors(vectors, bip, checksum):
    texts = cases(vectors, bip, "valid", "are valid Bech32")
    assert len(texts) == 7
    for text in texts:
        decoded = bech32.decode(text)
        assert decoded.checksum is checksum
        assert bech32.encode(decoded.hrp, decoded.values, checksum) == text.lower()


@BIPS
def test_invalid_vectors(vectors, bip, checksum):
    texts = cases(vectors, bip, "invalid", "not valid Bech32")
    assert len(texts) in {12, 14}
    for text in texts:
        decoded, rule = outcome(lambda text=text: bech32.decode(text))
        # a text of one BIP may be a good text of the other: then it must not pass as this one
        assert rule in RULES if decoded is None else decoded.checksum is not checksum


@given(
    st.text([chr(c) for c in range(33, 127) if not chr(c).isupper()], min_size=1, max_size=20),
    st.binary(max_size=30),
    st.sampled_from(Checksum),
)
def test_round_trip(hrp, data, checksum):
    values = bech32.to_values(data)
    text = bech32.encode(hrp, values, checksum)
    assert bech32.decode(text) == bech32.decode(text.upper()) == Bech32(hrp, values, checksum)
    assert bech32.from_values(values) == data


@given(st.text(max_size=95))
def test_any_text_is_decoded_exactly_or_refused(text):
    decoded, rule = outcome(lambda: bech32.decode(text))
    if decoded is None:
        assert rule in RULES
    else:
        assert bech32.encode(decoded.hrp, decoded.values, decoded.checksum) == text.lower()


@given(st.data())
def test_up_to_four_wrong_characters_are_always_found(data):
    good = bech32.encode("bc", bech32.to_values(bytes(range(33))), Checksum.BECH32)
    positions = data.draw(st.lists(st.integers(3, len(good) - 1), min_size=1, max_size=4, unique=True))
    text = list(good)
    for position in positions:
        choices = [c for c in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if c != good[position]]
        text[position] = data.draw(st.sampled_from(choices))
    decoded, rule = outcome(lambda: bech32.decode("".join(text)))
    # the distance of four holds within one of the two kinds; a caller demands its kind
    assert decoded is None or decoded.checksum is Checksum.BECH32M
    assert decoded is not None or rule == "bech32-checksum"


GOOD = "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (GOOD[:-1] + "W", "bech32-mixed-case"),
        ("A" + GOOD[1:], "bech32-mixed-case"),
        (GOOD[:-1] + "q", "bech32-checksum"),
        (GOOD.replace("1", "2"), "bech32-separator"),
        (GOOD[6:], "bech32-separator"),
        ("a1qqqqq", "bech32-separator"),
        ("", "bech32-separator"),
        (GOOD[:-1] + "b", "bech32-character"),
        (GOOD + " ", "bech32-character"),
        ("\u0430" + GOOD[1:], "bech32-character"),
        (GOOD + "\n", "bech32-character"),
        (GOOD + "\u212a", "bech32-character"),  # the Kelvin sign, which lower() turns into k
        ("a" * 84 + "1" + "q" * 6, "bech32-length"),
    ],
)
def test_each_refusal(text, rule):
    assert bech32.decode(GOOD).hrp == "abcdef"
    with refused(rule, Malformed):
        bech32.decode(text)


def test_the_longest_text(vectors):
    longest = [t for t in cases(vectors, 350, "valid", "are valid Bech32") if len(t) == bech32.MAX_BECH32]
    assert longest
    for text in longest:
        bech32.decode(text)


def test_padding():
    assert bech32.from_values(b"") == b""
    assert bech32.to_values(b"\xff") == bytes((31, 28))
    assert bech32.from_values(bytes((31, 28))) == b"\xff"
    for values in ((31, 29), (31, 30), (31, 28, 0), (0,), (31, 31, 31, 31, 31, 31)):
        with refused("bech32-padding", Malformed):
            bech32.from_values(bytes(values))


@pytest.mark.parametrize(
    ("hrp", "values"), [("", b""), ("A", b""), ("a b", b""), ("\xe9", b""), ("a", b"\x20"), ("a", bytes(90))]
)
def test_what_cannot_be_encoded_is_a_programmers_mistake(hrp, values):
    with pytest.raises(ValueError, match="bech32"):
        bech32.encode(hrp, values, Checksum.BECH32)
