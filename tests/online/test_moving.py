"""Sweeps and consolidations: everything into one output, and an intent that says so to the satoshi."""

from __future__ import annotations

from pathlib import Path

import pytest

from falconer_online.coordinator import intent_of
from falconer_online.moving import consolidate, sweep
from falconer_online.proposals import Created, Wish
from falconer_online.replacing import bump
from falconer_online.wallets import CHANGE
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import ApprovalError, StateError, UsageError, VerificationError
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.units import Amount, FeeRate
from tests.online.desk import Desk
from tests.support.refusal import refused
from tests.support.treasury import stranger_address

RATE = FeeRate.from_sats_per_vbyte
COLD = script_of(stranger_address(5), Network.REGTEST)
COINS = (60_000, 40_000, 20_000)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path)
    for index, sats in enumerate(COINS):
        made.node.add_coin(index, sats)
    return made


def wish(rate: int = 5, **words: object) -> Wish:
    return Wish((), fee_rate=RATE(rate), **words)  # type: ignore[arg-type]


def swept(desk: Desk, rate: int = 5, **words: object) -> Created:
    return sweep(desk.coordinator, wish(rate, **words), COLD)


def test_a_sweep_takes_every_free_coin(desk: Desk):
    made = swept(desk)
    fee = int(made.verified.fee)
    assert fee == 5 * made.verified.weight.virtual_size()
    assert [int(each.amount) for each in made.verified.payments] == [sum(COINS) - fee]
    assert not made.verified.own_outputs
    intent = intent_of(made.row)
    assert intent.kind is IntentKind.SWEEP
    assert [(int(sats) + int(intent.max_fee), address) for sats, address in intent.pays] == [
        (sum(COINS), stranger_address(5))
    ]
    assert len(desk.held()) == len(desk.node.held) == 3


def test_a_sweep_counts_as_what_it_pays(desk: Desk):
    made = swept(desk)
    assert made.verified.spent == sum(COINS)
    # 120,000 is above the threshold
    assert (made.judgement.needed, desk.state(made.row.id)) == (1, "pending")
    desk.approve(made.row.id, "anna", "bert")
    desk.out(made.row.id)
    assert desk.state(made.row.id) == "broadcast"


def test_a_sweep_leaves_out_what_is_held_frozen_or_unconfirmed(desk: Desk):
    held = desk.create(10_000, coins=(next(iter(desk.node.funds)),))
    young = list(desk.node.funds)[2]
    desk.node.depths[young] = 0
    made = swept(desk)
    assert [int(each.amount) for each in made.verified.inputs] == [40_000]
    assert set(desk.held().values()) == {held.row.id, made.row.id}
    # unless it is named
    assert [int(each.amount) for each in swept(desk, coins=(young,)).verified.inputs] == [20_000]
    with refused("funds-insufficient", StateError):
        swept(desk)


def test_a_sweep_of_too_little(desk: Desk):
    fee = 110 * 5
    small = desk.node.add_coin(7, 4 * fee - 1)
    with refused("fee-share-above-cap", VerificationError):
        swept(desk, coins=(small,))
    tiny = desk.node.add_coin(8, 294 + fee - 1)
    with refused("funds-insufficient", StateError):
        swept(desk, coins=(tiny,))
    just = desk.node.add_coin(9, 4 * fee)
    made = swept(desk, coins=(just,))
    assert (made.verified.fee, intent_of(made.row).max_fee) == (fee, fee)


def test_the_fee_that_is_allowed_is_one_that_is_ever_signed(desk: Desk):
    """A quarter of 60,000 and of 40,000, so that the approved least is near what leaves."""
    coin = next(iter(desk.node.funds))
    assert intent_of(swept(desk, coins=(coin,), max_fee=Amount(15_000)).row).pays[0][0] == 45_000
    other = list(desk.node.funds)[1]
    with refused("sweep-max-fee", UsageError):
        swept(desk, coins=(other,), max_fee=Amount(10_001))
    with refused("intent-fee-exceeded", ApprovalError):
        swept(desk, coins=(other,), max_fee=Amount(100))


def test_a_sweep_home_is_told_what_it_is(desk: Desk):
    own = desk.node.wallet.scripts(0, 9).script_pubkey
    with refused("payment-to-own-wallet", UsageError):
        sweep(desk.coordinator, wish(), own)
    assert not desk.held()


def test_a_bump_of_a_sweep_spends_the_same_coins(desk: Desk):
    coin = list(desk.node.funds)[1]
    made = swept(desk, 2, coins=(coin,))
    desk.out(made.row.id)
    more = bump(desk.coordinator, made.row.id, RATE(4))
    assert [each.outpoint for each in more.verified.inputs] == [coin]
    assert int(more.verified.paid) == 40_000 - int(more.verified.fee)
    assert more.verified.fee == 4 * 110


def test_a_bump_of_a_sweep_leaves_something_to_sweep(desk: Desk):
    coin = list(desk.node.funds)[1]
    made = swept(desk, 2, coins=(coin,))
    desk.out(made.row.id)
    with refused("funds-insufficient", StateError):
        bump(desk.coordinator, made.row.id, RATE(364))


def test_a_consolidation_brings_coins_home(desk: Desk):
    made = consolidate(desk.coordinator, wish(2))
    intent = intent_of(made.row)
    assert (intent.kind, intent.pays) == (IntentKind.OWN, ())
    assert len(made.verified.inputs) == 3
    assert [each.place.branch for each in made.verified.own_outputs if each.place] == [CHANGE]
    assert made.verified.spent == made.verified.fee == 2 * made.verified.weight.virtual_size()
    # only the fee is spent: nobody is asked
    assert desk.state(made.row.id) == "approved"
    desk.out(made.row.id)
    desk.node.mempool[made.verified.unsigned_hash] = 2


def test_a_consolidation_waits_for_cheap_blocks(desk: Desk):
    desk.install(rules={**desk.draft.rules, "consolidate_below_fee_rate": 3}, version=2)
    with refused("policy-consolidation-fee-rate", PolicyRefused):
        consolidate(desk.coordinator, wish(4))
    assert not desk.held()
    assert desk.events()[-1] == "proposal-refused"
    consolidate(desk.coordinator, wish(3))


def test_one_coin_is_not_brought_together(desk: Desk):
    first, second = list(desk.node.funds)[:2]
    with refused("consolidate-one-coin", UsageError):
        consolidate(desk.coordinator, wish(coins=(first,)))
    assert len(consolidate(desk.coordinator, wish(coins=(first, second))).verified.inputs) == 2


def test_an_intent_ends_in_the_future(desk: Desk):
    with refused("proposal-expires", UsageError):
        swept(desk, expires=desk.now)
    assert intent_of(swept(desk, expires=desk.now + 1).row).expires == desk.now + 1


def test_a_coin_that_is_not_ours_to_name(desk: Desk):
    with refused("coin-unknown", UsageError):
        swept(desk, coins=(OutPoint(bytes(32), 0),))
