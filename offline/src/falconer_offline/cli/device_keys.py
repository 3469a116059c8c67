"""Keys that devices give: checked, and remembered in the state. Nothing of them is secret."""

from __future__ import annotations

from falconer_offline.cli.shell import Shell
from falconer_offline.hardware.signer import Device
from falconer_offline.state import journal, records
from falconer_offline.state.store import State, change
from falconer_shared.bitcoin.bip32 import ExtendedPublicKey, format_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, StateError, UsageError, VerificationError
from falconer_shared.text import is_token, safe


def checked_xpub(text: str, path: tuple[int, ...], network: Network) -> ExtendedPublicKey:
    """The key that a device gave, if it can be the one at `path`.

    Raises:
        VerificationError: `device-xpub-wrong`.
    """
    try:
        key = ExtendedPublicKey.parse(text, network, "the device's key")
    except FalconerError as refused:
        raise VerificationError(
            "device-xpub-wrong",
            f"what the device gave is no extended key of {network.label}: {refused.message}",
            remedy="on a Ledger open the app of this network",
        ) from refused
    if (key.depth, key.child_number) != (len(path), path[-1] if path else 0):
        raise VerificationError(
            "device-xpub-wrong",
            f"the key that the device gave does not lie at {format_path(path)}",
        )
    return key


def check_recordable(state: State, name: str, fingerprint: str) -> None:
    if not is_token(name):
        raise UsageError(
            "usage", f"'{safe(name, 64)}' cannot name a key: 1 to 64 of a-z, 0-9, dot, underscore, hyphen"
        )
    devices = records.devices(state)
    for record in records.keys(state):
        same = record.fingerprint == fingerprint
        if same and record.name not in devices:
            raise StateError(
                "key-exists",
                f"the key of this device is on this machine too, as '{record.name}'",
                remedy="a key that is meant to live in a device alone should be nowhere else: key remove",
            )
        if (record.name == name) != same:
            raise StateError(
                "key-exists",
                f"there is a key '{record.name}' with fingerprint {record.fingerprint} already",
                remedy="choose another name, or that one for the same device",
            )


def record(
    shell: Shell,
    state: State,
    name: str,
    device: Device,
    fingerprint: str,
    path: tuple[int, ...],
    text: str,
) -> None:
    """Remember that this key lives in a device. Nothing secret is kept.

    Raises:
        VerificationError: `device-xpub-differs`.
    """
    known = records.devices(state).get(name)
    before = None if known is None else known.xpubs.get(format_path(path))
    if before is not None and before != text:
        raise VerificationError(
            "device-xpub-differs",
            f"at {format_path(path)} the device gave another key before",
            remedy="one of the two answers was not the device's: compare with its own screen or the vendor's program",
        )
    machine = shell.machine(state)
    with change(state, machine) as (transaction, _):
        transaction.know_devices()
        if known is None:
            transaction.run("INSERT INTO keys VALUES (?, ?, ?, NULL)", name, fingerprint, shell.clock())
            transaction.run(
                "INSERT INTO devices VALUES (?, ?, ?)", name, device.kind.value, safe(device.model, 60)
            )
        transaction.run("INSERT OR REPLACE INTO device_xpubs VALUES (?, ?, ?)", name, format_path(path), text)
        journal.note(
            transaction,
            shell.clock(),
            "device-recorded",
            key=name,
            fingerprint=fingerprint,
            kind=device.kind.value,
            path=format_path(path) or "m",
        )
    shell.say(
        f"Device '{name}' is known here now. Next: put the key into a descriptor, then wallet register."
    )
