"""Labels: notes on addresses, transactions and coins that travel between wallets (BIP 329).

They are for people's eyes. No check, no policy and no choice of coins reads them, and a label that calls a
stranger's address ours makes it no more ours (A120). `spendable: false` is kept for the next export and
freezes nothing: that is `coin freeze`, which is audited.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from falconer_online.coordinator import Coordinator
from falconer_online.jsontype import Json
from falconer_online.store.rows import LabelRow
from falconer_online.store.view import View
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.text import safe

MAX_LABEL: Final = 255
"""Characters of a label: what BIP 329 asks every wallet to take."""

MAX_LABELS: Final = 20_000
"""Labels of one coordinator."""

MAX_LABEL_FILE: Final = 8 * 1024 * 1024
MAX_LABEL_LINE: Final = 4096
"""Bytes of a line: several times what its fields may hold together."""

_MAX_ORIGIN: Final = 1000

TYPES: Final = ("tx", "addr", "pubkey", "input", "output", "xpub")

_REFERENCES: Final = {
    "tx": re.compile(r"[0-9a-f]{64}\Z", re.ASCII),
    "pubkey": re.compile(r"(?:[0-9a-f]{64}|0[23][0-9a-f]{64}|04[0-9a-f]{128})\Z", re.ASCII),
    "xpub": re.compile(r"[1-9A-HJ-NP-Za-km-z]{100,120}\Z", re.ASCII),
}


def check_label(kind: str, reference: str, label: str, network: Network) -> LabelRow:
    """A label that may be kept; its reference in the one spelling of it.

    Raises:
        Malformed: `label-malformed`.
    """
    if kind not in TYPES:
        raise _malformed(f"'{safe(kind, 20)}' is none of {', '.join(TYPES)}")
    if len(label) > MAX_LABEL:
        raise _malformed(f"a label has at most {MAX_LABEL} characters, this one {len(label)}")
    if any(0xD800 <= ord(character) < 0xE000 for character in label):
        raise _malformed("half of a character (a surrogate) stands in the label")
    return LabelRow(kind, _reference(kind, reference, network), label)


def _reference(kind: str, text: str, network: Network) -> str:
    try:
        if kind == "addr":
            return address_of(script_of(text, network), network)
        if kind in {"input", "output"}:
            return OutPoint.parse_text(text).text()
    except FalconerError as problem:
        raise _malformed(problem.message) from None
    if not _REFERENCES[kind].match(text):
        raise _malformed(f"'{safe(text, 80)}' names no {kind}")
    return text


def read(data: bytes, network: Network) -> tuple[tuple[LabelRow, ...], int]:
    """The labels of a BIP 329 file, and how many lines of unknown types were passed over, as it asks.

    All of it is read or nothing: a refusal names the line.

    Raises:
        Malformed: `label-malformed`, `labels-too-many`.
    """
    found: dict[tuple[str, str], LabelRow] = {}
    passed_over = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _row(line, network)
        except Malformed as problem:
            raise Malformed(
                "label-malformed",
                f"line {number}: {problem.message}",
                remedy="nothing was imported",
                line=number,
            ) from None
        if row is None:
            passed_over += 1
            continue
        if (row.type, row.ref) in found:
            raise Malformed(
                "label-malformed",
                f"line {number}: a second label of {row.type} {safe(row.ref, 120)}",
                remedy="nothing was imported",
                line=number,
            )
        found[row.type, row.ref] = row
        if len(found) > MAX_LABELS:
            raise Malformed(
                "labels-too-many", f"a coordinator keeps at most {MAX_LABELS} labels", limit=MAX_LABELS
            )
    return tuple(found.values()), passed_over


def _row(line: bytes, network: Network) -> LabelRow | None:
    if len(line) > MAX_LABEL_LINE:
        raise _malformed(f"it has more than {MAX_LABEL_LINE} bytes")
    try:
        value: Json = json.loads(line.decode("utf-8"), object_pairs_hook=_no_repetition)
    except (ValueError, RecursionError):
        raise _malformed("it is not one JSON object in which each name stands once") from None
    if not isinstance(value, dict):
        raise _malformed("it is not a JSON object")
    kind, reference = value.get("type"), value.get("ref")
    if not isinstance(kind, str) or not isinstance(reference, str):
        raise _malformed("type and ref must be texts")
    if kind not in TYPES:
        return None
    label, origin, spendable = value.get("label", ""), value.get("origin"), value.get("spendable")
    if not isinstance(label, str):
        raise _malformed("the label is not a text")
    row = check_label(kind, reference, label, network)
    if origin is not None and (kind != "tx" or not isinstance(origin, str) or len(origin) > _MAX_ORIGIN):
        raise _malformed("only a tx has an origin, a short text")
    if spendable is not None and (kind != "output" or not isinstance(spendable, bool)):
        raise _malformed("only an output is spendable or not, true or false")
    return LabelRow(row.type, row.ref, row.label, origin, spendable)


def _no_repetition(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def write(rows: Iterable[LabelRow]) -> bytes:
    """A BIP 329 file: one ASCII line each, whatever the labels hold (A119)."""
    return b"".join(json.dumps(label_json(row)).encode("ascii") + b"\n" for row in rows)


def label_json(row: LabelRow) -> dict[str, Json]:
    """A label as BIP 329 spells it."""
    found: dict[str, Json] = {"type": row.type, "ref": row.ref, "label": row.label}
    if row.origin is not None:
        found["origin"] = row.origin
    if row.spendable is not None:
        found["spendable"] = row.spendable
    return found


def _malformed(problem: str) -> Malformed:
    return Malformed("label-malformed", problem)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import brought: labels, lines passed over, and coins that it calls unspendable."""

    labels: int
    passed_over: int
    unspendable: int


def take(coordinator: Coordinator, data: bytes) -> Taken:
    """Import a BIP 329 file, whole or not at all.

    A line without a label changes none that is there (BIP 329).

    Raises:
        Malformed: `label-malformed`, `labels-too-many`.
    """
    rows, passed_over = read(data, coordinator.config.network)
    with coordinator.exclusive(), coordinator.store.change(coordinator.clock()) as change:
        check_room(change, rows)
        before = {(row.type, row.ref): row for row in change.labels()}
        for row in rows:
            there = before.get((row.type, row.ref))
            change.set_label(_over(there, row), recorded=False)
        change.record("labels-imported", count=len(rows), sha256=hashlib.sha256(data).hexdigest())
    return Taken(len(rows), passed_over, sum(row.spendable is False for row in rows))


def _over(there: LabelRow | None, row: LabelRow) -> LabelRow:
    if there is None:
        return row
    return LabelRow(
        row.type,
        row.ref,
        row.label or there.label,
        there.origin if row.origin is None else row.origin,
        there.spendable if row.spendable is None else row.spendable,
    )


def check_room(view: View, rows: Iterable[LabelRow]) -> None:
    """Accept labels that leave no more than `MAX_LABELS`.

    Raises:
        Malformed: `labels-too-many`.
    """
    together = {(row.type, row.ref) for row in (*view.labels(), *rows)}
    if len(together) > MAX_LABELS:
        raise Malformed(
            "labels-too-many", f"a coordinator keeps at most {MAX_LABELS} labels", limit=MAX_LABELS
        )
