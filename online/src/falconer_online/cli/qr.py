"""`falconer qr show|scan`: any file as codes for any signer, and whatever is shown as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.crossing import check_terminal, every_show_option, reading_options, watching
from falconer_online.cli.crossing import show as show_codes
from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import UsageError

if TYPE_CHECKING:
    from falconer_shared.transport.parts import Received


@click.command("show")
@click.argument("file", type=FILE)
@every_show_option
@json_option
@pass_session
def show(session: Session, file: Path, codes: Show) -> None:
    """Show FILE as QR codes: a PSBT, a transaction, a descriptor, a key, any text or bytes.

    Without another way named, in this terminal.
    """
    from falconer_online.cli.crossing import hands
    from falconer_shared.crossing import payload

    if not codes.wanted:
        codes = replace(codes, qr=True)
    if codes.qr:
        check_terminal(session)
    data, kind = payload.read(hands().read(str(file), payload.MAX_FILE))
    sending = show_codes(session, data, kind, codes, file.name)
    session.result(
        {
            "kind": kind.value,
            "dialect": sending.dialect,
            "type": sending.type,
            "codes": sending.n,
            "bytes": len(data),
            "sha256": sending.digest,
            "written": list(codes.written),
        }
    )


@click.command("scan")
@click.argument("files", nargs=-1, type=FILE, metavar="[PICTURE | VIDEO | FOLDER | -]...")
@click.option("--out", type=FILE, metavar="FILE", help="Write what was received into this new file.")
@click.option("--what", is_flag=True, help="Only say what is shown: dialect, type, size.")
@reading_options
@json_option
@pass_session
def scan(session: Session, files: tuple[Path, ...], out: Path | None, what: bool, scan: Scan) -> None:  # noqa: FBT001
    """Read QR codes of any dialect from pictures, a video, a folder being filled, lines, or a camera."""
    from falconer_online.cli.crossing import hands
    from falconer_shared.crossing.collect import receive

    if out is not None and what:
        raise UsageError("usage", "--what writes nothing: leave --out out")
    if out is not None and out.exists():
        raise UsageError("usage", f"{shown(out)} exists already", remedy="name a new file")
    if not files and scan.camera is None:
        raise UsageError("usage", "say what to read: pictures, a video, a folder, - for lines, or --camera N")
    with watching(session, scan, [str(file) for file in files]) as (source, tell):
        received = receive(source, None, hands(), tell)
    _tell(session, received, out)


def _tell(session: Session, received: Received, out: Path | None) -> None:
    from falconer_online.files import write_out
    from falconer_shared.crossing import payload

    for line in payload.lines(received):
        session.say(line)
    if out is not None:
        write_out(out, received.data)
        session.say(f"written: {shown(out)}")
    session.result({**payload.document(received), "out": str(out) if out is not None else None})
