"""The transaction that a version 2 PSBT describes field by field (BIP 370)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.errors import Malformed
from falconer_shared.psbt.fields import AnyType, GlobalType, InputType, OutputType, field_key
from falconer_shared.units import Amount

FINAL_SEQUENCE = 0xFFFFFFFF
"""BIP 370: the sequence of an input that names none."""

_TXID = field_key(InputType.PREVIOUS_TXID)
_VOUT = field_key(InputType.OUTPUT_INDEX)
_SEQUENCE = field_key(InputType.SEQUENCE)
_TIME = field_key(InputType.REQUIRED_TIME_LOCKTIME)
_HEIGHT = field_key(InputType.REQUIRED_HEIGHT_LOCKTIME)
_AMOUNT = field_key(OutputType.AMOUNT)
_SCRIPT = field_key(OutputType.SCRIPT)


def read_counts(global_map: Mapping[bytes, bytes]) -> tuple[int, int]:
    """How many inputs and outputs the global map announces.

    Raises:
        Malformed: `psbt-field-missing`, `psbt-value-size`, `compact-size-not-minimal`.
    """
    return _count(global_map, GlobalType.INPUT_COUNT), _count(global_map, GlobalType.OUTPUT_COUNT)


def _count(global_map: Mapping[bytes, bytes], kind: GlobalType) -> int:
    value = _required(global_map, field_key(kind), kind, "global map")
    reader = ByteReader(value, f"global map, {kind.name}", rule="psbt-value-size")
    count = reader.compact_size()
    if reader.remaining():
        raise reader.error(f"{reader.remaining()} bytes too many")
    return count


def assemble(
    global_map: Mapping[bytes, bytes],
    input_maps: Sequence[Mapping[bytes, bytes]],
    output_maps: Sequence[Mapping[bytes, bytes]],
) -> Transaction:
    """The unsigned transaction. The widths of all fields have been checked before.

    Raises:
        Malformed: `psbt-field-missing`, `psbt-locktime-conflict`.
    """
    version = _required(global_map, field_key(GlobalType.TX_VERSION), GlobalType.TX_VERSION, "global map")
    return Transaction(
        int.from_bytes(version, "little", signed=True),
        tuple([_input(fields, index) for index, fields in enumerate(input_maps)]),
        tuple([_output(fields, index) for index, fields in enumerate(output_maps)]),
        _locktime(global_map, input_maps),
    )


def _required(fields: Mapping[bytes, bytes], key: bytes, kind: AnyType, where: str) -> bytes:
    value = fields.get(key)
    if value is None:
        raise Malformed("psbt-field-missing", f"{where}: {kind.name} is missing, and version 2 requires it")
    return value


def _input(fields: Mapping[bytes, bytes], index: int) -> TxInput:
    where = f"input {index}"
    txid = _required(fields, _TXID, InputType.PREVIOUS_TXID, where)
    vout = _required(fields, _VOUT, InputType.OUTPUT_INDEX, where)
    sequence = fields.get(_SEQUENCE)
    return TxInput(
        OutPoint(txid, int.from_bytes(vout, "little")),
        b"",
        FINAL_SEQUENCE if sequence is None else int.from_bytes(sequence, "little"),
    )


def _output(fields: Mapping[bytes, bytes], index: int) -> TxOutput:
    where = f"output {index}"
    amount = _required(fields, _AMOUNT, OutputType.AMOUNT, where)
    script = _required(fields, _SCRIPT, OutputType.SCRIPT, where)
    return TxOutput(Amount(int.from_bytes(amount, "little", signed=True)), script)


def _locktime(global_map: Mapping[bytes, bytes], input_maps: Sequence[Mapping[bytes, bytes]]) -> int:
    """BIP 370, "Determining Lock Time": the kind that every input with a requirement accepts, heights first;
    its maximum.
    """
    heights: list[int] = []
    times: list[int] = []
    demanding = 0
    for fields in input_maps:
        height, time = fields.get(_HEIGHT), fields.get(_TIME)
        demanding += height is not None or time is not None
        if height is not None:
            heights.append(int.from_bytes(height, "little"))
        if time is not None:
            times.append(int.from_bytes(time, "little"))
    if not demanding:
        return int.from_bytes(global_map.get(field_key(GlobalType.FALLBACK_LOCKTIME), b""), "little")
    if len(heights) == demanding:
        return max(heights)
    if len(times) == demanding:
        return max(times)
    raise Malformed(
        "psbt-locktime-conflict",
        "one input requires a height and another a time: no lock time satisfies both",
    )
