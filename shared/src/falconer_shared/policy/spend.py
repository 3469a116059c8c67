"""What is judged, and what judging says: plain facts in, verdicts out, no wallet and no disk.

The coordinator's precheck and the signer's judgement are one function over these facts; each fills in what it can prove.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.document import Policy
from falconer_shared.policy.history import SpendEntry
from falconer_shared.policy.values import NO_LIMIT
from falconer_shared.units import Amount, FeeRate


@dataclass(frozen=True, slots=True)
class Share:
    """What one machine enforces of a limit on a sum over a window, where every transaction takes `k` of `n` machines at least.

    A coordinator may rotate machines, and each sees only what it signed. If each of n lets sums of at most floor(limit * k / n)
    pass, their journals together hold at most limit * k, and every transaction stands in k of them: all of them together spend at
    most the limit. `whole` holds where mandatory signers see every transaction.
    """

    k: int
    n: int
    whole: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise ValueError("a share is k of n, 1 <= k <= n")

    def of(self, limit: int) -> int:
        """The part of `limit` (satoshis) that this machine may let pass by itself."""
        return limit if self.whole else limit * self.k // self.n


def share_of(policy: Policy, k: int, n: int) -> Share:
    """The share of each machine that this policy names, for a wallet of `k` of `n` keys; whole where it names mandatory signers.

    A policy says which machines sign, not which keys they hold. With m machines and n keys, n - m keys are outside the policy (a
    hardware signer, a backup) or lie beside another key on one machine, so a transaction that machines sign at all is signed by
    k - (n - m) of them at least (ADR 0004). With more machines than keys some key is on two of them, and one machine is all that
    can be counted on. Where no more machines than keys share a key, nobody sees it from here: administrators must prevent that.
    """
    machines = len(policy.signers)
    fewest = 1 if machines > n else max(1, k - (n - machines))
    return Share(fewest, machines, whole=bool(policy.mandatory_signers))


@dataclass(frozen=True, slots=True)
class Payment:
    """An output that is not proven ours: everything counts that is not (A132). `script` is what is compared."""

    address: str
    script: bytes
    amount: Amount


@dataclass(frozen=True, slots=True)
class OwnOutput:
    """An output that is proven ours."""

    script: bytes
    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What only a connected machine sees. None is not seen: the rules that need it then say so, and never pretend.

    `pending` counts the wallet's proposals that are not signed yet, this one included; `confirmations` is the lowest over the
    inputs; `mempool_bytes` and `mempool_limit` are the node's memory pool and its maximum.
    """

    pending: int | None = None
    confirmations: int | None = None
    mempool_bytes: int | None = None
    mempool_limit: int | None = None


NOTHING_SEEN = Outlook()
"""The outlook of a machine that sees no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """A transaction as the rules see it.

    `kind` is its intent's, and `anchor` the coin that the intent names; `sources` are the scripts of its inputs, and `inputs` how
    many there are; `own` goes back to the wallet; `spent` is inputs minus own outputs, fee included; `fee_rate` is over the
    worst-case size; `approvers` are those whose signature over the intent verified.

    Times are seconds since 1970. The intent may be signed from `not_before` to `expires`, which its writer chose. `decided` is
    when the requester asked for it: `not_before`, and at most a week ago, so that no old time can be made up.

    `entries` is the history of this wallet for as long as any rule looks back. Of the whole history, other spends of the same
    anchor left out: `used` are the scripts of this transaction's outputs that stand in it, and `strategy_known` says whether a
    spend of this requester and strategy was approved: of a payment, one that paid.
    """

    kind: IntentKind
    anchor: OutPoint
    unsigned_hash: str
    inputs: int
    sources: frozenset[bytes]
    payments: tuple[Payment, ...]
    own: tuple[OwnOutput, ...]
    spent: Amount
    fee: Amount
    fee_rate: FeeRate
    approvers: frozenset[str]
    requester: str
    strategy: str
    not_before: int
    expires: int
    decided: int
    entries: tuple[SpendEntry, ...]
    used: frozenset[bytes]
    strategy_known: bool
    outlook: Outlook
    now: int
    share: Share

    def paid(self) -> Mapping[bytes, int]:
        """Satoshis by foreign script."""
        sums: dict[bytes, int] = {}
        for payment in self.payments:
            sums[payment.script] = sums.get(payment.script, 0) + int(payment.amount)
        return MappingProxyType(sums)

    def entry(self, *, approved: bool) -> SpendEntry:
        """What the journal or store must hold before anybody signs: the same facts that are judged."""
        return SpendEntry(
            anchor=self.anchor,
            unsigned_hash=self.unsigned_hash,
            spent=self.spent,
            paid=self.paid(),
            own=self.sources | {output.script for output in self.own},
            approved=approved,
            requester=self.requester,
            strategy=self.strategy,
            decided=self.decided,
            at=self.now,
        )


class Outcome(enum.Enum):
    """What a rule says. `UNSEEN` is for what this side cannot see: it says so and never pretends."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's judgement.

    `value` and `limit` are spelt as the lines `rule ...` of requests and receipts spell them, without spaces; `id` is the
    refusal id of a failed rule, and `message` its sentence.
    """

    rule: str
    outcome: Outcome
    value: str | None = None
    limit: str | None = None
    id: str | None = None
    message: str = ""

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Rule, outcome, value, limit: the words of a line `rule`."""
        return (self.rule, self.outcome.value, self.value or NO_LIMIT, self.limit or NO_LIMIT)
