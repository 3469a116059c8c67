"""What was spent before: the one protocol that the offline journal and the online store both implement.

An entry is a transaction that may confirm, from the moment somebody could sign it: it is reserved before keys are unlocked or a
request leaves the house, never after (A127). It is released only when nobody can have signed it (the person said no, or the
keys never opened); a transaction that was signed once counts until its window has passed, whatever became of it, because
nobody can recall a signature. A replacement is another entry with the same anchor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.units import Amount


@dataclass(frozen=True, slots=True)
class SpendEntry:
    """One transaction that may confirm.

    `anchor` is the coin that its intent names; `spent` is inputs minus own outputs, in satoshis, fee included; `paid` says what
    each foreign address gets; `approved` says whether the quorum that its amount asks for signed its intent; `at` is the time of
    reservation, in seconds since 1970, as the keeper of the history judged it.
    """

    anchor: OutPoint
    unsigned_hash: str
    spent: Amount
    paid: Mapping[str, int]
    approved: bool
    requester: str
    at: int


class SpendHistory(Protocol):
    """The entries of one wallet. Reserving, replacing and releasing them, atomically and on disk, is the keeper's business."""

    def entries(self, since: int) -> Sequence[SpendEntry]:
        """Every entry of this wallet with `at > since`, those in the future too; more is harmless, less is not.

        Raises:
            StateError: the history cannot be read or does not verify. Never an empty answer instead.
        """
