"""Which bytes are a PSBT at all, and in which spelling (A081)."""

from __future__ import annotations

import base64

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt.envelope import MAX_PSBT_BYTES, binary
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.refusal import refused

RAW = psbts.v0()
TEXT = base64.b64encode(RAW)


def test_binary_is_taken_as_it_is():
    assert binary(RAW) == RAW


@pytest.mark.parametrize("around", [b"%s", b"%s\n", b"%s\r\n", b" \t\r\n%s\n\n"])
def test_base64_may_have_white_space_around_it(around):
    assert UntrustedPsbt.parse(around.replace(b"%s", TEXT)).raw == RAW


def test_base64_text_comes_back():
    psbt = UntrustedPsbt.parse(RAW)
    assert psbt.base64() == TEXT.decode()
    assert UntrustedPsbt.parse(psbt.base64().encode()) == psbt


@pytest.mark.parametrize("data", [b"", b"\n", b" \t\r\n"])
def test_nothing_is_refused(data):
    with refused("psbt-empty", Malformed):
        binary(data)


@pytest.mark.parametrize("data", [RAW.hex().encode(), RAW.hex().upper().encode() + b"\n"])
def test_hexadecimal_is_refused_with_the_command_that_converts_it(data):
    with refused("psbt-hex-refused", Malformed) as caught:
        binary(data)
    assert "xxd -r -p" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "data",
    [
        psbts.PREVIOUS,
        b"\xef\xbb\xbf" + TEXT,
        b"\n" + RAW,
        b"psbt\xfe" + RAW[5:],
        b"psbt",
        b"{}",
        b"\x1b[31m",
    ],
    ids=["transaction", "byte-order-mark", "newline-before-binary", "magic", "half-magic", "json", "escape"],
)
def test_anything_else_is_refused(data):
    with refused("psbt-not-recognised", Malformed):
        binary(data)


def _unused_bits(text: bytes) -> bytes:
    assert text.endswith(b"=")
    assert not text.endswith(b"==")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-2] + bytes((alphabet[alphabet.index(text[-2]) + 1],)) + b"="


ONE_PAD = base64.b64encode(psbts.with_field("input", b"\xf0", b"x" * (5 - len(RAW) % 3)))


@pytest.mark.parametrize(
    "text",
    [
        TEXT.rstrip(b"=") + b"=" * (3 if TEXT.endswith(b"==") else 2),
        ONE_PAD.rstrip(b"="),
        TEXT[:40] + b"\n" + TEXT[40:],
        TEXT[:40] + b" " + TEXT[40:],
        TEXT[:40] + b"-_" + TEXT[42:],
        TEXT[:40] + b"\xc3\xa9" + TEXT[42:],
        ONE_PAD + ONE_PAD,
        TEXT + b"\x00",
        _unused_bits(ONE_PAD),
        b"cHNidP",
        b"cHNidPAA",
    ],
    ids=[
        "more-padding",
        "less-padding",
        "wrapped",
        "space",
        "url-alphabet",
        "non-ascii",
        "twice",
        "nul",
        "unused-bits",
        "short",
        "magic-differs",
    ],
)
def test_base64_has_one_spelling(text):
    with refused("psbt-base64-malformed", Malformed):
        binary(text)


def test_one_pad_example_is_good_before_its_mutation():
    assert UntrustedPsbt.parse(ONE_PAD).base64().encode() == ONE_PAD


def test_size_is_bounded_before_anything_else():
    assert binary(RAW[:5] + bytes(MAX_PSBT_BYTES - 5))
    with refused("psbt-too-large", Malformed):
        binary(RAW[:5] + bytes(MAX_PSBT_BYTES - 4))
    with refused("psbt-too-large", Malformed):
        binary(b" " * (MAX_PSBT_BYTES + 1))
