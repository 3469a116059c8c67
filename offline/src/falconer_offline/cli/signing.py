"""`inspect` and `sign`: the path of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from falconer_offline import ingest, report, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.devices import Asking, signing_options
from falconer_offline.cli.shell import FILE, Shell, json_option, pass_shell, tell
from falconer_offline.review import Judged, ReadableRequest, judge, read_request
from falconer_offline.state import records
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import Declined, DeviceError, FalconerError, StateError
from falconer_shared.text import safe
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
@click.option(
    "--signer",
    "signers",
    multiple=True,
    metavar="NAME|hardware:FINGERPRINT",
    help="A key to sign with, of this machine or in a device; once for each. Default: this machine's own.",
)
@signing_options
@gap.show_options
@gap.scan_options
@json_option
@pass_shell
def sign(
    shell: Shell,
    psbt: tuple[str, ...],
    out: str | None,
    signers: tuple[str, ...],
    codes: Show,
    scan: Scan,
    asking: Asking,
) -> None:
    """Show the page of the request in the file PSBT, have it confirmed, sign, give the answer out."""
    run(shell, psbt, out, codes, scan, signers, asking)


def run(
    shell: Shell,
    psbt: tuple[str, ...],
    out: str | None,
    codes: Show,
    scan: Scan,
    signers: Sequence[str],
    asking: Asking,
) -> None:
    """The path of one request to its answer, whoever signs."""
    from falconer_offline import selfcheck
    from falconer_offline.hardware.desk import DeviceDesk
    from falconer_offline.session import own_keys, sign_session

    state = shell.state()
    chosen = [_key_name(state, signer) for signer in signers]
    exit_ = giving.Exit.prepare(shell, out, codes)
    data = _take(psbt, scan)
    selfcheck.run()
    readable: ReadableRequest | None = None
    try:
        with terminal.waiting(_JUDGING, after=terminal.PATIENCE):
            readable = read_request(state, data)
            judged = judge(state, readable, shell.clock())
        _say_signers(shell, state, own_keys(state, judged, chosen).values())
        network = records.network(state)
        desk = DeviceDesk(
            lambda: shell.devices(network, asking),
            shell.say,
            twice=asking.twice,
        )
        with closing(desk):
            answer = sign_session(
                state,
                judged,
                PersonAtTerminal(shell),
                Ring(shell, state),
                shell.clock,
                chosen=chosen,
                desk=desk,
            )
    except FalconerError as refused:
        shell.report(report.refused(refused))
        # a device that is not there says nothing about the request
        if readable is not None and not isinstance(refused, StateError | DeviceError):
            _keep_refusal(shell, readable, refused, exit_)
        raise
    if desk.differing:
        shell.say(
            f"WARNING: {desk.differing} signatures came out otherwise the second time. A device that follows RFC 6979 signs"
            " alike: ask its vendor before you use it again.",
            indent=8,
        )
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
            "second_signing_differs": desk.differing,
            "receipt": {"number": answer.receipt.receipt.number, "digest": answer.receipt.receipt.digest},
        }
    )


def _key_name(state: State, signer: str) -> str:
    """The name of the key that `--signer` means.

    Raises:
        StateError: `device-unrecorded`, `key-unknown`.
    """
    if not signer.startswith(_IN_DEVICE):
        return records.key(state, signer).name
    fingerprint = signer.removeprefix(_IN_DEVICE).lower()
    for device in records.devices(state).values():
        if device.fingerprint == fingerprint:
            return device.name
    raise StateError(
        "device-unrecorded",
        f"no device with the fingerprint '{safe(fingerprint, 40)}' is known here",
        remedy="falconer-offline hardware xpub FINGERPRINT --path P --name NAME, then wallet register",
    )


def _say_signers(shell: Shell, state: State, keys: Iterable[KeyRecord]) -> None:
    devices = records.devices(state)
    for key in keys:
        device = devices.get(key.name)
        where = "this machine" if device is None else f"a {safe(device.kind, 20)}, {safe(device.model, 40)}"
        shell.say(f"Signs     {key.name}, {key.fingerprint}, in {where}", indent=10)


_IN_DEVICE = "hardware:"

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
