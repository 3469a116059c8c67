from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys

import pytest
from embit import bip39
from hypothesis import given
from hypothesis import strategies as st

from falconer_offline.keys import randomness, words
from falconer_shared.errors import Malformed, SecretError
from tests.conftest import PROJECT
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
    monkeypatch.setattr(randomness, "draw", lambda size: bytes(range(size)))
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
    monkeypatch.setattr(os, "getrandom", lambda size, flags=0: b"\x07" * size)
    with refused("random-source-unhealthy", SecretError):
        words.Mix.start()


def test_the_transcript_holds_what_the_recipe_needs_and_no_words():
    mix = words.Mix(bytes(range(32)))
    assert mix.transcript("123456", 12).decode().splitlines() == [
        "falconer-dice 1",
        "words 12",
        f"commitment {hashlib.sha256(bytes(range(32))).hexdigest()}",
        f"system {bytes(range(32)).hex()}",
        "rolls 123456",
    ]


def recipe(language: str) -> str:
    """The one block of that language in the chapter on keys."""
    chapter = (PROJECT / "docs" / "offline.md").read_text().split("\n## Keys\n", 1)[1].split("\n## ", 1)[0]
    [block] = re.findall(rf"```{language}\n(.*?)```", chapter, re.DOTALL)
    return block


@pytest.mark.parametrize("count", words.WORD_COUNTS)
def test_a_second_tool_computes_the_words_again(tmp_path, vectors, count):
    """The recipe of docs/offline.md as it stands there: sed, printf, sha256sum, and seven lines of Python with
    the list of the BIP itself.
    """
    mix = words.Mix.start()
    rolls = "".join(secrets.choice("123456") for _ in range(99))
    (tmp_path / "dice.txt").write_bytes(mix.transcript(rolls, count))
    shell = subprocess.run(
        ["bash", "-eu", "-c", recipe("sh")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    commitment, entropy = (line.split()[0] for line in shell.stdout.splitlines())
    assert commitment == mix.commitment
    assert bytes.fromhex(entropy)[: count * 4 // 3] == mix.entropy(rolls, count)
    (tmp_path / "words.py").write_text(recipe("python"))
    english = vectors / "vectors" / "raw" / "bitcoin_bips" / "bip-0039" / "english.txt"
    shown = subprocess.run(
        [sys.executable, "-I", tmp_path / "words.py", entropy, str(count), english],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert tuple(shown.split()) == words.words_of(mix.entropy(rolls, count))
