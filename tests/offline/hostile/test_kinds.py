"""Sweeps, movements within the wallet and cancellations in hostile hands: what their pages make a person type, what they
leave to the miners, and whether they share what another kind may not.
"""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline import screen
from falconer_offline.session import sign_session
from falconer_shared.approval.intent import IntentKind
from falconer_shared.errors import ApprovalError
from falconer_shared.policy.engine import ApprovalRefused, PolicyRefused
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Office, Ring, Willing
from tests.support.refusal import refused
from tests.support.treasury import Payment, stranger_address, wpkh_wallet

VALUE = 110_000
"""Satoshis that the coins of `Payment` hold."""


def as_kind(kind: IntentKind, **changes):
    return lambda intent: dataclasses.replace(intent, kind=kind, **changes)


def sweep_of(office, least: int, fee: int = 1_000):
    """A sweep whose intent says `least`, and lets all the rest be fee."""
    payment = Payment(office.wallet, pay=[(stranger_address(), VALUE - fee)], change=[])
    pays = ((Amount(least), stranger_address()),)
    return payment, as_kind(IntentKind.SWEEP, pays=pays, max_fee=Amount(VALUE - least))


def home(office, fee: int, salt: int = 0) -> Payment:
    coins = [(OwnPlace(0, 3), 60_000 + salt), (OwnPlace(0, 5), 50_000)]
    return Payment(office.wallet, coins=coins, pay=[], change=[(OwnPlace(1, 3), VALUE + salt - fee)])


def sign(office, data: bytes, now: int = NOW) -> Willing:
    person = Willing()
    sign_session(office.state(), office.judge(data, now), person, Ring(office), lambda: now)
    return person


def value(office, data: bytes, rule: str, now: int = NOW) -> str | None:
    return {each.rule: each.value for each in office.judge(data, now).approved.verdicts}[rule]


def page(office, data: bytes, now: int = NOW) -> str:
    judged = office.judge(data, now)
    return "\n".join(line.plain for line in screen.page(judged, office.state()))


# The sum of a sweep


@pytest.mark.parametrize("least", [294, 1_000, VALUE * 3 // 4 - 1])
def test_a_sweep_cannot_have_a_small_sum_typed_for_all_that_leaves(office, least):
    """What is no fee that anybody may pay is no room for one: else `max-fee` hides what the destination gets."""
    payment, alter = sweep_of(office, least)
    with refused("intent-sweep-fee-room", ApprovalError):
        office.judge(office.request(payment, alter_intent=alter))


def test_what_a_sweep_pays_is_near_what_is_typed(office):
    payment, alter = sweep_of(office, VALUE * 3 // 4)
    person = sign(office, office.request(payment, alter_intent=alter))
    assert ("total", str(VALUE * 3 // 4)) in person.asked


# What the page says of a cancellation


def test_a_cancellation_of_nothing_is_not_said_to_replace_a_payment(office):
    """Whether there was a payment, the coordinator claims; the journal knows."""
    data = office.request(home(office, 2_000), alter_intent=as_kind(IntentKind.CANCEL))
    text = page(office, data)
    assert "takes the place of" not in text
    assert "no earlier transaction that spends the named coin was signed here" in text
    sign(office, office.request())
    text = page(office, data)
    assert "this takes the place of an earlier" in text
    assert "no earlier transaction" not in text


def test_coins_that_are_parted_are_not_said_to_be_put_together(office):
    parts = [(OwnPlace(1, number), 10_000) for number in range(2, 11)] + [(OwnPlace(1, 11), 19_000)]
    parted = Payment(office.wallet, pay=[], change=parts)
    assert "put together" not in page(office, office.request(parted))
    assert "put together" in page(office, office.request(home(office, 1_000)))


# Fees without approval


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
def test_fees_cannot_be_burnt_bit_by_bit_without_approval(approved_office, kind):
    """Threshold 50,000 sats: four times 12,000 of fee pass, the fifth does not."""
    office = approved_office
    for number in range(4):
        data = office.request(
            home(office, 12_000, number), alter_intent=as_kind(kind, max_fee=Amount(12_000))
        )
        sign(office, data)
    data = office.request(home(office, 12_000, 9), alter_intent=as_kind(kind, max_fee=Amount(12_000)))
    with refused("approval-missing", ApprovalRefused):
        office.judge(data)


def test_an_approved_payment_lends_no_approval_to_what_shares_its_coin(approved_office):
    """A cancellation and a sweep that name the coin of an approved payment are judged by themselves."""
    office = approved_office
    sign(office, office.request(approvers=("anna",)))
    payment, alter = sweep_of(office, VALUE - 4_000)
    with refused("approval-missing", ApprovalRefused):
        office.judge(office.request(payment, alter_intent=alter))
    data = office.request(home(office, 4_000), alter_intent=as_kind(IntentKind.CANCEL))
    assert value(office, data, "human_approval_threshold_sats") == "4000"
    # one of the two can confirm, so the set counts once, at what the payment takes
    assert value(office, data, "max_daily_spend_sats") == "71000"


def test_a_cancellation_does_not_give_back_what_the_payment_took(office):
    """The payment's signature exists: a cancellation that is signed and thrown away must not make room."""
    sign(office, office.request())
    sign(office, office.request(home(office, 3_000), alter_intent=as_kind(IntentKind.CANCEL)))
    other = Payment(office.wallet, pay=[(stranger_address(1), 230_000)], change=[(OwnPlace(1, 3), 9_000)])
    other.coins = [(OwnPlace(0, 6), 240_000)]
    with refused("policy-daily-limit", PolicyRefused):
        office.judge(office.request(other))


def test_a_child_of_a_replaced_parent_counts_by_itself(office):
    """An own movement that names another coin of the same transaction shares nothing with its family."""
    sign(office, office.request())
    data = office.request(home(office, 2_000))
    anchor = office.judge(data).verified.inputs[1].outpoint
    moved = office.request(home(office, 2_000), alter_intent=as_kind(IntentKind.OWN, spends=anchor))
    assert value(office, data, "max_daily_spend_sats") == "71000"
    assert value(office, moved, "max_daily_spend_sats") == "73000"


def test_what_a_destination_got_by_kinds_of_one_coin_counts_once_and_by_two_coins_twice(tmp_path):
    office = Office.make(tmp_path / "home", wpkh_wallet(), rules={"max_destination_spend_sats": 200_000})
    sign(office, office.request())
    payment, alter = sweep_of(office, VALUE - 4_000)
    data = office.request(payment, alter_intent=alter)
    assert value(office, data, "max_destination_spend_sats") == "109000"
    sign(office, data)
    again = Payment(
        office.wallet, coins=[(OwnPlace(0, 8), VALUE)], pay=[(stranger_address(), VALUE - 1_000)], change=[]
    )
    with refused("policy-destination-limit", PolicyRefused):
        office.judge(office.request(again, alter_intent=alter))


# A strategy that was never approved for paying


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
def test_an_approved_movement_at_home_does_not_make_a_strategy_known_for_payments(tmp_path, kind):
    """Who approves that coins are brought together has not agreed that anybody is paid for that strategy."""
    rules = {"human_approval_threshold_sats": 200_000, "auto_approve_new_strategies": False}
    office = Office.make(tmp_path / "home", wpkh_wallet(), rules=rules)
    alter = as_kind(kind, strategy="yolo")
    sign(office, office.request(home(office, 2_000), approvers=("anna",), alter_intent=alter))
    other = Payment(office.wallet, coins=[(OwnPlace(0, 8), VALUE)])
    data = office.request(other, alter_intent=lambda intent: dataclasses.replace(intent, strategy="yolo"))
    with refused("approval-missing-strategy", ApprovalRefused):
        office.judge(data)
    # at home it stays known
    again = office.request(home(office, 2_000, 7), alter_intent=alter)
    assert value(office, again, "auto_approve_new_strategies") == "known"
