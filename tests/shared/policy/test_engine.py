"""The judgement: each rule at its boundary, sums over windows, shares, tiers, and who alone may approve."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.approval.quorum import Approval
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import ApprovalError, FalconerError, PolicyViolation, StateError
from falconer_shared.policy.engine import (
    STATELESS_RULES,
    ApprovalRefused,
    ApprovedTransaction,
    PolicyRefused,
    _reason,
    approve,
    evaluate,
    is_approved,
    tier_of,
)
from falconer_shared.policy.history import Recorded, SpendEntry
from falconer_shared.policy.parts import ApprovalTier
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.policy.spend import (
    NOTHING_SEEN,
    Outcome,
    Outlook,
    Payment,
    Share,
    Spend,
    Verdict,
    share_of,
)
from falconer_shared.policy.values import APPROVAL_RULES, RULES
from falconer_shared.policy.windows import DAY_SECONDS, WEEK_SECONDS
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.policies import PolicyDraft, SshKey, approvals, coin, holders
from tests.support.spends import NOW, entry, payment, script, spend
from tests.support.treasury import NOTHING_KNOWN, stranger_address, wpkh_wallet, wsh_wallet
from tests.support.treasury import Payment as Draft


def draft(**rules: int | tuple[str, ...]) -> PolicyDraft:
    tiers = PolicyDraft.tiers if "human_approval_threshold_sats" in rules else ()
    return PolicyDraft(
        tiers=tiers, rules=dict(rules), addresses={"one": stranger_address(1), "zero": stranger_address(0)}
    )


def verdict(rule: str, draft: PolicyDraft, spend: Spend) -> Verdict:
    return next(verdict for verdict in evaluate(draft.policy(), spend) if verdict.rule == rule)


def strictest() -> PolicyDraft:
    """Every rule set, so that a plain spend runs against most of them."""
    return PolicyDraft(
        addresses={"one": stranger_address(1), "zero": stranger_address(0)},
        rules={
            "ai_decision_interval_seconds": 60,
            "allowed_destinations": ("one",),
            "allowed_hours_end": "08:30",
            "allowed_hours_start": "07:30",
            "allowed_timezone": "Europe/Berlin",
            "auto_approve_new_strategies": False,
            "consolidate_below_fee_rate": 1,
            "denied_destinations": ("zero",),
            "funding_proposal_expiry_hours": 1,
            "funding_proposal_max_pending": 1,
            "funding_proposal_threshold_sats": 1,
            "human_approval_threshold_sats": 1,
            "max_daily_proposals": 1,
            "max_daily_spend_sats": 1,
            "max_destination_spend_sats": 1,
            "max_fee_percent": 1,
            "max_fee_rate_sats_per_vbyte": 1,
            "max_fee_sats": 1,
            "max_mempool_congestion_percent": 1,
            "max_single_tx_sats": 1,
            "max_weekly_spend_sats": 1,
            "min_change_value_sats": 1,
            "min_confirmations": 1,
            "no_address_reuse": True,
            "weekend_operations": False,
        },
    )


# Verdicts


def test_there_is_one_verdict_for_every_rule_in_alphabetical_order():
    verdicts = evaluate(draft().policy(), spend())
    assert [verdict.rule for verdict in verdicts] == list(RULES)
    assert all(verdict.words == (verdict.rule, "pass", "-", "-") for verdict in verdicts)


def test_the_rules_that_depend_on_no_state():
    """They must come out equal on both sides. All others look at a history, at the clock, or at what one side alone sees."""
    assert frozenset(RULES) - STATELESS_RULES == {
        "ai_decision_interval_seconds",
        "allowed_hours_end",
        "allowed_hours_start",
        "auto_approve_new_strategies",
        "funding_proposal_max_pending",
        "human_approval_threshold_sats",
        "max_daily_proposals",
        "max_daily_spend_sats",
        "max_destination_spend_sats",
        "max_mempool_congestion_percent",
        "max_weekly_spend_sats",
        "min_confirmations",
        "no_address_reuse",
        "weekend_operations",
    }
    strict = strictest().policy()
    busy = spend(
        # 26 hours later, on Saturday
        entries=(entry(2, 500_000, paid={script(): 1}, age=-90_000), entry(1, 9)),
        now=NOW + 93_600,
        decided=NOW + 5,
        share=Share(2, 3),
        used=frozenset({script()}),
        strategy_known=True,
        outlook=Outlook(pending=9, confirmations=0, mempool_bytes=1, mempool_limit=1),
    )
    differing = set()
    for one, other in zip(evaluate(strict, spend()), evaluate(strict, busy), strict=True):
        if one != other:
            differing.add(one.rule)
    # each rule that may differ does, so that none is in the list without need
    assert differing == frozenset(RULES) - STATELESS_RULES


@pytest.mark.parametrize(
    ("rule", "limit", "field", "at", "above", "id"),
    [
        ("max_single_tx_sats", 71_000, "spent", Amount(71_000), Amount(71_001), "policy-single-limit"),
        ("max_single_tx_sats", 0, "spent", Amount(0), Amount(1), "policy-single-limit"),
        ("max_daily_spend_sats", 71_000, "spent", Amount(71_000), Amount(71_001), "policy-daily-limit"),
        ("max_fee_sats", 1_000, "fee", Amount(1_000), Amount(1_001), "policy-fee-limit"),
        (
            "max_fee_rate_sats_per_vbyte",
            5,
            "fee_rate",
            FeeRate(5_000),
            FeeRate(5_001),
            "policy-fee-rate-limit",
        ),
        (
            "human_approval_threshold_sats",
            71_000,
            "spent",
            Amount(71_000),
            Amount(71_001),
            "approval-missing",
        ),
    ],
)
def test_limits_are_inclusive(rule: str, limit: int, field: str, at: Amount, above: Amount, id: str):  # noqa: A002
    policy = draft(**{rule: limit})
    passed = verdict(rule, policy, spend(**{field: at}))
    assert (passed.outcome, passed.id, passed.limit) == (Outcome.PASS, None, str(limit))
    failed = verdict(rule, policy, spend(**{field: above}))
    assert (failed.outcome, failed.id, failed.limit) == (Outcome.FAIL, id, str(limit))
    assert failed.message
    assert all(" " not in word for word in failed.words)


def test_values_are_spelt_as_receipts_spell_them():
    policy = draft(max_fee_rate_sats_per_vbyte=5, max_single_tx_sats=70_999)
    assert verdict("max_fee_rate_sats_per_vbyte", policy, spend(fee_rate=FeeRate(4_567))).words == (
        "max_fee_rate_sats_per_vbyte", "pass", "4.567", "5"
    )  # fmt: skip
    assert verdict("max_single_tx_sats", policy, spend()).words == (
        "max_single_tx_sats",
        "fail",
        "71000",
        "70999",
    )


def test_all_that_fails_fails_at_once():
    policy = draft(
        max_fee_sats=0, max_fee_rate_sats_per_vbyte=0, max_single_tx_sats=0, max_daily_spend_sats=0
    )
    failed = [v.rule for v in evaluate(policy.policy(), spend()) if v.outcome is Outcome.FAIL]
    assert failed == [
        "max_daily_spend_sats",
        "max_fee_rate_sats_per_vbyte",
        "max_fee_sats",
        "max_single_tx_sats",
    ]


# Destinations (A131, A132)


def test_every_output_that_is_not_ours_must_be_allowed():
    policy = draft(allowed_destinations=("one", "zero"))
    both = (payment(0), payment(1))
    assert verdict("allowed_destinations", policy, spend(payments=both)).outcome is Outcome.PASS
    assert verdict("allowed_destinations", policy, spend(payments=())).words[1:] == ("pass", "0", "0")
    for position in range(3):
        payments = list(both)
        payments.insert(position, payment(2))
        failed = verdict("allowed_destinations", policy, spend(payments=tuple(payments)))
        assert failed.id == "policy-destination-not-allowed"
        assert failed.value == "1"
        assert stranger_address(2) in failed.message


def test_being_in_the_address_book_is_not_being_allowed():
    failed = verdict(
        "allowed_destinations", draft(allowed_destinations=("one",)), spend(payments=(payment(0),))
    )
    assert failed.outcome is Outcome.FAIL


def test_scripts_are_compared_and_not_what_a_text_says():
    lying = Payment(stranger_address(1), script_of(stranger_address(2), Network.REGTEST), Amount(1))
    assert (
        verdict("allowed_destinations", draft(allowed_destinations=("one",)), spend(payments=(lying,))).id
        is not None
    )


# Windows and shares


def test_the_day_is_summed_with_this_transaction():
    policy = draft(max_daily_spend_sats=100_000)
    assert verdict("max_daily_spend_sats", policy, spend(entries=(entry(2, 29_000),))).value == "100000"
    assert verdict("max_daily_spend_sats", policy, spend(entries=(entry(2, 29_001),))).outcome is Outcome.FAIL
    assert (
        verdict("max_daily_spend_sats", policy, spend(entries=(entry(2, 29_001, approved=True),))).outcome
        is Outcome.FAIL
    )
    past = entry(2, 29_001, age=DAY_SECONDS)
    assert verdict("max_daily_spend_sats", policy, spend(entries=(past,))).outcome is Outcome.PASS
    just = entry(2, 29_001, age=DAY_SECONDS - 1)
    assert verdict("max_daily_spend_sats", policy, spend(entries=(just,))).outcome is Outcome.FAIL
    # a replacement of the same coin is not another spend
    assert verdict("max_daily_spend_sats", policy, spend(entries=(entry(1, 99_000),))).value == "99000"


def test_a_share_is_rounded_down():
    assert Share(2, 3).of(100) == 66
    assert Share(1, 2).of(1) == 0
    assert Share(3, 3).of(100) == 100
    assert Share(2, 3, whole=True).of(100) == 100
    for k, n in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="k of n"):
            Share(k, n)


@pytest.mark.parametrize(
    ("rule", "id"),
    [("max_daily_spend_sats", "policy-daily-limit"), ("human_approval_threshold_sats", "approval-missing")],
)
def test_sums_are_held_to_the_share(rule: str, id: str):  # noqa: A002
    policy = draft(**{rule: 100_000})
    assert verdict(rule, policy, spend(share=Share(2, 3), spent=Amount(66_666))).limit == "66666"
    assert verdict(rule, policy, spend(share=Share(2, 3), spent=Amount(66_667))).id == id
    assert (
        verdict(rule, policy, spend(share=Share(2, 3, whole=True), spent=Amount(100_000))).outcome
        is Outcome.PASS
    )
    # single payments and fees are whole
    single = draft(max_single_tx_sats=71_000, max_fee_sats=1_000, max_fee_rate_sats_per_vbyte=5)
    assert all(v.outcome is Outcome.PASS for v in evaluate(single.policy(), spend(share=Share(1, 3))))


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 200), st.data())
def test_rotating_signers_never_sign_more_than_the_limit_together(
    k: int, more: int, limit: int, data: st.DataObject
):
    n = k + more
    machines = holders(*(f"machine-{number:02}" for number in range(n)))
    policy = PolicyDraft(tiers=(), signers=machines, rules={"max_daily_spend_sats": limit}).policy()
    seen: list[list[SpendEntry]] = [[] for _ in range(n)]
    total = 0
    for number in range(data.draw(st.integers(1, 12))):
        amount = data.draw(st.integers(1, 60))
        quorum = data.draw(st.permutations(range(n)))[:k]
        asked = spend(anchor=coin(number), spent=Amount(amount), share=share_of(policy, k, n))
        willing = [
            signer
            for signer in quorum
            if all(
                v.outcome is Outcome.PASS
                for v in evaluate(policy, dataclasses.replace(asked, entries=tuple(seen[signer])))
            )
        ]
        for signer in willing:
            seen[signer].append(entry(number, amount))
        if len(willing) == k:
            total += amount
    assert total <= limit


def test_shares_are_whole_only_where_mandatory_signers_see_everything():
    assert share_of(PolicyDraft().policy(), 2, 3) == Share(2, 3, whole=False)
    assert share_of(PolicyDraft(mandatory=("machine-a",)).policy(), 2, 3) == Share(2, 3, whole=True)


# Approvals


def test_splitting_does_not_pass_below_the_threshold():
    policy = draft(human_approval_threshold_sats=100_000)
    assert (
        verdict("human_approval_threshold_sats", policy, spend(entries=(entry(2, 29_000),))).outcome
        is Outcome.PASS
    )
    failed = verdict("human_approval_threshold_sats", policy, spend(entries=(entry(2, 29_001),)))
    assert failed.words == ("human_approval_threshold_sats", "fail", "100001", "100000")
    # what was approved, or is long past, adds nothing
    for other in (entry(2, 900_000, approved=True), entry(2, 900_000, age=DAY_SECONDS)):
        assert (
            verdict("human_approval_threshold_sats", policy, spend(entries=(other,))).outcome is Outcome.PASS
        )


def test_an_approved_replacement_does_not_hide_an_unapproved_one():
    policy = draft(human_approval_threshold_sats=100_000)
    entries = (entry(2, 29_001), entry(2, 90_000, approved=True))
    assert verdict("human_approval_threshold_sats", policy, spend(entries=entries)).value == "100001"


def test_approvals_by_the_quorum_lift_the_threshold():
    policy = draft(human_approval_threshold_sats=1_000)
    assert verdict("human_approval_threshold_sats", policy, spend()).id == "approval-missing"
    passed = verdict(
        "human_approval_threshold_sats",
        policy,
        spend(approvers=frozenset({"bert"}), entries=(entry(2, 900),)),
    )
    assert passed.words == ("human_approval_threshold_sats", "pass", "900", "1000")
    # an approved transaction passes though the day is full of unapproved ones
    full = spend(approvers=frozenset({"anna"}), entries=(entry(2, 5_000),))
    assert verdict("human_approval_threshold_sats", policy, full).outcome is Outcome.PASS
    # carl is an approver, and not of the group that this amount asks for
    assert (
        verdict("human_approval_threshold_sats", policy, spend(approvers=frozenset({"carl"}))).id
        == "approval-missing"
    )
    # a name of nobody's counts for nothing
    assert (
        verdict("human_approval_threshold_sats", policy, spend(approvers=frozenset({"mallory"}))).id
        == "approval-missing"
    )


def test_a_missing_approval_is_counted_in_its_group():
    policy = draft(human_approval_threshold_sats=1_000)
    failed = verdict(
        "human_approval_threshold_sats",
        policy,
        spend(spent=Amount(600_000), approvers=frozenset({"anna", "mallory"})),
    )
    assert failed.message.endswith("2 of group board must approve, 1 did")


def test_facts_and_verdicts_do_not_change():
    done = judged(the_policy())
    for frozen, name in (
        (done, "approved"),
        (done.spend, "spent"),
        (done.spend.share, "whole"),
        (done.spend.payments[0], "script"),
        (done.verdicts[0], "outcome"),
        (done.entry, "at"),
        (done.installed.policy, "rules"),
    ):
        with pytest.raises(AttributeError):
            setattr(frozen, name, None)


def test_the_tier_is_the_highest_that_is_exceeded():
    three = PolicyDraft(
        tiers=(
            ApprovalTier(1_000, 1, "desk"),
            ApprovalTier(50_000, 2, "desk"),
            ApprovalTier(60_000, 3, "board"),
        )
    )
    policy = three.policy()
    for spent, k in ((1, 1), (1_000, 1), (1_001, 1), (50_000, 1), (50_001, 2), (60_000, 2), (60_001, 3)):
        assert tier_of(policy, spend(spent=Amount(spent))).k == k
    large = spend(spent=Amount(60_001))
    assert not is_approved(policy, dataclasses.replace(large, approvers=frozenset({"anna", "bert"})))
    assert is_approved(policy, dataclasses.replace(large, approvers=frozenset({"anna", "bert", "carl"})))
    assert is_approved(policy, spend(spent=Amount(60_000), approvers=frozenset({"anna", "bert"})))
    with pytest.raises(ValueError, match="asks nobody"):
        tier_of(draft().policy(), spend())
    assert not is_approved(draft().policy(), spend(approvers=frozenset({"anna"})))


def test_a_threshold_of_nothing_lets_nothing_pass_unapproved():
    policy = draft(human_approval_threshold_sats=0)
    assert verdict("human_approval_threshold_sats", policy, spend(spent=Amount(1))).id == "approval-missing"
    assert verdict("human_approval_threshold_sats", policy, spend(spent=Amount(0))).outcome is Outcome.PASS


# approve: the whole way


class Past(Recorded):
    """A history that remembers how far back it was asked."""

    def __init__(self, *entries: SpendEntry) -> None:
        super().__init__(entries)
        object.__setattr__(self, "asked", [])

    @property
    def since(self) -> int:
        return self.asked[-1]

    def entries(self, since: int) -> Sequence[SpendEntry]:
        self.asked.append(since)
        return super().entries(since)


@cache
def the_wallet(multi: bool = False) -> RegisteredWallet:
    return wsh_wallet() if multi else wpkh_wallet()


@cache
def the_transaction(multi: bool = False) -> VerifiedTransaction:
    wallet = the_wallet(multi)
    return verify(Draft(wallet).psbt(), wallet, NOTHING_KNOWN)


def the_policy(*, multi: bool = False, mandatory: tuple[str, ...] = (), **rules: int) -> InstalledPolicy:
    asks = APPROVAL_RULES & {name for name, value in rules.items() if value is not True}
    tiers = PolicyDraft.tiers if asks else ()
    machines = ("machine-a", "machine-b", "machine-c") if multi else ("machine-a",)
    return PolicyDraft(
        wallet_id=the_wallet(multi).wallet_id,
        tiers=tiers,
        signers=holders(*sorted({*machines, *mandatory})),
        mandatory=mandatory,
        rules=dict(rules),
    ).install()


def the_intent(installed: InstalledPolicy, verified: VerifiedTransaction, **changes: object) -> Intent:
    intent = Intent(
        kind=IntentKind.PAY,
        network=Network.REGTEST,
        wallet_id=verified.wallet.wallet_id,
        proposal="p-1",
        requester="agent",
        strategy="-",
        policy_version=installed.policy.version,
        policy_digest=installed.digest,
        spends=verified.inputs[0].outpoint,
        pays=tuple((output.amount, output.address) for output in verified.payments),
        max_fee=verified.fee,
        not_before=NOW - 60,
        expires=NOW + 3_600,
    )
    return dataclasses.replace(intent, **changes)  # type: ignore[arg-type]


def judged(
    installed: InstalledPolicy,
    *names: str,
    multi: bool = False,
    intent: Intent | None = None,
    shown: tuple[Approval, ...] | None = None,
    past: Past | None = None,
    signer: str | None = "machine-a",
    mandatory_done: frozenset[str] = frozenset(),
    outlook: Outlook = NOTHING_SEEN,
) -> ApprovedTransaction:
    verified = the_transaction(multi)
    intent = intent or the_intent(installed, verified)
    return approve(
        verified,
        installed,
        intent,
        approvals(intent.text, *names) if shown is None else shown,
        past or Past(),
        NOW,
        signer=signer,
        mandatory_done=mandatory_done,
        outlook=outlook,
        request_digest="77" * 32,
    )


def refused(rule: str, *arguments: object, **named: object) -> FalconerError:
    with pytest.raises(FalconerError) as caught:
        judged(*arguments, **named)  # type: ignore[arg-type]
    assert caught.value.rule == rule
    return caught.value


def test_what_is_approved_says_what_was_judged():
    installed = the_policy(human_approval_threshold_sats=1_000, max_daily_spend_sats=500_000)
    past = Past(entry(7, 12_345, approved=True))
    done = judged(installed, "bert", "carl", past=past)
    verified = the_transaction()
    assert (done.approvals, done.approved, done.judged_at) == (("bert", "carl"), True, NOW)
    assert (done.policy_version, done.policy_digest, done.request_digest) == (1, installed.digest, "77" * 32)
    assert past.since == NOW - WEEK_SECONDS
    assert verified.spent == 71_000
    daily = next(v for v in done.verdicts if v.rule == "max_daily_spend_sats")
    assert daily.value == str(71_000 + 12_345)
    assert done.entry == SpendEntry(
        anchor=verified.inputs[0].outpoint,
        unsigned_hash=verified.unsigned_hash,
        spent=Amount(71_000),
        paid={script(): 70_000},
        own=frozenset(
            {item.scripts.script_pubkey for item in verified.inputs}
            | {output.script for output in verified.own_outputs}
        ),
        approved=True,
        requester="agent",
        strategy="-",
        decided=NOW - 60,
        at=NOW,
    )


def test_below_the_threshold_nobody_need_approve_and_the_entry_says_so():
    done = judged(the_policy(human_approval_threshold_sats=71_000))
    assert (done.approvals, done.approved, done.entry.approved) == ((), False, False)
    assert judged(the_policy(human_approval_threshold_sats=71_000), "anna").entry.approved


def test_only_approve_makes_an_approved_transaction():
    done = judged(the_policy())
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(done, approved=True)
    with pytest.raises(TypeError):
        ApprovedTransaction(
            done.verified, done.intent, done.installed, (), True, done.spend, (), "", NOW, seal=object()  # type: ignore[arg-type]
        )  # fmt: skip


def test_missing_approvals_alone_are_a_matter_of_approval():
    error = refused("approval-missing", the_policy(human_approval_threshold_sats=1_000))
    assert isinstance(error, ApprovalRefused)
    assert isinstance(error, ApprovalError)
    assert len(error.verdicts) == len(RULES)
    assert error.EXIT_STATUS == 6


def test_everything_that_is_wrong_is_reported_together():
    installed = the_policy(
        human_approval_threshold_sats=1_000, max_single_tx_sats=1, max_daily_spend_sats=2, max_fee_sats=3
    )
    error = refused("policy-daily-limit", installed)
    assert isinstance(error, PolicyRefused)
    assert isinstance(error, PolicyViolation)
    assert error.EXIT_STATUS == 5
    assert [reason["id"] for reason in error.as_json_rules()] == [
        "policy-daily-limit",
        "policy-fee-limit",
        "policy-single-limit",
        "approval-missing",
    ]
    assert error.as_json_rules()[0]["value"] == "71000"
    assert len(error.verdicts) == len(RULES)
    assert "71,000 sats" in error.message


def test_an_intent_is_for_this_policy_wallet_and_network():
    installed = the_policy()
    verified = the_transaction()
    for changes, rule in (
        ({"policy_digest": "00" * 32}, "intent-other-policy"),
        ({"policy_version": 2}, "intent-other-policy"),
        ({"wallet_id": "cd" * 32}, "intent-other-wallet"),
        ({"spends": coin(9)}, "intent-coin-not-spent"),
        ({"max_fee": Amount(int(verified.fee) - 1)}, "intent-fee-exceeded"),
        ({"expires": NOW}, "intent-expired"),
        ({"not_before": NOW + 1}, "intent-not-yet-valid"),
    ):
        refused(rule, installed, intent=the_intent(installed, verified, **changes))
    judged(installed, intent=the_intent(installed, verified, not_before=NOW, expires=NOW + 1))


def test_a_policy_of_another_wallet_or_network_judges_nothing():
    verified = the_transaction()
    elsewhere = PolicyDraft(tiers=(), rules={}).install()
    refused("policy-other-wallet", elsewhere, intent=the_intent(elsewhere, verified))
    signet = PolicyDraft(
        network=Network.SIGNET, wallet_id=verified.wallet.wallet_id, tiers=(), rules={}
    ).install()
    refused("policy-other-network", signet, intent=the_intent(signet, verified))


def test_every_approval_shown_must_hold_needed_or_not():
    installed = the_policy()
    intent = the_intent(installed, the_transaction())
    good = approvals(intent.text, "anna")
    assert judged(installed, shown=good).approvals == ("anna",)
    refused("approval-unknown-key", installed, shown=(*good, *approvals(intent.text, "mallory")))
    # an administrator's or a machine's key is no approver's
    refused("approval-unknown-key", installed, shown=approvals(intent.text, "admin-a"))
    refused("approval-unknown-key", installed, shown=approvals(intent.text, "coordinator"))
    other = dataclasses.replace(intent, max_fee=Amount(intent.max_fee + 1))
    refused("approval-invalid", installed, shown=approvals(other.text, "anna"))
    wrong_place = Approval.parse(SshKey.of("anna").sign(intent.text, "falconer-policy@1"))
    refused("approval-invalid", installed, shown=(wrong_place,))


def test_one_approver_twice_is_one():
    # the amount asks for two of the board
    installed = PolicyDraft(
        wallet_id=the_wallet().wallet_id,
        tiers=(ApprovalTier(0, 2, "board"),),
        rules={"human_approval_threshold_sats": 1_000},
    ).install()
    refused("approval-missing", installed, "anna", "anna")
    assert judged(installed, "anna", "carl").approvals == ("anna", "carl")


def test_a_history_that_cannot_be_read_approves_nothing():
    class Broken:
        def entries(self, since: int) -> Sequence[SpendEntry]:
            raise StateError("state-tampered", f"nothing since {since} can be read")

    installed = the_policy()
    with pytest.raises(StateError):
        judged(installed, past=Broken())  # type: ignore[arg-type]


def test_the_history_is_asked_for_as_far_back_as_a_rule_looks():
    past = Past()
    judged(the_policy(ai_decision_interval_seconds=5_000), past=past)
    assert past.since == NOW - WEEK_SECONDS - 5_000


def test_the_whole_history_is_looked_through_only_where_a_rule_asks():
    class Short:
        def entries(self, since: int) -> Sequence[SpendEntry]:
            return ()

    assert judged(the_policy(no_address_reuse=False, auto_approve_new_strategies=True), past=Short())  # type: ignore[arg-type]
    for rules in ({"no_address_reuse": True}, {"auto_approve_new_strategies": False}):
        with pytest.raises(AttributeError):
            judged(the_policy(**rules), past=Short())  # type: ignore[arg-type]


def test_addresses_that_were_used_long_ago_are_found_in_the_history():
    installed = the_policy(no_address_reuse=True)
    verified = the_transaction()
    old = 10**9
    assert judged(installed, past=Past(entry(7, 1, age=old, paid={script(1): 1})))
    for touched in (verified.payments[0].script, verified.own_outputs[0].script):
        for past in (entry(7, 1, age=old, paid={touched: 1}), entry(7, 1, age=old, own=frozenset({touched}))):
            refused("policy-address-reused", installed, past=Past(past))
            replaced = dataclasses.replace(past, anchor=verified.inputs[0].outpoint)
            assert judged(installed, past=Past(replaced))


def test_a_coin_comes_from_an_address_that_is_used_by_that():
    done = judged(the_policy())
    assert {item.scripts.script_pubkey for item in the_transaction().inputs} <= done.entry.own
    # spending several coins of one address is no reuse: whoever paid there did that
    assert judged(the_policy(no_address_reuse=True)).verdicts


def test_a_strategy_is_new_until_one_of_it_was_approved():
    installed = the_policy(auto_approve_new_strategies=False)
    error = refused("approval-missing-strategy", installed)
    assert isinstance(error, ApprovalRefused)
    assert error.EXIT_STATUS == 6
    done = judged(installed, "anna")
    assert done.entry.strategy == "-"
    # that very entry, signed for another coin a year ago, makes it known
    before = dataclasses.replace(done.entry, anchor=coin(7), at=NOW - 10**8)
    assert judged(installed, past=Past(before)).approvals == ()
    refused("approval-missing-strategy", installed, past=Past(done.entry))
    refused("approval-missing-strategy", installed, past=Past(dataclasses.replace(before, approved=False)))


def test_all_approvals_that_are_missing_are_a_matter_of_approval():
    installed = the_policy(
        auto_approve_new_strategies=False,
        funding_proposal_threshold_sats=70_999,
        human_approval_threshold_sats=0,
    )
    error = refused("approval-missing-strategy", installed)
    assert isinstance(error, ApprovalRefused)
    assert [reason["id"] for reason in error.as_json_rules()] == [
        "approval-missing-strategy",
        "approval-missing-funding",
        "approval-missing",
    ]
    assert judged(installed, "anna").approved


def test_what_is_not_seen_refuses_nothing_and_is_said():
    installed = the_policy(min_confirmations=6, funding_proposal_max_pending=1)
    unseen = {v.rule for v in judged(installed).verdicts if v.outcome is Outcome.UNSEEN}
    assert unseen == {"min_confirmations", "funding_proposal_max_pending"}
    seen = judged(installed, outlook=Outlook(confirmations=6, pending=1))
    assert all(v.outcome is Outcome.PASS for v in seen.verdicts)
    refused("policy-confirmations", installed, outlook=Outlook(confirmations=5))
    refused("policy-pending-proposals", installed, outlook=Outlook(confirmations=6, pending=2))


def test_the_time_of_asking_is_the_intents_and_at_most_a_week_ago():
    installed = the_policy(ai_decision_interval_seconds=60)
    verified = the_transaction()
    for claimed, taken in ((NOW, NOW), (NOW - WEEK_SECONDS, NOW - WEEK_SECONDS), (0, NOW - WEEK_SECONDS)):
        done = judged(installed, intent=the_intent(installed, verified, not_before=claimed))
        assert done.entry.decided == taken
        assert done.entry.at == NOW
    other = dataclasses.replace(done.entry, anchor=coin(7))
    ancient = the_intent(installed, verified, not_before=1)
    refused("policy-decision-interval", installed, intent=ancient, past=Past(other))


def test_the_share_comes_from_the_wallet_and_the_policy():
    # 71,000 sats of a limit of 106,500: exactly two thirds
    assert judged(the_policy(multi=True, max_daily_spend_sats=106_500 + spare()), multi=True).verdicts
    error = refused("policy-daily-limit", the_policy(multi=True, max_daily_spend_sats=106_499), multi=True)
    assert "share of 106,499 sats" in error.message
    whole = the_policy(multi=True, mandatory=("machine-a",), max_daily_spend_sats=71_000)
    assert judged(whole, multi=True, signer="machine-a").spend.share.whole


def spare() -> int:
    """The test wallets spend 71,000 sats whatever their form."""
    return (int(the_transaction(multi=True).spent) - 71_000) * 2


def test_nobody_signs_before_every_mandatory_signer():
    installed = the_policy(multi=True, mandatory=("machine-a", "machine-b"))
    for signer in ("machine-a", "machine-b", None):
        judged(installed, multi=True, signer=signer)
    done = frozenset({"machine-a"})
    error = refused(
        "mandatory-signer-missing", installed, multi=True, signer="machine-c", mandatory_done=done
    )
    assert isinstance(error, PolicyRefused)
    assert [reason["signer"] for reason in error.as_json_rules()] == ["machine-b"]
    # receipts of others are not those of the mandatory ones
    refused(
        "mandatory-signer-missing",
        installed,
        multi=True,
        signer="machine-c",
        mandatory_done=frozenset({"machine-c"}),
    )
    judged(installed, multi=True, signer="machine-c", mandatory_done=done | {"machine-b"})


def test_more_mandatory_signers_than_signatures_are_refused():
    three = the_policy(multi=True, mandatory=("machine-a", "machine-b", "machine-c"))
    refused("policy-mandatory-too-many", three, multi=True)
    two = the_policy(mandatory=("machine-a", "machine-b"))
    refused("policy-mandatory-too-many", two)
    judged(the_policy(mandatory=("machine-a",)))


def test_a_rule_that_fails_without_an_id_is_a_mistake_of_ours():
    with pytest.raises(RuntimeError, match="max_fee_sats fails without an id"):
        _reason(Verdict("max_fee_sats", Outcome.FAIL))
