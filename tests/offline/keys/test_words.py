from __future__ import annotations

import hashlib
import json
import os

import pytest
from embit import bip39
from hypothesis import given
from hypothesis import strategies as st

from falconer_offline.keys import words
from falconer_shared.errors import Malformed, SecretError
from tests.support.refusal import refused

ABOUT = " ".join(["abandon"] * 11 + ["about"])


def test_the_vectors_of_bip_39(vectors):
    folder = vectors / "vectors" / "raw" / "trezor_python-mnemonic"
    document = json.loads(next(folder.rglob("vectors.json")).read_text())
    assert len(document["english"]) >= 24
    for entropy, phrase, seed, _ in document["english"]:
        assert " ".join(words.words_of(bytes.fromhex(entropy))) == phrase
        assert words.seed_of(words.check_words(phrase), "TREZOR").hex() == seed


@given(
    st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.text(max_size=40),
)
def test_words_come_back_and_give_the_seed_that_embit_computes(entropy, passphrase):
    phrase = words.words_of(entropy)
    assert words.check_words("  ".join(phrase)) == phrase
    assert words.seed_of(phrase, "abc") == bip39.mnemonic_to_seed(" ".join(phrase), "abc")
    assert len(words.seed_of(phrase, passphrase)) == 64


def test_a_passphrase_is_normalised():
    phrase = words.check_words(ABOUT)
    assert words.seed_of(phrase, "caf\u00e9") == words.seed_of(phrase, "cafe\u0301")
    assert words.seed_of(phrase, "caf\u00e9") != words.seed_of(phrase, "cafe")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (" ".join(["abandon"] * 12), "words-checksum"),
        (" ".join(["abandon"] * 11), "words-count"),
        (" ".join(["abandon"] * 27), "words-count"),
        ("", "words-count"),
        (ABOUT.replace("about", "abot"), "words-unknown"),
        (ABOUT.replace("about", "About"), "words-unknown"),
    ],
)
def test_words_are_neither_corrected_nor_repeated(text, rule):
    with refused(rule, SecretError) as caught:
        words.check_words(text)
    assert "abandon" not in str(caught.value.as_json())
    assert words.check_words(ABOUT)


def test_the_mix_is_what_the_documentation_says(monkeypatch):
    drawn = iter([bytes(range(32)), bytes(32)])
    monkeypatch.setattr(os, "urandom", lambda size: next(drawn)[:size])
    mix = words.Mix.start()
    assert mix.commitment == hashlib.sha256(bytes(range(32))).hexdigest()
    for count, size in ((12, 16), (15, 20), (18, 24), (21, 28), (24, 32)):
        assert mix.entropy("123456", count) == hashlib.sha256(bytes(range(32)) + b"123456").digest()[:size]
    assert mix.entropy("", 24) == hashlib.sha256(bytes(range(32))).digest()


def test_dice_and_system_both_count():
    mix = words.Mix.start()
    assert mix.entropy("1", 24) != mix.entropy("2", 24)
    assert words.Mix.start().entropy("1", 24) != mix.entropy("1", 24)
    assert mix.system.hex() not in repr(mix)


@pytest.mark.parametrize("rolls", ["7", "0", "12 3", "x", "1" * 1001, "\u0663"])
def test_rolls_are_digits_from_1_to_6(rolls):
    mix = words.Mix.start()
    with refused("dice-malformed", Malformed):
        mix.entropy(rolls, 12)
    assert mix.entropy("6" * 1000, 12)


def test_a_generator_that_repeats_itself_makes_no_key(monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda size: b"\x07" * size)
    with refused("randomness-broken", SecretError):
        words.Mix.start()
