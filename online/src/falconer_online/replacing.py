"""Putting another transaction in the place of one that may be out already.

A bump is made under the same intent: the same payments, the same named coin, a higher fee, so nobody has to
approve again. Only change shrinks, or coins are added. A cancellation has an intent of its own: it spends the
named coin home, so that the payment can no longer confirm. Both join the family of what they replace. Which of a
family wins is for the miners to decide, so each counts, holds its coins, and can be broadcast until one is confirmed.

The rules by which nodes take a replacement (BIP 125) are looked at here already, so that nobody carries a request
to a signer for nothing: it pays more than all that it drives out of the mempool (rule 3), by at least what its own relay
costs (rule 4), at a higher rate, and the coins that it adds are confirmed (rule 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falconer_online.build import OwnInput, assemble, prove, virtual_size
from falconer_online.coordinator import Coordinator, intent_of
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
    recording,
    setting,
    usual_max_fee,
    written_intent,
)
from falconer_online.proposals import Wish, check_wish, expire_due, reject
from falconer_online.states import HOLDS_COINS, NEVER_SIGNED
from falconer_online.store.rows import ProposalRow
from falconer_online.store.view import View
from falconer_online.wallets import CHANGE
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.script import dust_limit
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.errors import StateError, UsageError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.fees import fee_cap
from falconer_shared.verify.transaction import VerifiedTransaction
from falconer_shared.wallet.ownership import OwnPlace


@dataclass(frozen=True, slots=True)
class Out:
    """The newest of a family that a signer has seen, and what has to be outbid: the fees of all that a
    replacement drives out, and the highest rate among the family.
    """

    row: ProposalRow
    verified: VerifiedTransaction
    fees: int
    rate: FeeRate


def bump(coordinator: Coordinator, proposal_id: str, rate: FeeRate) -> Created:
    """Replace a proposal's transaction by one with a higher fee, under the same intent.

    Raises:
        StateError: `replacement-not-sent`, `replacement-waits`, `replacement-other-intent`, `replacement-has-dependents`,
            `proposal-state`, `funds-insufficient`. UsageError: `replacement-fee-too-low`. ApprovalError: `intent-fee-exceeded`,
            `intent-expired`, `intent-other-policy`. PolicyRefused, DeviceError.
    """
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.read() as view:
            given = view.proposal(proposal_id)
            out = _out(coordinator, view, given)
            number = len(view.family(given)) + 1
        if out.row.intent != given.intent:
            raise StateError(
                "replacement-other-intent",
                f"proposal {out.row.id} has replaced {given.id}, under an intent of its own",
                remedy=f"name the one that is meant: falconer proposals bump {out.row.id} --fee-rate {rate.text()}",
            )
        intent = intent_of(out.row)
        start = setting(coordinator, wallet_id=given.wallet_id)
        with recording(coordinator, intent.requester, [f"bump of {out.row.id} to {rate.text()} sat/vB"]):
            inputs, outputs, own = _raised(
                coordinator, start, out, rate, sweep=intent.kind is IntentKind.SWEEP
            )
            verified = assemble(start.wallet, start.row, inputs, outputs, own)
            held = [each.outpoint for each in out.verified.inputs]
            draft = Draft(
                id=f"{given.family}.{number}",
                setting=start,
                verified=verified,
                intent=intent,
                purpose=out.row.purpose,
                take=[each.outpoint for each in inputs if each.outpoint not in held],
                share=held,
                replaces=out.row,
            )
            return keep(coordinator, draft)


def cancel(coordinator: Coordinator, proposal_id: str, wish: Wish) -> ProposalRow | Created:
    """Take a proposal back: reject it while no signer has seen it, and else propose to spend its named coin home.

    Of the wish, fee, expiry and words count.

    Raises:
        as `bump`, and StateError `replacement-cancels-already`.
    """
    check_wish(wish)
    with coordinator.store.read() as view:
        given = view.proposal(proposal_id)
    if given.state in NEVER_SIGNED:
        return reject(coordinator, proposal_id, wish.purpose or "cancelled")
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.read() as view:
            given = view.proposal(proposal_id)
            out = _out(coordinator, view, given)
            number = len(view.family(given)) + 1
        if intent_of(out.row).kind is IntentKind.CANCEL:
            raise StateError(
                "replacement-cancels-already",
                f"proposal {out.row.id} cancels it",
                remedy=f"to raise its fee: falconer proposals bump {out.row.id} --fee-rate RATE",
            )
        start = setting(coordinator, wallet_id=given.wallet_id)
        with recording(coordinator, wish.requester, [f"cancellation of {out.row.id}"]):
            return _cancel(coordinator, wish, start, out, f"{given.family}.{number}")


def _cancel(coordinator: Coordinator, wish: Wish, start: Setting, out: Out, name: str) -> Created:
    anchor = intent_of(out.row).spends
    home = start.wallet.scripts(CHANGE, start.index).script_pubkey
    rate = wish.fee_rate or usual_fee_rate(coordinator, wish.confirm_within)
    available = sorted((each.outpoint for each in out.verified.inputs), key=lambda each: each != anchor)
    count = 0
    while True:
        count += 1
        # the named coin alone if it can pay the fee: what is left out is free as soon as this confirms
        inputs = prove(coordinator.node, start.wallet, available[:count])
        value = sum(each.amount for each in inputs)
        size = virtual_size(start.wallet, count, [home])
        fee = max(fee_at(rate, size), out.fees + least_fee(size), fee_at(out.rate, size) + 1)
        most = min(value - dust_limit(home), fee_cap(value))
        if fee <= most:
            break
        if count == len(available):
            raise insufficient(f"a fee of {fee:,} sats")
    verified = assemble(
        start.wallet,
        start.row,
        inputs,
        [TxOutput(Amount(value - fee), home)],
        {0: OwnPlace(CHANGE, start.index)},
    )
    intent = written_intent(
        coordinator,
        start,
        wish,
        IntentKind.CANCEL,
        proposal=name,
        spends=anchor,
        max_fee=wish.max_fee if wish.max_fee is not None else usual_max_fee(start.installed, fee, most),
    )
    draft = Draft(
        id=name,
        setting=start,
        verified=verified,
        intent=intent,
        purpose=wish.purpose or f"cancels {out.row.id}",
        take=(),
        share=[each.outpoint for each in inputs],
        replaces=out.row,
    )
    return keep(coordinator, draft)


def _out(coordinator: Coordinator, view: View, given: ProposalRow) -> Out:
    """The newest of the family that may be replaced, and what that takes."""
    family = [row for row in view.family(given) if row.state in HOLDS_COINS]
    if not family:
        raise StateError(
            "proposal-state",
            f"proposal {given.id} is {given.state}: there is nothing to replace",
            state=given.state.value,
        )
    newest = family[-1]
    if newest.state in NEVER_SIGNED:
        alone = len(family) == 1
        raise StateError(
            "replacement-not-sent" if alone else "replacement-waits",
            f"proposal {newest.id} was not handed to a signer yet"
            + ("" if alone else f", and replaces {newest.replaces}"),
            remedy=f"falconer proposals reject {newest.id}, then "
            + ("propose it again" if alone else "repeat this"),
        )
    seen = [(row, coordinator.transaction(view, row)) for row in family if row.state not in NEVER_SIGNED]
    _check_dependents(view, seen)
    fees, rate = 0, FeeRate(0)
    for row, verified in seen:
        fees = max(fees, verified.fee, _driven_out(coordinator, row))
        rate = max(rate, verified.fee_rate, _true_rate(row, verified))
    return Out(newest, seen[-1][1], fees, rate)


def _driven_out(coordinator: Coordinator, row: ProposalRow) -> int:
    """The fees of a transaction and all that depends on it in the mempool."""
    entry = None if row.txid is None else coordinator.node.unconfirmed(row.txid)
    return 0 if entry is None else int(entry.descendant_fees)


def _true_rate(row: ProposalRow, verified: VerifiedTransaction) -> FeeRate:
    """The rate over the size that it has, which is a little above that over the worst case."""
    if row.final is None:
        return verified.fee_rate
    return FeeRate.of(verified.fee, Transaction.parse(row.final).weight())


def _check_dependents(view: View, seen: Sequence[tuple[ProposalRow, VerifiedTransaction]]) -> None:
    """Nothing else may be lost with what is replaced, but what was made to hurry it."""
    txids = {bytes.fromhex(row.txid)[::-1] for row, _ in seen if row.txid is not None}
    for row in dependents(view, seen[0][0].wallet_id, txids):
        if row.accelerates is None:
            raise StateError(
                "replacement-has-dependents",
                f"proposal {row.id} spends what is left of it, and would be lost with it",
                remedy=f"falconer proposals accelerate, or bump {row.id}, hurries both; {row.id} can be cancelled first",
            )


def dependents(view: View, wallet_id: str, txids: set[bytes]) -> list[ProposalRow]:
    """Live proposals that spend an output of one of these transactions."""
    return [
        row
        for row in view.proposals(wallet_id=wallet_id)
        if row.state in HOLDS_COINS
        and any(each.outpoint.txid in txids for each in UntrustedPsbt.parse(row.psbt).tx.inputs)
    ]


def _raised(
    coordinator: Coordinator, start: Setting, out: Out, rate: FeeRate, *, sweep: bool
) -> tuple[list[OwnInput], list[TxOutput], dict[int, OwnPlace]]:
    """Inputs, outputs, and which of these are ours: as before, at that fee rate."""
    old, wallet = out.verified, start.wallet
    inputs = list(prove(coordinator.node, wallet, [each.outpoint for each in old.inputs]))
    if sweep:
        fee = _fee(out, rate, virtual_size(wallet, len(inputs), [each.script for each in old.outputs]))
        left = sum(each.amount for each in inputs) - fee
        if left < dust_limit(old.outputs[0].script):
            raise insufficient(f"a fee of {fee:,} sats")
        return inputs, [TxOutput(Amount(left), old.outputs[0].script)], {}
    own = old.own_outputs
    fixed = [output for output in old.outputs if not own or output is not own[-1]]
    payments = [TxOutput(output.amount, output.script) for output in fixed]
    places = {output.index: output.place for output in fixed if output.place is not None}
    # the last of our own outputs takes what is left, where it stands; where there is none and coins are added, a new one does
    at = own[-1].index if own else len(fixed)
    place = own[-1].place if own else None
    place = place or OwnPlace(CHANGE, start.index)
    script = wallet.scripts(place.branch, place.index).script_pubkey
    more = iter(free_coins(coordinator, start))
    while True:
        rest = sum(each.amount for each in inputs) - sum(output.value for output in payments)
        scripts = [output.script for output in payments]
        fee = _fee(out, rate, virtual_size(wallet, len(inputs), [*scripts, script]))
        if rest - fee >= dust_limit(script):
            change = TxOutput(Amount(rest - fee), script)
            return inputs, [*payments[:at], change, *payments[at:]], {**places, at: place}
        if payments and rest >= _fee(out, rate, virtual_size(wallet, len(inputs), scripts)):
            # too little for an output of its own: the miners get it
            return inputs, payments, {number - (number > at): where for number, where in places.items()}
        added = next(more, None)
        if added is None:
            raise insufficient(f"a fee of {fee:,} sats")
        inputs += prove(coordinator.node, wallet, [added])


def _fee(out: Out, rate: FeeRate, size: int) -> int:
    """The fee at that rate.

    Raises:
        UsageError: `replacement-fee-too-low`.
    """
    fee, least = fee_at(rate, size), out.fees + least_fee(size)
    if fee < least or rate <= out.rate:
        enough = FeeRate(max(-(-least * 1000 // size), out.rate + 1))
        raise UsageError(
            "replacement-fee-too-low",
            f"{rate.text()} sat/vB would be a fee of {fee:,} sats, and nodes take a replacement from {least:,} sats on",
            remedy=f"--fee-rate {enough.text()} or more",
            least_fee=least,
            least_rate=enough.text(),
        )
    return fee


def rivals(view: View, row: ProposalRow) -> list[ProposalRow]:
    """The others of its family that a signer has seen and that are not over: at most one of them all can confirm."""
    return [
        each
        for each in view.family(row)
        if each.id != row.id and each.state in HOLDS_COINS and each.state not in NEVER_SIGNED
    ]
