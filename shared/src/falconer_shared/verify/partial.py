"""Signatures that came with a PSBT are garbage until they verify against the digest that we computed (A051,
A083).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from falconer_shared.bitcoin.curve import verify_ecdsa, verify_schnorr
from falconer_shared.bitcoin.script import read_pushes
from falconer_shared.bitcoin.sighash import SIGHASH_DEFAULT
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import FalconerError, Malformed, VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import PsbtInput
from falconer_shared.verify.inputs import VerifiedInput

SCHNORR_BYTES = 64
"""A BIP 340 signature."""

MAX_WITNESS_ITEMS = 32
"""Items in a final witness that we look at: 20 signatures, the empty element and the script fit."""

Signatures = Mapping[bytes, bytes]
"""Signing key (`Scripts.signing_keys`: 33 bytes, or taproot's 32) to signature with its sighash byte, if it has one."""


def check_partial_signatures(inputs: Sequence[VerifiedInput], psbt: UntrustedPsbt) -> tuple[Signatures, ...]:
    """Every signature in `psbt`, verified: by a key of ours at that place, over our digest, fixing everything.

    Raises:
        VerificationError: `signature-key-foreign`, `signature-sighash-not-all`, `signature-invalid`,
            `signature-witness-unreadable`.
    """
    return tuple(MappingProxyType(dict(_of_input(item, psbt))) for item in inputs)


def check_made(inputs: Sequence[VerifiedInput], made: Sequence[Signatures]) -> tuple[Signatures, ...]:
    """Signatures on every input, from whoever made them in this process, verified as those in a PSBT are.

    Raises:
        VerificationError: `signature-key-foreign`, `signature-sighash-not-all`, `signature-invalid`.
    """
    return tuple(
        MappingProxyType(dict(_listed(item, signatures)))
        for item, signatures in zip(inputs, made, strict=True)
    )


def _of_input(item: VerifiedInput, psbt: UntrustedPsbt) -> Iterator[tuple[bytes, bytes]]:
    fields = psbt.inputs[item.index]
    yield from _listed(item, fields.partial_sigs)
    if fields.tap_key_sig is not None:
        if item.kind is not InputKind.TAPROOT:
            raise VerificationError(
                "signature-key-foreign",
                f"input {item.index} has a taproot signature and is no taproot coin",
                input=item.index,
            )
        (key,) = item.scripts.signing_keys
        check_signature(item, key, fields.tap_key_sig)
        yield key, fields.tap_key_sig
    if fields.final_script_sig is not None or fields.final_script_witness is not None:
        yield from _of_final(item, fields)


def _listed(item: VerifiedInput, signatures: Signatures) -> Iterator[tuple[bytes, bytes]]:
    """Signatures that are listed by their keys."""
    for key, signature in signatures.items():
        if key not in item.scripts.signing_keys:
            raise VerificationError(
                "signature-key-foreign",
                f"input {item.index} is signed by key {key.hex()}, which is not one that signs there",
                input=item.index,
            )
        check_signature(item, key, signature)
        yield key, signature


def check_signature(item: VerifiedInput, key: bytes, signature: bytes) -> None:
    """One signature over this input's digest: DER and its sighash byte, or for taproot 64 bytes, and 01 if the type is ALL.

    Raises:
        VerificationError: `signature-sighash-not-all`, `signature-invalid`.
    """
    if item.sighash == SIGHASH_DEFAULT:
        bare, written = signature[:SCHNORR_BYTES], signature[SCHNORR_BYTES:]
        wanted = b""
    else:
        bare, written = signature[:-1], signature[-1:]
        wanted = bytes((item.sighash,))
    # BIP 341: 00 as a 65th byte is invalid; and DEFAULT and ALL sign two digests, so the type asked for is the one that counts
    if written != wanted:
        raise VerificationError(
            "signature-sighash-not-all",
            f"a signature on input {item.index} ends in sighash byte {written.hex() or 'none'}, not in {wanted.hex() or 'none'}",
            input=item.index,
        )
    try:
        if item.kind is InputKind.TAPROOT:
            verify_schnorr(key, bare, item.digest)
        else:
            verify_ecdsa(key, bare, item.digest)
    except VerificationError as refused:
        raise VerificationError(
            "signature-invalid",
            f"the signature of key {key.hex()} on input {item.index} is not valid for this transaction",
            input=item.index,
        ) from refused


def _of_final(item: VerifiedInput, fields: PsbtInput) -> Iterator[tuple[bytes, bytes]]:
    """The signatures of an input that a signer finalised by itself. What is final is rebuilt later; only they are taken."""
    items = _final_items(item, fields)
    if len(items) > MAX_WITNESS_ITEMS:
        raise VerificationError(
            "signature-witness-unreadable",
            f"what finishes input {item.index} has {len(items)} items, more than any of our scripts takes",
            input=item.index,
        )
    scripts = item.scripts
    known = (scripts.redeem_script, scripts.witness_script, *scripts.pubkeys)
    keys = list(scripts.signing_keys)
    for signature in items:
        if not signature or signature in known:
            continue
        for key in keys:
            try:
                check_signature(item, key, signature)
            except FalconerError:
                continue
            keys.remove(key)
            yield key, signature
            break
        else:
            raise VerificationError(
                "signature-invalid",
                f"what finishes input {item.index} holds a signature that none of our keys made",
                input=item.index,
            )


def _final_items(item: VerifiedInput, fields: PsbtInput) -> Sequence[bytes]:
    """What lies on the stack: out of the scriptSig for a legacy coin, out of the witness for all others."""
    if item.kind is not InputKind.LEGACY:
        return fields.final_script_witness or ()
    try:
        return read_pushes(fields.final_script_sig or b"", f"final scriptSig of input {item.index}")
    except Malformed as refused:
        raise VerificationError(
            "signature-witness-unreadable",
            f"the final scriptSig of input {item.index} does more than push data",
            input=item.index,
        ) from refused
