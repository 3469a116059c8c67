"""`wallet`: registered descriptors, the one measure of what is ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import click

from falconer_offline import terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, WALLET_NAME, Shell, json_option, pass_shell
from falconer_offline.state import journal, records
from falconer_offline.state.records import THIS_MACHINE, Holder
from falconer_offline.state.store import State, change
from falconer_shared.bitcoin.bip32 import format_path
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.descriptor.ast import DescriptorKey
from falconer_shared.errors import Declined, StateError, VerificationError
from falconer_shared.text import safe
from falconer_shared.wallet.registration import RegisteredWallet, check_no_shared_coins, quorums_without

MAX_WALLET_FILE = 64 * 1024
"""A descriptor has at most 16 kB; around it stand a line feed, or a little JSON."""

SINGLE = ("pkh", "sh-wpkh", "wpkh", "tr")
"""As `arrival.OF_ONE_KEY`."""

MAX_ADDRESS_INDEX = 2**31 - 1

ADDRESSES_SHOWN = 3
"""First receive addresses to compare with another program's."""

MAX_HOLDER = 64
"""Characters of a holder's name: `is_token` and spaces between."""

QUORUMS_SHOWN = 20
"""Lines; what is left out is counted."""


@click.group()
def wallet() -> None:
    """Wallets, registered once with eyes open; nothing else is ever called ours."""


@wallet.command()
@click.argument("name")
@click.argument("file", nargs=-1, type=FILE)
@click.option(
    "--form", type=click.Choice(SINGLE), help="Which key of an account, where a code holds an account."
)
@gap.scan_options
@json_option
@pass_shell
def register(shell: Shell, name: str, file: tuple[str, ...], form: str | None, scan: Scan) -> None:
    """Register the wallet in FILE as NAME: a descriptor with its checksum, Coldcard's lines or JSON.

    Codes may also hold an output or an account (UR).
    """
    state = shell.state()
    network = records.network(state)
    registered = RegisteredWallet.register(name, network, _read_wallet(shell, file, scan, form))
    for row in state.rows["wallets"]:
        if registered.wallet_id == row[1] or name == row[0]:
            raise StateError(
                "wallet-exists", f"wallet '{safe(str(row[0]))}' has that name or descriptor already"
            )
    check_no_shared_coins(registered, records.wallets(state))
    machine = shell.machine(state)
    ours = _own_positions(shell, state, registered)
    _show(shell, registered, {position: f"key {key}" for position, key in ours.items()})
    holders = _ask_holders(registered, ours, records.devices(state))
    _show_quorums(shell, registered, holders)
    terminal.say(
        f"Compare the wallet id with the coordinator's and the other signers': {registered.wallet_id}",
        aside=True,
    )
    terminal.confirm_ending("Last 4 characters of the wallet id: ", registered.wallet_id)
    with change(state, machine) as (transaction, after):
        transaction.run(
            "INSERT INTO wallets VALUES (?, ?, ?, ?)",
            name,
            registered.wallet_id,
            registered.canonical,
            registered.gap_limit,
        )
        for holder in holders:
            transaction.run(
                "INSERT INTO holders VALUES (?, ?, ?, ?)",
                registered.wallet_id,
                holder.position,
                holder.who,
                holder.key,
            )
        journal.note(transaction, shell.clock(), "wallet-registered", wallet=registered.wallet_id, name=name)
    shell.say(f"Registered '{name}'. Next: falconer-offline policy install FILE --signature FILE")
    shell.report(_document(after[0], registered))


@wallet.command("list")
@json_option
@pass_shell
def list_(shell: Shell) -> None:
    """List the registered wallets."""
    state = shell.state()
    found = records.wallets(state)
    for registered in found:
        shell.say(
            f"{registered.name:<20} {registered.threshold} of {registered.size}  {registered.wallet_id}"
        )
    if not found:
        shell.say("No wallets. Next: falconer-offline wallet register NAME FILE")
    shell.report({"wallets": [_document(state, registered) for registered in found]})


@wallet.command()
@click.argument("name", type=WALLET_NAME)
@gap.every_show_option
@json_option
@pass_shell
def show(shell: Shell, name: str, codes: Show) -> None:
    """Show a registered wallet: keys, holders, threshold, first addresses, id; with --qr also as codes."""
    state = shell.state()
    registered = records.wallet(state, name)
    holders = records.holders(state, registered.wallet_id)
    if codes.wanted:
        from falconer_shared.transport.parts import Kind
        from falconer_shared.wallet.formats import Form, render

        way = giving.CodesExit.prepare(shell, codes, registered.name)
        data = render(registered, Form(way.choice.form().value), registered.name)
        giving.say_given(shell, way.give(data, Kind.DESCRIPTOR, f"wallet {registered.name}"))
    _show(shell, registered, {holder.position: holder.who for holder in holders})
    _show_quorums(shell, registered, holders)
    shell.report(_document(state, registered))


@wallet.command()
@click.argument("name", type=WALLET_NAME)
@click.option("--index", type=click.IntRange(0, MAX_ADDRESS_INDEX), default=0, show_default=True)
@click.option("--change", "is_change", is_flag=True, help="A change address.")
@click.option("--qr", is_flag=True, help="Draw it as a QR code too.")
@json_option
@pass_shell
def address(shell: Shell, name: str, index: int, *, is_change: bool, qr: bool) -> None:
    """Derive an address here, to compare with what another screen claims."""
    registered = records.wallet(shell.state(), name)
    found = registered.address(int(is_change), index)
    if qr:
        gap.print_code(shell, found)
    shell.say(found)
    shell.report(
        {
            "wallet": name,
            "branch": "change" if is_change else "receive",
            "index": index,
            "address": found,
            "network": registered.network.label,
        }
    )


def _read_wallet(shell: Shell, files: tuple[str, ...], scan: Scan, form: str | None) -> str:
    """The descriptor, with a checksum that came with it or stands for what covered it."""
    from falconer_shared.transport.parts import WALLETS, Kind
    from falconer_shared.wallet.arrival import read_arrived

    if scan.wanted:
        received = gap.one_of(files, MAX_WALLET_FILE, "wallet", WALLETS | {Kind.ACCOUNT}, scan)
        found, label = read_arrived(received.data, received.type, form), received.label
    else:
        data = gap.take(files, MAX_WALLET_FILE, "wallet", (), scan)
        found, label = read_arrived(data, form=form), ""
    if label or found.name:
        shell.say(f"Called    {safe(label or found.name, 120)} by whoever made it", indent=10)
    return found.descriptor.strip()


def _own_positions(shell: Shell, state: State, registered: RegisteredWallet) -> Mapping[int, str]:
    """Key position → name of our key, each derived again from its secret (A027), or the one that our device gave here.

    Raises:
        VerificationError: `wallet-without-our-key`, `wallet-key-swapped`. StateError: `device-key-unrecorded`.
    """
    devices = records.devices(state)
    by_fingerprint = {record.fingerprint: record for record in records.keys(state)}
    ours: dict[int, str] = {}
    opened = {}
    for position, key in enumerate(registered.keys):
        record = by_fingerprint.get(key.fingerprint.hex())
        if record is None:
            continue
        device = devices.get(record.name)
        if device is not None:
            if _device_xpub(device, key) != key.xpub.text(registered.network):
                raise _swapped(position, key, record.name)
            ours[position] = record.name
            continue
        if record.name not in opened:
            opened[record.name] = shell.prepare(record, state)()
        if opened[record.name].derive_path(key.origin).public() != key.xpub:
            raise _swapped(position, key, record.name)
        ours[position] = record.name
    if not ours:
        raise VerificationError(
            "wallet-without-our-key",
            "none of the wallet's keys derives from a key of this machine",
            remedy="falconer-offline key list and key xpub show what this machine has",
        )
    return ours


def _swapped(position: int, key: DescriptorKey, name: str) -> VerificationError:
    # our fingerprint with another key: somebody prepared this descriptor to look like ours
    return VerificationError(
        "wallet-key-swapped",
        f"key {position + 1} carries the fingerprint of our key '{name}', and is not what that key derives at"
        f" {key.origin_text()}",
        remedy="get the descriptor again from people whom you trust, and tell them",
    )


def _device_xpub(device: records.DeviceRecord, key: DescriptorKey) -> str:
    """What the device gave here for the key's path.

    Raises:
        StateError: `device-key-unrecorded`.
    """
    path = format_path(key.origin)
    found = device.xpubs.get(path)
    if found is None:
        raise StateError(
            "device-key-unrecorded",
            f"device '{device.name}' was not asked yet for its key at {path}",
            remedy=f"falconer-offline hardware xpub {device.fingerprint} --path {path} --name {device.name}",
        )
    return found


def _ask_holders(
    registered: RegisteredWallet, ours: Mapping[int, str], devices: Collection[str]
) -> tuple[Holder, ...]:
    holders: list[Holder] = []
    terminal.say(
        "For each key: who holds it, or could restore it from a backup? Answer a name; nothing means this machine alone.",
        aside=True,
    )
    for position, key in enumerate(registered.keys):
        here = position in ours and ours[position] not in devices
        # a device signs wherever it is plugged in: such a key is never this machine's alone
        mark = " is ours" if here else " is in a device: name who has that" if position in ours else ""
        terminal.say(f"Key {position + 1} {key.origin_text()}{mark}", aside=True)
        who = ask_holder(f"Who holds key {position + 1} of {registered.size}: ", own=here)
        holders.append(Holder(position, who, ours.get(position)))
    return tuple(holders)


def ask_holder(question: str, *, own: bool) -> str:
    """Who holds a key, by the person at the machine.

    Raises:
        Declined: `person-declined`.
    """
    for _ in range(terminal.ATTEMPTS):
        who = terminal.ask(question)
        if own and who in {"", THIS_MACHINE}:
            return THIS_MACHINE
        if who and who != THIS_MACHINE and len(who) <= MAX_HOLDER and safe(who) == who:
            return who
        terminal.say(
            "A name of printable ASCII characters; 'this machine' only where the key is ours.", aside=True
        )
    raise Declined("person-declined", "not said who holds every key; nothing was changed")


def _alone_here(holders: Iterable[Holder]) -> list[int]:
    return [holder.position for holder in holders if holder.key is not None and holder.who == THIS_MACHINE]


def _show(shell: Shell, registered: RegisteredWallet, marks: Mapping[int, str]) -> None:
    shell.say(f"Wallet    {registered.name} on {registered.network.label}")
    shell.say(f"Threshold {registered.threshold} of {registered.size} keys")
    for position, key in enumerate(registered.keys):
        mark = marks.get(position)
        shell.say(f"Key {position + 1:<5} {key.origin_text()}" + (f"   {safe(mark)}" if mark else ""))
        shell.say(f"          {key.xpub.text(registered.network)}")
    for index in range(ADDRESSES_SHOWN):
        shell.say(f"Receive {index} {registered.address(0, index)}")
    shell.say(f"Change 0  {registered.address(1, 0)}")
    for note in registered.notes():
        shell.say(f"Note      {note}")
    shell.say(f"Wallet id {registered.wallet_id}")


def _show_quorums(shell: Shell, registered: RegisteredWallet, holders: Sequence[Holder]) -> None:
    """What this machine's word is worth: every set of keys that can spend without it."""
    free = quorums_without(registered, _alone_here(holders))
    if not free:
        shell.say("Every spend needs a key that this machine alone holds.")
        return
    shell.say(
        f"WITHOUT this machine {len(free)} sets of keys can spend; its rules do not bind whoever holds one:",
        indent=10,
    )
    for positions in free[:QUORUMS_SHOWN]:
        shell.say(
            "          "
            + " with ".join(f"key {position + 1} ({safe(holders[position].who)})" for position in positions)
        )
    if len(free) > QUORUMS_SHOWN:
        shell.say(f"          and {len(free) - QUORUMS_SHOWN} more")


def _document(state: State, registered: RegisteredWallet) -> dict[str, object]:
    holders = records.holders(state, registered.wallet_id)
    return {
        "name": registered.name,
        "network": registered.network.label,
        "wallet_id": registered.wallet_id,
        "descriptor": registered.descriptor_text,
        "threshold": registered.threshold,
        "keys": [
            {"key": registered.keys[holder.position].text(), "held_by": holder.who, "own": holder.key}
            for holder in holders
        ],
        "first_addresses": [registered.address(0, index) for index in range(ADDRESSES_SHOWN)],
        "quorums_without_this_machine": [
            [position + 1 for position in positions]
            for positions in quorums_without(registered, _alone_here(holders))
        ],
    }
