"""Bumps, cancellations and accelerations: what they build, what they refuse, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from falconer_online import request
from falconer_online.accelerating import accelerate
from falconer_online.coordinator import intent_of
from falconer_online.proposals import Created, Wish, reject
from falconer_online.replacing import bump, cancel
from falconer_online.selection import Filter, Sum, select, sums
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_online.watch import refresh
from falconer_shared.approval.intent import IntentKind
from falconer_shared.errors import ApprovalError, DeviceError, StateError, UsageError
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.units import FeeRate
from tests.online.desk import Desk
from tests.support.refusal import refused
from tests.support.treasury import stranger_address

RATE = FeeRate.from_sats_per_vbyte


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A wallet with three coins; what its node builds pays 300 sats, about 2 sat/vB."""
    made = Desk.make(tmp_path)
    for index, sats in enumerate((400_000, 150_000, 90_000)):
        made.node.add_coin(index, sats)
    made.node.fee = 300
    return made


def paid(verified) -> list[tuple[bytes, int]]:
    return sorted((each.script, int(each.amount)) for each in verified.payments)


def up(desk: Desk, proposal: str, rate: int = 10) -> Created:
    return bump(desk.coordinator, proposal, RATE(rate))


def wish(rate: int | None = None, **words: object) -> Wish:
    return Wish((), fee_rate=None if rate is None else RATE(rate), **words)  # type: ignore[arg-type]


def cancelled(desk: Desk, proposal: str, rate: int | None = None, **words: object) -> Created:
    made = cancel(desk.coordinator, proposal, wish(rate, **words))
    assert isinstance(made, Created)
    return made


def confirm(desk: Desk, winner: str, *losers: str, depth: int = 2) -> None:
    desk.node.mempool[winner] = depth
    for loser in losers:
        desk.node.mempool[loser] = -depth
    refresh(desk.coordinator)


# Bumps


def test_a_bump_shrinks_the_change_and_nothing_else(desk: Desk):
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    second = up(desk, first.row.id)
    assert (second.row.id, second.row.family, second.row.replaces) == (
        f"{first.row.id}.2",
        first.row.id,
        first.row.id,
    )
    assert second.row.intent == desk.row(first.row.id).intent
    assert paid(second.verified) == paid(first.verified)
    assert [each.outpoint for each in second.verified.inputs] == [
        each.outpoint for each in first.verified.inputs
    ]
    assert [each.script for each in second.verified.outputs] == [
        each.script for each in first.verified.outputs
    ]
    assert second.verified.fee_rate.text() == "10"
    assert desk.state(second.row.id) == "approved"
    # both hold the coin, until one of them is over
    assert set(desk.held()) == {each.outpoint for each in first.verified.inputs}


def test_a_bump_counts_once_with_what_it_replaces(desk: Desk):
    desk.install(rules={**desk.draft.rules, "max_daily_spend_sats": 45_000}, version=2)
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    second = up(desk, first.row.id)
    (daily,) = [each for each in second.judgement.verdicts if each.rule == "max_daily_spend_sats"]
    assert daily.value == str(int(second.verified.spent))


def test_the_bump_wins(desk: Desk):
    first = desk.create(max_fee=5_000)
    old = desk.out(first.row.id)
    second = up(desk, first.row.id)
    new = desk.out(second.row.id)
    assert (desk.state(first.row.id), desk.row(first.row.id).replaced_by) == ("broadcast", second.row.id)
    confirm(desk, new, old, depth=1)
    assert (desk.state(first.row.id), desk.state(second.row.id)) == ("broadcast", "broadcast")
    assert desk.held()
    confirm(desk, new, old)
    lost = desk.row(first.row.id)
    assert (lost.state, lost.replaced_by) == ("failed", second.row.id)
    assert lost.reason == f"replaced: {second.row.id} is confirmed"
    assert desk.state(second.row.id) == "confirmed"
    assert not desk.held()
    assert not desk.node.held


def test_what_was_to_be_replaced_wins_all_the_same(desk: Desk):
    first = desk.create(max_fee=5_000)
    old = desk.out(first.row.id)
    second = up(desk, first.row.id)
    new = desk.out(second.row.id)
    third = up(desk, first.row.id, 20)
    confirm(desk, old, new)
    assert desk.state(first.row.id) == "confirmed"
    assert [desk.state(each.row.id) for each in (second, third)] == ["failed", "failed"]
    assert {desk.row(each.row.id).replaced_by for each in (second, third)} == {first.row.id}
    # a reorganisation chooses the other
    confirm(desk, new, old, depth=1)
    assert (desk.state(first.row.id), desk.state(second.row.id)) == ("broadcast", "broadcast")
    assert desk.held()
    confirm(desk, new, old)
    assert (desk.state(first.row.id), desk.state(second.row.id)) == ("failed", "confirmed")
    assert not desk.held()


def test_one_that_was_signed_and_never_sent_from_here_wins(desk: Desk):
    first = desk.create(max_fee=5_000)
    data = desk.request(first.row.id)
    desk.receive(desk.answer(data))
    second = up(desk, first.row.id)
    new = desk.out(second.row.id)
    desk.node.mempool[first.verified.unsigned_hash] = 2
    confirm(desk, first.verified.unsigned_hash, new)
    refresh(desk.coordinator)
    assert (desk.state(first.row.id), desk.state(second.row.id)) == ("confirmed", "failed")
    assert desk.row(first.row.id).txid == first.verified.unsigned_hash


def test_a_stranger_takes_the_coins_of_a_family(desk: Desk):
    first = desk.create(max_fee=5_000)
    old = desk.out(first.row.id)
    new = desk.out(up(desk, first.row.id).row.id)
    desk.node.mempool |= {old: -1, new: -1}
    refresh(desk.coordinator)
    assert {desk.row(name).reason for name in (first.row.id, f"{first.row.id}.2")} == {
        "another transaction spent its coins"
    }


def test_a_bump_adds_a_confirmed_coin_when_the_change_does_not_suffice(desk: Desk):
    first = desk.create(399_000, max_fee=60_000, expires=desk.now + 1000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    second = up(desk, first.row.id, 100)
    assert len(second.verified.inputs) == 2
    assert paid(second.verified) == paid(first.verified)
    assert second.verified.inputs[1].amount == 150_000
    assert set(desk.held()) == desk.node.held == {each.outpoint for each in second.verified.inputs}
    reject(desk.coordinator, second.row.id, "no")
    # the coin that only the bump held is free; the one that is out keeps its own
    assert set(desk.held()) == desk.node.held == {first.verified.inputs[0].outpoint}


def test_a_bump_never_adds_an_unconfirmed_coin(desk: Desk):
    first = desk.create(399_000, max_fee=60_000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    desk.node.depths |= dict.fromkeys(desk.node.funds, 0)
    with refused("funds-insufficient", StateError):
        up(desk, first.row.id, 100)


def test_approvals_hold_for_the_bump(desk: Desk):
    first = desk.create(200_000, max_fee=9_000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    second = up(desk, first.row.id)
    assert second.judgement.counted == ("anna", "bert")
    assert desk.state(second.row.id) == "approved"
    desk.out(second.row.id)
    assert desk.state(second.row.id) == "broadcast"


def test_a_bump_ends_at_the_approved_fee(desk: Desk):
    first = desk.create(max_fee=1_410)
    desk.out(first.row.id)
    assert up(desk, first.row.id).verified.fee == 1_410
    reject(desk.coordinator, f"{first.row.id}.2", "")
    with refused("intent-fee-exceeded", ApprovalError):
        bump(desk.coordinator, first.row.id, FeeRate(10_008))
    assert desk.events()[-1] == "proposal-refused"


def test_a_bump_ends_with_the_intent(desk: Desk):
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    desk.now += 86_400
    with refused("intent-expired", ApprovalError):
        up(desk, first.row.id)


def test_a_bump_pays_for_its_own_relay(desk: Desk):
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    size = first.verified.weight.virtual_size()
    with refused("replacement-fee-too-low", UsageError) as caught:
        bump(desk.coordinator, first.row.id, FeeRate(3_100))
    assert caught.value.details["least_fee"] == 300 + size
    enough = FeeRate(int(float(caught.value.details["least_rate"]) * 1000))  # type: ignore[arg-type]
    assert bump(desk.coordinator, first.row.id, enough).verified.fee == 300 + size


def test_what_no_signer_saw_is_not_replaced(desk: Desk):
    first = desk.create(max_fee=9_000)
    for _ in range(2):
        with refused("replacement-not-sent", StateError):
            up(desk, first.row.id)
        request.build(desk.coordinator, first.row.id)
    desk.out(first.row.id)
    second = up(desk, first.row.id)
    for name in (first.row.id, second.row.id):
        with refused("replacement-waits", StateError):
            up(desk, name, 20)
        with refused("replacement-waits", StateError):
            cancel(desk.coordinator, first.row.id, wish())


def test_what_is_over_is_not_replaced(desk: Desk):
    first = desk.create(max_fee=9_000)
    confirm(desk, desk.out(first.row.id))
    for attempt in (lambda: up(desk, first.row.id), lambda: cancel(desk.coordinator, first.row.id, wish())):
        with refused("proposal-state", StateError):
            attempt()


def test_what_another_payment_was_built_on_is_not_replaced(desk: Desk):
    first = desk.create(350_000, max_fee=9_000)
    desk.approve(first.row.id, "anna", "bert")
    txid = desk.out(first.row.id)
    change = next(each for each in desk.node.funds if each.txid[::-1].hex() == txid)
    second = desk.create(20_000, coins=(change,))
    for attempt in (lambda: up(desk, first.row.id), lambda: cancel(desk.coordinator, first.row.id, wish())):
        with refused("replacement-has-dependents", StateError):
            attempt()
    reject(desk.coordinator, second.row.id, "")
    up(desk, first.row.id)


def test_a_bumped_payment_was_asked_for_once(desk: Desk):
    first = desk.create(max_fee=9_000)
    desk.out(first.row.id)
    up(desk, first.row.id)
    with desk.coordinator.store.read() as view:
        found = sums(select(view, Filter()))
        newer = sums(select(view, Filter(states=frozenset({ProposalState.APPROVED}))))
    assert {state: each.count for state, each in found["state"].items()} == {"approved": 1, "broadcast": 1}
    assert found["requester"] == newer["requester"] == {"operator": Sum(1, 40_000)}
    assert found["destination"] == {stranger_address(40_000): Sum(1, 40_000)}


def test_a_family_waits_once(desk: Desk):
    desk.install(rules={**desk.draft.rules, "funding_proposal_max_pending": 1}, version=2)
    first = desk.create(max_fee=9_000)
    desk.request(first.row.id)
    up(desk, first.row.id)
    with refused("policy-pending-proposals", PolicyRefused):
        desk.create(20_000)


# Cancellations


def test_an_unsent_proposal_is_cancelled_by_rejecting_it(desk: Desk):
    first = desk.create()
    row = cancel(desk.coordinator, first.row.id, wish())
    assert isinstance(row, ProposalRow)
    assert (row.state, row.reason) == ("rejected", "cancelled")
    assert not desk.held()


def test_a_cancellation_spends_the_named_coin_home(desk: Desk):
    first = desk.create(500_000, max_fee=9_000)
    desk.approve(first.row.id, "anna", "bert")
    old = desk.out(first.row.id)
    assert len(first.verified.inputs) == 2
    made = cancelled(desk, first.row.id, 5)
    intent = intent_of(made.row)
    assert (intent.kind, intent.pays, intent.spends) == (IntentKind.CANCEL, (), intent_of(first.row).spends)
    assert [each.outpoint for each in made.verified.inputs] == [intent.spends]
    assert made.verified.spent == made.verified.fee
    assert made.verified.fee >= 300 + made.verified.weight.virtual_size()
    assert not made.judgement.needed
    new = desk.out(made.row.id)
    confirm(desk, new, old)
    assert (desk.state(first.row.id), desk.state(made.row.id)) == ("failed", "confirmed")
    assert not desk.held()


def test_a_cancellation_outbids_whatever_the_node_estimates(desk: Desk):
    desk.node.fee = 20_000
    first = desk.create(max_fee=30_000)
    desk.out(first.row.id)
    made = cancelled(desk, first.row.id)
    assert made.verified.fee >= 20_000 + made.verified.weight.virtual_size()
    assert made.verified.fee_rate > first.verified.fee_rate


def test_a_cancellation_takes_more_coins_where_one_cannot_pay(desk: Desk):
    desk.node.funds.clear()
    for index, sats in enumerate((30_000, 60_000)):
        desk.node.add_coin(index, sats)
    desk.node.fee = 9_000
    first = desk.create(70_000, max_fee=10_000)
    desk.out(first.row.id)
    made = cancelled(desk, first.row.id)
    assert len(made.verified.inputs) == 2
    reject(desk.coordinator, made.row.id, "")
    with refused("funds-insufficient", StateError):
        cancelled(desk, first.row.id, 200)


def test_a_cancellation_is_bumped_under_its_own_intent(desk: Desk):
    first = desk.create(max_fee=9_000)
    desk.out(first.row.id)
    made = cancelled(desk, first.row.id, 10)
    desk.out(made.row.id)
    with refused("replacement-other-intent", StateError):
        up(desk, first.row.id, 15)
    with refused("replacement-cancels-already", StateError):
        cancelled(desk, first.row.id)
    third = up(desk, made.row.id, 15)
    assert (third.row.replaces, intent_of(third.row).kind) == (made.row.id, IntentKind.CANCEL)


def test_the_policy_of_the_day_judges_a_cancellation(desk: Desk):
    first = desk.create(max_fee=9_000)
    desk.out(first.row.id)
    desk.install(rules={**desk.draft.rules, "max_fee_sats": 400}, version=2)
    with refused("policy-fee-limit", PolicyRefused):
        cancelled(desk, first.row.id, 10)
    # and what was made under another policy is bumped under none
    with refused("intent-other-policy", ApprovalError):
        up(desk, first.row.id)


# Accelerations


def test_a_child_brings_both_to_the_rate(desk: Desk):
    first = desk.create(max_fee=5_000)
    txid = desk.out(first.row.id)
    made = accelerate(desk.coordinator, first.row.id, wish(20))
    intent = intent_of(made.row)
    assert (intent.kind, made.row.accelerates, made.row.family) == (IntentKind.OWN, first.row.id, made.row.id)
    assert intent.spends.txid[::-1].hex() == txid
    parent = desk.node.sent[txid].weight().virtual_size()
    together = parent + made.verified.weight.virtual_size()
    assert 300 + int(made.verified.fee) == 20 * together
    assert made.verified.spent == made.verified.fee
    assert set(desk.held().values()) == {first.row.id, made.row.id}


def test_a_child_that_no_coin_can_pay(desk: Desk):
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    with refused("funds-insufficient", StateError):
        accelerate(desk.coordinator, first.row.id, wish(20_000))


def test_what_pays_enough_is_not_hurried(desk: Desk):
    desk.node.fee = 141 * 20
    first = desk.create(max_fee=5_000)
    desk.out(first.row.id)
    for rate in (19, 20):
        with refused("accelerate-not-needed", UsageError):
            accelerate(desk.coordinator, first.row.id, wish(rate))
    accelerate(desk.coordinator, first.row.id, wish(25))


def test_only_what_waits_is_hurried(desk: Desk):
    first = desk.create(max_fee=5_000)
    with refused("proposal-state", StateError):
        accelerate(desk.coordinator, first.row.id, wish(20))
    txid = desk.out(first.row.id)
    desk.node.dropped.add(txid)
    with refused("accelerate-not-in-mempool", StateError):
        accelerate(desk.coordinator, first.row.id, wish(20))
    desk.node.dropped.clear()
    accelerate(desk.coordinator, first.row.id, wish(20))
    with refused("accelerate-no-change", StateError):
        accelerate(desk.coordinator, first.row.id, wish(30))


def test_without_change_there_is_nothing_to_hurry_with(desk: Desk):
    first = desk.create(400_000 - 300, max_fee=9_000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    with refused("accelerate-no-change", StateError):
        accelerate(desk.coordinator, first.row.id, wish(20))


def test_a_bump_outbids_the_child_and_both_end_together(desk: Desk):
    first = desk.create(max_fee=20_000)
    old = desk.out(first.row.id)
    child = accelerate(desk.coordinator, first.row.id, wish(10))
    desk.out(child.row.id)
    least = 300 + int(child.verified.fee) + first.verified.weight.virtual_size()
    with refused("replacement-fee-too-low", UsageError) as caught:
        up(desk, first.row.id, 12)
    assert caught.value.details["least_fee"] == least
    second = up(desk, first.row.id, 40)
    new = desk.out(second.row.id)
    confirm(desk, new, old)
    assert desk.row(child.row.id).reason == f"spends what {second.row.id} took the place of"
    assert desk.state(child.row.id) == "failed"
    assert not desk.held()


def test_small_change_is_helped_by_another_coin(desk: Desk):
    first = desk.create(398_500, max_fee=9_000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    made = accelerate(desk.coordinator, first.row.id, wish(40))
    assert [int(each.amount) for each in made.verified.inputs] == [1_200, 150_000]


# What fails frees what it held


@pytest.mark.parametrize("fault", ["locks", "policy"])
def test_nothing_stays_held_when_a_replacement_fails(desk: Desk, fault: str):
    first = desk.create(399_000, max_fee=60_000)
    desk.approve(first.row.id, "anna", "bert")
    desk.out(first.row.id)
    before = desk.held()
    if fault == "locks":
        desk.node.locks_refused = True
        with refused("node-chose-otherwise", DeviceError):
            up(desk, first.row.id, 100)
    else:
        desk.install(rules={**desk.draft.rules, "max_fee_sats": 400}, version=2)
        with refused("intent-other-policy", ApprovalError):
            up(desk, first.row.id, 100)
    assert desk.held() == before
    assert desk.node.held == set(before)
    assert desk.row(first.row.id).replaced_by is None
