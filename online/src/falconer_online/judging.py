"""The coordinator's own judgement of a transaction, before anybody is bothered with it.

It asks the same engine as the signers, with the share that each of them enforces, so that nobody carries a
stick to a machine that will refuse. What it says is shown and never believed by a signer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from falconer_online.jsontype import Json
from falconer_shared.approval.intent import Intent
from falconer_shared.approval.quorum import Approval, identify
from falconer_shared.errors import ApprovalError, PolicyViolation
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import PolicyRefused, evaluate, spend_of, tier_of
from falconer_shared.policy.history import SpendHistory
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.policy.spend import Outcome, Outlook, Spend, Verdict
from falconer_shared.policy.values import APPROVAL_RULES
from falconer_shared.verify.transaction import VerifiedTransaction


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts at a signer's share, the limits of the whole wallet, and who has to approve.

    `needed` is 0 where the policy asks nobody; `members` are the approvers who count, `approved_by` all who
    validly signed.
    """

    spend: Spend
    verdicts: tuple[Verdict, ...]
    whole_limits: dict[str, str | None]
    needed: int
    members: tuple[str, ...]
    approved_by: tuple[str, ...]

    @property
    def counted(self) -> tuple[str, ...]:
        """The approvals that count towards `needed`."""
        return tuple(name for name in self.approved_by if name in self.members)

    @property
    def enough(self) -> bool:
        """Whether nobody else has to approve."""
        return len(self.counted) >= self.needed

    def refuse_if_forbidden(self) -> None:
        """Refuse what no approval can make good.

        Raises:
            PolicyRefused: with every reason and all verdicts.
        """
        reasons = [
            PolicyViolation(
                verdict.id or verdict.rule,
                verdict.message,
                name=verdict.rule,
                value=verdict.value,
                limit=verdict.limit,
                whole_limit=self.whole_limits[verdict.rule],
            )
            for verdict in self.verdicts
            if verdict.outcome is Outcome.FAIL and verdict.rule not in APPROVAL_RULES
        ]
        if reasons:
            raise PolicyRefused(reasons, self.verdicts)

    def refuse_if_unapproved(self) -> None:
        """Refuse while approvals are missing.

        Raises:
            ApprovalError: `approval-missing`.
        """
        if not self.enough:
            raise ApprovalError(
                "approval-missing",
                f"{len(self.counted)} of {self.needed} approvals are there",
                remedy="ask for: " + ", ".join(name for name in self.members if name not in self.approved_by),
                have=len(self.counted),
                need=self.needed,
            )

    def as_json(self) -> list[Json]:
        """The verdicts as objects, with both limits."""
        return [
            {
                "rule": each.rule,
                "outcome": each.outcome.value,
                "value": each.value,
                "limit": each.limit,
                "whole_limit": self.whole_limits[each.rule],
                "id": each.id,
                "message": each.message,
            }
            for each in self.verdicts
        ]


def judge(
    installed: InstalledPolicy, verified: VerifiedTransaction, intent: Intent, approvals: Sequence[Approval],
    history: SpendHistory, outlook: Outlook, now: int,
) -> Judgement:  # fmt: skip
    """Judge at a signer's share.

    Raises:
        ApprovalError: an approval that does not verify or is nobody's.
    """
    policy = installed.policy
    names = identify(intent, policy.approver_keys(), approvals)
    spend = spend_of(verified, intent, policy, history, approvers=frozenset(names), outlook=outlook, now=now)
    return judge_spend(policy, spend, names)


def judge_spend(policy: Policy, spend: Spend, names: Sequence[str]) -> Judgement:
    """Judge plain facts; `names` are those who approved."""
    whole = evaluate(policy, replace(spend, share=replace(spend.share, whole=True)))
    unapproved = evaluate(policy, replace(spend, approvers=frozenset()))
    asks = any(each.rule in APPROVAL_RULES and each.outcome is Outcome.FAIL for each in unapproved)
    tier = tier_of(policy, spend) if asks else None
    return Judgement(
        spend=spend,
        verdicts=evaluate(policy, spend),
        whole_limits={each.rule: each.limit for each in whole},
        needed=0 if tier is None else tier.k,
        members=() if tier is None else tuple(sorted(policy.members(tier.group))),
        approved_by=tuple(names),
    )
