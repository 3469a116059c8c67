"""What one transaction may take, and what all of them together may take in a while.

One transaction is judged whole, and so is a count; sums over a window are judged against this signer's share.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.policy.document import Policy
from falconer_shared.policy.rules.base import passed, unset
from falconer_shared.policy.spend import Outcome, Spend, Verdict
from falconer_shared.policy.windows import DAY_SECONDS, WEEK_SECONDS, window_count, window_sum
from falconer_shared.units import btc, grouped


@dataclass(frozen=True, slots=True)
class MaxSingle:
    """What one transaction makes the wallet poorer by, fee included."""

    name: str = "max_single_tx_sats"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if int(spend.spent) <= limit:
            return passed(self, int(spend.spent), limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(int(spend.spent)),
            str(limit),
            id="policy-single-limit",
            message=f"{grouped(spend.spent)} ({btc(spend.spent)}) in one transaction is more than {grouped(limit)}",
        )


@dataclass(frozen=True, slots=True)
class MaxDailySpend:
    """What leaves within the rolling day, this transaction and all fees included."""

    name: str = "max_daily_spend_sats"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        whole = policy.limit(self.name)
        if whole is None:
            return unset(self)
        limit = spend.share.of(whole)
        total = window_sum(spend.entries, spend.anchor, spend.spent, spend.now, DAY_SECONDS)
        if total <= limit:
            return passed(self, total, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(total),
            str(limit),
            id="policy-daily-limit",
            message=f"{grouped(total)} within a day is more than {grouped(limit)}{share_note(limit, whole)}",
        )


@dataclass(frozen=True, slots=True)
class MaxWeeklySpend:
    """What leaves within the rolling week, this transaction and all fees included."""

    name: str = "max_weekly_spend_sats"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        whole = policy.limit(self.name)
        if whole is None:
            return unset(self)
        limit = spend.share.of(whole)
        total = window_sum(spend.entries, spend.anchor, spend.spent, spend.now, WEEK_SECONDS)
        if total <= limit:
            return passed(self, total, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(total),
            str(limit),
            id="policy-weekly-limit",
            message=f"{grouped(total)} within a week is more than {grouped(limit)}{share_note(limit, whole)}",
        )


@dataclass(frozen=True, slots=True)
class MaxDailyProposals:
    """How many payments the rolling day sees, this one included; those that replace each other are one."""

    name: str = "max_daily_proposals"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        count = window_count(spend.entries, spend.anchor, spend.now, DAY_SECONDS)
        if count <= limit:
            return passed(self, count, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(count),
            str(limit),
            id="policy-daily-proposals",
            message=f"this is number {count} within a day, and {limit} are allowed",
        )


@dataclass(frozen=True, slots=True)
class MinChangeValue:
    """Every output that goes back to the wallet is worth its own later fee. `value` is the smallest."""

    name: str = "min_change_value_sats"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if not spend.own:
            return passed(self, None, limit)
        least = min(int(output.amount) for output in spend.own)
        if least >= limit:
            return passed(self, least, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(least),
            str(limit),
            id="policy-change-too-small",
            message=f"{grouped(least)} of change is less than {grouped(limit)}",
        )


def share_note(limit: int, whole: int) -> str:
    """Says where a limit comes from that stands nowhere in the policy."""
    return "" if limit == whole else f", this signer's share of {grouped(whole)}"
