"""Bytes to `UntrustedPsbt`, and back to the same bytes.

Steps, in this order:

 1. `envelope`: bounded size, binary or strict base64, magic bytes.
 2. The global map; the version that it names: 0 (BIP 174) or 2 (BIP 370). Nothing else exists.
 3. How many inputs and outputs: from the unsigned transaction (version 0) or from the counts (version 2),
    bounded before anything is allocated (A079).
 4. One map for each, then the end of the data (A076).
 5. Every field that a BIP defines has the form that the BIP defines, and its place in this version (A069,
    A071, A072).
 6. The unsigned transaction: the one global field (version 0) or assembled from fields (version 2). There is
    one source for each of its facts, so no two programs can read two transactions out of one PSBT.

Not done here: whether anything in it is true. That is `verify`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Final, Self

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.psbt import version2
from falconer_shared.psbt.envelope import MAGIC, binary
from falconer_shared.psbt.fields import (
    GLOBAL_FIELDS,
    INPUT_FIELDS,
    OUTPUT_FIELDS,
    GlobalType,
    ProprietaryType,
    check_fields,
    field_key,
    proprietary_fields,
)
from falconer_shared.psbt.maps import MAX_FIELDS, read_map, write_map
from falconer_shared.psbt.views import Derivation, PsbtInput, PsbtOutput, kinds_of, split_derivation
from falconer_shared.seal import Seal
from falconer_shared.units import MAX_BLOCK_WEIGHT, WITNESS_SCALE_FACTOR

Map = Mapping[bytes, bytes]
"""Raw key to value, in the order of the file, read-only."""

Fields = Map | Iterable[tuple[bytes, bytes]]
"""Fields to add: raw keys with their values."""

MAX_INPUTS = 10_000
"""Inputs of a PSBT that is only parsed (DESIGN: bounds): a standard transaction has fewer than 2,500."""

MAX_OUTPUTS = 10_000
"""Outputs of a PSBT that is only parsed: a standard transaction holds at most 3,200 that pay to witness key
hashes.
"""

MAX_UNSIGNED_TX_BYTES = MAX_BLOCK_WEIGHT // WITNESS_SCALE_FACTOR
"""Bytes of the largest transaction without witness that a block holds (BIP 141), refused before it is read (A079)."""

_MINT: Final = Seal("UntrustedPsbt.parse")
NOWHERE: Final[Mapping[int, Fields]] = MappingProxyType({})
"""No fields for any input or output."""
_VERSION = field_key(GlobalType.VERSION)
_UNSIGNED_TX = field_key(GlobalType.UNSIGNED_TX)
_TX_MODIFIABLE = field_key(GlobalType.TX_MODIFIABLE)


@dataclass(frozen=True, slots=True)
class UntrustedPsbt:
    """A well-formed PSBT about which nothing is known yet. Made by `parse` alone; equal when its bytes are
    equal.

    `raw` is the binary form, `tx` the unsigned transaction, `version` 0 or 2.
    """

    raw: bytes = field(repr=False)
    version: int = field(compare=False)
    tx: Transaction = field(compare=False, repr=False)
    global_map: Map = field(compare=False, repr=False)
    inputs: tuple[PsbtInput, ...] = field(compare=False, repr=False)
    outputs: tuple[PsbtOutput, ...] = field(compare=False, repr=False)
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _MINT.check(seal)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a PSBT in binary form or base64.

        Raises:
            Malformed: with the id of the first thing that is wrong (the modules named above list them), and
                `psbt-version-unsupported`, `psbt-unsigned-tx-missing`, `psbt-trailing-bytes`,
                `psbt-truncated`.
        """
        raw = binary(data)
        global_map, position = read_map(raw, len(MAGIC), "global map", MAX_FIELDS)
        version = _version(global_map)
        check_fields(global_map, GLOBAL_FIELDS, version, "global map")
        tx = _unsigned_tx(global_map) if version == 0 else None
        counts = version2.read_counts(global_map) if tx is None else (len(tx.inputs), len(tx.outputs))
        _check_counts(*counts, left=len(raw) - position)
        budget = MAX_FIELDS - len(global_map)
        maps: list[Map] = []
        for index in range(sum(counts)):
            is_input = index < counts[0]
            where = f"input {index}" if is_input else f"output {index - counts[0]}"
            fields, position = read_map(raw, position, where, budget)
            budget -= len(fields)
            check_fields(fields, INPUT_FIELDS if is_input else OUTPUT_FIELDS, version, where)
            maps.append(MappingProxyType(fields))
        if position != len(raw):
            raise Malformed(
                "psbt-trailing-bytes", f"{len(raw) - position} bytes behind the last map", position=position
            )
        input_maps, output_maps = maps[: counts[0]], maps[counts[0] :]
        if tx is None:
            tx = version2.assemble(global_map, input_maps, output_maps)
        transactions: dict[bytes, Transaction] = {}
        return cls(
            raw,
            version,
            tx,
            MappingProxyType(global_map),
            tuple(
                [PsbtInput(n, fields, kinds_of(fields), transactions) for n, fields in enumerate(input_maps)]
            ),
            tuple([PsbtOutput(n, fields, kinds_of(fields)) for n, fields in enumerate(output_maps)]),
            seal=_MINT,
        )

    def serialize(self) -> bytes:
        """The binary form: the bytes that were read."""
        return self.raw

    def base64(self) -> str:
        """The one base64 spelling, without a line feed."""
        return base64.b64encode(self.raw).decode("ascii")

    @property
    def input_maps(self) -> tuple[Map, ...]:
        """The raw input maps."""
        return tuple([view.fields for view in self.inputs])

    @property
    def output_maps(self) -> tuple[Map, ...]:
        """The raw output maps."""
        return tuple([view.fields for view in self.outputs])

    @property
    def modifiable(self) -> bool:
        """Whether any flag says that inputs or outputs may still change, defined by BIP 370 or not."""
        return any(self.global_map.get(_TX_MODIFIABLE, b""))

    def needs_unsupported(self) -> str | None:
        """The name of the first field that asks a signer for something that Falconer does not do; None where
        there is none.
        """
        tables = (
            (GLOBAL_FIELDS, (self.global_map,)),
            (INPUT_FIELDS, self.input_maps),
            (OUTPUT_FIELDS, self.output_maps),
        )
        for table, maps in tables:
            for fields in maps:
                for key in fields:
                    known = table.get(key[0])
                    if known is not None and known.unsupported:
                        return known.name
        return None

    @property
    def xpubs(self) -> dict[bytes, Derivation]:
        """Extended keys (78 bytes, BIP 32) of the global map to fingerprint and path."""
        return {
            key[1:]: split_derivation(value)
            for key, value in self.global_map.items()
            if key[0] == GlobalType.XPUB
        }

    def proprietary(self, subtype: ProprietaryType) -> dict[bytes, bytes]:
        """Our own fields of that subtype in the global map: key data to value, bounds enforced.

        Raises:
            Malformed: the `rule` that stands in `fields.PROPRIETARY_FIELDS`.
        """
        return proprietary_fields(self.global_map, subtype, "global map")

    def with_fields(
        self,
        global_add: Fields = (),
        input_add: Mapping[int, Fields] = NOWHERE,
        output_add: Mapping[int, Fields] = NOWHERE,
    ) -> UntrustedPsbt:
        """A new PSBT with fields added behind those that are there, sorted by key (BIP 174 Updater and
        Signer).

        Raises:
            VerificationError: `psbt-field-exists` for a key that is already there or comes twice, with
            whatever value. Malformed: what `parse` refuses in the result.
        """
        maps = (self.global_map, self.input_maps, self.output_maps)
        added = from_maps(*extended(maps, global_add, input_add, output_add))
        if added.tx != self.tx:
            raise ValueError("adding fields must not change the transaction")
        return added

    def without_proprietary(self) -> UntrustedPsbt:
        """A new PSBT without proprietary fields of anybody, for a signer who has no use for them."""
        return from_maps(
            _public(self.global_map), map(_public, self.input_maps), map(_public, self.output_maps)
        )


def from_maps(global_map: Map, input_maps: Iterable[Map], output_maps: Iterable[Map]) -> UntrustedPsbt:
    """The PSBT that these maps make, fields in their order.

    Raises:
        Malformed: what `UntrustedPsbt.parse` refuses.
    """
    maps = [global_map, *input_maps, *output_maps]
    return UntrustedPsbt.parse(MAGIC + b"".join([write_map(fields) for fields in maps]))


def extended(
    maps: tuple[Map, Sequence[Map], Sequence[Map]],
    global_add: Fields,
    input_add: Mapping[int, Fields],
    output_add: Mapping[int, Fields],
) -> tuple[Map, list[Map], list[Map]]:
    """Global map, input maps and output maps with fields added behind those that are there, sorted by key.

    Raises:
        VerificationError: `psbt-field-exists`.
    """
    global_map, input_maps, output_maps = maps
    if not (_inside(input_add, input_maps) and _inside(output_add, output_maps)):
        raise IndexError("fields for an input or output that the PSBT does not have")
    return (
        _extended(global_map, global_add, "global map"),
        [_extended(fields, input_add.get(n, ()), f"input {n}") for n, fields in enumerate(input_maps)],
        [_extended(fields, output_add.get(n, ()), f"output {n}") for n, fields in enumerate(output_maps)],
    )


def _extended(fields: Map, added: Fields, where: str) -> Map:
    extended = dict(fields)
    for key, value in sorted(added.items() if isinstance(added, Mapping) else added):
        if key in extended:
            raise VerificationError("psbt-field-exists", f"{where}: field {key[:40].hex()} is already there")
        extended[key] = value
    return extended


def _inside(added: Mapping[int, Fields], maps: Sequence[Map]) -> bool:
    return all(0 <= index < len(maps) for index in added)


def _public(fields: Map) -> Map:
    return {key: value for key, value in fields.items() if key[0] != GlobalType.PROPRIETARY}


def _version(global_map: Map) -> int:
    raw = global_map.get(_VERSION, bytes(4))
    # the width first: a number of a million digits must not become one
    if len(raw) != 4:
        raise Malformed("psbt-value-size", f"global map: VERSION with {len(raw)} bytes")
    version = int.from_bytes(raw, "little")
    if version not in {0, 2}:
        raise Malformed(
            "psbt-version-unsupported",
            f"a PSBT of version {version}; there are only 0 and 2",
            version=version,
        )
    return version


def _unsigned_tx(global_map: Map) -> Transaction:
    raw = global_map.get(_UNSIGNED_TX)
    if raw is None:
        raise Malformed(
            "psbt-unsigned-tx-missing", "global map: a PSBT of version 0 without an unsigned transaction"
        )
    if len(raw) > MAX_UNSIGNED_TX_BYTES:
        raise Malformed(
            "psbt-unsigned-tx-too-large", f"an unsigned transaction of {len(raw)} bytes fits in no block"
        )
    try:
        tx = Transaction.parse_stripped(raw)
    except Malformed:
        if _has_witnesses(raw):
            raise Malformed(
                "psbt-unsigned-tx-signed", "the unsigned transaction is in the form that carries witnesses"
            ) from None
        raise
    for index, each in enumerate(tx.inputs):
        if each.script_sig:
            raise Malformed(
                "psbt-unsigned-tx-signed",
                f"input {index} of the unsigned transaction has a scriptSig",
                input=index,
            )
    return tx


def _has_witnesses(raw: bytes) -> bool:
    """Whether bytes that are no transaction without witnesses are one with them: read the other way, the marker of BIP 144
    means no inputs, and what follows is any fault whatever (A077).
    """
    try:
        Transaction.parse(raw)
    except Malformed as refused:
        # the form of one that has witnesses, each of them empty, as an unsigned transaction's would be
        return refused.rule == "transaction-witness-superfluous"
    return True


def _check_counts(inputs: int, outputs: int, left: int) -> None:
    if inputs > MAX_INPUTS:
        raise Malformed("psbt-too-many-inputs", f"{inputs} inputs, more than {MAX_INPUTS}", inputs=inputs)
    if outputs > MAX_OUTPUTS:
        raise Malformed(
            "psbt-too-many-outputs", f"{outputs} outputs, more than {MAX_OUTPUTS}", outputs=outputs
        )
    if inputs + outputs > left:
        raise Malformed(
            "psbt-truncated", f"{inputs} inputs and {outputs} outputs announced, {left} bytes left"
        )
