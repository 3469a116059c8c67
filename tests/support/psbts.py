"""PSBTs put together from raw maps, for tests of the parser: valid ones, one example of each field, and the official vectors.

Shares no code with the product: sizes, transactions and keys are written by hand here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.rawpsbt import MAGIC, Map, size

PUBKEY = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
XONLY = PUBKEY[1:]
SIGNATURE = bytes.fromhex("30440220" + "11" * 32 + "0220" + "22" * 32 + "01")
XPUB = bytes.fromhex("043587cf" + "02" + "aabbccdd" + "80000001" + "33" * 32) + PUBKEY
"""A BIP 32 key of depth 2."""

P2WPKH = bytes.fromhex("0014" + "44" * 20)
FINAL = 0xFFFFFFFF


def prefixed(data: bytes) -> bytes:
    return size(len(data)) + data


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def transaction(
    inputs: Sequence[tuple[bytes, int, int]],
    outputs: Sequence[tuple[int, bytes]],
    locktime: int = 0,
    script_sig: bytes = b"",
) -> bytes:
    """The layout without witness; an input is (txid, vout, sequence), an output (sats, script)."""
    return (
        u32(2)
        + size(len(inputs))
        + b"".join(txid + u32(vout) + prefixed(script_sig) + u32(sequence) for txid, vout, sequence in inputs)
        + size(len(outputs))
        + b"".join(u64(value) + prefixed(script) for value, script in outputs)
        + u32(locktime)
    )


def txid(index: int) -> bytes:
    return bytes((index % 251 + 1,)) * 28 + u32(index)


PREVIOUS = transaction([(txid(9), 1, FINAL)], [(150_000, P2WPKH), (1, P2WPKH)])
"""A previous transaction in legacy layout; no outpoint of the samples names it."""


def joined(maps: Sequence[Map]) -> bytes:
    return MAGIC + b"".join(
        b"".join(prefixed(key) + prefixed(value) for key, value in fields) + b"\0" for fields in maps
    )


def v0(*, added: dict[str, Map] | None = None, inputs: int = 1, outputs: int = 1, locktime: int = 0) -> bytes:
    """A version 0 PSBT; `added` gives further fields of the "global" map, of the first "input", of the first "output"."""
    tx = transaction(
        [(txid(index), index, FINAL - 2) for index in range(inputs)],
        [(100_000 + index, P2WPKH) for index in range(outputs)],
        locktime,
    )
    return _with([(b"\x00", tx)], [[] for _ in range(inputs)], [[] for _ in range(outputs)], added)


def v2(*, added: dict[str, Map] | None = None, inputs: int = 1, outputs: int = 1, locktime: int = 0) -> bytes:
    """The same transaction in version 2."""
    head = [
        (b"\x02", u32(2)),
        (b"\x03", u32(locktime)),
        (b"\x04", size(inputs)),
        (b"\x05", size(outputs)),
        (b"\xfb", u32(2)),
    ]
    ins = [[(b"\x0e", txid(n)), (b"\x0f", u32(n)), (b"\x10", u32(FINAL - 2))] for n in range(inputs)]
    outs = [[(b"\x03", u64(100_000 + n)), (b"\x04", P2WPKH)] for n in range(outputs)]
    return _with(head, ins, outs, added)


def _with(head: Map, ins: list[Map], outs: list[Map], added: dict[str, Map] | None) -> bytes:
    more = added or {}
    head += more.get("global", [])
    if "input" in more:
        ins[0] += more["input"]
    if "output" in more:
        outs[0] += more["output"]
    return joined([head, *ins, *outs])


DERIVATION = bytes.fromhex("aabbccdd") + u32(0x80000054) + u32(7)
TAPROOT_DERIVATION = b"\x01" + b"\x55" * 32 + DERIVATION
TREE = b"\x01\xc0\x01\x51" + b"\x02\xc0\x01\x52" + b"\x02\xc0\x00"
"""Leaves at depths 1, 2, 2."""

EXAMPLES: dict[tuple[str, int], tuple[bytes, bytes]] = {
    ("global", 0x01): (XPUB, DERIVATION),
    ("global", 0x08): (PUBKEY, b"\x66" * 64),
    ("global", 0x06): (b"", b"\x00"),
    ("global", 0xFC): (b"\x03abc\x07more", b"anything"),
    ("input", 0x00): (b"", PREVIOUS),
    ("input", 0x01): (b"", u64(150_000) + prefixed(P2WPKH)),
    ("input", 0x02): (PUBKEY, SIGNATURE),
    ("input", 0x03): (b"", u32(1)),
    ("input", 0x04): (b"", P2WPKH),
    ("input", 0x05): (b"", b"\x51"),
    ("input", 0x06): (PUBKEY, DERIVATION),
    ("input", 0x07): (b"", b"\x16" + P2WPKH),
    ("input", 0x08): (b"", b"\x02" + prefixed(SIGNATURE) + prefixed(PUBKEY)),
    ("input", 0x09): (b"", b"all mine"),
    ("input", 0x0A): (bytes.fromhex("5f0db60133b07c60425104ce7c62f3d797af667a"), b"preimage"),
    ("input", 0x0B): (hashlib.sha256(b"preimage").digest(), b"preimage"),
    ("input", 0x0C): (bytes.fromhex("5d134d6fcd67e60ff01353700cd6aaa2bf568c70"), b"preimage"),
    ("input", 0x0D): (hashlib.sha256(hashlib.sha256(b"preimage").digest()).digest(), b"preimage"),
    ("input", 0x11): (b"", u32(1_700_000_000)),
    ("input", 0x12): (b"", u32(800_000)),
    ("input", 0x13): (b"", b"\x88" * 64),
    ("input", 0x14): (XONLY + b"\x55" * 32, b"\x88" * 64 + b"\x01"),
    ("input", 0x15): (b"\xc0" + XONLY + b"\x55" * 32, b"\x51\xc0"),
    ("input", 0x16): (XONLY, TAPROOT_DERIVATION),
    ("input", 0x17): (b"", XONLY),
    ("input", 0x18): (b"", b"\x55" * 32),
    ("input", 0x19): (b"", b"proof"),
    ("input", 0x1A): (PUBKEY, PUBKEY + b"\x03" + XONLY),
    ("input", 0x1B): (PUBKEY + PUBKEY, b"\x99" * 66),
    ("input", 0x1C): (PUBKEY + PUBKEY + b"\x55" * 32, b"\x99" * 32),
    ("input", 0x1D): (PUBKEY, PUBKEY),
    ("input", 0x1E): (PUBKEY, b"\x66" * 64),
    ("input", 0xFC): (b"\x00\x00", b""),
    ("output", 0x00): (b"", P2WPKH),
    ("output", 0x01): (b"", b"\x51"),
    ("output", 0x02): (PUBKEY, DERIVATION),
    ("output", 0x05): (b"", XONLY),
    ("output", 0x06): (b"", TREE),
    ("output", 0x07): (XONLY, TAPROOT_DERIVATION),
    ("output", 0x08): (PUBKEY, PUBKEY),
    ("output", 0x09): (b"", PUBKEY + PUBKEY),
    ("output", 0x0A): (b"", u32(1)),
    ("output", 0xFC): (b"\x08falconer\x00", b"?"),
}
"""One well-formed example of each field that is not part of the structure: key data and value."""

STRUCTURE = (
    {("global", kind) for kind in (0x00, 0x02, 0x03, 0x04, 0x05, 0xFB)}
    | {("input", kind) for kind in (0x0E, 0x0F, 0x10)}
    | {("output", kind) for kind in (0x03, 0x04)}
)
"""Fields that every sample has, in the one version or the other."""

ONLY_V2 = {
    ("global", 0x06),
    ("global", 0x08),
    ("input", 0x11),
    ("input", 0x12),
    ("input", 0x1D),
    ("input", 0x1E),
    ("output", 0x09),
    ("output", 0x0A),
}


def with_example(where: str, kind: int, version: int) -> bytes:
    data, value = EXAMPLES[where, kind]
    return with_field(where, bytes((kind,)) + data, value, version)


def with_field(where: str, key: bytes, value: bytes, version: int = 0) -> bytes:
    """A sample with one more field in one of its maps."""
    return (v0 if version == 0 else v2)(added={where: [(key, value)]})


def vector_cases(vectors: Path, bip: int) -> list[dict[str, Any]]:
    """The cases of one BIP that hold a PSBT or a transaction, in the order of the BIP."""
    cases = json.loads((vectors / "vectors" / "json" / f"bip{bip}_psbt.json").read_text())
    return [case for case in cases if "hex" in case]
