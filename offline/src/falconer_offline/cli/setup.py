"""`init` and `machine`: first trust."""

from __future__ import annotations

from pathlib import Path

import click

from falconer_offline import ingest, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, Shell, json_option, pass_shell
from falconer_offline.keys import randomness
from falconer_offline.state import home as homes
from falconer_offline.state import records
from falconer_offline.state.store import PUBLIC_FILE
from falconer_shared.bitcoin.network import Network
from falconer_shared.crossing.options import Show
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.policy.document import MAX_PEOPLE
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import is_token, safe


@click.command()
@click.option("--network", required=True, type=click.Choice([network.label for network in Network]))
@click.option(
    "--admin",
    "admins",
    required=True,
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="An administrator's OpenSSH public key. Repeat it.",
)
@click.option(
    "--name", default="signer", show_default=True, help="This machine's name, as the policy will call it."
)
@json_option
@pass_shell
def init(shell: Shell, network: str, admins: tuple[str, ...], name: str) -> None:
    """Make a home: a machine key, its network, and the administrators whose policies it will take.

    All administrators given here must sign policy version 1, and it must name exactly them.
    """
    chosen = Network.parse(network)
    shell.check_network(chosen)
    if not is_token(name):
        raise UsageError("usage", "--name takes 1 to 64 characters a-z 0-9 . _ -")
    pinned = [_read_admin(path) for path in admins]
    if len(set(pinned)) != len(pinned) or len(pinned) > MAX_PEOPLE:
        raise UsageError("usage", f"--admin takes up to {MAX_PEOPLE} different keys")
    homes.check_free(shell.home)
    shell.guard_secrets(chosen)
    secret = shell.new_secret("New passphrase for the machine key: ", machine=True)
    # the machine key comes out of the same source, through OpenSSL
    randomness.check_source()
    with shell.sealing():
        machine = homes.create(shell.home, chosen, name, pinned, secret, shell.clock())
    public = shell.home / PUBLIC_FILE
    shell.say(f"Home      {safe(str(shell.home))}")
    shell.say(f"Network   {chosen.label}")
    shell.say(f"Machine   {name}  {machine.public.key_hash}")
    shell.say(f"          {machine.public.text()}")
    for key in pinned:
        shell.say(f"Admin     {key.key_hash}")
    shell.say(f"Take {safe(str(public))} to the coordinator: the policy names this machine by it.")
    shell.say("Next: falconer-offline key new NAME   (or key import NAME)")
    shell.report(
        {
            "home": str(shell.home),
            "network": chosen.label,
            "name": name,
            "machine": machine.public.text(),
            "key_hash": machine.public.key_hash,
            "public_file": str(public),
            "admins": [key.key_hash for key in pinned],
        }
    )


def _read_admin(path: str) -> SshPublicKey:
    data = ingest.read_file(path, ingest.MAX_TEXT_FILE, "administrator's key")
    try:
        return SshPublicKey.parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed(
            "ssh-key-malformed", f"{safe(Path(path).name)} is not a public key: not text"
        ) from None


@click.group()
def machine() -> None:
    """The machine's own key, by which policies and receipts know it."""


@machine.command()
@gap.every_show_option
@json_option
@pass_shell
def show(shell: Shell, codes: Show) -> None:
    """Print the machine's name, public key and pinned administrators; with --qr the public key also as codes."""
    state = shell.state()
    if codes.wanted:
        from falconer_shared.transport.parts import Kind

        way = giving.CodesExit.prepare(shell, codes)
        line = f"{state.machine.text()} {state.fact('signer')}\n".encode("ascii")  # as in machine.pub
        giving.say_given(shell, way.give(line, Kind.TEXT, f"machine {state.fact('signer')}"))
    size, head = state.head
    network, admins = records.network(state), records.admins(state)
    terminal.say(f"Machine   {state.fact('signer')}  {state.machine.key_hash}", aside=shell.aside)
    shell.say(f"          {state.machine.text()}")
    shell.say(f"Network   {network.label}")
    for key in admins.keys:
        shell.say(f"Admin     {key.key_hash}")
    shell.say(f"Journal   {size} entries, head {head}", indent=10)
    shell.report(
        {
            "name": state.fact("signer"),
            "network": network.label,
            "machine": state.machine.text(),
            "key_hash": state.machine.key_hash,
            "admins": [key.key_hash for key in admins.keys],
            "journal": {"size": size, "head": head},
        }
    )
