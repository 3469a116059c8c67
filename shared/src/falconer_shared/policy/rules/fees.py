"""What a transaction may give to the miners. All three limits hold for each transaction by itself."""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.approval.intent import IntentKind
from falconer_shared.policy.document import Policy
from falconer_shared.policy.rules.base import decimal, passed, unset
from falconer_shared.policy.spend import Outcome, Spend, Verdict
from falconer_shared.units import grouped


@dataclass(frozen=True, slots=True)
class MaxFeeRate:
    """Satoshis per virtual byte over the worst-case size; `value` has three decimals, rounded up."""

    name: str = "max_fee_rate_sats_per_vbyte"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        # a rate that was rounded up exceeds a whole limit exactly when the true one does
        if int(spend.fee_rate) <= limit * 1000:
            return passed(self, spend.fee_rate.text(), limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            spend.fee_rate.text(),
            str(limit),
            id="policy-fee-rate-limit",
            message=f"a fee of {spend.fee_rate.text()} sat/vB is more than {limit} sat/vB",
        )


@dataclass(frozen=True, slots=True)
class MaxFee:
    """The fee of one transaction."""

    name: str = "max_fee_sats"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if int(spend.fee) <= limit:
            return passed(self, int(spend.fee), limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(int(spend.fee)),
            str(limit),
            id="policy-fee-limit",
            message=f"a fee of {grouped(spend.fee)} is more than {grouped(limit)}",
        )


@dataclass(frozen=True, slots=True)
class MaxFeePercent:
    """The fee in percent of what is paid; where nothing is paid, of what is moved (A011).

    `value` has three decimals, rounded up, and none where no value is moved at all: then only a fee of nothing passes.
    """

    name: str = "max_fee_percent"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        paid = sum(int(payment.amount) for payment in spend.payments)
        moved = paid or sum(int(output.amount) for output in spend.own)
        fee = int(spend.fee)
        value = decimal(fee * 100, moved) if moved else None
        # multiplied out, so that nothing is divided or rounded
        if fee * 100 <= limit * moved:
            return passed(self, value, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            value,
            str(limit),
            id="policy-fee-percent",
            message=f"a fee of {grouped(fee)} is more than {limit} % of {grouped(moved)} {'paid' if paid else 'moved'}",
        )


@dataclass(frozen=True, slots=True)
class ConsolidateBelowFeeRate:
    """Coins are merged while blocks are cheap: at most at this rate, in satoshis per virtual byte.

    It is about intents of kind `own` with several inputs. One input that goes home at a high fee raises the fee of its parent
    (CPFP), which is needed exactly when blocks are dear.
    """

    name: str = "consolidate_below_fee_rate"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if spend.kind is not IntentKind.OWN or spend.inputs < 2:
            return passed(self, None, limit)
        if int(spend.fee_rate) <= limit * 1000:
            return passed(self, spend.fee_rate.text(), limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            spend.fee_rate.text(),
            str(limit),
            id="policy-consolidation-fee-rate",
            message=f"merging coins at {spend.fee_rate.text()} sat/vB can wait until it costs {limit} sat/vB or less",
        )
