"""Where the money may go.

Scripts are compared, never what a text says (A131), and every output counts that is not proven ours (A132).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from falconer_shared.policy.document import NamedAddress, Policy
from falconer_shared.policy.rules.amounts import share_note
from falconer_shared.policy.rules.base import passed, unset
from falconer_shared.policy.spend import Outcome, Payment, Spend, Verdict
from falconer_shared.policy.windows import WEEK_SECONDS, window_sums
from falconer_shared.units import grouped

MAX_NAMED = 5
"""Addresses that a sentence lists before it counts the rest."""


@dataclass(frozen=True, slots=True)
class AllowedDestinations:
    """Every output that is not proven ours goes to one of the listed destinations (A131, A132).

    `value` counts the payments that do not.
    """

    name: str = "allowed_destinations"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        allowed = policy.destinations(self.name)
        if allowed is None:
            return unset(self)
        foreign = [payment for payment in spend.payments if _named(allowed, payment.script) is None]
        if not foreign:
            return passed(self, 0, 0)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(len(foreign)),
            "0",
            id="policy-destination-not-allowed",
            message=f"{_listed(foreign)} is not among the allowed destinations",
        )


@dataclass(frozen=True, slots=True)
class DeniedDestinations:
    """No output goes to a listed destination. `value` counts the payments that do."""

    name: str = "denied_destinations"
    stateless: bool = True

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        denied = policy.destinations(self.name)
        if denied is None:
            return unset(self)
        hit = [payment for payment in spend.payments if _named(denied, payment.script) is not None]
        if not hit:
            return passed(self, 0, 0)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(len(hit)),
            "0",
            id="policy-destination-denied",
            message=f"{_listed(hit)} is among the denied destinations",
        )


@dataclass(frozen=True, slots=True)
class MaxDestinationSpend:
    """What one destination gets within the rolling week, this transaction included; fees are nobody's destination.

    A destination is a script, or all addresses of a descriptor of the address book. `value` is that of this transaction's
    destination that gets most.
    """

    name: str = "max_destination_spend_sats"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        whole = policy.limit(self.name)
        if whole is None:
            return unset(self)
        limit = spend.share.of(whole)
        descriptors = tuple(entry for entry in policy.addresses if entry.descriptor is not None)
        totals = window_sums(
            spend.entries,
            spend.anchor,
            _by_destination(descriptors, spend.paid()),
            spend.now,
            WEEK_SECONDS,
            lambda entry: _by_destination(descriptors, entry.paid),
        )
        most = max(totals.values(), default=0)
        if most <= limit:
            return passed(self, most, limit)
        marks = [mark for mark, total in totals.items() if total == most]
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(most),
            str(limit),
            id="policy-destination-limit",
            message=(
                f"{grouped(most)} to {_shown(spend, marks[0])} within a week is more than {grouped(limit)}"
                f"{share_note(limit, whole)}"
            ),
        )


@dataclass(frozen=True, slots=True)
class NoAddressReuse:
    """Set to yes: no output goes to an address that was used before, as far as this side's history reaches.

    Used is what an earlier spend of another intent paid, spent from or returned to; what this transaction itself spends from; and
    what it pays twice. `value` counts the outputs.
    """

    name: str = "no_address_reuse"
    stateless: bool = False

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        value = policy.rule(self.name)
        if value is None:
            return unset(self)
        if value is False:
            return passed(self, None, "no")
        scripts = [payment.script for payment in spend.payments] + [output.script for output in spend.own]
        counts = Counter(scripts)
        again = [
            script
            for script in counts
            if script in spend.used or script in spend.sources or counts[script] > 1
        ]
        if not again:
            return passed(self, 0, 0)
        paid = [payment for payment in spend.payments if payment.script in again]
        reused = sum(counts[script] for script in again)
        return Verdict(
            self.name,
            Outcome.FAIL,
            str(reused),
            "0",
            id="policy-address-reused",
            message=(
                f"{_listed(paid)} was paid before"
                if paid
                else f"change goes to {reused} of our own addresses that were used before"
            ),
        )


def _named(entries: tuple[NamedAddress, ...], script: bytes) -> str | None:
    """The name of the entry that covers a script: addresses first, which cost nothing."""
    for entry in sorted(entries, key=lambda entry: entry.script is None):
        if entry.covers(script):
            return entry.name
    return None


def _by_destination(
    descriptors: tuple[NamedAddress, ...], paid: Mapping[bytes, int]
) -> dict[bytes | str, int]:
    """What each destination gets: several addresses of one descriptor are one, under its name; else each script is one."""
    sums: dict[bytes | str, int] = {}
    for script, sats in paid.items():
        mark = _named(descriptors, script) or script
        sums[mark] = sums.get(mark, 0) + sats
    return sums


def _shown(spend: Spend, mark: bytes | str) -> str:
    """A destination for a person."""
    if isinstance(mark, str):
        return mark
    return next(payment.address for payment in spend.payments if payment.script == mark)


def _listed(payments: list[Payment]) -> str:
    shown = ", ".join(payment.address for payment in payments[:MAX_NAMED])
    return shown if len(payments) <= MAX_NAMED else f"{shown} and {len(payments) - MAX_NAMED} more"
