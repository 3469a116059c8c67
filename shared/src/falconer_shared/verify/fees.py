"""What the transaction costs, and the caps that no policy can lift.

Everything is computed from proven amounts and the worst-case signed weight. The caps are the last fence
behind a missing or generous policy: they stop a fee that can only be a mistake or a theft, and are far above
what anybody pays (A010, A011, A022).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.descriptor.ast import Node, worst_case_weight
from falconer_shared.errors import VerificationError
from falconer_shared.units import (
    MAX_MONEY,
    MAX_STANDARD_WEIGHT,
    Amount,
    FeeRate,
    Weight,
)

MAX_FEE = 10_000_000
"""Satoshis. 0.1 BTC: Bitcoin Core's own `-maxtxfee`; whoever needs more has mistyped something."""

MAX_FEE_RATE = 2_500_000
"""Satoshis per 1,000 vB. 2,500 sat/vB is above the dearest blocks that the network has seen."""

MAX_FEE_SHARE_PERCENT = 25
"""Percent of the inputs' sum. Measured against the inputs, so that it is defined even when every output is
zero (A011).
"""


def fee_cap(value: int) -> int:
    """The highest fee that a transaction whose inputs hold `value` satoshis may ever have, whatever its size."""
    return min(MAX_FEE, value * MAX_FEE_SHARE_PERCENT // 100)


@dataclass(frozen=True, slots=True)
class Cost:
    """Sums in satoshis, the worst-case signed weight and the fee rate over it."""

    inputs: Amount
    outputs: Amount
    fee: Amount
    weight: Weight
    fee_rate: FeeRate


def total(amounts: Iterable[int], what: str) -> Amount:
    """A sum whose every step stays within 21,000,000 BTC: Python integers hide an overflow, so it is looked
    for (A008).

    Raises:
        VerificationError: `amount-sum-out-of-range`.
    """
    running = 0
    for amount in amounts:
        running += amount
        if running > MAX_MONEY:
            raise VerificationError(
                "amount-sum-out-of-range", f"the {what} add up to more than 21,000,000 BTC"
            )
    return Amount(running)


def signed_weight(tx: Transaction, node: Node) -> Weight:
    """Weight units of `tx` once signed with the largest signatures that its wallet's descriptor can need.

    Raises:
        VerificationError: `weight-not-standard`, above which nodes do not relay it and the coins would be stuck (A064).
    """
    weight = worst_case_weight(node, len(tx.serialize_stripped()), len(tx.inputs))
    if weight > MAX_STANDARD_WEIGHT:
        raise VerificationError(
            "weight-not-standard",
            f"the signed transaction would weigh up to {weight} WU, and nodes relay at most {MAX_STANDARD_WEIGHT} WU",
            remedy="split the payment into several transactions",
            weight=int(weight),
            limit=MAX_STANDARD_WEIGHT,
        )
    return weight


def cost(proven: Sequence[int], outputs: Sequence[TxOutput], weight: Weight) -> Cost:
    """Sums, fee and fee rate, within the caps.

    Raises:
        VerificationError: `amount-sum-out-of-range`, `fee-negative`, `fee-above-cap`, `fee-rate-above-cap`,
            `fee-share-above-cap`.
    """
    paid_in = total(proven, "inputs")
    paid_out = total((output.value for output in outputs), "outputs")
    if paid_out > paid_in:
        raise VerificationError(
            "fee-negative",
            f"the outputs hold {paid_out - paid_in} sats more than the inputs",
            inputs=int(paid_in),
            outputs=int(paid_out),
        )
    fee = Amount(paid_in - paid_out)
    fee_rate = FeeRate.of(fee, weight)
    if fee > MAX_FEE:
        raise VerificationError(
            "fee-above-cap",
            f"a fee of {fee} sats is above the {MAX_FEE} sats that Falconer ever signs",
            fee=int(fee),
            limit=MAX_FEE,
        )
    if fee_rate > MAX_FEE_RATE:
        raise VerificationError(
            "fee-rate-above-cap",
            f"{fee_rate.text()} sat/vB is above the {FeeRate(MAX_FEE_RATE).text()} sat/vB that Falconer ever signs",
            fee_rate=fee_rate.text(),
            limit=FeeRate(MAX_FEE_RATE).text(),
        )
    if fee * 100 > paid_in * MAX_FEE_SHARE_PERCENT:
        raise VerificationError(
            "fee-share-above-cap",
            f"the fee of {fee} sats is more than {MAX_FEE_SHARE_PERCENT} % of the {paid_in} sats that go in",
            fee=int(fee),
            inputs=int(paid_in),
            limit_percent=MAX_FEE_SHARE_PERCENT,
        )
    return Cost(paid_in, paid_out, fee, weight, fee_rate)
