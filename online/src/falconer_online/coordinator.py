"""One coordinator at work: its configuration, its store, its node, and the trusted things made from stored
bytes.

Nothing trusted is stored as such. A wallet is registered again from its descriptor, a policy chain is
replayed from the pinned administrators on, a transaction is parsed and verified again from its PSBT: whoever
edits the database gets a refusal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from falconer_online.chain.node import Node
from falconer_online.config import Config, Home, load
from falconer_online.files import exclusive
from falconer_online.store.rows import ProposalRow, WalletRow
from falconer_online.store.store import Store
from falconer_online.store.view import View
from falconer_shared.approval.intent import Intent
from falconer_shared.errors import StateError
from falconer_shared.policy.signed import InstalledPolicy, PinnedAdmins, SignedPolicy, replay
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet

Clock = Callable[[], int]
"""Seconds since 1970."""


def system_clock() -> int:
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Everything a command needs. `node` may be unreachable: only asking it says so."""

    config: Config
    store: Store
    node: Node
    clock: Clock = system_clock

    @classmethod
    def open(cls, home: Home) -> Coordinator:
        """The coordinator that lives in `home`.

        Raises:
            StateError: `not-initialised`, or whatever is wrong with configuration or store.
        """
        from falconer_online.chain.core import CoreNode  # noqa: PLC0415  # urllib3 takes 90 ms to import

        config = load(home)
        return cls(config, Store.open(home.database), CoreNode(config))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Alone with this coordinator: what is judged here is not changed by another command meanwhile."""
        with exclusive(self.config.home.lock_file):
            yield

    def wallet(self, row: WalletRow) -> RegisteredWallet:
        """The registered wallet, from its descriptor; its id must be the one that people compared.

        Raises:
            StateError: `store-wallet-differs`.
        """
        wallet = RegisteredWallet.register(row.name, self.config.network, row.descriptor)
        if wallet.wallet_id != row.wallet_id:
            raise StateError(
                "store-wallet-differs",
                f"the stored descriptor of wallet {row.name} is not the registered one",
                remedy="the database was edited: restore it from a backup",
            )
        return wallet

    def policy(self, view: View, row: WalletRow, version: int | None = None) -> InstalledPolicy:
        """The policy in force, or an earlier version of it; its whole chain of signatures walked again.

        Raises:
            StateError: `policy-not-installed`, `administrators-none`. What `replay` raises when the store was
            edited.
        """
        chain = [
            SignedPolicy(each.text, each.signatures)
            for each in view.policies(row.wallet_id)
            if version is None or each.version <= version
        ]
        if not chain:
            raise StateError(
                "policy-not-installed",
                f"no policy is installed for wallet {row.name}",
                remedy="falconer policy compile, sign, install",
            )
        return replay(chain, self.pinned(view), network=self.config.network, wallet_id=row.wallet_id)

    def pinned(self, view: View) -> PinnedAdmins:
        """The administrators pinned at `init`.

        Raises:
            StateError: `administrators-none`.
        """
        keys = tuple(SshPublicKey.parse(line) for line in view.administrators().values())
        if not keys:
            raise StateError(
                "administrators-none",
                "no administrator was pinned at init, so no policy can be trusted",
                remedy="falconer init --admin FILE ... in a new home",
            )
        return PinnedAdmins(keys)

    def transaction(self, view: View, row: ProposalRow) -> VerifiedTransaction:
        """The proposal's transaction, parsed and verified again from the bytes that we kept.

        Raises:
            StateError: `store-transaction-differs`. VerificationError when the stored bytes do not verify.
        """
        wallet = view.wallet_by_id(row.wallet_id)
        verified = verify(UntrustedPsbt.parse(row.psbt), self.wallet(wallet), known_indexes(wallet))
        if verified.unsigned_hash != row.unsigned_hash:
            raise StateError(
                "store-transaction-differs",
                f"the stored transaction of proposal {row.id} is not the proposed one",
                remedy="the database was edited: restore it from a backup",
            )
        return verified


def known_indexes(row: WalletRow) -> KnownIndexes:
    """How far our own records have seen addresses of this wallet used."""
    highest = {0: row.highest_receive, 1: row.highest_change}
    return KnownIndexes({branch: index for branch, index in highest.items() if index >= 0})


def intent_of(row: ProposalRow) -> Intent:
    """The proposal's intent, from the very bytes that approvers sign."""
    return Intent.parse(row.intent)


def node_wallet_name(wallet_id: str) -> str:
    """What the node's watch-only wallet is called."""
    return f"falconer-{wallet_id}"
