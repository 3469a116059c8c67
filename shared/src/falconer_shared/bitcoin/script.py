"""Scripts: the standard templates, what a script is, its hashes, and when an output is dust.

`classify` looks at the bytes alone. A script that is none of the templates is `UNKNOWN`, never "probably spendable".
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence

from falconer_shared.bitcoin.ripemd160 import ripemd160
from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import Malformed
from falconer_shared.units import Amount

OP_0 = 0x00
OP_PUSHDATA1 = 0x4C
OP_PUSHDATA2 = 0x4D
OP_PUSHDATA4 = 0x4E
OP_1 = 0x51
OP_16 = 0x60
OP_RETURN = 0x6A
OP_DUP = 0x76
OP_EQUAL = 0x87
OP_EQUALVERIFY = 0x88
OP_HASH160 = 0xA9
OP_CHECKSIG = 0xAC
OP_CHECKMULTISIG = 0xAE

MAX_MULTISIG_KEYS = 20
"""Keys of one OP_CHECKMULTISIG (consensus `MAX_PUBKEYS_PER_MULTISIG`, A036)."""

MAX_REDEEM_SCRIPT_SIZE = 520
"""Bytes of a script behind a script hash (BIP 16): it is pushed, and consensus pushes no more at once (A036)."""

MAX_SCRIPT_SIZE = 10_000
"""Bytes above which consensus never runs a script, so that the output can never be spent."""

DUST_RELAY_SATS_PER_VBYTE = 3
"""Bitcoin Core `DUST_RELAY_TX_FEE`, 3,000 sats per 1,000 vB: an output is dust when spending it would cost more than it holds."""

_LEGACY_SPEND_SIZE = 32 + 4 + 1 + 107 + 4
_WITNESS_SPEND_SIZE = 32 + 4 + 1 + 107 // 4 + 4


class ScriptType(enum.Enum):
    """What an output script is."""

    P2PKH = "p2pkh"
    P2SH = "p2sh"
    P2WPKH = "p2wpkh"
    P2WSH = "p2wsh"
    P2TR = "p2tr"
    OP_RETURN = "op_return"
    WITNESS_UNKNOWN = "witness_unknown"
    P2PK = "p2pk"
    BARE_MULTISIG = "bare_multisig"
    UNKNOWN = "unknown"


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def double_sha256(data: bytes) -> bytes:
    """SHA-256 of SHA-256: names transactions and blocks."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256: names keys and scripts in 20 bytes."""
    return ripemd160(hashlib.sha256(data).digest())


def p2pkh(key_hash: bytes) -> bytes:
    """Pay to the hash160 of a key. It is also the script code of P2WPKH (BIP 143)."""
    return b"\x76\xa9\x14" + _exact(key_hash, 20) + b"\x88\xac"


def p2sh(script_hash: bytes) -> bytes:
    """Pay to the hash160 of a script (BIP 16)."""
    return b"\xa9\x14" + _exact(script_hash, 20) + b"\x87"


def p2wpkh(key_hash: bytes) -> bytes:
    """Witness version 0, hash160 of a key (BIP 141)."""
    return b"\x00\x14" + _exact(key_hash, 20)


def p2wsh(script_hash: bytes) -> bytes:
    """Witness version 0, SHA-256 of a script (BIP 141)."""
    return b"\x00\x20" + _exact(script_hash, 32)


def p2tr(output_key: bytes) -> bytes:
    """Witness version 1, x-only output key (BIP 341)."""
    return b"\x51\x20" + _exact(output_key, 32)


def push(data: bytes) -> bytes:
    """The shortest plain push of `data` (no OP_N for small numbers)."""
    size = len(data)
    if size < OP_PUSHDATA1:
        return bytes((size,)) + data
    if size <= 0xFF:
        return bytes((OP_PUSHDATA1, size)) + data
    if size <= 0xFFFF:
        return bytes((OP_PUSHDATA2,)) + size.to_bytes(2, "little") + data
    return bytes((OP_PUSHDATA4,)) + size.to_bytes(4, "little") + data


def read_pushes(script: bytes, where: str = "script") -> tuple[bytes, ...]:
    """What a script pushes that does nothing but push, each item in its shortest form (BIP 62, rules 2 and 3).

    An item of one byte is refused: most have an opcode of their own, and no scriptSig of ours has one.

    Raises:
        Malformed: `script-not-pushes`.
    """
    items: list[bytes] = []
    position = 0
    while position < len(script):
        opcode = script[position]
        position += 1
        width = {OP_PUSHDATA1: 1, OP_PUSHDATA2: 2}.get(opcode, 0)
        size = int.from_bytes(script[position : position + width], "little") if width else opcode
        start = position + width
        item = script[start : start + size]
        # writing the item again tells at once: another opcode, a longer form, bytes that are not there
        if len(item) == 1 or push(item) != script[position - 1 : start + size]:
            raise Malformed(
                "script-not-pushes",
                f"{where}: something else than the shortest push of data at byte {position - 1}",
                position=position - 1,
            )
        items.append(item)
        position = start + size
    return tuple(items)


def multi_script(threshold: int, pubkeys: Sequence[bytes]) -> bytes:
    """`threshold` of these compressed keys, in this order (BIP 383 `multi`).

    Raises:
        ValueError: not 1 <= threshold <= keys <= 20: the descriptor parser has refused that in words before.
    """
    if not 1 <= threshold <= len(pubkeys) <= MAX_MULTISIG_KEYS:
        raise ValueError("multisig needs 1 <= threshold <= keys <= 20")
    keys = b"".join(b"\x21" + _exact(key, 33) for key in pubkeys)
    return _small_number(threshold) + keys + _small_number(len(pubkeys)) + bytes((OP_CHECKMULTISIG,))


def witness_program(script: bytes) -> tuple[int, bytes] | None:
    """Version and program of a witness output (BIP 141: one OP_N, one direct push of 2 to 40 bytes, nothing else); else None."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2:
        return None
    if script[0] == OP_0:
        return 0, script[2:]
    if OP_1 <= script[0] <= OP_16:
        return script[0] - OP_1 + 1, script[2:]
    return None


def classify(script: bytes) -> ScriptType:
    """What an output script is, byte for byte."""
    program = witness_program(script)
    if program is not None:
        version, data = program
        if version == 0:
            # any other length of version 0 can never be spent (BIP 141)
            return {20: ScriptType.P2WPKH, 32: ScriptType.P2WSH}.get(len(data), ScriptType.UNKNOWN)
        return ScriptType.P2TR if version == 1 and len(data) == 32 else ScriptType.WITNESS_UNKNOWN
    return _classify_legacy(script)


def _classify_legacy(script: bytes) -> ScriptType:
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return ScriptType.P2PKH
    if size == 23 and script[:2] == b"\xa9\x14" and script[22] == OP_EQUAL:
        return ScriptType.P2SH
    if size and script[0] == OP_RETURN:
        return ScriptType.OP_RETURN
    if (
        size in (35, 67)
        and script[0] == size - 2
        and script[-1] == OP_CHECKSIG
        and _is_key_shape(script[1:-1])
    ):
        return ScriptType.P2PK
    return ScriptType.BARE_MULTISIG if _is_multisig(script) else ScriptType.UNKNOWN


def dust_limit(script: bytes) -> Amount:
    """Satoshis below which an output with this script is dust (Bitcoin Core `GetDustThreshold`); 0 where it cannot be spent."""
    if script[:1] == bytes((OP_RETURN,)) or len(script) > MAX_SCRIPT_SIZE:
        return Amount(0)
    size = 8 + len(compact_size(len(script))) + len(script)
    size += _LEGACY_SPEND_SIZE if witness_program(script) is None else _WITNESS_SPEND_SIZE
    return Amount(size * DUST_RELAY_SATS_PER_VBYTE)


def _exact(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError(f"{size} bytes expected, {len(data)} given")
    return data


def _small_number(value: int) -> bytes:
    return bytes((OP_1 - 1 + value,)) if value <= 16 else bytes((1, value))


def _is_key_shape(key: bytes) -> bool:
    return (len(key) == 33 and key[0] in (2, 3)) or (len(key) == 65 and key[0] == 4)


def _is_multisig(script: bytes) -> bool:
    """Whether this is k, keys, n, OP_CHECKMULTISIG with both numbers as OP_1 to OP_16, as in Bitcoin Core's solver."""
    if len(script) < 3 or script[-1] != OP_CHECKMULTISIG:
        return False
    if not (OP_1 <= script[0] <= OP_16 and OP_1 <= script[-2] <= OP_16):
        return False
    position, keys, end = 1, 0, len(script) - 2
    while position < end:
        size = script[position]
        if not _is_key_shape(script[position + 1 : min(position + 1 + size, end)]):
            return False
        position += 1 + size
        keys += 1
    return position == end and keys == script[-2] - OP_1 + 1 and script[0] - OP_1 + 1 <= keys
