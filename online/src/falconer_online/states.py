"""The life of a proposal: every state, and every move that there is.

    pending ──► approved ──► built ──► sent ──► signed ──► broadcast ──► confirmed
       │           │           │        │         │            │
       └───────────┴───────────┴────────┴─────────┴──► rejected (a person), expired (time; not once signed)
       └───────────┴───────────┴────────┴─────────┴────────────┴──► failed (its coins were spent otherwise)

A proposal holds its coins in every state before `confirmed` that is not an end. From `sent` on a signature
may exist, which nobody can recall: such a proposal stays in the history that limits are judged by, even when
it is rejected or expires.

A bump or a cancellation is a proposal of its own in the family of the one that it replaces: they share a coin, so
when one is confirmed the others fail. Until then each may be the one, and all of them hold their coins.
"""

from __future__ import annotations

import enum

from falconer_shared.errors import StateError
from falconer_shared.text import safe


class ProposalState(enum.StrEnum):
    """The value is the spelling in the store, in JSON and on screen."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    BUILT = "built"
    SENT = "sent"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    CONFIRMED = "confirmed"
    FAILED = "failed"


_S = ProposalState

TRANSITIONS: dict[ProposalState, frozenset[ProposalState]] = {
    _S.PENDING: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED, _S.FAILED}),
    _S.APPROVED: frozenset({_S.BUILT, _S.REJECTED, _S.EXPIRED, _S.FAILED}),
    _S.BUILT: frozenset({_S.SENT, _S.REJECTED, _S.EXPIRED, _S.FAILED}),
    _S.SENT: frozenset({_S.SIGNED, _S.REJECTED, _S.EXPIRED, _S.FAILED}),
    # a finished signature outlives the intent's time: expiry limits signing, not sending
    _S.SIGNED: frozenset({_S.BROADCAST, _S.REJECTED, _S.FAILED}),
    _S.BROADCAST: frozenset({_S.CONFIRMED, _S.FAILED}),
    # a reorganisation can take a confirmation back
    _S.CONFIRMED: frozenset({_S.BROADCAST, _S.FAILED}),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    # it was sent, its replacement confirmed, and a reorganisation chose it after all
    _S.FAILED: frozenset({_S.BROADCAST}),
}

HOLDS_COINS = frozenset({_S.PENDING, _S.APPROVED, _S.BUILT, _S.SENT, _S.SIGNED, _S.BROADCAST})
"""While in one of these, no other proposal may use its coins."""

MAY_EXPIRE = frozenset(state for state, following in TRANSITIONS.items() if _S.EXPIRED in following)

UNPAID = frozenset({_S.REJECTED, _S.EXPIRED, _S.FAILED})
"""Ends in which nothing was paid."""

NEVER_SIGNED = frozenset({_S.PENDING, _S.APPROVED, _S.BUILT})
"""No signer has seen it, so no signature can exist."""


def check_move(proposal: str, now: ProposalState, to: ProposalState) -> None:
    """Accept only a move of the table.

    Raises:
        StateError: `proposal-state`.
    """
    if to not in TRANSITIONS[now]:
        raise StateError(
            "proposal-state",
            f"proposal {safe(proposal)} is {now}, and cannot become {to}",
            state=now.value,
            wanted=to.value,
        )
