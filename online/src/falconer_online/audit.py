"""The coordinator's audit log: its head, and whether it still is what it was.

Heads travel in every signing request, so a signer that keeps them can tell later whether the log was
rewritten.
"""

from __future__ import annotations

from falconer_online.store.view import View
from falconer_shared.audit.log import AuditHead, AuditLog
from falconer_shared.errors import AuditError
from falconer_shared.exchange.envelope import extract
from falconer_shared.psbt.parse import UntrustedPsbt


def head(view: View) -> tuple[int, str]:
    """Size and root (hex) of the log."""
    found = AuditLog.read(view.audit_lines()).head
    return found.size, found.root_hex


def verify(view: View) -> tuple[int, str]:
    """Read the whole log again, and hold it against every head that a signed request of ours carries.

    Raises:
        AuditError: `audit-log-truncated`, `audit-log-rewritten`, `audit-record-malformed`,
        `audit-record-gap`, `audit-empty`.
    """
    log = AuditLog.read(view.audit_lines())
    if len(log) == 0:
        raise AuditError(
            "audit-empty", "the audit log is empty, and every coordinator's begins with its making"
        )
    for row in view.proposals():
        if row.request_psbt is not None:
            request = extract(UntrustedPsbt.parse(row.request_psbt)).request
            log.check_continues(AuditHead(request.audit_size, bytes.fromhex(request.audit_root)))
    return log.head.size, log.head.root_hex
