"""What a transaction may do under an intent of each kind: the case that fits, and one difference at a time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.approval.intent import Intent, IntentKind, check_intent
from falconer_shared.errors import ApprovalError
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import OwnPlace
from tests.shared.approval.conftest import POLICY
from tests.support.refusal import refused
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wpkh_wallet

WALLET = wpkh_wallet()
VALUE = 110_000
"""Satoshis that the coins of `Payment` hold."""

HOME, RECEIVING = OwnPlace(1, 2), OwnPlace(0, 6)


def moved(pay=(), own=(), **changes) -> VerifiedTransaction:
    made = Payment(WALLET, pay=list(pay), change=list(own), **changes)
    return verify(made.psbt(), WALLET, NOTHING_KNOWN)


def intent_for(facts, verified, kind, pays=(), max_fee=2_000):
    return Intent(**{
        **facts, "kind": kind, "spends": verified.inputs[0].outpoint, "max_fee": Amount(max_fee),
        "pays": tuple((Amount(sats), address) for address, sats in pays),
    })  # fmt: skip


def check(intent, verified):
    check_intent(intent, verified, **POLICY, now=intent.not_before)


# A sweep


def swept(sats=VALUE - 1_000, number=0, **changes):
    return moved(pay=[(stranger_address(number), sats)], **changes)


def sweep_intent(facts, verified, least=VALUE - 2_000, number=0, max_fee=2_000):
    return intent_for(facts, verified, IntentKind.SWEEP, [(stranger_address(number), least)], max_fee)


@pytest.mark.parametrize("fee", [500, 1_000, 1_999, 2_000])
def test_a_sweep_pays_what_the_fee_leaves(facts, fee):
    verified = swept(VALUE - fee)
    check(sweep_intent(facts, verified), verified)


def test_a_sweep_never_pays_less_than_its_line(facts):
    verified = swept(VALUE - 2_001)
    with refused("intent-fee-exceeded", ApprovalError):
        check(sweep_intent(facts, verified), verified)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_sweep_is_of_so_many_satoshis_and_no_other_sum(facts, difference):
    verified = swept()
    check(sweep_intent(facts, verified), verified)
    with refused("intent-sweep-value-differs", ApprovalError):
        check(sweep_intent(facts, verified, VALUE - 2_000 + difference), verified)
    with refused("intent-sweep-value-differs", ApprovalError):
        check(sweep_intent(facts, verified, max_fee=2_000 + difference), verified)


def test_a_sweep_leaves_the_fee_no_more_room_than_any_fee_has(facts):
    verified = swept()
    cap = VALUE // 4
    check(sweep_intent(facts, verified, VALUE - cap, max_fee=cap), verified)
    with refused("intent-sweep-fee-room", ApprovalError):
        check(sweep_intent(facts, verified, VALUE - cap - 1, max_fee=cap + 1), verified)


def test_no_other_coin_of_the_wallet_can_be_swept_along(facts):
    approved = sweep_intent(facts, swept())
    coins = [(OwnPlace(0, 3), 60_000), (OwnPlace(0, 5), 50_000), (OwnPlace(0, 6), 500_000)]
    more = moved(pay=[(stranger_address(), 609_000)], coins=coins)
    assert more.inputs[0].outpoint == approved.spends
    with refused("intent-sweep-value-differs", ApprovalError):
        check(approved, more)


def test_nothing_of_a_sweep_comes_back(facts):
    verified = moved(pay=[(stranger_address(), 80_000)], own=[(HOME, 29_000)])
    with refused("intent-payments-differ", ApprovalError):
        check(sweep_intent(facts, verified), verified)


def test_a_sweep_has_one_destination(facts):
    verified = moved(pay=[(stranger_address(0), 80_000), (stranger_address(1), 29_000)])
    with refused("intent-payments-differ", ApprovalError):
        check(sweep_intent(facts, verified), verified)


def test_a_sweep_goes_where_it_was_approved_to_go(facts):
    check(sweep_intent(facts, swept(number=1), number=1), swept(number=1))
    with refused("intent-payments-differ", ApprovalError):
        check(sweep_intent(facts, swept(number=0), number=1), swept(number=0))


def test_a_sweep_home_is_none(facts):
    verified = moved(own=[(HOME, VALUE - 1_000)])
    address = WALLET.address(HOME.branch, HOME.index)
    with refused("intent-payments-differ", ApprovalError):
        check(intent_for(facts, verified, IntentKind.SWEEP, [(address, VALUE - 2_000)]), verified)


@given(fee=st.integers(1, 20_000), room=st.integers(0, 20_000))
def test_a_sweep_passes_exactly_inside_its_room(fee, room):
    verified = swept(VALUE - fee)
    facts = {
        "network": WALLET.network, "wallet_id": WALLET.wallet_id, "proposal": "p", "requester": "r", "strategy": "-",
        **POLICY, "not_before": 0, "expires": 1,
    }  # fmt: skip
    approved = sweep_intent(facts, verified, VALUE - room, max_fee=room)
    if fee <= room:
        check(approved, verified)
        assert verified.paid >= approved.pays[0][0]
    else:
        with refused("intent-fee-exceeded", ApprovalError):
            check(approved, verified)


# Nothing leaves


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
def test_all_comes_home_but_the_fee(facts, kind):
    for place in (HOME, RECEIVING):
        verified = moved(own=[(place, VALUE - 2_000)])
        assert verified.spent == verified.fee == 2_000
        check(intent_for(facts, verified, kind), verified)


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
def test_the_fee_is_bounded_where_nothing_leaves_too(facts, kind):
    verified = moved(own=[(HOME, VALUE - 2_001)])
    with refused("intent-fee-exceeded", ApprovalError):
        check(intent_for(facts, verified, kind), verified)


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
@pytest.mark.parametrize("pay", [[(stranger_address(), 1_000)], [(stranger_address(), VALUE - 1_000)]])
def test_a_payment_under_an_intent_without_payments(facts, kind, pay):
    rest = VALUE - 1_000 - pay[0][1]
    verified = moved(pay=pay, own=[(HOME, rest)] if rest else [])
    with refused("intent-payments-differ", ApprovalError):
        check(intent_for(facts, verified, kind), verified)


def test_own_coins_may_be_split_and_a_cancellation_may_not(facts):
    verified = moved(own=[(HOME, 60_000), (OwnPlace(1, 3), 49_000)])
    check(intent_for(facts, verified, IntentKind.OWN), verified)
    with refused("intent-cancel-outputs", ApprovalError):
        check(intent_for(facts, verified, IntentKind.CANCEL), verified)


@pytest.mark.parametrize("kind", [IntentKind.SWEEP, IntentKind.OWN, IntentKind.CANCEL])
def test_the_named_coin_must_be_spent_whatever_the_kind(facts, kind):
    verified = swept() if kind is IntentKind.SWEEP else moved(own=[(HOME, VALUE - 1_000)])
    pays = [(stranger_address(), VALUE - 2_000)] if kind is IntentKind.SWEEP else []
    intent = intent_for(facts, verified, kind, pays)
    check(intent, verified)
    with refused("intent-coin-not-spent", ApprovalError):
        check(dataclasses.replace(intent, spends=dataclasses.replace(intent.spends, vout=9)), verified)


def test_a_payment_is_no_kind_but_pay(facts):
    verified = moved(pay=[(stranger_address(), 70_000)], own=[(HOME, 39_000)])
    pays = [(stranger_address(), 70_000)]
    check(intent_for(facts, verified, IntentKind.PAY, pays), verified)
    for kind in (IntentKind.SWEEP, IntentKind.OWN, IntentKind.CANCEL):
        with refused("intent-payments-differ", ApprovalError):
            check(intent_for(facts, verified, kind, pays if kind is IntentKind.SWEEP else []), verified)


def test_recovery_cannot_be_judged_yet(facts):
    for verified in (swept(), moved(own=[(HOME, VALUE - 1_000)])):
        with refused("intent-kind-unsupported", ApprovalError):
            check(intent_for(facts, verified, IntentKind.RECOVER), verified)
