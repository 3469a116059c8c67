"""`falconer receipt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.crossing import scan_options, show_options
from falconer_online.cli.crossing import show as show_codes
from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.times import local_of
from falconer_shared.crossing.options import Scan, Show
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
@click.argument("of", metavar="[SIGNER]", required=False)
@click.argument("number", type=int, required=False)
@click.option("--signer", "by", metavar="SIGNER", help="With --since: of that signer.")
@click.option("--since", type=int, help="All from that number on.")
@click.option("--out", type=FILE, help="Write them as JSON, which falconer receipt receive takes.")
@show_options
@json_option
@pass_session
def show(  # one argument per option
    session: Session,
    of: str | None,
    number: int | None,
    by: str | None,
    since: int | None,
    out: Path | None,
    codes: Show,
) -> None:
    """Receipts with their text: one (SIGNER NUMBER), or all of a signer --since a number."""
    from falconer_online.files import write_out
    from falconer_online.present import receipt_json

    coordinator = session.open()
    name = of or by
    with coordinator.store.read() as view:
        rows = [
            row
            for row in view.receipts(signer=name, since=number or since or 0)
            if number is None or row.number == number
        ]
        names = {row.wallet_id: row.name for row in view.wallets()}
    if not rows:
        raise UsageError(
            "receipt-unknown",
            f"there is no such receipt of '{safe(name or 'any signer')}'",
            remedy="falconer receipt list shows them",
        )
    if codes.wanted or out is not None:
        from falconer_online.receipts import to_file
        from falconer_shared.transport.parts import Kind

        data = to_file(tuple(rows), names)
        if out is not None:
            write_out(out, data)
            session.say(f"written: {shown(out)}")
        if codes.wanted:
            show_codes(session, data, Kind.JSON, codes, "receipts")
    documents: list[Json] = []
    for row in rows:
        session.say(row.text.decode("ascii"))
        documents.append({**receipt_json(row), "text": row.text.decode("ascii")})
    session.result({"receipts": documents})


@click.command("receive")
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE...]")
@scan_options
@json_option
@pass_session
def receive(session: Session, files: tuple[Path, ...], scan: Scan) -> None:
    """Take receipts that a machine shows again: `falconer-offline receipt show --out FILE`, or --qr."""
    from falconer_online.present import receipt_json
    from falconer_online.receipts import take

    coordinator = session.open()
    brought = [take(coordinator, data) for data in _take(session, files, scan)]
    taken = [each for one in brought for each in one.taken]
    foreign = [each for one in brought for each in one.foreign]
    found = [receipt_json(each.row, new=each.new) for each in taken]
    for each in found:
        new = "" if each["new"] else "  (known already)"
        session.say(f"receipt {each['number']} of {each['signer']}: {each['verdict']}{new}")
    for receipt in foreign:
        session.warn(
            f"receipt {receipt.number} of {receipt.signer} is about a request that this coordinator never made"
            f" ({'signed' if receipt.signed else 'refused'}, {receipt.request}); it is not kept"
        )
    session.result(
        {
            "receipts": list(found),
            "foreign": [
                {"signer": each.signer, "number": each.number, "request": each.request, "digest": each.digest}
                for each in foreign
            ],
        }
    )


def _take(session: Session, files: tuple[Path, ...], scan: Scan) -> list[bytes]:
    from falconer_online.files import read_file
    from falconer_shared.exchange.receipts import MAX_FILE

    if scan.wanted:
        from falconer_online.cli.crossing import scan_all
        from falconer_shared.transport.parts import Kind

        return [received.data for received in scan_all(session, scan, files, (Kind.JSON,))]
    if not files:
        raise UsageError("usage", "name the files of receipts", remedy="or read codes: --scan PICTURE...")
    return [read_file(path, MAX_FILE, "the receipts") for path in files]
