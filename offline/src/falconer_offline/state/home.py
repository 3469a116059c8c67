"""Where a home is, and how a new one comes to be: whole, by one rename, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from falconer_offline.emit import write_file
from falconer_offline.keys.sealed import Secret
from falconer_offline.state import journal, store
from falconer_offline.state.machine import MachineKey
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe

VARIABLE = "FALCONER_OFFLINE_HOME"


def place(named: str | None) -> Path:
    """The home that the person named, else the environment's, else the XDG data folder's."""
    chosen = named or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    data = os.environ.get("XDG_DATA_HOME")
    # XDG Base Directory: a relative path there is to be ignored
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "falconer-offline"


def check_free(home: Path) -> None:
    """Accept a place where a home can be made: nothing there, or an empty folder.

    Raises:
        StateError: `home-exists`, `state-unreadable`.
    """
    try:
        if home.is_symlink() or (home.exists() and (not home.is_dir() or any(home.iterdir()))):
            raise StateError(
                "home-exists", f"{safe(str(home))} is in use already", remedy="name another place with --home"
            )
    except OSError as fault:
        raise StateError("state-unreadable", f"{safe(str(home))}: {fault.strerror}") from None


def create(
    home: Path, network: Network, signer: str, admins: Sequence[SshPublicKey], secret: Secret, now: int
) -> MachineKey:
    """Make a home with a new machine key.

    Raises:
        StateError: `home-exists`, `state-not-writable`, `file-not-writable`.
    """
    check_free(home)
    machine = MachineKey.generate()
    sealed = machine.sealed(secret)
    fresh = home.with_name(f".{home.name}.{secrets.token_hex(8)}.new")

    def fill(transaction: store.Change) -> None:
        facts = {"network": network.label, "signer": signer, "created": str(now), "time-mark": str(now)}
        for name, value in facts.items():
            transaction.run("INSERT INTO facts VALUES (?, ?)", name, value)
        for key in admins:
            transaction.run("INSERT INTO admins VALUES (?)", key.text())
        journal.note(
            transaction, now, "created", network=network.label, signer=signer, machine=machine.public.key_hash
        )

    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        try:
            write_file(str(fresh / store.MACHINE_FILE), sealed)
            write_file(str(fresh / store.PUBLIC_FILE), f"{machine.public.text()} {signer}\n".encode("ascii"))
            store.create(fresh, machine, fill)
            # atomic: an empty folder at the place is replaced, anything else makes it fail
            fresh.rename(home)
            _sync(home.parent)
        finally:
            if fresh.exists():
                shutil.rmtree(fresh)
    except OSError as fault:
        raise StateError(
            "state-not-writable", f"{safe(str(home))} cannot be made: {fault.strerror}"
        ) from None
    return machine


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
