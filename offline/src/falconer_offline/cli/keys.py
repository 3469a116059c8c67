"""`key`: Bitcoin keys of this machine."""

from __future__ import annotations

import secrets

import click

from falconer_offline import emit, terminal
from falconer_offline.cli.shell import Shell, json_option
from falconer_offline.keys import words as bip39
from falconer_offline.keys.keyfile import seal_seed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.state import journal, records
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State, change
from falconer_shared.bitcoin.bip32 import HARDENED, format_path, parse_path
from falconer_shared.canonical import format_time
from falconer_shared.errors import Declined, SecretError, StateError, UsageError, VerificationError
from falconer_shared.text import is_token, safe

WORDS_RETYPED = 3
"""Words that the person types back from paper: enough to see that there is a paper, and that it is legible."""

PURPOSES_WITH_COIN_TYPE = frozenset({44, 48, 49, 84, 86, 87})
"""First steps of BIP 44 style paths, whose second step names the coin."""


@click.group()
def key() -> None:
    """Bitcoin keys: made here or brought by their words, sealed or typed each time."""


@key.command()
@click.argument("name")
@click.option(
    "--words",
    "count",
    type=click.Choice([str(count) for count in bip39.WORD_COUNTS]),
    default="24",
    show_default=True,
)
@click.option("--dice", is_flag=True, help="Mix in dice rolls.")
@click.option("--typed", is_flag=True, help="Keep nothing: the words are typed each time.")
@json_option
@click.pass_obj
def new(shell: Shell, name: str, count: str, *, dice: bool, typed: bool) -> None:
    """Make a new key from the system's randomness, and dice if wanted, and show its words once."""
    state = shell.state()
    _check_name(state, name)
    machine = shell.machine(state)
    mix = bip39.Mix.start()
    rolls = ""
    if dice:
        terminal.say(f"SHA-256 of the system's part: {mix.commitment}", aside=True)
        rolls = "".join(terminal.ask_secret("Dice rolls, digits 1 to 6: ").split())
        if not rolls:
            raise Declined("person-declined", "no dice were rolled; nothing was changed")
        terminal.say(f"The system's part: {mix.system.hex()}", aside=True)
        terminal.say(
            f"{len(rolls)} rolls mixed in. entropy = start of SHA-256(system's part, rolls as digits); check it offline only.",
            aside=True,
        )
    phrase = bip39.words_of(mix.entropy(rolls, int(count)))
    terminal.say("Write these words down, in order. They are shown once.", aside=True)
    for number, word in enumerate(phrase, 1):
        terminal.say(f"{number:3} {word}", aside=True)
    _retype(phrase)
    _keep(shell, state, machine, name, phrase, typed=typed, event="key-made")


@key.command("import")
@click.argument("name")
@click.option("--typed", is_flag=True, help="Keep nothing: the words are typed each time.")
@click.option("--echo", is_flag=True, help="Show the words while they are typed.")
@json_option
@click.pass_obj
def import_(shell: Shell, name: str, *, typed: bool, echo: bool) -> None:
    """Bring a key by its BIP 39 words."""
    state = shell.state()
    _check_name(state, name)
    machine = shell.machine(state)
    phrase = bip39.check_words(terminal.ask("Words: ") if echo else terminal.ask_secret("Words: "))
    _keep(shell, state, machine, name, phrase, typed=typed, event="key-imported")


@key.command("list")
@json_option
@click.pass_obj
def list_(shell: Shell) -> None:
    """List this machine's keys."""
    found = records.keys(shell.state())
    for record in found:
        kind = "typed" if record.sealed is None else "sealed"
        shell.say(f"{record.name:<20} {record.fingerprint}  {kind:<6}  {format_time(record.created)}")
    if not found:
        shell.say("No keys. Next: falconer-offline key new NAME")
    shell.report(
        {
            "keys": [
                {
                    "name": record.name,
                    "fingerprint": record.fingerprint,
                    "sealed": record.sealed is not None,
                    "created": record.created,
                }
                for record in found
            ]
        }
    )


@key.command()
@click.argument("name")
@click.option(
    "--path", "path_text", required=True, metavar="84h/1h/0h", help="Derivation path from the master key."
)
@click.option("--out", metavar="FILE", help="Write it to a new file as well.")
@json_option
@click.pass_obj
def xpub(shell: Shell, name: str, path_text: str, out: str | None) -> None:
    """Print the key expression [fingerprint/path]xpub of an account, for descriptors."""
    state = shell.state()
    network = records.network(state)
    record = records.key(state, name)
    path = parse_path(path_text.removeprefix("m/"))
    if (
        len(path) > 1
        and path[0] - HARDENED in PURPOSES_WITH_COIN_TYPE
        and path[1] != HARDENED + network.coin_type
    ):
        raise VerificationError(
            "path-coin-type",
            f"{safe(path_text, 60)} is not a path of {network.label}: its second step must be {network.coin_type}h",
            remedy=f"write {format_path((path[0], HARDENED + network.coin_type, *path[2:]))}",
        )
    node = shell.prepare(record, network)().derive_path(path)
    text = f"[{record.fingerprint}{'/' if path else ''}{format_path(path)}]{node.public().text(network)}"
    if out is not None:
        emit.write_file(out, f"{text}\n".encode("ascii"))
    shell.say(text)
    shell.report({"name": name, "key": text, "fingerprint": record.fingerprint, "path": format_path(path)})


def _check_name(state: State, name: str) -> None:
    if not is_token(name):
        raise UsageError(
            "usage", f"'{safe(name, 64)}' cannot name a key: 1 to 64 of a-z, 0-9, dot, underscore, hyphen"
        )
    if any(record.name == name for record in records.keys(state)):
        raise StateError("key-exists", f"there is a key '{name}' already", remedy="choose another name")


def _retype(phrase: tuple[str, ...]) -> None:
    """Have some words typed from the paper, at places that cannot be foreseen."""
    for position in sorted(secrets.SystemRandom().sample(range(len(phrase)), WORDS_RETYPED)):
        for _ in range(terminal.ATTEMPTS):
            answer = terminal.ask(f"Word {position + 1}: ").lower()
            if answer == phrase[position]:
                break
            terminal.say("That is another word.", aside=True)
        else:
            raise SecretError(
                "words-not-retyped",
                "the words were not written down; nothing was kept",
                remedy="run key new again",
            )


def _keep(
    shell: Shell,
    state: State,
    machine: MachineKey,
    name: str,
    phrase: tuple[str, ...],
    *,
    typed: bool,
    event: str,
) -> None:
    network = records.network(state)
    passphrase = terminal.ask_secret("BIP 39 passphrase (empty for none): ")
    if passphrase and terminal.ask_secret("The same passphrase again: ") != passphrase:
        raise SecretError(
            "passphrases-differ",
            "the two passphrases differ",
            remedy="nothing was changed; run the command again",
        )
    seed = bip39.seed_of(phrase, passphrase)
    fingerprint = PrivateNode.from_seed(seed).public().fingerprint().hex()
    for record in records.keys(state):
        if record.fingerprint == fingerprint:
            raise StateError("key-exists", f"that key is here already, as '{record.name}'")
    sealed = None if typed else seal_seed(seed, network, shell.new_secret(f"New passphrase for key {name}: "))
    now = shell.clock()
    with change(state, machine) as (transaction, _):
        transaction.run("INSERT INTO keys VALUES (?, ?, ?, ?)", name, fingerprint, now, sealed)
        journal.note(transaction, now, event, key=name, fingerprint=fingerprint)
    shell.say(f"Key {name}, fingerprint {fingerprint}: write it beside the words.")
    shell.say(f"Next: falconer-offline key xpub {name} --path 84h/{network.coin_type}h/0h")
    shell.report(
        {"name": name, "fingerprint": fingerprint, "sealed": sealed is not None, "words": len(phrase)}
    )
