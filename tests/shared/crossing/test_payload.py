"""What is in a file that is to be shown, and what a received payload is, in words."""

from __future__ import annotations

import base64
import json

import pytest

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.crossing import payload
from falconer_shared.errors import Malformed
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.units import Amount
from tests.support.refusal import refused
from tests.support.treasury import wsh_descriptor

PSBT = b"psbt\xff" + bytes(range(256))
TRANSACTION = Transaction(
    2,
    (TxInput(OutPoint(bytes([7]) * 32, 1), b"", 0xFFFFFFFD, (b"sig", b"key")),),
    (TxOutput(Amount(5000), b"\x51"),),
    0,
).serialize()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (PSBT, (PSBT, Kind.PSBT)),
        (base64.b64encode(PSBT), (PSBT, Kind.PSBT)),
        (b"\n" + base64.b64encode(PSBT) + b"\r\n", (PSBT, Kind.PSBT)),
        (PSBT.hex().encode(), (PSBT, Kind.PSBT)),
        (TRANSACTION, (TRANSACTION, Kind.TRANSACTION)),
        (TRANSACTION.hex().upper().encode() + b"\n", (TRANSACTION, Kind.TRANSACTION)),
        (b"00112233", (b"00112233", Kind.TEXT)),
        (TRANSACTION + b"\0", (TRANSACTION + b"\0", Kind.BYTES)),
        (bytes(20), (bytes(20), Kind.BYTES)),
        (b"bitcoin:bcrt1q", (b"bitcoin:bcrt1q", Kind.URI)),
        (b'{"a": 1}\n', (b'{"a": 1}\n', Kind.JSON)),
    ],
)
def test_what_a_file_holds(data: bytes, found: tuple[bytes, Kind]) -> None:
    assert payload.read(data) == found


def test_a_descriptor_is_one() -> None:
    text = wsh_descriptor(2, (1, 2, 3)).encode()
    assert payload.read(text) == (text, Kind.DESCRIPTOR)


@pytest.mark.parametrize("spoilt", [base64.b64encode(PSBT)[:-1], base64.b64encode(PSBT) + b"?"])
def test_a_psbt_in_base64_that_is_none(spoilt: bytes) -> None:
    with refused("payload-malformed", Malformed):
        payload.read(spoilt)


def test_a_seed_is_not_shown() -> None:
    with refused("secret-in-code", Malformed):
        payload.read(b"abandon " * 11 + b"about")


def test_what_was_received_in_words() -> None:
    binary = Received(Kind.PSBT, PSBT, "ur", "crypto-psbt")
    document = payload.document(binary)
    assert document == {
        "dialect": "ur",
        "type": "crypto-psbt",
        "kind": "psbt",
        "bytes": len(PSBT),
        "sha256": binary.digest,
    }
    assert json.dumps(document)
    assert payload.lines(binary)[0] == "Dialect   ur"
    assert any(binary.digest in line for line in payload.lines(binary))


def test_nothing_of_the_sender_reaches_the_terminal_raw() -> None:
    """A117, A118: names, types and texts are the sender's."""
    evil = "\x1b[2Jwallet\u202e"
    text = Received(Kind.TEXT, b"a\x1b]0;b\x07\nc\xff\n", "plain", evil, evil)
    shown = "\n".join(payload.lines(text))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown
    assert "(by the sender)" in shown
    assert payload.document(text)["label"] == evil
    assert payload.document(text)["text"] == "a\x1b]0;b\x07\nc\\xff\n"


def test_a_long_text_is_cut() -> None:
    text = Received(Kind.TEXT, b"line\n" * 5000 + b"x" * 9000, "plain", "text")
    assert len(payload.lines(text)) < 210
