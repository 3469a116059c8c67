"""`falconer audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import json_option
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.times import local_of
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.jsontype import Json


@click.command("show")
@click.option("--proposal", help="Only of that proposal.")
@json_option
@pass_session
def show(session: Session, proposal: str | None) -> None:
    """The audit log's records, oldest first."""
    from falconer_online.audit import head
    from falconer_online.present import event_json

    coordinator = session.open()
    with coordinator.store.read() as view:
        records: list[dict[str, Json]] = [event_json(line) for line in view.audit_lines(proposal)]
        size, root = head(view)
    for record in records:
        facts = record["facts"]
        words = (
            " ".join(f"{key}={safe(str(value), 80)}" for key, value in facts.items())
            if isinstance(facts, dict)
            else ""
        )
        session.say(f"{record['n']:>6}  {local_of(str(record['at']))}  {record['event']}  {words}".rstrip())
    session.say(f"{size} records, root {root}")
    session.result({"records": list(records), "size": size, "root": root})


@click.command("verify")
@json_option
@pass_session
def verify(session: Session) -> None:
    """Read the log again, and hold it against every head that our signed requests carry."""
    from falconer_online.audit import verify as do_verify

    coordinator = session.open()
    with session.busy("reading the log again"), coordinator.store.read() as view:
        size, root = do_verify(view)
    session.say(f"The audit log holds: {size} records, root {root}")
    session.say(
        "Compare the root with one that was kept elsewhere: a log cut at its end cannot tell by itself."
    )
    session.result({"verdict": "accepted", "size": size, "root": root})
