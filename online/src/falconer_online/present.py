"""What the coordinator reports, as JSON objects and as words. Texts of others are escaped where people see
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from falconer_online.coordinator import intent_of
from falconer_online.jsontype import Json
from falconer_online.store.rows import ProposalRow, ReceiptRow
from falconer_online.store.view import View
from falconer_shared.canonical import format_time
from falconer_shared.exchange.receipt import Receipt
from falconer_shared.verify.transaction import VerifiedTransaction


def transaction_json(verified: VerifiedTransaction, txid: str | None = None) -> dict[str, Json]:
    """A verified transaction."""
    return {
        "unsigned": verified.unsigned_hash,
        "txid": txid,
        "inputs": [
            {
                "outpoint": each.outpoint.text(),
                "sats": int(each.amount),
                "branch": each.place.branch,
                "index": each.place.index,
            }
            for each in verified.inputs
        ],
        "payments": [{"address": each.address, "sats": int(each.amount)} for each in verified.payments],
        "own_outputs": [
            {
                "address": each.address,
                "sats": int(each.amount),
                "branch": each.place.branch,
                "index": each.place.index,
            }
            for each in verified.own_outputs
            if each.place is not None
        ],
        "fee": int(verified.fee),
        "fee_rate": verified.fee_rate.text(),
        "weight": int(verified.weight),
        "spent": int(verified.spent),
        "paid": int(verified.paid),
    }


def proposal_json(view: View, row: ProposalRow, verified: VerifiedTransaction) -> dict[str, Json]:
    """A proposal, as commands report it."""
    intent = intent_of(row)
    signed = [each.public_key for each in view.signatures(row.id)]
    signers = [
        key.fingerprint.hex()
        for position, key in enumerate(verified.wallet.keys)
        if any(item.scripts.signing_keys[position] in signed for item in verified.inputs)
    ]
    return {
        "id": row.id,
        "state": row.state.value,
        "kind": intent.kind.value,
        "family": row.family,
        "replaces": row.replaces,
        "replaced_by": row.replaced_by,
        "accelerates": row.accelerates,
        "wallet": view.wallet_by_id(row.wallet_id).name,
        "wallet_id": row.wallet_id,
        "network": intent.network.label,
        "created": format_time(row.created_at),
        "expires": format_time(row.expires_at),
        "requester": intent.requester,
        "strategy": intent.strategy,
        "purpose": row.purpose,
        "payments": [{"address": address, "sats": int(amount)} for amount, address in intent.pays],
        "fee": int(verified.fee),
        "fee_rate": verified.fee_rate.text(),
        "max_fee": int(intent.max_fee),
        "spends": intent.spends.text(),
        "unsigned": row.unsigned_hash,
        "txid": row.txid,
        "confirmations": row.confirmations,
        "approvals": {"needed": row.approvals_needed, "by": list(view.approved_by(row.id))},
        "signatures": {"needed": verified.wallet.threshold, "by": list(signers)},
        "policy": {"version": intent.policy_version, "digest": intent.policy_digest},
        "intent_digest": intent.digest,
        "request": None if row.request_digest is None else {"id": row.id, "digest": row.request_digest},
        "reason": row.reason,
    }


Verifier = Callable[[View, ProposalRow], VerifiedTransaction]
"""How a stored transaction is verified again."""


def relatives_json(view: View, row: ProposalRow, verify: Verifier) -> list[dict[str, Json]]:
    """Those that spend the same named coin, and those made to hurry one of them; of one that stands alone nothing."""
    relatives = (*view.family(row), *view.accelerators(row))
    if len(relatives) == 1:
        return []
    found: list[dict[str, Json]] = []
    for each in relatives:
        verified = verify(view, each)
        found.append(
            {
                "id": each.id,
                "state": each.state.value,
                "kind": intent_of(each).kind.value,
                "fee": int(verified.fee),
                "fee_rate": verified.fee_rate.text(),
                "replaces": each.replaces,
                "replaced_by": each.replaced_by,
                "accelerates": each.accelerates,
                "txid": each.txid,
                "confirmations": each.confirmations,
                "reason": each.reason,
            }
        )
    return found


def receipt_json(row: ReceiptRow, *, new: bool | None = None) -> dict[str, Json]:
    """A stored receipt."""
    receipt = Receipt.parse(row.text)
    found: dict[str, Json] = {
        "signer": receipt.signer,
        "number": receipt.number,
        "verdict": "signed" if receipt.signed else "refused",
        "refusals": list(receipt.refusals),
        "request": receipt.request,
        "proposal": row.proposal_id,
        "digest": row.digest,
        "judged": format_time(receipt.judged),
        "program": receipt.program,
        "journal": {"size": receipt.journal_size, "head": receipt.journal_head},
        "rules": [
            {"rule": each.name, "outcome": each.outcome.value, "value": each.value, "limit": each.limit}
            for each in receipt.rules
        ],
    }
    if new is not None:
        found["new"] = new
    return found


def stored_verdicts(row: ProposalRow) -> list[Json]:
    """The verdicts of the moment at which the proposal was made."""
    found: list[Json] = json.loads(row.verdicts)
    return found


def event_json(line: bytes) -> dict[str, Json]:
    """An audit record, its time in words."""
    record: Mapping[str, Json] = json.loads(line)
    at = record["at"]
    return {**record, "at": format_time(at) if isinstance(at, int) else at}
