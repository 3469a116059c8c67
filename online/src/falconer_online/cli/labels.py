"""`falconer labels`: notes for people (BIP 329)."""

from __future__ import annotations

from pathlib import Path

import click

from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_shared.text import safe

TYPES = ("tx", "addr", "pubkey", "input", "output", "xpub")


@click.command("list")
@click.option("--type", "kind", type=click.Choice(TYPES), help="Only of that type.")
@json_option
@pass_session
def list_(session: Session, kind: str | None) -> None:
    """All labels. What they say is somebody's word: nothing is judged by it."""
    from falconer_online.labels import label_json

    coordinator = session.open()
    with coordinator.store.read() as view:
        rows = view.labels(kind)
    session.table(
        ("type", "of", "label"), [(row.type, safe(row.ref, 140), safe(row.label, 80)) for row in rows]
    )
    session.result({"labels": [label_json(row) for row in rows]})


@click.command("set")
@click.argument("kind", metavar="TYPE", type=click.Choice(TYPES))
@click.argument("reference", metavar="REF")
@click.argument("label")
@json_option
@pass_session
def set_(session: Session, kind: str, reference: str, label: str) -> None:
    """Put LABEL on the address, transaction or coin REF; an empty one takes it off."""
    from falconer_online.labels import check_label, check_room, label_json

    coordinator = session.open()
    row = check_label(kind, reference, label, coordinator.config.network)
    with coordinator.exclusive(), coordinator.store.change(coordinator.clock()) as change:
        check_room(change, [row])
        change.set_label(row)
    session.say(f"{row.type} {row.ref}: {safe(row.label) or '(no label)'}")
    session.result({"label": label_json(row)})


@click.command("import")
@click.argument("source", type=FILE, metavar="FILE")
@json_option
@pass_session
def import_(session: Session, source: Path) -> None:
    """Take the labels of a BIP 329 FILE (JSON lines), over those that are there. All of it, or nothing."""
    from falconer_online.files import read_file
    from falconer_online.labels import MAX_LABEL_FILE, take

    coordinator = session.open()
    taken = take(coordinator, read_file(source, MAX_LABEL_FILE, "the label file"))
    session.say(f"{taken.labels} labels taken from {shown(source)}")
    if taken.passed_over:
        session.say(f"{taken.passed_over} lines of types that are not known here were passed over")
    if taken.unspendable:
        session.warn(
            f"{taken.unspendable} coins are called unspendable there: labels freeze nothing, falconer coin freeze does"
        )
    session.result(
        {"labels": taken.labels, "passed_over": taken.passed_over, "unspendable": taken.unspendable}
    )


@click.command("export")
@click.option("--out", type=FILE, help="Where the file goes (default: standard output).")
@json_option
@pass_session
def export(session: Session, out: Path | None) -> None:
    """All labels as a BIP 329 file (JSON lines), for other wallets."""
    from falconer_online.files import write_out
    from falconer_online.labels import label_json, write

    coordinator = session.open()
    with coordinator.store.read() as view:
        rows = view.labels()
    data = write(rows)
    if out is not None:
        write_out(out, data, mode=0o600)
        session.say(f"{len(rows)} labels written: {shown(out)}")
    elif data:
        session.say(data.decode("ascii").rstrip("\n"))
    session.result(
        {"file": str(out) if out is not None else None, "labels": [label_json(row) for row in rows]}
    )
