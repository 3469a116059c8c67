"""Receipts without an answer: a machine shows them again because they got lost, or another coordinator held them.

Each is proven to be by the machine that a policy of its wallet named, and is about a request of ours: which
wallet's it is, its request says, and nothing else that came with it. What concerns no request of ours is told and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from falconer_online.coordinator import Coordinator
from falconer_online.receive import receipt_row
from falconer_online.store.rows import ProposalRow, ReceiptRow
from falconer_online.store.view import View
from falconer_shared.exchange.receipt import Receipt, SignedReceipt
from falconer_shared.exchange.receipts import read
from falconer_shared.exchange.response import check_signer
from falconer_shared.policy.document import Policy


@dataclass(frozen=True, slots=True)
class Taken:
    """One receipt that was taken. `new` says whether it was not known before."""

    row: ReceiptRow
    new: bool


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file of receipts brought. `foreign` are about requests that this coordinator never made; unproven."""

    taken: tuple[Taken, ...]
    foreign: tuple[Receipt, ...]


def take(coordinator: Coordinator, data: bytes) -> Brought:
    """Take a file of receipts, all of them or none.

    Raises:
        Malformed: `receipts-malformed`. VerificationError: `receipt-unknown-signer`, `receipt-signature-invalid`.
        AuditError: `receipt-fork`.
    """
    found = read(data)
    taken: list[Taken] = []
    foreign: list[Receipt] = []
    with coordinator.exclusive(), coordinator.store.change(coordinator.clock()) as change:
        asked = {row.request_digest: row for row in change.proposals() if row.request_digest is not None}
        for signed in found:
            row = asked.get(signed.receipt.request)
            if row is None:
                foreign.append(signed.receipt)
                continue
            receipt = check_signer(signed, _policy_of(coordinator, change, row, signed))
            stored = receipt_row(signed, row, change.now)
            taken.append(Taken(stored, change.add_receipt(stored, "signed" if receipt.signed else "refused")))
    return Brought(tuple(taken), tuple(foreign))


def _policy_of(coordinator: Coordinator, view: View, row: ProposalRow, signed: SignedReceipt) -> Policy:
    """The newest policy that knows the machine; the one in force where none does."""
    newest = None
    for policy in _policies(coordinator, view, row):
        newest = newest or policy
        if any(signer.key == signed.key for signer in policy.signers):
            return policy
    return newest or coordinator.policy(view, view.wallet_by_id(row.wallet_id)).policy


def _policies(coordinator: Coordinator, view: View, row: ProposalRow) -> Iterator[Policy]:
    wallet = view.wallet_by_id(row.wallet_id)
    for each in reversed(view.policies(row.wallet_id)):
        yield coordinator.policy(view, wallet, version=each.version).policy


def to_file(rows: tuple[ReceiptRow, ...], names: dict[str, str]) -> bytes:
    """Stored receipts as the file that another coordinator takes. `names`: of wallets, by id."""
    from falconer_shared.encoding.reader import prefixed  # noqa: PLC0415
    from falconer_shared.exchange.receipts import write  # noqa: PLC0415

    signed = [SignedReceipt.parse(prefixed(row.text) + row.signature) for row in rows]
    wallets = [{"wallet": names.get(row.wallet_id, "-"), "wallet_id": row.wallet_id} for row in rows]
    return write(None, signed, wallets)
