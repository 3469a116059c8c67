"""What was spent before: the one protocol that the offline journal and the online store both implement.

An entry is a transaction that may confirm, from the moment somebody could sign it: it is reserved before keys are unlocked or a
request leaves the house, never after (A127). It is released only when nobody can have signed it (the person said no, or the
keys never opened); a transaction that was signed once counts until its window has passed, whatever became of it, because
nobody can recall a signature. A replacement is another entry with the same anchor.

Each side keeps its own. A signer of a rotating quorum sees what it signed itself and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.units import Amount


@dataclass(frozen=True, slots=True)
class SpendEntry:
    """One transaction that may confirm.

    `anchor` is the coin that its intent names; `spent` is inputs minus own outputs, in satoshis, fee included; `paid` says what
    each foreign script gets; `own` are the wallet's own scripts that it spends from or returns to; `approved` says whether the
    quorum that its amount asks for signed its intent; `requester` and `strategy` are the intent's; `at` is the time of
    reservation, in seconds since 1970, as the keeper of the history judged it, and `decided` when its requester asked for it
    (`Spend.decided`).
    """

    anchor: OutPoint
    unsigned_hash: str
    spent: Amount
    paid: Mapping[bytes, int]
    own: frozenset[bytes]
    approved: bool
    requester: str
    strategy: str
    decided: int
    at: int


class SpendHistory(Protocol):
    """The entries of one wallet. Reserving, replacing and releasing them, atomically and on disk, is the keeper's business.

    None of the answers depends on the order in which entries were written. All raise StateError when the history cannot be
    read or does not verify, and never give an empty answer instead.
    """

    def entries(self, since: int) -> Sequence[SpendEntry]:
        """Every entry of this wallet with `at > since`, those in the future too; more is harmless, less is not."""

    def used(self, scripts: Collection[bytes], besides: OutPoint) -> frozenset[bytes]:
        """Those of `scripts` that an entry of another anchor than `besides` pays, spends from or returns to, however old."""

    def approved_before(self, requester: str, strategy: str, besides: OutPoint, *, paying: bool) -> bool:
        """Whether an entry of another anchor, however old, was approved for this requester and strategy; where `paying`, one that
        paid somebody.
        """


@dataclass(frozen=True, slots=True)
class Recorded:
    """A history that lies in memory: what the questions mean, for whoever reads all entries anyway."""

    all: tuple[SpendEntry, ...]

    @classmethod
    def of(cls, entries: Iterable[SpendEntry]) -> Recorded:
        return cls(tuple(entries))

    def entries(self, since: int) -> Sequence[SpendEntry]:
        """As `SpendHistory.entries`."""
        return tuple(entry for entry in self.all if entry.at > since)

    def used(self, scripts: Collection[bytes], besides: OutPoint) -> frozenset[bytes]:
        """As `SpendHistory.used`."""
        others = [entry for entry in self.all if entry.anchor != besides]
        return frozenset(
            script
            for script in scripts
            if any(script in entry.paid or script in entry.own for entry in others)
        )

    def approved_before(self, requester: str, strategy: str, besides: OutPoint, *, paying: bool) -> bool:
        """As `SpendHistory.approved_before`."""
        return any(
            entry.approved and (entry.requester, entry.strategy) == (requester, strategy)
            for entry in self.all
            if entry.anchor != besides and (entry.paid or not paying)
        )
