"""`key`: Bitcoin keys of this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from falconer_offline import emit, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.paths import check_coin_type
from falconer_offline.cli.shell import FILE, KEY_NAME, Shell, json_option, pass_shell
from falconer_offline.cli.wallets import ask_holder
from falconer_offline.keys import words as bip39
from falconer_offline.keys.keyfile import check_fingerprint, seal_seed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.state import journal, records
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State, change
from falconer_offline.times import when
from falconer_shared.bitcoin.bip32 import format_path, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.crossing.options import Show
from falconer_shared.errors import Declined, SecretError, StateError, UsageError
from falconer_shared.text import is_token, safe
from falconer_shared.wallet.registration import RegisteredWallet

_F = TypeVar("_F", bound=Callable[..., Any])

WORDS_RETYPED = 3
"""Words that the person types back from paper: enough to see that there is a paper, and that it is legible."""


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
@click.option(
    "--transcript",
    type=FILE,
    metavar="FILE",
    help="Write the dice and the system's part into a new file, for another tool to compute the words. It IS the key.",
)
@click.option("--typed", is_flag=True, help="Keep nothing: the words are typed each time.")
@json_option
@pass_shell
def new(shell: Shell, name: str, count: str, *, dice: bool, transcript: str | None, typed: bool) -> None:
    """Make a new key from the system's randomness, and dice if wanted, and show its words once."""
    state = shell.state()
    _check_name(state, name)
    if transcript is not None:
        if not dice:
            raise UsageError("usage", "--transcript goes with --dice: it is what dice are checked with")
        emit.check_free(transcript)
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
    if transcript is not None:
        emit.write_file(transcript, mix.transcript(rolls, int(count)))
        shell.say(f"The dice transcript is in {safe(transcript)}. Whoever has it has the key: destroy it.")


def _word_options(function: _F) -> _F:
    """The ways by which words come in."""
    function = click.option(
        "--digits", is_flag=True, help="Type the digits of a SeedQR instead of the words."
    )(function)
    function = click.option(
        "--camera", type=click.IntRange(0, 63), metavar="N", help="Scan a SeedQR with camera /dev/videoN."
    )(function)
    function = click.option(
        "--scan", type=FILE, metavar="PICTURE", help="Read a SeedQR out of a picture file."
    )(function)
    return click.option("--echo", is_flag=True, help="Show what is typed.")(function)


def _scanned(
    shell: Shell, network: Network, *, scan: str | None, camera: int | None
) -> tuple[str, ...] | None:
    """The words of a SeedQR, where one is to be scanned. Comes before any question for a secret: afterwards
    no process can be started any more.

    Raises:
        SecretError: `seedqr-malformed`, `words-checksum`; and what `collect.one_code` raises.
    """
    if scan is None and camera is None:
        return None
    from falconer_offline.keys import seedqr
    from falconer_shared.crossing.collect import one_code
    from falconer_shared.crossing.options import Scan

    shell.guard_memory(network, worker=True)
    with gap.watching(() if scan is None else (scan,), Scan(scan is not None, camera)) as (source, tell):
        code = one_code(source, gap.hands(), tell)
    # the worker is gone; the code is in this process alone
    phrase = seedqr.read_code(code)
    terminal.say(f"Scanned a SeedQR of {len(phrase)} words. Compare the fingerprint.", aside=True)
    return phrase


def _typed(*, digits: bool, echo: bool) -> tuple[str, ...]:
    from falconer_offline.keys import seedqr

    ask = terminal.ask if echo else terminal.ask_secret
    return seedqr.read_digits(ask("SeedQR digits: ")) if digits else bip39.check_words(ask("Words: "))


@key.command("import")
@click.argument("name")
@click.option("--typed", is_flag=True, help="Keep nothing: the words are typed each time.")
@_word_options
@json_option
@pass_shell
def import_(
    shell: Shell, name: str, *, typed: bool, echo: bool, digits: bool, scan: str | None, camera: int | None
) -> None:
    """Bring a key by its BIP 39 words, or by their SeedQR."""
    state = shell.state()
    _check_name(state, name)
    phrase = _scanned(shell, records.network(state), scan=scan, camera=camera)
    machine = shell.machine(state)
    if phrase is None:
        phrase = _typed(digits=digits, echo=echo)
    _keep(shell, state, machine, name, phrase, typed=typed, event="key-imported")


@key.command()
@click.argument("name", type=KEY_NAME)
@_word_options
@json_option
@pass_shell
def check(shell: Shell, name: str, *, echo: bool, digits: bool, scan: str | None, camera: int | None) -> None:
    """See whether the words on paper, and their passphrase, are those of key NAME."""
    state = shell.state()
    record, network = records.key(state, name), records.network(state)
    phrase = _scanned(shell, network, scan=scan, camera=camera)
    shell.guard_secrets(network)
    if phrase is None:
        phrase = _typed(digits=digits, echo=echo)
    passphrase = terminal.ask_secret("BIP 39 passphrase (empty for none): ")
    check_fingerprint(
        PrivateNode.from_seed(bip39.seed_of(phrase, passphrase)), record.fingerprint, f"key {name}"
    )
    shell.say(
        f"These are the words{' and the passphrase' if passphrase else ''} of key {name}, {record.fingerprint}."
    )
    shell.report(
        {
            "verdict": "accepted",
            "name": name,
            "fingerprint": record.fingerprint,
            "words": len(phrase),
            "passphrase": bool(passphrase),
        }
    )


@key.command("list")
@json_option
@pass_shell
def list_(shell: Shell) -> None:
    """List this machine's keys, and the wallets that they sign for."""
    state = shell.state()
    found = records.keys(state)
    devices = records.devices(state)
    for record in found:
        kind = "device" if record.name in devices else "typed" if record.sealed is None else "sealed"
        used = ", ".join(wallet.name for wallet, _ in _used_by(state, record.name))
        shell.say(f"{record.name:<20} {record.fingerprint}  {kind:<6}  {when(record.created)}")
        shell.say(f"{'':<20} {f'signs for {used}' if used else 'in no wallet'}")
    if not found:
        shell.say("No keys. Next: falconer-offline key new NAME")
    shell.report(
        {
            "keys": [
                {
                    "name": record.name,
                    "fingerprint": record.fingerprint,
                    "sealed": record.sealed is not None,
                    "device": devices[record.name].kind if record.name in devices else None,
                    "created": record.created,
                    "wallets": [wallet.name for wallet, _ in _used_by(state, record.name)],
                }
                for record in found
            ]
        }
    )


def _used_by(state: State, name: str) -> list[tuple[RegisteredWallet, int]]:
    """Wallets of which this key is one, and at which position."""
    return [
        (wallet, holder.position)
        for wallet in records.wallets(state)
        for holder in records.holders(state, wallet.wallet_id)
        if holder.key == name
    ]


@key.command()
@click.argument("name", type=KEY_NAME)
@json_option
@pass_shell
def remove(shell: Shell, name: str) -> None:
    """Take key NAME off this machine. Its words on paper are all that is left of it then."""
    state = shell.state()
    record = records.key(state, name)
    machine = shell.machine(state)
    used = _used_by(state, name)
    on_device = name in records.devices(state)
    if on_device:
        terminal.say("The device keeps the key; only what this machine knows of it goes.", aside=True)
    elif record.sealed is None:
        terminal.say(
            "Only its name and fingerprint are kept here; its words are typed each time.", aside=True
        )
    else:
        terminal.say(
            "It cannot be had back from this machine: see first, with key check, that you have its words.",
            aside=True,
        )
    for wallet, _ in used:
        terminal.say(f"This machine will no longer sign with it for wallet {wallet.name}.", aside=True)
    terminal.confirm_ending(f"Fingerprint of key {name}, to remove it: ", record.fingerprint, count=8)
    holders = [
        (
            wallet,
            position,
            ask_holder(f"Who holds key {position + 1} of {wallet.size} of {wallet.name} then: ", own=False),
        )
        for wallet, position in used
    ]
    now = shell.clock()
    with change(state, machine) as (transaction, _):
        for wallet, position, who in holders:
            transaction.run(
                "UPDATE holders SET holder = ?, key = NULL WHERE wallet_id = ? AND position = ?",
                who,
                wallet.wallet_id,
                position,
            )
        transaction.run("DELETE FROM keys WHERE name = ?", name)
        if on_device:
            transaction.run("DELETE FROM devices WHERE key = ?", name)
            transaction.run("DELETE FROM device_xpubs WHERE key = ?", name)
        journal.note(transaction, now, "key-removed", key=name, fingerprint=record.fingerprint)
    shell.say(f"Key {name}, fingerprint {record.fingerprint}, is gone from this machine.")
    shell.report(
        {"name": name, "fingerprint": record.fingerprint, "wallets": [wallet.name for wallet, _ in used]}
    )


@key.command()
@click.argument("name", type=KEY_NAME)
@click.option(
    "--path", "path_text", required=True, metavar="84h/1h/0h", help="Derivation path from the master key."
)
@click.option("--out", type=FILE, metavar="FILE", help="Write it to a new file as well.")
@click.option("--qr-image", type=FILE, metavar="FILE", help="Write the QR code as a new picture (PNG).")
@gap.show_options
@json_option
@pass_shell
def xpub(shell: Shell, name: str, path_text: str, out: str | None, qr_image: str | None, codes: Show) -> None:
    """Print the key expression [fingerprint/path]xpub of an account, for descriptors.

    --qr draws one plain code beside it; with --for, --dialect or --ur-type it is shown as that signer takes it.
    """
    from falconer_shared.transport.parts import Kind

    plain = codes == replace(Show(), qr=codes.qr, qr_images=codes.qr_images, gif=codes.gif, html=codes.html)
    way = giving.CodesExit.prepare(shell, replace(codes, qr=False, dialect="text") if plain else codes)
    # what a receiver does not take is said before the key is opened
    way.choice.plan(b"xpub", Kind.KEY)
    state = shell.state()
    network = records.network(state)
    record = records.key(state, name)
    path = parse_path(path_text.removeprefix("m/"))
    check_coin_type(path, network)
    node = shell.prepare(record, state)().derive_path(path)
    text = f"[{record.fingerprint}{'/' if path else ''}{format_path(path)}]{node.public().text(network)}"
    if out is not None:
        emit.write_file(out, f"{text}\n".encode("ascii"))
    if qr_image is not None:
        gap.write_code(qr_image, text)
    if way.codes.wanted:
        giving.say_given(shell, way.give(text.encode("ascii"), Kind.KEY, f"key {name}"))
    if plain and codes.qr:
        gap.print_code(shell, text)
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
    fingerprint = _fingerprint(seed)
    # another passphrase is another key without any error (A092): only the fingerprint shows it
    plain = _fingerprint(bip39.seed_of(phrase, "")) if passphrase else None
    for record in records.keys(state):
        if record.fingerprint == fingerprint:
            raise StateError("key-exists", f"that key is here already, as '{record.name}'")
    sealed = None
    if not typed:
        secret = shell.new_secret(f"New passphrase for key {name}: ")
        with shell.sealing():
            sealed = seal_seed(seed, network, state.machine, secret)
    now = shell.clock()
    with change(state, machine) as (transaction, _):
        transaction.run("INSERT INTO keys VALUES (?, ?, ?, ?)", name, fingerprint, now, sealed)
        journal.note(transaction, now, event, key=name, fingerprint=fingerprint)
    shell.say(f"Key {name}, fingerprint {fingerprint}: write it beside the words.")
    if plain is not None:
        shell.say(f"That is with the BIP 39 passphrase. Without it the same words are another key, {plain}.")
    shell.say(f"Next: falconer-offline key xpub {name} --path 84h/{network.coin_type}h/0h")
    shell.report(
        {
            "name": name,
            "fingerprint": fingerprint,
            "fingerprint_without_passphrase": plain,
            "sealed": sealed is not None,
            "words": len(phrase),
        }
    )


def _fingerprint(seed: bytes) -> str:
    return PrivateNode.from_seed(seed).public().fingerprint().hex()
