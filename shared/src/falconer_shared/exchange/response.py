"""The answer of a signer machine: the unsigned transaction, its signatures, its receipt, and nothing else.

"Nothing else" is checked by building the answer again from what was read, and comparing bytes: a PSBT has many places where
something could ride out of an air-gapped room (A115). Answers of third-party signers carry no receipt and are not read here;
their signatures go to `verify.signatures`, as do these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from falconer_shared.bitcoin.transaction import Transaction, unsigned_hash
from falconer_shared.errors import VerificationError
from falconer_shared.exchange.envelope import receipts_in
from falconer_shared.exchange.receipt import Receipt, SignedReceipt, verify_receipt
from falconer_shared.exchange.request import SigningRequest
from falconer_shared.policy.document import Policy
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.fields import ProprietaryType, proprietary_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import signature_field

Signatures = Sequence[Mapping[bytes, bytes]]
"""For each input: signing key (`Scripts.signing_keys`) → signature with its sighash byte, if it has one."""


@dataclass(frozen=True, slots=True)
class SigningResponse:
    """A well-formed answer, unproven: `check_response` judges the receipt, `verify_signatures` the signatures in `psbt`."""

    psbt: UntrustedPsbt
    receipt: SignedReceipt


def build_response(
    tx: Transaction, signatures: Signatures, receipt: SignedReceipt, version: int = 0
) -> UntrustedPsbt:
    """The answer to a request, in the PSBT version of the request. A refusal has no signatures.

    Raises:
        VerificationError: `response-contradicts-receipt`.
    """
    fields = [dict(signature_field(key, value) for key, value in found.items()) for found in signatures]
    return _answer(tx, fields, receipt, version)


def _answer(
    tx: Transaction, fields: Sequence[Mapping[bytes, bytes]], receipt: SignedReceipt, version: int
) -> UntrustedPsbt:
    if receipt.receipt.signed != any(fields):
        raise VerificationError(
            "response-contradicts-receipt",
            "the answer holds signatures and a receipt that says refused"
            if any(fields)
            else "the answer holds no signature and a receipt that says signed",
        )
    return new_psbt(
        tx,
        version,
        global_add={proprietary_key(ProprietaryType.RECEIPT, receipt.key.key_id): receipt.value},
        input_add=dict(enumerate(fields)),
    )


def parse_response(psbt: UntrustedPsbt) -> SigningResponse:
    """Read an answer of `falconer-offline`.

    Raises:
        VerificationError: `response-receipt-missing`, `response-not-minimal`, `response-contradicts-receipt`.
        Malformed: whatever is wrong with the form of the receipt.
    """
    receipts = receipts_in(psbt)
    if len(receipts) != 1:
        raise VerificationError(
            "response-receipt-missing",
            f"the answer carries {len(receipts)} receipts where a signer sends one",
        )
    fields = [view.signature_fields for view in psbt.inputs]
    if _answer(psbt.tx, fields, receipts[0], psbt.version).raw != psbt.raw:
        raise VerificationError(
            "response-not-minimal",
            "the answer carries more than signatures and a receipt, or carries them in another order",
        )
    return SigningResponse(psbt, receipts[0])


def check_response(response: SigningResponse, request: SigningRequest, policy: Policy) -> Receipt:
    """The receipt of an answer, proven to be by a signer of the policy, about this request and its transaction.

    Raises:
        VerificationError: `response-other-transaction`, `receipt-unknown-signer`, `receipt-signature-invalid`,
            `receipt-other-request`.
    """
    if unsigned_hash(response.psbt.tx) != request.unsigned_hash:
        raise VerificationError(
            "response-other-transaction", "the answer is for another transaction than was requested"
        )
    receipt = check_signer(response.receipt, policy)
    claimed = receipt.signer
    if receipt.request != request.digest:
        raise VerificationError(
            "receipt-other-request", f"receipt {receipt.number} of {claimed} is for another request"
        )
    return receipt


def check_signer(signed: SignedReceipt, policy: Policy) -> Receipt:
    """The receipt, proven to be by the signer of the policy that it names.

    Raises:
        VerificationError: `receipt-unknown-signer`, `receipt-signature-invalid`.
    """
    claimed = signed.receipt.signer
    signer = next((signer for signer in policy.signers if signer.key == signed.key), None)
    if signer is None or signer.name != claimed:
        raise VerificationError(
            "receipt-unknown-signer",
            f"a receipt of '{claimed}' is by {signed.key.key_hash}, which the policy does not say",
        )
    return verify_receipt(signed, signer.key)
