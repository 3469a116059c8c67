"""What a wish may say besides payments: which coins, who bears the fee, how soon; and coins that are kept out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online import fees
from falconer_online.build import Payee
from falconer_online.coordinator import intent_of
from falconer_online.fees import health, usual_fee_rate
from falconer_online.frozen import MAX_FROZEN, MAX_REASON, freeze, unfreeze
from falconer_online.proposals import Created, Wish, create, expire_due, reject
from falconer_online.store.rows import LabelRow
from falconer_online.wallets import coins as coins_of
from falconer_online.wallets import reconcile_locks
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import ApprovalError, DeviceError, StateError, UsageError
from falconer_shared.units import Amount, FeeRate
from tests.online.desk import Desk
from tests.support.refusal import refused
from tests.support.treasury import stranger_address


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path, max_single_tx_sats=300_000, max_daily_spend_sats=900_000, max_fee_sats=5_000)
    for index, sats in enumerate((90_000, 150_000, 400_000, 410_000)):
        made.node.add_coin(index, sats)
    return made


def payee(number: int, sats: int) -> Payee:
    address = stranger_address(number)
    return Payee(address, script_of(address, Network.REGTEST), Amount(sats))


def wish(desk: Desk, *payees: Payee, **words: object) -> Created:
    return create(desk.coordinator, Wish(payees, **words))  # type: ignore[arg-type]


def row(desk: Desk):
    with desk.coordinator.store.read() as view:
        return view.wallet(None)


def nothing_held(desk: Desk) -> bool:
    return not desk.held() and not desk.node.held


# coins


def test_named_coins_are_spent_all_of_them_and_no_others(desk: Desk):
    named = tuple(list(desk.node.funds)[1:3])
    made = wish(desk, payee(1, 50_000), coins=named)
    assert {each.outpoint for each in made.verified.inputs} == set(named)
    assert set(desk.held()) == set(named)


def test_a_node_that_spends_other_coins_than_were_named_is_refused(desk: Desk):
    first, second, *_ = desk.node.funds
    third = list(desk.node.funds)[2]

    def another(tx: Transaction) -> Transaction:
        return replace(tx, inputs=tuple(replace(each, outpoint=third) for each in tx.inputs))

    def one_more(tx: Transaction) -> Transaction:
        return replace(tx, inputs=(*tx.inputs, TxInput(third, b"", 0xFFFFFFFD)))

    for lie, named in ((another, (first,)), (one_more, (first, second))):
        desk.node.lie_psbt = lie
        with refused("node-chose-otherwise", DeviceError):
            wish(desk, payee(1, 50_000), coins=named)
        assert nothing_held(desk)


def test_coins_are_named_once_and_are_free(desk: Desk):
    first, second, *_ = desk.node.funds
    with refused("coin-repeated", UsageError):
        wish(desk, payee(1, 50_000), coins=(first, first))
    for unknown in (OutPoint(bytes(32), 0), OutPoint(first.txid, 1)):
        with refused("coin-unknown", UsageError):
            wish(desk, payee(1, 50_000), coins=(unknown,))
    held = wish(desk, payee(1, 50_000), coins=(first,))
    with refused("coin-held", StateError) as found:
        wish(desk, payee(2, 50_000), coins=(second, first))
    assert held.row.id in found.value.message
    reject(desk.coordinator, held.row.id, "")
    assert wish(desk, payee(2, 50_000), coins=(second, first))


# who bears the fee


def test_payments_bear_the_fee_in_equal_parts_and_the_first_the_rest(desk: Desk):
    desk.node.fee = 1_001
    made = wish(desk, payee(1, 50_000), payee(2, 60_000), payee(3, 10_000), subtract_fee=True)
    assert [int(amount) for amount, _ in intent_of(made.row).pays] == [
        50_000 - 333 - 2,
        60_000 - 333,
        10_000 - 333,
    ]
    assert made.verified.fee == 1_001
    assert made.verified.spent == 120_000
    assert "subtract" not in made.row.intent.decode()


def take_from(position: int, sats: int) -> Callable[[Transaction], Transaction]:
    """A node that takes a payee's sats for the change."""

    def lie(tx: Transaction) -> Transaction:
        change, *rest = tx.outputs
        rest[position] = TxOutput(Amount(rest[position].value - sats), rest[position].script)
        return replace(tx, outputs=(TxOutput(Amount(change.value + sats), change.script), *rest))

    return lie


@pytest.mark.parametrize("sats", [3, -3])
def test_nobody_bears_another_ones_part(desk: Desk, sats: int):
    desk.node.lie_psbt = take_from(1, sats)
    with refused("node-chose-otherwise", DeviceError):
        wish(desk, payee(1, 50_000), payee(2, 60_000), subtract_fee=True)
    assert nothing_held(desk)


def test_a_node_that_pays_more_than_was_asked_for_is_refused(desk: Desk):
    desk.node.fee = 0
    desk.node.lie_psbt = take_from(0, -1)
    with refused("node-chose-otherwise", DeviceError):
        wish(desk, payee(1, 50_000), subtract_fee=True)


def test_a_fee_that_eats_the_payments_is_bounded_by_the_intent(desk: Desk):
    # all payees alike pay 4,500 too much: fair among them, and more than the wanted rate could ever take
    desk.node.fee = 10_000
    with refused("intent-fee-exceeded", ApprovalError):
        wish(desk, payee(1, 50_000), payee(2, 60_000), subtract_fee=True)
    assert nothing_held(desk)


def test_a_payment_that_is_smaller_than_its_part_is_refused(desk: Desk):
    desk.node.fee = 2_000
    with refused("payment-below-fee", StateError):
        wish(desk, payee(1, 50_000), payee(2, 1_000), subtract_fee=True)
    assert nothing_held(desk)


# how soon


def test_the_rate_is_the_estimate_for_the_blocks_that_were_named(desk: Desk):
    desk.node.rates = {1: FeeRate(9_000), 6: FeeRate(3_000), 1008: FeeRate(1_100)}
    assert usual_fee_rate(desk.coordinator) == 3_000
    assert usual_fee_rate(desk.coordinator, 1) == 9_000
    assert usual_fee_rate(desk.coordinator, 1008) == 1_100


@pytest.mark.parametrize("blocks", [0, -1, 1009])
def test_estimates_reach_a_week_ahead(desk: Desk, blocks: int):
    with refused("confirm-within", UsageError):
        wish(desk, payee(1, 50_000), confirm_within=blocks)


def test_without_an_estimate_there_is_a_fallback_where_nobody_competes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.node.rates = {3: None}
    assert usual_fee_rate(desk.coordinator, 3) == 10_000
    assert fees.fallback_fee_rate(Network.SIGNET) == 10_000
    for network in (Network.MAINNET, Network.TESTNET4):
        assert fees.fallback_fee_rate(network) is None


def test_a_full_mempool_raises_the_rate_to_what_it_takes(desk: Desk):
    desk.node.pool_state = replace(desk.node.pool_state, minimum=FeeRate(7_500))
    assert usual_fee_rate(desk.coordinator) == 7_500


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "calm"), ({"virtual_bytes": 3_000_000}, "calm"), ({"virtual_bytes": 3_000_001}, "busy"),
     ({"usage": 237_000_000}, "calm"), ({"usage": 237_000_001}, "congested"),
     ({"minimum": FeeRate(1_001)}, "full")],
)  # fmt: skip
def test_the_pool_has_a_verdict(desk: Desk, changes: dict[str, int], verdict: str):
    assert health(replace(desk.node.pool_state, **changes)).verdict == verdict  # type: ignore[arg-type]


def test_congestion_is_rounded_up(desk: Desk):
    for usage, percent in ((0, 0), (1, 1), (3_000_000, 1), (3_000_001, 2), (300_000_000, 100)):
        assert replace(desk.node.pool_state, usage=usage).congestion_percent == percent


# coins that are kept out


def test_a_frozen_coin_is_not_spent_until_it_is_unfrozen(desk: Desk):
    first, *_ = desk.node.funds
    freeze(desk.coordinator, row(desk), first, "unclear origin")
    assert first in desk.node.held
    assert desk.events()[-1] == "coin-frozen"
    found = {each.coin.outpoint: each for each in coins_of(desk.coordinator, row(desk))}
    assert found[first].frozen is not None
    assert found[first].frozen.reason == "unclear origin"
    assert not found[first].free
    assert first not in {each.outpoint for each in wish(desk, payee(1, 40_000)).verified.inputs}
    with refused("coin-frozen", StateError) as problem:
        wish(desk, payee(2, 40_000), coins=(first,))
    assert "unclear origin" in problem.value.message
    unfreeze(desk.coordinator, row(desk), first)
    assert first not in desk.node.held
    assert desk.events()[-1] == "coin-unfrozen"
    assert wish(desk, payee(2, 40_000), coins=(first,))


def test_a_node_that_forgets_the_lock_cannot_spend_a_frozen_coin(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    first, *_ = desk.node.funds
    freeze(desk.coordinator, row(desk), first, "")
    desk.node.held.clear()
    monkeypatch.setattr(type(desk.node), "locked", lambda *_: frozenset({first, *desk.node.held}))
    with refused("coin-frozen", StateError):
        wish(desk, payee(1, 40_000))
    assert not desk.held()


def test_locks_of_frozen_coins_are_set_again_and_outlive_other_ends(desk: Desk):
    first, second, *_ = desk.node.funds
    freeze(desk.coordinator, row(desk), first, "")
    made = wish(desk, payee(1, 40_000), coins=(second,), expires=desk.now + 10)
    desk.node.held.clear()
    with desk.coordinator.store.read() as view:
        reconcile_locks(desk.coordinator, view, row(desk))
    assert desk.node.held == {first, second}
    desk.now += 10
    with desk.coordinator.exclusive():
        assert [each.id for each in expire_due(desk.coordinator)] == [made.row.id]
        assert expire_due(desk.coordinator) == ()
    assert desk.node.held == {first}


def test_only_free_coins_are_frozen_and_only_frozen_ones_unfrozen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    first, second, third, *_ = desk.node.funds
    wish(desk, payee(1, 40_000), coins=(first,))
    with refused("coin-held", StateError):
        freeze(desk.coordinator, row(desk), first, "")
    with refused("coin-unknown", UsageError):
        freeze(desk.coordinator, row(desk), OutPoint(bytes(32), 0), "")
    freeze(desk.coordinator, row(desk), second, "x" * MAX_REASON)
    with refused("coin-frozen", StateError):
        freeze(desk.coordinator, row(desk), second, "")
    with refused("coin-reason", UsageError):
        freeze(desk.coordinator, row(desk), third, "x" * (MAX_REASON + 1))
    for outpoint in (first, third):
        with refused("coin-not-frozen", StateError):
            unfreeze(desk.coordinator, row(desk), outpoint)
    monkeypatch.setattr("falconer_online.frozen.MAX_FROZEN", 1)
    with refused("coins-frozen-many", StateError):
        freeze(desk.coordinator, row(desk), third, "")
    assert MAX_FROZEN > 1


def test_a_node_that_is_away_keeps_nobody_from_unfreezing(desk: Desk):
    first, *_ = desk.node.funds
    freeze(desk.coordinator, row(desk), first, "")
    desk.node.fault = DeviceError("node-unreachable", "gone")
    unfreeze(desk.coordinator, row(desk), first)
    desk.node.fault = None
    assert wish(desk, payee(1, 40_000), coins=(first,))


def test_labels_of_a_batch_are_kept_with_the_proposal_or_not_at_all(desk: Desk):
    there = stranger_address(1)
    wish(desk, payee(1, 40_000), labels={there: "rent"})
    with desk.coordinator.store.read() as view:
        assert view.labels("addr") == (LabelRow("addr", there, "rent"),)
    with pytest.raises(StateError):
        wish(desk, payee(2, 9_000_000), labels={stranger_address(2): "too much"})
    with desk.coordinator.store.read() as view:
        assert len(view.labels()) == 1
