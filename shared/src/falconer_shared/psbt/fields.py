"""The types of fields that Falconer knows, what each must look like, and its own proprietary fields.

One table for each kind of map. A type that is in none of them is carried as it is, byte for byte (BIP 174:
"must pass those key-value pairs through"), and believed by nobody (A078).

Fields of the draft BIP 375 that collide with older ones (global 0x07, also SLIP 19's ownership commitment)
are carried unread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from falconer_shared.bitcoin.ripemd160 import ripemd160
from falconer_shared.bitcoin.script import double_sha256, hash160, sha256
from falconer_shared.encoding.reader import ByteReader, prefixed
from falconer_shared.errors import Malformed
from falconer_shared.psbt import nested
from falconer_shared.psbt.envelope import MAX_PSBT_BYTES


class GlobalType(enum.IntEnum):
    """Types of the global map, as the BIPs name them after `PSBT_GLOBAL_`."""

    UNSIGNED_TX = 0x00
    XPUB = 0x01
    TX_VERSION = 0x02
    FALLBACK_LOCKTIME = 0x03
    INPUT_COUNT = 0x04
    OUTPUT_COUNT = 0x05
    TX_MODIFIABLE = 0x06
    SP_DLEQ = 0x08
    VERSION = 0xFB
    PROPRIETARY = 0xFC


class InputType(enum.IntEnum):
    """Types of an input map, as the BIPs name them after `PSBT_IN_`."""

    NON_WITNESS_UTXO = 0x00
    WITNESS_UTXO = 0x01
    PARTIAL_SIG = 0x02
    SIGHASH_TYPE = 0x03
    REDEEM_SCRIPT = 0x04
    WITNESS_SCRIPT = 0x05
    BIP32_DERIVATION = 0x06
    FINAL_SCRIPTSIG = 0x07
    FINAL_SCRIPTWITNESS = 0x08
    POR_COMMITMENT = 0x09
    RIPEMD160 = 0x0A
    SHA256 = 0x0B
    HASH160 = 0x0C
    HASH256 = 0x0D
    PREVIOUS_TXID = 0x0E
    OUTPUT_INDEX = 0x0F
    SEQUENCE = 0x10
    REQUIRED_TIME_LOCKTIME = 0x11
    REQUIRED_HEIGHT_LOCKTIME = 0x12
    TAP_KEY_SIG = 0x13
    TAP_SCRIPT_SIG = 0x14
    TAP_LEAF_SCRIPT = 0x15
    TAP_BIP32_DERIVATION = 0x16
    TAP_INTERNAL_KEY = 0x17
    TAP_MERKLE_ROOT = 0x18
    OWNERSHIP_PROOF = 0x19
    MUSIG2_PARTICIPANT_PUBKEYS = 0x1A
    MUSIG2_PUB_NONCE = 0x1B
    MUSIG2_PARTIAL_SIG = 0x1C
    SP_ECDH_SHARE = 0x1D
    SP_DLEQ = 0x1E
    PROPRIETARY = 0xFC


class OutputType(enum.IntEnum):
    """Types of an output map, as the BIPs name them after `PSBT_OUT_`."""

    REDEEM_SCRIPT = 0x00
    WITNESS_SCRIPT = 0x01
    BIP32_DERIVATION = 0x02
    AMOUNT = 0x03
    SCRIPT = 0x04
    TAP_INTERNAL_KEY = 0x05
    TAP_TREE = 0x06
    TAP_BIP32_DERIVATION = 0x07
    MUSIG2_PARTICIPANT_PUBKEYS = 0x08
    SP_V0_INFO = 0x09
    SP_V0_LABEL = 0x0A
    PROPRIETARY = 0xFC


AnyType = GlobalType | InputType | OutputType
Check = Callable[[bytes, bytes, str], None]
Sizes = range | frozenset[int]

_ANY = range(MAX_PSBT_BYTES)
_NONE = frozenset({0})
_V0 = frozenset({0})
_V2 = frozenset({2})
_BOTH = frozenset({0, 2})


_UNSUPPORTED: Final[Mapping[type[enum.IntEnum], frozenset[enum.IntEnum]]] = MappingProxyType(
    {
        GlobalType: frozenset({GlobalType.SP_DLEQ}),
        InputType: frozenset(
            {
                InputType.POR_COMMITMENT,
                InputType.MUSIG2_PARTICIPANT_PUBKEYS,
                InputType.MUSIG2_PUB_NONCE,
                InputType.MUSIG2_PARTIAL_SIG,
                InputType.SP_ECDH_SHARE,
                InputType.SP_DLEQ,
            }
        ),
        OutputType: frozenset({OutputType.SP_V0_INFO, OutputType.SP_V0_LABEL}),
    }
)
"""What BIP 127, 373 and 375 ask of a signer. Carried and never acted on, so whoever verifies must refuse it."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a field must look like: bytes of key data, bytes of value, versions that may carry it, and what is
    inside.

    `unsupported` marks what asks a signer for an act that Falconer does not know.
    """

    name: str
    kind: int
    key_sizes: Sizes
    value_sizes: Sizes
    versions: frozenset[int]
    check: Check | None
    unsupported: bool


def _exactly(*sizes: int) -> frozenset[int]:
    return frozenset(sizes)


def _field(
    kind: AnyType,
    key_sizes: Sizes = _NONE,
    value_sizes: Sizes = _ANY,
    versions: frozenset[int] = _BOTH,
    check: Check | None = None,
) -> Field:
    return Field(
        kind.name, int(kind), key_sizes, value_sizes, versions, check, kind in _UNSUPPORTED[type(kind)]
    )


def _table(*fields: Field) -> Mapping[int, Field]:
    return MappingProxyType({field.kind: field for field in fields})


_SCHNORR = _exactly(64, 65)
_MUSIG2_KEY = _exactly(66, 98)
_ECDSA = range(9, 74)
"""A DER signature (BIP 66: 8 to 72 bytes) and its sighash byte."""
_PREIMAGE = range(521)
"""Consensus: an element of a script's stack has at most 520 bytes, and a preimage is one."""

GLOBAL_FIELDS: Final = _table(
    _field(GlobalType.UNSIGNED_TX, versions=_V0),
    _field(GlobalType.XPUB, key_sizes=_exactly(78), check=nested.xpub),
    _field(GlobalType.TX_VERSION, value_sizes=_exactly(4), versions=_V2),
    _field(GlobalType.FALLBACK_LOCKTIME, value_sizes=_exactly(4), versions=_V2),
    _field(GlobalType.INPUT_COUNT, value_sizes=range(1, 10), versions=_V2),
    _field(GlobalType.OUTPUT_COUNT, value_sizes=range(1, 10), versions=_V2),
    _field(GlobalType.TX_MODIFIABLE, value_sizes=_exactly(1), versions=_V2),
    _field(GlobalType.SP_DLEQ, _exactly(33), _exactly(64), _V2, nested.pubkeys_in_key),
    _field(GlobalType.VERSION, value_sizes=_exactly(4)),
    _field(GlobalType.PROPRIETARY, key_sizes=_ANY, check=nested.proprietary),
)

INPUT_FIELDS: Final = _table(
    _field(InputType.NON_WITNESS_UTXO),
    _field(InputType.WITNESS_UTXO, value_sizes=range(9, MAX_PSBT_BYTES), check=nested.witness_utxo),
    _field(InputType.PARTIAL_SIG, _exactly(33), _ECDSA, check=nested.pubkeys_in_key),
    _field(InputType.SIGHASH_TYPE, value_sizes=_exactly(4)),
    _field(InputType.REDEEM_SCRIPT),
    _field(InputType.WITNESS_SCRIPT),
    _field(InputType.BIP32_DERIVATION, _exactly(33), check=nested.derivation),
    _field(InputType.FINAL_SCRIPTSIG),
    _field(InputType.FINAL_SCRIPTWITNESS, check=nested.witness),
    _field(InputType.POR_COMMITMENT),
    _field(InputType.RIPEMD160, _exactly(20), _PREIMAGE, check=nested.preimage(ripemd160)),
    _field(InputType.SHA256, _exactly(32), _PREIMAGE, check=nested.preimage(sha256)),
    _field(InputType.HASH160, _exactly(20), _PREIMAGE, check=nested.preimage(hash160)),
    _field(InputType.HASH256, _exactly(32), _PREIMAGE, check=nested.preimage(double_sha256)),
    _field(InputType.PREVIOUS_TXID, value_sizes=_exactly(32), versions=_V2),
    _field(InputType.OUTPUT_INDEX, value_sizes=_exactly(4), versions=_V2),
    _field(InputType.SEQUENCE, value_sizes=_exactly(4), versions=_V2),
    _field(
        InputType.REQUIRED_TIME_LOCKTIME, value_sizes=_exactly(4), versions=_V2, check=nested.time_locktime
    ),
    _field(
        InputType.REQUIRED_HEIGHT_LOCKTIME,
        value_sizes=_exactly(4),
        versions=_V2,
        check=nested.height_locktime,
    ),
    _field(InputType.TAP_KEY_SIG, value_sizes=_SCHNORR),
    _field(InputType.TAP_SCRIPT_SIG, _exactly(64), _SCHNORR),
    _field(InputType.TAP_LEAF_SCRIPT, _ANY, range(1, MAX_PSBT_BYTES), check=nested.control_block),
    _field(InputType.TAP_BIP32_DERIVATION, _exactly(32), check=nested.taproot_derivation),
    _field(InputType.TAP_INTERNAL_KEY, value_sizes=_exactly(32)),
    _field(InputType.TAP_MERKLE_ROOT, value_sizes=_exactly(32)),
    _field(InputType.OWNERSHIP_PROOF),
    _field(InputType.MUSIG2_PARTICIPANT_PUBKEYS, _exactly(33), check=nested.participants),
    _field(InputType.MUSIG2_PUB_NONCE, _MUSIG2_KEY, _exactly(66), check=nested.two_pubkeys_in_key),
    _field(InputType.MUSIG2_PARTIAL_SIG, _MUSIG2_KEY, _exactly(32), check=nested.two_pubkeys_in_key),
    _field(InputType.SP_ECDH_SHARE, _exactly(33), _exactly(33), _V2, nested.pubkeys_in_key),
    _field(InputType.SP_DLEQ, _exactly(33), _exactly(64), _V2, nested.pubkeys_in_key),
    _field(InputType.PROPRIETARY, key_sizes=_ANY, check=nested.proprietary),
)

OUTPUT_FIELDS: Final = _table(
    _field(OutputType.REDEEM_SCRIPT),
    _field(OutputType.WITNESS_SCRIPT),
    _field(OutputType.BIP32_DERIVATION, _exactly(33), check=nested.derivation),
    _field(OutputType.AMOUNT, value_sizes=_exactly(8), versions=_V2, check=nested.amount),
    _field(OutputType.SCRIPT, versions=_V2),
    _field(OutputType.TAP_INTERNAL_KEY, value_sizes=_exactly(32)),
    _field(OutputType.TAP_TREE, check=nested.taproot_tree),
    _field(OutputType.TAP_BIP32_DERIVATION, _exactly(32), check=nested.taproot_derivation),
    _field(OutputType.MUSIG2_PARTICIPANT_PUBKEYS, _exactly(33), check=nested.participants),
    _field(OutputType.SP_V0_INFO, value_sizes=_exactly(66), versions=_V2),
    _field(OutputType.SP_V0_LABEL, value_sizes=_exactly(4), versions=_V2),
    _field(OutputType.PROPRIETARY, key_sizes=_ANY, check=nested.proprietary),
)


def field_key(kind: AnyType, data: bytes = b"") -> bytes:
    """The whole key of a field: its type and its key data."""
    return bytes((kind,)) + data


def check_fields(fields: Mapping[bytes, bytes], table: Mapping[int, Field], version: int, where: str) -> None:
    """Every known field of a map has the shape that its BIP gives it; every type number is minimal.

    Raises:
        Malformed: `psbt-field-not-in-version`, `psbt-key-size`, `psbt-value-size`, and what the checks of
        `nested` refuse.
    """
    for key, value in fields.items():
        field = table.get(key[0])
        if field is None:
            if key[0] >= 0xFD:
                _check_long_type(key, where)
            continue
        if version not in field.versions:
            raise Malformed(
                "psbt-field-not-in-version",
                f"{where}: {field.name} has no place in a PSBT of version {version}",
            )
        if len(key) - 1 not in field.key_sizes:
            raise Malformed("psbt-key-size", f"{where}: {field.name} with {len(key) - 1} bytes of key data")
        if len(value) not in field.value_sizes:
            raise Malformed("psbt-value-size", f"{where}: {field.name} with {len(value)} bytes")
        if field.check is not None:
            field.check(key, value, f"{where}, {field.name}")


def _check_long_type(key: bytes, where: str) -> None:
    reader = ByteReader(key, f"{where}, type of a field", rule="psbt-key-size")
    reader.compact_size()


IDENTIFIER = b"falconer"
"""Whose proprietary fields these are (BIP 174, "Proprietary Use Type")."""

KIB = 1024
KEY_HASH_BYTES = 32
"""SHA-256 of an SSH wire blob."""


class ProprietaryType(enum.IntEnum):
    """Subtypes of our own fields. Those below 0x20 stand in the global map, the others in input maps."""

    REQUEST = 0x00
    INTENT = 0x01
    APPROVAL = 0x02
    COORDINATOR_SIGNATURE = 0x03
    BLOCK_HEADERS = 0x05
    RECEIPT = 0x10
    MERKLE_PROOF = 0x20


@dataclass(frozen=True, slots=True)
class Proprietary:
    """Bounds of one of our fields: bytes of key data, bytes of the value (a multiple of `unit`), how many in
    one map.

    `rule` is the refusal of whatever is outside.
    """

    kind: ProprietaryType
    key_size: int
    max_value: int
    rule: str
    max_count: int = 1
    unit: int = 1


MAX_APPROVALS = 32
"""Approvals that one request carries: more than any quorum asks for."""

MAX_RECEIPTS = 32
"""Receipts that one request carries: one for each signer machine, and a script holds at most 20 keys."""

PROPRIETARY_FIELDS: Final[Mapping[ProprietaryType, Proprietary]] = MappingProxyType(
    {
        field.kind: field
        for field in (
            Proprietary(ProprietaryType.REQUEST, 0, 8 * KIB, rule="psbt-request-bounds"),
            Proprietary(ProprietaryType.INTENT, 0, 16 * KIB, rule="psbt-intent-bounds"),
            Proprietary(
                ProprietaryType.APPROVAL,
                KEY_HASH_BYTES,
                2 * KIB,
                rule="psbt-approval-bounds",
                max_count=MAX_APPROVALS,
            ),
            Proprietary(
                ProprietaryType.COORDINATOR_SIGNATURE, 0, 2 * KIB, rule="psbt-coordinator-signature-bounds"
            ),
            Proprietary(ProprietaryType.BLOCK_HEADERS, 4, 200_000, rule="psbt-headers-bounds", unit=80),
            Proprietary(
                ProprietaryType.RECEIPT,
                KEY_HASH_BYTES,
                8 * KIB,
                rule="psbt-receipt-bounds",
                max_count=MAX_RECEIPTS,
            ),
            Proprietary(ProprietaryType.MERKLE_PROOF, 0, 8 * KIB, rule="psbt-merkle-proof-bounds"),
        )
    }
)

OUR_PREFIX = bytes((GlobalType.PROPRIETARY,)) + prefixed(IDENTIFIER)
"""How the key of every field of ours begins, in every map."""


def proprietary_key(subtype: ProprietaryType, data: bytes = b"") -> bytes:
    """The whole key of one of our fields."""
    return OUR_PREFIX + bytes((subtype,)) + data


def proprietary_fields(
    fields: Mapping[bytes, bytes], subtype: ProprietaryType, where: str
) -> dict[bytes, bytes]:
    """Our fields of that subtype in a map, key data to value, in the order of the map, each inside its
    bounds.

    Raises:
        Malformed: the `rule` of the field.
    """
    bounds = PROPRIETARY_FIELDS[subtype]
    prefix = proprietary_key(subtype)
    found: dict[bytes, bytes] = {}
    for key, value in fields.items():
        if not key.startswith(prefix):
            continue
        data = key[len(prefix) :]
        if len(data) != bounds.key_size:
            problem = f"{len(data)} bytes of key data instead of {bounds.key_size}"
        elif not value or len(value) > bounds.max_value or len(value) % bounds.unit:
            problem = f"{len(value)} bytes, allowed are 1 to {bounds.max_value} in units of {bounds.unit}"
        elif len(found) >= bounds.max_count:
            problem = f"more than {bounds.max_count} of them"
        else:
            found[data] = value
            continue
        raise Malformed(bounds.rule, f"{where}, Falconer's {subtype.name}: {problem}")
    return found
