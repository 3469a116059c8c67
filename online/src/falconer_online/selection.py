"""Choosing among proposals, and counting them: for lists, never for judging."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from falconer_online.coordinator import intent_of
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_online.store.view import View
from falconer_shared.approval.intent import Intent
from falconer_shared.canonical import format_time


@dataclass(frozen=True, slots=True)
class Filter:
    """What a proposal must be. None, and no state, asks for nothing. `since` is inclusive, `until` is not."""

    states: frozenset[ProposalState] = frozenset()
    wallet: str | None = None
    requester: str | None = None
    since: int | None = None
    until: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A proposal with what lists show of it. `sats` is the sum of its payments."""

    row: ProposalRow
    intent: Intent
    wallet: str
    sats: int

    @property
    def created(self) -> str:
        return format_time(self.row.created_at)

    @property
    def expires(self) -> str:
        return format_time(self.row.expires_at)


def select(view: View, wanted: Filter) -> tuple[Chosen, ...]:
    """The proposals that a filter chooses, oldest first.

    Raises:
        StateError: `wallet-unknown`.
    """
    wallet_id = view.wallet(wanted.wallet).wallet_id if wanted.wallet is not None else None
    names = {row.wallet_id: row.name for row in view.wallets()}
    found = []
    for row in view.proposals(wallet_id=wallet_id):
        intent = intent_of(row)
        sats = sum(int(amount) for amount, _ in intent.pays)
        if (
            (not wanted.states or row.state in wanted.states)
            and (wanted.requester is None or intent.requester == wanted.requester)
            and (wanted.since is None or row.created_at >= wanted.since)
            and (wanted.until is None or row.created_at < wanted.until)
            and (wanted.low is None or sats >= wanted.low)
            and (wanted.high is None or sats <= wanted.high)
        ):
            found.append(Chosen(row, intent, names.get(row.wallet_id, row.wallet_id), sats))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many proposals, and satoshis paid. A proposal with two destinations counts at each, with its part."""

    count: int = 0
    sats: int = 0


def sums(chosen: Iterable[Chosen]) -> Mapping[str, Mapping[str, Sum]]:
    """By `state`, `requester` and `destination`; the largest sum first.

    What was bumped is one payment that somebody asked for once: transactions under one intent count by state alone.
    """
    found: dict[str, dict[str, Sum]] = {"state": {}, "requester": {}, "destination": {}}
    asked: set[bytes] = set()
    for each in chosen:
        parts = [("state", each.row.state.value, each.sats)]
        if each.row.intent not in asked:
            parts.append(("requester", each.intent.requester, each.sats))
            parts += [("destination", address, int(amount)) for amount, address in each.intent.pays]
        asked.add(each.row.intent)
        for by, key, sats in parts:
            before = found[by].get(key, Sum())
            found[by][key] = replace(before, count=before.count + 1, sats=before.sats + sats)
    return {
        by: dict(sorted(table.items(), key=lambda item: (-item[1].sats, item[0])))
        for by, table in found.items()
    }


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines that a spreadsheet reads. A text that one would take for a formula begins with an apostrophe:
    purposes are written by whoever asks for money (CWE-1236).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(each) for each in row])
    return out.getvalue()


def _cell(value: object) -> str:
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA) and text != "-" else text
