"""What a PSBT says, without the order of its fields: for comparing what several programs write of the same one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.differential import explained, peers, rewritings
from tests.differential.peers import Parsed, Refusal
from tests.support.rawpsbt import RawPsbt

Maps = list[dict[bytes, bytes]]
"""Global map, one map for each input, one for each output."""


def contents(data: bytes) -> tuple[Maps, int]:
    """The maps, and how many of them are inputs'."""
    raw = RawPsbt(data)
    return [dict(each) for each in raw.maps], raw.inputs_count


def rewritten(data: bytes, again: bytes, peer: str) -> str | None:
    """How `again` says something else than `data`, if that is not a rewriting that the table knows."""
    (ours, count), (theirs, _) = contents(data), contents(again)
    if ours == theirs:
        return None
    for each in rewritings.REWRITINGS:
        if each.peer == peer:
            each.apply(ours, count)
            each.apply(theirs, count)
    if ours == theirs:
        return None
    if len(ours) != len(theirs):
        return f"{len(theirs)} maps instead of {len(ours)}"
    number = next(n for n in range(len(ours)) if ours[n] != theirs[n])
    left, right = set(ours[number].items()), set(theirs[number].items())
    return f"map {number}: lost {_fields(left - right)}, new {_fields(right - left)}"


def _without_chain_flags(psbt: UntrustedPsbt) -> bytes:
    """The unsigned transaction as libwally reads it out of a version 2 PSBT (`libwally-chain-flags`)."""
    if psbt.version == 0:
        return psbt.tx.serialize_stripped()
    inputs = tuple(
        replace(each, outpoint=OutPoint(each.outpoint.txid, each.outpoint.vout & rewritings.CHAIN_FLAGS_OFF))
        for each in psbt.tx.inputs
    )
    return replace(psbt.tx, inputs=inputs).serialize_stripped()


def _fields(fields: set[tuple[bytes, bytes]]) -> str:
    return " ".join(sorted(f"{key.hex()}={value.hex()[:40]}" for key, value in fields)) or "nothing"


def differing(
    data: bytes, step: str = "parse", *, wally: bytes | None = None, rust: bytes | None = None
) -> Iterator[str]:
    """Differences over one PSBT that the table does not explain.

    Without `wally` and `rust`, both parse it themselves; with one of them, that is what it made of it in a step of its own.
    """
    if wally is not None or rust is not None:
        for peer, again in ((explained.LIBWALLY, wally), (explained.RUST, rust)):
            problem = None if again is None else rewritten(data, again, peer)
            if problem:
                yield f"{step}, {peer}: {problem}"
        return
    mine = peers.ours(data)
    for peer, theirs in ((explained.LIBWALLY, peers.libwally(data)), (explained.RUST, peers.rust(data))):
        seen = explained.Seen("PSBT", peer, data, mine, theirs)
        if isinstance(mine, Refusal) != isinstance(theirs, str):
            if explained.why(seen) is None:
                yield f"{step}, {peer}: {seen.told()}"
        elif isinstance(theirs, Parsed) and not isinstance(mine, Refusal):
            problem = rewritten(data, theirs.again, peer)
            if problem:
                yield f"{step}, {peer}: {problem}"
            if theirs.unsigned and theirs.unsigned not in {
                mine.tx.serialize_stripped(),
                _without_chain_flags(mine),
            }:
                yield f"{step}, {peer}: another unsigned transaction"
