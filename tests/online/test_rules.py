"""The rules at the coordinator: by its store, by its node, and only asked for where the policy wants to know."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from falconer_online.moving import consolidate
from falconer_online.outlook import outlook_of
from falconer_online.proposals import Wish, reject
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import DeviceError, StateError
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.spend import NOTHING_SEEN
from falconer_shared.units import FeeRate
from tests.online.desk import NOW, Desk
from tests.online.office import Office
from tests.support.node import RegtestNode
from tests.support.refusal import refused
from tests.support.treasury import stranger_address

NOBODY = OutPoint(bytes(32), 0)


def make(folder: Path, *coins: int, **rules: object) -> Desk:
    desk = Desk.make(folder, **rules)  # type: ignore[arg-type]
    for index, sats in enumerate(coins or (90_000, 150_000, 400_000, 410_000, 420_000)):
        desk.node.add_coin(index, sats)
    return desk


def verdicts(made) -> dict[str, tuple[str, str, str]]:
    return {verdict.rule: verdict.words[1:] for verdict in made.judgement.verdicts}


@pytest.mark.parametrize(("age", "passes"), [(604_799, False), (604_800, True)])
def test_a_week_ends_at_its_second(tmp_path: Path, age: int, passes: bool):
    desk = make(tmp_path, max_weekly_spend_sats=81_999, human_approval_threshold_sats=10**6)
    # sent, so that it counts whatever becomes of it
    first = desk.create(40_000)
    desk.request(first.row.id)
    # another coin next time: what spends the same one again replaces it
    del desk.node.funds[first.verified.inputs[0].outpoint]
    desk.now += age
    if passes:
        assert verdicts(desk.create(40_001))["max_weekly_spend_sats"] == ("pass", "41001", "81999")
    else:
        with refused("policy-weekly-limit", PolicyRefused):
            desk.create(40_000, to=stranger_address(1))


def test_so_many_proposals_may_wait(tmp_path: Path):
    desk = make(tmp_path, funding_proposal_max_pending=2, human_approval_threshold_sats=10**6)
    first = desk.create(1_000)
    second = desk.create(1_001)
    assert verdicts(first)["funding_proposal_max_pending"] == ("pass", "1", "2")
    assert verdicts(second)["funding_proposal_max_pending"] == ("pass", "2", "2")
    with refused("policy-pending-proposals", PolicyRefused):
        desk.create(1_002)
    # one that is judged again counts once
    desk.request(first.row.id)
    with refused("policy-pending-proposals", PolicyRefused):
        desk.create(1_002)
    reject(desk.coordinator, second.row.id, "")
    third = desk.create(1_003)
    assert verdicts(third)["funding_proposal_max_pending"] == ("pass", "2", "2")


def test_coins_are_as_deep_as_the_node_says(tmp_path: Path):
    desk = make(tmp_path, 90_000, min_confirmations=3)
    (coin,) = desk.node.funds
    desk.node.depths[coin] = 2
    with refused("funds-insufficient", StateError):
        desk.create(40_000)
    # a node that takes what it was not to take is refused by the policy
    desk.node.obeys_depth = False
    with refused("policy-confirmations", PolicyRefused):
        desk.create(40_000)
    assert not desk.node.held
    desk.node.depths[coin] = 3
    assert verdicts(desk.create(40_000))["min_confirmations"] == ("pass", "3", "3")


def test_the_youngest_coin_decides(tmp_path: Path):
    desk = make(tmp_path, 30_000, 30_000, min_confirmations=3)
    old, young = desk.node.funds
    desk.node.depths.update({old: 100, young: 1})
    desk.node.obeys_depth = False
    with refused("policy-confirmations", PolicyRefused):
        desk.create(50_000)


def test_a_coin_that_is_gone_was_not_seen(tmp_path: Path):
    desk = make(tmp_path, 90_000, min_confirmations=3)
    made = desk.create(40_000)
    desk.node.funds.clear()
    with desk.coordinator.store.read() as view:
        policy = desk.draft.policy()
        outlook = outlook_of(desk.node, view, policy, made.verified, made.row.family)
    assert outlook.confirmations is None


def test_payments_wait_while_the_pool_is_full(tmp_path: Path):
    from dataclasses import replace

    desk = make(tmp_path, max_mempool_congestion_percent=50)
    desk.node.pool_state = replace(desk.node.pool_state, usage=150, maximum=300)
    assert verdicts(desk.create(40_000))["max_mempool_congestion_percent"] == ("pass", "50", "50")
    desk.node.pool_state = replace(desk.node.pool_state, usage=151, maximum=300)
    with refused("policy-mempool-congested", PolicyRefused):
        desk.create(40_001)


def test_nothing_is_asked_that_no_rule_wants_to_know(tmp_path: Path):
    desk = make(tmp_path)
    made = desk.create(40_000)
    desk.node.fault = DeviceError("node-unreachable", "gone")
    with desk.coordinator.store.read() as view:
        assert (
            outlook_of(desk.node, view, desk.draft.policy(), made.verified, made.row.family) == NOTHING_SEEN
        )


def test_the_store_answers_as_a_list_of_its_entries_would(tmp_path: Path):
    desk = make(tmp_path, human_approval_threshold_sats=41_000)
    made = [desk.create(sats, strategy="dca") for sats in (30_000, 40_001, 40_002)]
    desk.approve(made[1].row.id, "anna")
    desk.request(made[1].row.id)
    reject(desk.coordinator, made[2].row.id, "")
    with desk.coordinator.store.read() as view:
        stored = view.history(desk.node.wallet.wallet_id)
        entries = stored.entries(0)
        assert [entry.strategy for entry in entries] == ["dca", "dca"]
        assert entries[1].paid == {output.script: output.amount for output in made[1].verified.payments}
        assert entries[1].decided == NOW
        model = Recorded.of(entries)
        scripts = [script for each in made for script in each.judgement.spend.paid()]
        scripts += [output.script for each in made for output in each.verified.own_outputs]
        scripts += [item.scripts.script_pubkey for each in made for item in each.verified.inputs]
        for besides in [entry.anchor for entry in entries] + [NOBODY]:
            assert stored.used(scripts, besides) == model.used(scripts, besides)
            for strategy, paying in product(("dca", "-"), (False, True)):
                assert stored.approved_before(
                    "operator", strategy, besides, paying=paying
                ) == model.approved_before("operator", strategy, besides, paying=paying)
        other = view.history("00" * 32)
        assert other.used(scripts, NOBODY) == frozenset()
        assert not other.approved_before("operator", "dca", NOBODY, paying=False)


def test_a_strategy_is_known_when_its_request_was_made_and_not_while_it_waits(tmp_path: Path):
    desk = make(tmp_path, auto_approve_new_strategies=False, human_approval_threshold_sats=10**6)
    first = desk.create(30_000, strategy="dca")
    assert (first.row.state.value, first.judgement.needed) == ("pending", 1)
    waiting = desk.create(30_001, strategy="dca")
    assert waiting.judgement.needed == 1, "the first one is not approved yet"
    desk.approve(first.row.id, "anna")
    desk.request(first.row.id)
    known = desk.create(30_002, strategy="dca")
    assert (known.judgement.needed, verdicts(known)["auto_approve_new_strategies"]) == (
        0,
        ("pass", "known", "no"),
    )
    # the one that waited needs nobody any more
    assert desk.approve(waiting.row.id) == "approved"
    assert desk.create(30_003, strategy="other").judgement.needed == 1
    assert desk.create(30_004, strategy="dca", requester="another").judgement.needed == 1


def test_a_consolidation_that_was_approved_approves_no_payment(tmp_path: Path):
    desk = make(tmp_path, auto_approve_new_strategies=False, human_approval_threshold_sats=10**6)
    coins = tuple(desk.node.funds)
    rate = FeeRate.from_sats_per_vbyte(5)
    moved = consolidate(desk.coordinator, Wish((), fee_rate=rate, strategy="dca", coins=coins[:2]))
    assert moved.judgement.needed == 1
    desk.approve(moved.row.id, "anna")
    desk.request(moved.row.id)
    further = consolidate(desk.coordinator, Wish((), fee_rate=rate, strategy="dca", coins=coins[2:4]))
    assert further.judgement.needed == 0
    assert desk.create(30_000, strategy="dca").judgement.needed == 1


def test_an_address_is_paid_once(tmp_path: Path):
    desk = make(tmp_path, no_address_reuse=True)
    first = desk.create(30_000, to=stranger_address(1))
    with refused("policy-address-reused", PolicyRefused):
        desk.create(20_000, to=stranger_address(1))
    reject(desk.coordinator, first.row.id, "")
    # it was never sent anywhere, and so the address was never paid
    assert desk.create(20_000, to=stranger_address(1))


def test_a_requester_waits_between_what_it_asks_for(tmp_path: Path):
    desk = make(tmp_path, ai_decision_interval_seconds=600, human_approval_threshold_sats=10**6)
    first = desk.create(30_000, requester="bot")
    desk.now += 599
    with refused("policy-decision-interval", PolicyRefused):
        desk.create(20_000, requester="bot")
    assert desk.create(20_001, requester="other")
    desk.now += 1
    second = desk.create(20_002, requester="bot")
    # judged again later, each is still as far from the other as it was
    desk.now += 30
    desk.request(first.row.id)
    desk.request(second.row.id)


def test_a_funding_proposal_is_approved_whatever_the_day_allows(tmp_path: Path):
    desk = make(tmp_path, funding_proposal_threshold_sats=41_000, human_approval_threshold_sats=10**6)
    assert desk.create(40_000).judgement.needed == 0
    large = desk.create(40_001)
    assert (large.judgement.needed, large.row.state.value) == (1, "pending")
    assert desk.approve(large.row.id, "anna") == "approved"
    desk.request(large.row.id)


def test_an_expiry_that_is_too_late_is_refused(tmp_path: Path):
    desk = make(tmp_path, funding_proposal_expiry_hours=1)
    with refused("policy-expiry-too-late", PolicyRefused):
        desk.create(30_000, expires=NOW + 3_601)
    assert desk.create(30_000, expires=NOW + 3_600)
    # what is usual is what is allowed
    assert desk.create(30_001).row.expires_at == NOW + 3_600


def test_a_real_node_chooses_coins_that_are_deep_enough(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(
        200_000,
        more="min_confirmations = 2\nmax_mempool_congestion_percent = 99\nfunding_proposal_max_pending = 5\n",
    )
    assert office.create((stranger(), 50_000), expect=9).ids == ["funds-insufficient"]
    regtest_node.mine(1)
    found = {each["rule"]: each for each in office.create((stranger(), 50_000)).json["verdicts"]}
    assert (found["min_confirmations"]["value"], found["min_confirmations"]["outcome"]) == ("2", "pass")
    assert found["funding_proposal_max_pending"]["value"] == "1"
    assert found["max_mempool_congestion_percent"]["outcome"] == "pass"
