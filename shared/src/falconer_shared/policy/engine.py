"""The one judgement: what the coordinator tries beforehand, the signer decides with the same function.

`evaluate` is pure: a policy and plain facts in, one verdict per rule out. `approve` alone mints an `ApprovedTransaction`, and
what that means is checked in this order:

1. the policy, the wallet and the network belong together;
2. the intent is for this policy, wallet and network, valid now, and describes exactly this transaction (`check_intent`);
3. every approval that is shown is a valid signature over this intent by an approver of this policy;
4. every rule of the policy passes, and the quorum that the policy asks for has approved;
5. where the policy names mandatory signers, each has signed this very request before any other does.

4 and 5 are judged together, so that one answer tells all that is wrong. Nothing is read from a clock, a disk or an environment:
the history is a protocol and the time is an argument. Writing the spend down before it is signed is the caller's duty (`entry`).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import InitVar, dataclass

from falconer_shared.approval.intent import Intent, check_intent
from falconer_shared.approval.quorum import Approval, identify
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import ApprovalError, Detail, FalconerError, PolicyViolation
from falconer_shared.policy.document import ApprovalTier, Policy
from falconer_shared.policy.history import SpendEntry, SpendHistory
from falconer_shared.policy.rules import ALL_RULES, STATELESS_RULES, is_approved, tier_of
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.policy.spend import (
    NOTHING_SEEN,
    Outcome,
    Outlook,
    OwnOutput,
    Payment,
    Share,
    Spend,
    Verdict,
    share_of,
)
from falconer_shared.policy.values import APPROVAL_RULES
from falconer_shared.policy.windows import WEEK_SECONDS
from falconer_shared.seal import Seal
from falconer_shared.verify.transaction import VerifiedTransaction

__all__ = [
    "NOTHING_SEEN",
    "STATELESS_RULES",
    "ApprovalRefused",
    "ApprovalTier",
    "ApprovedTransaction",
    "Outcome",
    "Outlook",
    "Payment",
    "PolicyRefused",
    "Share",
    "Spend",
    "Verdict",
    "approve",
    "decided",
    "evaluate",
    "is_approved",
    "lookback",
    "recall",
    "share_of",
    "spend_of",
    "tier_of",
]

_SEAL = Seal(__name__)


class _Judged(FalconerError):
    """A refusal that carries the verdicts of all rules, and all the reasons, not the first alone."""

    def __init__(self, reasons: Sequence[FalconerError], verdicts: tuple[Verdict, ...]) -> None:
        first = reasons[0]
        super().__init__(first.rule, "; ".join(reason.message for reason in reasons), remedy=first.remedy)
        self.reasons = tuple(reasons)
        self.verdicts = verdicts

    def as_json_rules(self) -> list[dict[str, Detail]]:
        """Every reason, as the objects in `rules` of a JSON verdict."""
        return [reason.as_json() for reason in self.reasons]


class PolicyRefused(_Judged, PolicyViolation):
    """A rule of the policy forbids it."""


class ApprovalRefused(_Judged, ApprovalError):
    """Nothing but the quorum's approval is missing."""


@dataclass(frozen=True, slots=True)
class ApprovedTransaction:
    """A verified transaction that the installed policy and its approvers allow at `judged_at`. Only `approve` makes one.

    `approvals` are the names of all who validly signed; `approved` says whether they are the quorum that this amount asks for,
    needed or not: without it nobody vouches for the intent's requester and strategy.
    """

    verified: VerifiedTransaction
    intent: Intent
    installed: InstalledPolicy
    approvals: tuple[str, ...]
    approved: bool
    spend: Spend
    verdicts: tuple[Verdict, ...]
    request_digest: str
    judged_at: int
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def policy_digest(self) -> str:
        """The digest of the policy that allowed it."""
        return self.installed.digest

    @property
    def policy_version(self) -> int:
        """The version of the policy that allowed it."""
        return self.installed.policy.version

    @property
    def entry(self) -> SpendEntry:
        """What the journal or store must hold before anybody signs: the same facts that were judged."""
        return self.spend.entry(approved=self.approved)


def evaluate(policy: Policy, spend: Spend) -> tuple[Verdict, ...]:
    """One verdict per rule, in alphabetical order; all rules are asked, whatever the first ones said."""
    return tuple(rule.judge(policy, spend) for rule in ALL_RULES)


def spend_of(
    verified: VerifiedTransaction,
    intent: Intent,
    policy: Policy,
    history: SpendHistory,
    *,
    approvers: AbstractSet[str],
    outlook: Outlook,
    now: int,
) -> Spend:
    """The facts about a verified transaction: `approvers` as `identify` found them, `outlook` what this side sees besides.

    Raises:
        StateError: what the history raises.
    """
    wallet = verified.wallet
    past = recall(
        policy,
        history,
        anchor=intent.spends,
        scripts={output.script for output in verified.outputs},
        paying=bool(verified.payments),
        requester=intent.requester,
        strategy=intent.strategy,
        now=now,
    )
    return Spend(
        kind=intent.kind,
        anchor=intent.spends,
        unsigned_hash=verified.unsigned_hash,
        inputs=len(verified.inputs),
        sources=frozenset(item.scripts.script_pubkey for item in verified.inputs),
        payments=tuple(Payment(output.address, output.script, output.amount) for output in verified.payments),
        own=tuple(OwnOutput(output.script, output.amount) for output in verified.own_outputs),
        spent=verified.spent,
        fee=verified.fee,
        fee_rate=verified.fee_rate,
        approvers=frozenset(approvers),
        requester=intent.requester,
        strategy=intent.strategy,
        not_before=intent.not_before,
        expires=intent.expires,
        decided=decided(intent.not_before, now),
        entries=past.entries,
        used=past.used,
        strategy_known=past.strategy_known,
        outlook=outlook,
        now=now,
        share=share_of(policy, wallet.threshold, wallet.size),
    )


@dataclass(frozen=True, slots=True)
class Past:
    """What the rules of a policy want to know of a history about one transaction."""

    entries: tuple[SpendEntry, ...]
    used: frozenset[bytes]
    strategy_known: bool


def recall(
    policy: Policy,
    history: SpendHistory,
    *,
    anchor: OutPoint,
    scripts: AbstractSet[bytes],
    paying: bool,
    requester: str,
    strategy: str,
    now: int,
) -> Past:
    """Ask a history about a transaction whose outputs go to `scripts`; `paying` where one of them is not ours.

    Raises:
        StateError: what the history raises.
    """
    return Past(
        entries=tuple(history.entries(now - lookback(policy))),
        # asked only for a rule that wants to know: these look through the whole history
        used=history.used(scripts, anchor) if policy.rule("no_address_reuse") is True else frozenset(),
        strategy_known=(
            policy.rule("auto_approve_new_strategies") is False
            and history.approved_before(requester, strategy, anchor, paying=paying)
        ),
    )


def decided(not_before: int, now: int) -> int:
    """When a requester asked for something, as far as it can be believed (`Spend.decided`)."""
    return max(not_before, now - WEEK_SECONDS)


def lookback(policy: Policy) -> int:
    """Seconds that the history is asked for: the longest window, and behind it whatever an interval may reach over."""
    return WEEK_SECONDS + (policy.limit("ai_decision_interval_seconds") or 0)


def approve(  # noqa: PLR0913  (each is a fact of its own, and none has a default that could be forgotten)
    verified: VerifiedTransaction,
    installed: InstalledPolicy,
    intent: Intent,
    approvals: Sequence[Approval],
    history: SpendHistory,
    now: int,
    *,
    signer: str | None,
    mandatory_done: AbstractSet[str] = frozenset(),
    outlook: Outlook = NOTHING_SEEN,
    request_digest: str,
) -> ApprovedTransaction:
    """The only way to an `ApprovedTransaction`.

    `history` is of this wallet; `now` is seconds since 1970; `signer` is the name under which the policy knows this machine, None
    for the coordinator; `mandatory_done` are the signers whose receipts for this very request verified and say that they signed.
    `outlook` is what a connected machine sees; what is left out is not seen, and said to be so.

    Raises:
        PolicyViolation: `policy-other-wallet`, `policy-other-network`, `policy-mandatory-too-many`.
        ApprovalError: what `check_intent` and `identify` raise.
        PolicyRefused: a rule fails, or `mandatory-signer-missing`.
        ApprovalRefused: only approvals are missing (`approval-missing`). Both carry `verdicts` and all `reasons`.
    """
    policy = installed.policy
    _check_belongs(policy, verified)
    check_intent(intent, verified, policy_version=policy.version, policy_digest=installed.digest, now=now)
    names = identify(intent, policy.approver_keys(), approvals)
    spend = spend_of(verified, intent, policy, history, approvers=frozenset(names), outlook=outlook, now=now)
    verdicts = evaluate(policy, spend)
    reasons = [_reason(verdict) for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    reasons += _missing_mandatory(policy, signer, mandatory_done)
    if reasons:
        # what the policy forbids comes first: more approvals would not help there
        reasons.sort(key=lambda reason: isinstance(reason, ApprovalError))
        refused = ApprovalRefused if isinstance(reasons[0], ApprovalError) else PolicyRefused
        raise refused(reasons, verdicts)
    return ApprovedTransaction(
        verified=verified,
        intent=intent,
        installed=installed,
        approvals=names,
        approved=is_approved(policy, spend),
        spend=spend,
        verdicts=verdicts,
        request_digest=request_digest,
        judged_at=now,
        seal=_SEAL,
    )


def _check_belongs(policy: Policy, verified: VerifiedTransaction) -> None:
    wallet = verified.wallet
    if policy.network is not wallet.network:
        raise PolicyViolation(
            "policy-other-network",
            f"the policy is for {policy.network.label}, the wallet for {wallet.network.label}",
        )
    if policy.wallet_id != wallet.wallet_id:
        raise PolicyViolation(
            "policy-other-wallet",
            f"the policy governs wallet {policy.wallet_id}, not wallet {wallet.wallet_id}",
        )
    if len(policy.mandatory_signers) > wallet.threshold:
        # then some k of them could sign without the others, and nobody would see the whole sum
        raise PolicyViolation(
            "policy-mandatory-too-many",
            f"{len(policy.mandatory_signers)} mandatory signers where {wallet.threshold} signatures make a transaction",
        )


def _missing_mandatory(policy: Policy, signer: str | None, done: AbstractSet[str]) -> list[FalconerError]:
    """Mandatory signers see every transaction only if nobody else signs before *all* of them.

    Any k signers are then either all the mandatory ones, or hold one that waited for them: so each counts whole sums. The
    coordinator signs nothing and asks nobody.
    """
    if signer is None or signer in policy.mandatory_signers:
        return []
    return [
        PolicyViolation(
            "mandatory-signer-missing",
            f"'{name}' must sign this request first, and no receipt says that it did",
            remedy=f"have it signed at '{name}', and bring its answer along",
            signer=name,
        )
        for name in policy.mandatory_signers
        if name not in done
    ]


def _reason(verdict: Verdict) -> FalconerError:
    if verdict.id is None:
        raise RuntimeError(f"{verdict.rule} fails without an id")
    kind = ApprovalError if verdict.rule in APPROVAL_RULES else PolicyViolation
    return kind(verdict.id, verdict.message, name=verdict.rule, value=verdict.value, limit=verdict.limit)
