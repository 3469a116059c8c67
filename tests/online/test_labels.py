"""Labels travel between wallets, and are nothing but words for people (BIP 329, A120)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_online import labels as module
from falconer_online.labels import MAX_LABEL, MAX_LABEL_LINE, check_label, check_room, read, take, write
from falconer_online.store.rows import LabelRow
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed
from tests.online.desk import Desk
from tests.support.refusal import outcome, refused
from tests.support.treasury import key_expression, stranger_address

REGTEST = Network.REGTEST
TXID = "ab" * 32
XPUB = key_expression(1).partition("]")[2]


def lines(*objects: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


ROWS = (
    LabelRow("addr", stranger_address(), "supplier"),
    LabelRow("input", f"{TXID}:0", "first"),
    LabelRow("output", f"{TXID}:1", "dust", None, False),
    LabelRow("pubkey", "02" + "11" * 32, "key"),
    LabelRow("tx", TXID, "rent \u202e \x1b[2J \n", "wpkh([aabbccdd/84h/1h/0h])"),
    LabelRow("xpub", XPUB, "office"),
)


def test_what_is_written_is_read_again():
    data = write(ROWS)
    assert data.count(b"\n") == len(ROWS)
    assert data.isascii()
    assert read(data, REGTEST) == (ROWS, 0)


LABELS = st.text(st.characters(codec="utf-8"), max_size=MAX_LABEL)


@given(LABELS)
def test_any_label_is_one_line_that_is_read_again(label: str):
    # A119: a newline or a quote in a label starts no second record
    row = LabelRow("tx", TXID, label)
    data = write([row])
    if len(data) <= MAX_LABEL_LINE:
        assert read(data, REGTEST) == ((row,), 0)
    assert data.count(b"\n") == 1


def test_unknown_types_and_fields_are_passed_over_as_the_standard_asks():
    data = lines(
        {"type": "spscan", "ref": "x", "label": "y"},
        {"type": "tx", "ref": TXID, "label": "a", "height": 5, "fee": 12},
    )
    assert read(data + b"\n  \n", REGTEST) == ((LabelRow("tx", TXID, "a"),), 1)


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"1", b'"x"', b'{"type":"tx"}', b'{"ref":"x"}', b'{"type":1,"ref":"x"}', b'{"type":"tx","ref":"x"}',
     b'{"type":"tx","type":"addr","ref":"x"}', b'{"type":"tx","ref":"' + b"AB" * 32 + b'"}', b"\xff", b"[" * 4000,
     b'{"type":"addr","ref":"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}', b'{"type":"output","ref":"x:0"}',
     json.dumps({"type": "tx", "ref": TXID, "label": 5}).encode(),
     json.dumps({"type": "tx", "ref": TXID, "label": "\ud800"}).encode(),
     json.dumps({"type": "tx", "ref": TXID, "spendable": False}).encode(),
     json.dumps({"type": "addr", "ref": stranger_address(), "origin": "x"}).encode(),
     json.dumps({"type": "output", "ref": f"{TXID}:0", "spendable": 0}).encode(),
     json.dumps({"type": "tx", "ref": TXID, "label": "x" * (MAX_LABEL + 1)}).encode(),
     json.dumps({"type": "tx", "ref": TXID, "label": "", "x": "y" * MAX_LABEL_LINE}).encode()],
)  # fmt: skip
def test_a_wrong_line_is_named_and_nothing_is_taken(line: bytes):
    good = lines({"type": "tx", "ref": "cd" * 32, "label": "good"})
    with refused("label-malformed", Malformed) as found:
        read(good + line + b"\n", REGTEST)
    assert found.value.details["line"] == 2
    assert found.value.message.startswith("line 2: ")


def test_a_thing_has_one_label_in_a_file():
    one = {"type": "tx", "ref": TXID, "label": "a"}
    with refused("label-malformed", Malformed) as found:
        read(lines(one, {**one, "label": "b"}), REGTEST)
    assert found.value.details["line"] == 2
    # two spellings of one address are one address
    upper = {"type": "addr", "ref": stranger_address().upper(), "label": "a"}
    with refused("label-malformed", Malformed):
        read(lines(upper, {**upper, "ref": stranger_address()}), REGTEST)


def test_the_longest_label_and_the_most_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert check_label("tx", TXID, "x" * MAX_LABEL, REGTEST).label == "x" * MAX_LABEL
    monkeypatch.setattr(module, "MAX_LABELS", 2)
    three = [{"type": "tx", "ref": f"{number:064x}", "label": "a"} for number in range(3)]
    assert len(read(lines(*three[:2]), REGTEST)[0]) == 2
    with refused("labels-too-many", Malformed):
        read(lines(*three), REGTEST)
    desk = Desk.make(tmp_path)
    take(desk.coordinator, lines(*three[:2]))
    take(desk.coordinator, lines(*three[:2]))
    with refused("labels-too-many", Malformed):
        take(desk.coordinator, lines(three[2]))
    with desk.coordinator.store.read() as view, refused("labels-too-many", Malformed):
        check_room(view, [LabelRow("tx", TXID, "x")])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes):
    _, rule = outcome(lambda: read(data, REGTEST))
    assert rule in {None, "label-malformed"}


def test_an_import_is_one_change_with_one_record(tmp_path: Path):
    desk = Desk.make(tmp_path)
    there = stranger_address()
    taken = take(desk.coordinator, write(ROWS))
    assert (taken.labels, taken.passed_over, taken.unspendable) == (6, 0, 1)
    assert desk.events()[-1] == "labels-imported"
    with desk.coordinator.store.read() as view:
        assert view.labels() == ROWS
    # what a line leaves out, it leaves as it was
    take(
        desk.coordinator,
        lines({"type": "addr", "ref": there}, {"type": "output", "ref": f"{TXID}:1", "label": "new"}),
    )
    with desk.coordinator.store.read() as view:
        found = {(row.type, row.ref): row for row in view.labels()}
    assert found["addr", there].label == "supplier"
    assert found["output", f"{TXID}:1"] == LabelRow("output", f"{TXID}:1", "new", None, False)
    with refused("label-malformed", Malformed):
        take(
            desk.coordinator,
            lines({"type": "tx", "ref": "12" * 32, "label": "x"}, {"type": "tx", "ref": "y"}),
        )
    with desk.coordinator.store.read() as view:
        assert len(view.labels()) == len(ROWS)


def test_labels_decide_nothing(tmp_path: Path):
    # A120: a stranger's address called ours, and a coin called unspendable
    desk = Desk.make(tmp_path, max_single_tx_sats=300_000)
    coin = desk.node.add_coin(0, 90_000)
    there = stranger_address(40_000)
    take(
        desk.coordinator,
        lines(
            {"type": "addr", "ref": there, "label": "change, ours"},
            {"type": "output", "ref": coin.text(), "label": "x", "spendable": False},
        ),
    )
    made = desk.create(40_000)
    assert [each.address for each in made.verified.payments] == [there]
    assert made.verified.inputs[0].outpoint == coin
