"""From judged to seen by a person: the only place that makes a `ReviewedTransaction`.

`judge` walks the path of trust in its order and stops at the first refusal; it reads no key and writes
nothing, so `inspect` is this function and nothing more. `review` draws the page of exactly the object that
was judged, and demands that the person types the sum of the payments and how each destination ends, *from the
approvers' paper where there is one*. What comes out holds the same object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import Protocol

from falconer_offline.earlier import Earlier, earlier
from falconer_offline.state import records
from falconer_offline.state.journal import check_clock
from falconer_offline.state.store import State
from falconer_shared.errors import FalconerError, VerificationError
from falconer_shared.exchange.envelope import CheckedRequest, RequestEnvelope, check_request, extract
from falconer_shared.exchange.lines import check_verdicts
from falconer_shared.exchange.receipt import Receipt, check_own_past
from falconer_shared.policy.engine import ApprovedTransaction, approve
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.policy.spend import Verdict
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.seal import Seal
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.registration import RegisteredWallet

_SEAL = Seal(__name__)

FEW_DESTINATIONS = 3
"""Up to so many destinations are typed one by one; above it the intent's digest stands for all (DESIGN
section 4).
"""


@dataclass(frozen=True, slots=True)
class ReadableRequest:
    """A request that could be read, of a wallet and a policy that this machine knows: from here on every
    refusal has a receipt.
    """

    psbt: UntrustedPsbt
    envelope: RequestEnvelope
    wallet: RegisteredWallet
    installed: InstalledPolicy
    signer: str

    @property
    def digest(self) -> str:
        """The request's digest, which receipts name."""
        return self.envelope.request.digest


@dataclass(frozen=True, slots=True)
class Judged:
    """An accepted request. `unsent` counts our latest receipts that the coordinator lacks; `earlier` is what was signed here
    before that it replaces or repeats.
    """

    readable: ReadableRequest
    checked: CheckedRequest
    approved: ApprovedTransaction
    unsent: int
    earlier: Earlier

    @property
    def verified(self) -> VerifiedTransaction:
        """The verified transaction that was judged."""
        return self.approved.verified

    @property
    def total(self) -> Amount:
        """Sum of the `pay` lines: what leaves the wallet besides the fee, and of a sweep the least of it."""
        return Amount(sum(amount for amount, _ in self.approved.intent.pays))


@dataclass(frozen=True, slots=True)
class ReviewedTransaction:
    """A judged transaction whose page a person saw and confirmed. Only `review` makes one."""

    judged: Judged
    typed_total: Amount
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def verified(self) -> VerifiedTransaction:
        """The verified transaction that was reviewed: what gets signed."""
        return self.judged.verified


class Person(Protocol):
    """Whoever sits at the machine."""

    def show(self, judged: Judged, state: State) -> None:
        """Show the page."""

    def total(self, expected: Amount) -> None:
        """Have the sum of the payments typed; `Declined` if it is not `expected`."""

    def ending(self, of: str, expected: str) -> None:
        """Have the last four characters of `expected` typed; `of` names it; `Declined` if they are others."""


def read_request(state: State, data: bytes) -> ReadableRequest:
    """Read a request out of bytes, for a wallet and policy of this machine. Nothing about it is judged yet.

    Raises:
        Malformed: not a PSBT, or a part of it is malformed. VerificationError: `request-missing`,
        `request-incomplete`, `request-other-network-here`, `wallet-not-registered`. StateError:
        `policy-missing`. PolicyViolation: `signer-not-in-policy`.
    """
    psbt = UntrustedPsbt.parse(data)
    envelope = extract(psbt)
    network = records.network(state)
    if envelope.request.network is not network:
        raise VerificationError(
            "request-other-network-here",
            f"the request is for {envelope.request.network.label}, this machine is for {network.label}",
        )
    wallet = records.wallet_by_id(state, envelope.request.wallet_id)
    installed = records.policy(state, wallet)
    return ReadableRequest(psbt, envelope, wallet, installed, installed.policy.signer_name(state.machine))


def judge(state: State, readable: ReadableRequest, now: int) -> Judged:
    """Verify and judge a readable request at `now` (seconds since 1970).

    In order: the clock is not behind the journal; the transaction is proven from its bytes; the request ties
    everything together and is the coordinator's; what the coordinator remembers of this machine is this
    machine's past; policy and approvals; both sides judged alike.

    Raises:
        FalconerError: the first refusal; `PolicyRefused` and `ApprovalRefused` carry all verdicts.
    """
    check_clock(state, now)
    wallet = readable.wallet
    verified = verify(readable.psbt, wallet, records.known_indexes(state, wallet.wallet_id))
    return _judged(state, readable, verified, now)


def judge_again(state: State, judged: Judged, now: int) -> None:
    """Judge what was judged before, at a later `now`, on the same snapshot of the state: all that depends on time.

    What its bytes prove does not, so that the proven object is kept: it is the one that was shown and gets signed.

    Raises:
        FalconerError: what `judge` raises.
    """
    check_clock(state, now)
    _judged(state, judged.readable, judged.verified, now)


def _judged(state: State, readable: ReadableRequest, verified: VerifiedTransaction, now: int) -> Judged:
    wallet = readable.wallet
    checked = check_request(readable.envelope, verified, readable.installed.policy)
    past = records.receipts(state, wallet.wallet_id)
    unsent = check_own_past(
        checked.claims_about(readable.signer), len(past), lambda number: _digest(past, number)
    )
    approved = approve(
        verified,
        readable.installed,
        checked.intent,
        checked.approvals,
        records.JournalHistory(state, wallet.wallet_id),
        now,
        signer=readable.signer,
        mandatory_done=checked.signed_by,
        request_digest=readable.digest,
    )
    check_verdicts(checked.request.rules, approved.verdicts)
    return Judged(readable, checked, approved, unsent, earlier(state, checked.intent, verified, now))


def _digest(past: Sequence[records.ReceiptRecord], number: int) -> str | None:
    return Receipt.parse(past[number - 1].text).digest if 1 <= number <= len(past) else None


def review(judged: Judged, state: State, person: Person) -> ReviewedTransaction:
    """Show the page and have the person type what is paid and to whom, or, where nothing is paid, how the intent's digest
    ends.

    Raises:
        Declined: `person-declined`, `confirmation-wrong`.
    """
    person.show(judged, state)
    intent = judged.approved.intent
    if intent.pays:
        person.total(judged.total)
    if 1 <= len(intent.pays) <= FEW_DESTINATIONS:
        for number, (_, address) in enumerate(intent.pays, 1):
            person.ending(f"destination {number}", address)
    else:
        person.ending("the intent digest", intent.digest)
    return ReviewedTransaction(judged, judged.total, seal=_SEAL)


def verdicts_of(refused: FalconerError) -> tuple[Verdict, ...]:
    """The verdicts that a refusal carries; none when it came before the rules were asked."""
    found = getattr(refused, "verdicts", ())
    return found if isinstance(found, tuple) else ()


def reasons_of(refused: FalconerError) -> tuple[FalconerError, ...]:
    """All the reasons of a refusal, at least itself."""
    found = getattr(refused, "reasons", None)
    return found if isinstance(found, tuple) else (refused,)
