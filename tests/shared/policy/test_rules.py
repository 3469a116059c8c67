"""Each rule at its limit, one below and one above it, and at the edges of its window."""

from __future__ import annotations

from calendar import timegm

import pytest

from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.network import Network
from falconer_shared.policy.destinations import REACH, Reach, reach_of
from falconer_shared.policy.spend import Outcome, Outlook, Payment, Share
from falconer_shared.units import Amount, FeeRate
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.policies import PolicyDraft, coin
from tests.support.spends import NOW, entry, own, own_script, payment, policy, script, spend, verdict, words
from tests.support.treasury import wpkh_descriptor

DAY, WEEK = 86_400, 604_800
THIRD = Share(2, 3)


def outcome(rule: str, by: object, on: object) -> str:
    return verdict(rule, by, on).outcome.value  # type: ignore[arg-type]


# sums over windows


@pytest.mark.parametrize(
    ("rule", "id", "seconds"),
    [
        ("max_daily_spend_sats", "policy-daily-limit", DAY),
        ("max_weekly_spend_sats", "policy-weekly-limit", WEEK),
    ],
)
def test_a_sum_counts_while_its_window_lasts(rule: str, id: str, seconds: int):  # noqa: A002
    at_limit = policy(**{rule: 100_000})
    for age, spent, expected in (
        (seconds - 1, 29_000, "pass"),
        (seconds - 1, 29_001, "fail"),
        (seconds, 29_001, "pass"),
        (seconds, 2_000_000, "pass"),
        (0, 29_001, "fail"),
        # a clock that was set back forgets nothing
        (-10 * WEEK, 29_001, "fail"),
    ):
        assert outcome(rule, at_limit, spend(entries=(entry(2, spent, age=age),))) == expected, (age, spent)
    failed = verdict(rule, at_limit, spend(entries=(entry(2, 29_001),)))
    assert (failed.id, failed.value, failed.limit) == (id, "100001", "100000")


@pytest.mark.parametrize("rule", ["max_daily_spend_sats", "max_weekly_spend_sats"])
@pytest.mark.parametrize(("spent", "expected"), [(70_999, "pass"), (71_000, "pass"), (71_001, "fail")])
def test_a_sum_is_held_to_the_share(rule: str, spent: int, expected: str):
    by = policy(**{rule: 106_501})  # two thirds, rounded down: 71,000
    judged = verdict(rule, by, spend(spent=Amount(spent), share=THIRD))
    assert (judged.outcome.value, judged.limit) == (expected, "71000")
    assert ("share of 106,501 sats" in judged.message) == (expected == "fail")
    assert outcome(rule, by, spend(spent=Amount(spent), share=Share(2, 3, whole=True))) == "pass"


def test_a_week_holds_what_a_day_forgot():
    by = policy(max_daily_spend_sats=71_000, max_weekly_spend_sats=142_000)
    week = tuple(entry(number, 71_000, age=DAY * number) for number in range(2, 3))
    assert outcome("max_daily_spend_sats", by, spend(entries=week)) == "pass"
    assert outcome("max_weekly_spend_sats", by, spend(entries=week)) == "pass"
    assert outcome("max_weekly_spend_sats", by, spend(entries=(*week, entry(3, 1, age=WEEK - 1)))) == "fail"


# counts


def test_a_day_has_a_number_of_proposals():
    by = policy(max_daily_proposals=3)
    two = (entry(2, 1), entry(3, 1))
    assert words("max_daily_proposals", by, spend()) == ("pass", "1", "3")
    assert words("max_daily_proposals", by, spend(entries=two)) == ("pass", "3", "3")
    failed = verdict("max_daily_proposals", by, spend(entries=(*two, entry(4, 1, age=DAY - 1))))
    assert (failed.outcome, failed.id, failed.value) == (Outcome.FAIL, "policy-daily-proposals", "4")
    assert outcome("max_daily_proposals", by, spend(entries=(*two, entry(4, 1, age=DAY)))) == "pass"
    # what replaces another is not another: neither among those that were, nor for this one
    assert outcome("max_daily_proposals", by, spend(entries=(*two, entry(3, 9), entry(1, 9)))) == "pass"
    # a count is whole whatever the share
    assert words("max_daily_proposals", by, spend(entries=two, share=Share(1, 9))) == ("pass", "3", "3")


def test_no_proposals_are_no_proposals():
    assert outcome("max_daily_proposals", policy(max_daily_proposals=0), spend()) == "fail"


# funding proposals


@pytest.mark.parametrize(("spent", "expected"), [(70_999, "pass"), (71_000, "pass"), (71_001, "fail")])
def test_more_than_the_funding_threshold_is_a_decision_of_its_own(spent: int, expected: str):
    by = policy(funding_proposal_threshold_sats=71_000)
    judged = verdict("funding_proposal_threshold_sats", by, spend(spent=Amount(spent)))
    assert (judged.outcome.value, judged.value, judged.limit) == (expected, str(spent), "71000")
    assert judged.id == (None if expected == "pass" else "approval-missing-funding")
    approved = spend(spent=Amount(spent), approvers=frozenset({"anna"}))
    assert outcome("funding_proposal_threshold_sats", by, approved) == "pass"


def test_the_funding_threshold_looks_at_one_transaction_and_at_no_share():
    by = policy(funding_proposal_threshold_sats=71_000, human_approval_threshold_sats=10**9)
    crowded = spend(entries=(entry(2, 10**8),), share=Share(1, 3))
    assert outcome("funding_proposal_threshold_sats", by, crowded) == "pass"
    # and the sum of the day does not excuse a large one
    assert outcome("human_approval_threshold_sats", by, spend(spent=Amount(71_001))) == "pass"
    assert outcome("funding_proposal_threshold_sats", by, spend(spent=Amount(71_001))) == "fail"


def test_a_large_amount_takes_its_own_tier():
    by = policy(funding_proposal_threshold_sats=71_000)
    large = spend(spent=Amount(500_001), approvers=frozenset({"anna"}))
    assert (
        "2 of group board must approve, 1 did"
        in verdict("funding_proposal_threshold_sats", by, large).message
    )


@pytest.mark.parametrize(
    ("seconds", "value", "expected"),
    [(3_600, "1", "pass"), (86_399, "24", "pass"), (86_400, "24", "pass"), (86_401, "24.001", "fail")],
)
def test_an_intent_may_be_signed_for_so_many_hours(seconds: int, value: str, expected: str):
    by = policy(funding_proposal_expiry_hours=24)
    on = spend(not_before=NOW - 50, expires=NOW - 50 + seconds)
    # 86,399 seconds are rounded up for the eye; what is compared is exact
    assert words("funding_proposal_expiry_hours", by, on) == (expected, value, "24")
    if expected == "fail":
        assert verdict("funding_proposal_expiry_hours", by, on).id == "policy-expiry-too-late"


@pytest.mark.parametrize(("pending", "expected"), [(2, "pass"), (3, "pass"), (4, "fail")])
def test_so_many_proposals_may_wait(pending: int, expected: str):
    by = policy(funding_proposal_max_pending=3)
    judged = verdict("funding_proposal_max_pending", by, spend(outlook=Outlook(pending=pending)))
    assert judged.words[1:] == (expected, str(pending), "3")
    assert judged.id == (None if expected == "pass" else "policy-pending-proposals")


# hours, weekends, zones


def clock(hour: int, minute: int = 0, second: int = 0, day: int = 15) -> int:
    """A time on a day of January 2027 in UTC; the 15th is a Friday."""
    return timegm((2027, 1, day, hour, minute, second))


@pytest.mark.parametrize(
    ("now", "failing"),
    [
        (clock(9, 29, 59), "allowed_hours_start"),
        (clock(9, 30, 0), None),
        (clock(12), None),
        # the last minute counts to its end
        (clock(17, 0, 59), None),
        (clock(17, 1, 0), "allowed_hours_end"),
        (clock(0), "allowed_hours_start"),
        (clock(23, 59, 59), "allowed_hours_end"),
    ],
)
def test_hours_of_a_day(now: int, failing: str | None):
    by = policy(allowed_hours_start="09:30", allowed_hours_end="17:00", allowed_timezone="UTC")
    for rule, refusal in (
        ("allowed_hours_start", "policy-hours-before-start"),
        ("allowed_hours_end", "policy-hours-after-end"),
    ):
        judged = verdict(rule, by, spend(now=now))
        assert judged.outcome is (Outcome.FAIL if rule == failing else Outcome.PASS)
        assert judged.id == (refusal if rule == failing else None)
    assert words("allowed_hours_start", by, spend(now=clock(9, 30))) == ("pass", "09:30", "09:30")


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (clock(21, 59, 59), False), (clock(22), True), (clock(23, 59), True), (clock(0), True),
        (clock(6, 0, 59), True), (clock(6, 1), False), (clock(12), False),
    ],
)  # fmt: skip
def test_hours_may_reach_over_midnight(now: int, allowed: bool):
    by = policy(allowed_hours_start="22:00", allowed_hours_end="06:00", allowed_timezone="UTC")
    for rule in ("allowed_hours_start", "allowed_hours_end"):
        assert outcome(rule, by, spend(now=now)) == ("pass" if allowed else "fail")


def test_hours_are_those_of_the_zone():
    by = policy(allowed_hours_start="09:00", allowed_hours_end="17:00", allowed_timezone="America/New_York")
    assert verdict("allowed_hours_start", by, spend(now=clock(13, 59))).value == "08:59"
    assert outcome("allowed_hours_start", by, spend(now=clock(14))) == "pass"
    assert words("allowed_timezone", by, spend()) == ("pass", "-", "America/New_York")


def test_hours_where_the_clock_is_put_forward_and_back():
    night = policy(allowed_hours_start="02:15", allowed_hours_end="02:45", allowed_timezone="Europe/Berlin")
    forward = timegm((2026, 3, 29, 0, 0, 0))
    skipped = [
        outcome("allowed_hours_start", night, spend(now=forward + second)) for second in range(0, 7200, 60)
    ]
    ended = [
        outcome("allowed_hours_end", night, spend(now=forward + second)) for second in range(0, 7200, 60)
    ]
    # 01:59 is followed by 03:00: at no minute of that night is it between 02:15 and 02:45
    assert not any(one == other == "pass" for one, other in zip(skipped, ended, strict=True))
    back = timegm((2026, 10, 25, 0, 0, 0))
    inside = [
        second
        for second in range(0, 7200, 60)
        if {
            outcome(rule, night, spend(now=back + second))
            for rule in ("allowed_hours_start", "allowed_hours_end")
        }
        == {"pass"}
    ]
    # the hour that comes twice has its half hour twice
    assert inside == [*range(15 * 60, 46 * 60, 60), *range(75 * 60, 106 * 60, 60)]


def test_a_zone_by_itself_limits_nothing():
    by = policy(allowed_timezone="Europe/Berlin")
    assert words("allowed_timezone", by, spend(now=clock(3, day=16))) == ("pass", "-", "Europe/Berlin")
    assert outcome("weekend_operations", by, spend(now=clock(3, day=16))) == "pass"


@pytest.mark.parametrize(
    ("now", "day", "expected"),
    [
        (clock(14, 59, 59), "friday", "pass"),
        (clock(15), "saturday", "fail"),
        (clock(14, 59, 59, day=17), "sunday", "fail"),
        (clock(15, day=17), "monday", "pass"),
    ],
)
def test_a_weekend_is_the_one_of_the_zone(now: int, day: str, expected: str):
    closed = policy(weekend_operations=False, allowed_timezone="Asia/Tokyo")
    judged = verdict("weekend_operations", closed, spend(now=now))
    assert judged.words[1:] == (expected, day, "no")
    assert judged.id == (None if expected == "pass" else "policy-weekend")
    assert words("weekend_operations", policy(weekend_operations=True), spend(now=now)) == (
        "pass",
        "-",
        "yes",
    )


# the interval between decisions


@pytest.mark.parametrize(("apart", "expected"), [(599, "fail"), (600, "pass"), (601, "pass"), (0, "fail")])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_requester_waits_between_its_payments(apart: int, expected: str, sign: int):
    by = policy(ai_decision_interval_seconds=600)
    on = spend(decided=NOW - 5_000, entries=(entry(2, 1, decided=NOW - 5_000 - sign * apart),))
    judged = verdict("ai_decision_interval_seconds", by, on)
    assert judged.words[1:] == (expected, str(apart), "600")
    assert judged.id == (None if expected == "pass" else "policy-decision-interval")


def test_an_interval_is_each_requesters_own():
    by = policy(ai_decision_interval_seconds=600)
    assert words("ai_decision_interval_seconds", by, spend()) == ("pass", "-", "600")
    for other in (entry(2, 1, decided=NOW - 60, requester="other"), entry(1, 1, decided=NOW - 60)):
        # somebody else's, or a replacement of this very payment
        assert words("ai_decision_interval_seconds", by, spend(entries=(other,))) == ("pass", "-", "600")
    # another strategy of the same requester is the same requester
    assert outcome("ai_decision_interval_seconds", by, spend(entries=(entry(2, 1, strategy="x"),))) == "fail"


def test_a_decision_in_the_future_is_one_just_now():
    by = policy(ai_decision_interval_seconds=600)
    for ahead, expected in ((0, "pass"), (1, "fail"), (10**9, "fail")):
        on = spend(decided=NOW - 700, entries=(entry(2, 1, age=-ahead, decided=NOW + ahead),))
        assert outcome("ai_decision_interval_seconds", by, on) == expected, ahead


def test_many_requests_are_signed_in_one_visit_if_they_were_asked_for_in_time():
    by = policy(ai_decision_interval_seconds=3_600)
    signed: list = []
    for hour in range(24):
        on = spend(anchor=coin(hour), decided=NOW - 3_600 * hour, entries=tuple(signed))
        assert outcome("ai_decision_interval_seconds", by, on) == "pass"
        signed.append(on.entry(approved=False))
    between = spend(anchor=coin(99), decided=NOW - 5_400, entries=tuple(signed))
    assert verdict("ai_decision_interval_seconds", by, between).value == "1800"


# strategies


def test_the_first_spend_of_a_strategy_is_approved_by_a_person():
    by = policy(auto_approve_new_strategies=False)
    new = verdict("auto_approve_new_strategies", by, spend())
    assert (new.words[1:], new.id) == (("fail", "new", "no"), "approval-missing-strategy")
    assert "1 of group desk must approve, 0 did" in new.message
    assert words("auto_approve_new_strategies", by, spend(approvers=frozenset({"bert"}))) == (
        "pass",
        "new",
        "no",
    )
    assert words("auto_approve_new_strategies", by, spend(strategy_known=True)) == ("pass", "known", "no")
    allowed = policy(auto_approve_new_strategies=True)
    assert words("auto_approve_new_strategies", allowed, spend()) == ("pass", "-", "yes")


# destinations


def descriptor_policy(**rules: object):
    """A policy that knows the wallet of another house as `partner`."""
    return PolicyDraft(
        tiers=(),
        addresses={"partner": wpkh_descriptor(9), "zero": payment(0).address},
        rules=dict(rules),  # type: ignore[arg-type]
    ).policy()


def to_partner(index: int, sats: int = 1_000, branch: int = 0) -> Payment:
    wallet = RegisteredWallet.register("partner", Network.REGTEST, wpkh_descriptor(9))
    return Payment(wallet.address(branch, index), wallet.scripts(branch, index).script_pubkey, Amount(sats))


def test_a_descriptor_allows_the_addresses_that_its_owner_hands_out():
    by = descriptor_policy(allowed_destinations=("partner",))
    for index, expected in ((0, "pass"), (REACH - 1, "pass"), (REACH, "fail")):
        assert outcome("allowed_destinations", by, spend(payments=(to_partner(index),))) == expected, index
    assert outcome("allowed_destinations", by, spend(payments=(to_partner(0, branch=1),))) == "fail"
    mixed = spend(payments=(to_partner(3), payment(0), payment(1)))
    assert verdict("allowed_destinations", by, mixed).value == "2"
    both = descriptor_policy(allowed_destinations=("partner", "zero"))
    assert verdict("allowed_destinations", both, mixed).value == "1"


def test_a_denied_destination_is_refused_wherever_it_stands():
    by = policy(denied_destinations=("s1", "s2"))
    assert words("denied_destinations", by, spend()) == ("pass", "0", "0")
    assert words("denied_destinations", by, spend(payments=())) == ("pass", "0", "0")
    for payments, count in (((payment(1),), 1), ((payment(0), payment(2)), 1), ((payment(2), payment(1)), 2)):
        denied = verdict("denied_destinations", by, spend(payments=payments))
        assert (denied.id, denied.value) == ("policy-destination-denied", str(count))
    # what is compared is the script, not what a text says
    lying = Payment(payment(5).address, script(1), Amount(1))
    assert outcome("denied_destinations", by, spend(payments=(lying,))) == "fail"
    known = descriptor_policy(denied_destinations=("partner",))
    assert outcome("denied_destinations", known, spend(payments=(to_partner(17),))) == "fail"
    assert outcome("denied_destinations", known, spend(payments=(payment(0),))) == "pass"


@pytest.mark.parametrize(
    ("age", "before", "expected"),
    [
        (WEEK - 1, 29_999, "pass"),
        (WEEK - 1, 30_000, "pass"),
        (WEEK - 1, 30_001, "fail"),
        (WEEK, 30_001, "pass"),
        (-5, 30_001, "fail"),
    ],
)
def test_a_destination_gets_so_much_in_a_week(age: int, before: int, expected: str):
    by = policy(max_destination_spend_sats=100_000)
    past = entry(2, 5_000_000, age=age, paid={script(0): before, script(1): 4_000_000})
    judged = verdict("max_destination_spend_sats", by, spend(entries=(past,)))
    assert judged.outcome.value == expected
    assert judged.value == str(70_000 + (before if age < WEEK else 0))
    if expected == "fail":
        assert judged.id == "policy-destination-limit"
        assert payment(0).address in judged.message


def test_a_destination_is_held_to_the_share_and_fees_are_nobodys():
    by = policy(max_destination_spend_sats=105_000)
    on = spend(fee=Amount(50_000), spent=Amount(120_000), share=THIRD)
    assert words("max_destination_spend_sats", by, on) == ("pass", "70000", "70000")
    assert words("max_destination_spend_sats", policy(max_destination_spend_sats=104_999), on)[0] == "fail"
    assert words("max_destination_spend_sats", by, spend(payments=())) == ("pass", "0", "105000")


def test_replacements_pay_a_destination_once():
    by = policy(max_destination_spend_sats=100_000)
    past = (
        entry(2, 1, paid={script(0): 30_000}),
        entry(2, 1, paid={script(0): 10_000}),
        entry(1, 1, paid={script(0): 65_000}),
    )
    assert words("max_destination_spend_sats", by, spend(entries=past)) == ("pass", "100000", "100000")
    assert (
        outcome("max_destination_spend_sats", by, spend(entries=(*past, entry(3, 1, paid={script(0): 1}))))
        == "fail"
    )
    # an earlier form of this payment paid more than this one does: it may be the one that confirms
    larger = (entry(1, 1, paid={script(0): 100_001}),)
    assert words("max_destination_spend_sats", by, spend(entries=larger)) == ("fail", "100001", "100000")


def test_the_addresses_of_a_descriptor_are_one_destination():
    by = descriptor_policy(max_destination_spend_sats=3_000)
    past = (entry(2, 1, paid={to_partner(5).script: 1_000}),)
    two = spend(payments=(to_partner(0), to_partner(1)), entries=past)
    assert words("max_destination_spend_sats", by, two) == ("pass", "3000", "3000")
    more = spend(payments=(to_partner(0), to_partner(1, 1_001)), entries=past)
    assert "to partner within a week" in verdict("max_destination_spend_sats", by, more).message
    # each other address is a destination of its own
    apart = spend(payments=(payment(1, 3_000), payment(2, 3_000)))
    assert words("max_destination_spend_sats", by, apart) == ("pass", "3000", "3000")


def test_an_address_is_used_once():
    by = policy(no_address_reuse=True)
    assert words("no_address_reuse", by, spend(own=(own(),))) == ("pass", "0", "0")
    paid = verdict("no_address_reuse", by, spend(used=frozenset({script(0), script(7)})))
    assert (paid.id, paid.value) == ("policy-address-reused", "1")
    assert payment(0).address in paid.message
    change = verdict("no_address_reuse", by, spend(own=(own(3),), used=frozenset({own_script(3)})))
    assert (change.value, "change" in change.message) == ("1", True)
    # change to where a coin of this very transaction comes from
    home = spend(own=(own(3),), sources=frozenset({own_script(3), own_script(4)}))
    assert words("no_address_reuse", by, home) == ("fail", "1", "0")
    twice = spend(own=(own(3), own(3, 5)))
    assert words("no_address_reuse", by, twice) == ("fail", "2", "0")
    assert words("no_address_reuse", policy(no_address_reuse=False), twice) == ("pass", "-", "no")
    assert words("no_address_reuse", policy(), twice) == ("pass", "-", "-")


# fees and change


@pytest.mark.parametrize(
    ("fee", "value", "expected"),
    [
        (3_499, "4.999", "pass"),
        (3_500, "5", "pass"),
        (3_501, "5.002", "fail"),
        (0, "0", "pass"),
        (140_000, "200", "fail"),
    ],
)
def test_a_fee_in_percent_of_what_is_paid(fee: int, value: str, expected: str):
    by = policy(max_fee_percent=5)
    judged = verdict("max_fee_percent", by, spend(fee=Amount(fee), own=(own(0, 10**8),)))
    assert judged.words[1:] == (expected, value, "5")
    assert judged.id == (None if expected == "pass" else "policy-fee-percent")


def test_a_fee_where_nothing_is_paid_is_measured_against_what_is_moved():
    by = policy(max_fee_percent=1)
    moved = spend(kind=IntentKind.OWN, payments=(), own=(own(0, 60_000), own(1, 40_000)), fee=Amount(1_000))
    assert words("max_fee_percent", by, moved) == ("pass", "1", "1")
    dear = spend(kind=IntentKind.OWN, payments=(), own=(own(0, 99_999),), fee=Amount(1_000))
    assert words("max_fee_percent", by, dear) == ("fail", "1.001", "1")
    # nothing is divided by nothing (A011)
    nothing = spend(payments=(), own=(), fee=Amount(1))
    assert words("max_fee_percent", by, nothing) == ("fail", "-", "1")
    assert words("max_fee_percent", by, spend(payments=(payment(0, 0),), fee=Amount(0))) == ("pass", "-", "1")


def test_the_smallest_payment_and_the_largest_fee_have_a_value_that_a_receipt_can_hold():
    by = policy(max_fee_percent=100)
    judged = verdict(
        "max_fee_percent", by, spend(payments=(payment(0, 1),), fee=Amount(2_100_000_000_000_000 - 1))
    )
    assert judged.outcome is Outcome.FAIL
    assert len(judged.value or "") < 48


@pytest.mark.parametrize(("least", "expected"), [(9_999, "fail"), (10_000, "pass"), (10_001, "pass")])
def test_change_is_worth_its_fee(least: int, expected: str):
    by = policy(min_change_value_sats=10_000)
    judged = verdict("min_change_value_sats", by, spend(own=(own(0, 50_000), own(1, least))))
    assert judged.words[1:] == (expected, str(least), "10000")
    assert judged.id == (None if expected == "pass" else "policy-change-too-small")
    assert words("min_change_value_sats", by, spend(own=())) == ("pass", "-", "10000")


@pytest.mark.parametrize(("rate", "expected"), [(4_999, "pass"), (5_000, "pass"), (5_001, "fail")])
def test_coins_are_merged_while_it_is_cheap(rate: int, expected: str):
    by = policy(consolidate_below_fee_rate=5)
    merging = {"kind": IntentKind.OWN, "payments": (), "own": (own(),), "fee_rate": FeeRate(rate)}
    judged = verdict("consolidate_below_fee_rate", by, spend(inputs=2, **merging))
    assert (judged.outcome.value, judged.value, judged.limit) == (expected, FeeRate(rate).text(), "5")
    assert judged.id == (None if expected == "pass" else "policy-consolidation-fee-rate")
    # one input pays for its parent, and anything but moving coins within the wallet is no merging
    assert words("consolidate_below_fee_rate", by, spend(inputs=1, **merging)) == ("pass", "-", "5")
    for kind in (IntentKind.PAY, IntentKind.SWEEP, IntentKind.CANCEL):
        other = spend(**{**merging, "inputs": 9, "kind": kind})
        assert words("consolidate_below_fee_rate", by, other) == ("pass", "-", "5")


# what one side alone sees


@pytest.mark.parametrize(("found", "expected"), [(0, "fail"), (5, "fail"), (6, "pass"), (7, "pass")])
def test_coins_have_so_many_confirmations(found: int, expected: str):
    by = policy(min_confirmations=6)
    judged = verdict("min_confirmations", by, spend(outlook=Outlook(confirmations=found)))
    assert judged.words[1:] == (expected, str(found), "6")
    assert judged.id == (None if expected == "pass" else "policy-confirmations")
    inside = spend(payments=(), own=(own(),), outlook=Outlook(confirmations=found))
    assert words("min_confirmations", by, inside) == ("pass", "-", "6")


@pytest.mark.parametrize(
    ("used", "value", "expected"),
    [
        (149_999_999, "50", "pass"),
        (150_000_000, "50", "pass"),
        (150_000_001, "50.001", "fail"),
        (400_000_000, "133.334", "fail"),
    ],
)
def test_payments_wait_while_the_memory_pool_is_full(used: int, value: str, expected: str):
    by = policy(max_mempool_congestion_percent=50)
    judged = verdict(
        "max_mempool_congestion_percent",
        by,
        spend(outlook=Outlook(mempool_bytes=used, mempool_limit=300_000_000)),
    )
    assert judged.words[1:] == (expected, value, "50")
    assert judged.id == (None if expected == "pass" else "policy-mempool-congested")


@pytest.mark.parametrize(
    "rule", ["funding_proposal_max_pending", "min_confirmations", "max_mempool_congestion_percent"]
)
def test_what_a_side_cannot_see_it_says(rule: str):
    judged = verdict(rule, policy(**{rule: 0}), spend())
    assert judged.words[1:] == ("unseen", "-", "0")
    assert judged.message
    assert judged.id is None
    assert words(rule, policy(), spend()) == ("pass", "-", "-")


def test_a_pool_without_a_maximum_is_not_seen():
    by = policy(max_mempool_congestion_percent=50)
    for outlook in (Outlook(mempool_bytes=1), Outlook(mempool_bytes=1, mempool_limit=0)):
        assert outcome("max_mempool_congestion_percent", by, spend(outlook=outlook)) == "unseen"


def test_a_descriptor_is_searched_as_far_as_needed_and_no_further():
    node = RegisteredWallet.register("partner", Network.REGTEST, wpkh_descriptor(9)).descriptor
    reach = Reach(node)
    assert to_partner(0).script in reach
    assert reach.derived == 1
    assert to_partner(4).script in reach
    assert reach.derived == 5
    assert script(0) not in reach
    assert reach.derived == REACH
    again = RegisteredWallet.register("again", Network.REGTEST, wpkh_descriptor(9))
    # what was derived once is remembered, by whatever policy asks
    assert reach_of(again.descriptor_text, node) is reach_of(again.descriptor_text, again.descriptor)
