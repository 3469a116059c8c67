"""BIP 174 Creator and Updater: a PSBT that proves all that a signer asks for.

Every previous transaction goes in whole, so that no signer has to believe an amount (A001), and every own
output names its place, so that the signer can derive it again (A015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.fields import InputType, OutputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet


def build_psbt(
    tx: Transaction,
    wallet: RegisteredWallet,
    inputs: Sequence[tuple[OwnPlace, bytes]],
    own_outputs: Mapping[int, OwnPlace],
    version: int = 0,
) -> UntrustedPsbt:
    """A PSBT for `tx`: `inputs` gives, in order, each input's place in the wallet and the raw previous transaction.

    The result is as untrusted as any other: the caller verifies it before anybody sees it.

    Raises:
        Malformed: a previous transaction that does not parse.
        VerificationError: `input-output-index-out-of-range`.
    """
    if len(inputs) != len(tx.inputs):
        raise ValueError("one place and one previous transaction for each input")
    input_add = {}
    for number, (place, raw) in enumerate(inputs):
        input_add[number] = {
            **_previous_fields(tx, number, raw, wallet.descriptor.input_kind),
            **script_fields(wallet, place, InputType),
        }
    output_add = {number: script_fields(wallet, place, OutputType) for number, place in own_outputs.items()}
    return new_psbt(tx, version, input_add=input_add, output_add=output_add)


def _previous_fields(tx: Transaction, number: int, raw: bytes, kind: InputKind) -> dict[bytes, bytes]:
    previous = Transaction.parse(raw, f"previous transaction of input {number}")
    vout = tx.inputs[number].outpoint.vout
    if vout >= len(previous.outputs):
        raise VerificationError(
            "input-output-index-out-of-range",
            f"input {number} spends output {vout} of a transaction that has {len(previous.outputs)}",
            input=number,
        )
    # the type is always named, so that no signer chooses one: the answer must have it
    sighash = SIGHASH_DEFAULT if kind is InputKind.TAPROOT else SIGHASH_ALL
    fields = {
        field_key(InputType.NON_WITNESS_UTXO): raw,
        field_key(InputType.SIGHASH_TYPE): sighash.to_bytes(4, "little"),
    }
    if kind is not InputKind.LEGACY:
        # BIP 174: a signer must not make a legacy signature where there is one
        fields[field_key(InputType.WITNESS_UTXO)] = previous.outputs[vout].serialize()
    return fields


def script_fields(
    wallet: RegisteredWallet, place: OwnPlace, kind: type[InputType | OutputType]
) -> dict[bytes, bytes]:
    """The fields that let a signer derive the script at a place of ours again: scripts, keys and their origins."""
    scripts = wallet.scripts(place.branch, place.index)
    fields = {}
    if scripts.redeem_script is not None:
        fields[field_key(kind.REDEEM_SCRIPT)] = scripts.redeem_script
    if scripts.witness_script is not None:
        fields[field_key(kind.WITNESS_SCRIPT)] = scripts.witness_script
    if scripts.internal_key is not None:
        fields[field_key(kind.TAP_INTERNAL_KEY)] = scripts.internal_key
    for key, pubkey in zip(wallet.keys, scripts.pubkeys, strict=True):
        steps = b"".join(step.to_bytes(4, "little") for step in key.path(place.branch, place.index))
        origin = key.fingerprint + steps
        if scripts.internal_key is None:
            fields[field_key(kind.BIP32_DERIVATION, pubkey)] = origin
        else:
            # BIP 371: the key of no leaf, that is the internal key
            fields[field_key(kind.TAP_BIP32_DERIVATION, pubkey[1:])] = b"\0" + origin
    return fields
