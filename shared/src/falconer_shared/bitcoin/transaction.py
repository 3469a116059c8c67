"""Transactions: `parse` and `serialize` are exact inverses, so that what was checked is what was sent.

Every byte string that `Transaction.parse` accepts comes back from `serialize` unchanged: any version of 32 bits is kept, a
size that is not in its shortest form is refused (A074), and so is the witness form without a witness (BIP 144). Structure only:
whether a transaction makes sense is for `verify` to say. The work is linear in the bytes; nothing is allocated for a count
before the bytes are there (A079).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Self

from falconer_shared.bitcoin.script import double_sha256
from falconer_shared.encoding.reader import ByteReader, compact_size, prefixed
from falconer_shared.errors import Malformed
from falconer_shared.text import safe
from falconer_shared.units import MAX_BLOCK_WEIGHT, WITNESS_SCALE_FACTOR, Amount, Weight

SMALLEST_INPUT = 32 + 4 + 1 + 4
"""Bytes of an input with an empty script."""

MAX_INPUTS = (MAX_BLOCK_WEIGHT // WITNESS_SCALE_FACTOR - (4 + 3 + 1 + 4)) // SMALLEST_INPUT
"""Inputs of the largest transaction that a block can hold: 24,389. What made a coin of ours is whatever miners took, and
block 367,891 has one with 20,000 inputs; what we sign is bounded elsewhere, by the standard weight.
"""

SMALLEST_OUTPUT = 8 + 1
"""Bytes of an output with an empty script."""

TXID_SIZE = 32
"""Bytes of a double SHA-256."""

OUTPOINT_SIZE = TXID_SIZE + 4
"""Bytes of a txid and an output number."""

NULL_TXID = bytes(TXID_SIZE)
"""What a coinbase input names instead of a transaction."""

_U32_MAX = 0xFFFFFFFF
_WITNESS_MARKER = b"\0\1"
_u32 = struct.Struct("<I").unpack_from
_u64 = struct.Struct("<Q").unpack_from
_OUTPOINT = re.compile(r"([0-9a-f]{64}):(0|[1-9][0-9]{0,9})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class OutPoint:
    """One output of one transaction. `txid` stands in the order of the wire; people read it backwards."""

    txid: bytes
    vout: int

    def __post_init__(self) -> None:
        if len(self.txid) != TXID_SIZE or not 0 <= self.vout <= _U32_MAX:
            raise ValueError("an outpoint is 32 bytes and an unsigned 32-bit number")

    def text(self) -> str:
        """`<txid as people read it>:<vout>`."""
        return f"{self.txid[::-1].hex()}:{self.vout}"

    @classmethod
    def parse_text(cls, text: str) -> Self:
        """The inverse of `text`, in its one spelling.

        Raises:
            Malformed: `outpoint-malformed`.
        """
        match = _OUTPOINT.match(text)
        if not match or int(match[2]) > _U32_MAX:
            raise Malformed(
                "outpoint-malformed",
                f"'{safe(text, 80)}' is not a coin as <64 lower-case hex digits>:<output number>",
            )
        return cls(bytes.fromhex(match[1])[::-1], int(match[2]))

    def serialize(self) -> bytes:
        """The 36 bytes of the wire."""
        return self.txid + self.vout.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class TxInput:
    """An input, with its witness."""

    outpoint: OutPoint
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.sequence <= _U32_MAX:
            raise ValueError("a sequence is an unsigned 32-bit number")


@dataclass(frozen=True, slots=True)
class TxOutput:
    """An output."""

    value: Amount
    script: bytes

    def serialize(self) -> bytes:
        """The bytes of the wire, as they stand in a transaction and in a PSBT's witness UTXO."""
        return self.value.to_bytes(8, "little") + prefixed(self.script)

    @classmethod
    def parse(cls, data: bytes, where: str = "output") -> Self:
        """The inverse of `serialize`.

        Raises:
            Malformed: `bytes-truncated`, `trailing-bytes`, `compact-size-not-minimal`, `amount-out-of-range`.
        """
        reader = ByteReader(data, where)
        output = cls(Amount(reader.u64()), reader.prefixed())
        reader.end()
        return output


@dataclass(frozen=True, slots=True)
class Transaction:
    """A Bitcoin transaction. `version` is signed, as in Bitcoin Core's serialisation of it."""

    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    locktime: int
    # derived from the four fields above, kept because hashing and writing recur; replace() starts them afresh
    _stripped: bytes | None = field(init=False, repr=False, compare=False, default=None)
    _whole: bytes | None = field(init=False, repr=False, compare=False, default=None)
    _txid: bytes | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not -0x80000000 <= self.version <= 0x7FFFFFFF or not 0 <= self.locktime <= _U32_MAX:
            raise ValueError("version or lock time does not fit in 32 bits")

    @classmethod
    def parse(cls, data: bytes, where: str = "transaction") -> Self:
        """Read the form of the network: legacy, or with witness (BIP 144). It has at least one input.

        Raises:
            Malformed: `transaction-without-inputs`, `transaction-witness-flag`, `transaction-witness-superfluous`,
                `transaction-too-many-inputs`, `transaction-too-large`, `bytes-truncated`, `trailing-bytes`,
                `compact-size-not-minimal`, `amount-out-of-range`.
        """
        # a first count of zero can only be the marker: a transaction without inputs does not exist on the network
        if data[4:5] != b"\0":
            return cls._parse(data, where, with_witness=False)
        flag = data[5:6]
        if flag == b"\0":
            raise Malformed("transaction-without-inputs", f"{where}: has no inputs", position=4)
        if flag not in (b"", b"\1"):
            raise Malformed(
                "transaction-witness-flag", f"{where}: witness flag {flag[0]} is unknown", position=5
            )
        return cls._parse(data, where, with_witness=True)

    @classmethod
    def parse_stripped(cls, data: bytes, where: str = "unsigned transaction") -> Self:
        """Read the form without witness, in which a PSBT carries it (BIP 174): here, zero inputs are zero inputs.

        The inverse of `serialize_stripped`. Raises what `parse` raises, but nothing about witnesses or missing inputs.
        """
        return cls._parse(data, where, with_witness=False)

    @classmethod
    def _parse(cls, data: bytes, where: str, *, with_witness: bool) -> Self:
        if len(data) > MAX_BLOCK_WEIGHT:
            raise _too_large(where, len(data))
        reader = ByteReader(data, where)
        version = int.from_bytes(reader.take(4), "little", signed=True)
        start = 4
        if with_witness:
            reader.take(2)
            start = 6
        inputs = _read_inputs(reader, data, where)
        outputs = _read_outputs(reader, data)
        end = reader.position
        if with_witness:
            if not inputs:
                raise Malformed("transaction-without-inputs", f"{where}: has no inputs", position=start)
            inputs = tuple(
                [TxInput(i.outpoint, i.script_sig, i.sequence, _read_witness(reader, data)) for i in inputs]
            )
            if not any(i.witness for i in inputs):
                raise Malformed(
                    "transaction-witness-superfluous", f"{where}: in witness form, and no input has a witness"
                )
        locktime = reader.u32()
        reader.end()
        transaction = cls(version, inputs, outputs, locktime)
        stripped = data[:4] + data[start:end] + data[-4:] if with_witness else data
        if len(stripped) * (WITNESS_SCALE_FACTOR - 1) + len(data) > MAX_BLOCK_WEIGHT:
            raise _too_large(where, len(data))
        object.__setattr__(transaction, "_stripped", stripped)
        object.__setattr__(transaction, "_whole", data)
        return transaction

    def serialize(self) -> bytes:
        """The bytes of the network: with witness where an input has one (BIP 144)."""
        if self._whole is None:
            whole = self.serialize_stripped()
            if any(i.witness for i in self.inputs):
                witnesses = b"".join(
                    compact_size(len(i.witness)) + b"".join(prefixed(item) for item in i.witness)
                    for i in self.inputs
                )
                whole = whole[:4] + _WITNESS_MARKER + whole[4:-4] + witnesses + whole[-4:]
            object.__setattr__(self, "_whole", whole)
            return whole
        return self._whole

    def serialize_stripped(self) -> bytes:
        """The bytes without witnesses: what the txid hashes."""
        if self._stripped is None:
            stripped = _strip(self, [i.script_sig for i in self.inputs])
            object.__setattr__(self, "_stripped", stripped)
            return stripped
        return self._stripped

    def txid(self) -> bytes:
        """Double SHA-256 of the witness-free form, in the order of the wire."""
        if self._txid is None:
            txid = double_sha256(self.serialize_stripped())
            object.__setattr__(self, "_txid", txid)
            return txid
        return self._txid

    def txid_hex(self) -> str:
        """The txid as people and nodes write it."""
        return self.txid()[::-1].hex()

    def wtxid(self) -> bytes:
        """Double SHA-256 of the whole form (BIP 141), in the order of the wire."""
        return double_sha256(self.serialize())

    def weight(self) -> Weight:
        """BIP 141 weight.

        Raises:
            Malformed: `weight-out-of-range`, only for a transaction that was built, not parsed.
        """
        return Weight(len(self.serialize_stripped()) * (WITNESS_SCALE_FACTOR - 1) + len(self.serialize()))


def unsigned_hash(transaction: Transaction) -> str:
    """The name of a transaction before it is signed (DESIGN: section 2).

    Hex of the double SHA-256 of its form without witnesses and scriptSigs, turned round as people read txids. A txid changes
    when a scriptSig arrives; this name does not.
    """
    if not any(i.script_sig for i in transaction.inputs):
        # nothing to leave out: the txid is that very hash
        return transaction.txid_hex()
    bare = _strip(transaction, [b""] * len(transaction.inputs))
    return double_sha256(bare)[::-1].hex()


def _strip(transaction: Transaction, script_sigs: list[bytes]) -> bytes:
    parts = [transaction.version.to_bytes(4, "little", signed=True), compact_size(len(transaction.inputs))]
    for tx_input, script_sig in zip(transaction.inputs, script_sigs, strict=True):
        parts.append(
            tx_input.outpoint.serialize() + prefixed(script_sig) + tx_input.sequence.to_bytes(4, "little")
        )
    parts.append(compact_size(len(transaction.outputs)))
    parts += [output.serialize() for output in transaction.outputs]
    parts.append(transaction.locktime.to_bytes(4, "little"))
    return b"".join(parts)


def _read_inputs(reader: ByteReader, data: bytes, where: str) -> tuple[TxInput, ...]:
    count = reader.count(SMALLEST_INPUT)
    if count > MAX_INPUTS:
        raise Malformed(
            "transaction-too-many-inputs", f"{where}: {count} inputs, more than {MAX_INPUTS}", inputs=count
        )
    inputs: list[TxInput] = []
    position, last = reader.position, len(data)
    for _ in range(count):
        script = position + OUTPOINT_SIZE + 1
        size = data[script - 1] if script <= last else 0xFF
        end = script + size
        if size < 0xFD and end + 4 <= last:
            # the common short script, as in `_read_outputs`
            outpoint = OutPoint(data[position : position + TXID_SIZE], _u32(data, script - 5)[0])
            inputs.append(TxInput(outpoint, data[script:end], _u32(data, end)[0]))
            position = end + 4
        else:
            reader.position = position
            outpoint = OutPoint(reader.take(TXID_SIZE), reader.u32())
            inputs.append(TxInput(outpoint, reader.prefixed(), reader.u32()))
            position = reader.position
    reader.position = position
    return tuple(inputs)


def _read_outputs(reader: ByteReader, data: bytes) -> tuple[TxOutput, ...]:
    outputs: list[TxOutput] = []
    count = reader.count(SMALLEST_OUTPUT)
    position, last = reader.position, len(data)
    for _ in range(count):
        script = position + SMALLEST_OUTPUT
        size = data[script - 1] if script <= last else 0xFF
        end = script + size
        if size < 0xFD and end <= last:
            # the common short script, without the reader's calls: 200,000 tiny outputs must not cost a second
            outputs.append(TxOutput(Amount(_u64(data, position)[0]), data[script:end]))
            position = end
        else:
            reader.position = position
            outputs.append(TxOutput(Amount(reader.u64()), reader.prefixed()))
            position = reader.position
    reader.position = position
    return tuple(outputs)


def _read_witness(reader: ByteReader, data: bytes) -> tuple[bytes, ...]:
    items: list[bytes] = []
    for _ in range(reader.count(1)):
        start = reader.position + 1
        size = data[start - 1] if start <= len(data) else 0xFF
        if size < 0xFD and start + size <= len(data):
            # the common short item, without the reader's two calls: millions of one-byte items must not cost seconds
            reader.position = start + size
            items.append(data[start : start + size])
        else:
            items.append(reader.prefixed())
    return tuple(items)


def _too_large(where: str, size: int) -> Malformed:
    return Malformed(
        "transaction-too-large",
        f"{where}: {size} bytes weigh more than a block may ({MAX_BLOCK_WEIGHT} WU)",
        size=size,
    )
