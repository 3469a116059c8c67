"""When money may move, by the clock of the side that judges."""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.policy.document import Policy
from falconer_shared.policy.rules.base import decimal, passed, unset
from falconer_shared.policy.spend import Outcome, Spend, Verdict
from falconer_shared.policy.zones import WEEKEND, LocalTime, local_time, minutes

HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class AllowedHoursStart:
    """From this minute of the local day on. With a start after the end, the hours reach over midnight."""

    name: str = "allowed_hours_start"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        hours = _hours(policy, spend)
        if hours is None:
            return unset(self)
        start, _, local = hours
        if _around_midnight(hours) or local.minute >= minutes(start):
            return passed(self, local.text, start)
        return Verdict(
            self.name,
            Outcome.FAIL,
            local.text,
            start,
            id="policy-hours-before-start",
            message=f"it is {local.text} in {_zone(policy)}, and nothing is signed before {start}",
        )


@dataclass(frozen=True, slots=True)
class AllowedHoursEnd:
    """To this minute of the local day, which is the last that counts."""

    name: str = "allowed_hours_end"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        hours = _hours(policy, spend)
        if hours is None:
            return unset(self)
        _, end, local = hours
        if _around_midnight(hours) or local.minute <= minutes(end):
            return passed(self, local.text, end)
        return Verdict(
            self.name,
            Outcome.FAIL,
            local.text,
            end,
            id="policy-hours-after-end",
            message=f"it is {local.text} in {_zone(policy)}, and nothing is signed after {end}",
        )


@dataclass(frozen=True, slots=True)
class AllowedTimezone:
    """Whose clock the hours and the weekend are read from. By itself it limits nothing."""

    name: str = "allowed_timezone"
    stateless: bool = True

    def judge(self, policy: Policy, _spend: Spend) -> Verdict:
        zone = policy.rule(self.name)
        return unset(self) if zone is None else passed(self, None, zone)


@dataclass(frozen=True, slots=True)
class WeekendOperations:
    """Set to no: nothing on the local Saturday and Sunday."""

    name: str = "weekend_operations"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        value = policy.rule(self.name)
        if value is None:
            return unset(self)
        if value is True:
            return passed(self, None, "yes")
        day = local_time(_zone(policy), spend.now).weekday
        if day not in WEEKEND:
            return passed(self, day, "no")
        return Verdict(
            self.name,
            Outcome.FAIL,
            day,
            "no",
            id="policy-weekend",
            message=f"it is {day} in {_zone(policy)}, and nothing is signed on weekends",
        )


@dataclass(frozen=True, slots=True)
class DecisionInterval:
    """Seconds between what one requester asks for and what it asked for before. `value` is the shortest distance.

    Measured between the times of asking (`Spend.decided`), so that a person may sign in one visit what was asked for over a day.
    Times are the coordinator's word. Each can be used once, and none may be older than a week: however it lies, on average a
    requester gets no more than one payment in every interval.
    """

    name: str = "ai_decision_interval_seconds"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        distances = [
            # from the future is what a clock that was set back has forgotten (A126)
            abs(spend.decided - entry.decided) if entry.decided <= spend.now else 0
            for entry in spend.entries
            if entry.requester == spend.requester and entry.anchor != spend.anchor
        ]
        if not distances:
            return passed(self, None, limit)
        least = min(distances)
        if least >= limit:
            return passed(self, least, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(least),
            str(limit),
            id="policy-decision-interval",
            message=f"{spend.requester} asked {least} seconds from another payment of its own, and {limit} must lie between",
        )


@dataclass(frozen=True, slots=True)
class ExpiryHours:
    """How long an intent may be signed, from its not-before to its expiry; `value` in hours, rounded up."""

    name: str = "funding_proposal_expiry_hours"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        limit = policy.limit(self.name)
        if limit is None:
            return unset(self)
        seconds = spend.expires - spend.not_before
        value = decimal(seconds, HOUR_SECONDS)
        if seconds <= limit * HOUR_SECONDS:
            return passed(self, value, limit)
        return Verdict(
            self.name,
            Outcome.FAIL,
            value,
            str(limit),
            id="policy-expiry-too-late",
            message=f"the intent may be signed for {value} hours, and {limit} are allowed",
        )


def _hours(policy: Policy, spend: Spend) -> tuple[str, str, LocalTime] | None:
    """Start, end, and what the clock on the wall shows. A policy sets both, and the zone, or none."""
    start, end = policy.rule("allowed_hours_start"), policy.rule("allowed_hours_end")
    if start is None or end is None:
        return None
    return str(start), str(end), local_time(_zone(policy), spend.now)


def _around_midnight(hours: tuple[str, str, LocalTime]) -> bool:
    """Whether the hours reach over midnight, and it is one of them."""
    start, end, local = minutes(hours[0]), minutes(hours[1]), hours[2].minute
    return start > end and (local >= start or local <= end)


def _zone(policy: Policy) -> str:
    return str(policy.rule("allowed_timezone"))
