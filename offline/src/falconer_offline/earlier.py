"""What this machine signed before that bears on what it is asked to sign now, out of the journal.

Transactions whose intents name one coin form a replacement set: at most one of them can confirm. The person sees
what a new one changes against each earlier one (A066): under the same intent nothing but fee and change can
differ, under another anything can, and is said. What pays the same to the same again without being a replacement is
pointed out, since both would confirm (A065).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from falconer_offline.state import records
from falconer_offline.state.store import State
from falconer_shared.approval.intent import Intent
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.policy.history import SpendEntry
from falconer_shared.policy.windows import WEEK_SECONDS
from falconer_shared.verify.transaction import VerifiedTransaction


@dataclass(frozen=True, slots=True)
class Difference:
    """A destination that gets another amount than by the earlier transaction; 0 for nothing at all."""

    address: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """An earlier transaction that the new one would replace. `signed` is False where the journal ends at the reservation: it may
    have been signed. `fee_change` is satoshis, new less old.
    """

    unsigned_hash: str
    at: int
    signed: bool
    fee_change: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """`same` are the times at which this very transaction was written down; `repeats` pairs a destination that was paid the same
    amount within a week, by a transaction that is not replaced, with the time of that.
    """

    replaced: tuple[Replaced, ...] = ()
    same: tuple[int, ...] = ()
    repeats: tuple[tuple[str, int], ...] = ()


def earlier(state: State, intent: Intent, verified: VerifiedTransaction, now: int) -> Earlier:
    """What the journal knows; `now` is seconds since 1970."""
    network = verified.wallet.network
    paid: dict[bytes, int] = {}
    for output in verified.payments:
        paid[output.script] = paid.get(output.script, 0) + int(output.amount)
    replaced, same, repeats = [], [], []
    for entry, outcome in records.spends(state, verified.wallet.wallet_id):
        if entry.unsigned_hash == verified.unsigned_hash:
            same.append(entry.at)
        elif entry.anchor == intent.spends:
            replaced.append(
                Replaced(
                    unsigned_hash=entry.unsigned_hash,
                    at=entry.at,
                    signed=outcome == records.SIGNED,
                    fee_change=int(verified.fee) - _fee(entry),
                    differences=_differences(entry.paid, paid, network),
                )
            )
        elif now - entry.at < WEEK_SECONDS:
            again = [script for script, sats in paid.items() if entry.paid.get(script) == sats]
            repeats += [(address_of(script, network), entry.at) for script in again]
    return Earlier(tuple(replaced), tuple(same), tuple(repeats))


def _fee(entry: SpendEntry) -> int:
    """What was spent is what was paid, and the fee."""
    return int(entry.spent) - sum(entry.paid.values())


def _differences(
    before: Mapping[bytes, int], now: Mapping[bytes, int], network: Network
) -> tuple[Difference, ...]:
    scripts = sorted({*before, *now})
    return tuple(
        Difference(address_of(script, network), before.get(script, 0), now.get(script, 0))
        for script in scripts
        if before.get(script, 0) != now.get(script, 0)
    )
