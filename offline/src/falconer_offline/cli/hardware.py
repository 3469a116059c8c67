"""`hardware`: signers on USB. What they say is compared with what this program derives; only `sign` makes them sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_offline import emit, terminal
from falconer_offline.cli import gap
from falconer_offline.cli.device_keys import check_recordable, checked_xpub, record
from falconer_offline.cli.devices import FINGERPRINT, Asking, device_options, signing_options
from falconer_offline.cli.paths import check_coin_type
from falconer_offline.cli.shell import FILE, WALLET_NAME, Shell, json_option, pass_shell
from falconer_offline.hardware.addresses import place, script_shown, spelled
from falconer_offline.hardware.desk import instructions, pick, refusal_of
from falconer_offline.hardware.models import MODELS, Kind, Registration, check_can_sign, form_of, is_multisig
from falconer_offline.hardware.signer import Device
from falconer_offline.state import records
from falconer_offline.state.store import State
from falconer_shared.bitcoin.bip32 import format_path, parse_path
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import DeviceError, StateError, UsageError, VerificationError
from falconer_shared.text import safe
from falconer_shared.wallet.registration import RegisteredWallet

if TYPE_CHECKING:
    from falconer_offline.hardware.signer import HardwareSigner

MAX_ADDRESS_INDEX = 2**31 - 1


@click.group()
def hardware() -> None:
    """Hardware wallets on USB, behind the same gate as the keys of this machine."""


@hardware.command("list")
@device_options
@json_option
@pass_shell
def list_(shell: Shell, asking: Asking) -> None:
    """List the devices that are plugged in, and what keeps them from being used."""
    state = shell.state()
    network = records.network(state)
    with shell.devices(network, asking) as signer:
        found = _listed(signer)
    known = {device.fingerprint: device.name for device in records.devices(state).values()}
    for device in found:
        shell.say(
            f"{MODELS[device.kind].title:<10} {device.fingerprint or '????????'}  {safe(device.model, 40)}"
            f"  {safe(device.label, 40)}  {known.get(device.fingerprint or '', '')}".rstrip()
        )
        why = refusal_of(device)
        if why is not None:
            shell.say(f"{'':<10} {why.message}", indent=11)
            if why.remedy:
                shell.say(f"{'':<10} {why.remedy}", indent=11)
    if not found:
        shell.say("No device. Plug it in and unlock it; falconer-offline hardware setup-check looks why not.")
    shell.report({"devices": [_document(device, known.get(device.fingerprint or "")) for device in found]})


def _document(device: Device, name: str | None) -> dict[str, object]:
    why = refusal_of(device)
    return {
        "kind": device.kind.value,
        "model": safe(device.model, 60),
        "label": safe(device.label, 60),
        "fingerprint": device.fingerprint,
        "path": safe(device.path),
        "needs_pin": device.needs_pin,
        "needs_passphrase": device.needs_passphrase,
        "name": name,
        "problem": None if why is None else why.as_json(),
    }


def _listed(signer: HardwareSigner) -> tuple[Device, ...]:
    with terminal.waiting("Looking for devices ...", after=terminal.PATIENCE):
        return signer.list()


@hardware.command("setup-check")
@json_option
@pass_shell
def setup_check(shell: Shell) -> None:
    """See what devices need of this system, and print the commands that give it."""
    from falconer_offline.hardware import setup

    found = setup.look()
    shell.say(f"Library   {'hwi is installed' if found.installed else 'hwi is NOT installed'}")
    for device in found.plugged:
        access = f"this user may not open {', '.join(device.closed)}" if device.closed else "may be opened"
        shell.say(f"USB       {MODELS[device.kind].title} {device.vendor:04x}:{device.product:04x}: {access}")
    if not found.plugged:
        shell.say("USB       no device of a kind that is known here")
    for kind in found.without_rules:
        shell.say(f"udev      no rule names the {MODELS[kind].title}")
    if found.without_rules or not found.ready:
        shell.say("To let this user open the devices, then plug them in again:")
        for line in setup.commands(found):
            shell.say(f"    {line}")
    shell.report(
        {
            "installed": found.installed,
            "ready": found.ready,
            "plugged": [
                {"kind": device.kind.value, "closed": list(device.closed)} for device in found.plugged
            ],
            "without_rules": [kind.value for kind in found.without_rules],
            "commands": list(setup.commands(found)),
        }
    )
    if not found.ready:
        raise DeviceError(
            "device-setup-incomplete",
            "hardware wallets cannot be used on this system yet",
            remedy="type the commands above, or install falconer-offline[hwi]; docs/hardware.md has more",
        )


@hardware.command()
@click.argument("fingerprint", type=FINGERPRINT)
@click.option(
    "--path", "path_text", required=True, metavar="84h/1h/0h", help="Derivation path from the master key."
)
@click.option("--name", metavar="NAME", help="Remember the device and this key here, under this name.")
@click.option("--out", type=FILE, metavar="FILE", help="Write it to a new file as well.")
@device_options
@json_option
@pass_shell
def xpub(
    shell: Shell,
    fingerprint: str,
    path_text: str,
    name: str | None,
    out: str | None,
    asking: Asking,
) -> None:
    """Print the key expression [fingerprint/path]xpub of a device's account; with --name keep it for wallet register."""
    state = shell.state()
    network = records.network(state)
    path = parse_path(path_text.removeprefix("m/"))
    check_coin_type(path, network)
    if name is not None:
        check_recordable(state, name, fingerprint)
    with shell.devices(network, asking) as signer:
        device = pick(_listed(signer), fingerprint)
        given = signer.xpub(device, path)
    key = checked_xpub(given, path, network)
    text = f"[{fingerprint}{'/' if path else ''}{format_path(path)}]{key.text(network)}"
    if name is not None:
        record(shell, state, name, device, fingerprint, path, key.text(network))
    if out is not None:
        emit.write_file(out, f"{text}\n".encode("ascii"))
    shell.say(text)
    shell.report(
        {
            "name": name,
            "key": text,
            "fingerprint": fingerprint,
            "path": format_path(path),
            "kind": device.kind.value,
        }
    )


_CHOICE = click.option(
    "--signer",
    type=FINGERPRINT,
    metavar="hardware:FINGERPRINT",
    help="Which device, where the wallet has keys of several.",
)


@hardware.command()
@click.argument("wallet", type=WALLET_NAME)
@click.option("--index", type=click.IntRange(0, MAX_ADDRESS_INDEX), default=0, show_default=True)
@click.option("--change", "is_change", is_flag=True, help="A change address.")
@_CHOICE
@device_options
@json_option
@pass_shell
def address(
    shell: Shell,
    wallet: str,
    index: int,
    signer: str | None,
    asking: Asking,
    *,
    is_change: bool,
) -> None:
    """Show an address of WALLET on the device and here, and have a person compare them."""
    state = shell.state()
    registered = records.wallet(state, wallet)
    fingerprint = _device_of(state, registered, signer)
    with shell.devices(registered.network, asking) as devices:
        device = _able(devices, registered, fingerprint)
        _compare(shell, devices, device, registered, int(is_change), index)
    shell.report(
        {
            "wallet": wallet,
            "branch": "change" if is_change else "receive",
            "index": index,
            "address": registered.address(int(is_change), index),
            "device": fingerprint,
            "same": True,
        }
    )


@hardware.command()
@click.argument("wallet", type=WALLET_NAME)
@_CHOICE
@click.option(
    "--out", type=FILE, metavar="FILE", help="For a Coldcard: write the file that it registers from."
)
@device_options
@json_option
@pass_shell
def register(shell: Shell, wallet: str, signer: str | None, out: str | None, asking: Asking) -> None:
    """Make the multisig WALLET known to a device that wants to know it before it signs."""
    state = shell.state()
    registered = records.wallet(state, wallet)
    fingerprint = _device_of(state, registered, signer)
    kind = next((Kind(d.kind) for d in records.devices(state).values() if d.fingerprint == fingerprint), None)
    if out is not None:
        from falconer_shared.wallet.formats import Form, render

        emit.write_file(out, render(registered, Form.MULTISIG_TEXT, registered.name))
        shell.say(f"Written to {safe(out)}. Put it on the device's card, import it there, compare every key.")
        shell.report({"wallet": wallet, "out": out})
        return
    if kind is Kind.COLDCARD:
        raise UsageError(
            "usage", "a Coldcard registers from a file", remedy="hardware register WALLET --out FILE"
        )
    with shell.devices(registered.network, asking) as devices:
        device = _able(devices, registered, fingerprint)
        needed = (
            is_multisig(form_of(registered)) and MODELS[device.kind].registration is not Registration.NONE
        )
        if needed:
            _compare(shell, devices, device, registered, 0, 0)
        else:
            shell.say(f"A {MODELS[device.kind].title} needs to be told nothing of this wallet.")
    if needed and MODELS[device.kind].registration is Registration.EACH_TIME:
        shell.say("HWI keeps no registration: this device asks again at every address and every signature.")
    shell.report({"wallet": wallet, "device": fingerprint, "registered": needed})


def _device_of(state: State, registered: RegisteredWallet, signer: str | None) -> str:
    """The fingerprint of the device that is meant.

    Raises:
        StateError: `device-not-of-wallet`. UsageError: `usage`.
    """
    in_wallet = [key.fingerprint.hex() for key in registered.keys]
    if signer is not None:
        if signer not in in_wallet:
            raise StateError(
                "device-not-of-wallet",
                f"wallet '{registered.name}' has no key with the fingerprint {signer}",
                remedy="wallet show lists its keys",
            )
        return signer
    known = {device.fingerprint for device in records.devices(state).values()} & set(in_wallet)
    if len(known) == 1:
        return known.pop()
    if known:
        raise UsageError(
            "usage",
            "the wallet has keys of several devices",
            remedy="say which: --signer hardware:FINGERPRINT",
        )
    raise StateError(
        "device-not-of-wallet",
        f"no device of wallet '{registered.name}' is known here",
        remedy="hardware xpub FINGERPRINT --path P --name NAME remembers one, or name it: --signer hardware:FINGERPRINT",
    )


def _able(signer: HardwareSigner, registered: RegisteredWallet, fingerprint: str) -> Device:
    device = pick(_listed(signer), fingerprint)
    for position, key in enumerate(registered.keys):
        if key.fingerprint.hex() == fingerprint:
            check_can_sign(device.kind, registered, position)
    return device


def _compare(
    shell: Shell,
    signer: HardwareSigner,
    device: Device,
    registered: RegisteredWallet,
    branch: int,
    index: int,
) -> None:
    """Both sides show an address: this program compares what it can, and the person the rest.

    Raises:
        VerificationError: `device-address-differs`. Declined: `person-declined`.
    """
    ours = registered.scripts(branch, index).script_pubkey
    shown = spelled(registered, branch, index)
    for line in instructions(device, registered)[:-1]:
        shell.say(line)
    shell.say(f"Address   {shown}")
    shell.say("Compare it with the device's screen, whole, and confirm there.")
    at = place(registered, branch, index)
    claimed = signer.show_address(device, at)
    if script_shown(claimed, registered.network) != ours:
        raise VerificationError(
            "device-address-differs",
            f"the device showed {safe(claimed, 100)}, and the address is {shown}",
            remedy="use neither; see whether the device has the same wallet, network and passphrase",
        )
    terminal.confirm_ending("Last 4 characters of the address on the DEVICE's screen: ", shown)
    shell.say("The same on both sides.")


@hardware.command()
@click.argument("fingerprint", type=FINGERPRINT)
@click.argument("psbt", nargs=-1, type=FILE)
@click.option("--out", type=FILE, metavar="FILE", help="Write the answer into this file.")
@signing_options
@gap.show_options
@gap.scan_options
@json_option
@pass_shell
def sign(
    shell: Shell,
    fingerprint: str,
    psbt: tuple[str, ...],
    out: str | None,
    codes: Show,
    scan: Scan,
    asking: Asking,
) -> None:
    """Sign a request with one device: the same as `sign --signer hardware:FINGERPRINT`, with all that comes before it."""
    from falconer_offline.cli import signing

    signing.run(shell, psbt, out, codes, scan, (f"hardware:{fingerprint}",), asking)


@hardware.command()
@device_options
@json_option
@pass_shell
def unlock(shell: Shell, asking: Asking) -> None:
    """Enter the PIN of a Trezor One or KeepKey, whose own buttons cannot take it."""
    state = shell.state()
    network = records.network(state)
    with shell.devices(network, asking) as signer:
        locked = [device for device in _listed(signer) if device.needs_pin]
        if not locked:
            raise DeviceError(
                "device-none-locked",
                "no device here wants a PIN from this computer",
                remedy="a device with keys or a touch screen of its own takes its PIN there",
            )
        if len(locked) > 1:
            raise DeviceError(
                "device-several",
                f"{len(locked)} devices here want a PIN from this computer",
                remedy="plug in the one that is meant, and no other",
            )
        signer.prompt_pin(locked[0])
        terminal.say("The device shows where its digits are. Type the positions, not the digits:", aside=True)
        for row in ("7 8 9", "4 5 6", "1 2 3"):
            terminal.say(f"    {row}", aside=True)
        signer.send_pin(locked[0], terminal.ask_secret("Positions: "))
    shell.say("The device is unlocked, until it is unplugged or locks itself.")
    shell.report({"kind": locked[0].kind.value, "unlocked": True})
