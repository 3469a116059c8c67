"""One input and one output of a PSBT, with names and types for the fields that Falconer reads.

A view shows what the other side wrote. Nothing in it is evidence: keys and paths are hints, amounts are
claims until `verify` has proven them. Fields were checked for their form when the PSBT was parsed; previous
transactions are parsed when they are asked for, once for all inputs that carry the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.psbt.fields import InputType, OutputType, ProprietaryType, field_key, proprietary_fields

Derivation = tuple[bytes, tuple[int, ...]]
"""Fingerprint of the master key (4 bytes) and path."""

_NON_WITNESS_UTXO = field_key(InputType.NON_WITNESS_UTXO)
_WITNESS_UTXO = field_key(InputType.WITNESS_UTXO)
_SIGHASH_TYPE = field_key(InputType.SIGHASH_TYPE)
_IN_REDEEM_SCRIPT = field_key(InputType.REDEEM_SCRIPT)
_IN_WITNESS_SCRIPT = field_key(InputType.WITNESS_SCRIPT)
_FINAL_SCRIPTSIG = field_key(InputType.FINAL_SCRIPTSIG)
_FINAL_SCRIPTWITNESS = field_key(InputType.FINAL_SCRIPTWITNESS)
_OUT_REDEEM_SCRIPT = field_key(OutputType.REDEEM_SCRIPT)
_OUT_WITNESS_SCRIPT = field_key(OutputType.WITNESS_SCRIPT)


def _keyed(fields: Mapping[bytes, bytes], kind: int) -> dict[bytes, bytes]:
    """Key data to value of all fields of one type, in the order of the map."""
    return {key[1:]: value for key, value in fields.items() if key[0] == kind}


def _derivations(fields: Mapping[bytes, bytes], kind: int) -> dict[bytes, Derivation]:
    return {key[1:]: split_derivation(value) for key, value in fields.items() if key[0] == kind}


def split_derivation(value: bytes) -> Derivation:
    """Fingerprint and path of a derivation field whose form was checked."""
    return value[:4], tuple([int.from_bytes(value[at : at + 4], "little") for at in range(4, len(value), 4)])


@dataclass(frozen=True, slots=True)
class PsbtInput:
    """An input map. `fields` holds every field, raw key to value, in the order of the file."""

    index: int
    fields: Mapping[bytes, bytes]
    _transactions: dict[bytes, Transaction] = field(repr=False, compare=False)

    @property
    def non_witness_utxo(self) -> Transaction | None:
        """The previous transaction, not yet compared with the outpoint.

        Raises:
            Malformed: what `Transaction.parse` refuses.
        """
        raw = self.fields.get(_NON_WITNESS_UTXO)
        if raw is None:
            return None
        parsed = self._transactions.get(raw)
        if parsed is None:
            parsed = Transaction.parse(raw, f"input {self.index}, previous transaction")
            self._transactions[raw] = parsed
        return parsed

    @property
    def witness_utxo(self) -> TxOutput | None:
        """The claimed output that is spent."""
        raw = self.fields.get(_WITNESS_UTXO)
        return None if raw is None else TxOutput.parse(raw, f"input {self.index}, WITNESS_UTXO")

    @property
    def partial_sigs(self) -> dict[bytes, bytes]:
        """Public key (33 bytes) to DER signature with its sighash byte."""
        return _keyed(self.fields, InputType.PARTIAL_SIG)

    @property
    def sighash_type(self) -> int | None:
        """The sighash type that the field asks for."""
        raw = self.fields.get(_SIGHASH_TYPE)
        return None if raw is None else int.from_bytes(raw, "little")

    @property
    def redeem_script(self) -> bytes | None:
        return self.fields.get(_IN_REDEEM_SCRIPT)

    @property
    def witness_script(self) -> bytes | None:
        return self.fields.get(_IN_WITNESS_SCRIPT)

    @property
    def bip32_derivations(self) -> dict[bytes, Derivation]:
        """Public key (33 bytes) to fingerprint and path."""
        return _derivations(self.fields, InputType.BIP32_DERIVATION)

    @property
    def final_script_sig(self) -> bytes | None:
        return self.fields.get(_FINAL_SCRIPTSIG)

    @property
    def final_script_witness(self) -> tuple[bytes, ...] | None:
        """The stack of the final witness."""
        raw = self.fields.get(_FINAL_SCRIPTWITNESS)
        if raw is None:
            return None
        reader = ByteReader(raw, f"input {self.index}, FINAL_SCRIPTWITNESS", rule="psbt-nested-malformed")
        return tuple([reader.prefixed() for _ in range(reader.count(1))])

    def proprietary(self, subtype: ProprietaryType) -> dict[bytes, bytes]:
        """Our own fields of that subtype: key data to value, bounds enforced.

        Raises:
            Malformed: the `rule` that stands in `fields.PROPRIETARY_FIELDS`.
        """
        return proprietary_fields(self.fields, subtype, f"input {self.index}")


@dataclass(frozen=True, slots=True)
class PsbtOutput:
    """An output map. `fields` holds every field, raw key to value, in the order of the file."""

    index: int
    fields: Mapping[bytes, bytes]

    @property
    def redeem_script(self) -> bytes | None:
        return self.fields.get(_OUT_REDEEM_SCRIPT)

    @property
    def witness_script(self) -> bytes | None:
        return self.fields.get(_OUT_WITNESS_SCRIPT)

    @property
    def bip32_derivations(self) -> dict[bytes, Derivation]:
        """Public key (33 bytes) to fingerprint and path."""
        return _derivations(self.fields, OutputType.BIP32_DERIVATION)

    def proprietary(self, subtype: ProprietaryType) -> dict[bytes, bytes]:
        """Our own fields of that subtype (no output field is defined yet)."""
        return proprietary_fields(self.fields, subtype, f"output {self.index}")
