"""One input and one output of a PSBT, with names and types for the fields that Falconer reads.

A view shows what the other side wrote. Nothing in it is evidence: keys and paths are hints, amounts are
claims until `verify` has proven them. Fields were checked for their form when the PSBT was parsed; previous
transactions are parsed when they are asked for, once for all inputs that carry the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from falconer_shared.bitcoin.curve import PUBKEY_SIZE
from falconer_shared.bitcoin.taproot import XONLY_SIZE
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.psbt.fields import InputType, OutputType, ProprietaryType, field_key, proprietary_fields

Derivation = tuple[bytes, tuple[int, ...]]
"""Fingerprint of the master key (4 bytes) and path."""

TapDerivation = tuple[tuple[bytes, ...], bytes, tuple[int, ...]]
"""Hashes of the leaves that a key stands in, fingerprint of the master key and path (BIP 371)."""

_NON_WITNESS_UTXO = field_key(InputType.NON_WITNESS_UTXO)
_WITNESS_UTXO = field_key(InputType.WITNESS_UTXO)
_SIGHASH_TYPE = field_key(InputType.SIGHASH_TYPE)
_IN_REDEEM_SCRIPT = field_key(InputType.REDEEM_SCRIPT)
_IN_WITNESS_SCRIPT = field_key(InputType.WITNESS_SCRIPT)
_FINAL_SCRIPTSIG = field_key(InputType.FINAL_SCRIPTSIG)
_FINAL_SCRIPTWITNESS = field_key(InputType.FINAL_SCRIPTWITNESS)
_TAP_KEY_SIG = field_key(InputType.TAP_KEY_SIG)
_IN_TAP_INTERNAL_KEY = field_key(InputType.TAP_INTERNAL_KEY)
_OUT_TAP_INTERNAL_KEY = field_key(OutputType.TAP_INTERNAL_KEY)
_OUT_TAP_TREE = field_key(OutputType.TAP_TREE)
_SCRIPT_PATH = frozenset({InputType.TAP_SCRIPT_SIG, InputType.TAP_LEAF_SCRIPT, InputType.TAP_MERKLE_ROOT})
_SIGNATURES = frozenset({InputType.PARTIAL_SIG, InputType.TAP_KEY_SIG})
_OUT_REDEEM_SCRIPT = field_key(OutputType.REDEEM_SCRIPT)
_OUT_WITNESS_SCRIPT = field_key(OutputType.WITNESS_SCRIPT)


def _keyed(view: PsbtInput, kind: int) -> dict[bytes, bytes]:
    """Key data to value of all fields of one type, in the order of the map."""
    if kind not in view.kinds:
        return {}
    return {key[1:]: value for key, value in view.fields.items() if key[0] == kind}


def _derivations(view: PsbtInput | PsbtOutput, kind: int) -> dict[bytes, Derivation]:
    if kind not in view.kinds:
        return {}
    return {key[1:]: split_derivation(value) for key, value in view.fields.items() if key[0] == kind}


def _tap_derivations(view: PsbtInput | PsbtOutput, kind: int) -> dict[bytes, TapDerivation]:
    if kind not in view.kinds:
        return {}
    return {key[1:]: _split_tap_derivation(value) for key, value in view.fields.items() if key[0] == kind}


def _split_tap_derivation(value: bytes) -> TapDerivation:
    if value[0] == 0:
        return (), *split_derivation(value[1:])
    reader = ByteReader(value, "taproot derivation", rule="psbt-nested-malformed")
    leaves = tuple([reader.take(32) for _ in range(reader.count(32))])
    return leaves, *split_derivation(value[reader.position :])


def kinds_of(fields: Mapping[bytes, bytes]) -> frozenset[int]:
    """The first bytes of all keys: which types of fields a map has."""
    return frozenset([key[0] for key in fields])


def signature_field(signing_key: bytes, signature: bytes) -> tuple[bytes, bytes]:
    """The field that carries a signature: raw key and value. The length of its key tells which one (`Scripts.signing_keys`).

    33 bytes: `PARTIAL_SIG` of that key (BIP 174). 32 bytes, an x-only output key: `TAP_KEY_SIG`, which names no key (BIP 371).
    """
    if len(signing_key) == PUBKEY_SIZE:
        return field_key(InputType.PARTIAL_SIG, signing_key), signature
    if len(signing_key) == XONLY_SIZE:
        return _TAP_KEY_SIG, signature
    raise ValueError("a signing key has 33 bytes, or 32 for taproot")


def split_derivation(value: bytes) -> Derivation:
    """Fingerprint and path of a derivation field whose form was checked."""
    return value[:4], struct.unpack_from(f"<{len(value) // 4 - 1}I", value, 4)


@dataclass(frozen=True, slots=True)
class PsbtInput:
    """An input map. `fields` holds every field, raw key to value, in the order of the file; `kinds` their types' first bytes."""

    index: int
    fields: Mapping[bytes, bytes]
    kinds: frozenset[int] = field(repr=False, compare=False)
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
    def raw_witness_utxo(self) -> bytes | None:
        """The claimed output as it stands there: equal to another output's bytes where it is equal to that output."""
        return self.fields.get(_WITNESS_UTXO)

    @property
    def witness_utxo(self) -> TxOutput | None:
        """The claimed output that is spent."""
        raw = self.fields.get(_WITNESS_UTXO)
        return None if raw is None else TxOutput.parse(raw, f"input {self.index}, WITNESS_UTXO")

    @property
    def partial_sigs(self) -> dict[bytes, bytes]:
        """Public key (33 bytes) to DER signature with its sighash byte."""
        return _keyed(self, InputType.PARTIAL_SIG)

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
        return _derivations(self, InputType.BIP32_DERIVATION)

    @property
    def tap_bip32_derivations(self) -> dict[bytes, TapDerivation]:
        """X-only key (32 bytes) to leaf hashes, fingerprint and path."""
        return _tap_derivations(self, InputType.TAP_BIP32_DERIVATION)

    @property
    def tap_internal_key(self) -> bytes | None:
        return self.fields.get(_IN_TAP_INTERNAL_KEY)

    @property
    def tap_key_sig(self) -> bytes | None:
        """The signature for the key path: 64 bytes, and the sighash byte unless it is DEFAULT."""
        return self.fields.get(_TAP_KEY_SIG)

    @property
    def has_script_path(self) -> bool:
        """Whether a field tells of taproot scripts: a leaf, a signature for one, or the root of their tree."""
        return not self.kinds.isdisjoint(_SCRIPT_PATH)

    @property
    def signature_fields(self) -> dict[bytes, bytes]:
        """The fields that carry signatures which are not yet in a final scriptSig or witness, raw key to value."""
        return {key: value for key, value in self.fields.items() if key[0] in _SIGNATURES}

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
    """An output map. `fields` holds every field, raw key to value, in the order of the file; `kinds` their types' first bytes."""

    index: int
    fields: Mapping[bytes, bytes]
    kinds: frozenset[int] = field(repr=False, compare=False)

    @property
    def redeem_script(self) -> bytes | None:
        return self.fields.get(_OUT_REDEEM_SCRIPT)

    @property
    def witness_script(self) -> bytes | None:
        return self.fields.get(_OUT_WITNESS_SCRIPT)

    @property
    def bip32_derivations(self) -> dict[bytes, Derivation]:
        """Public key (33 bytes) to fingerprint and path."""
        return _derivations(self, OutputType.BIP32_DERIVATION)

    @property
    def tap_bip32_derivations(self) -> dict[bytes, TapDerivation]:
        """X-only key (32 bytes) to leaf hashes, fingerprint and path."""
        return _tap_derivations(self, OutputType.TAP_BIP32_DERIVATION)

    @property
    def tap_internal_key(self) -> bytes | None:
        return self.fields.get(_OUT_TAP_INTERNAL_KEY)

    @property
    def tap_tree(self) -> bytes | None:
        return self.fields.get(_OUT_TAP_TREE)

    def proprietary(self, subtype: ProprietaryType) -> dict[bytes, bytes]:
        """Our own fields of that subtype (no output field is defined yet)."""
        return proprietary_fields(self.fields, subtype, f"output {self.index}")
