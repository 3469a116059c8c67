"""What to pay for a place in a block: estimates of the node, and what stands in for them.

An estimate is a node's opinion. It decides what is proposed, never what is signed: caps, the policy's limits
and the intent's bound on the fee are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from falconer_online.chain.node import Mempool, Node
from falconer_online.coordinator import Coordinator
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import worst_case_weight
from falconer_shared.errors import UsageError
from falconer_shared.units import Amount, FeeRate
from falconer_shared.wallet.registration import RegisteredWallet

MAX_TARGET: Final = 1008
"""Blocks that an estimate may look ahead: a week, the longest that Bitcoin Core estimates."""

TARGETS: Final = (1, 3, 6, 12, 36, 144, 1008)
"""Blocks of the brief: next, half an hour, an hour, two, six, a day, a week."""

LAYERS: Final = tuple(FeeRate.from_sats_per_vbyte(rate) for rate in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500))
"""Bounds of the brief's layers of the mempool."""

BLOCK_VBYTES: Final = 1_000_000
"""Virtual bytes of a full block (BIP 141: four million weight units)."""

TYPICAL_COINS: Final = (1, 2, 5)
"""Coins spent by the payments whose cost the brief shows."""


def fallback_fee_rate(network: Network) -> FeeRate | None:
    """What to pay when the node has no estimate: 10 sat/vB on regtest and signet, where nobody competes;
    elsewhere a person decides.
    """
    return FeeRate.from_sats_per_vbyte(10) if network in {Network.REGTEST, Network.SIGNET} else None


def usual_fee_rate(coordinator: Coordinator, confirm_within: int | None = None) -> FeeRate:
    """The rate for a confirmation within so many blocks, or the configured number of them.

    Never below what the node's mempool takes at all, or the payment could not even be handed over.

    Raises:
        UsageError: `fee-rate-unknown`, `confirm-within`.
    """
    blocks = coordinator.config.fee_target_blocks if confirm_within is None else confirm_within
    if not 1 <= blocks <= MAX_TARGET:
        raise UsageError("confirm-within", f"{blocks} blocks are not between 1 and {MAX_TARGET}")
    rate = coordinator.node.fee_rate(blocks) or fallback_fee_rate(coordinator.config.network)
    if rate is None:
        raise UsageError(
            "fee-rate-unknown", "the node knows no fee rate yet", remedy="name one in sat/vB: --fee-rate"
        )
    return max(rate, coordinator.node.pool().minimum)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The rate that should confirm within `blocks`; None where neither node nor fallback knows one."""

    blocks: int
    rate: FeeRate | None
    from_node: bool


@dataclass(frozen=True, slots=True)
class Brief:
    """Estimates for `TARGETS`, the mempool in layers, and the virtual size of a payment by coins spent."""

    estimates: tuple[Estimate, ...]
    mempool: Mempool
    sizes: tuple[tuple[int, int], ...]


def brief(node: Node, network: Network, wallet: RegisteredWallet | None) -> Brief:
    """What the next payment of a wallet would cost, and why."""
    estimates = []
    for blocks in TARGETS:
        found = node.fee_rate(blocks)
        estimates.append(Estimate(blocks, found or fallback_fee_rate(network), found is not None))
    sizes = () if wallet is None else tuple((coins, payment_size(wallet, coins)) for coins in TYPICAL_COINS)
    return Brief(tuple(estimates), node.pool_layers(LAYERS), sizes)


def payment_size(wallet: RegisteredWallet, coins: int) -> int:
    """Virtual bytes, at the worst, of a payment from so many coins to one taproot address with change."""
    inputs = tuple(TxInput(OutPoint(bytes(32), number), b"", 0) for number in range(coins))
    payment = TxOutput(Amount(0), b"\x51\x20" + bytes(32))
    change = TxOutput(Amount(0), wallet.scripts(1, 0).script_pubkey)
    stripped = len(Transaction(2, inputs, (payment, change), 0).serialize_stripped())
    return worst_case_weight(wallet.descriptor, stripped, coins).virtual_size()


def fee_of(rate: FeeRate, virtual_bytes: int) -> int:
    """Satoshis at that rate, rounded up."""
    return -(-int(rate) * virtual_bytes // 1000)


@dataclass(frozen=True, slots=True)
class Health:
    """The mempool's state in one word and one sentence."""

    verdict: str
    sentence: str


CONGESTED_PERCENT: Final = 80
"""Usage from which a node soon begins to drop what pays least."""

BUSY_BLOCKS: Final = 3
"""Full blocks of waiting transactions from which low rates wait for more than half an hour."""


def health(mempool: Mempool) -> Health:
    """A verdict on the mempool."""
    percent = mempool.congestion_percent
    if mempool.minimum > mempool.relay:
        return Health(
            "full", f"The pool is full: below {mempool.minimum.text()} sat/vB nothing is taken any more."
        )
    if percent >= CONGESTED_PERCENT:
        return Health("congested", f"The pool is {percent} % full and will soon drop what pays least.")
    if mempool.virtual_bytes > BUSY_BLOCKS * BLOCK_VBYTES:
        blocks = -(-mempool.virtual_bytes // BLOCK_VBYTES)
        return Health("busy", f"About {blocks} blocks of transactions wait: low fee rates will wait too.")
    return Health("calm", "There is room: a payment at a low fee rate should confirm soon.")
