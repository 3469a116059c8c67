"""What only a connected machine sees. A signer says that it did not judge these, and its page shows what the coordinator saw."""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.policy.document import Policy
from falconer_shared.policy.rules.base import decimal, passed, unseen, unset
from falconer_shared.policy.spend import Outcome, Spend, Verdict


@dataclass(frozen=True, slots=True)
class MaxPending:
    """How many of the wallet's proposals wait for approval or signature, this one included."""

    name: str = "funding_proposal_max_pending"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        pending = spend.outlook.pending
        if pending is None:
            return unseen(self, limit, "the list of proposals is at the coordinator")
        if pending <= limit:
            return passed(self, pending, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(pending),
            str(limit),
            id="policy-pending-proposals",
            message=f"{pending} proposals would wait for approval or signature, and {limit} may",
        )


@dataclass(frozen=True, slots=True)
class MinConfirmations:
    """Confirmations of the youngest coin that is spent. Where nothing leaves the wallet there is nothing to lose by it."""

    name: str = "min_confirmations"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        if not spend.payments:
            return passed(self, None, limit)
        found = spend.outlook.confirmations
        if found is None:
            return unseen(self, limit, "confirmations are in the block chain, which is not seen here")
        if found >= limit:
            return passed(self, found, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(found),
            str(limit),
            id="policy-confirmations",
            message=f"a coin has {found} confirmations, and {limit} are wanted",
        )


@dataclass(frozen=True, slots=True)
class MaxCongestion:
    """How full the node's memory pool is, in percent of its maximum; `value` has three decimals, rounded up."""

    name: str = "max_mempool_congestion_percent"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        used, most = spend.outlook.mempool_bytes, spend.outlook.mempool_limit
        if used is None or not most:
            return unseen(self, limit, "the memory pool is the node's, which is not seen here")
        value = decimal(used * 100, most)
        if used * 100 <= limit * most:
            return passed(self, value, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            value,
            str(limit),
            id="policy-mempool-congested",
            message=f"the memory pool is {value} % full, and payments wait above {limit} %",
        )
