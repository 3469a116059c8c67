"""`falconer receipt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import json_option
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.times import local_of
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.jsontype import Json


@click.command("list")
@click.option("--signer", help="Only of that signer.")
@json_option
@pass_session
def list_(session: Session, signer: str | None) -> None:
    """All receipts, by signer and number."""
    from falconer_online.present import receipt_json

    coordinator = session.open()
    with coordinator.store.read() as view:
        found = [receipt_json(row) for row in view.receipts(signer=signer)]
    session.table(
        ("signer", "number", "verdict", "proposal", "judged"),
        [
            (
                each["signer"],
                each["number"],
                each["verdict"],
                each["proposal"] or "-",
                local_of(str(each["judged"])),
            )
            for each in found
        ],
    )
    session.result({"receipts": list(found)})


@click.command("show")
@click.argument("signer", required=False)
@click.argument("number", type=int, required=False)
@click.option("--signer", "by", metavar="SIGNER", help="With --since: of that signer.")
@click.option("--since", type=int, help="All from that number on.")
@json_option
@pass_session
def show(session: Session, signer: str | None, number: int | None, by: str | None, since: int | None) -> None:
    """Receipts with their text: one (SIGNER NUMBER), or all of a signer --since a number."""
    from falconer_online.present import receipt_json

    coordinator = session.open()
    name = signer or by
    with coordinator.store.read() as view:
        rows = [
            row
            for row in view.receipts(signer=name, since=number or since or 0)
            if number is None or row.number == number
        ]
    if not rows:
        raise UsageError(
            "receipt-unknown",
            f"there is no such receipt of '{safe(name or 'any signer')}'",
            remedy="falconer receipt list shows them",
        )
    documents: list[Json] = []
    for row in rows:
        session.say(row.text.decode("ascii"))
        documents.append({**receipt_json(row), "text": row.text.decode("ascii")})
    session.result({"receipts": documents})
