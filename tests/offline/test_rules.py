"""The rules at the offline machine: by its own journal, by its own clock, and it says what it cannot see."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline import screen
from falconer_offline.session import sign_session
from falconer_offline.state import records
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import VerificationError
from falconer_shared.policy.engine import ApprovalRefused, PolicyRefused
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.spend import Outlook
from tests.offline.office import NOW, Office, Ring, Willing, small
from tests.support.policies import PolicyDraft
from tests.support.refusal import refused
from tests.support.treasury import wpkh_wallet

DAY, WEEK = 86_400, 604_800


def make(tmp_path, **rules: object) -> Office:
    return Office.make(tmp_path / "home", wpkh_wallet(), rules=rules)


def signs(office: Office, data: bytes, now: int = NOW) -> None:
    sign_session(office.state(), office.judge(data, now), Willing(), Ring(office), lambda: now)


def values(office: Office, data: bytes, now: int = NOW) -> dict[str, tuple[str, str, str]]:
    return {v.rule: v.words[1:] for v in office.judge(data, now).approved.verdicts}


@pytest.mark.parametrize(("age", "expected"), [(WEEK - 1, "fail"), (WEEK, "pass")])
def test_a_week_ends_at_its_second(tmp_path, age, expected):
    office = make(tmp_path, max_weekly_spend_sats=71_000 + 71_001)
    signs(office, office.request(small(office.wallet, 0)))
    data = office.request(small(office.wallet, 2), now=NOW + age)
    if expected == "pass":
        assert values(office, data, NOW + age)["max_weekly_spend_sats"] == ("pass", "71004", "142001")
    else:
        with refused("policy-weekly-limit", PolicyRefused):
            office.judge(data, NOW + age)


@pytest.mark.parametrize(("age", "expected"), [(DAY - 1, "fail"), (DAY, "pass")])
def test_proposals_of_a_day_are_counted_by_the_journal(tmp_path, age, expected):
    office = make(tmp_path, max_daily_proposals=1)
    data = office.request()
    signs(office, data)
    # the same once more replaces it
    assert values(office, data)["max_daily_proposals"] == ("pass", "1", "1")
    other = office.request(small(office.wallet, 3), now=NOW + age)
    if expected == "pass":
        assert office.judge(other, NOW + age)
    else:
        with refused("policy-daily-proposals", PolicyRefused):
            office.judge(other, NOW + age)


def test_what_was_signed_is_remembered_with_all_that_rules_ask_for(tmp_path):
    office = make(tmp_path)
    data = office.request(alter_intent=lambda intent: dataclasses.replace(intent, strategy="dca"))
    judged = office.judge(data)
    signs(office, data)
    (entry,) = records.JournalHistory(office.state(), office.wallet.wallet_id).entries(0)
    assert entry == judged.approved.entry
    assert (entry.strategy, entry.decided) == ("dca", NOW - 60)
    assert entry.paid == {output.script: output.amount for output in judged.verified.payments}
    own = {item.scripts.script_pubkey for item in judged.verified.inputs}
    assert entry.own == own | {output.script for output in judged.verified.own_outputs}


def test_the_journal_answers_as_a_list_of_its_entries_would(tmp_path):
    office = make(tmp_path)
    for number in range(3):
        signs(office, office.request(small(office.wallet, number)))
    journal = records.JournalHistory(office.state(), office.wallet.wallet_id)
    model = Recorded.of(journal.entries(0))
    scripts = [script for entry in model.all for script in (*entry.paid, *entry.own)] + [b"\x51"]
    for besides in [entry.anchor for entry in model.all] + [OutPoint(bytes(32), 0)]:
        assert journal.used(scripts, besides) == model.used(scripts, besides)
        for paying in (False, True):
            assert journal.approved_before("agent", "-", besides, paying=paying) == model.approved_before(
                "agent", "-", besides, paying=paying
            )
    other = records.JournalHistory(office.state(), "00" * 32)
    assert other.used(scripts, OutPoint(bytes(32), 0)) == frozenset()


def test_an_address_that_this_machine_saw_paid_is_not_paid_again(tmp_path):
    office = make(tmp_path, no_address_reuse=True)
    data = office.request()
    signs(office, data)
    assert office.judge(data), "the same transaction again is no reuse"
    payment = small(office.wallet, 5)
    with refused("policy-address-reused", PolicyRefused):
        office.judge(office.request(payment))


def test_a_requester_waits_between_what_it_asks_for(tmp_path):
    office = make(tmp_path, ai_decision_interval_seconds=600)

    def asked(number: int, before: int) -> bytes:
        return office.request(
            small(office.wallet, number),
            alter_intent=lambda intent: dataclasses.replace(intent, not_before=NOW - before),
        )

    signs(office, asked(1, 5_000))
    for before, passes in ((4_401, False), (4_400, True), (5_600, True), (5_599, False)):
        if passes:
            assert office.judge(asked(2, before))
        else:
            with refused("policy-decision-interval", PolicyRefused):
                office.judge(asked(2, before))


def test_a_new_strategy_is_approved_once(tmp_path):
    office = make(tmp_path)
    draft = PolicyDraft()
    office.draft = dataclasses.replace(
        office.draft,
        version=2,
        approvers=draft.approvers,
        groups=draft.groups,
        tiers=draft.tiers,
        rules={"auto_approve_new_strategies": False},
    )
    office.install(office.draft, NOW)
    with refused("approval-missing-strategy", ApprovalRefused):
        office.judge(office.request())
    signs(office, office.request(approvers=("anna",)))
    other = small(office.wallet, 3)
    assert values(office, office.request(other))["auto_approve_new_strategies"] == ("pass", "known", "no")
    with refused("approval-missing-strategy", ApprovalRefused):
        office.judge(
            office.request(other, alter_intent=lambda intent: dataclasses.replace(intent, strategy="other"))
        )


def test_hours_are_those_of_this_machines_clock(tmp_path):
    # NOW is Friday, 09:00 in Berlin
    office = make(
        tmp_path,
        allowed_hours_start="08:00",
        allowed_hours_end="09:00",
        allowed_timezone="Europe/Berlin",
        weekend_operations=False,
    )
    data = office.request()
    assert office.judge(data, NOW + 59)
    with refused("policy-hours-after-end", PolicyRefused):
        office.judge(data, NOW + 60)
    with refused("policy-weekend", PolicyRefused):
        office.judge(office.request(now=NOW + DAY), NOW + DAY)
    with refused("policy-hours-before-start", PolicyRefused):
        office.judge(office.request(now=NOW + 3 * DAY - 3_601), NOW + 3 * DAY - 3_601)


def test_what_this_machine_cannot_see_it_says_and_shows_what_the_coordinator_says(tmp_path):
    office = make(
        tmp_path, min_confirmations=3, max_mempool_congestion_percent=50, funding_proposal_max_pending=9
    )
    outlook = Outlook(pending=4, confirmations=6, mempool_bytes=1, mempool_limit=3)
    judged = office.judge(office.request(outlook=outlook))
    lines = [line.plain for line in screen.page(judged, office.state())]
    for here, there in (
        ("NOT JUDGED  min_confirmations: - of 3", "at the coordinator: 6 of 3"),
        ("NOT JUDGED  max_mempool_congestion_percent: - of 50", "at the coordinator: 33.334 of 50"),
        ("NOT JUDGED  funding_proposal_max_pending: - of 9", "at the coordinator: 4 of 9"),
    ):
        place = next(number for number, line in enumerate(lines) if line.endswith(here))
        assert lines[place + 1].endswith(there)


def test_a_coordinator_that_judges_a_fee_in_percent_otherwise_is_found(tmp_path):
    office = make(tmp_path, max_fee_percent=5)
    assert values(office, office.request())["max_fee_percent"] == ("pass", "1.429", "5")

    def lie(request):
        rules = tuple(
            dataclasses.replace(line, value="1.428") if line.name == "max_fee_percent" else line
            for line in request.rules
        )
        return dataclasses.replace(request, rules=rules)

    with refused("verdict-mismatch", VerificationError):
        office.judge(office.request(alter_request=lie))
