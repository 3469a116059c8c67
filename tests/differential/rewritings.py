"""How the others write again what they read, where that says the same in other bytes: a short table, applied before comparing.

docs/verification.md shows it beside the explained differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from falconer_shared.bitcoin.curve import parse_der
from falconer_shared.errors import FalconerError
from tests.differential.explained import LIBWALLY, RUST

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

CHAIN_FLAGS_OFF = 0x3FFFFFFF
"""What libwally leaves of an output's number in version 2."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A way in which they write again what they read, that says the same; applied to both sides before they are compared."""

    name: str
    peer: str
    reason: str
    apply: Callable[[list[dict[bytes, bytes]], int], None]


def _drop_defaults(maps: list[dict[bytes, bytes]], _inputs: int) -> None:
    for key, value in ((b"\xfb", bytes(4)), (b"\x06", b"\0"), (b"\x03", bytes(4))):
        if maps[0].get(key) == value:
            del maps[0][key]


def _drop_final_sequence(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 : 1 + inputs]:
        if fields.get(b"\x10") == b"\xff" * 4:
            del fields[b"\x10"]


def _drop_chain_flags(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 : 1 + inputs]:
        if b"\x0f" in fields:
            number = int.from_bytes(fields[b"\x0f"], "little") & CHAIN_FLAGS_OFF
            fields[b"\x0f"] = number.to_bytes(4, "little")


def _sort_leaves(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 + inputs :]:
        if b"\x06" in fields:
            fields[b"\x06"] = b"".join(sorted(_leaves(fields[b"\x06"])))


def _leaves(tree: bytes) -> Iterator[bytes]:
    while tree:
        end = 3 + tree[2]
        yield tree[:end]
        tree = tree[end:]


def _drop_default_sighash(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 : 1 + inputs]:
        if fields.get(b"\x03") == bytes(4):
            del fields[b"\x03"]


def _drop_schnorr_default_byte(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 : 1 + inputs]:
        for key, value in fields.items():
            if key[0] in {0x13, 0x14} and len(value) == 65 and not value[64]:
                fields[key] = value[:64]


def _mark_impossible_signatures(maps: list[dict[bytes, bytes]], inputs: int) -> None:
    for fields in maps[1 : 1 + inputs]:
        for key, value in fields.items():
            if key[0] == 0x02 and not _in_range(value[:-1]):
                fields[key] = b"impossible"


def _in_range(der: bytes) -> bool:
    try:
        return all(0 < number < CURVE_ORDER for number in parse_der(der))
    except FalconerError:
        return False


REWRITINGS: tuple[Rewriting, ...] = (
    Rewriting(
        "libwally-sighash-default",
        LIBWALLY,
        "it leaves out a sighash type of DEFAULT, which is what none says",
        _drop_default_sighash,
    ),
    Rewriting(
        "libwally-defaults",
        LIBWALLY,
        "it leaves out, or puts in, fields that say what their absence says",
        _drop_defaults,
    ),
    Rewriting(
        "libwally-final-sequence",
        LIBWALLY,
        "BIP 370: a sequence that is not named is final",
        _drop_final_sequence,
    ),
    Rewriting(
        "libwally-chain-flags",
        LIBWALLY,
        "it takes the two highest bits of an output's number for flags of another chain",
        _drop_chain_flags,
    ),
    Rewriting(
        "rust-default-byte",
        RUST,
        "it drops 00 as 65th byte of a BIP 340 signature, which BIP 341 forbids: we refuse that signature",
        _drop_schnorr_default_byte,
    ),
    Rewriting(
        "rust-impossible-signature",
        RUST,
        "it reads any numbers out of an ECDSA signature, and writes those of none as 0: we refuse it",
        _mark_impossible_signatures,
    ),
    Rewriting("rust-defaults", RUST, "it leaves out a version of 0", _drop_defaults),
    Rewriting("rust-tree-order", RUST, "it writes the leaves of a tree in another order", _sort_leaves),
)
