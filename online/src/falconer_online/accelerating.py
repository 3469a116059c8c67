"""Child pays for parent: spending the change of an unconfirmed transaction at a fee that makes both worth a place in a block.

It is for what a bump cannot reach: an intent whose `max-fee` or time is used up. Nothing leaves the wallet, so the
intent is of kind `own`, under the policy of the day. What the parents paid and weigh is the node's word; a
node that lies here can make the fee too high or too low within the bounds of intent, policy and person.
"""

from __future__ import annotations

from falconer_online.build import OwnInput, assemble, prove, virtual_size
from falconer_online.chain.node import Unconfirmed
from falconer_online.coordinator import Coordinator
from falconer_online.fees import usual_fee_rate
from falconer_online.keeping import (
    Created,
    Draft,
    Setting,
    fee_at,
    free_coins,
    insufficient,
    keep,
    least_fee,
    new_id,
    recording,
    setting,
    usual_max_fee,
    written_intent,
)
from falconer_online.proposals import Wish, check_wish, expire_due
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_online.wallets import CHANGE, coins
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.script import dust_limit
from falconer_shared.bitcoin.transaction import OutPoint, TxOutput
from falconer_shared.errors import StateError, UsageError
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.fees import fee_cap
from falconer_shared.wallet.ownership import OwnPlace


def accelerate(coordinator: Coordinator, proposal_id: str, wish: Wish) -> Created:
    """Propose a child that brings a broadcast proposal and itself to the wished fee rate together.

    Of the wish, fee, expiry and words count.

    Raises:
        StateError: `proposal-state`, `accelerate-not-in-mempool`, `accelerate-no-change`, `funds-insufficient`. UsageError:
            `accelerate-not-needed`. PolicyRefused, VerificationError, DeviceError.
    """
    check_wish(wish)
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.read() as view:
            parent = view.proposal(proposal_id)
        if parent.state is not ProposalState.BROADCAST or parent.txid is None:
            raise StateError(
                "proposal-state",
                f"proposal {parent.id} is {parent.state}: only what is broadcast and unconfirmed can be hurried",
                state=parent.state.value,
            )
        waiting = coordinator.node.unconfirmed(parent.txid)
        if waiting is None:
            raise StateError(
                "accelerate-not-in-mempool",
                f"the node does not have the transaction of proposal {parent.id} waiting",
                remedy=f"falconer proposals show {parent.id}: it confirmed, or was replaced; or broadcast it again, or bump it",
            )
        start = setting(coordinator, wallet_id=parent.wallet_id)
        with recording(coordinator, wish.requester, [f"acceleration of {parent.id}"]):
            return _accelerate(coordinator, wish, start, parent, waiting)


def _accelerate(
    coordinator: Coordinator, wish: Wish, start: Setting, parent: ProposalRow, waiting: Unconfirmed
) -> Created:
    rate = wish.fee_rate or usual_fee_rate(coordinator, wish.confirm_within)
    if int(waiting.ancestor_fees) * 1000 >= int(rate) * waiting.ancestor_size:
        raise UsageError(
            "accelerate-not-needed",
            f"it pays {FeeRate(int(waiting.ancestor_fees) * 1000 // waiting.ancestor_size).text()} sat/vB already",
        )
    home = start.wallet.scripts(CHANGE, start.index).script_pubkey
    dust = int(dust_limit(home))
    inputs: list[OwnInput] = list(
        prove(coordinator.node, start.wallet, [_change(coordinator, start, parent)])
    )
    more = iter(free_coins(coordinator, start))
    while True:
        size = virtual_size(start.wallet, len(inputs), [home])
        package = fee_at(rate, waiting.ancestor_size + size) - int(waiting.ancestor_fees)
        fee = max(package, least_fee(size))
        value = sum(each.amount for each in inputs)
        most = min(value - dust, fee_cap(value))
        if fee <= most:
            break
        added = next(more, None)
        if added is None:
            raise insufficient(f"a fee of {fee:,} sats")
        inputs += prove(coordinator.node, start.wallet, [added])
    verified = assemble(
        start.wallet,
        start.row,
        inputs,
        [TxOutput(Amount(value - fee), home)],
        {0: OwnPlace(CHANGE, start.index)},
    )
    name = new_id(coordinator.clock())
    intent = written_intent(
        coordinator,
        start,
        wish,
        IntentKind.OWN,
        proposal=name,
        spends=inputs[0].outpoint,
        max_fee=wish.max_fee if wish.max_fee is not None else usual_max_fee(start.installed, fee, most),
    )
    draft = Draft(
        id=name,
        setting=start,
        verified=verified,
        intent=intent,
        purpose=wish.purpose or f"accelerates {parent.id}",
        take=[each.outpoint for each in inputs],
        accelerates=parent,
    )
    return keep(coordinator, draft)


def _change(coordinator: Coordinator, start: Setting, parent: ProposalRow) -> OutPoint:
    """The parent's most valuable output that is ours and free.

    Raises:
        StateError: `accelerate-no-change`.
    """
    made = [
        each for each in coins(coordinator, start.row) if each.coin.outpoint.txid[::-1].hex() == parent.txid
    ]
    free = sorted((each for each in made if each.free), key=lambda each: -int(each.coin.amount))
    if not free:
        held = [each.held_by for each in made if each.held_by is not None]
        raise StateError(
            "accelerate-no-change",
            f"proposal {held[0]} holds the change of {parent.id}"
            if held
            else f"nothing of proposal {parent.id} comes back to the wallet that could be spent",
            remedy=f"hurry {held[0]} instead"
            if held
            else f"falconer proposals bump {parent.id} --fee-rate RATE",
        )
    return free[0].coin.outpoint
