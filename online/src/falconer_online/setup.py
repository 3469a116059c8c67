"""Making a coordinator: the first step of first trust.

A key is made here; nothing is taken over from anywhere. The administrators pinned now are the only ones who
can ever give this coordinator its first policy. The configuration is written last: without it there is no
coordinator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falconer_online.config import Home, NodeConfig, check_node_url, find_home, render
from falconer_online.coordinator import system_clock
from falconer_online.coordinator_key import CoordinatorKey
from falconer_online.files import MAX_TEXT_FILE, make_private_directory, read_file, write_file
from falconer_online.store.store import Store
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed, StateError, UsageError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import is_token, safe


@dataclass(frozen=True, slots=True)
class Made:
    """A new coordinator."""

    home: Home
    network: Network
    public: SshPublicKey
    administrators: dict[str, SshPublicKey]


def initialise(network: str, url: str, cookie: Path | None, admin_files: Sequence[Path]) -> Made:
    """Make a coordinator in the user's home for it. The node is not asked.

    Raises:
        StateError: `already-initialised`, `init-incomplete`, and what the disk says. UsageError: `node-url`,
        `admin-name`,
            `admin-repeated`. Malformed: `network-unknown`, a key that is none.
    """
    home = find_home()
    chosen = Network.parse(network)
    node = NodeConfig(check_node_url(url), cookie.absolute() if cookie is not None else None)
    administrators = read_administrators(admin_files)
    if home.config_file.exists():
        raise StateError(
            "already-initialised",
            f"a coordinator lives in {safe(str(home.config_dir))} already",
            remedy="set FALCONER_HOME to make another one",
        )
    for path in (home.database, home.key_file):
        if path.exists():
            raise StateError(
                "init-incomplete",
                f"{safe(str(path))} is there without a config.toml: an init was interrupted, or a file was lost",
                remedy="restore config.toml, or set FALCONER_HOME to make another coordinator",
            )
    make_private_directory(home.config_dir)
    make_private_directory(home.data_dir)
    try:
        key = CoordinatorKey.create(home)
        store = Store.create(home.database)
        with store.change(system_clock()) as change:
            change.pin_administrators(
                {name: admin.text() for name, admin in administrators.items()},
                key.public.text(),
                chosen.label,
            )
        store.close()
        write_file(home.config_file, render(chosen, node).encode(), mode=0o600, replace=False)
    except BaseException:
        # nothing that this very run made may stand in the way of the next one
        for path in (home.database, home.key_file, home.public_file):
            path.unlink(missing_ok=True)
        raise
    return Made(home, chosen, key.public, administrators)


def read_administrators(files: Sequence[Path]) -> dict[str, SshPublicKey]:
    """Public keys by the name of their file up to the first dot.

    Raises:
        UsageError: `admin-name`, `admin-repeated`. Malformed: a key that is none.
    """
    found: dict[str, SshPublicKey] = {}
    for path in files:
        name = path.name.split(".", 1)[0].lower()
        if not is_token(name):
            raise UsageError(
                "admin-name",
                f"the file name {safe(path.name)} gives no name of a-z 0-9 _ -",
                remedy="rename it",
            )
        try:
            text = read_file(path, MAX_TEXT_FILE, "the key file").decode("ascii")
        except UnicodeDecodeError:
            raise Malformed("ssh-key-malformed", f"{safe(str(path))} is not an SSH public key") from None
        key = SshPublicKey.parse(text)
        if name in found or key in found.values():
            raise UsageError("admin-repeated", f"administrator {name} is named twice, or has another's key")
        found[name] = key
    return found
