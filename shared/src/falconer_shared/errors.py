"""Every way in which Falconer says no, on one page.

Three audiences, told apart by class:

* *they* are wrong (`Malformed`, `VerificationError`, `PolicyViolation`, `ApprovalError`): the refusal is the
  product;
* *this machine or the person* is the reason (`StateError`, `DeviceError`, `Declined`, `SecretError`,
  `AuditError`, `UsageError`);
* *the programmer* is wrong: plain `TypeError`, `ValueError`, `RuntimeError`, never caught.

Each refusal carries a stable rule id (`input-amount-unproven`), one sentence for a person, and optional
numbers for a machine. The id, never the sentence, is the interface: docs/rules.md is its catalogue and a
script keeps both together.
"""

from __future__ import annotations

from typing import ClassVar

Detail = int | str | None


class FalconerError(Exception):
    """A refusal or a fault that a person can act upon.

    `rule` is the stable id, `message` one sentence, `details` numbers or short texts that the JSON form
    carries. `remedy` says what to do about it, where there is something to do.
    """

    EXIT_STATUS: ClassVar[int] = 1

    def __init__(self, rule: str, message: str, *, remedy: str | None = None, **details: Detail) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.remedy = remedy
        self.details = details

    def as_json(self) -> dict[str, Detail]:
        """The refusal as the object that stands in `rules` of a JSON verdict (DESIGN: command line)."""
        # the three fixed names win: a detail may never overwrite the id that a script switches on
        return {**self.details, "id": self.rule, "message": self.message, "remedy": self.remedy}


class UsageError(FalconerError):
    """The command was used wrongly."""

    EXIT_STATUS = 2


class Malformed(FalconerError):
    """Bytes that are not what they claim to be. Nothing in them was believed."""

    EXIT_STATUS = 3


class VerificationError(FalconerError):
    """A well-formed transaction, wallet or signature that does not prove what it must prove."""

    EXIT_STATUS = 4


class PolicyViolation(FalconerError):
    """The transaction is what it claims to be, and the policy forbids it."""

    EXIT_STATUS = 5


class ApprovalError(FalconerError):
    """An intent, approval or quorum is missing, wrong, or belongs to something else."""

    EXIT_STATUS = 6


class DeviceError(FalconerError):
    """A device or node cannot be reached or does not answer as it must."""

    EXIT_STATUS = 7


class Declined(FalconerError):
    """The person said no, or did not say yes."""

    EXIT_STATUS = 8


class StateError(FalconerError):
    """Local state or disk: missing, tampered with, full, or not writable."""

    EXIT_STATUS = 9


class AuditError(StateError):
    """An audit log or journal does not verify."""


class SecretError(FalconerError):
    """A passphrase or secret is wrong or was not given."""

    EXIT_STATUS = 10
