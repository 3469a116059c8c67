"""The signing request: what goes to the signers, signed by the coordinator's key.

One proposal has one request. It is made once, at `built`, after the engine minted an `ApprovedTransaction`
for our own bytes; an export takes it as it is, and only the receipts that ride along are the newest that
belong there: a later signer of a quorum is shown that an earlier one signed this very request.
"""

from __future__ import annotations

from falconer_online.approvals import COLLECTING, check_same_policy, judgement_of
from falconer_online.audit import head
from falconer_online.coordinator import Coordinator, intent_of
from falconer_online.coordinator_key import CoordinatorKey
from falconer_online.proposals import expire_due
from falconer_online.states import ProposalState
from falconer_online.store.change import Change
from falconer_online.store.rows import ProposalRow
from falconer_online.store.view import View
from falconer_shared.approval.quorum import Approval
from falconer_shared.encoding.reader import prefixed
from falconer_shared.errors import StateError
from falconer_shared.exchange.envelope import build_envelope, check_request, embed, extract
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import ReceiptMark, SignedReceipt
from falconer_shared.exchange.request import SigningRequest, sign_request
from falconer_shared.policy.engine import approve as mint
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt

EXPORTABLE = frozenset({ProposalState.BUILT, ProposalState.SENT, ProposalState.SIGNED})


def build(coordinator: Coordinator, proposal_id: str) -> ProposalRow:
    """Make the signing request of an approved proposal; one that has it already keeps it.

    Raises:
        ApprovalError: `approval-missing`. PolicyRefused: the policy forbids it by now. StateError:
        `proposal-state`,
            `coordinator-not-in-policy`, `proposal-policy-changed`.
    """
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.change(coordinator.clock()) as change:
            row = change.proposal(proposal_id)
            if row.state in EXPORTABLE:
                return row
            if row.state not in COLLECTING:
                raise StateError(
                    "proposal-state",
                    f"proposal {row.id} is {row.state}, and gets no signing request",
                    state=row.state.value,
                )
            if row.state is ProposalState.PENDING:
                judgement_of(coordinator, change, row).refuse_if_unapproved()
                row = change.move(row, ProposalState.APPROVED)
            return _build(coordinator, change, row)


def _build(coordinator: Coordinator, change: Change, row: ProposalRow) -> ProposalRow:
    installed = coordinator.policy(change, change.wallet_by_id(row.wallet_id))
    check_same_policy(row, installed)
    key = CoordinatorKey.load(coordinator.config.home)
    if key.public != installed.policy.coordinator:
        raise StateError(
            "coordinator-not-in-policy",
            f"the policy names the coordinator {installed.policy.coordinator.key_hash}, this one is {key.public.key_hash}",
            remedy="have the administrators sign a policy with this coordinator's key",
        )
    verified = coordinator.transaction(change, row)
    intent = intent_of(row)
    approvals = [Approval.parse(raw) for raw in change.approvals(row.id)]
    judgement = judgement_of(coordinator, change, row)
    size, root = head(change)
    request = SigningRequest(
        id=row.id,
        created=change.now,
        network=coordinator.config.network,
        wallet_id=row.wallet_id,
        unsigned_hash=row.unsigned_hash,
        intent_digest=intent.digest,
        policy_version=installed.policy.version,
        policy_digest=installed.digest,
        coordinator=key.public.key_hash,
        audit_size=size,
        audit_root=root,
        receipts=_marks(change, installed, row.wallet_id),
        rules=tuple(RuleLine.of(verdict) for verdict in judgement.verdicts),
    )
    # the same gate as the signers': nothing leaves the house that we would not sign ourselves
    approved = mint(
        verified,
        installed,
        intent,
        approvals,
        change.history(row.wallet_id),
        change.now,
        signer=None,
        outlook=judgement.spend.outlook,
        request_digest=request.digest,
    )
    signature = sign_request(request, key.sign_bytes, key.public)
    held = _held_receipts(change, installed, row.wallet_id)
    receipts = [held[mark.signer, mark.number] for mark in request.receipts if mark.number]
    envelope = build_envelope(request, signature, intent, approvals, receipts)
    check_request(envelope, verified, installed.policy)
    sealed = embed(verified.psbt, envelope)
    change.replace_spend(row.id, approved.entry)
    # from here on a signer's journal knows our change address, and so must we
    places = [output.place for output in verified.own_outputs if output.place is not None]
    change.extend_known(row.wallet_id, {place.branch: place.index for place in places})
    return change.move(
        row, ProposalState.BUILT, request_digest=request.digest, request_psbt=sealed.serialize()
    )


def export(coordinator: Coordinator, row: ProposalRow, psbt_version: int = 0) -> bytes:
    """The bytes of the request file, with the receipts that belong to it by now, as a PSBT of version 0 or 2.

    The request names a transaction and no PSBT: signers may get it in either version, and answer in either.

    Raises:
        StateError: `proposal-state`. Whatever does not fit, if the store was edited.
    """
    if row.request_psbt is None or row.state not in EXPORTABLE:
        raise StateError(
            "proposal-state",
            f"proposal {row.id} is {row.state}, and has no signing request",
            state=row.state.value,
            remedy="falconer proposals approve ID --generate-psbt",
        )
    with coordinator.store.read() as view:
        verified = coordinator.transaction(view, row)
        installed = coordinator.policy(view, view.wallet_by_id(row.wallet_id))
        envelope = extract(UntrustedPsbt.parse(row.request_psbt))
        receipts = {each.receipt.signer: each for each in envelope.receipts}
        for signed in _held_receipts(view, installed, row.wallet_id).values():
            if signed.receipt.request == envelope.request.digest:
                receipts[signed.receipt.signer] = signed
    fresh = build_envelope(
        envelope.request, envelope.signature, envelope.intent, envelope.approvals, tuple(receipts.values())
    )
    check_request(fresh, verified, installed.policy)
    return to_version(embed(verified.psbt, fresh), psbt_version).serialize()


def mark_sent(coordinator: Coordinator, proposal_id: str) -> ProposalRow:
    """The request left the house."""
    with coordinator.store.change(coordinator.clock()) as change:
        row = change.proposal(proposal_id)
        return change.move(row, ProposalState.SENT) if row.state is ProposalState.BUILT else row


def _held_receipts(
    view: View, installed: InstalledPolicy, wallet_id: str
) -> dict[tuple[str, int], SignedReceipt]:
    """Every stored receipt by a signer of this policy, oldest first."""
    keys = {signer.name: signer.key for signer in installed.policy.signers}
    found = {}
    for row in view.receipts(wallet_id=wallet_id):
        signed = SignedReceipt.parse(prefixed(row.text) + row.signature)
        # a name that another machine had under an earlier policy
        if keys.get(row.signer) == signed.key:
            found[row.signer, row.number] = signed
    return found


def _marks(view: View, installed: InstalledPolicy, wallet_id: str) -> tuple[ReceiptMark, ...]:
    """The last receipt of every signer; 0 for a signer of whom none is held."""
    last: dict[str, ReceiptMark] = {
        signer.name: ReceiptMark(signer.name, 0, None) for signer in installed.policy.signers
    }
    for (name, number), signed in _held_receipts(view, installed, wallet_id).items():
        last[name] = ReceiptMark(name, number, signed.receipt.digest)
    return tuple(last[name] for name in sorted(last))
