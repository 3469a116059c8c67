"""The rules that look back, against models that count by brute force; and no rule cares in which order a history was written."""

from __future__ import annotations

import dataclasses
import random
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.engine import evaluate
from falconer_shared.policy.history import Recorded, SpendEntry
from falconer_shared.policy.spend import Outcome, Outlook, Share, Spend
from falconer_shared.policy.zones import local_time
from falconer_shared.units import Amount
from tests.support.policies import PolicyDraft, coin
from tests.support.spends import NOW, entry, own_script, payment, policy, script, spend, verdict
from tests.support.treasury import stranger_address

DAY, WEEK = 86_400, 604_800

AGES = st.one_of(
    st.integers(-100, WEEK + 100),
    # where windows end
    st.sampled_from([0, DAY - 1, DAY, WEEK - 1, WEEK, -1]),
)

PAID = st.dictionaries(st.integers(0, 3).map(script), st.integers(0, 100), max_size=3)


@st.composite
def entries(draw: st.DrawFn) -> SpendEntry:
    return entry(
        draw(st.integers(1, 5)),
        draw(st.integers(0, 100)),
        age=draw(AGES),
        approved=draw(st.booleans()),
        paid=draw(PAID),
        own=frozenset(draw(st.sets(st.integers(0, 3).map(own_script), max_size=2))),
        requester=draw(st.sampled_from(["agent", "other"])),
        strategy=draw(st.sampled_from(["-", "dca"])),
        decided=NOW - draw(st.integers(-50, 2 * WEEK)),
    )


HISTORIES = st.lists(entries(), max_size=10)
SHARES = st.sampled_from([Share(1, 1), Share(2, 3), Share(3, 5, whole=True)])


@st.composite
def spends(draw: st.DrawFn) -> Spend:
    """A spend under the anchor 1 to 6 whose history is drawn too."""
    past = tuple(draw(HISTORIES))
    anchor = coin(draw(st.integers(1, 6)))
    payments = tuple(
        payment(number, draw(st.integers(0, 100))) for number in sorted(draw(st.sets(st.integers(0, 3))))
    )
    recorded = Recorded(past)
    return spend(
        anchor=anchor,
        payments=payments,
        spent=Amount(sum(int(each.amount) for each in payments) + draw(st.integers(0, 9))),
        decided=NOW - draw(st.integers(0, WEEK)),
        requester=draw(st.sampled_from(["agent", "other"])),
        strategy=draw(st.sampled_from(["-", "dca"])),
        share=draw(SHARES),
        entries=past,
        used=recorded.used({each.script for each in payments}, anchor),
        strategy_known=False,
        outlook=Outlook(pending=1, confirmations=1, mempool_bytes=1, mempool_limit=1),
    )


def confirmable(on: Spend, seconds: int, worth: object) -> int:
    """The most that the transactions of a window can be worth together: of each set that spends one coin, one confirms."""
    candidates = [(on.anchor, worth(on))] + [
        (each.anchor, worth(each)) for each in on.entries if on.now - each.at < seconds
    ]
    best = 0
    anchors = {anchor for anchor, _ in candidates}
    for size in range(len(candidates) + 1):
        for chosen in combinations(candidates, size):
            if len({anchor for anchor, _ in chosen}) == size:
                best = max(best, sum(value for _, value in chosen))
    assert len(anchors) <= 6
    return best


@settings(max_examples=60, deadline=None)
@given(spends(), st.integers(0, 400))
def test_sums_are_what_could_confirm(on: Spend, limit: int):
    on = dataclasses.replace(on, entries=on.entries[:6])
    for rule, seconds in (("max_daily_spend_sats", DAY), ("max_weekly_spend_sats", WEEK)):
        total = confirmable(on, seconds, lambda each: int(each.spent))
        judged = verdict(rule, policy(**{rule: limit}), on)
        assert judged.value == str(total)
        assert (judged.outcome is Outcome.PASS) == (total <= on.share.of(limit))


@settings(max_examples=60, deadline=None)
@given(spends(), st.integers(0, 400))
def test_a_destination_gets_at_most_what_could_confirm(on: Spend, limit: int):
    on = dataclasses.replace(on, entries=on.entries[:6])

    def paid(to: bytes):
        return lambda each: (each.paid() if isinstance(each, Spend) else each.paid).get(to, 0)

    totals = [confirmable(on, WEEK, paid(each.script)) for each in on.payments]
    judged = verdict("max_destination_spend_sats", policy(max_destination_spend_sats=limit), on)
    assert judged.value == str(max(totals, default=0))
    assert (judged.outcome is Outcome.PASS) == all(total <= on.share.of(limit) for total in totals)


@given(spends(), st.integers(0, 8))
def test_proposals_are_counted_by_the_coin_that_they_name(on: Spend, limit: int):
    coins: list[OutPoint] = [on.anchor]
    for each in on.entries:
        if on.now - each.at < DAY and each.anchor not in coins:
            coins.append(each.anchor)
    judged = verdict("max_daily_proposals", policy(max_daily_proposals=limit), on)
    assert judged.value == str(len(coins))
    assert (judged.outcome is Outcome.PASS) == (len(coins) <= limit)


@given(spends(), st.integers(1, WEEK))
def test_an_interval_lies_between_any_two(on: Spend, limit: int):
    near = [
        each
        for each in on.entries
        if each.requester == on.requester
        and each.anchor != on.anchor
        and (each.decided > on.now or on.decided - limit < each.decided < on.decided + limit)
    ]
    judged = verdict("ai_decision_interval_seconds", policy(ai_decision_interval_seconds=limit), on)
    assert (judged.outcome is Outcome.PASS) == (not near)


@given(
    st.lists(st.tuples(st.integers(0, 2 * WEEK), st.integers(0, 4 * WEEK)), max_size=40),
    st.integers(3_600, WEEK),
)
def test_however_the_coordinator_lies_a_requester_gets_one_payment_in_every_interval(
    tries: list[tuple[int, int]], limit: int
):
    """It may claim any time of asking, at any time of signing. What passes is spread over the time that went by and one week."""
    by = policy(ai_decision_interval_seconds=limit)
    signed: list[SpendEntry] = []
    begin = NOW
    for number, (later, claimed) in enumerate(sorted(tries)):
        now = begin + later
        on = spend(
            anchor=coin(number),
            now=now,
            # as the engine bounds it
            decided=max(now - claimed, now - WEEK),
            entries=tuple(each for each in signed if each.at > now - WEEK - limit),
        )
        if verdict("ai_decision_interval_seconds", by, on).outcome is Outcome.PASS:
            signed.append(on.entry(approved=False))
    times = sorted(each.decided for each in signed)
    assert all(after - before >= limit for before, after in pairwise(times))
    span = max((later for later, _ in tries), default=0)
    assert len(signed) <= (span + WEEK) // limit + 1


@given(spends())
def test_an_address_counts_as_used_by_another_transaction_at_any_time(on: Spend):
    reused = 0
    for each in on.payments:
        for before in on.entries:
            if before.anchor != on.anchor and (each.script in before.paid or each.script in before.own):
                reused += 1
                break
    judged = verdict("no_address_reuse", policy(no_address_reuse=True), on)
    assert judged.value == str(reused)
    assert (judged.outcome is Outcome.PASS) == (reused == 0)


@given(st.integers(0, 4 * 10**9), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
       st.integers(0, 1439), st.integers(0, 1439))  # fmt: skip
def test_hours_are_the_minutes_from_start_to_end_going_round_the_clock(
    now: int, zone: str, start: int, end: int
):
    if start == end:
        return
    minute, allowed = start, {start}
    while minute != end:
        minute = (minute + 1) % 1440
        allowed.add(minute)
    by = policy(
        allowed_hours_start=f"{start // 60:02}:{start % 60:02}",
        allowed_hours_end=f"{end // 60:02}:{end % 60:02}",
        allowed_timezone=zone,
    )
    judged = [verdict(rule, by, spend(now=now)) for rule in ("allowed_hours_start", "allowed_hours_end")]
    assert all(each.outcome is Outcome.PASS for each in judged) == (local_time(zone, now).minute in allowed)


EVERYTHING = {
    "ai_decision_interval_seconds": 5_000,
    "allowed_destinations": ("s0", "s1"),
    "allowed_hours_end": "17:00",
    "allowed_hours_start": "09:30",
    "allowed_timezone": "Europe/Berlin",
    "auto_approve_new_strategies": False,
    "consolidate_below_fee_rate": 2,
    "denied_destinations": ("s2",),
    "funding_proposal_expiry_hours": 1,
    "funding_proposal_max_pending": 1,
    "funding_proposal_threshold_sats": 50,
    "human_approval_threshold_sats": 80,
    "max_daily_proposals": 3,
    "max_daily_spend_sats": 200,
    "max_destination_spend_sats": 120,
    "max_fee_percent": 3,
    "max_fee_rate_sats_per_vbyte": 5,
    "max_fee_sats": 1_000,
    "max_mempool_congestion_percent": 99,
    "max_single_tx_sats": 150,
    "max_weekly_spend_sats": 300,
    "min_change_value_sats": 1,
    "min_confirmations": 2,
    "no_address_reuse": True,
    "weekend_operations": False,
}


@settings(max_examples=80, deadline=None)
@given(spends(), st.randoms(use_true_random=False))
def test_no_verdict_depends_on_the_order_of_history(on: Spend, chance: random.Random):
    by = PolicyDraft(
        addresses={f"s{number}": stranger_address(number) for number in range(3)}, rules=dict(EVERYTHING)
    ).policy()
    shuffled = list(on.entries)
    chance.shuffle(shuffled)
    assert evaluate(by, on) == evaluate(by, dataclasses.replace(on, entries=tuple(shuffled)))


@settings(max_examples=80, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_answer_of_a_history_depends_on_its_order(
    past: list[SpendEntry], chance: random.Random, anchor: int
):
    shuffled = list(past)
    chance.shuffle(shuffled)
    one, other = Recorded.of(past), Recorded.of(shuffled)
    asked = [script(number) for number in range(5)] + [own_script(number) for number in range(5)]
    assert one.used(asked, coin(anchor)) == other.used(asked, coin(anchor))
    for paying in (False, True):
        assert one.approved_before("agent", "dca", coin(anchor), paying=paying) == other.approved_before(
            "agent", "dca", coin(anchor), paying=paying
        )
    assert set(map(repr, one.entries(NOW - DAY))) == set(map(repr, other.entries(NOW - DAY)))


@settings(max_examples=80, deadline=None)
@given(spends(), entries())
def test_more_history_never_makes_a_sum_smaller(on: Spend, more: SpendEntry):
    by = policy(
        max_daily_spend_sats=0, max_weekly_spend_sats=0, max_destination_spend_sats=0, max_daily_proposals=0
    )
    longer = dataclasses.replace(on, entries=(*on.entries, more))
    for before, after in zip(evaluate(by, on), evaluate(by, longer), strict=True):
        if before.value is not None:
            assert int(after.value or 0) >= int(before.value)
