"""Watching what was broadcast: the node's word on confirmations, which moves a proposal's state and no money.

A family is looked at together, since at most one of it confirms. While a member has a confirmation, but too few, the others
wait; when it has enough they fail, with what was built on them. Should a reorganisation choose another, that one
comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.proposals import expire_due
from falconer_online.receive import collected_signatures
from falconer_online.replacing import dependents
from falconer_online.states import HOLDS_COINS, ProposalState
from falconer_online.store.change import Change
from falconer_online.store.rows import ProposalRow
from falconer_online.store.view import View
from falconer_online.wallets import reconcile_locks
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import DeviceError
from falconer_shared.roles.finalize import finalize

FINAL_CONFIRMATIONS = 100
"""Depth from which a reorganisation is no longer looked for: that of a spendable coinbase (consensus)."""

_S = ProposalState


def refresh(coordinator: Coordinator) -> tuple[tuple[ProposalRow, ProposalRow], ...]:
    """Expire what is due and ask the node about what was broadcast; every change as (before, after).

    Raises:
        DeviceError: the node does not answer; what expired is expired all the same.
    """
    with coordinator.exclusive():
        changed = []
        for before in expire_due(coordinator):
            with coordinator.store.read() as view:
                changed.append((before, view.proposal(before.id)))
        for family in _watched(coordinator):
            changed += _look(coordinator, family)
        _free_coins(coordinator, {after.wallet_id for _, after in changed if after.state not in HOLDS_COINS})
        return tuple(changed)


def _watched(coordinator: Coordinator) -> list[tuple[ProposalRow, ...]]:
    """Families of which something is out, and may still confirm or lose its confirmation."""
    with coordinator.store.read() as view:
        names = {
            row.family: row
            for row in view.proposals()
            if row.state is _S.BROADCAST
            or (row.state is _S.CONFIRMED and (row.confirmations or 0) < FINAL_CONFIRMATIONS)
        }
        return [view.family(row) for row in names.values()]


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What the node says of one member; `final` where our store does not have it yet."""

    confirmations: int
    txid: str
    final: bytes | None = None


def _look(coordinator: Coordinator, family: Sequence[ProposalRow]) -> list[tuple[ProposalRow, ProposalRow]]:
    seen = {}
    for row in family:
        sighting = _sighting(coordinator, row, alone=len(family) == 1)
        if sighting is not None:
            seen[row.id] = sighting
    if all(_as_stored(row, seen) for row in family):
        return []
    with coordinator.store.change(coordinator.clock()) as change:
        touched = {row.id: row for row in family}
        for row in family:
            if row.id in seen:
                _move(coordinator, change, row, seen)
        winner = next((row for row in change.family(family[0]) if row.state is _S.CONFIRMED), None)
        if winner is not None:
            touched |= {row.id: row for row in _end_losers(change, winner)}
        after = {name: change.proposal(name) for name in touched}
    return [(row, after[name]) for name, row in touched.items() if after[name].state is not row.state]


def _as_stored(row: ProposalRow, seen: Mapping[str, _Sighting]) -> bool:
    """Nothing new: confirmed, at the depth that we know. What waits is looked at every time."""
    if row.id not in seen:
        return True
    return row.state in {_S.CONFIRMED, _S.FAILED} and seen[row.id].confirmations == row.confirmations


def _sighting(coordinator: Coordinator, row: ProposalRow, *, alone: bool) -> _Sighting | None:
    """None for what the network cannot have from us."""
    name, txid, final = node_wallet_name(row.wallet_id), row.txid, None
    if txid is None and row.state is _S.SIGNED and not alone:
        # complete, kept here, and perhaps sent by somebody else who holds the answers
        with coordinator.store.read() as view:
            signed = collected_signatures(coordinator.transaction(view, row), view, row)
        if signed is not None and signed.complete:
            made = finalize(signed)
            txid, final = made.txid_hex, made.raw
    if txid is None or row.state not in {_S.SIGNED, _S.BROADCAST, _S.CONFIRMED, _S.FAILED}:
        return None
    status = coordinator.node.transaction(name, txid)
    if status is None and final is not None:
        return None
    return _Sighting(0 if status is None else status.confirmations, txid, final)


def _move(coordinator: Coordinator, change: Change, row: ProposalRow, seen: Mapping[str, _Sighting]) -> None:
    mine = seen[row.id]
    depth = mine.confirmations
    if row.state in {_S.FAILED, _S.SIGNED}:
        if depth <= 0:
            return
        # it was thought lost, or never sent from here, and a block has it
        final = mine.final or row.final or b""
        row = change.move(row, _S.BROADCAST, txid=mine.txid, final=final, confirmations=depth)
        change.hold_again(row, _coins(coordinator, change, row))
    if depth < 0:
        if any(each.confirmations > 0 for each in seen.values()):
            # one of the family took its place: it is over when that one has its depth
            change.set_confirmations(row, depth)
            if row.state is _S.CONFIRMED:
                _unconfirm(coordinator, change, row, depth)
            return
        change.move(row, _S.FAILED, confirmations=depth, reason="another transaction spent its coins")
    elif depth >= coordinator.config.confirmations and row.state is _S.BROADCAST:
        change.move(row, _S.CONFIRMED, confirmations=depth)
    elif depth < coordinator.config.confirmations and row.state is _S.CONFIRMED:
        _unconfirm(coordinator, change, row, depth)
    else:
        change.set_confirmations(row, depth)


def _unconfirm(coordinator: Coordinator, change: Change, row: ProposalRow, depth: int) -> None:
    change.hold_again(row, _coins(coordinator, change, row))
    change.move(row, _S.BROADCAST, confirmations=depth, reason="a reorganisation took its confirmations")


def _coins(coordinator: Coordinator, view: View, row: ProposalRow) -> list[OutPoint]:
    return [proven.outpoint for proven in coordinator.transaction(view, row).inputs]


def _end_losers(change: Change, winner: ProposalRow) -> list[ProposalRow]:
    """The others of the family can no longer confirm, nor can what spends their outputs; as they were before."""
    ended = []
    for row in change.family(winner):
        if row.id != winner.id and row.state in HOLDS_COINS:
            ended.append(row)
            change.set_replaced(row, winner.id)
            change.move(row, _S.FAILED, reason=f"replaced: {winner.id} is confirmed")
    lost = {bytes.fromhex(row.txid)[::-1] for row in ended if row.txid is not None}
    while lost:
        orphans = dependents(change, winner.wallet_id, lost)
        for row in orphans:
            ended.append(row)
            change.move(row, _S.FAILED, reason=f"spends what {winner.id} took the place of")
        lost = {bytes.fromhex(row.txid)[::-1] for row in orphans if row.txid is not None}
    return ended


def _free_coins(coordinator: Coordinator, wallet_ids: Iterable[str]) -> None:
    """What ended frees its coins at the node, too; where it does not answer, `status` makes up for it."""
    with suppress(DeviceError), coordinator.store.read() as view:
        for row in view.wallets():
            if row.wallet_id in wallet_ids:
                reconcile_locks(coordinator, view, row)
