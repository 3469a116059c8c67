"""What was signed here before: replacements are told from repetitions, by their difference to the satoshi."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline import report, screen
from falconer_offline.session import sign_session
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.address import address_of
from falconer_shared.errors import ApprovalError, Declined, SecretError
from falconer_shared.policy.windows import DAY_SECONDS, WEEK_SECONDS
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Ring, Unwilling, Willing
from tests.support.refusal import refused
from tests.support.treasury import Payment, stranger_address

FEE = 1_000
"""Satoshis of fee that `Payment` pays as it stands."""


def bumped(wallet, more: int) -> Payment:
    payment = Payment(wallet)
    payment.change = [(place, amount - more) for place, amount in payment.change]
    return payment


def home(wallet, fee: int) -> Payment:
    """All of the same coins back to the wallet."""
    return Payment(wallet, pay=[], change=[(OwnPlace(1, 3), 110_000 - fee)])


def as_kind(kind: IntentKind, **changes):
    return lambda intent: dataclasses.replace(intent, kind=kind, **changes)


def kept(intent):
    """The intent that was signed for first: made a minute before NOW, for a day."""
    return dataclasses.replace(intent, not_before=NOW - 60, expires=NOW + DAY_SECONDS)


def sign(office, data: bytes, now: int = NOW, person=None, ring=None):
    judged = office.judge(data, now)
    sign_session(office.state(), judged, person or Willing(), ring or Ring(office), lambda: now)
    return judged


def shown(judged, office) -> str:
    return "\n".join(line.plain for line in screen.page(judged, office.state()))


def test_nothing_before(office):
    judged = office.judge(office.request())
    assert judged.earlier == type(judged.earlier)()
    assert "replaces" not in shown(judged, office)
    assert "NOT replace" not in shown(judged, office)


def test_a_bump_says_what_it_replaces(office):
    first = sign(office, office.request())
    judged = office.judge(
        office.request(bumped(office.wallet, 700), now=NOW + 60, alter_intent=kept), NOW + 60
    )
    assert judged.approved.intent == first.approved.intent
    (old,) = judged.earlier.replaced
    assert (old.unsigned_hash, old.at, old.signed) == (first.verified.unsigned_hash, NOW, True)
    assert (old.fee_change, old.differences) == (700, ())
    page = shown(judged, office)
    assert "fee +700 sats, payments unchanged" in page
    assert "NOT replace" not in page
    told = report.accepted(judged, office.state())["replaces"]
    assert told == [
        {
            "unsigned_hash": old.unsigned_hash,
            "at": NOW,
            "signed": True,
            "fee_change_sats": 700,
            "payments_changed": [],
        }
    ]


def test_a_set_counts_once_at_its_largest(office):
    """70,000 and the fee four times over are above the daily limit of 300,000; as one set they are not."""
    sign(office, office.request())
    for number, more in enumerate((500, 1_000, 1_500, 2_000), 1):
        now = NOW + number
        judged = sign(office, office.request(bumped(office.wallet, more), now=now, alter_intent=kept), now)
        (daily,) = [each for each in judged.approved.verdicts if each.rule == "max_daily_spend_sats"]
        assert daily.value == str(71_000 + more)
    assert [old.fee_change for old in judged.earlier.replaced] == [2_000, 1_500, 1_000, 500]


def test_a_bump_cannot_change_a_payment(office):
    sign(office, office.request())
    swapped = bumped(office.wallet, 0)
    swapped.pay = [(stranger_address(9), 70_000)]
    first = office.judge(office.request()).approved.intent
    with refused("intent-payments-differ", ApprovalError):
        office.judge(office.request(swapped, alter_intent=lambda _: first))


def test_another_intent_for_the_same_coin_is_told_apart(office):
    sign(office, office.request())
    other = bumped(office.wallet, 500)
    other.pay = [(stranger_address(9), 60_000), (stranger_address(), 10_000)]
    judged = office.judge(office.request(other))
    (old,) = judged.earlier.replaced
    assert {(each.address, each.before, each.now) for each in old.differences} == {
        (stranger_address(9), 0, 60_000),
        (stranger_address(), 70_000, 10_000),
    }
    page = shown(judged, office)
    assert "payments CHANGED" in page
    assert "nothing -> 60,000 sats" in page
    assert "70,000 sats -> 10,000 sats" in page


def test_a_cancellation_says_what_is_taken_back(office):
    sign(office, office.request())
    judged = office.judge(office.request(home(office.wallet, 3_000), alter_intent=as_kind(IntentKind.CANCEL)))
    (old,) = judged.earlier.replaced
    assert old.fee_change == 3_000 - FEE
    assert [(each.address, each.before, each.now) for each in old.differences] == [
        (stranger_address(), 70_000, 0)
    ]
    page = shown(judged, office)
    assert "NOTHING LEAVES THIS WALLET" in page
    assert "70,000 sats -> nothing" in page
    # the payment still counts, and the cancellation no more than it
    (daily,) = [each for each in judged.approved.verdicts if each.rule == "max_daily_spend_sats"]
    assert daily.value == "71000"


def test_a_reservation_without_a_signature_may_have_been_signed(office):
    judged = office.judge(office.request())
    with pytest.raises(ZeroDivisionError):
        sign_session(
            office.state(),
            judged,
            Willing(),
            Ring(office),
            lambda: NOW,
            lambda step: 1 / (step != "unlocked"),
        )
    again = office.judge(office.request(bumped(office.wallet, 100)))
    assert [old.signed for old in again.earlier.replaced] == [False]
    assert "perhaps signed" in shown(again, office)


def test_what_was_released_is_not_replaced(office):
    judged = office.judge(office.request())
    ring = Ring(office, wrong=SecretError("key-passphrase-wrong", "no"))
    with pytest.raises(SecretError):
        sign_session(office.state(), judged, Willing(), ring, lambda: NOW)
    assert not office.judge(office.request(bumped(office.wallet, 100))).earlier.replaced


def test_the_very_same_again(office):
    sign(office, office.request())
    judged = office.judge(office.request(), NOW)
    assert (judged.earlier.replaced, judged.earlier.same) == ((), (NOW,))
    assert "this very transaction was written down here" in shown(judged, office)


@pytest.mark.parametrize(("age", "said"), [(0, True), (WEEK_SECONDS - 1, True), (WEEK_SECONDS, False)])
def test_the_same_payment_from_other_coins_is_pointed_out(office, age, said):
    sign(office, office.request())
    other = Payment(office.wallet)
    other.coins = [(place, amount + 1) for place, amount in other.coins]
    judged = office.judge(office.request(other, now=NOW + age), NOW + age)
    assert judged.earlier.replaced == ()
    assert judged.earlier.repeats == (((stranger_address(), NOW),) if said else ())
    assert ("NOT replace" in shown(judged, office)) is said
    # another amount is another payment
    other.pay, other.change = [(stranger_address(), 70_001)], [(OwnPlace(1, 2), 38_999)]
    assert not office.judge(office.request(other, now=NOW + age), NOW + age).earlier.repeats


# What the person types


def asked(office, data: bytes) -> list[tuple[str, str]]:
    person = Willing()
    sign(office, data, person=person)
    return person.asked[1:]


@pytest.mark.parametrize("kind", [IntentKind.OWN, IntentKind.CANCEL])
def test_without_a_payment_the_digest_is_typed(office, kind):
    data = office.request(home(office.wallet, 2_000), alter_intent=as_kind(kind))
    judged = office.judge(data)
    assert asked(office, data) == [("the intent digest", judged.approved.intent.digest[-4:])]
    receipt = office.state().rows["receipts"][-1][2]
    assert b"\ntotal 0\n" in receipt
    assert b"\nverdict signed\n" in receipt


def test_of_a_sweep_the_approved_least_is_typed(office):
    sweep = Payment(office.wallet, pay=[(stranger_address(), 109_000)], change=[])
    least = Amount(110_000 - 4_000)
    data = office.request(sweep, alter_intent=as_kind(IntentKind.SWEEP, pays=((least, stranger_address()),)))
    page = shown(office.judge(data), office)
    assert "109,000 sats" in page
    assert "106,000 sats" in page
    assert asked(office, data) == [("total", "106000"), ("destination 1", stranger_address()[-4:])]


def test_who_types_another_digest_signs_nothing(office):
    class Mistyping(Unwilling):
        def ending(self, of: str, expected: str) -> None:
            raise Declined("confirmation-wrong", "no")

    data = office.request(home(office.wallet, 2_000), alter_intent=as_kind(IntentKind.OWN))
    with refused("confirmation-wrong", Declined):
        sign(office, data, person=Mistyping())
    assert not office.state().rows["spends"]


def test_a_bumped_sweep_pays_less_to_the_same(office):
    first = Payment(office.wallet, pay=[(stranger_address(), 109_000)], change=[])
    least = Amount(110_000 - 4_000)
    alter = as_kind(IntentKind.SWEEP, pays=((least, stranger_address()),))
    sign(office, office.request(first, alter_intent=alter))
    second = Payment(office.wallet, pay=[(stranger_address(), 107_500)], change=[])
    judged = office.judge(office.request(second, alter_intent=alter))
    (old,) = judged.earlier.replaced
    (difference,) = old.differences
    assert (old.fee_change, difference.before, difference.now) == (1_500, 109_000, 107_500)
    assert difference.address == address_of(judged.verified.payments[0].script, office.wallet.network)
