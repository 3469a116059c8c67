"""Empty PSBTs, and the step from one version to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.fields import GlobalType, InputType, OutputType, field_key
from falconer_shared.psbt.parse import NOWHERE, Fields, Map, UntrustedPsbt, extended, from_maps

GLOBAL_STRUCTURE: Final = frozenset(
    {
        field_key(GlobalType.UNSIGNED_TX),
        field_key(GlobalType.TX_VERSION),
        field_key(GlobalType.FALLBACK_LOCKTIME),
        field_key(GlobalType.INPUT_COUNT),
        field_key(GlobalType.OUTPUT_COUNT),
        field_key(GlobalType.TX_MODIFIABLE),
        field_key(GlobalType.VERSION),
    }
)
"""Global fields that say which transaction this is and in which version, and nothing else."""

INPUT_STRUCTURE: Final = frozenset(
    {
        field_key(InputType.PREVIOUS_TXID),
        field_key(InputType.OUTPUT_INDEX),
        field_key(InputType.SEQUENCE),
        field_key(InputType.REQUIRED_TIME_LOCKTIME),
        field_key(InputType.REQUIRED_HEIGHT_LOCKTIME),
    }
)
"""The same of an input."""

OUTPUT_STRUCTURE: Final = frozenset({field_key(OutputType.AMOUNT), field_key(OutputType.SCRIPT)})
"""The same of an output."""


def new_psbt(
    tx: Transaction,
    version: int = 0,
    *,
    global_add: Fields = (),
    input_add: Mapping[int, Fields] = NOWHERE,
    output_add: Mapping[int, Fields] = NOWHERE,
) -> UntrustedPsbt:
    """A PSBT of version 0 or 2 that holds the unsigned transaction `tx`, the fields given and nothing else (BIP 174 and 370,
    Creator).

    Fields stand behind the transaction's own, as `UntrustedPsbt.with_fields` puts them. The result has no modifiable
    flags: nobody may add an input or output to it.

    Raises:
        ValueError: `tx` has a scriptSig or a witness, or the version is neither: programmers' mistakes.
        VerificationError: `psbt-field-exists`.
        Malformed: what `UntrustedPsbt.parse` refuses.
    """
    if any(each.script_sig or each.witness for each in tx.inputs):
        raise ValueError("only an unsigned transaction becomes a PSBT")
    psbt = from_maps(*extended(_structure(tx, version), global_add, input_add, output_add))
    # one transaction has one spelling, so that equal bytes are equal transactions
    if psbt.tx.serialize() != tx.serialize():
        raise ValueError("the PSBT does not hold the transaction that it was made from")
    return psbt


def to_version(psbt: UntrustedPsbt, version: int) -> UntrustedPsbt:
    """The same transaction and the same fields in a PSBT of the other version.

    Locktime requirements of single inputs and modifiable flags have no place in version 0 and are lost; the
    locktime that follows from them is kept, and the whole transaction is compared afterwards (A087).

    Raises:
        VerificationError: `psbt-conversion-changes-transaction`.
        Malformed: `psbt-field-not-in-version` for silent payment fields, which only version 2 can carry.
    """
    if version == psbt.version:
        return psbt
    global_map, input_maps, output_maps = _structure(psbt.tx, version)
    converted = from_maps(
        {**global_map, **free_fields(psbt.global_map, GLOBAL_STRUCTURE)},
        [
            {**new, **free_fields(old, INPUT_STRUCTURE)}
            for new, old in zip(input_maps, psbt.input_maps, strict=True)
        ],
        [
            {**new, **free_fields(old, OUTPUT_STRUCTURE)}
            for new, old in zip(output_maps, psbt.output_maps, strict=True)
        ],
    )
    if converted.tx != psbt.tx:
        raise VerificationError(
            "psbt-conversion-changes-transaction", f"version {version} cannot hold this transaction"
        )
    return converted


def free_fields(fields: Map, structure: frozenset[bytes]) -> Map:
    """The fields of a map that describe no part of the transaction itself."""
    return {key: value for key, value in fields.items() if key not in structure}


def _structure(tx: Transaction, version: int) -> tuple[Map, list[Map], list[Map]]:
    if version == 0:
        global_map = {field_key(GlobalType.UNSIGNED_TX): tx.serialize_stripped()}
        return global_map, [{} for _ in tx.inputs], [{} for _ in tx.outputs]
    if version != 2:
        raise ValueError("there are PSBTs of version 0 and of version 2")
    return (
        {
            field_key(GlobalType.TX_VERSION): tx.version.to_bytes(4, "little", signed=True),
            field_key(GlobalType.FALLBACK_LOCKTIME): _u32(tx.locktime),
            field_key(GlobalType.INPUT_COUNT): compact_size(len(tx.inputs)),
            field_key(GlobalType.OUTPUT_COUNT): compact_size(len(tx.outputs)),
            field_key(GlobalType.VERSION): _u32(2),
        },
        [
            {
                field_key(InputType.PREVIOUS_TXID): each.outpoint.txid,
                field_key(InputType.OUTPUT_INDEX): _u32(each.outpoint.vout),
                field_key(InputType.SEQUENCE): _u32(each.sequence),
            }
            for each in tx.inputs
        ],
        [
            {
                field_key(OutputType.AMOUNT): each.value.to_bytes(8, "little"),
                field_key(OutputType.SCRIPT): each.script,
            }
            for each in tx.outputs
        ],
    )


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
