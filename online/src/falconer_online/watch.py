"""Watching what was broadcast: the node's word on confirmations, which moves a proposal's state and no money."""

from __future__ import annotations

from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.proposals import expire_due
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow

FINAL_CONFIRMATIONS = 100
"""Depth from which a reorganisation is no longer looked for: that of a spendable coinbase (consensus)."""


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
        with coordinator.store.read() as view:
            watched = [
                row
                for row in view.proposals()
                if row.state is ProposalState.BROADCAST
                or (row.state is ProposalState.CONFIRMED and (row.confirmations or 0) < FINAL_CONFIRMATIONS)
            ]
        for row in watched:
            after = _look(coordinator, row)
            if after.state is not row.state:
                changed.append((row, after))
        return tuple(changed)


def _look(coordinator: Coordinator, row: ProposalRow) -> ProposalRow:
    if row.txid is None:
        return row
    status = coordinator.node.transaction(node_wallet_name(row.wallet_id), row.txid)
    confirmations = 0 if status is None else status.confirmations
    if confirmations == row.confirmations and row.state is ProposalState.CONFIRMED:
        return row
    with coordinator.store.change(coordinator.clock()) as change:
        if confirmations < 0:
            return change.move(
                row,
                ProposalState.FAILED,
                confirmations=confirmations,
                reason="another transaction spent its coins",
            )
        if confirmations >= coordinator.config.confirmations and row.state is ProposalState.BROADCAST:
            return change.move(row, ProposalState.CONFIRMED, confirmations=confirmations)
        if confirmations < coordinator.config.confirmations and row.state is ProposalState.CONFIRMED:
            coins = [proven.outpoint for proven in coordinator.transaction(change, row).inputs]
            change.hold_again(row, coins)
            return change.move(
                row,
                ProposalState.BROADCAST,
                confirmations=confirmations,
                reason="a reorganisation took its confirmations",
            )
        change.set_confirmations(row, confirmations)
        return change.proposal(row.id)
