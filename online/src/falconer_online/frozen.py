"""Coins that a person keeps out of proposals: in our store, and as locks of the node, each with its audit record.

The store is what counts: a proposal that takes a frozen coin does not commit, whatever the node chose.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.store.rows import WalletRow
from falconer_online.wallets import check_free
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import DeviceError, StateError, UsageError

MAX_REASON: Final = 200
"""Characters: a sentence for whoever finds the coin frozen."""

MAX_FROZEN: Final = 10_000
"""Frozen coins of one wallet."""


def freeze(coordinator: Coordinator, row: WalletRow, outpoint: OutPoint, reason: str) -> None:
    """Freeze an unspent coin of the wallet that no proposal holds.

    Raises:
        UsageError: `coin-unknown`, `coin-reason`. StateError: `coin-held`, `coin-frozen`, `coins-frozen-many`.
    """
    if len(reason) > MAX_REASON:
        raise UsageError("coin-reason", f"the reason has more than {MAX_REASON} characters")
    with coordinator.exclusive():
        check_free(coordinator, row, (outpoint,))
        with coordinator.store.change(coordinator.clock()) as change:
            if len(change.frozen(row.wallet_id)) >= MAX_FROZEN:
                raise StateError("coins-frozen-many", f"{MAX_FROZEN} coins of wallet {row.name} are frozen")
            change.freeze_coin(row, outpoint, reason)
        # the next reconciliation makes up for a node that is away
        with suppress(DeviceError):
            coordinator.node.lock(node_wallet_name(row.wallet_id), outpoint)


def unfreeze(coordinator: Coordinator, row: WalletRow, outpoint: OutPoint) -> None:
    """Let proposals take the coin again.

    Raises:
        StateError: `coin-not-frozen`.
    """
    with coordinator.exclusive():
        with coordinator.store.change(coordinator.clock()) as change:
            if outpoint not in change.frozen(row.wallet_id):
                raise StateError(
                    "coin-not-frozen",
                    f"the coin {outpoint.text()} of wallet {row.name} is not frozen",
                    remedy="falconer wallet coins shows which are",
                )
            change.unfreeze_coin(row, outpoint)
        with suppress(DeviceError):
            coordinator.node.unlock(node_wallet_name(row.wallet_id), [outpoint])
