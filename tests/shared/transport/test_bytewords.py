"""Bytewords (BCR-2020-012)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import Malformed
from falconer_shared.transport import bytewords
from falconer_shared.transport.bytewords import Style
from tests.support.refusal import refused

DATA = bytes([0, 1, 2, 128, 255])
SPELLINGS = {
    Style.STANDARD: "able acid also lava zoom jade need echo taxi",
    Style.URI: "able-acid-also-lava-zoom-jade-need-echo-taxi",
    Style.MINIMAL: "aeadaolazmjendeoti",
}


@pytest.mark.parametrize("style", Style)
def test_the_published_example(style: Style) -> None:
    assert bytewords.encode(DATA, style) == SPELLINGS[style]
    assert bytewords.decode(SPELLINGS[style], style) == DATA


@pytest.mark.parametrize("style", Style)
@given(data=st.binary(min_size=1, max_size=300))
def test_decoding_undoes_encoding(style: Style, data: bytes) -> None:
    assert bytewords.decode(bytewords.encode(data, style), style) == data


def test_the_checksum_is_crc_32() -> None:
    assert bytewords.checksum(b"Hello, world!") == 0xEBE6C6E6
    assert bytewords.checksum(b"Wolf") == 0x598C84DC


def test_words_differ_in_their_first_and_last_letters() -> None:
    assert len(set(bytewords._PAIRS)) == len(set(bytewords._WORDS)) == 256
    assert all(len(word) == 4 for word in bytewords._WORDS)
    assert sorted(bytewords._WORDS) == bytewords._WORDS


@pytest.mark.parametrize("style", Style)
def test_one_wrong_word_does_not_fit_the_checksum(style: Style) -> None:
    wrong = {
        Style.STANDARD: "able acid also lava zero jade need echo taxi",
        Style.URI: "able-acid-also-lava-zero-jade-need-echo-taxi",
        Style.MINIMAL: "aeadaolazojendeoti",
    }
    with refused("bytewords-checksum", Malformed):
        bytewords.decode(wrong[style], style)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style.STANDARD, "able acid also lava zone jade need echo taxy"),
        (Style.STANDARD, "able acid  also lava zoom jade need echo taxi"),
        (Style.STANDARD, ""),
        (Style.URI, "able acid also lava zoom jade need echo taxi"),
        (Style.MINIMAL, "AEADAOLAZMJENDEOTI"),
        (Style.MINIMAL, "aeadaolazmjendeot"),  # half a word
        (Style.MINIMAL, "aeadaolazmjendeotq"),
        (Style.MINIMAL, "aeadaolazmjendeot\u00e9"),
    ],
)
def test_what_is_no_byteword_is_refused(style: Style, text: str) -> None:
    with refused("bytewords-unknown-word", Malformed):
        bytewords.decode(text, style)


@pytest.mark.parametrize(
    ("style", "text"), [(Style.MINIMAL, ""), (Style.MINIMAL, "aeaeaeae"), (Style.STANDARD, "wolf")]
)
def test_a_checksum_alone_is_too_short(style: Style, text: str) -> None:
    with refused("bytewords-too-short", Malformed):
        bytewords.decode(text, style)


def test_one_byte_is_enough() -> None:
    assert bytewords.decode(bytewords.encode(b"\0")) == b"\0"
