"""What happened on this machine, in order: one canonical line per event, under one Merkle head (RFC 6962).

Spend is reserved here *before* a key is unlocked: `reserve` alone makes a `Reservation`, and signing takes
one. Everything that is written goes through a `Change`, so event, tables, receipt and signed root land on the
disk together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass

from falconer_offline.state import records, schema
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import Change, State, Step, change, no_step
from falconer_shared.audit.record import AuditRecord, Fact
from falconer_shared.errors import StateError
from falconer_shared.exchange.receipt import Receipt, SignedReceipt
from falconer_shared.policy.history import SpendEntry
from falconer_shared.seal import Seal
from falconer_shared.wallet.ownership import OwnPlace

_SEAL = Seal(__name__)

Draft = Callable[[int, int, str], Receipt]
"""Completes a receipt: its number, and the size and head of the journal that stand in it."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Proof that a spend stands in the journal, on the disk. Only `reserve` makes one.

    `state` is the snapshot after it; `number` is the journal entry.
    """

    unsigned_hash: str
    wallet_id: str
    number: int
    state: State
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)


def check_clock(state: State, now: int) -> None:
    """Accept a clock that is not behind the journal (A126).

    Raises:
        StateError: `clock-behind-journal`.
    """
    _check_mark(records.time_mark(state), now)


def _check_mark(mark: int, now: int) -> None:
    if now < mark:
        raise StateError(
            "clock-behind-journal",
            f"the clock is {mark - now} seconds behind the last entry of the journal",
            remedy="set the clock right; a journal that ran ahead of time needs its administrators",
            now=now,
            mark=mark,
        )


def note(transaction: Change, at: int, event: str, **facts: Fact) -> tuple[int, str]:
    """Append an event, raise the time mark, and return the journal's new size and head (hex).

    Raises:
        StateError: `clock-behind-journal`.
    """
    _check_mark(int(transaction.fact("time-mark")), at)
    lines = transaction.lines()
    line = AuditRecord(len(lines), at, event, facts).line
    transaction.run("INSERT INTO journal VALUES (?, ?)", len(lines), line)
    transaction.run("UPDATE facts SET value = ? WHERE name = 'time-mark'", str(at))
    lines.append(line)
    return len(lines), schema.head_of(lines)


def reserve(
    state: State,
    machine: MachineKey,
    wallet_id: str,
    entry: SpendEntry,
    request: str,
    *,
    step: Step = no_step,
) -> Reservation:
    """Write a spend down before anybody can sign it.

    `state` must be the snapshot on which it was judged: when another process reserved something meanwhile,
    this one is refused and has to be judged again (A127).

    Raises:
        StateError: `state-changed`, `clock-behind-journal` and what `change` raises.
    """
    with change(state, machine, step) as (transaction, after):
        number = len(transaction.lines())
        note(
            transaction,
            entry.at,
            "reserved",
            wallet=wallet_id,
            request=request,
            unsigned=entry.unsigned_hash,
            anchor=entry.anchor.text(),
            spent=int(entry.spent),
            requester=entry.requester,
            strategy=entry.strategy,
        )
        transaction.run(
            "INSERT INTO spends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            wallet_id,
            entry.anchor.text(),
            entry.unsigned_hash,
            int(entry.spent),
            records.pack_paid(entry.paid),
            records.pack_scripts(entry.own),
            int(entry.approved),
            entry.requester,
            entry.strategy,
            entry.decided,
            entry.at,
            records.RESERVED,
        )
    return Reservation(entry.unsigned_hash, wallet_id, number, after[0], seal=_SEAL)


def release(
    reservation: Reservation, machine: MachineKey, at: int, reason: str, *, step: Step = no_step
) -> State:
    """Take a reservation back. Only for a process that knows that it made no signature after `reserve`."""
    with change(reservation.state, machine, step) as (transaction, after):
        note(
            transaction,
            at,
            "released",
            unsigned=reservation.unsigned_hash,
            reservation=reservation.number,
            reason=reason,
        )
        transaction.run(
            "UPDATE spends SET outcome = ? WHERE number = ?", records.RELEASED, reservation.number
        )
    return after[0]


def conclude(
    reservation: Reservation,
    machine: MachineKey,
    at: int,
    places: Iterable[OwnPlace],
    draft: Draft,
    *,
    step: Step = no_step,
) -> tuple[SignedReceipt, State]:
    """Write down that the transaction was signed, which addresses are known by that, and the receipt."""
    with change(reservation.state, machine, step) as (transaction, after):
        transaction.run("UPDATE spends SET outcome = ? WHERE number = ?", records.SIGNED, reservation.number)
        for place in places:
            transaction.run(
                "INSERT INTO indexes VALUES (?, ?, ?) ON CONFLICT (wallet_id, branch)"
                " DO UPDATE SET highest = max(highest, excluded.highest)",
                reservation.wallet_id,
                place.branch,
                place.index,
            )
        size, head = note(
            transaction,
            at,
            "signed",
            wallet=reservation.wallet_id,
            unsigned=reservation.unsigned_hash,
            reservation=reservation.number,
        )
        receipt = _keep_receipt(transaction, machine, reservation.wallet_id, draft, size, head)
    return receipt, after[0]


def refuse(
    state: State,
    machine: MachineKey,
    wallet_id: str,
    at: int,
    request: str,
    reasons: str,
    draft: Draft,
    *,
    step: Step = no_step,
) -> tuple[SignedReceipt, State]:
    """Write down a refusal, with its receipt. `reasons` are rule ids."""
    with change(state, machine, step) as (transaction, after):
        size, head = note(transaction, at, "refused", wallet=wallet_id, request=request, reasons=reasons)
        receipt = _keep_receipt(transaction, machine, wallet_id, draft, size, head)
    return receipt, after[0]


def _keep_receipt(
    transaction: Change, machine: MachineKey, wallet_id: str, draft: Draft, size: int, head: str
) -> SignedReceipt:
    number = len(records.receipts(transaction.base, wallet_id)) + 1
    signed = machine.sign_receipt(draft(number, size, head))
    transaction.run(
        "INSERT INTO receipts VALUES (?, ?, ?, ?)",
        wallet_id,
        number,
        signed.receipt.text,
        signed.signature.raw,
    )
    return signed
