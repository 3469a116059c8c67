"""What a person must have agreed to, and who.

Three rules ask, each for its own reason; the same quorum answers all of them. It is chosen by what the transaction spends.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.policy.document import ApprovalTier, Policy
from falconer_shared.policy.rules.base import passed, unset
from falconer_shared.policy.spend import Outcome, Spend, Verdict
from falconer_shared.policy.windows import DAY_SECONDS, window_sum
from falconer_shared.units import grouped


@dataclass(frozen=True, slots=True)
class HumanApproval:
    """What is spent without approval, this transaction included, summed over the rolling day, stays at or below the threshold.

    The sum, because splitting must not help (A127). A transaction that its quorum approved adds nothing to it.
    """

    name: str = "human_approval_threshold_sats"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        threshold = policy.limit(self.name)
        if threshold is None:
            return unset(self)
        limit = spend.share.of(threshold)
        approved = is_approved(policy, spend)
        unapproved = (entry for entry in spend.entries if not entry.approved)
        anchor = None if approved else spend.anchor
        total = window_sum(unapproved, anchor, spend.spent, spend.now, DAY_SECONDS)
        if approved or total <= limit:
            return passed(self, total, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(total),
            str(limit),
            id="approval-missing",
            message=f"{grouped(total)} without approval within a day is more than {grouped(limit)}: {_wanted(policy, spend)}",
        )


@dataclass(frozen=True, slots=True)
class FundingThreshold:
    """A transaction that spends more than this is a decision of its own: its quorum approves it, whatever the day's sum is."""

    name: str = "funding_proposal_threshold_sats"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if int(spend.spent) <= limit or is_approved(policy, spend):
            return passed(self, int(spend.spent), limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(int(spend.spent)),
            str(limit),
            id="approval-missing-funding",
            message=f"{grouped(spend.spent)} in one transaction is more than {grouped(limit)}: {_wanted(policy, spend)}",
        )


@dataclass(frozen=True, slots=True)
class NewStrategies:
    """Set to no: the first spend of a requester and strategy must be approved, as must every one until then. Who approves that
    coins move within the wallet has approved no payment: of those, too, the first must be.

    `-`, no strategy, is one like any other: leaving the name out must not be a way round.
    """

    name: str = "auto_approve_new_strategies"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        value = policy.rule(self.name)
        if value is None:
            return unset(self)
        if value is True:
            return passed(self, None, "yes")
        if spend.strategy_known:
            return passed(self, "known", "no")
        if is_approved(policy, spend):
            return passed(self, "new", "no")
        return Verdict(
            self.name,
            Outcome.FAIL,
            "new",
            "no",
            id="approval-missing-strategy",
            message=(
                f"strategy {spend.strategy} of {spend.requester} was never approved here before: {_wanted(policy, spend)}"
            ),
        )


def tier_of(policy: Policy, spend: Spend) -> ApprovalTier:
    """Who must approve a spend of this size: the highest tier that it exceeds; the lowest where it exceeds none.

    ValueError where the policy has no tier, which no policy with a threshold is.
    """
    if not policy.tiers:
        raise ValueError("this policy asks nobody for approval")
    exceeded = [tier for tier in policy.tiers if int(spend.spent) > tier.above]
    return exceeded[-1] if exceeded else policy.tiers[0]


def is_approved(policy: Policy, spend: Spend) -> bool:
    """Whether the quorum that a spend of this size asks for has approved it, needed or not."""
    if not policy.tiers:
        return False
    tier = tier_of(policy, spend)
    return len(policy.members(tier.group) & spend.approvers) >= tier.k


def _wanted(policy: Policy, spend: Spend) -> str:
    tier = tier_of(policy, spend)
    have = len(policy.members(tier.group) & spend.approvers)
    return f"{tier.k} of group {tier.group} must approve, {have} did"
