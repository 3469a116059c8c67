"""What a device is given: a PSBT made from the verified object, none of it copied from the bytes that came in.

Scripts, keys and paths are those of the registered wallet at the proven places. A previous transaction goes in without
its witnesses: what is left, its txid commits to, so that a device reads nothing that was not proven. The fields are
those that devices and HWI ask for, and no others: no signature, no proprietary field, no note of the coordinator's.
"""

from __future__ import annotations

from falconer_offline.hardware.models import form_of, is_multisig
from falconer_shared.bitcoin.sighash import SIGHASH_DEFAULT
from falconer_shared.bitcoin.transaction import TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.encoding.base58 import decode_check
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.fields import GlobalType, InputType, OutputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import script_fields
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.transaction import VerifiedTransaction
from falconer_shared.wallet.registration import RegisteredWallet

Fields = dict[bytes, bytes]


def device_psbt(verified: VerifiedTransaction) -> UntrustedPsbt:
    """A PSBT of version 0 (which HWI takes for every device) that holds exactly what was verified."""
    wallet = verified.wallet
    return new_psbt(
        verified.tx,
        global_add=_cosigners(wallet),
        input_add={item.index: _input_fields(verified, item) for item in verified.inputs},
        output_add={
            number: script_fields(wallet, output.place, OutputType)
            for number, output in enumerate(verified.outputs)
            if output.place is not None
        },
    )


def _cosigners(wallet: RegisteredWallet) -> Fields:
    """BIP 174 global extended keys: from them a device derives that a script is the wallet's and that change is change."""
    if not is_multisig(form_of(wallet)):
        return {}
    return {
        field_key(GlobalType.XPUB, decode_check(key.xpub.text(wallet.network))): _origin(
            key.fingerprint, key.origin
        )
        for key in wallet.keys
    }


def _input_fields(verified: VerifiedTransaction, item: VerifiedInput) -> Fields:
    fields: Fields = {}
    if item.kind is not InputKind.TAPROOT:
        previous = verified.psbt.inputs[item.index].non_witness_utxo
        if previous is None:
            raise ValueError("verification proves every input but taproot's by its previous transaction")
        fields[field_key(InputType.NON_WITNESS_UTXO)] = previous.serialize_stripped()
    if item.kind is not InputKind.LEGACY:
        spent = TxOutput(item.amount, item.script_pubkey)
        fields[field_key(InputType.WITNESS_UTXO)] = spent.serialize()
    # without the field a signer takes the type that commits to everything, ALL or for taproot DEFAULT (BIP 174, 371)
    if item.kind is InputKind.TAPROOT and item.sighash != SIGHASH_DEFAULT:
        fields[field_key(InputType.SIGHASH_TYPE)] = item.sighash.to_bytes(4, "little")
    return fields | script_fields(verified.wallet, item.place, InputType)


def _origin(fingerprint: bytes, path: tuple[int, ...]) -> bytes:
    return fingerprint + b"".join(step.to_bytes(4, "little") for step in path)
