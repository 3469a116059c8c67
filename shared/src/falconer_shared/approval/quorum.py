"""Who approved an intent, and whether they are enough.

Every approval that is shown must be by a known approver and verify over the very text of the intent: one that does not is a
reason to refuse, never one to look away, since it says that somebody tried. A key counts once, however often it signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from falconer_shared.approval.intent import NAMESPACE, Intent
from falconer_shared.errors import ApprovalError, VerificationError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, verify

MAX_APPROVALS = 32
"""Approvals of one intent (DESIGN: proprietary field 0x02)."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A well-formed approval, which proves nothing before `identify`."""

    signature: SshSignature

    @classmethod
    def parse(cls, data: bytes) -> Approval:
        """Read a raw SSHSIG, or a `.sig` file.

        Raises:
            Malformed: as `SshSignature.parse`.
        """
        return cls(SshSignature.parse(data))

    @property
    def key(self) -> SshPublicKey:
        """The key that it claims to be by."""
        return self.signature.key

    @property
    def raw(self) -> bytes:
        """The SSHSIG without armour."""
        return self.signature.raw


@dataclass(frozen=True, slots=True)
class QuorumRequirement:
    """`k` of these people, by name."""

    k: int
    members: Mapping[str, SshPublicKey]

    def __post_init__(self) -> None:
        """Refuse a quorum that nobody or one person twice could make.

        Raises:
            ApprovalError: `quorum-impossible`, `quorum-key-repeated`.
        """
        if not 1 <= self.k <= len(self.members):
            raise ApprovalError(
                "quorum-impossible",
                f"{self.k} of {len(self.members)} approvers",
                k=self.k,
                members=len(self.members),
            )
        _names_by_key(self.members)


def identify(
    intent: Intent, members: Mapping[str, SshPublicKey], approvals: Sequence[Approval]
) -> tuple[str, ...]:
    """The sorted names of those who signed this intent; no approvals give no names.

    Raises:
        ApprovalError: `approval-too-many`, `approval-unknown-key`, `approval-invalid`, `quorum-key-repeated`.
    """
    if len(approvals) > MAX_APPROVALS:
        raise ApprovalError(
            "approval-too-many", f"{len(approvals)} approvals, at most {MAX_APPROVALS} are read"
        )
    known = _names_by_key(members)
    text = intent.text
    names: set[str] = set()
    for approval in approvals:
        name = known.get(approval.key)
        if name is None:
            raise ApprovalError(
                "approval-unknown-key",
                f"an approval is by {approval.key.key_hash}, which is no approver's key",
            )
        try:
            verify(approval.signature, text, NAMESPACE, members[name])
        except VerificationError as problem:
            raise ApprovalError(
                "approval-invalid",
                f"the approval of {name} does not fit this intent: {problem.message}",
                approver=name,
            ) from problem
        names.add(name)
    return tuple(sorted(names))


def count(
    intent: Intent,
    requirement: QuorumRequirement,
    approvals: Sequence[Approval],
    known: Mapping[str, SshPublicKey] | None = None,
) -> tuple[str, ...]:
    """The sorted names of the members who signed this intent, at least `k` of them.

    `known` are further approvers whose signatures may be among the approvals; they are verified and do not count.

    Raises:
        ApprovalError: `approval-missing` when fewer than `k` members signed; else as `identify`.
    """
    signed = identify(intent, {**(known or {}), **requirement.members}, approvals)
    names = tuple(name for name in signed if name in requirement.members)
    if len(names) < requirement.k:
        raise ApprovalError(
            "approval-missing",
            f"{len(names)} of {requirement.k} approvals are there",
            have=len(names),
            need=requirement.k,
            remedy="ask for: " + ", ".join(sorted(set(requirement.members) - set(names))),
        )
    return names


def _names_by_key(members: Mapping[str, SshPublicKey]) -> dict[SshPublicKey, str]:
    names: dict[SshPublicKey, str] = {}
    for name, key in members.items():
        if key in names:
            # under two names one person would be a quorum of two
            raise ApprovalError("quorum-key-repeated", f"{names[key]} and {name} have the same key")
        names[key] = name
    return names
