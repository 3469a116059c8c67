"""Receipts that a machine shows again: proven like the ones that come with answers, and all of them or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online.receipts import take
from falconer_shared.errors import AuditError, Malformed, VerificationError
from falconer_shared.exchange import receipts
from falconer_shared.exchange.receipt import SignedReceipt, sign_receipt
from falconer_shared.exchange.response import parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.online.desk import Desk
from tests.support.policies import SshKey
from tests.support.refusal import refused


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk.make(tmp_path)
    for index in range(3):
        desk.node.add_coin(index, 100_000)
    return desk


def answered(desk: Desk, sats: int = 40_000) -> SignedReceipt:
    """The receipt of an answer that got lost."""
    answer = desk.answer(desk.request(desk.create(sats).row.id))
    return parse_response(UntrustedPsbt.parse(answer)).receipt


def file(*signed: SignedReceipt) -> bytes:
    return receipts.write("machine", signed, [{"wallet": "treasury", "wallet_id": "0" * 64}] * len(signed))


def kept(desk: Desk) -> list[int]:
    with desk.coordinator.store.read() as view:
        return [row.number for row in view.receipts()]


def again(signed: SignedReceipt, signer: str = "machine-a", **changes: object) -> SignedReceipt:
    """Another receipt, signed by the key of that name."""
    key = SshKey.of(signer)
    return sign_receipt(replace(signed.receipt, **changes), key.private.sign, key.public)


def test_what_was_lost_is_taken_once(desk: Desk) -> None:
    first, second = answered(desk), answered(desk, 30_000)
    brought = take(desk.coordinator, file(first, second))
    assert [(each.row.number, each.new) for each in brought.taken] == [(1, True), (2, True)]
    assert [each.new for each in take(desk.coordinator, file(second)).taken] == [False]
    assert kept(desk) == [1, 2]
    assert desk.events().count("receipt-received") == 2


def test_the_file_comes_back_as_it_was(desk: Desk) -> None:
    signed = answered(desk)
    assert receipts.read(file(signed)) == (signed,)


def test_a_receipt_about_somebody_elses_request_is_told_and_not_kept(desk: Desk) -> None:
    signed = again(answered(desk), request="ab" * 32)
    brought = take(desk.coordinator, file(signed))
    assert brought.taken == ()
    assert [each.request for each in brought.foreign] == ["ab" * 32]
    assert kept(desk) == []


def test_a_fork_takes_nothing(desk: Desk) -> None:
    first, second = answered(desk), answered(desk, 30_000)
    take(desk.coordinator, file(first))
    with refused("receipt-fork", AuditError):
        take(desk.coordinator, file(second, again(first, journal_size=99)))
    assert kept(desk) == [1]


@pytest.mark.parametrize("signer", ["machine-b", "stranger"])
def test_by_no_machine_of_the_policy(desk: Desk, signer: str) -> None:
    with refused("receipt-unknown-signer", VerificationError):
        take(desk.coordinator, file(again(answered(desk), signer)))
    assert kept(desk) == []


def test_an_altered_text_is_refused(desk: Desk) -> None:
    signed = answered(desk)
    altered = SignedReceipt(replace(signed.receipt, number=7), signed.signature)
    with refused("receipt-signature-invalid", VerificationError):
        take(desk.coordinator, file(altered))
    assert kept(desk) == []


def test_what_is_no_file_of_receipts(desk: Desk) -> None:
    good = json.loads(file(answered(desk)))
    entry = good["receipts"][0]
    wrong: list[object] = [
        [],
        {},
        {"receipts": []},
        {"receipts": {}},
        {"receipts": [7]},
        {"receipts": [{"text": entry["text"]}]},
        {"receipts": [{"signature": entry["signature"]}]},
        {"receipts": [{**entry, "text": "\u00e9" + entry["text"]}]},
        {"receipts": [{**entry, "text": "x" * 6001}]},
        {"receipts": [{**entry, "signature": "x" * 4097}]},
    ]
    for document in wrong:
        with refused("receipts-malformed", Malformed):
            receipts.read(json.dumps(document).encode())
    for data in (b"", b"{", b"\xff{}", b"[" * 100_000, b" " * (receipts.MAX_FILE + 1)):
        with refused("receipts-malformed", Malformed):
            receipts.read(data)
    with pytest.raises(Malformed):
        receipts.read(json.dumps({"receipts": [{**entry, "signature": "x"}]}).encode())
    padded = file(answered(desk, 30_000))
    padded += b" " * (receipts.MAX_FILE - len(padded))
    assert receipts.read(padded)
    with refused("receipts-malformed", Malformed):
        receipts.read(padded + b" ")
    # members that only repeat what the text says are for people
    assert receipts.read(json.dumps({"receipts": [{**entry, "number": 99}]}).encode())
