"""Tables of cases, and payments that nobody makes: the same judgement as a real payment's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online.build import Payee
from falconer_online.cases import read_table, run
from falconer_online.hypothetical import Question, spend_for, unjudged
from falconer_online.judging import judge_spend
from falconer_shared.errors import FalconerError, Malformed, UsageError
from falconer_shared.policy.document import Policy
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.spend import Outlook
from falconer_shared.units import Amount
from tests.online.desk import NOW, Desk
from tests.support.policies import PolicyDraft
from tests.support.refusal import refused
from tests.support.spends import WHOLE
from tests.support.spends import policy as policy_with
from tests.support.treasury import stranger_address, wpkh_descriptor

AT = "2027-01-15T09:00:00Z"


def case(**lines: str) -> str:
    values = {"name": '"one"', "pay": '{ "@s0" = 70_000 }', "at": AT, "expect": '"accepted"', **lines}
    return "[[case]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def ran(policy: Policy, *cases: str, top: str = ""):
    return run(policy, read_table((top + "\n" + "\n".join(cases)).encode()))


def one(policy: Policy, top: str = "", **lines: str):
    (found,) = ran(policy, case(**lines), top=top)
    return found


@pytest.mark.parametrize(
    ("sats", "outcome"), [(99_999, "accepted"), (100_000, "accepted"), (100_001, "refused")]
)
def test_a_case_comes_out_as_the_policy_says(sats: int, outcome: str):
    found = one(policy_with(max_single_tx_sats=100_000), pay=f'{{ "@s0" = {sats} }}')
    assert found.outcome == outcome
    assert found.rules == (() if outcome == "accepted" else ("policy-single-limit",))
    assert found.ok is (outcome == "accepted")


def test_a_case_is_as_expected_when_outcome_and_ids_are():
    by = policy_with(max_single_tx_sats=1, max_fee_sats=1)
    both = '["policy-fee-limit", "policy-single-limit"]'
    assert one(by, fee="2", expect='"refused"').ok
    assert one(by, fee="2", expect='"refused"', rules=both).ok
    assert not one(by, fee="2", expect='"refused"', rules='["policy-single-limit"]').ok
    assert not one(by, fee="1", expect='"refused"', rules=both).ok
    assert not one(by, fee="1", expect='"approval"').ok
    assert not one(by, expect='"accepted"').ok


def test_what_approval_would_lift_is_not_refused():
    by = policy_with(human_approval_threshold_sats=1_000, max_single_tx_sats=80_000)
    assert one(by).outcome == "approval"
    assert one(by, approvers='["anna"]').outcome == "accepted"
    assert one(by, pay='{ "@s0" = 80_001 }').outcome == "refused"


def test_a_history_is_of_the_case():
    by = policy_with(max_daily_spend_sats=100_000)
    large = 'pay = { "@s1" = 30_000 }'
    for history, outcome in (
        ('[{ ago = "23h", pay = { "@s1" = 30_000 } }]', "accepted"),
        ('[{ ago = "23h", pay = { "@s1" = 30_001 } }]', "refused"),
        ('[{ ago = "23h", pay = { "@s1" = 29_000 }, fee = 1_001 }]', "refused"),
        ('[{ ago = "24h", pay = { "@s1" = 30_001 } }]', "accepted"),
        ('[{ at = 2027-01-14T09:00:01Z, pay = { "@s1" = 30_001 } }]', "refused"),
        ('[{ at = 2027-01-14T10:00:00+01:00, pay = { "@s1" = 30_001 } }]', "accepted"),
        # two of one coin are one
        (f'[{{ ago = "1h", coin = "a", {large} }}, {{ ago = "1h", coin = "a", pay = {{ "@s1" = 20_000 }} }}]', "accepted"),
        (f'[{{ ago = "1h", coin = "a", {large} }}, {{ ago = "1h", coin = "b", pay = {{ "@s1" = 1 }} }}]', "refused"),
    ):  # fmt: skip
        assert one(by, history=history).outcome == outcome, history
    replaced = '[{ ago = "1h", coin = "a", pay = { "@s1" = 90_000 } }]'
    assert one(by, history=replaced, replaces='"a"').outcome == "accepted"
    assert one(by, history=replaced, replaces='"b"').outcome == "refused"


def test_every_fact_of_a_case_reaches_its_rule():
    for rules, lines, refusal in (
        ({"max_fee_rate_sats_per_vbyte": 5}, {"fee_rate": "6"}, "policy-fee-rate-limit"),
        ({"max_fee_percent": 1}, {"fee": "701"}, "policy-fee-percent"),
        ({"min_change_value_sats": 10}, {"back": "[9]"}, "policy-change-too-small"),
        ({"consolidate_below_fee_rate": 5}, {"kind": '"own"', "inputs": "2", "pay": "{}", "back": "[100_000]", "fee_rate": "6"},
         "policy-consolidation-fee-rate"),
        ({"funding_proposal_expiry_hours": 1}, {"valid": '"61m"'}, "policy-expiry-too-late"),
        ({"funding_proposal_max_pending": 1}, {"pending": "2"}, "policy-pending-proposals"),
        ({"min_confirmations": 2}, {"confirmations": "1"}, "policy-confirmations"),
        ({"max_mempool_congestion_percent": 50}, {"mempool_percent": "51"}, "policy-mempool-congested"),
        ({"weekend_operations": False, "allowed_timezone": "UTC"}, {"at": "2027-01-16T09:00:00Z"}, "policy-weekend"),
        ({"auto_approve_new_strategies": False},
         {"strategy": '"new"', "history": '[{ ago = "9d", approved = true, strategy = "old" }]'}, "approval-missing-strategy"),
        ({"ai_decision_interval_seconds": 60}, {"requester": '"bot"', "history": '[{ ago = "59s", requester = "bot" }]'},
         "policy-decision-interval"),
        ({"no_address_reuse": True}, {"history": '[{ ago = "900d", pay = { "@s0" = 1 } }]'}, "policy-address-reused"),
        ({"max_destination_spend_sats": 70_000}, {"history": '[{ ago = "6d", pay = { "@s0" = 1 } }]'},
         "policy-destination-limit"),
        ({"max_daily_proposals": 1}, {"history": '[{ ago = "1h" }]'}, "policy-daily-proposals"),
    ):  # fmt: skip
        by = policy_with(**rules)  # type: ignore[arg-type]
        assert one(by, **lines).rules == (refusal,), rules
        opposite = {name: not value for name, value in rules.items() if isinstance(value, bool)}
        assert one(policy_with(**opposite), **lines).outcome == "accepted", rules


def test_limits_are_judged_whole_or_at_the_share_of_a_signer():
    by = policy_with(max_daily_spend_sats=105_000)
    assert one(by, pay='{ "@s0" = 105_000 }').outcome == "accepted"
    assert one(by, top='keys = "2-of-3"', pay='{ "@s0" = 70_000 }').outcome == "accepted"
    assert one(by, top='keys = "2-of-3"', pay='{ "@s0" = 70_001 }').outcome == "refused"


def test_a_name_of_a_descriptor_is_paid_at_one_of_its_addresses():
    draft = PolicyDraft(
        tiers=(), addresses={"partner": wpkh_descriptor(9)}, rules={"allowed_destinations": ("partner",)}
    )
    assert one(draft.policy(), pay='{ "@partner" = 1 }').outcome == "accepted"
    assert one(draft.policy(), pay=f'{{ "{stranger_address(1)}" = 1 }}').outcome == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "", "case = 1", "[[cases]]", "x = 1\n" + case(), 'keys = "3-of-2"\n' + case(), 'keys = "two"\n' + case(),
        "policy = 1\n" + case(), case(nmae='"x"'), case(expect='"fine"'), case(rules='"x"'), case(at='"2027-01-15"'),
        case(at="2027-01-15T09:00:00"), case(at="2027-01-15"), case(at="2027-01-15T09:00:00.5Z"), case(at="1969-01-15T09:00:00Z"),
        case(pay="[]"), case(pay='{ "@s0" = -1 }'), case(pay='{ "@s0" = 1.5 }'), case(pay='{ "@s0" = true }'),
        case(back="1"), case(back="[1.5]"), case(approvers='"anna"'), case(kind='"gift"'), case(fee="-1"), case(valid='"1w"'),
        case(requester='"An Agent"'), case(history="{}"), case(history="[{}]"), case(history='[{ ago = "x" }]'),
        case(history=f'[{{ ago = "1h", at = {AT} }}]'), case(history='[{ ago = "1h", approved = "yes" }]'),
        case(history='[{ ago = "1h", name = "x" }]'), case(inputs="10_001"), case(name="1"), case() + case(),
        '[[case]]\nname = "x"\nexpect = "accepted"', f'[[case]]\nname = "x"\nat = {AT}', "\xff",
    ],
)  # fmt: skip
def test_what_is_no_table_of_cases_is_refused_by_its_key(text: str):
    with refused("policy-cases-malformed", Malformed):
        ran(policy_with(), text)


def test_a_payment_that_cannot_be_is_refused_with_its_place():
    for to, rule in (("@nobody", "address-book-unknown"), ("x", "base58-checksum")):
        with pytest.raises(FalconerError) as caught:
            one(policy_with(), pay=f'{{ "{to}" = 1 }}')
        assert caught.value.rule == rule
        assert "case 'one': pay." in caught.value.message
    with refused("payment-malformed", UsageError):
        one(policy_with(), pay='{ "@s0" = 0 }')


@pytest.mark.parametrize("multisig", [False, True])
def test_a_hypothetical_payment_is_judged_like_the_real_one(tmp_path: Path, multisig: bool):
    desk = Desk.make(
        tmp_path, multisig=multisig, max_daily_spend_sats=200_000, max_weekly_spend_sats=200_000, max_fee_percent=9,
        max_destination_spend_sats=150_000, max_daily_proposals=5, max_fee_rate_sats_per_vbyte=500,
        ai_decision_interval_seconds=1, no_address_reuse=True, funding_proposal_max_pending=4,
    )  # fmt: skip
    for index in range(3):
        desk.node.add_coin(index, 100_000)
    desk.create(30_000)
    desk.now += 60
    real = desk.create(40_000)
    with desk.coordinator.store.read() as view:
        past = [each for each in view.history(desk.node.wallet.wallet_id).entries(0) if each.at == NOW]
    spend = spend_for(
        desk.draft.policy(),
        Question(
            payments=tuple(
                Payee(each.address, each.script, each.amount) for each in real.judgement.spend.payments
            ),
            at=desk.now,
            fee=Amount(1_000),
            outlook=Outlook(pending=2),
        ),
        Recorded.of(past),
        real.judgement.spend.share,
        desk.node.wallet.descriptor,
    )
    assert judge_spend(desk.draft.policy(), spend, ()).as_json() == real.judgement.as_json()
    assert (spend.spent, spend.fee_rate) == (real.verified.spent, real.verified.fee_rate)


def test_what_coins_alone_can_answer_is_said_to_be_open():
    by = policy_with(min_change_value_sats=1, min_confirmations=1, max_mempool_congestion_percent=1)
    question = Question(payments=(), at=NOW)
    spend = spend_for(by, question, Recorded(()), WHOLE, None)
    assert list(unjudged(by, spend)) == [
        "min_change_value_sats",
        "min_confirmations",
        "max_mempool_congestion_percent",
    ]
    assert list(unjudged(policy_with(), spend)) == []
    known = replace(
        question, back=(Amount(5),), outlook=Outlook(confirmations=1, mempool_bytes=1, mempool_limit=1)
    )
    assert list(unjudged(by, spend_for(by, known, Recorded(()), WHOLE, None))) == []
