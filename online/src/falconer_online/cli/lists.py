"""`falconer proposals list`, `stats` and `expire`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from falconer_online.cli.options import json_option, parse_moment
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import document, refresh
from falconer_online.cli.times import short
from falconer_shared.errors import UsageError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.selection import Chosen, Filter


@dataclass(frozen=True, slots=True)
class _Options:
    state: tuple[str, ...]
    wallet: str | None
    requester: str | None
    since: str | None
    until: str | None
    low: int | None
    high: int | None


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options that choose proposals."""
    for option in reversed((
        click.option("--state", multiple=True, help="Only those in that state; again for another."),
        click.option("--wallet", help="Only of that wallet."),
        click.option("--requester", help="Only what they asked for."),
        click.option("--since", metavar="TIME", help="Made then or later: 2026-01-31, a full time, or 7d for seven days ago."),
        click.option("--until", metavar="TIME", help="Made before then."),
        click.option("--min", "low", type=click.IntRange(min=0), metavar="SATS", help="Paying at least so much."),
        click.option("--max", "high", type=click.IntRange(min=0), metavar="SATS", help="Paying at most so much."),
        click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values on standard output."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command("list")
@_filters
@json_option
@pass_session
def list_(session: Session, /, *, as_csv: bool, **words: Any) -> None:  # noqa: ANN401  # the options of _filters
    """Proposals, oldest first."""
    coordinator, chosen = _chosen(session, _Options(**words), as_csv=as_csv)
    if as_csv:
        _write_csv(
            ("id", "state", "wallet", "created", "expires", "sats", "payments", "requester", "strategy", "txid", "purpose"),
            [
                (
                    each.row.id, each.row.state.value, each.wallet, each.created, each.expires, each.sats,
                    len(each.intent.pays), each.intent.requester, each.intent.strategy, each.row.txid or "",
                    each.row.purpose,
                )
                for each in chosen
            ],
        )  # fmt: skip
        return
    documents: list[Json] = []
    if session.json:
        with session.progress("verifying") as progress:
            for done, each in enumerate(chosen, 1):
                documents.append(document(coordinator, each.row))
                progress(done, len(chosen))
    else:
        session.table(
            ("id", "state", "made", "sats", "BTC", "payments", "requester", "purpose"),
            [
                (
                    each.row.id, each.row.state.value, short(each.row.created_at), f"{each.sats:,}",
                    btc(each.sats).removesuffix(" BTC"), len(each.intent.pays), each.intent.requester,
                    safe(each.row.purpose, 40),
                )
                for each in chosen
            ],
        )  # fmt: skip
    session.result({"proposals": documents})


@click.command("stats")
@_filters
@json_option
@pass_session
def stats(session: Session, /, *, as_csv: bool, **words: Any) -> None:  # noqa: ANN401
    """Counts and sums of proposals by state, by requester and by destination."""
    from falconer_online.selection import sums

    _, chosen = _chosen(session, _Options(**words), as_csv=as_csv)
    found = sums(chosen)
    if as_csv:
        _write_csv(
            ("by", "key", "count", "sats"),
            [(by, key, each.count, each.sats) for by, table in found.items() for key, each in table.items()],
        )
        return
    total = sum(each.sats for each in found["requester"].values())
    session.say(f"{len(chosen)} proposals, {grouped(total)}, {btc(total)}")
    for by, table in found.items():
        session.say()
        session.table(
            (by, "count", "sats", "BTC"),
            [
                (safe(key, 100), each.count, f"{each.sats:,}", btc(each.sats).removesuffix(" BTC"))
                for key, each in table.items()
            ],
        )
    session.result(
        {
            "count": len(chosen),
            "sats": total,
            **{
                f"by_{by}": [{by: key, "count": each.count, "sats": each.sats} for key, each in table.items()]
                for by, table in found.items()
            },
        }
    )


@click.command("expire")
@json_option
@pass_session
def expire(session: Session) -> None:
    """Expire what is past its time, and free its coins. Other commands do so by the way; a timer may."""
    from falconer_online.proposals import expire_due

    coordinator = session.open()
    with coordinator.exclusive():
        rows = expire_due(coordinator)
    for row in rows:
        session.say(f"{row.id}: {row.state} -> expired")
    if not rows:
        session.say("Nothing is past its time.")
    if any(row.request_psbt is not None for row in rows):
        session.warn(
            "signing requests had been made: a signature that exists cannot be recalled, so these stay in the limits"
        )
    session.result({"expired": [document(coordinator, row) for row in rows]})


def _chosen(session: Session, options: _Options, *, as_csv: bool) -> tuple[Coordinator, tuple[Chosen, ...]]:
    from falconer_online.selection import select

    if as_csv and session.json:
        raise UsageError("usage", "--csv and --json both say what goes to standard output")
    coordinator = session.open()
    wanted = _filter(options, coordinator)
    refresh(session, coordinator, aside=as_csv)
    with coordinator.store.read() as view:
        return coordinator, select(view, wanted)


def _filter(options: _Options, coordinator: Coordinator) -> Filter:
    from falconer_online.selection import Filter
    from falconer_online.states import ProposalState

    for state in options.state:
        if state not in {each.value for each in ProposalState}:
            raise UsageError(
                "proposal-state-unknown",
                f"there is no state '{safe(state)}'",
                remedy="states: " + " ".join(each.value for each in ProposalState),
            )
    now = coordinator.clock()
    return Filter(
        states=frozenset(map(ProposalState, options.state)),
        wallet=options.wallet,
        requester=options.requester,
        since=parse_moment(options.since, now) if options.since is not None else None,
        until=parse_moment(options.until, now) if options.until is not None else None,
        low=options.low,
        high=options.high,
    )


def _write_csv(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    from falconer_online.selection import csv_text

    click.echo(csv_text(columns, rows), nl=False)
