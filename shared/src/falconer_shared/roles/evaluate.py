"""Whether a finished input satisfies the script that it spends: the templates of ours, evaluated from the bytes alone.

Shares nothing with the spending plan that filled the input: it reads the proven output script, as every node will, and
follows it to redeem script, witness script and keys (rust-miniscript's finaliser re-runs the interpreter for the same
reason; A084). What is no template of ours is refused, valid or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from falconer_shared.bitcoin.script import (
    OP_1,
    OP_16,
    OP_CHECKMULTISIG,
    ScriptType,
    classify,
    hash160,
    p2pkh,
    p2sh,
    p2wpkh,
    p2wsh,
    read_pushes,
    sha256,
)
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.partial import check_signature

PUSH_PUBKEY = b"\x21"


def evaluate(item: VerifiedInput, script_sig: bytes, witness: tuple[bytes, ...]) -> None:
    """Accept a scriptSig and a witness that spend `item`.

    Raises:
        VerificationError: `final-witness-invalid`, and what `check_signature` raises.
    """
    match classify(item.script_pubkey):
        case ScriptType.P2SH:
            _script_hash(item, script_sig, witness)
        case ScriptType.P2PKH:
            _without_witness(item, witness)
            _one_key(item, _pushes(item, script_sig), item.script_pubkey, InputKind.LEGACY)
        case kind:
            if script_sig:
                # BIP 141: else anybody could change the txid
                raise _invalid(item, "a native witness program must have an empty scriptSig")
            _witness_program(item, item.script_pubkey, kind, witness)


def _script_hash(item: VerifiedInput, script_sig: bytes, witness: tuple[bytes, ...]) -> None:
    """BIP 16, and BIP 141's witness program as redeem script."""
    *stack, redeem_script = _pushes(item, script_sig) or (b"",)
    if p2sh(hash160(redeem_script)) != item.script_pubkey:
        raise _invalid(item, "the redeem script does not match its hash")
    kind = classify(redeem_script)
    if kind in {ScriptType.P2WPKH, ScriptType.P2WSH}:
        if stack:
            raise _invalid(item, "a nested witness program must be all that the scriptSig pushes")
        _witness_program(item, redeem_script, kind, witness)
        return
    _without_witness(item, witness)
    _multisig(item, stack, redeem_script, InputKind.LEGACY)


def _witness_program(
    item: VerifiedInput, script: bytes, kind: ScriptType, witness: tuple[bytes, ...]
) -> None:
    """BIP 141's two programs, and BIP 341's key path."""
    match kind:
        case ScriptType.P2WPKH:
            _one_key(item, witness, script, InputKind.SEGWIT_V0)
        case ScriptType.P2WSH:
            if not witness or p2wsh(sha256(witness[-1])) != script:
                raise _invalid(item, "the witness script does not match its hash")
            _multisig(item, witness[:-1], witness[-1], InputKind.SEGWIT_V0)
        case ScriptType.P2TR:
            # one item is the key path; a second would be an annex (A059) or a script
            if len(witness) != 1:
                raise _invalid(item, f"{len(witness)} witness items where a signature alone must stand")
            _check(item, script[2:], witness[0], InputKind.TAPROOT)
        case _:
            raise _invalid(item, "the output is none of the templates that Falconer spends")


def _one_key(item: VerifiedInput, stack: Sequence[bytes], script: bytes, kind: InputKind) -> None:
    """Signature and key, for P2PKH and P2WPKH."""
    template = p2pkh if kind is InputKind.LEGACY else p2wpkh
    if len(stack) != 2 or template(hash160(stack[1])) != script:
        raise _invalid(item, "signature and key do not match the key hash")
    _check(item, stack[1], stack[0], kind)


def _multisig(item: VerifiedInput, stack: Sequence[bytes], script: bytes, kind: InputKind) -> None:
    threshold, keys = _read_multisig(item, script)
    # BIP 147: CHECKMULTISIG takes one element too many, and it must be empty
    if not stack or stack[0] != b"" or len(stack) - 1 != threshold:
        raise _invalid(item, f"{max(len(stack) - 1, 0)} signatures for a threshold of {threshold}")
    remaining = iter(keys)
    for signature in stack[1:]:
        # consensus walks keys and signatures in one order: a signature whose key was passed already fails
        for key in remaining:
            try:
                _check(item, key, signature, kind)
            except VerificationError:
                continue
            break
        else:
            raise _invalid(item, "the signatures are not in the order of the keys")


def _check(item: VerifiedInput, key: bytes, signature: bytes, kind: InputKind) -> None:
    """The signature, over the digest that this template commits to and no other (A052)."""
    if item.kind is not kind:
        raise _invalid(
            item, f"the output is spent as {kind.value}, and the digest was made for {item.kind.value}"
        )
    check_signature(item, key, signature)


def _read_multisig(item: VerifiedInput, script: bytes) -> tuple[int, list[bytes]]:
    threshold, position = _read_number(script, 0)
    keys = []
    while script[position : position + 1] == PUSH_PUBKEY:
        keys.append(script[position + 1 : position + 34])
        position += 34
    size, position = _read_number(script, position)
    ends = script[position:] == bytes((OP_CHECKMULTISIG,))
    if not ends or size != len(keys) or not 1 <= threshold <= size:
        raise _invalid(item, "the script is not a multisig template")
    return threshold, keys


def _read_number(script: bytes, position: int) -> tuple[int, int]:
    """A small number and where it ends; 0 where there is none, which no template has."""
    opcode = script[position] if position < len(script) else 0
    if OP_1 <= opcode <= OP_16:
        return opcode - OP_1 + 1, position + 1
    if opcode == 1:
        # beyond 16 there is no opcode: a push of one byte (BIP 383 allows 20 keys)
        return int.from_bytes(script[position + 1 : position + 2], "little"), position + 2
    return 0, position


def _pushes(item: VerifiedInput, script_sig: bytes) -> tuple[bytes, ...]:
    try:
        return read_pushes(script_sig, f"scriptSig of input {item.index}")
    except Malformed as refused:
        raise _invalid(item, "the scriptSig is not made of the shortest pushes") from refused


def _without_witness(item: VerifiedInput, witness: tuple[bytes, ...]) -> None:
    if witness:
        raise _invalid(item, "a coin that is spent without a witness has one")


def _invalid(item: VerifiedInput, problem: str) -> VerificationError:
    return VerificationError("final-witness-invalid", f"input {item.index}: {problem}", input=item.index)
