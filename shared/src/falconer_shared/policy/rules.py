"""The rules that can be judged, one small class each.

Limits are inclusive: what equals a limit passes. Single payments and fees are judged whole; sums over a window are judged against
this signer's share. Every rule is asked, whatever the others said, so that a person sees all that is wrong at once.

A rule that the policy leaves at no limit passes without a value. A rule that cannot be judged cannot be set either (`document`
refuses such a policy), so there is no third case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from falconer_shared.policy.document import ApprovalTier, Policy
from falconer_shared.policy.spend import Outcome, Spend, Verdict
from falconer_shared.policy.values import JUDGED, RULES
from falconer_shared.policy.windows import DAY_SECONDS, window_sum
from falconer_shared.units import btc, grouped


class Rule(Protocol):
    """One rule of the policy. `stateless`: its verdict follows from transaction, policy and approvals alone."""

    @property
    def name(self) -> str: ...

    @property
    def stateless(self) -> bool: ...

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        """The verdict. Pure: it reads nothing but its arguments."""


@dataclass(frozen=True, slots=True)
class AllowedDestinations:
    """Every output that is not proven ours goes to a script of the listed addresses (A131, A132).

    `value` counts the payments that do not.
    """

    name: str = "allowed_destinations"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        allowed = policy.destinations(self.name)
        if allowed is None:
            return _unset(self)
        scripts = {entry.script for entry in allowed}
        foreign = [payment.address for payment in spend.payments if payment.script not in scripts]
        if not foreign:
            return Verdict(self.name, Outcome.PASS, "0", "0")
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(len(foreign)),
            "0",
            id="policy-destination-not-allowed",
            message=f"{', '.join(foreign)} is not among the allowed destinations",
        )


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
            return _unset(self)
        limit = spend.share.of(threshold)
        approved = is_approved(policy, spend)
        unapproved = (entry for entry in spend.entries if not entry.approved)
        anchor = None if approved else spend.anchor
        total = window_sum(unapproved, anchor, spend.spent, spend.now, DAY_SECONDS)
        if approved or total <= limit:
            return Verdict(self.name, Outcome.PASS, str(total), str(limit))
        tier = tier_of(policy, spend)
        group = policy.members(tier.group)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(total),
            str(limit),
            id="approval-missing",
            message=(
                f"{grouped(total)} without approval within a day is more than {grouped(limit)}: "
                f"{tier.k} of group {tier.group} must approve, {len(group & spend.approvers)} did"
            ),
        )


@dataclass(frozen=True, slots=True)
class MaxDailySpend:
    """What leaves within the rolling day, this transaction and all fees included."""

    name: str = "max_daily_spend_sats"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        whole = policy.limit(self.name)
        if whole is None:
            return _unset(self)
        limit = spend.share.of(whole)
        total = window_sum(spend.entries, spend.anchor, spend.spent, spend.now, DAY_SECONDS)
        if total <= limit:
            return Verdict(self.name, Outcome.PASS, str(total), str(limit))
        part = "" if limit == whole else f", this signer's share of {grouped(whole)}"
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(total),
            str(limit),
            id="policy-daily-limit",
            message=f"{grouped(total)} within a day is more than {grouped(limit)}{part}",
        )


@dataclass(frozen=True, slots=True)
class MaxFeeRate:
    """Satoshis per virtual byte over the worst-case size; `value` has three decimals, rounded up."""

    name: str = "max_fee_rate_sats_per_vbyte"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return _unset(self)
        # a rate that was rounded up exceeds a whole limit exactly when the true one does
        if int(spend.fee_rate) <= limit * 1000:
            return Verdict(self.name, Outcome.PASS, spend.fee_rate.text(), str(limit))
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
            return _unset(self)
        if int(spend.fee) <= limit:
            return Verdict(self.name, Outcome.PASS, str(int(spend.fee)), str(limit))
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(int(spend.fee)),
            str(limit),
            id="policy-fee-limit",
            message=f"a fee of {grouped(spend.fee)} is more than {grouped(limit)}",
        )


@dataclass(frozen=True, slots=True)
class MaxSingle:
    """What one transaction makes the wallet poorer by, fee included."""

    name: str = "max_single_tx_sats"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return _unset(self)
        if int(spend.spent) <= limit:
            return Verdict(self.name, Outcome.PASS, str(int(spend.spent)), str(limit))
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(int(spend.spent)),
            str(limit),
            id="policy-single-limit",
            message=f"{grouped(spend.spent)} ({btc(spend.spent)}) in one transaction is more than {grouped(limit)}",
        )


@dataclass(frozen=True, slots=True)
class NotJudgedYet:
    """A rule of the format that no policy accepted here can set."""

    name: str
    stateless: bool = True

    def judge(self, policy: Policy, _spend: Spend) -> Verdict:
        if policy.rule(self.name) is not None:
            raise RuntimeError(
                f"{self.name} is set and cannot be judged: such a policy is refused when it is built"
            )
        return _unset(self)


def _unset(rule: Rule) -> Verdict:
    return Verdict(rule.name, Outcome.PASS)


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


_JUDGES: tuple[Rule, ...] = (
    AllowedDestinations(),
    HumanApproval(),
    MaxDailySpend(),
    MaxFeeRate(),
    MaxFee(),
    MaxSingle(),
)

ALL_RULES: tuple[Rule, ...] = tuple(
    {rule.name: rule for rule in _JUDGES}[name] if name in JUDGED else NotJudgedYet(name) for name in RULES
)
"""A judge for every rule, in alphabetical order. A name in `JUDGED` without a class fails here, at import."""

STATELESS_RULES: frozenset[str] = frozenset(rule.name for rule in ALL_RULES if rule.stateless)
"""The rules whose verdicts must come out equal on both sides (`verdict-mismatch` otherwise)."""
