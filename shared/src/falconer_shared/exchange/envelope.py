"""The envelope: a PSBT that carries a request, its intent, the approvals, and receipts, each tied to the others.

`embed` and `extract` know where things ride (proprietary fields, docs/formats.md) and nothing of whether they are true.
`check_request` then demands, in this order: the coordinator that the policy names, and its signature; this network, this
wallet, this policy; this very transaction; this very intent; the signers of the policy; and of every receipt that rides
along, the signature of the machine that it names.

Not judged here: approvals and limits (`policy.engine`), whether the coordinator's verdicts equal ours
(`lines.check_verdicts`), and what a signer makes of the coordinator's memory of it (`receipt.check_own_past`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass
from types import MappingProxyType

from falconer_shared.approval.intent import Intent
from falconer_shared.approval.quorum import Approval
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.exchange.receipt import Receipt, ReceiptMark, SignedReceipt, verify_receipt
from falconer_shared.exchange.request import NAMESPACE, SigningRequest
from falconer_shared.policy.document import Policy
from falconer_shared.psbt.fields import ProprietaryType, proprietary_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.seal import Seal
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, verify
from falconer_shared.verify.transaction import VerifiedTransaction

_MINT = Seal("exchange.envelope.check_request")


@dataclass(frozen=True, slots=True)
class RequestEnvelope:
    """All that rides in a request's PSBT, well-formed and unproven."""

    request: SigningRequest
    signature: SshSignature
    intent: Intent
    approvals: tuple[Approval, ...]
    receipts: tuple[SignedReceipt, ...]


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose parts belong together, to this transaction and to this policy. Made by `check_request` alone.

    `receipts` are the verified receipts that came with it, by signer. `signed_by` are those signers whose receipt says
    that they signed this very request.
    """

    request: SigningRequest
    intent: Intent
    approvals: tuple[Approval, ...]
    receipts: Mapping[str, Receipt]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _MINT.check(seal)

    def claims_about(self, signer: str) -> tuple[ReceiptMark, ...]:
        """All that this request says about a signer's past, for `receipt.check_own_past`."""
        shown = self.receipts.get(signer)
        mark = self.request.mark(signer)
        return (mark,) if shown is None else (mark, ReceiptMark(signer, shown.number, shown.digest))

    @property
    def signed_by(self) -> frozenset[str]:
        return frozenset(
            name
            for name, receipt in self.receipts.items()
            if receipt.request == self.request.digest and receipt.signed
        )


def embed(psbt: UntrustedPsbt, envelope: RequestEnvelope) -> UntrustedPsbt:
    """The PSBT with the envelope's parts in their fields. It must not carry any of them yet.

    Raises:
        VerificationError: `psbt-field-exists`.
        Malformed: what `extract` refuses, so that nothing goes out which the other side cannot read.
    """
    fields = {
        proprietary_key(ProprietaryType.REQUEST): envelope.request.text,
        proprietary_key(ProprietaryType.INTENT): envelope.intent.text,
        proprietary_key(ProprietaryType.COORDINATOR_SIGNATURE): envelope.signature.raw,
    }
    for approval in envelope.approvals:
        fields[proprietary_key(ProprietaryType.APPROVAL, approval.key.key_id)] = approval.raw
    for receipt in envelope.receipts:
        fields[proprietary_key(ProprietaryType.RECEIPT, receipt.key.key_id)] = receipt.value
    full = psbt.with_fields(global_add=fields)
    if len(fields) != 3 + len(envelope.approvals) + len(envelope.receipts):
        raise ValueError("two approvals or two receipts by one key")
    extract(full)
    return full


def extract(psbt: UntrustedPsbt) -> RequestEnvelope:
    """Take the envelope out of a PSBT; approvals and receipts sorted by key hash.

    Raises:
        VerificationError: `request-missing` when the PSBT is no signing request, `request-incomplete` when a part is missing.
        Malformed: whatever is wrong with the form of a part, `approval-other-key`, `receipt-other-key`.
    """
    text = _single(psbt, ProprietaryType.REQUEST)
    intent = _single(psbt, ProprietaryType.INTENT)
    raw_signature = _single(psbt, ProprietaryType.COORDINATOR_SIGNATURE)
    if text is None:
        raise VerificationError(
            "request-missing",
            "the PSBT carries no signing request of a coordinator",
            remedy="make it with: falconer proposals approve ID --generate-psbt",
        )
    if intent is None or raw_signature is None:
        missing = "intent" if intent is None else "coordinator's signature"
        raise VerificationError(
            "request-incomplete", f"the PSBT carries a signing request without its {missing}"
        )
    return RequestEnvelope(
        request=SigningRequest.parse(text),
        signature=_raw_signature(raw_signature),
        intent=Intent.parse(intent),
        approvals=tuple(
            _approval(key_id, value)
            for key_id, value in sorted(psbt.proprietary(ProprietaryType.APPROVAL).items())
        ),
        receipts=receipts_in(psbt),
    )


def receipts_in(psbt: UntrustedPsbt) -> tuple[SignedReceipt, ...]:
    """The receipts that ride in a PSBT, sorted by key hash.

    Raises:
        Malformed: `receipt-other-key`, and whatever is wrong with the form of one.
    """
    found: list[SignedReceipt] = []
    for key_id, value in sorted(psbt.proprietary(ProprietaryType.RECEIPT).items()):
        signed = SignedReceipt.parse(value)
        if signed.key.key_id != key_id:
            raise Malformed(
                "receipt-other-key",
                f"a receipt rides under key hash {key_id.hex()} and is by {signed.key.key_hash}",
            )
        found.append(signed)
    return tuple(found)


def check_request(envelope: RequestEnvelope, verified: VerifiedTransaction, policy: Policy) -> CheckedRequest:
    """Tie an envelope to the transaction that it came with and to the installed policy.

    Raises:
        VerificationError: `request-other-coordinator`, `request-signature-invalid`, `request-other-network`,
            `request-other-wallet`, `request-other-policy`, `request-other-transaction`, `request-other-intent`,
            `request-other-signers`, `receipt-unknown-signer`, `receipt-signature-invalid`, `receipt-other-than-marked`.
    """
    request = envelope.request
    _check_coordinator(envelope, policy.coordinator)
    wallet = verified.wallet
    if request.network is not wallet.network:
        raise VerificationError(
            "request-other-network",
            f"the request is for {request.network.label}, the wallet for {wallet.network.label}",
        )
    if request.wallet_id != wallet.wallet_id:
        raise VerificationError(
            "request-other-wallet", "the request is for another wallet than its transaction"
        )
    if (request.policy_version, request.policy_digest) != (policy.version, policy.digest):
        raise VerificationError(
            "request-other-policy",
            f"the request was judged under policy version {request.policy_version}, installed is {policy.version}"
            if request.policy_version != policy.version
            else f"the coordinator has another policy of version {policy.version} than this side",
            requested_version=request.policy_version,
            installed_version=policy.version,
            remedy="install the same signed policy on both sides",
        )
    if request.unsigned_hash != verified.unsigned_hash:
        raise VerificationError(
            "request-other-transaction", "the request is for another transaction than it came with"
        )
    if request.intent_digest != envelope.intent.digest:
        raise VerificationError("request-other-intent", "the request is for another intent than it came with")
    _check_signers(request, policy)
    return CheckedRequest(
        request, envelope.intent, envelope.approvals, _checked_receipts(envelope, policy), seal=_MINT
    )


def _check_coordinator(envelope: RequestEnvelope, coordinator: SshPublicKey) -> None:
    if envelope.request.coordinator != coordinator.key_hash:
        raise VerificationError(
            "request-other-coordinator",
            f"the request is by the coordinator {envelope.request.coordinator}, the policy names {coordinator.key_hash}",
        )
    try:
        verify(envelope.signature, envelope.request.text, NAMESPACE, coordinator)
    except VerificationError as problem:
        raise VerificationError("request-signature-invalid", f"the request: {problem.message}") from problem


def _check_signers(request: SigningRequest, policy: Policy) -> None:
    """Every signer and nobody else has its line: a coordinator may not leave out the one whose past it would hide."""
    named = [mark.signer for mark in request.receipts]
    wanted = sorted(signer.name for signer in policy.signers)
    if named != wanted:
        raise VerificationError(
            "request-other-signers",
            f"the request speaks of the signers {', '.join(named) or 'nobody'}, the policy of {', '.join(wanted)}",
        )


def _checked_receipts(envelope: RequestEnvelope, policy: Policy) -> Mapping[str, Receipt]:
    names = {signer.key: signer.name for signer in policy.signers}
    found: dict[str, Receipt] = {}
    for signed in envelope.receipts:
        name = names.get(signed.key)
        if name is None or name != signed.receipt.signer:
            raise VerificationError(
                "receipt-unknown-signer",
                f"a receipt of '{signed.receipt.signer}' is by {signed.key.key_hash}, which the policy does not say",
            )
        receipt = verify_receipt(signed, signed.key)
        mark = envelope.request.mark(name)
        # Other signers of the quorum may have answered this very request since it was made; all else must be what it says.
        later = receipt.request == envelope.request.digest and receipt.number > mark.number
        if not later and (receipt.number, receipt.digest) != (mark.number, mark.digest):
            raise VerificationError(
                "receipt-other-than-marked",
                f"the request speaks of receipt {mark.number} of {name}, and another one came with it",
                signer=name,
                marked=mark.number,
                shown=receipt.number,
            )
        found[name] = receipt
    return MappingProxyType(found)


def _single(psbt: UntrustedPsbt, subtype: ProprietaryType) -> bytes | None:
    return psbt.proprietary(subtype).get(b"")


def _approval(key_id: bytes, value: bytes) -> Approval:
    approval = Approval(_raw_signature(value))
    if approval.key.key_id != key_id:
        # under a stranger's key hash it would be looked for, and counted, in the wrong place
        raise Malformed(
            "approval-other-key",
            f"an approval rides under key hash {key_id.hex()} and is by {approval.key.key_hash}",
        )
    return approval


def _raw_signature(value: bytes) -> SshSignature:
    signature = SshSignature.parse(value)
    if signature.raw != value:
        raise Malformed("ssh-signature-malformed", "SSH signature: in armour, where the raw form must ride")
    return signature


def build_envelope(
    request: SigningRequest,
    signature: SshSignature,
    intent: Intent,
    approvals: Sequence[Approval] = (),
    receipts: Sequence[SignedReceipt] = (),
) -> RequestEnvelope:
    """An envelope with its lists in the order in which `extract` gives them."""
    return RequestEnvelope(
        request,
        signature,
        intent,
        tuple(sorted(approvals, key=lambda approval: approval.key.key_id)),
        tuple(sorted(receipts, key=lambda receipt: receipt.key.key_id)),
    )
