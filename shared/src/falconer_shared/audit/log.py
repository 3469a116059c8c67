"""The audit log over records: append-only, with a head that stands for all of it.

Records are numbered from 0 without a gap, and hashed as RFC 6962 leaves. A log that somebody shortened, edited or forked no
longer has the heads that it had: whoever kept an earlier head (a signer, a printed page, a receipt) can tell (A129). The log
itself cannot: a log cut at its end is a shorter log, so its keeper must compare it with a head kept elsewhere.

Pure: it is built from records and holds leaf hashes. Writing them to disk before anybody is told their head is the keeper's duty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from falconer_shared.audit.merkle import (
    HASH_SIZE,
    Accumulator,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from falconer_shared.audit.record import AuditRecord, Fact
from falconer_shared.errors import AuditError


@dataclass(frozen=True, slots=True)
class AuditHead:
    """How many records a log has, and the root over them: the words of a line `audit <size> <root>`."""

    size: int
    root: bytes

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.root) != HASH_SIZE:
            raise ValueError("a head is a count and 32 bytes")

    @property
    def root_hex(self) -> str:
        """The root as it is written and shown."""
        return self.root.hex()


class AuditLog:
    """Records in memory as leaf hashes, growing."""

    __slots__ = ("_accumulator", "_leaves")

    def __init__(self, records: Iterable[AuditRecord] = ()) -> None:
        self._leaves: list[bytes] = []
        self._accumulator = Accumulator()
        for record in records:
            self.append(record)

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> Self:
        """The log of stored lines, without their line feeds.

        Raises:
            AuditError: `audit-record-malformed`, `audit-record-gap`.
        """
        return cls(AuditRecord.parse(line) for line in lines)

    def __len__(self) -> int:
        return len(self._leaves)

    @property
    def head(self) -> AuditHead:
        """The head over all records."""
        return AuditHead(len(self._leaves), self._accumulator.root())

    def next(self, at: int, event: str, facts: Mapping[str, Fact]) -> AuditRecord:
        """The record that would come next. It belongs to the log once it is appended."""
        return AuditRecord(len(self._leaves), at, event, facts)

    def append(self, record: AuditRecord) -> AuditHead:
        """Add the next record, and give the head over it.

        Raises:
            AuditError: `audit-record-gap`.
        """
        if record.n != len(self._leaves):
            raise AuditError(
                "audit-record-gap",
                f"record {record.n} stands where record {len(self._leaves)} belongs: some are missing or repeated",
                found=record.n,
                expected=len(self._leaves),
            )
        self._leaves.append(record.leaf)
        self._accumulator.add(record.leaf)
        return self.head

    def head_at(self, size: int) -> AuditHead:
        """The head that the log had when it held `size` records.

        Raises:
            AuditError: `audit-log-truncated`.
        """
        if size > len(self._leaves):
            raise AuditError(
                "audit-log-truncated",
                f"the log has {len(self._leaves)} records, and once had {size}",
                have=len(self._leaves),
                had=size,
            )
        return AuditHead(size, root_of(self._leaves[:size]))

    def check_continues(self, earlier: AuditHead) -> None:
        """Accept only if this log is one that `earlier` was a head of.

        Raises:
            AuditError: `audit-log-truncated`, `audit-log-rewritten`.
        """
        if self.head_at(earlier.size) != earlier:
            raise AuditError(
                "audit-log-rewritten",
                f"the first {earlier.size} records are not those that the log once had",
                size=earlier.size,
            )

    def prove_record(self, n: int) -> tuple[bytes, ...]:
        """The inclusion proof of record `n` under the present head; ValueError if there is no such record."""
        return inclusion_proof(self._leaves, n)

    def prove_growth(self, earlier: int) -> tuple[bytes, ...]:
        """The consistency proof from the head over the first `earlier` records, at least one, to the present head."""
        return consistency_proof(self._leaves, earlier)


def check_record(record: AuditRecord, head: AuditHead, proof: Iterable[bytes]) -> None:
    """Accept only a proof that `record` is in the log with this head.

    Raises:
        AuditError: `audit-inclusion-unproven`.
    """
    verify_inclusion(record.leaf, record.n, head.size, tuple(proof), head.root)


def check_growth(earlier: AuditHead, later: AuditHead, proof: Iterable[bytes]) -> None:
    """Accept only a proof that the log with the head `later` continues the one with the head `earlier`.

    Raises:
        AuditError: `audit-consistency-unproven`.
    """
    verify_consistency(earlier.size, later.size, earlier.root, later.root, tuple(proof))
