"""Payloads that stand in one code as they are."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import Malformed
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.plain import PlainDialect
from tests.support.frames import psbt
from tests.support.refusal import outcome, refused

PSBT = psbt(60)


def read(frame: str) -> Received:
    return PlainDialect().read(frame).received


@pytest.mark.parametrize(
    ("frame", "spelling"),
    [
        (base64.b64encode(PSBT).decode(), "base64"),
        (base64.b64encode(PSBT).decode() + "\n", "base64"),
        (PSBT.hex(), "hex"),
        (PSBT.hex().upper(), "hex"),
        (PSBT.decode("latin-1"), "binary"),
    ],
)
def test_a_psbt_in_each_spelling(frame: str, spelling: str) -> None:
    assert read(frame) == Received(Kind.PSBT, PSBT, "plain", spelling)


def test_text() -> None:
    descriptor = "wpkh([d34db33f/84h/1h/0h]tpub/<0;1>/*)#abcdefgh\n"
    assert read(descriptor) == Received(Kind.TEXT, descriptor.strip().encode(), "plain", "text")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],  # without its padding
        lambda text: text[:40] + "\n" + text[40:],
        lambda text: text[:40] + "-" + text[41:],
        lambda text: text + "AAAA",
        lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "==",  # bits that encode nothing
        lambda text: text[:20] + "\u00e9" + text[21:],
    ],
)
def test_base64_is_strict(change) -> None:
    text = base64.b64encode(psbt(61)).decode()
    assert read(text).data == psbt(61)
    with refused("qr-base64-malformed", Malformed):
        read(change(text))


@pytest.mark.parametrize(
    "frame", [PSBT.hex()[:-1], PSBT.hex()[:30] + PSBT.hex()[30:].upper() + "ab", PSBT.hex() + "zz"]
)
def test_hex_is_strict(frame: str) -> None:
    with refused("qr-hex-malformed", Malformed):
        read(frame)


@pytest.mark.parametrize("frame", ["", " ", "\n\t"])
def test_nothing(frame: str) -> None:
    with refused("qr-empty", Malformed):
        read(frame)


@pytest.mark.parametrize("frame", ["pay \u202eme", "\u0661", "a\x00b", "a\x1b[2Jb", "psbt\xff"[:-1] + "\xfe"])
def test_text_is_plain_ascii(frame: str) -> None:
    with refused("qr-text-foreign", Malformed):
        read(frame)


@pytest.mark.parametrize("frame", ["p1of3 cHNidP8BAHUC"])
def test_another_dialect_is_never_text(frame: str) -> None:
    """A109"""
    with refused("qr-dialect-unsupported", Malformed):
        read(frame)


@given(st.text(max_size=100))
def test_nothing_but_refusals(text: str) -> None:
    found, rule = outcome(lambda: read(text))
    assert (found is None) == (rule is not None)
