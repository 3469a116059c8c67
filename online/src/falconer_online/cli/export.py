"""`falconer wallet export`."""

from __future__ import annotations

from pathlib import Path

import click

from falconer_online.cli.complete import wallet_names
from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session

FORMATS = ("descriptor", "core", "sparrow", "coldcard", "bluewallet-multisig-txt")
"""Spelt out here too, so that `--help` need not load what makes them."""


@click.command("export")
@click.argument("name", required=False, shell_complete=wallet_names)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="For which program.",
)
@click.option("--out", type=FILE, help="Where the file goes (default: standard output).")
@json_option
@pass_session
def export(session: Session, name: str | None, form: str, out: Path | None) -> None:
    """A wallet's public data as another program reads it. It shows every coin and spends none: keep it private."""
    from falconer_online.exporting import export as do_export
    from falconer_online.files import write_out

    coordinator = session.open()
    with coordinator.store.read() as view:
        wallet = coordinator.wallet(view.wallet(name))
    text = do_export(wallet, form)
    if out is not None:
        write_out(out, text.encode("ascii"), mode=0o600)
        session.say(f"written: {shown(out)}")
        session.say("Compare the first addresses there:")
        for index in range(3):
            session.say(f"  receive {index}  {wallet.address(0, index)}")
    else:
        session.say(text.rstrip("\n"))
    session.result(
        {
            "wallet": wallet.name,
            "wallet_id": wallet.wallet_id,
            "format": form,
            "file": str(out) if out is not None else None,
            "text": text,
            "addresses": [wallet.address(0, index) for index in range(3)],
        }
    )
