"""BIP 174 Creator and Updater: a PSBT that proves all that a signer asks for.

Every previous transaction goes in whole, so that no signer has to believe an amount (A001), and every own
output names its place, so that the signer can derive it again (A015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.encoding.reader import prefixed
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.fields import InputType, OutputType
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.inputs import SIGHASH_ALL
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet

Field = tuple[bytes, bytes]


def build_psbt(
    tx: Transaction,
    wallet: RegisteredWallet,
    inputs: Sequence[tuple[OwnPlace, bytes]],
    own_outputs: Mapping[int, OwnPlace],
    version: int = 0,
) -> UntrustedPsbt:
    """A PSBT for `tx`: `inputs` gives, in order, each input's place in the wallet and the raw previous
    transaction.

    The result is as untrusted as any other: the caller verifies it before anybody sees it.
    """
    if len(inputs) != len(tx.inputs):
        raise ValueError("one place and one previous transaction for each input")
    input_fields: dict[int, list[Field]] = {}
    for number, (place, raw) in enumerate(inputs):
        previous = Transaction.parse(raw, f"previous transaction of input {number}")
        output = previous.outputs[tx.inputs[number].outpoint.vout]
        fields: list[Field] = [
            (bytes((InputType.NON_WITNESS_UTXO,)), raw),
            (bytes((InputType.WITNESS_UTXO,)), output.value.to_bytes(8, "little") + prefixed(output.script)),
            (bytes((InputType.SIGHASH_TYPE,)), SIGHASH_ALL.to_bytes(4, "little")),
        ]
        fields += _script_fields(
            wallet, place, InputType.REDEEM_SCRIPT, InputType.WITNESS_SCRIPT, InputType.BIP32_DERIVATION
        )
        input_fields[number] = fields
    output_fields = {
        number: _script_fields(
            wallet, place, OutputType.REDEEM_SCRIPT, OutputType.WITNESS_SCRIPT, OutputType.BIP32_DERIVATION
        )
        for number, place in own_outputs.items()
    }
    return new_psbt(tx, version).with_fields(input_add=input_fields, output_add=output_fields)


def _script_fields(
    wallet: RegisteredWallet, place: OwnPlace, redeem: int, witness: int, derivation: int
) -> list[Field]:
    scripts = wallet.scripts(place.branch, place.index)
    fields: list[Field] = []
    if scripts.redeem_script is not None:
        fields.append((bytes((redeem,)), scripts.redeem_script))
    if scripts.witness_script is not None:
        fields.append((bytes((witness,)), scripts.witness_script))
    for key, pubkey in zip(wallet.keys, scripts.pubkeys, strict=True):
        path = (*key.origin, place.branch, place.index)
        fields.append(
            (
                bytes((derivation,)) + pubkey,
                key.fingerprint + b"".join(step.to_bytes(4, "little") for step in path),
            )
        )
    return fields
