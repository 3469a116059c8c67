"""Making proposals: what the node says is not believed, and whatever fails holds nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online import fees
from falconer_online.build import parse_fee_rate
from falconer_online.paying import AddressBook, parse_payment
from falconer_online.proposals import Wish, create, expire_due, reject
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import Transaction, TxInput, TxOutput
from falconer_shared.errors import (
    ApprovalError,
    DeviceError,
    StateError,
    UsageError,
    VerificationError,
)
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.units import Amount
from tests.online.desk import NOW, Desk
from tests.support.refusal import refused
from tests.support.treasury import funding, stranger_address

BOOK = AddressBook(Network.REGTEST)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path, max_single_tx_sats=300_000, max_daily_spend_sats=400_000, max_fee_sats=5_000)
    for index, sats in enumerate((90_000, 150_000, 400_000, 410_000)):
        made.node.add_coin(index, sats)
    return made


def nothing_held(desk: Desk) -> bool:
    return not desk.held() and not desk.node.held


def test_a_proposal_holds_its_coins_and_counts(desk: Desk):
    made = desk.create(40_000)
    assert made.row.state.value == "approved"
    assert set(desk.held()) == desk.node.held == {made.verified.inputs[0].outpoint}
    assert made.verified.spent == 41_000
    with desk.coordinator.store.read() as view:
        (entry,) = view.history(desk.node.wallet.wallet_id).entries(NOW - 1)
    assert (entry.spent, entry.at, entry.approved) == (41_000, NOW, False)
    assert entry.anchor == made.verified.inputs[0].outpoint
    assert desk.events()[-1] == "proposal-created"


def test_the_intent_names_the_first_coin_and_every_payment(desk: Desk):
    made = desk.create(40_000, requester="bot-7", strategy="dca")
    text = made.row.intent.decode()
    assert f"spends {made.verified.inputs[0].outpoint.text()}\n" in text
    assert f"pay 40000 {stranger_address(40_000)}\n" in text
    assert "requester bot-7\nstrategy dca\n" in text


def test_change_goes_to_the_lowest_index_that_nothing_uses(desk: Desk):
    first = desk.create(10_000).verified.own_outputs[0].place
    second = desk.create(11_000).verified.own_outputs[0].place
    assert (first.branch, first.index, second.index) == (1, 0, 1)
    reject(desk.coordinator, desk_first(desk), "no")
    assert desk.create(12_000).verified.own_outputs[0].place.index == 0


def desk_first(desk: Desk) -> str:
    with desk.coordinator.store.read() as view:
        return view.proposals()[0].id


def more_to_the_payee(tx: Transaction) -> Transaction:
    *rest, last = tx.outputs
    return replace(tx, outputs=(*rest, TxOutput(Amount(last.value + 1), last.script)))


def another_payee(tx: Transaction) -> Transaction:
    return replace(tx, outputs=(*tx.outputs, TxOutput(Amount(600), b"\x00\x14" + bytes(20))))


def change_to_a_stranger(tx: Transaction) -> Transaction:
    first, *rest = tx.outputs
    return replace(tx, outputs=(TxOutput(first.value, b"\x00\x14" + bytes(20)), *rest))


def no_payment(tx: Transaction) -> Transaction:
    return replace(tx, outputs=tx.outputs[:1])


def change_twice(tx: Transaction) -> Transaction:
    first, *rest = tx.outputs
    half = Amount(first.value // 2)
    return replace(tx, outputs=(TxOutput(half, first.script), TxOutput(half, first.script), *rest))


@pytest.mark.parametrize(
    "lie", [more_to_the_payee, another_payee, change_to_a_stranger, no_payment, change_twice]
)
def test_a_node_that_writes_other_outputs_is_refused(desk: Desk, lie: Callable[[Transaction], Transaction]):
    desk.node.lie_psbt = lie
    with refused("node-chose-otherwise", DeviceError):
        desk.create()
    assert nothing_held(desk)
    assert desk.events()[-1] == "proposal-refused"


def test_a_node_that_lies_about_an_input_amount_is_refused(desk: Desk):
    # A001: the previous transaction says 90,000; the node's says a tenth more
    def inflate(raw: bytes) -> bytes:
        tx = Transaction.parse(raw)
        return replace(tx, outputs=(TxOutput(Amount(99_000), tx.outputs[0].script),)).serialize()

    desk.node.lie_raw = inflate
    with refused("node-previous-transaction", DeviceError):
        desk.create()
    assert nothing_held(desk)


@pytest.mark.parametrize("raw", [b"", b"\x02", bytes(60)])
def test_a_previous_transaction_that_is_none_is_refused(desk: Desk, raw: bytes):
    desk.node.lie_raw = lambda _: raw
    with refused("node-previous-transaction", DeviceError):
        desk.create()


def test_an_output_that_the_previous_transaction_does_not_have_is_refused(desk: Desk):
    desk.node.lie_psbt = lambda tx: replace(
        tx, inputs=(replace(tx.inputs[0], outpoint=replace(tx.inputs[0].outpoint, vout=7)),)
    )
    with refused("node-previous-transaction", DeviceError):
        desk.create()


def test_a_coin_of_somebody_else_is_refused(desk: Desk):
    foreign = funding(b"\x00\x14" + b"\x07" * 20, 500_000, salt=99)

    def swap(tx: Transaction) -> Transaction:
        return replace(
            tx, inputs=(TxInput(replace(tx.inputs[0].outpoint, txid=foreign.txid()), b"", 0xFFFFFFFD),)
        )

    desk.node.lie_psbt = swap
    desk.node.lie_raw = lambda _: foreign.serialize()
    with refused("coin-not-ours", DeviceError):
        desk.create()
    assert nothing_held(desk)


def test_a_node_that_gives_too_much_to_miners_is_refused(desk: Desk):
    desk.node.fee = 4_000
    with refused("intent-fee-exceeded", ApprovalError):
        desk.create()
    assert nothing_held(desk)


def test_the_same_fee_passes_when_a_person_allows_it(desk: Desk):
    desk.node.fee = 4_000
    assert desk.create(max_fee=Amount(4_000)).verified.fee == 4_000


def test_a_garbled_psbt_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(desk.node), "choose", lambda *_, **__: b"psbt\xff\x00")
    with refused("node-answer", DeviceError):
        desk.create()


def test_a_node_that_forgets_its_locks_cannot_give_a_coin_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    first = desk.create(40_000)
    monkeypatch.setattr(type(desk.node), "locked", lambda *_: frozenset(desk.held()))
    desk.node.held.clear()
    with refused("coin-already-held", StateError):
        desk.create(41_000)
    assert set(desk.held().values()) == {first.row.id}


def test_a_node_that_will_not_hold_a_coin_is_refused(desk: Desk):
    desk.node.locks_refused = True
    with refused("node-chose-otherwise", DeviceError):
        desk.create()


def test_locks_that_the_node_lost_are_set_again(desk: Desk):
    first = desk.create(40_000)
    desk.node.held.clear()
    second = desk.create(41_000)
    assert desk.node.held == {first.verified.inputs[0].outpoint, second.verified.inputs[0].outpoint}


def test_a_lock_without_a_proposal_is_taken_off(desk: Desk):
    stray = next(iter(desk.node.funds))
    desk.node.held.add(stray)
    assert desk.create().verified.inputs[0].outpoint == stray


@pytest.mark.parametrize(("sats", "passes"), [(299_000, True), (299_001, False)])
def test_a_single_payment_at_its_limit_passes_and_one_satoshi_more_does_not(
    desk: Desk, sats: int, *, passes: bool
):
    if passes:
        assert desk.create(sats).row.state.value == "pending"
        return
    with refused("policy-single-limit", PolicyRefused) as caught:
        desk.create(sats)
    assert caught.value.EXIT_STATUS == 5
    assert nothing_held(desk)
    assert desk.events()[-1] == "proposal-refused"


@pytest.mark.parametrize(("sats", "passes"), [(99_000, True), (99_001, False)])
def test_pending_proposals_count_towards_the_day(desk: Desk, sats: int, *, passes: bool):
    assert desk.create(299_000).row.state.value == "pending"
    if passes:
        desk.create(sats)
        return
    with refused("policy-daily-limit", PolicyRefused):
        desk.create(sats)


def test_a_rejected_proposal_no_longer_counts_and_frees_its_coins(desk: Desk):
    row = reject(desk.coordinator, desk.create(299_000).row.id, "wrong amount")
    assert (row.state.value, row.reason) == ("rejected", "wrong amount")
    assert nothing_held(desk)
    assert desk.create(299_000)


def test_an_expired_proposal_no_longer_counts_and_frees_its_coins(desk: Desk):
    name = desk.create(299_000, expires=NOW + 60).row.id
    desk.now += 59
    assert not expire_due(desk.coordinator)
    desk.now += 1
    assert [row.id for row in expire_due(desk.coordinator)] == [name]
    assert desk.state(name) == "expired"
    assert nothing_held(desk)
    assert desk.create(299_000)


def test_one_that_was_sent_counts_even_after_it_was_rejected(desk: Desk):
    name = desk.create(299_000).row.id
    desk.approve(name, "anna")
    desk.request(name)
    reject(desk.coordinator, name, "too late")
    assert nothing_held(desk)
    # with the same first coin both are one replacement set, of which one can confirm
    assert desk.create(250_000, expires=NOW + 1)
    desk.now += 1
    for outpoint in list(desk.node.funds)[:2]:
        del desk.node.funds[outpoint]
    with refused("policy-daily-limit", PolicyRefused):
        desk.create(250_000)


def test_a_proposal_cannot_be_rejected_twice(desk: Desk):
    name = desk.create().row.id
    reject(desk.coordinator, name, "")
    with refused("proposal-state", StateError):
        reject(desk.coordinator, name, "")


def test_expiry_in_the_past_is_refused(desk: Desk):
    with refused("proposal-expires", UsageError):
        desk.create(expires=NOW)
    assert desk.create(expires=NOW + 1)


def test_paying_ourselves_is_refused(desk: Desk):
    with refused("payment-to-own-wallet", UsageError):
        desk.create(to=desk.node.wallet.address(0, 3))
    assert nothing_held(desk)


@pytest.mark.parametrize("what", ["requester", "strategy"])
def test_names_are_ids(desk: Desk, what: str):
    with refused("proposal-name", UsageError):
        desk.create(**{what: "Not An Id"})


def test_a_purpose_has_an_end(desk: Desk):
    assert desk.create(purpose="x" * 500)
    with refused("proposal-purpose", UsageError):
        desk.create(sats=41_000, purpose="x" * 501)


def test_nothing_and_twice_the_same_are_refused(desk: Desk):
    with refused("payment-none", UsageError):
        create(desk.coordinator, Wish(()))
    payee = parse_payment(f"{stranger_address()}=1000", BOOK)
    with refused("payment-repeated", UsageError):
        create(desk.coordinator, Wish((payee, payee)))


def test_too_little_money_says_so(desk: Desk):
    with refused("funds-insufficient", StateError):
        desk.create(1_700_000)
    assert nothing_held(desk)


def test_a_node_that_goes_away_in_the_middle_leaves_nothing_in_the_store(desk: Desk):
    desk.node.fault = DeviceError("node-unreachable", "gone")
    with refused("node-unreachable", DeviceError):
        desk.create()
    desk.node.fault = None
    assert nothing_held(desk)


@pytest.mark.parametrize(
    "text", ["", "bcrt1q", f"{stranger_address()}=0", f"{stranger_address()}=1.5", f"{stranger_address()}=-1",
             f"{stranger_address()}=\uff11", f"{stranger_address()}=2100000000000001"]
)  # fmt: skip
def test_payments_are_an_address_and_whole_satoshis(text: str):
    with refused("payment-malformed", UsageError):
        parse_payment(text, BOOK)


def test_an_address_of_another_network_is_refused():
    with refused("address-other-network", VerificationError):
        parse_payment("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4=1000", BOOK)


def test_an_upper_case_address_is_taken_in_its_one_spelling():
    assert parse_payment(f"{stranger_address().upper()}=5", BOOK).address == stranger_address()


@pytest.mark.parametrize(("text", "rate"), [("1", 1_000), ("2.5", 2_500), ("0.001", 1), ("12.345", 12_345)])
def test_fee_rates_are_exact(text: str, rate: int):
    assert parse_fee_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0.0", "-1", "1.2345", "1e3", "1000000000", ".5", "٣"])
def test_fee_rates_are_plain_numbers(text: str):
    with refused("fee-rate-malformed", UsageError):
        parse_fee_rate(text)


def test_where_nobody_knows_the_fee_a_person_must_say_it(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(desk.node), "fee_rate", lambda *_: None)
    assert desk.create()
    monkeypatch.setattr(fees, "fallback_fee_rate", lambda _: None)
    with refused("fee-rate-unknown", UsageError):
        desk.create(41_000)
    assert desk.create(41_000, fee_rate=parse_fee_rate("3"))


def test_without_pinned_administrators_no_policy_is_believed(desk: Desk):
    import sqlite3

    with sqlite3.connect(desk.home.database) as connection:
        connection.execute("DELETE FROM administrators")
    connection.close()
    with refused("administrators-none", StateError):
        desk.create()
