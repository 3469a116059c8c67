"""What every command shares: the home, where secrets come from, and how it reports."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from falconer_offline import airgap
from falconer_shared.errors import Declined, FalconerError, SecretError, StateError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from falconer_offline.cli.devices import Asking
    from falconer_offline.hardware.signer import HardwareSigner
    from falconer_offline.keys.private import PrivateNode
    from falconer_offline.keys.sealed import Identity, Secret
    from falconer_offline.state.machine import MachineKey
    from falconer_offline.state.records import KeyRecord
    from falconer_offline.state.store import State
    from falconer_shared.bitcoin.network import Network

_T = TypeVar("_T")
_P = ParamSpec("_P")

MACHINE_QUESTION = "Passphrase of the machine key: "

json_option = click.option(
    "--json", "_json", is_flag=True, expose_value=False, help="One JSON document on standard output."
)
"""`run` looks for the word itself, so that even a usage error can be reported as JSON."""


def pass_shell(function: Callable[Concatenate[Shell, _P], _T]) -> Callable[_P, _T]:
    """Give a command its `Shell`, at the moment when it really runs."""

    @click.pass_obj
    @wraps(function)
    def command(shell: Shell, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        shell.enter()
        return function(shell, *arguments, **options)

    return command


class _Name(click.types.StringParamType):
    """The name of a file or folder: completed by the shell, otherwise taken as it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        from click.shell_completion import CompletionItem

        del ctx, param
        return [CompletionItem(incomplete, type=self.name)]


FILE, FOLDER = _Name("file"), _Name("dir")


class _Kept(click.types.StringParamType):
    """The name of something in the state: the shell may offer what is there."""

    def __init__(self, table: str) -> None:
        self._table = table

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so; none where there is no state that verifies."""
        from click.shell_completion import CompletionItem

        from falconer_offline.state import home as homes
        from falconer_offline.state.store import State

        del param
        try:
            rows = State.open(homes.place(ctx.find_root().params.get("home"))).rows[self._table]
        except (FalconerError, OSError):
            return []
        names = [row[0] for row in rows if isinstance(row[0], str)]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


KEY_NAME, WALLET_NAME = _Kept("keys"), _Kept("wallets")


class Shell:
    """One run of the program."""

    def __init__(self, *, json_output: bool, debug: bool) -> None:
        self.json_output = json_output
        self.debug = debug
        self.reported = False
        self.home = Path()
        self._interfaces: tuple[str, ...] = ()
        self._interfaces_allowed = False
        self._machine_fd: int | None = None
        self._identity_fd: int | None = None
        self._identity: Identity | None = None
        self._machine_passphrase: str | None = None
        self._guarded = False
        self._emulators = False
        self._warned = False

    def begin(
        self,
        home: str | None,
        *,
        allow_network_interfaces: bool,
        emulators: bool,
        machine_passphrase_fd: int | None,
        identity_fd: int | None,
        debug: bool,
    ) -> None:
        """Take the global options. Nothing is refused yet: `COMMAND --help` comes after this too."""
        from falconer_offline.state import home as homes

        self.home = homes.place(home)
        self.debug = self.debug or debug
        self._machine_fd, self._identity_fd = machine_passphrase_fd, identity_fd
        self._interfaces = airgap.found_at_start()
        self._interfaces_allowed = allow_network_interfaces
        self._emulators = emulators

    def enter(self) -> None:
        """A command begins to run.

        Raises:
            StateError: `network-interface-up`. UsageError: `usage`.
        """
        if airgap.has_loopback() and not self._emulators:
            raise UsageError("usage", "--emulators stands before the command, and nowhere else")
        if self._interfaces and not self._interfaces_allowed:
            raise StateError(
                "network-interface-up",
                f"this machine has a network: {', '.join(self._interfaces)}",
                remedy="take the network away; for regtest only there is --allow-network-interfaces",
            )

    # Reporting

    @property
    def aside(self) -> bool:
        """Whether text for people goes to standard error, because standard output carries JSON."""
        return self.json_output

    def say(self, text: str = "", *, indent: int | None = None) -> None:
        """A line for people; with `indent`, broken where a terminal is too narrow."""
        from falconer_offline import terminal

        terminal.say(text, aside=self.aside, indent=indent)

    def report(self, document: dict[str, Any]) -> None:
        """The one JSON document, with --json; otherwise nothing."""
        if self.json_output:
            json.dump(document, sys.stdout)
            sys.stdout.write("\n")
            sys.stdout.flush()
            self.reported = True

    @staticmethod
    def clock() -> int:
        """Seconds since 1970 by this machine's clock."""
        return int(time.time())

    # State and secrets

    def state(self) -> State:
        """The verified state of the home.

        Raises:
            StateError: what `State.open` raises, `network-interface-not-here`.
        """
        from falconer_offline.state import records
        from falconer_offline.state.store import State

        self.enter()
        state = State.open(self.home)
        self.check_network(records.network(state))
        return state

    def check_network(self, network: Network) -> None:
        """Accept interfaces that are up on regtest only, and emulators where no money is.

        Raises:
            StateError: `network-interface-not-here`, `emulators-not-here`.
        """
        from falconer_shared.bitcoin.network import Network

        if self._emulators:
            if network not in {Network.REGTEST, Network.TESTNET4}:
                raise StateError(
                    "emulators-not-here",
                    f"--emulators is for regtest and testnet4, and this home is for {network.label}",
                    remedy="use the device itself, on USB",
                )
            self._warn_of_emulators()
        if self._interfaces and network is not Network.REGTEST:
            raise StateError(
                "network-interface-not-here",
                f"--allow-network-interfaces is for regtest, and this home is for {network.label}",
                remedy="take the network away",
            )

    def _warn_of_emulators(self) -> None:
        if self._warned:
            return
        self._warned = True
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        console.print(
            Text(
                "EMULATORS: this process keeps loopback sockets, and what answers on them is no hardware. For tests only.",
                style="bold red",
            )
        )

    def devices(self, network: Network, asking: Asking) -> AbstractContextManager[HardwareSigner]:
        """What speaks to hardware wallets. Comes before any secret of this machine is read; the passphrase that a device
        wants is asked for now.
        """
        from falconer_offline import terminal, worker

        typed = None
        if asking.passphrase:
            # the worker sees it too, and its memory cannot be locked from here
            self.guard_memory(network, worker=True)
            typed = terminal.ask_secret("Passphrase of the device (BIP 39): ")
        return worker.devices(
            network,
            emulators=self._emulators,
            seconds=asking.seconds,
            passphrase=typed,
            notice=lambda text: terminal.say(text, aside=True),
        )

    def guard_secrets(self, network: Network) -> None:
        """Before the first secret is read: see that no worker lives or can be started, and guard memory.

        Raises:
            StateError: `swap-in-use`.
        """
        from falconer_offline.worker import before_secrets

        if self._guarded:
            return
        self._guarded = True
        before_secrets()
        self.guard_memory(network)

    @staticmethod
    def guard_memory(network: Network, *, worker: bool = False) -> None:
        """Lock memory, and see that nothing of it can be swapped to a disk. With `worker`, a process that
        cannot be locked will see the secret too: then no swap may be there at all.

        Raises:
            StateError: `swap-in-use`, on mainnet; elsewhere it is said and goes on.
        """
        from falconer_offline import terminal
        from falconer_shared.bitcoin.network import Network

        locked = airgap.lock_memory() and not worker
        areas = airgap.swap_areas()
        if areas and not locked:
            if network is Network.MAINNET:
                raise StateError(
                    "swap-in-use",
                    f"memory may be written to {', '.join(areas)}, secrets with it",
                    remedy="sudo swapoff -a",
                )
            terminal.say(f"Warning: swap is on ({', '.join(areas)}); on mainnet this is refused.", aside=True)

    def identity(self) -> Identity | None:
        """The age identity of --identity-fd, read once."""
        from falconer_offline.ingest import read_descriptor
        from falconer_offline.keys.sealed import Identity

        if self._identity is None and self._identity_fd is not None:
            self._identity = Identity.parse(read_descriptor(self._identity_fd, 4096, "identity"))
        return self._identity

    def new_secret(self, question: str, *, machine: bool = False) -> Secret:
        """What a new sealed file is to be opened with."""
        from falconer_offline import terminal
        from falconer_offline.keys.sealed import Passphrase

        identity = self.identity()
        if identity is not None:
            return identity
        if machine and self._machine_fd is not None:
            given = self._given_machine_passphrase()
            if len(given) < terminal.MIN_PASSPHRASE:
                raise SecretError(
                    "passphrase-too-short", f"a passphrase has at least {terminal.MIN_PASSPHRASE} characters"
                )
            return Passphrase(given)
        return Passphrase(terminal.ask_new_passphrase(question))

    def sealing(self) -> AbstractContextManager[None]:
        """What is shown while a new passphrase is worked on. An identity takes no time."""
        from falconer_offline import terminal

        return (
            nullcontext()
            if self._identity_fd is not None
            else terminal.waiting("Sealing; this takes some seconds ...")
        )

    def _given_machine_passphrase(self) -> str:
        from falconer_offline.ingest import read_descriptor

        if self._machine_passphrase is None:
            if self._machine_fd is None:
                raise RuntimeError("no descriptor was given")
            data = read_descriptor(self._machine_fd, 4096, "machine passphrase")
            try:
                self._machine_passphrase = data.decode("utf-8")
            except UnicodeDecodeError:
                raise SecretError(
                    "passphrase-wrong", "what came by --machine-passphrase-fd is not UTF-8 text"
                ) from None
        return self._machine_passphrase

    def machine(self, state: State) -> MachineKey:
        """The machine key, opened.

        Raises:
            SecretError: `passphrase-wrong`, `identity-wrong`, `identity-missing`, `machine-key-other`,
            `machine-key-damaged`. Declined: an empty answer.
        """
        from falconer_offline.ingest import read_file
        from falconer_offline.keys.sealed import MAX_SEALED, Passphrase, needs_passphrase
        from falconer_offline.state import records
        from falconer_offline.state.machine import MachineKey
        from falconer_offline.state.store import MACHINE_FILE

        self.guard_secrets(records.network(state))
        sealed = read_file(str(state.home / MACHINE_FILE), MAX_SEALED, "machine key")
        if needs_passphrase(sealed):
            if self._machine_fd is not None:
                return MachineKey.open(sealed, Passphrase(self._given_machine_passphrase()), state.machine)
            return _ask_until(
                MACHINE_QUESTION, lambda typed: MachineKey.open(sealed, Passphrase(typed), state.machine)
            )
        return MachineKey.open(sealed, self._needed_identity("the machine key"), state.machine)

    def _needed_identity(self, what: str) -> Identity:
        identity = self.identity()
        if identity is None:
            raise SecretError(
                "identity-missing",
                f"{what} was sealed to an age identity",
                remedy="hand it over with --identity-fd",
            )
        return identity

    def prepare(self, record: KeyRecord, state: State) -> Callable[[], PrivateNode]:
        """Ask for what opens a Bitcoin key of this state, and give back how to open it."""
        from falconer_offline import terminal
        from falconer_offline.keys.keyfile import check_fingerprint, open_seed
        from falconer_offline.keys.private import PrivateNode
        from falconer_offline.keys.sealed import Passphrase, needs_passphrase
        from falconer_offline.keys.words import check_words, seed_of
        from falconer_offline.state import records

        network, machine = records.network(state), state.machine
        if record.name in records.devices(state):
            raise StateError(
                "key-in-device",
                f"key '{record.name}' is in a hardware wallet, and not here",
                remedy="falconer-offline hardware has the commands for it",
            )
        self.guard_secrets(network)
        what = f"key {record.name}"
        sealed = record.sealed
        if sealed is None:
            words = terminal.ask_secret("Words: ")
            passphrase = terminal.ask_secret("BIP 39 passphrase (empty for none): ")

            def from_words() -> PrivateNode:
                node = PrivateNode.from_seed(seed_of(check_words(words), passphrase))
                check_fingerprint(node, record.fingerprint, what)
                return node

            return from_words
        if not needs_passphrase(sealed):
            identity = self._needed_identity(what)
            return lambda: open_seed(sealed, network, machine, record.fingerprint, identity, what)
        question = f"Passphrase of key {record.name}: "
        first = terminal.ask_secret(question)
        return lambda: _ask_until(
            question,
            lambda typed: open_seed(sealed, network, machine, record.fingerprint, Passphrase(typed), what),
            first,
        )


def _ask_until(question: str, attempt: Callable[[str], _T], first: str | None = None) -> _T:
    """Try what is typed, as often as ATTEMPTS allows; an empty answer gives up.

    Raises:
        SecretError: the last failure. Declined: `person-declined`.
    """
    from falconer_offline import terminal

    typed = terminal.ask_secret(question) if first is None else first
    for left in range(terminal.ATTEMPTS - 1, -1, -1):
        if not typed:
            raise Declined("person-declined", "no passphrase was given")
        try:
            with terminal.waiting("Opening; this takes some seconds ..."):
                return attempt(typed)
        except SecretError as wrong:
            if not left or wrong.rule != "passphrase-wrong":
                raise
            terminal.say(f"{wrong.message}.", aside=True)
            typed = terminal.ask_secret(question)
    raise RuntimeError("the loop returns or raises")


def tell(refused: FalconerError) -> None:
    """A refusal for a person, on standard error: the sentences, the ids, what to do."""
    reasons = getattr(refused, "reasons", None) or (refused,)
    for reason in reasons:
        sys.stderr.write(f"Refused: {reason.message} [{reason.rule}]\n")
        if reason.remedy:
            sys.stderr.write(f"         {reason.remedy}\n")
    sys.stderr.flush()
