"""What a device gave back: of it the signatures alone are taken, and only if nothing else was touched.

In this order, each with its own refusal, so that a device that lies is named by its lie:

1. it is a PSBT, and of the transaction that we gave it, byte by byte;
2. no field of ours is gone or altered, and no field was added but signatures;
3. every signature is by this device's own key at that input, ends in the sighash byte that was asked for, and
   verifies over the digest that *we* computed;
4. every input is signed, and no two signatures share an r, which would give the key away (A089).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import FalconerError, Malformed, VerificationError
from falconer_shared.psbt.fields import InputType
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import PsbtInput
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.partial import Signatures, check_signature
from falconer_shared.verify.transaction import VerifiedTransaction

_REMEDY = (
    "nothing of it was used; do not sign with this device again before you know why, and see docs/hardware.md"
)

_ADDED = frozenset({InputType.PARTIAL_SIG, InputType.TAP_KEY_SIG, InputType.SIGHASH_TYPE})
"""What a signer adds to an input. Coldcard writes down the type that it signed with: judged with its signature."""


def signatures_of(
    verified: VerifiedTransaction, given: UntrustedPsbt, answer: bytes, positions: Collection[int]
) -> tuple[Signatures, ...]:
    """The device's signatures, one mapping for each input. `given` is what it was asked to sign, `positions` are its keys
    in the wallet.

    Raises:
        VerificationError: `device-answer-malformed`, `device-changed-transaction`, `device-changed-fields`,
            `device-wrong-key`, `device-sighash`, `device-signature-invalid`, `device-signed-nothing`,
            `device-signed-partly`, `device-nonce-repeated`.
    """
    back = _parsed(answer)
    if not positions:
        raise ValueError("a device without a key in the wallet is not asked")
    if back.tx.serialize_stripped() != given.tx.serialize_stripped():
        raise VerificationError(
            "device-changed-transaction",
            "the device gave back another transaction than the one that it was given",
            remedy=_REMEDY,
        )
    _check_fields(given, back)
    found = tuple(_of_input(item, back.inputs[item.index], positions) for item in verified.inputs)
    _check_all_signed(found, positions)
    _check_nonces(verified, found)
    return found


def _parsed(answer: bytes) -> UntrustedPsbt:
    try:
        return UntrustedPsbt.parse(answer)
    except Malformed as refused:
        raise VerificationError(
            "device-answer-malformed",
            f"what the device gave back is no PSBT: {refused.message}",
            remedy=_REMEDY,
        ) from refused


def _check_fields(given: UntrustedPsbt, back: UntrustedPsbt) -> None:
    """Everything of ours is there and unaltered, and only signatures came in. Another version of PSBT has other fields."""
    pairs = (
        ("the global map", given.global_map, back.global_map),
        *(
            (f"input {n}", *both)
            for n, both in enumerate(zip(given.input_maps, back.input_maps, strict=True))
        ),
        *(
            (f"output {n}", *both)
            for n, both in enumerate(zip(given.output_maps, back.output_maps, strict=True))
        ),
    )
    for where, ours, theirs in pairs:
        _check_map(where, ours, theirs)


def _check_map(where: str, ours: Mapping[bytes, bytes], theirs: Mapping[bytes, bytes]) -> None:
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise _changed(f"field {key[:1].hex()} of {where}")
    allowed = _ADDED if where.startswith("input") else frozenset()
    for key in theirs.keys() - ours.keys():
        if key[0] not in allowed:
            raise _changed(f"{where}: it added a field {key[:1].hex()}")


def _changed(what: str) -> VerificationError:
    return VerificationError(
        "device-changed-fields",
        f"the device or its driver changed {what}, and it had only to sign",
        remedy=_REMEDY,
    )


def _of_input(item: VerifiedInput, fields: PsbtInput, positions: Collection[int]) -> Signatures:
    made: dict[bytes, bytes] = dict(fields.partial_sigs)
    if fields.tap_key_sig is not None:
        if item.kind is not InputKind.TAPROOT:
            raise _wrong_key(item, "a taproot signature, and the coin is none of taproot")
        made[item.scripts.signing_keys[0]] = fields.tap_key_sig
    if fields.sighash_type not in {None, item.sighash}:
        raise _sighash(item)
    own = {item.scripts.signing_keys[position] for position in positions}
    for key, signature in made.items():
        if key not in own:
            raise _wrong_key(item, f"a signature of key {key.hex()}, which is not the device's there")
        _check_signature(item, key, signature)
    return made


def _check_signature(item: VerifiedInput, key: bytes, signature: bytes) -> None:
    try:
        check_signature(item, key, signature)
    except FalconerError as refused:
        if refused.rule == "signature-sighash-not-all":
            raise _sighash(item) from refused
        raise VerificationError(
            "device-signature-invalid",
            f"the device's signature on input {item.index} does not verify for this transaction",
            remedy=_REMEDY,
            input=item.index,
        ) from refused


def _sighash(item: VerifiedInput) -> VerificationError:
    return VerificationError(
        "device-sighash",
        f"the device signed input {item.index} with another sighash type than the one that commits to everything",
        remedy=_REMEDY,
        input=item.index,
    )


def _wrong_key(item: VerifiedInput, what: str) -> VerificationError:
    return VerificationError(
        "device-wrong-key",
        f"on input {item.index} the device gave {what}",
        remedy=_REMEDY,
        input=item.index,
    )


def _check_all_signed(found: Sequence[Signatures], positions: Collection[int]) -> None:
    missing = [index for index, made in enumerate(found) if len(made) < len(set(positions))]
    if not missing:
        return
    if not any(found):
        raise VerificationError(
            "device-signed-nothing",
            "the device gave the transaction back without a signature",
            remedy="see whether it is the right device, passphrase and account, and, for a multisig wallet, registered on it",
        )
    raise VerificationError(
        "device-signed-partly",
        f"the device signed some inputs and not input {missing[0]}",
        remedy="see what it shows about that input; a coin at an unusual place, perhaps",
        input=missing[0],
    )


def _check_nonces(verified: VerifiedTransaction, found: Sequence[Signatures]) -> None:
    """Different digests under one r give the key to whoever sees both."""
    seen: dict[bytes, bytes] = {}
    for item, made in zip(verified.inputs, found, strict=True):
        for signature in made.values():
            r = signature[:32] if item.kind is InputKind.TAPROOT else signature[4 : 4 + signature[3]]
            if seen.setdefault(r, item.digest) != item.digest:
                raise VerificationError(
                    "device-nonce-repeated",
                    "two signatures of the device share a nonce, and together they give its key away",
                    remedy="keep them secret, stop using the device, and move the money with other keys",
                )


def differing(first: Sequence[Signatures], second: Sequence[Signatures]) -> int:
    """How many ECDSA signatures came out otherwise the second time. A device with RFC 6979 gives the same ones; taproot's
    may be fresh each time. Finds faults: a device that leaks through its nonces can still be deterministic.
    """
    return sum(
        1
        for before, after in zip(first, second, strict=True)
        for key, signature in before.items()
        # 32-byte keys are those of taproot
        if len(key) == 33 and after.get(key) != signature
    )
