"""`falconer-offline qr show|scan`: any file as codes for any signer, and whatever is shown as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_offline import emit, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, Shell, json_option, pass_shell
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_shared.transport.parts import Received


@click.group()
def qr() -> None:
    """Any file as QR codes, and QR codes of any dialect as a file."""


@qr.command("show")
@click.argument("file", type=FILE)
@gap.every_show_option
@json_option
@pass_shell
def show(shell: Shell, file: str, codes: Show) -> None:
    """Show FILE as QR codes: a PSBT, a transaction, a descriptor, a key, any text or bytes.

    Without another way named, in this terminal.
    """
    from falconer_shared.crossing import payload

    if not codes.wanted:
        codes = replace(codes, qr=True)
    way = giving.CodesExit.prepare(shell, codes)
    data, kind = payload.read(gap.hands().read(file, payload.MAX_FILE))
    places, sending = way.give(data, kind, Path(file).name)
    shell.say(f"It is {' and '.join(places)}. SHA-256 of what they hold: {sending.digest}", indent=8)
    shell.report(
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


@qr.command("scan")
@click.argument("files", nargs=-1, type=FILE, metavar="[PICTURE | VIDEO | FOLDER | -]...")
@click.option("--out", type=FILE, metavar="FILE", help="Write what was received into this new file.")
@click.option("--what", is_flag=True, help="Only say what is shown: dialect, type, size.")
@gap.reading_options
@json_option
@pass_shell
def scan(shell: Shell, files: tuple[str, ...], out: str | None, what: bool, scan: Scan) -> None:  # noqa: FBT001
    """Read QR codes of any dialect from pictures, a video, a folder being filled, lines, or a camera."""
    if out is not None and what:
        raise UsageError("usage", "--what writes nothing: leave --out out")
    if not files and scan.camera is None:
        raise UsageError("usage", "say what to read: pictures, a video, a folder, - for lines, or --camera N")
    if out is not None:
        emit.check_free(out)
    _tell(shell, gap.scanned(files, None, scan), out)


def _tell(shell: Shell, received: Received, out: str | None) -> None:
    from falconer_shared.crossing import payload

    for line in payload.lines(received):
        shell.say(line, indent=10)
    if out is not None:
        emit.write_file(out, received.data)
        terminal.say(f"Written   {safe(out, 200)}", aside=shell.aside)
    shell.report({**payload.document(received), "out": out})
