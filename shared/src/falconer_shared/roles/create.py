"""BIP 174 Creator and Updater: a PSBT that proves all that a signer asks for.

Every previous transaction goes in whole, so that no signer has to believe an amount (A001), and every own
output names its place, so that the signer can derive it again (A015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.fields import InputType, OutputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.inputs import SIGHASH_ALL
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
            **_previous_fields(tx, number, raw),
            **_script_fields(
                wallet, place, InputType.REDEEM_SCRIPT, InputType.WITNESS_SCRIPT, InputType.BIP32_DERIVATION
            ),
        }
    output_add = {
        number: _script_fields(
            wallet, place, OutputType.REDEEM_SCRIPT, OutputType.WITNESS_SCRIPT, OutputType.BIP32_DERIVATION
        )
        for number, place in own_outputs.items()
    }
    return new_psbt(tx, version).with_fields(input_add=input_add, output_add=output_add)


def _previous_fields(tx: Transaction, number: int, raw: bytes) -> dict[bytes, bytes]:
    previous = Transaction.parse(raw, f"previous transaction of input {number}")
    vout = tx.inputs[number].outpoint.vout
    if vout >= len(previous.outputs):
        raise VerificationError(
            "input-output-index-out-of-range",
            f"input {number} spends output {vout} of a transaction that has {len(previous.outputs)}",
            input=number,
        )
    return {
        field_key(InputType.NON_WITNESS_UTXO): raw,
        field_key(InputType.WITNESS_UTXO): previous.outputs[vout].serialize(),
        field_key(InputType.SIGHASH_TYPE): SIGHASH_ALL.to_bytes(4, "little"),
    }


def _script_fields(
    wallet: RegisteredWallet,
    place: OwnPlace,
    redeem: InputType | OutputType,
    witness: InputType | OutputType,
    derivation: InputType | OutputType,
) -> dict[bytes, bytes]:
    scripts = wallet.scripts(place.branch, place.index)
    fields = {}
    if scripts.redeem_script is not None:
        fields[field_key(redeem)] = scripts.redeem_script
    if scripts.witness_script is not None:
        fields[field_key(witness)] = scripts.witness_script
    for key, pubkey in zip(wallet.keys, scripts.pubkeys, strict=True):
        steps = b"".join(step.to_bytes(4, "little") for step in key.path(place.branch, place.index))
        fields[field_key(derivation, pubkey)] = key.fingerprint + steps
    return fields
