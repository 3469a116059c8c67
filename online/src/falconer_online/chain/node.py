"""What the coordinator asks of a node, whatever the node is.

A node is a witness that may lie. It chooses coins, hands over previous transactions, says what confirmed and
takes transactions. Which coins and outputs a payment has is proven by our own core from full previous
transactions; that a transaction confirmed is the one thing believed, and moves no money. Quantities are
integers of satoshis; transaction ids are hex in display order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.units import Amount, FeeRate

Progress = Callable[[int, int], None]
"""Called with blocks done and blocks in all."""


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Where the node stands. `chain` is its own name for the network; `lowest_height` is the lowest block it
    still holds.
    """

    chain: str
    height: int
    headers: int
    synced: bool
    lowest_height: int
    version: str


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin as the node claims it."""

    outpoint: OutPoint
    amount: Amount
    script: bytes
    confirmations: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whether the node's mempool would take a transaction."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """What the node says of a transaction of the wallet: 0 in the mempool, negative when a conflicting one
    confirmed.
    """

    confirmations: int
    height: int | None
    in_mempool: bool


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A transaction in the mempool: fees and virtual bytes of itself and all that it depends on there, and the fees of
    itself and all that depends on it.
    """

    ancestor_fees: Amount
    ancestor_size: int
    descendant_fees: Amount


@dataclass(frozen=True, slots=True)
class Layer:
    """Waiting transactions of one range of fee rates, from `lowest` up to the next layer: how many, and their
    virtual bytes.
    """

    lowest: FeeRate
    transactions: int
    virtual_bytes: int


@dataclass(frozen=True, slots=True)
class Mempool:
    """The node's pool of unconfirmed transactions. `usage` and `maximum` are bytes of memory; `minimum` is the
    rate below which it takes nothing now, `relay` the one below which it never does; `layers` rise by rate, and
    are None where the node cannot say.
    """

    transactions: int
    virtual_bytes: int
    usage: int
    maximum: int
    minimum: FeeRate
    relay: FeeRate
    layers: tuple[Layer, ...] | None = None

    @property
    def congestion_percent(self) -> int:
        """Usage over maximum in percent, rounded up: a limit compared with it is never exceeded unseen."""
        return -(-self.usage * 100 // self.maximum)


class Node(Protocol):
    """A node with watch-only wallets. Every method raises DeviceError when the node does not answer as it
    must.
    """

    def status(self) -> ChainStatus: ...

    def check_network(self) -> None:
        """Refuse a node of another network (A094): DeviceError `node-wrong-network`. Every other method does so itself."""

    def block_time(self, height: int) -> int: ...

    def open_wallet(self, name: str) -> bool:
        """Load or make the watch-only wallet; True when it was made now."""

    def import_descriptors(self, name: str, descriptors: Sequence[str], last_index: int) -> None:
        """Watch each ranged single-path descriptor from 0 to `last_index`, from now on."""

    def rescan(self, name: str, start: int, progress: Progress) -> None:
        """Look through the blocks from height `start` to the tip."""

    def next_indexes(self, name: str) -> dict[str, int]:
        """For every watched descriptor (its text without checksum): the lowest index never used on chain."""

    def coins(self, name: str) -> tuple[Coin, ...]:
        """Unspent coins, locked ones included."""

    def confirmations(self, outpoint: OutPoint) -> int | None:
        """Of the transaction that made a coin, 0 in the mempool; None when the coin is spent or unknown."""

    def choose(
        self, name: str, payments: Sequence[tuple[str, Amount]], change_address: str, fee_rate: FeeRate,
        *, coins: Collection[OutPoint] = (), subtract_fee: bool = False, min_confirmations: int = 0,
    ) -> bytes:  # fmt: skip
        """A PSBT, not to be trusted, that pays these addresses, with its coins locked.

        With `coins` it spends exactly those; without, coins of `min_confirmations` or more. With `subtract_fee`
        the payments bear the fee, in equal parts.

        Raises:
            PolicyViolation: never. StateError `funds-insufficient` when the coins do not suffice.
        """

    def locked(self, name: str) -> frozenset[OutPoint]: ...

    def lock(self, name: str, outpoint: OutPoint) -> bool:
        """Hold a coin until unlocked, over restarts too; False where there is no such coin to hold."""

    def unlock(self, name: str, outpoints: Sequence[OutPoint]) -> None:
        """Free coins; those that are not held are passed over."""

    def raw_transaction(self, name: str, txid: str) -> bytes:
        """A whole transaction that the wallet knows."""

    def fee_rate(self, blocks: int) -> FeeRate | None:
        """The rate that should confirm within so many blocks; None when the node knows too little."""

    def pool(self) -> Mempool:
        """How full the pool is, without its layers."""

    def pool_layers(self, bounds: Sequence[FeeRate]) -> Mempool:
        """The same with its transactions counted by fee rate; `bounds` rise and begin with 0."""

    def unconfirmed(self, txid: str) -> Unconfirmed | None:
        """A transaction in the mempool with its relatives there; None when it is not there."""

    def test_accept(self, raw: bytes) -> Acceptance: ...

    def send(self, raw: bytes) -> str:
        """Hand the transaction to the network; the id that the node gives it."""

    def transaction(self, name: str, txid: str) -> TransactionStatus | None:
        """None when the wallet does not know it."""
