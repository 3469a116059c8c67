"""The last step: finalise what is signed, and hand it to the network.

The transaction is built from our own PSBT and the verified signatures, taken apart again by the Finalizer,
run through Bitcoin Core's own script verification where that is installed (`consensus`), tried at the node's
mempool, sent, and the id that the node returns must be ours. Should the program end
between sending and storing, a second `broadcast` finds the transaction at the node and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_online.consensus import check_scripts
from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.receive import collected_signatures
from falconer_online.replacing import rivals
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_shared.errors import DeviceError, StateError, VerificationError
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.text import safe

_KNOWN = frozenset({"txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool"})
"""Reject reasons that say: the node has it."""

SENDABLE = frozenset(
    {ProposalState.SENT, ProposalState.SIGNED, ProposalState.BROADCAST, ProposalState.CONFIRMED}
)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """`already` says that the network had it before; `consensus` is the version of the library that verified the scripts, None
    where none is installed.
    """

    row: ProposalRow
    final: FinalTransaction
    already: bool
    consensus: str | None


def broadcast(coordinator: Coordinator, proposal_id: str) -> Broadcast:
    """Finalise and send a proposal's transaction.

    Raises:
        VerificationError: `signatures-missing`, `consensus-script-failed`, and what the Finalizer refuses. DeviceError:
        `broadcast-refused`, `node-txid`. StateError: `proposal-state`, `consensus-unusable`.
    """
    with coordinator.exclusive():
        with coordinator.store.read() as view:
            row = view.proposal(proposal_id)
            if row.state not in SENDABLE:
                raise StateError(
                    "proposal-state",
                    f"proposal {row.id} is {row.state}, and cannot be broadcast",
                    state=row.state.value,
                )
            signed = collected_signatures(coordinator.transaction(view, row), view, row)
        if signed is None:
            raise VerificationError(
                "signatures-missing",
                f"no signature for proposal {row.id} was received",
                remedy="falconer proposals receive FILE ...",
            )
        final = finalize(signed)
        consensus = check_scripts(final)
        already = _known(coordinator, row, final)
        if not already:
            already = _send(coordinator, final)
        if row.state in {ProposalState.SENT, ProposalState.SIGNED}:
            with coordinator.store.change(coordinator.clock()) as change:
                if row.state is ProposalState.SENT:
                    row = change.move(row, ProposalState.SIGNED)
                row = change.move(
                    row, ProposalState.BROADCAST, txid=final.txid_hex, final=final.raw, confirmations=0
                )
                # which of them confirms is not ours to say: they stay as they are until one does
                for rival in rivals(change, row):
                    change.set_replaced(rival, row.id)
    return Broadcast(row, final, already, consensus)


def _known(coordinator: Coordinator, row: ProposalRow, final: FinalTransaction) -> bool:
    status = coordinator.node.transaction(node_wallet_name(row.wallet_id), final.txid_hex)
    return status is not None and (status.confirmations > 0 or status.in_mempool)


def _send(coordinator: Coordinator, final: FinalTransaction) -> bool:
    acceptance = coordinator.node.test_accept(final.raw)
    if not acceptance.allowed:
        if acceptance.reason in _KNOWN:
            return True
        raise DeviceError(
            "broadcast-refused",
            f"the node does not take the transaction: {safe(acceptance.reason)}",
            remedy="if its coins were spent otherwise, reject it; if it pays too little, falconer proposals bump raises its fee",
        )
    txid = coordinator.node.send(final.raw)
    if txid != final.txid_hex:
        raise DeviceError(
            "node-txid",
            f"the node calls the transaction {safe(txid, 64)}, its id is {final.txid_hex}",
            remedy="do not trust this node: look for the transaction elsewhere",
        )
    return False
