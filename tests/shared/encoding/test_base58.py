"""Base58 and Base58Check against Bitcoin Core's vectors and wallycore."""

from __future__ import annotations

import json

import pytest
import wallycore
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding import base58
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SECRET = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"  # a published example of a private key


def test_core_vectors(vectors):
    cases = json.loads(
        (vectors / "vectors/raw/bitcoin-core_gui/src/test/data/base58_encode_decode.json").read_text()
    )
    assert len(cases) > 15
    for data, text in cases:
        assert base58.encode(bytes.fromhex(data)) == text
        if len(text) <= base58.MAX_BASE58:
            assert base58.decode(text) == bytes.fromhex(data)
        else:
            with refused("base58-too-long", Malformed):
                base58.decode(text)


@given(st.binary(max_size=90))
def test_round_trip_and_wallycore_agree(data):
    assert base58.decode(base58.encode(data)) == data
    assert base58.decode_check(base58.encode_check(data)) == data
    if data:
        assert base58.encode(data) == wallycore.base58_from_bytes(data, 0)
        assert base58.encode_check(data) == wallycore.base58_from_bytes(data, wallycore.BASE58_FLAG_CHECKSUM)


@given(st.text(ALPHABET, max_size=120))
def test_every_text_of_the_alphabet_has_one_meaning(text):
    assert base58.encode(base58.decode(text)) == text


@given(st.text(max_size=60))
def test_any_text_is_decoded_exactly_or_refused(text):
    payload, rule = outcome(lambda: base58.decode_check(text))
    if payload is None:
        assert rule in {"base58-character", "base58-checksum"}
    else:
        assert base58.encode_check(payload) == text


@pytest.mark.parametrize("text", ["0", "O", "I", "l", " 2g", "2g ", "2g\n", "2\xe9", "2\u0663", "+2g"])
def test_foreign_characters(text):
    with refused("base58-character", Malformed):
        base58.decode(text)


def test_length_boundary():
    assert len(base58.decode("1" * base58.MAX_BASE58)) == base58.MAX_BASE58
    with refused("base58-too-long", Malformed):
        base58.decode("1" * (base58.MAX_BASE58 + 1))


def test_any_changed_character_breaks_the_checksum():
    text = base58.encode_check(bytes(range(21)))
    for position, character in enumerate(text):
        other = "2" if character != "2" else "3"
        with refused("base58-checksum", Malformed):
            base58.decode_check(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize("text", ["", "1", "111", "2g"])
def test_too_short_for_a_checksum(text):
    with refused("base58-checksum"):
        base58.decode_check(text)


@pytest.mark.parametrize("text", [SECRET[:-1] + "2", SECRET + "0", "0" + SECRET, SECRET * 6])
def test_no_refusal_repeats_what_may_be_a_secret(text):
    with pytest.raises(Malformed) as caught:
        base58.decode_check(text, "key")
    shown = json.dumps(caught.value.as_json())
    assert not any(SECRET[i : i + 6] in shown for i in range(len(SECRET) - 6))
