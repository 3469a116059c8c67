"""`inspect` and `sign`: the path of one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from falconer_offline import ingest, report, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, Shell, json_option, pass_shell, tell
from falconer_offline.review import Judged, ReadableRequest, judge, read_request
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import Declined, FalconerError, StateError
from falconer_shared.units import Amount

if TYPE_CHECKING:
    from falconer_offline.keys.private import PrivateNode
    from falconer_offline.session import Answer
    from falconer_offline.state.machine import MachineKey
    from falconer_offline.state.records import KeyRecord
    from falconer_offline.state.store import State


@click.command()
@click.argument("psbt", nargs=-1, type=FILE)
@gap.scan_options
@json_option
@pass_shell
def inspect(shell: Shell, psbt: tuple[str, ...], scan: Scan) -> None:
    """Verify and judge the request in the file PSBT. No key is opened, nothing is written."""
    state = shell.state()
    data = _take(psbt, scan)
    try:
        with terminal.waiting(_JUDGING, after=terminal.PATIENCE):
            judged = judge(state, read_request(state, data), shell.clock())
    except FalconerError as refused:
        shell.report(report.refused(refused))
        raise
    if not shell.json_output:
        from falconer_offline import screen

        screen.show(judged, state, aside=False)
        shell.say("Accepted. Nothing was signed.")
    shell.report(report.accepted(judged, state))


@click.command()
@click.argument("psbt", nargs=-1, type=FILE)
@click.option("--out", type=FILE, metavar="FILE", help="Write the answer into this file.")
@gap.show_options
@gap.scan_options
@json_option
@pass_shell
def sign(shell: Shell, psbt: tuple[str, ...], out: str | None, codes: Show, scan: Scan) -> None:
    """Show the page of the request in the file PSBT, have it confirmed, sign, give the answer out."""
    from falconer_offline import selfcheck
    from falconer_offline.session import sign_session

    state = shell.state()
    exit_ = giving.Exit.prepare(shell, out, codes)
    data = _take(psbt, scan)
    selfcheck.run()
    readable: ReadableRequest | None = None
    try:
        with terminal.waiting(_JUDGING, after=terminal.PATIENCE):
            readable = read_request(state, data)
            judged = judge(state, readable, shell.clock())
        ring = Ring(shell, state)
        answer = sign_session(state, judged, PersonAtTerminal(shell), ring, shell.clock)
    except FalconerError as refused:
        shell.report(report.refused(refused))
        if readable is not None and not isinstance(refused, StateError):
            _keep_refusal(shell, readable, refused, exit_)
        raise
    size, head = answer.state.head
    place = exit_.give(answer.psbt.raw)
    shell.say(f"Signed. The answer is {place}, with receipt {answer.receipt.receipt.number}.", indent=8)
    shell.say(f"Journal   {size} entries, head {head}", indent=10)
    shell.report(
        {
            **report.accepted(judged, answer.state),
            "signed": True,
            "out": exit_.out,
            "qr_images": codes.qr_images,
            "receipt": {"number": answer.receipt.receipt.number, "digest": answer.receipt.receipt.digest},
        }
    )


_JUDGING = "Verifying ..."


def _take(files: tuple[str, ...], scan: Scan) -> bytes:
    from falconer_shared.transport.parts import Kind

    return gap.take(files, ingest.MAX_PSBT_FILE, "PSBT", (Kind.PSBT,), scan)


def _keep_refusal(
    shell: Shell, readable: ReadableRequest, refused: FalconerError, exit_: giving.Exit
) -> None:
    """Number, sign and write the receipt of a refusal, if the person opens the machine key for it."""
    from falconer_offline.session import refuse_session

    tell(refused)
    shell.say("The refusal gets a numbered receipt for the coordinator; it needs the machine key.")
    try:
        # the state may have moved on since it was judged: a released reservation is an entry too
        state = shell.state()
        machine = shell.machine(state)
        answer: Answer = refuse_session(state, readable, refused, machine, shell.clock())
        place = exit_.give(answer.psbt.raw)
    except FalconerError as problem:
        # the request stays refused, and its status stays the one that is returned
        shell.say(f"No receipt was written: {problem.message}.")
        return
    shell.say(f"Receipt {answer.receipt.receipt.number} of the refusal is {place}.")


class PersonAtTerminal:
    """The person, asked at the terminal."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def show(self, judged: Judged, state: State) -> None:
        """The page, to wherever people's text goes."""
        from falconer_offline import screen

        screen.show(judged, state, aside=self._shell.aside)
        quorum = judged.approved.approved
        self._shell.say(
            "Type the following from the approvers' paper, not from this screen."
            if quorum
            else "Type the following from this page."
        )

    def total(self, expected: Amount) -> None:
        """The sum in satoshis. Group marks may be typed, since the paper may have them."""
        for _ in range(terminal.ATTEMPTS):
            typed = terminal.ask("Sum of the payments in satoshis: ")
            if not typed:
                raise Declined("person-declined", "not confirmed; nothing was signed")
            if typed.replace(",", "").replace(" ", "") == str(int(expected)):
                return
            terminal.say("That is not the sum on the page.", aside=True)
        raise Declined(
            "confirmation-wrong", "what was typed is not what this transaction pays; nothing was signed"
        )

    def ending(self, of: str, expected: str) -> None:
        """The last four characters of an address or digest."""
        for _ in range(terminal.ATTEMPTS):
            typed = terminal.ask(f"Last 4 characters of {of}: ")
            if not typed:
                raise Declined("person-declined", "not confirmed; nothing was signed")
            if typed.lower() == expected[-4:].lower():
                return
            terminal.say("That is not how it ends on the page.", aside=True)
        raise Declined(
            "confirmation-wrong", "what was typed is not where this transaction pays to; nothing was signed"
        )


class Ring:
    """The secrets of this home, asked at the terminal or taken from descriptors."""

    def __init__(self, shell: Shell, state: State) -> None:
        self._shell = shell
        self._state = state

    def machine(self, state: State) -> MachineKey:
        """The machine key, opened."""
        return self._shell.machine(state)

    def prepare(self, record: KeyRecord) -> Callable[[], PrivateNode]:
        """Ask for what opens a key."""
        return self._shell.prepare(record, self._state)
