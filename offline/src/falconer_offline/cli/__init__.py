"""The command line. Commands are loaded when they are run, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from falconer_offline.cli.shell import Shell
from falconer_shared.errors import Declined, FalconerError, StateError, UsageError
from falconer_shared.text import safe

COMMANDS = {
    "completion": ("completion:completion", "Print the completion script of a shell."),
    "hardware": (
        "hardware:hardware",
        "Hardware wallets on USB: find them, read xpubs, compare addresses, sign.",
    ),
    "init": ("setup:init", "Make a home: machine key, network, pinned administrators."),
    "inspect": ("signing:inspect", "Verify and judge a signing request. Signs and writes nothing."),
    "journal": ("past:journal", "Show or verify what happened on this machine."),
    "key": ("keys:key", "Make, import, list Bitcoin keys; print their public halves."),
    "machine": ("setup:machine", "Show this machine's public key."),
    "policy": ("policies:policy", "Install or show the signed policy of a wallet."),
    "qr": ("codes:qr", "Any file as QR codes, and QR codes of any dialect as a file."),
    "receipt": ("past:receipt", "Show receipts again."),
    "selfcheck": ("check:selfcheck", "Compute known answers with every part that signs or verifies."),
    "sign": ("signing:sign", "Review a signing request and sign it."),
    "wallet": ("wallets:wallet", "Register and show wallets and their addresses."),
}
"""Name → where it is and what the overview says of it."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and help, and imports one when it is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"falconer_offline.cli.{module}"), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option(
    "--home",
    metavar="DIR",
    help="The state's folder. Default: $FALCONER_OFFLINE_HOME, else the XDG data folder.",
)
@click.option(
    "--allow-network-interfaces", is_flag=True, help="Start although a network is up. Regtest homes only."
)
@click.option(
    "--emulators",
    is_flag=True,
    help="Speak to emulators of hardware wallets on this machine. Regtest and testnet4 homes only.",
)
@click.option(
    "--machine-passphrase-fd",
    type=int,
    metavar="N",
    help="Read the machine key's passphrase from file descriptor N.",
)
@click.option(
    "--identity-fd",
    type=int,
    metavar="N",
    help="Read an age identity that opens sealed keys from file descriptor N.",
)
@click.option("--debug", is_flag=True, help="Show where an unexpected error arose.")
@click.pass_obj
def root(shell: Shell, /, **options: Any) -> None:  # noqa: ANN401 - click gives each its type
    """The signer that never sees a network: verify, judge, review, sign."""
    shell.begin(**options)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (docs/offline.md)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    shell = Shell(json_output="--json" in words, debug="--debug" in words)
    try:
        status = root.main(words, prog_name="falconer-offline", standalone_mode=False, obj=shell)
        sys.stdout.flush()
    except click.UsageError as wrong:
        context = wrong.ctx.command_path if wrong.ctx is not None else "falconer-offline"
        return _fail(shell, UsageError("usage", wrong.format_message(), remedy=f"{context} --help"))
    except (click.Abort, KeyboardInterrupt):
        return _fail(shell, Declined("person-declined", "stopped at the keyboard"))
    except FalconerError as refused:
        return _fail(shell, refused)
    except OSError as fault:
        if shell.debug:
            raise
        return _fail(shell, StateError("system-error", f"{type(fault).__name__}: {safe(str(fault))}"))
    except Exception as fault:
        if shell.debug:
            raise
        return _fail(
            shell,
            FalconerError(
                "unexpected", f"{type(fault).__name__}: {safe(str(fault))}", remedy="--debug shows where"
            ),
        )
    return status if isinstance(status, int) else 0


def _fail(shell: Shell, refused: FalconerError) -> int:
    from falconer_offline.cli.shell import tell

    tell(refused)
    if shell.json_output and not shell.reported:
        many = getattr(refused, "as_json_rules", None)
        rules = many() if many is not None else [refused.as_json()]
        json.dump({"verdict": "refused", "rules": rules}, sys.stdout)
        sys.stdout.write("\n")
    try:
        sys.stdout.flush()
    except OSError:
        # nobody reads any more; the status still tells
        return refused.EXIT_STATUS
    return refused.EXIT_STATUS
