"""Payloads that stand in one code as they are."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import Malformed
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.plain import PlainDialect, to_base43
from tests.support.frames import psbt
from tests.support.refusal import outcome, refused

PSBT = psbt(60)
XPUB = "xpub6CnQkivUEH9bSbWVWfDLCtigKKgnSWGaVSRyCbN2QNBJzuvHT1vUQpgSpY1NiVvoeNEuVwk748Cn9G3NtbQB1aGGsEL7aYEnjVWgjj9tefu"


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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("wpkh([d34db33f/84h/1h/0h]tpub/<0;1>/*)#abcdefgh\n", Kind.DESCRIPTOR),
        ("sh(wsh(sortedmulti(1,a,b)))", Kind.DESCRIPTOR),
        (f"[d34db33f/84h/0h/0h]{XPUB}", Kind.KEY),
        (f"[d34db33f/84'/0'/0']{XPUB}/<0;1>/*", Kind.KEY),
        (XPUB, Kind.KEY),
        ("bitcoin:bc1qexample?amount=0.1", Kind.URI),
        ("BITCOIN:BC1QEXAMPLE", Kind.URI),
        ('{"label": "x"}', Kind.JSON),
        ("[1]", Kind.JSON),
        ("# comment\nName: treasury\nPolicy: 2 of 3\n", Kind.WALLET),
        ("falconer-policy 1\nversion 3\n", Kind.TEXT),
        ("hello", Kind.TEXT),
        ("FF" * 32, Kind.TEXT),
        ("A" * 100, Kind.TEXT),
        ("0" * 100, Kind.TEXT),
        ("$*+-./:" * 20, Kind.TEXT),
    ],
)
def test_text(text: str, kind: Kind) -> None:
    assert read(text) == Received(kind, text.strip().encode(), "plain", "text")


def test_a_wallet_for_specter() -> None:
    """`addwallet` names the wallet and gives its descriptor."""
    found = read("addwallet My multisig&wsh(sortedmulti(1,a,b))\n")
    assert found == Received(Kind.DESCRIPTOR, b"wsh(sortedmulti(1,a,b))", "plain", "addwallet", "My multisig")
    for other in (
        "addwallet My multisig",
        "addwallet &wsh()",
        "Addwallet a&b",
        f"addwallet {'x' * 201}&wsh()",
    ):
        assert read(other).kind is Kind.TEXT
    with refused("secret-in-code", Malformed):
        read(f"addwallet x&wpkh({'xprv' + 'A' * 100})")


@pytest.fixture
def transactions(vectors: Path) -> list[bytes]:
    folder = vectors / "vectors/raw/coinkite_BBQr/test_data"
    return [(folder / name).read_bytes() for name in ("last.txn", "nfc-result.txn")]


def test_a_transaction_in_each_spelling(transactions: list[bytes]) -> None:
    for data in transactions:
        for text, spelling in ((data.hex(), "hex"), (data.hex().upper(), "hex"), (to_base43(data), "base43")):
            assert read(text) == Received(Kind.TRANSACTION, data, "plain", spelling)
        for wrong in (data.hex() + "00", data.hex()[:-2], to_base43(data[:-1]), to_base43(data + b"x")):
            with refused("transport-not-transaction", Malformed):
                read(wrong)
        with refused("qr-hex-malformed", Malformed):
            read(data.hex()[:-1])


def test_files_with_a_transaction_in_hexadecimal(vectors: Path) -> None:
    folder = vectors / "vectors/raw/coinkite_BBQr/test_data"
    for name in ("devils-txn.txn", "finalized-by-ckcc.txn"):
        assert read((folder / name).read_text()).kind is Kind.TRANSACTION


def test_base_43() -> None:
    """Electrum: the bytes as one number, in the digits of the alphanumeric mode without space and percent."""
    text = to_base43(PSBT)
    assert read(text) == Received(Kind.PSBT, PSBT, "plain", "base43")
    number = 0
    for digit in text:
        number = number * 43 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*+-./:".index(digit)
    assert number == int.from_bytes(PSBT, "big")
    # another spelling of the same number, lower case, and a text longer than a code are no transactions
    for other in ("0" + text, text.lower(), to_base43(psbt(6000))):
        assert read(other).kind is Kind.TEXT


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


@pytest.mark.parametrize(
    "frame", ["pay \u202eme", "\u0661", "a\x00b", "a\x1b[2Jb", "psbt\xfe", "psbt\xff\u0661"]
)
def test_text_is_plain_ascii(frame: str) -> None:
    with refused("qr-text-foreign", Malformed):
        read(frame)


@given(st.text(max_size=100))
def test_nothing_but_refusals(text: str) -> None:
    found, rule = outcome(lambda: read(text))
    assert (found is None) == (rule is not None)
