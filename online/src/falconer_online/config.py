"""Where the coordinator lives, and which node it asks.

One small TOML file, written by `falconer init` and never again by the program. It holds no secret: the node's
password stands in the node's own cookie file, or in the environment (`FALCONER_NODE_USER`,
`FALCONER_NODE_PASSWORD`), never in an option or in this file, because options are seen by every user of the
machine (`ps`) and kept by the shell.

Nothing here is trusted further than the disk is: a changed node URL gives another node to disbelieve, a
changed network is refused by every registered wallet.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError, UsageError
from falconer_shared.text import safe

DEFAULT_EXPIRY_SECONDS = 24 * 3600
"""How long an intent may be signed when `--expires` does not say: a working day with a night in it."""

DEFAULT_FEE_TARGET_BLOCKS = 6
"""Blocks within which a payment should confirm when no fee rate is named: about an hour."""

DEFAULT_TIMEOUT_SECONDS = 30
"""For an ordinary answer of the node. Rescans have their own."""

_CONFIRMATIONS = {Network.REGTEST: 1, Network.SIGNET: 1, Network.TESTNET4: 3, Network.MAINNET: 6}
"""Confirmations after which a broadcast counts as confirmed: six on mainnet, the custom of the field."""

_MAX_CONFIG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Home:
    """The two directories of one coordinator; `FALCONER_HOME` puts both into one."""

    config_dir: Path
    data_dir: Path

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def database(self) -> Path:
        return self.data_dir / "falconer.db"

    @property
    def key_file(self) -> Path:
        """The coordinator's own Ed25519 key (OpenSSH). It signs requests, and can move no coin."""
        return self.data_dir / "coordinator.key"

    @property
    def public_file(self) -> Path:
        return self.data_dir / "coordinator.pub"

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "falconer.lock"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How to reach the node. `cookie` is read again for every request, since a restarted node writes a new
    one.
    """

    url: str
    cookie: Path | None
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Config:
    """What `config.toml` says."""

    home: Home
    network: Network
    node: NodeConfig
    confirmations: int
    expiry_seconds: int = DEFAULT_EXPIRY_SECONDS
    fee_target_blocks: int = DEFAULT_FEE_TARGET_BLOCKS


def find_home() -> Home:
    """`FALCONER_HOME`, else the XDG base directories."""
    override = os.environ.get("FALCONER_HOME")
    if override:
        place = Path(override).absolute()
        return Home(place, place)
    return Home(
        _xdg("XDG_CONFIG_HOME", ".config") / "falconer", _xdg("XDG_DATA_HOME", ".local/share") / "falconer"
    )


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # the XDG specification says to ignore a relative path
    return Path(value) if value.startswith("/") else Path.home() / fallback


def default_confirmations(network: Network) -> int:
    """Confirmations that make a broadcast `confirmed` on that network."""
    return _CONFIRMATIONS[network]


def default_cookie(network: Network) -> Path:
    """Where Bitcoin Core and Knots keep the cookie unless told otherwise."""
    place = Path.home() / ".bitcoin"
    folder = "" if network is Network.MAINNET else network.core_name
    return place / folder / ".cookie"


def check_node_url(url: str) -> str:
    """An http or https URL with host and port and no credentials in it; plain http to this machine alone.

    Raises:
        UsageError: `node-url`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or port is None
        or parts.query
        or parts.fragment
    ):
        raise UsageError(
            "node-url",
            f"'{safe(url)}' is not a node URL like http://127.0.0.1:8332",
            remedy="give scheme, host and port",
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "node-url",
            "the node URL carries a name or a password",
            remedy="use --cookie FILE, or FALCONER_NODE_USER and FALCONER_NODE_PASSWORD in the environment",
        )
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise UsageError(
            "node-url",
            f"plain http to {safe(parts.hostname)} would show the node's password to the network",
            remedy="use https, or a tunnel that ends on this machine",
        )
    return url


def load(home: Home) -> Config:
    """Read `config.toml`.

    Raises:
        StateError: `not-initialised`, `config-unreadable`, `config-invalid`.
    """
    try:
        data = home.config_file.read_bytes()[: _MAX_CONFIG_BYTES + 1]
    except FileNotFoundError:
        raise StateError(
            "not-initialised",
            f"no coordinator lives in {safe(str(home.config_dir))}",
            remedy="falconer init --network NETWORK --node URL, or set FALCONER_HOME",
        ) from None
    except OSError as error:
        raise StateError(
            "config-unreadable", f"{safe(str(home.config_file))} cannot be read: {safe(error.strerror or '')}"
        ) from None
    try:
        return _parse(home, data)
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            "config-invalid",
            f"{safe(str(home.config_file))} is not a configuration of falconer: {safe(str(error))}",
        ) from None


def _parse(home: Home, data: bytes) -> Config:
    if len(data) > _MAX_CONFIG_BYTES:
        raise ValueError("too large")
    table = tomllib.loads(data.decode("utf-8"))
    node = table.pop("node")
    if not isinstance(node, dict):
        raise TypeError("[node] must be a table")
    label = _take(table, "network", str)
    network = next((each for each in Network if each.label == label), None)
    if network is None:
        raise ValueError(f"network = '{label}'")
    cookie = node.pop("cookie", None)
    if cookie is not None and not isinstance(cookie, str):
        raise TypeError("node.cookie must be a string")
    try:
        url = check_node_url(_take(node, "url", str))
    except UsageError as error:
        raise ValueError(error.message) from None
    config = Config(
        home=home,
        network=network,
        node=NodeConfig(
            url, Path(cookie) if cookie else None, _positive(node, "timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
        ),
        confirmations=_positive(table, "confirmations", default_confirmations(network)),
        expiry_seconds=_positive(table, "expiry_seconds", DEFAULT_EXPIRY_SECONDS),
        fee_target_blocks=_positive(table, "fee_target_blocks", DEFAULT_FEE_TARGET_BLOCKS),
    )
    # an unknown key is a mistyped one, and would silently mean its default
    unknown = sorted({*table, *(f"node.{key}" for key in node)})
    if unknown:
        raise ValueError(f"unknown key {unknown[0]}")
    return config


def _take(table: dict[str, object], key: str, kind: type[str]) -> str:
    value = table.pop(key)
    if not isinstance(value, kind):
        raise TypeError(f"{key} must be a string")
    return value


def _positive(table: dict[str, object], key: str, default: int) -> int:
    value = table.pop(key, default)
    if type(value) is not int or not 0 < value < 2**31:
        raise ValueError(f"{key} must be a whole number above 0")
    return value


def render(network: Network, node: NodeConfig) -> str:
    """The text of a new `config.toml`."""
    lines = [
        "# Falconer, the coordinator. No secret belongs in this file.",
        f"network = {toml_string(network.label)}",
        "# Confirmations after which a broadcast counts as confirmed.",
        f"confirmations = {default_confirmations(network)}",
        "# How long an intent may be signed, and the blocks a fee aims at, when nothing is said.",
        f"expiry_seconds = {DEFAULT_EXPIRY_SECONDS}",
        f"fee_target_blocks = {DEFAULT_FEE_TARGET_BLOCKS}",
        "",
        "[node]",
        f"url = {toml_string(node.url)}",
    ]
    if node.cookie is not None:
        lines.append(f"cookie = {toml_string(str(node.cookie))}")
    lines.append(f"timeout_seconds = {node.timeout_seconds}")
    return "\n".join(lines) + "\n"


def toml_string(text: str) -> str:
    """A TOML basic string: quotes, backslashes and control characters escaped (TOML 1.0, string)."""
    pieces = []
    for character in text:
        if character in {'"', "\\"}:
            pieces.append("\\" + character)
        elif character < " " or character == "\x7f":
            pieces.append(f"\\u{ord(character):04x}")
        else:
            pieces.append(character)
    return '"' + "".join(pieces) + '"'
