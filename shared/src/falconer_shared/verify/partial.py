"""Signatures that came with a PSBT are garbage until they verify against the digest that we computed (A051,
A083).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from falconer_shared.bitcoin.curve import verify_ecdsa
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.inputs import VerifiedInput

MAX_WITNESS_ITEMS = 32
"""Items in a final witness that we look at: 20 signatures, the empty element and the script fit."""

Signatures = Mapping[bytes, bytes]
"""Compressed public key → DER signature with its sighash byte."""


def check_partial_signatures(inputs: Sequence[VerifiedInput], psbt: UntrustedPsbt) -> tuple[Signatures, ...]:
    """Every signature in `psbt`, verified: by a key of ours at that place, over our digest, with SIGHASH_ALL.

    Raises:
        VerificationError: `signature-key-foreign`, `signature-sighash-not-all`, `signature-invalid`,
            `signature-witness-unreadable`.
    """
    return tuple(MappingProxyType(dict(_of_input(item, psbt))) for item in inputs)


def _of_input(item: VerifiedInput, psbt: UntrustedPsbt) -> Iterator[tuple[bytes, bytes]]:
    fields = psbt.inputs[item.index]
    allowed = frozenset(item.scripts.pubkeys)
    for key, signature in fields.partial_sigs.items():
        if key not in allowed:
            raise VerificationError(
                "signature-key-foreign",
                f"input {item.index} is signed by key {key.hex()}, which is not one of the wallet's there",
                input=item.index,
            )
        check_signature(item, key, signature)
        yield key, signature
    if fields.final_script_witness is not None:
        yield from _of_final_witness(item, fields.final_script_witness)


def check_signature(item: VerifiedInput, key: bytes, signature: bytes) -> None:
    """One DER signature with its sighash byte, over this input's digest.

    Raises:
        VerificationError: `signature-sighash-not-all`, `signature-invalid`.
    """
    if signature[-1:] != bytes((item.sighash,)):
        raise VerificationError(
            "signature-sighash-not-all",
            f"a signature on input {item.index} ends in sighash byte {signature[-1:].hex() or 'none'}, not in 01",
            input=item.index,
        )
    try:
        verify_ecdsa(key, signature[:-1], item.digest)
    except VerificationError as refused:
        raise VerificationError(
            "signature-invalid",
            f"the signature of key {key.hex()} on input {item.index} is not valid for this transaction",
            input=item.index,
        ) from refused


def _of_final_witness(item: VerifiedInput, witness: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """The signatures of an input that a signer finalised by itself. The witness is rebuilt later; only they are taken."""
    if len(witness) > MAX_WITNESS_ITEMS:
        raise VerificationError(
            "signature-witness-unreadable",
            f"the final witness of input {item.index} has {len(witness)} items, more than any of our scripts takes",
            input=item.index,
        )
    candidates = [
        part
        for part in witness
        if part and part != item.scripts.witness_script and part not in item.scripts.pubkeys
    ]
    keys = list(item.scripts.pubkeys)
    for signature in candidates:
        for key in keys:
            try:
                check_signature(item, key, signature)
            except VerificationError:
                continue
            keys.remove(key)
            yield key, signature
            break
        else:
            raise VerificationError(
                "signature-invalid",
                f"the final witness of input {item.index} holds a signature that none of our keys made",
                input=item.index,
            )
