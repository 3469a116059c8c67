"""The rules of the policy once more, from their description (docs/policy.md), for the oracle. Shares nothing with the product."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.simulators.truth import Rules

DAY = 86_400
WEEK = 7 * DAY


@dataclass(frozen=True)
class Entry:
    """Something that was signed."""

    anchor: str
    spent: int
    paid: dict[bytes, int]
    own: frozenset[bytes]
    approved: bool
    requester: str
    strategy: str
    decided: int
    at: int


@dataclass(frozen=True)
class Facts:
    """What a transaction really does. `value` is what goes in; `paid` and `own` are (script, satoshis)."""

    now: int
    kind: str
    anchor: str
    spent: int
    value: int
    fee: int
    weight: int
    inputs: int
    sources: frozenset[bytes]
    own: list[tuple[bytes, int]]
    paid: list[tuple[bytes, int]]
    approvers: frozenset[str]
    requester: str
    strategy: str
    not_before: int
    expires: int

    @property
    def decided(self) -> int:
        return max(self.not_before, self.now - WEEK)

    def sums(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for script, sats in self.paid:
            found[script] = found.get(script, 0) + sats
        return found

    def approved(self, rules: Rules) -> bool:
        """Whether the quorum for an amount of this size is there."""
        if not rules.tiers:
            return False
        above = [tier for tier in rules.tiers if self.spent > tier[0]] or [rules.tiers[0]]
        _, k, group = above[-1]
        return len(rules.groups[group] & self.approvers) >= k

    def entry(self, rules: Rules) -> Entry:
        return Entry(
            self.anchor, self.spent, self.sums(), self.sources | {script for script, _ in self.own},
            self.approved(rules), self.requester, self.strategy, self.decided, self.now,
        )  # fmt: skip

    def plain_lines(self, rules: Rules) -> dict[str, list[str]]:
        """The lines of some rules that follow from the transaction alone, as both sides must write them."""
        lines = {}
        for name, value, fine in (
            ("max_single_tx_sats", self.spent, None),
            ("max_fee_sats", self.fee, None),
            ("funding_proposal_threshold_sats", self.spent, self.approved(rules)),
        ):
            limit = rules.rules[name]
            if limit is None:
                lines[name] = ["pass", "-", "-"]
            else:
                holds = value <= int(str(limit)) or bool(fine)
                lines[name] = ["pass" if holds else "fail", str(value), str(limit)]
        return lines


@dataclass
class _Judge:
    """One transaction before the rules; `found` are those that it breaks."""

    rules: Rules
    facts: Facts
    history: list[Entry]
    found: list[str] = field(default_factory=list)

    def limit(self, name: str) -> int | None:
        value = self.rules.rules[name]
        return None if value is None else int(str(value))

    def over(self, name: str, value: int, allowed: int | None) -> None:
        if allowed is not None and value > allowed:
            self.found.append(f"{name}: {value} of {allowed}")

    def part(self, name: str) -> int | None:
        """A limit on a sum, as far as this machine may let it be used up."""
        whole = self.limit(name)
        k, n = self.rules.share
        return None if whole is None else whole if self.rules.mandatory else whole * k // n

    def within(self, seconds: int) -> list[Entry]:
        return [entry for entry in self.history if self.facts.now - entry.at < seconds]

    def amounts(self) -> None:
        facts = self.facts
        self.over("max_single_tx_sats", facts.spent, self.limit("max_single_tx_sats"))
        for name, seconds in (("max_daily_spend_sats", DAY), ("max_weekly_spend_sats", WEEK)):
            self.over(name, _sum(self.within(seconds), facts.anchor, facts.spent), self.part(name))
        least = self.limit("min_change_value_sats")
        if least is not None and any(sats < least for _, sats in facts.own):
            self.found.append("min_change_value_sats")
        count = len({facts.anchor, *(entry.anchor for entry in self.within(DAY))})
        self.over("max_daily_proposals", count, self.limit("max_daily_proposals"))

    def fees(self) -> None:
        facts = self.facts
        self.over("max_fee_sats", facts.fee, self.limit("max_fee_sats"))
        rate = self.limit("max_fee_rate_sats_per_vbyte")
        self.over("max_fee_rate", facts.fee * 4, None if rate is None else rate * facts.weight)
        percent = self.limit("max_fee_percent")
        moved = sum(sats for _, sats in facts.paid) or sum(sats for _, sats in facts.own)
        self.over("max_fee_percent", facts.fee * 100, None if percent is None else percent * moved)
        rate = self.limit("consolidate_below_fee_rate")
        if rate is not None and facts.kind == "own" and facts.inputs > 1:
            self.over("consolidate_below_fee_rate", facts.fee * 4, rate * facts.weight)

    def approvals(self) -> None:
        facts = self.facts
        if facts.approved(self.rules):
            return
        without = [entry for entry in self.within(DAY) if not entry.approved]
        total = _sum(without, facts.anchor, facts.spent)
        self.over("human_approval_threshold_sats", total, self.part("human_approval_threshold_sats"))
        name = "funding_proposal_threshold_sats"
        self.over(name, facts.spent, self.limit(name))
        known = any(
            entry.approved
            and (entry.requester, entry.strategy) == (facts.requester, facts.strategy)
            and (entry.paid or not facts.paid)
            for entry in self.history
            if entry.anchor != facts.anchor
        )
        if self.rules.rules["auto_approve_new_strategies"] is False and not known:
            self.found.append("auto_approve_new_strategies")

    def destinations(self) -> None:
        rules, facts = self.rules, self.facts
        name = "max_destination_spend_sats"
        for script, sats in facts.sums().items():
            sets = {facts.anchor: sats}
            for entry in self.within(WEEK):
                sets[entry.anchor] = max(sets.get(entry.anchor, 0), entry.paid.get(script, 0))
            self.over(name, sum(sets.values()), self.part(name))
        for name, wrong in (("allowed_destinations", False), ("denied_destinations", True)):
            names = rules.rules[name]
            if isinstance(names, tuple):
                listed = {rules.addresses[each] for each in names}
                if any((script in listed) is wrong for script, _ in facts.paid):
                    self.found.append(name)
        used = {
            script
            for entry in self.history
            if entry.anchor != facts.anchor
            for script in (*entry.paid, *entry.own)
        }
        scripts = Counter(script for script, _ in [*facts.paid, *facts.own])
        again = any(script in used | facts.sources or count > 1 for script, count in scripts.items())
        if rules.rules["no_address_reuse"] is True and again:
            self.found.append("no_address_reuse")

    def times(self) -> None:
        facts = self.facts
        self.clock()
        apart = self.limit("ai_decision_interval_seconds")
        if apart is not None:
            others = [
                entry
                for entry in self.within(WEEK + apart)
                if entry.requester == facts.requester and entry.anchor != facts.anchor
            ]
            if any(each.decided > facts.now or abs(facts.decided - each.decided) < apart for each in others):
                self.found.append("ai_decision_interval_seconds")
        hours = self.limit("funding_proposal_expiry_hours")
        lasts = facts.expires - facts.not_before
        self.over("funding_proposal_expiry_hours", lasts, None if hours is None else hours * 3600)

    def clock(self) -> None:
        zone, start, end = (
            self.rules.rules[name]
            for name in ("allowed_timezone", "allowed_hours_start", "allowed_hours_end")
        )
        if zone is None:
            return
        local = datetime.fromtimestamp(self.facts.now, UTC).astimezone(ZoneInfo(str(zone)))
        clock, first, last = f"{local.hour:02d}:{local.minute:02d}", str(start), str(end)
        inside = first <= clock <= last if first <= last else clock >= first or clock <= last
        if start is not None and not inside:
            self.found.append("allowed_hours")
        if self.rules.rules["weekend_operations"] is False and local.weekday() >= 5:
            self.found.append("weekend_operations")


def judge(rules: Rules, facts: Facts, history: list[Entry]) -> list[str]:
    """Every rule that this breaks."""
    asked = _Judge(rules, facts, history)
    for part in (asked.amounts, asked.fees, asked.approvals, asked.destinations, asked.times):
        part()
    return asked.found


def _sum(entries: list[Entry], anchor: str, spent: int) -> int:
    """Of transactions that spend one coin only one can confirm: the largest counts."""
    sets = {anchor: spent}
    for entry in entries:
        sets[entry.anchor] = max(sets.get(entry.anchor, 0), entry.spent)
    return sum(sets.values())
