"""Sweeps and consolidations: coins that are named or all free ones, into one output.

A sweep pays one destination all that its coins hold, less the fee. Approvers see the least that it gets: the
value of the coins less the fee that they allow. A consolidation brings many coins into one of our own change
addresses, and nothing leaves the wallet but the fee.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_online.build import OwnInput, assemble, prove, virtual_size
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
    new_id,
    recording,
    setting,
    usual_max_fee,
    written_intent,
)
from falconer_online.proposals import Wish, check_wish, expire_due
from falconer_online.wallets import CHANGE, check_free
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.script import dust_limit
from falconer_shared.bitcoin.transaction import TxOutput
from falconer_shared.errors import UsageError
from falconer_shared.units import Amount
from falconer_shared.verify.fees import fee_cap
from falconer_shared.wallet.ownership import OwnPlace


@dataclass(frozen=True, slots=True)
class _Move:
    """Where everything goes: to `script`, which is ours when `place` says where."""

    kind: IntentKind
    script: bytes
    place: OwnPlace | None = None


def sweep(coordinator: Coordinator, wish: Wish, destination: bytes) -> Created:
    """Propose to pay the script `destination` everything: the coins of the wish, or all that are free and confirmed.

    Raises:
        UsageError: `payment-to-own-wallet`, and as `create`. StateError: `funds-insufficient`. PolicyRefused,
            VerificationError, DeviceError: and nothing is held then.
    """
    return _propose(coordinator, wish, _Move(IntentKind.SWEEP, destination))


def consolidate(coordinator: Coordinator, wish: Wish) -> Created:
    """Propose to bring coins together: those of the wish, or all that are free and confirmed.

    Raises:
        as `sweep`, and UsageError `consolidate-one-coin`.
    """
    return _propose(coordinator, wish, None)


def _propose(coordinator: Coordinator, wish: Wish, move: _Move | None) -> Created:
    check_wish(wish)
    with coordinator.exclusive():
        expire_due(coordinator)
        start = setting(coordinator, wish.wallet)
        check_free(coordinator, start.row, wish.coins)
        if move is None:
            home = start.wallet.scripts(CHANGE, start.index).script_pubkey
            move = _Move(IntentKind.OWN, home, OwnPlace(CHANGE, start.index))
        what = (
            f"sweep to {address_of(move.script, start.wallet.network)}"
            if move.place is None
            else "consolidation"
        )
        with recording(coordinator, wish.requester, [what]):
            coins = wish.coins or free_coins(coordinator, start)
            if move.place is not None and len(coins) == 1:
                raise UsageError("consolidate-one-coin", "one coin is no more together than it was")
            return _keep(coordinator, wish, start, move, prove(coordinator.node, start.wallet, coins))


def _keep(
    coordinator: Coordinator, wish: Wish, start: Setting, move: _Move, inputs: tuple[OwnInput, ...]
) -> Created:
    rate = wish.fee_rate or usual_fee_rate(coordinator, wish.confirm_within)
    value = sum(each.amount for each in inputs)
    fee = fee_at(rate, virtual_size(start.wallet, max(len(inputs), 1), [move.script]))
    dust = int(dust_limit(move.script))
    if value - fee < max(dust, 1):
        raise insufficient(f"a fee of {fee:,} sats: they hold {value:,}")
    verified = assemble(
        start.wallet,
        start.row,
        inputs,
        [TxOutput(Amount(value - fee), move.script)],
        {} if move.place is None else {0: move.place},
    )
    if move.place is None and verified.own_outputs:
        raise UsageError(
            "payment-to-own-wallet",
            "a sweep goes to an address of this very wallet",
            remedy="to bring coins together: --own",
        )
    now = coordinator.clock()
    most = min(value - max(dust, 1), fee_cap(value))
    max_fee = wish.max_fee if wish.max_fee is not None else usual_max_fee(start.installed, fee, most)
    if max_fee > most:
        raise UsageError(
            "sweep-max-fee",
            f"a fee of up to {int(max_fee):,} sats of {value:,}: no more than {most:,} is ever signed",
        )
    pays: tuple[tuple[Amount, str], ...] = ()
    if move.kind is IntentKind.SWEEP:
        # to the satoshi: with the fee that is allowed it is all that the coins hold
        pays = ((Amount(value - max_fee), address_of(move.script, start.wallet.network)),)
    name = new_id(now)
    intent = written_intent(
        coordinator,
        start,
        wish,
        move.kind,
        proposal=name,
        spends=inputs[0].outpoint,
        pays=pays,
        max_fee=max_fee,
    )
    taken = [each.outpoint for each in inputs]
    return keep(
        coordinator,
        Draft(id=name, setting=start, verified=verified, intent=intent, purpose=wish.purpose, take=taken),
    )
