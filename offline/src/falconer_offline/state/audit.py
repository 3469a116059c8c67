"""Does the journal say the same as the tables and the receipts? The signed root already covers both; this
finds mistakes of ours.
"""

from __future__ import annotations

from falconer_offline.state import records
from falconer_offline.state.store import State
from falconer_shared.audit.log import AuditLog
from falconer_shared.audit.record import AuditRecord
from falconer_shared.errors import AuditError, FalconerError
from falconer_shared.exchange.receipt import Receipt, SignedReceipt, verify_receipt
from falconer_shared.sshsig.signature import SshSignature


def check_journal(state: State) -> AuditLog:
    """Read every entry, and compare reservations, outcomes and receipts with it.

    Raises:
        AuditError: `journal-contradicts-state`, `audit-record-malformed`, `audit-record-gap`.
    """
    entries = [AuditRecord.parse(line) for line in state.journal]
    log = AuditLog(entries)
    outcomes: dict[int, str] = {}
    concluded: dict[str, int] = {}
    for entry in entries:
        if entry.event == "reserved":
            outcomes[entry.n] = records.RESERVED
        elif entry.event in {"signed", "released"}:
            outcomes[int(entry.facts["reservation"])] = entry.event
        if entry.event in {"signed", "refused"}:
            owner = str(entry.facts["wallet"])
            concluded[owner] = concluded.get(owner, 0) + 1
    if outcomes != {row[0]: row[-1] for row in state.rows["spends"]}:
        raise _contradicts("the spends")
    for wallet in records.wallets(state):
        found = records.receipts(state, wallet.wallet_id)
        if len(found) != concluded.get(wallet.wallet_id, 0):
            raise _contradicts(f"the receipts of wallet '{wallet.name}'")
        for record in found:
            _check_receipt(state, log, record)
    return log


def _check_receipt(state: State, log: AuditLog, record: records.ReceiptRecord) -> None:
    try:
        signed = SignedReceipt(Receipt.parse(record.text), SshSignature.parse(record.signature))
        receipt = verify_receipt(signed, state.machine)
    except FalconerError as refused:
        raise _contradicts(f"receipt {record.number} ({refused.message})") from None
    head = log.head_at(receipt.journal_size)
    if receipt.number != record.number or receipt.journal_head != head.root_hex:
        raise _contradicts(f"receipt {record.number}")


def _contradicts(what: str) -> AuditError:
    return AuditError("journal-contradicts-state", f"the journal and {what} do not say the same")
