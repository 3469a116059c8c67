"""BIP 380's checksum: what it catches, and what it must not be talked out of."""

from __future__ import annotations

import pytest
from embit.descriptor.checksum import checksum as embit_checksum
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.descriptor.checksum import (
    _CHECKSUM_CHARSET,
    _INPUT_CHARSET,
    MAX_DESCRIPTOR_CHARACTERS,
    descriptor_checksum,
    strip_checksum,
    with_checksum,
)
from falconer_shared.errors import Malformed

BODIES = st.text(alphabet=_INPUT_CHARSET, min_size=1, max_size=300)


def refused(rule: str, text: str) -> Malformed:
    with pytest.raises(Malformed) as caught:
        strip_checksum(text)
    assert caught.value.rule == rule
    return caught.value


def test_the_published_example() -> None:
    assert strip_checksum("raw(deadbeef)#89f8spxm") == "raw(deadbeef)"
    assert with_checksum("raw(deadbeef)") == "raw(deadbeef)#89f8spxm"


@given(BODIES)
def test_agrees_with_embit(body: str) -> None:
    assert descriptor_checksum(body) == embit_checksum(body)


@given(BODIES.filter(lambda body: "#" not in body))
def test_what_it_makes_it_takes(body: str) -> None:
    assert strip_checksum(with_checksum(body)) == body


@given(BODIES.filter(lambda body: "#" not in body), st.data())
def test_one_mistyped_character_is_always_noticed(body: str, data: st.DataObject) -> None:
    text = with_checksum(body)
    position = data.draw(st.integers(0, len(text) - 1).filter(lambda at: text[at] != "#"))
    alphabet = _INPUT_CHARSET if position < len(body) else _CHECKSUM_CHARSET
    other = data.draw(st.sampled_from([c for c in alphabet if c not in {text[position], "#"}]))
    refused("descriptor-checksum-mismatch", text[:position] + other + text[position + 1 :])


@given(BODIES.filter(lambda body: "#" not in body), st.data())
def test_two_swapped_neighbours_are_always_noticed(body: str, data: st.DataObject) -> None:
    pairs = [at for at in range(len(body) - 1) if body[at] != body[at + 1]]
    if pairs:
        at = data.draw(st.sampled_from(pairs))
        swapped = body[:at] + body[at + 1] + body[at] + body[at + 2 :]
        refused("descriptor-checksum-mismatch", f"{swapped}#{descriptor_checksum(body)}")


def test_a_missing_checksum_is_refused_and_not_offered() -> None:
    error = refused("descriptor-checksum-missing", "raw(deadbeef)")
    assert "89f8spxm" not in error.message + str(error.remedy)


def test_a_wrong_checksum_is_refused_and_the_right_one_not_offered() -> None:
    # whoever is shown the right checksum pastes it over the sign that something was altered
    error = refused("descriptor-checksum-mismatch", "raw(deedbeef)#89f8spxm")
    assert descriptor_checksum("raw(deedbeef)") not in error.message + str(error.remedy)


@pytest.mark.parametrize(
    "text",
    [
        "raw(deadbeef)#",
        "raw(deadbeef)#89f8spx",
        "raw(deadbeef)#89f8spxmx",
        "raw(deadbeef)##9f8spxm",
        "raw(deadbeef)#89F8SPXM",
        "raw(deadbeef)#89f8spxm#89f8spxm",
        "raw(deadbeef)#89f8spxm ",
        "raw(deadbeef)#89f8spxb",
    ],
)
def test_a_checksum_has_eight_of_its_characters(text: str) -> None:
    refused("descriptor-checksum-form", text)


@pytest.mark.parametrize("character", ["\n", "\t", "\0", "ü", "\u202e", "\ufeff", "０", "\x7f"])  # noqa: RUF001 - look-alikes are the point
def test_foreign_characters_are_named_and_refused(character: str) -> None:
    error = refused("descriptor-character", f"raw(dead{character}beef)#89f8spxm")
    assert "character 9" in error.message or "digit 9" in error.message
    assert error.message.isascii()
    assert error.message.isprintable()


def test_length_is_bounded_before_anything_is_computed() -> None:
    assert descriptor_checksum("a" * MAX_DESCRIPTOR_CHARACTERS)
    refused("descriptor-too-long", "a" * (MAX_DESCRIPTOR_CHARACTERS + 1))
