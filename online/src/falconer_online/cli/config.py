"""`falconer config`."""

from __future__ import annotations

from pathlib import Path

import click

from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_shared.text import safe


@click.command("import-env")
@click.argument("file", type=FILE, metavar="ENV_FILE")
@click.option("--out", type=FILE, required=True, help="Where the configuration as TOML goes.")
@json_option
@pass_session
def import_env(session: Session, file: Path, out: Path) -> None:
    """Turn an environment file into a config.toml to compare with and to take over by hand. Names that are no
    settings of falconer are listed; values are never shown.
    """
    from falconer_online.env_file import config_text, read, settings_of
    from falconer_online.files import MAX_TEXT_FILE, read_file, write_out

    found = settings_of(read(read_file(file, MAX_TEXT_FILE, "the environment file")))
    write_out(out, config_text(found).encode())
    session.say(f"{len(found.values)} settings taken over: {shown(out)}")
    if found.left:
        session.say()
        session.table(
            ("not taken over", "because it"),
            [(safe(each.name, 60), safe(each.reason, 200)) for each in found.left],
        )
    step = f"falconer init, with what {shown(out)} says of network and node; then edit config.toml where the two differ"
    session.next(step)
    session.result(
        {
            "file": str(out),
            "settings": [*sorted(found.values)],
            "left": [{"name": each.name, "reason": each.reason} for each in found.left],
            "next": step,
        }
    )
