"""One signer of the policy is in hostile hands: its key signs whatever receipt it likes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from falconer_shared.errors import FalconerError
from falconer_shared.exchange.receipt import MAX_NUMBER
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.online.desk import Desk
from tests.support.rawpsbt import RawPsbt
from tests.support.refusal import outcome


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk.make(folder, multisig=True)
    desk.node.add_coin(0, 600_000)
    return desk


def sent(desk: Desk, sats: int = 20_000) -> tuple[str, bytes]:
    created = desk.create(sats)
    return created.row.id, desk.request(created.row.id)


@pytest.mark.parametrize("number", [6, 10**6, 10**12, MAX_NUMBER - 1])
def test_a_receipt_number_of_any_size_is_one_warning(desk, number):
    """All numbers before it were once listed in memory: 2^53 of them."""
    _, data = sent(desk)
    desk.machines[0].number = number
    start = time.process_time()
    result = desk.receive(desk.answer(data))
    assert time.process_time() - start < 2
    assert "receipts 1, 2, 3, 4, 5, ... of signer machine-a" in result.warnings[0]


def test_gaps_are_named_from_the_first(desk):
    _, data = sent(desk)
    desk.machines[0].number = 1
    assert "receipts 1 of signer" in desk.receive(desk.answer(data)).warnings[0]
    desk.machines[0].number = 4
    assert "receipts 1, 3, 4 of signer" in desk.receive(desk.answer(data)).warnings[0]


def test_its_answer_cannot_carry_anothers_signature_changed_by_one_bit(desk):
    """Every bit of the signature of an honest answer, flipped: refused whole, and nothing of it is kept."""
    name, data = sent(desk)
    honest = desk.answer(data, 1)
    key = next(key for key, _ in RawPsbt(honest).input(0) if key[:1] == field_key(InputType.PARTIAL_SIG))
    signature = RawPsbt.get(RawPsbt(honest).input(0), key)
    before = desk.events()
    for bit in range(0, 8 * len(signature), 7):
        raw = RawPsbt(honest)
        changed = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(len(signature), "big")
        raw.set(raw.input(0), key, changed)
        result, rule = outcome(lambda raw=raw: desk.receive(raw.bytes()))
        assert result is None, (bit, rule)
    assert desk.events() == before
    assert desk.state(name) == "sent"


def test_what_does_not_belong_to_the_answer_is_never_kept(desk):
    """A receipt-less answer may carry anything; only signatures are taken, and the request goes out as it was."""
    name, data = sent(desk)
    raw = RawPsbt(desk.answer(data))
    raw.maps[0] = [(key, value) for key, value in raw.maps[0] if key[:1] != b"\xfc"]
    raw.maps[0].append((b"\xfc\x05other\x00", b"x" * 100))
    raw.input(0).append((b"\x03", (0x83).to_bytes(4, "little")))
    raw.output(0).append((b"\x40free", b"payload"))
    kept = desk.psbt(name).raw
    result = desk.receive(raw.bytes())
    assert result.receipt is None
    assert desk.psbt(name).raw == kept
    with desk.coordinator.store.read() as view:
        assert {len(each.public_key) for each in view.signatures(name)} == {33}


def test_an_answer_for_one_proposal_does_not_serve_another(desk):
    """The same machine, the same payee: its receipt names the request, its signatures the transaction."""
    desk.node.add_coin(7, 500_000)
    first, one = sent(desk)
    second, two = sent(desk, 21_000)
    answer = RawPsbt(desk.answer(one))
    other = RawPsbt(desk.answer(two))
    other.maps[0] = [entry for entry in other.maps[0] if entry[0][:1] != b"\xfc"] + [
        entry for entry in answer.maps[0] if entry[0][:1] == b"\xfc"
    ]
    with pytest.raises(FalconerError) as caught:
        desk.receive(other.bytes())
    assert caught.value.rule == "receipt-other-request"
    assert {desk.state(first), desk.state(second)} == {"sent"}
    assert UntrustedPsbt.parse(one).tx != UntrustedPsbt.parse(two).tx
