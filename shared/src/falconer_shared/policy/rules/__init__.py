"""The rules of the policy, one small class each: every rule of the format is judged.

A rule that the policy leaves at no limit passes without a value.
"""

from __future__ import annotations

from falconer_shared.policy.rules.amounts import (
    MaxDailyProposals,
    MaxDailySpend,
    MaxSingle,
    MaxWeeklySpend,
    MinChangeValue,
)
from falconer_shared.policy.rules.approvals import (
    FundingThreshold,
    HumanApproval,
    NewStrategies,
    is_approved,
    tier_of,
)
from falconer_shared.policy.rules.base import Rule
from falconer_shared.policy.rules.destinations import (
    AllowedDestinations,
    DeniedDestinations,
    MaxDestinationSpend,
    NoAddressReuse,
)
from falconer_shared.policy.rules.fees import ConsolidateBelowFeeRate, MaxFee, MaxFeePercent, MaxFeeRate
from falconer_shared.policy.rules.outlook import MaxCongestion, MaxPending, MinConfirmations
from falconer_shared.policy.rules.times import (
    AllowedHoursEnd,
    AllowedHoursStart,
    AllowedTimezone,
    DecisionInterval,
    ExpiryHours,
    WeekendOperations,
)
from falconer_shared.policy.values import RULES

__all__ = ["ALL_RULES", "STATELESS_RULES", "Rule", "is_approved", "tier_of"]

_JUDGES: tuple[Rule, ...] = (
    AllowedDestinations(),
    AllowedHoursEnd(),
    AllowedHoursStart(),
    AllowedTimezone(),
    ConsolidateBelowFeeRate(),
    DecisionInterval(),
    DeniedDestinations(),
    ExpiryHours(),
    FundingThreshold(),
    HumanApproval(),
    MaxCongestion(),
    MaxDailyProposals(),
    MaxDailySpend(),
    MaxDestinationSpend(),
    MaxFee(),
    MaxFeePercent(),
    MaxFeeRate(),
    MaxPending(),
    MaxSingle(),
    MaxWeeklySpend(),
    MinChangeValue(),
    MinConfirmations(),
    NewStrategies(),
    NoAddressReuse(),
    WeekendOperations(),
)

ALL_RULES: tuple[Rule, ...] = tuple({rule.name: rule for rule in _JUDGES}[name] for name in RULES)
"""A judge for every rule, in alphabetical order. A rule without a class fails here, at import."""

STATELESS_RULES: frozenset[str] = frozenset(rule.name for rule in ALL_RULES if rule.stateless)
"""The rules whose verdicts must come out equal on both sides (`verdict-mismatch` otherwise)."""
