"""What every rule is, and the four things it can say.

Limits are inclusive: what equals a limit passes. Every rule is asked, whatever the others said, so that a person sees all that is
wrong at once.
"""

from __future__ import annotations

from typing import Protocol

from falconer_shared.policy.document import Policy
from falconer_shared.policy.spend import Outcome, Spend, Verdict


class Rule(Protocol):
    """One rule of the policy. `stateless`: its verdict follows from transaction, policy and approvals alone."""

    @property
    def name(self) -> str: ...

    @property
    def stateless(self) -> bool: ...

    def judge(self, policy: Policy, spend: Spend) -> Verdict:
        """The verdict. Pure: it reads nothing but its arguments."""


def unset(rule: Rule) -> Verdict:
    """The policy sets no limit."""
    return Verdict(rule.name, Outcome.PASS)


def passed(rule: Rule, value: object, limit: object) -> Verdict:
    """The limit holds. `value` None is for a rule that this transaction gives no value to."""
    return Verdict(rule.name, Outcome.PASS, None if value is None else str(value), str(limit))


def unseen(rule: Rule, limit: object, message: str) -> Verdict:
    """The policy sets a limit, and this side cannot see what it is about."""
    return Verdict(rule.name, Outcome.UNSEEN, None, str(limit), message=message)


def decimal(numerator: int, denominator: int) -> str:
    """A quotient with up to three decimals, rounded up: it exceeds a whole number exactly when the true quotient does."""
    whole, thousandths = divmod(-(-numerator * 1000 // denominator), 1000)
    return f"{whole}.{thousandths:03d}".rstrip("0").rstrip(".")
