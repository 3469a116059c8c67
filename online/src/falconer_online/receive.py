"""What comes back from the signers.

From an answer two things are taken, each only after it is proven: signatures that verify over our own
transaction, and the receipt of the machine that the policy names. They are added to what we kept; the answer
itself is thrown away. The same answer twice changes nothing. Answers of signers that know nothing of Falconer
carry no receipt: that is said, and taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from falconer_online.coordinator import Coordinator
from falconer_online.states import NEVER_SIGNED, ProposalState
from falconer_online.store.change import Change
from falconer_online.store.rows import ProposalRow, ReceiptRow, SignatureRow
from falconer_online.store.view import View
from falconer_shared.bitcoin.transaction import unsigned_hash
from falconer_shared.errors import StateError, VerificationError
from falconer_shared.exchange.envelope import extract, receipts_in
from falconer_shared.exchange.receipt import Receipt, SignedReceipt
from falconer_shared.exchange.response import check_response, parse_response
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import signature_field
from falconer_shared.roles.answer import read_answer
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction

MAX_MISSING_SHOWN = 5
"""Numbers of receipts that never arrived, named in a warning."""


@dataclass(frozen=True, slots=True)
class Received:
    """What one answer brought. `new` says whether anything of it was not known before."""

    row: ProposalRow
    receipt: Receipt | None
    new: bool
    complete: bool
    warnings: tuple[str, ...] = field(default=())


def receive(coordinator: Coordinator, answer: bytes) -> Received:
    """Take one answer, in any shape that `read_answer` reads.

    Raises:
        Malformed, VerificationError, AuditError: nothing of it is kept then. StateError: `proposal-state`.
    """
    psbt = read_answer(answer)
    with coordinator.exclusive(), coordinator.store.change(coordinator.clock()) as change:
        return _receive(coordinator, change, psbt)


def _receive(coordinator: Coordinator, change: Change, answer: UntrustedPsbt) -> Received:
    row = change.proposal_of(unsigned_hash(answer.tx))
    if row is None:
        raise VerificationError(
            "answer-unknown",
            "the answer is for a transaction that this coordinator never proposed",
            remedy="look at the file: is it for another coordinator, or was the transaction changed?",
        )
    if row.state in NEVER_SIGNED or row.request_psbt is None:
        raise StateError(
            "proposal-state",
            f"proposal {row.id} is {row.state}: no signing request was handed out",
            state=row.state.value,
        )
    warnings: list[str] = []
    new = False
    receipt: Receipt | None = None
    if receipts_in(answer):
        receipt, new = _take_receipt(coordinator, change, row, answer, warnings)
    else:
        warnings.append(
            "the answer carries no receipt: its signer is not falconer-offline, or its receipt was cut off"
        )
    verified = coordinator.transaction(change, row)
    if receipt is None or receipt.signed:
        # ours again with the answer's fields: two values for one field, or another transaction, are refused there
        combine(verified.psbt, _signatures_only(verified, answer))
        signed = verify_signatures(verified, answer)
        new = change.add_signatures(row, _rows(signed)) > 0 or new
    complete = _collected(verified, change, row) is not None
    if row.state is ProposalState.SENT and complete:
        row = change.move(row, ProposalState.SIGNED)
    elif row.state in {ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.FAILED}:
        warnings.append(
            f"proposal {row.id} is {row.state}: what was received is kept as evidence and will not be sent"
        )
    return Received(row, receipt, new, complete, tuple(warnings))


def _take_receipt(
    coordinator: Coordinator, change: Change, row: ProposalRow, answer: UntrustedPsbt, warnings: list[str]
) -> tuple[Receipt, bool]:
    if row.request_psbt is None:
        raise StateError("proposal-state", f"proposal {row.id} has no signing request")
    response = parse_response(answer)
    request = extract(UntrustedPsbt.parse(row.request_psbt)).request
    installed = coordinator.policy(change, change.wallet_by_id(row.wallet_id))
    receipt = check_response(response, request, installed.policy)
    known = {each.number for each in change.receipts(signer=receipt.signer, wallet_id=row.wallet_id)}
    stored = receipt_row(response.receipt, row, change.now)
    new = change.add_receipt(stored, "signed" if receipt.signed else "refused")
    # a signer may number its receipts as it likes: no more is looked at than is shown
    missing = list(islice((n for n in range(1, receipt.number) if n not in known), MAX_MISSING_SHOWN + 1))
    if new and missing:
        more = ", ..." if len(missing) > MAX_MISSING_SHOWN else ""
        shown = ", ".join(map(str, missing[:MAX_MISSING_SHOWN])) + more
        warnings.append(
            f"receipts {shown} of signer {receipt.signer} never arrived; at that machine: "
            f"falconer-offline receipt show --since {missing[0]}"
        )
    return receipt, new


def receipt_row(signed: SignedReceipt, row: ProposalRow, now: int) -> ReceiptRow:
    """A receipt about the request of a proposal, as it is stored."""
    receipt = signed.receipt
    return ReceiptRow(
        receipt.signer,
        row.wallet_id,
        receipt.number,
        receipt.digest,
        receipt.text,
        signed.signature.raw,
        row.id,
        now,
    )


def _signatures_only(verified: VerifiedTransaction, answer: UntrustedPsbt) -> UntrustedPsbt:
    """The answer's signatures in a copy of our own PSBT's shape."""
    if answer.tx != verified.tx:
        raise VerificationError(
            "answer-other-transaction", "the answer is to another transaction than the one that was asked for"
        )
    return verified.psbt.with_fields(
        input_add={number: view.signature_fields for number, view in enumerate(answer.inputs)}
    )


def _rows(signed: SignatureVerifiedPsbt) -> list[SignatureRow]:
    return [
        SignatureRow(number, key, signature)
        for number, found in enumerate(signed.signatures)
        for key, signature in found.items()
    ]


def _collected(verified: VerifiedTransaction, view: View, row: ProposalRow) -> SignatureVerifiedPsbt | None:
    signed = collected_signatures(verified, view, row)
    return signed if signed is not None and signed.complete else None


def collected_signatures(
    verified: VerifiedTransaction, view: View, row: ProposalRow
) -> SignatureVerifiedPsbt | None:
    """All stored signatures in our own PSBT, every one verified again; None while there is none."""
    additions: dict[int, dict[bytes, bytes]] = {}
    for each in view.signatures(row.id):
        name, value = signature_field(each.public_key, each.signature)
        additions.setdefault(each.input, {})[name] = value
    if not additions:
        return None
    return verify_signatures(verified, verified.psbt.with_fields(input_add=additions))
