"""What the values of fields must look like inside, where a BIP says more than a width.

Each check reads a nested object from its own bytes, which it must use up exactly (A075), and allocates
nothing for a count that it finds there (A079). `key` is the whole key with its type byte; `where` names the
field in errors.
"""

from __future__ import annotations

from collections.abc import Callable

from falconer_shared.bitcoin.private_data import refuse_private_key
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.errors import Malformed
from falconer_shared.units import Amount

MAX_PATH_STEPS = 255
"""BIP 32: the depth of a key is one byte, so no derivation is longer."""

MAX_TAPROOT_DEPTH = 128
"""BIP 341: the longest Merkle path of a script."""

_COMPRESSED = frozenset({2, 3})


def pubkeys_in_key(key: bytes, _value: bytes, where: str) -> None:
    """Key data that begins with one compressed key (BIP 174 partial signatures and derivations, BIP 375 scan
    keys).

    Uncompressed keys are refused: no wallet that Falconer registers has any, and segregated witness forbids
    them (BIP 143).
    """
    if key[1] not in _COMPRESSED:
        raise Malformed("psbt-pubkey-form", f"{where}: {key[1:34].hex()} is not a compressed public key")


def two_pubkeys_in_key(key: bytes, value: bytes, where: str) -> None:
    """Participant and aggregate key (BIP 373 nonces and partial signatures)."""
    pubkeys_in_key(key, value, where)
    if key[34] not in _COMPRESSED:
        raise Malformed("psbt-pubkey-form", f"{where}: {key[34:67].hex()} is not a compressed public key")


def participants(key: bytes, value: bytes, where: str) -> None:
    """An aggregate key, and the keys it was made of (BIP 373)."""
    pubkeys_in_key(key, value, where)
    if len(value) % 33 or not _COMPRESSED.issuperset(value[::33]):
        raise Malformed("psbt-pubkey-form", f"{where}: not a list of compressed public keys")


def derivation(key: bytes, value: bytes, where: str) -> None:
    """A compressed key, its master fingerprint and path (BIP 174)."""
    pubkeys_in_key(key, value, where)
    _origin(len(value), where)


def _origin(size: int, where: str) -> None:
    if size < 4 or size % 4 or size > 4 + 4 * MAX_PATH_STEPS:
        raise Malformed(
            "psbt-derivation-malformed",
            f"{where}: {size} bytes are no fingerprint with up to {MAX_PATH_STEPS} steps of 4 bytes",
        )


def xpub(key: bytes, value: bytes, where: str) -> None:
    """An extended key, no private one (A039), whose depth is the number of steps that lead to it (BIP 174)."""
    refuse_private_key(key[1:], where)
    _origin(len(value), where)
    depth = key[5]
    if len(value) != 4 + 4 * depth:
        raise Malformed(
            "psbt-derivation-malformed",
            f"{where}: a key of depth {depth} with a path of {len(value) // 4 - 1} steps",
        )


def witness_utxo(_key: bytes, value: bytes, where: str) -> None:
    """One output: amount in range, script of exactly the stated length."""
    Amount(int.from_bytes(value[:8], "little"))
    if value[8] < 0xFD and len(value) == 9 + value[8]:
        return
    reader = ByteReader(value, where, rule="psbt-nested-malformed")
    reader.position = 8
    reader.prefixed()
    _exhausted(reader)


def _exhausted(reader: ByteReader) -> None:
    if reader.remaining():
        raise reader.error(f"{reader.remaining()} bytes too many")


def witness(_key: bytes, value: bytes, where: str) -> None:
    """A witness stack: its items use up the value exactly."""
    reader = ByteReader(value, where, rule="psbt-nested-malformed")
    items = reader.count(1)
    position, end = reader.position, len(value)
    while items and position < end:
        position = _behind(reader, value, position)
        items -= 1
    if items or position != end:
        raise Malformed(
            "psbt-nested-malformed", f"{where}: the items of the witness do not fill its {end} bytes exactly"
        )


def _behind(reader: ByteReader, value: bytes, position: int) -> int:
    """The position behind the length-prefixed bytes at `position`, which may be behind the end.

    Apart from the reader, because millions of tiny items must not cost a second.
    """
    size = value[position]
    if size < 0xFD:
        return position + 1 + size
    reader.position = position
    size = reader.compact_size()
    return reader.position + size


def taproot_derivation(_key: bytes, value: bytes, where: str) -> None:
    """Leaf hashes, then fingerprint and path (BIP 371)."""
    reader = ByteReader(value, where, rule="psbt-nested-malformed")
    hashes = reader.count(32)
    _origin(reader.remaining() - 32 * hashes, where)


def control_block(key: bytes, value: bytes, where: str) -> None:
    """A control block as key data: 33 bytes and a path of 0 to 128 hashes (BIP 341); the script's leaf version is its own."""
    size = len(key) - 1
    if size < 33 or (size - 33) % 32 or size > 33 + 32 * MAX_TAPROOT_DEPTH:
        raise Malformed("psbt-key-size", f"{where}: {size} bytes are no control block")
    if value[-1] != key[1] & 0xFE:
        raise Malformed(
            "psbt-taproot-leaf", f"{where}: leaf version {value[-1]:#04x} under control byte {key[1]:#04x}"
        )


def taproot_tree(_key: bytes, value: bytes, where: str) -> None:
    """The leaves of one whole script tree in depth-first order (BIP 371)."""
    reader = ByteReader(value, where, rule="psbt-nested-malformed")
    # bit d is set when the subtree at depth d awaits its right half
    waiting = 0
    complete = False
    position, end = 0, len(value)
    while position + 2 < end:
        depth, version = value[position], value[position + 1]
        position = _behind(reader, value, position + 2)
        if complete or depth > MAX_TAPROOT_DEPTH or version & 1:
            raise Malformed("psbt-taproot-tree", f"{where}: a leaf that cannot stand there")
        if waiting >> depth > 1:
            raise Malformed("psbt-taproot-tree", f"{where}: leaves are not in depth-first order")
        while depth and waiting >> depth & 1:
            waiting ^= 1 << depth
            depth -= 1
        if depth:
            waiting |= 1 << depth
        else:
            complete = True
    if position != end:
        raise Malformed("psbt-nested-malformed", f"{where}: the leaves do not fill its {end} bytes exactly")
    if not complete:
        raise Malformed("psbt-taproot-tree", f"{where}: leaves are missing")


def proprietary(key: bytes, _value: bytes, where: str) -> None:
    """Identifier, then subtype, then free key data (BIP 174)."""
    reader = ByteReader(key, where, rule="psbt-proprietary-malformed")
    reader.position = 1
    reader.prefixed()
    reader.compact_size()


def preimage(hash_function: Callable[[bytes], bytes]) -> Callable[[bytes, bytes, str], None]:
    """A check that the value hashes to the key data (BIP 174)."""

    def check(key: bytes, value: bytes, where: str) -> None:
        if hash_function(value) != key[1:]:
            raise Malformed("psbt-preimage-mismatch", f"{where}: the preimage does not hash to its key")

    return check


def height_locktime(_key: bytes, value: bytes, where: str) -> None:
    """1 to 499,999,999 (BIP 370)."""
    if not 0 < int.from_bytes(value, "little") < 500_000_000:
        raise Malformed(
            "psbt-locktime-range", f"{where}: {int.from_bytes(value, 'little')} is not a block height"
        )


def time_locktime(_key: bytes, value: bytes, where: str) -> None:
    """500,000,000 or more (BIP 370)."""
    if int.from_bytes(value, "little") < 500_000_000:
        raise Malformed("psbt-locktime-range", f"{where}: {int.from_bytes(value, 'little')} is not a time")


def amount(_key: bytes, value: bytes, _where: str) -> None:
    """Satoshis in the range of money."""
    Amount(int.from_bytes(value, "little", signed=True))
