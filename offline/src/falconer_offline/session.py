"""One signing session, in its one order.

    read once → judge → page and confirmation → (devices found) → machine key → reservation on disk → (devices sign) →
    Bitcoin keys → signatures, verified → journal and receipt on disk → answer file

Whatever stops the process leaves nothing changed before the reservation, and the reservation in the journal
after it: it then counts as spent, since nobody knows whether a signature was made. Only a session that itself
stopped before a signature takes it back; one that showed the transaction to a device never does, whatever the
device says. Devices sign first, and what speaks to them is gone before a Bitcoin key of this machine is unlocked.

`after_step` is told each step as it is done; nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from falconer_offline import PROGRAM
from falconer_offline.hardware.desk import Devices
from falconer_offline.keys.private import PrivateNode
from falconer_offline.review import (
    Judged,
    Person,
    ReadableRequest,
    ReviewedTransaction,
    judge_again,
    reasons_of,
    review,
    verdicts_of,
)
from falconer_offline.sign import sign
from falconer_offline.state import journal, records
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State, Step, no_step
from falconer_shared.errors import FalconerError, StateError
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import MAX_REFUSALS, Receipt, SignedReceipt
from falconer_shared.exchange.response import build_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, merge
from falconer_shared.wallet.ownership import OwnPlace

MAX_REVIEW_SECONDS = 3600
"""How long a page may lie open between judgement and signature: time to compare sixty addresses on paper."""


class KeyRing(Protocol):
    """Where secrets come from. Questions are asked by `prepare`; `unlock` opens what was typed."""

    def machine(self, state: State) -> MachineKey:
        """The machine key, opened."""

    def prepare(self, record: records.KeyRecord) -> Callable[[], PrivateNode]:
        """Ask for what opens a key, and give back how to open it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the gap, and the state after it."""

    psbt: UntrustedPsbt
    receipt: SignedReceipt
    state: State


def own_keys(state: State, judged: Judged, chosen: Sequence[str] = ()) -> Mapping[int, records.KeyRecord]:
    """The keys that this machine signs with: those that were `chosen` by name, or else its own of the wallet, those in
    devices only where it has no others, lowest positions first, no more than a quorum needs.

    Raises:
        StateError: `wallet-without-own-key`, `signer-not-of-wallet`.
    """
    wallet = judged.readable.wallet
    ours = {
        holder.position: records.key(state, holder.key)
        for holder in records.holders(state, wallet.wallet_id)
        if holder.key is not None
    }
    if not ours:
        raise StateError(
            "wallet-without-own-key", f"none of the keys of wallet '{wallet.name}' is on this machine"
        )
    for name in chosen:
        if name not in {record.name for record in ours.values()}:
            raise StateError(
                "signer-not-of-wallet",
                f"key '{name}' is none of this machine's keys of wallet '{wallet.name}'",
                remedy="wallet show names those that are; a device is recorded with hardware xpub",
            )
    if chosen:
        return {position: record for position, record in ours.items() if record.name in chosen}
    devices = records.devices(state)
    here = [position for position, record in ours.items() if record.name not in devices]
    return {position: ours[position] for position in (here or list(ours))[: wallet.threshold]}


def sign_session(
    state: State,
    judged: Judged,
    person: Person,
    ring: KeyRing,
    clock: Callable[[], int],
    after_step: Step = no_step,
    *,
    chosen: Sequence[str] = (),
    desk: Devices | None = None,
) -> Answer:
    """Take an accepted request to its answer. `chosen` names the keys to sign with; `desk` is where devices are.

    Raises:
        Declined: the person did not confirm. SecretError: a key did not open; the reservation is then taken
        back. StateError: `review-too-old`; the state was changed meanwhile or cannot be written. FalconerError:
        what `judge` raises when the request is no longer acceptable. DeviceError, VerificationError: what a device did.
    """
    wanted = own_keys(state, judged, chosen)
    known = records.devices(state)
    on_devices = {position: key.fingerprint for position, key in wanted.items() if key.name in known}
    if on_devices and desk is None:
        raise ValueError("a key in a device, and no way to it")
    reviewed = review(judged, state, person)
    after_step("reviewed")
    if desk is not None and on_devices:
        # before the first secret is read, after which no process can be started
        desk.find(reviewed.verified, on_devices)
        after_step("devices-found")
    machine = ring.machine(state)
    openers = {
        position: ring.prepare(record) for position, record in wanted.items() if position not in on_devices
    }
    after_step("secrets-asked")
    now = clock()
    _judge_again(state, judged, now)
    reservation = journal.reserve(
        state,
        machine,
        judged.readable.wallet.wallet_id,
        # from now on, not from when the page was opened: it must not leave its windows early
        replace(judged.approved.entry, at=now),
        judged.readable.digest,
        step=after_step,
    )
    after_step("reserved")
    signed: list[SignatureVerifiedPsbt] = []
    if desk is not None and on_devices:
        signed.append(desk.sign(reviewed, reservation))
        desk.close()
        _judge_again(state, judged, clock())
        after_step("devices-signed")
    try:
        keys = {position: unlock() for position, unlock in openers.items()}
        # a passphrase that was mistyped is asked for again, for as long as the person takes
        _judge_again(state, judged, clock())
    except FalconerError as refused:
        # nothing was signed yet, so no signature exists: the one case in which a reservation may go
        if not signed:
            journal.release(reservation, machine, clock(), refused.rule, step=after_step)
        raise
    after_step("unlocked")
    if keys:
        signed.append(sign(reviewed, reservation, keys))
    del keys, openers
    after_step("signed")
    receipt, after = journal.conclude(
        reservation,
        machine,
        clock(),
        _places(judged),
        lambda number, size, head: _receipt(
            judged.readable,
            number,
            size,
            head,
            clock(),
            rules=[RuleLine.of(v) for v in judged.approved.verdicts],
            reviewed=reviewed,
        ),
        step=after_step,
    )
    after_step("concluded")
    answer = build_response(
        judged.verified.tx, merge(*signed).signatures, receipt, judged.readable.psbt.version
    )
    return Answer(answer, receipt, after)


def _judge_again(state: State, judged: Judged, now: int) -> None:
    """Accept a judgement that still holds: a page may have lain open for hours, past the hours in which the policy lets
    anything be signed. What is signed stays the object that was shown; this only says no.

    Raises:
        StateError: `review-too-old`. FalconerError: what `judge_again` raises.
    """
    age = now - judged.approved.judged_at
    if not 0 <= age <= MAX_REVIEW_SECONDS or now >= judged.approved.intent.expires:
        raise StateError(
            "review-too-old",
            f"this was judged {age} seconds ago, and its time has passed or the clock was changed",
            remedy="run sign again: it judges anew",
            age=age,
            limit=MAX_REVIEW_SECONDS,
        )
    judge_again(state, judged, now)


def refuse_session(
    state: State,
    readable: ReadableRequest,
    refused: FalconerError,
    machine: MachineKey,
    now: int,
    after_step: Step = no_step,
) -> Answer:
    """Write down a refusal of a readable request, and make the answer that carries its receipt alone."""
    rules = sorted({reason.rule for reason in reasons_of(refused)})[:MAX_REFUSALS]
    receipt, after = journal.refuse(
        state,
        machine,
        readable.wallet.wallet_id,
        now,
        readable.digest,
        " ".join(rules),
        lambda number, size, head: _receipt(
            readable,
            number,
            size,
            head,
            now,
            rules=[RuleLine.of(v) for v in verdicts_of(refused)],
            refusals=tuple(rules),
        ),
        step=after_step,
    )
    nothing: list[Mapping[bytes, bytes]] = [{} for _ in readable.psbt.tx.inputs]
    return Answer(build_response(readable.psbt.tx, nothing, receipt, readable.psbt.version), receipt, after)


def _places(judged: Judged) -> list[OwnPlace]:
    verified = judged.verified
    inputs = [item.place for item in verified.inputs]
    return inputs + [output.place for output in verified.own_outputs if output.place is not None]


def _receipt(
    readable: ReadableRequest,
    number: int,
    journal_size: int,
    journal_head: str,
    now: int,
    *,
    rules: list[RuleLine],
    refusals: tuple[str, ...] = (),
    reviewed: ReviewedTransaction | None = None,
) -> Receipt:
    return Receipt(
        signer=readable.signer,
        number=number,
        request=readable.digest,
        refusals=refusals,
        rules=tuple(rules),
        total=None if reviewed is None else reviewed.typed_total,
        policy_version=readable.installed.policy.version,
        journal_size=journal_size,
        journal_head=journal_head,
        program=PROGRAM,
        judged=now,
    )
