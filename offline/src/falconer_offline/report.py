"""What was judged, as the JSON of `inspect` and `sign`: facts computed here, nothing of the coordinator's
summary (A124).
"""

from __future__ import annotations

from typing import Any

from falconer_offline.review import Judged, verdicts_of
from falconer_offline.state.store import State
from falconer_shared.errors import FalconerError
from falconer_shared.policy.spend import Verdict

Json = dict[str, Any]


def accepted(judged: Judged, state: State) -> Json:
    """The document of an acceptance."""
    approved, verified = judged.approved, judged.verified
    intent, policy = approved.intent, approved.installed.policy
    size, head = state.head
    return {
        "verdict": "accepted",
        "transaction": {
            "unsigned_hash": verified.unsigned_hash,
            "network": verified.wallet.network.label,
            "wallet": verified.wallet.name,
            "wallet_id": verified.wallet.wallet_id,
            "inputs": [
                {
                    "outpoint": item.outpoint.text(),
                    "sats": int(item.amount),
                    "place": item.place.text(),
                    "sequence": item.sequence,
                }
                for item in verified.inputs
            ],
            "outputs": [
                {
                    "address": output.address,
                    "sats": int(output.amount),
                    "own": None if output.place is None else output.place.text(),
                    "name": policy.name_of_address(output.address) if output.place is None else None,
                }
                for output in verified.outputs
            ],
            "paid_sats": int(verified.paid),
            "spent_sats": int(verified.spent),
            "fee_sats": int(verified.fee),
            "fee_rate_sats_per_vbyte": verified.fee_rate.text(),
            "weight": int(verified.weight),
            "locktime": verified.locktime,
            "notes": list(verified.notes),
        },
        "intent": {
            "digest": intent.digest,
            "kind": intent.kind.value,
            "proposal": intent.proposal,
            "requester": intent.requester,
            "strategy": intent.strategy,
            "requester_proven": approved.approved,
            "expires": intent.expires,
        },
        "request": judged.readable.digest,
        "replaces": [
            {
                "unsigned_hash": old.unsigned_hash,
                "at": old.at,
                "signed": old.signed,
                "fee_change_sats": old.fee_change,
                "payments_changed": [
                    {"address": each.address, "before_sats": each.before, "now_sats": each.now}
                    for each in old.differences
                ],
            }
            for old in judged.earlier.replaced
        ],
        "signed_before": list(judged.earlier.same),
        "paid_before": [{"address": address, "at": at} for address, at in judged.earlier.repeats],
        "approvals": list(approved.approvals),
        "policy": {"version": policy.version, "digest": approved.policy_digest},
        "judgement": rules(approved.verdicts),
        "receipts_unsent": judged.unsent,
        "journal": {"size": size, "head": head},
    }


def refused(reason: FalconerError) -> Json:
    """The document of a refusal: every reason, and the verdicts where the rules were asked."""
    many = getattr(reason, "as_json_rules", None)
    document: Json = {"verdict": "refused", "rules": many() if many is not None else [reason.as_json()]}
    if verdicts_of(reason):
        document["judgement"] = rules(verdicts_of(reason))
    return document


def rules(verdicts: tuple[Verdict, ...]) -> list[Json]:
    """The verdicts, one object per rule."""
    return [
        {
            "rule": verdict.rule,
            "outcome": verdict.outcome.value,
            "value": verdict.value,
            "limit": verdict.limit,
        }
        for verdict in verdicts
    ]
