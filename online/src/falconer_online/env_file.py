"""Environment files of other programs: what of them is a rule of the policy, and what is configuration.

Values are read, never run and never printed: such files hold passwords. A value that cannot be taken over exactly
is left out and named, because a limit that means something else is worse than one that a person writes again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from falconer_online.config import (
    DEFAULT_EXPIRY_SECONDS,
    DEFAULT_FEE_TARGET_BLOCKS,
    DEFAULT_TIMEOUT_SECONDS,
    check_node_url,
    default_confirmations,
    toml_string,
)
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.policy.values import RULES, Kind, RuleValue, check_value

MAX_LINES = 10_000

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,99})\s*=(.*)\Z", re.ASCII | re.DOTALL)
_HOUR = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?\Z", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,3}(?:[_,][0-9]{3})+\Z|[0-9]{1,19}\Z", re.ASCII)
_YES_NO = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

CONFIG_PREFIXES = ("FALCONER_", "ALERT_", "LOG_", "BITCOIN_", "NODE_")
"""Names that are about the program and not about what may be spent."""

_SECRETS = ("FALCONER_NODE_USER", "FALCONER_NODE_PASSWORD")


@dataclass(frozen=True, slots=True)
class Left:
    """A name that was not taken over, and why; never its value."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules out of an environment file. `addresses` are the destinations that they name."""

    rules: Mapping[str, RuleValue]
    addresses: Mapping[str, str]
    notes: tuple[str, ...]
    left: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `config.toml` out of an environment file, by their key there."""

    values: Mapping[str, str | int]
    left: tuple[Left, ...]


def read(data: bytes) -> dict[str, str]:
    """Names and values of an environment file: `NAME=value` lines, `export`, quotes and comments.

    Raises:
        Malformed: `env-file-malformed`, with the number of the line and never with what stands in it.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Malformed("env-file-malformed", "the file is not UTF-8 text") from None
    if len(lines) > MAX_LINES:
        raise Malformed("env-file-malformed", f"the file has more than {MAX_LINES} lines")
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text)
        value = None if match is None else _unquoted(match[2].strip())
        if match is None or value is None:
            raise Malformed("env-file-malformed", f"line {number} is not NAME=value", line=number)
        if match[1] in found:
            # a shell would take the last, other programs the first
            raise Malformed(
                "env-file-malformed", f"line {number}: {match[1]} stands there twice", line=number
            )
        found[match[1]] = value
    return found


def _unquoted(text: str) -> str | None:
    """The value without quotes or a comment behind it; None where the quotes do not fit."""
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        behind = text[end + 1 :].strip()
        return text[1:end] if end > 0 and (not behind or behind.startswith("#")) else None
    return re.split(r"\s#|^#", text, maxsplit=1)[0].strip()


def rules_of(found: Mapping[str, str], network: Network) -> Rules:
    """What of an environment file is a rule of the policy."""
    rules: dict[str, RuleValue] = {}
    addresses: dict[str, str] = {}
    notes: list[str] = []
    left: list[Left] = []
    for name, value in found.items():
        rule = name.lower()
        # names of the environment are upper case; max_fee_sats=1 in a file is somebody else's
        if rule not in RULES or name != name.upper():
            left.append(Left(name, _whose(name)))
            continue
        if not value:
            notes.append(f"{name} is empty: no limit")
            continue
        try:
            rules[rule] = _value(rule, value, network, addresses)
        except (ValueError, FalconerError) as error:
            left.append(Left(name, f"not taken over: {_said(error)}"))
            continue
        if rules[rule] == 0 and RULES[rule] is not Kind.YES_NO:
            notes.append(f"{name} is 0, which allows nothing here; leave the rule out for no limit")
    if (
        rules.keys() & {"allowed_hours_start", "allowed_hours_end"}
        or rules.get("weekend_operations") is False
    ):
        if "allowed_timezone" not in rules:
            notes.append("hours or weekends are limited: set allowed_timezone, the file does not say whose")
        if rules.keys() & {"allowed_hours_end"}:
            notes.append("allowed_hours_end is the last minute that counts: 17:00 allows until 17:00:59")
    return Rules(rules, addresses, tuple(notes), tuple(left))


def _value(rule: str, text: str, network: Network, addresses: dict[str, str]) -> RuleValue:
    kind = RULES[rule]
    if kind is Kind.NAMES:
        return _destinations(text, network, addresses)
    if kind is Kind.YES_NO:
        if text.lower() not in _YES_NO:
            raise ValueError("must be yes or no")
        return _YES_NO[text.lower()]
    if kind is Kind.HOUR:
        match = _HOUR.match(text)
        return check_value(kind, f"{int(match[1]):02d}:{match[2] or '00'}" if match else text)
    if kind is Kind.ZONE:
        return check_value(kind, text)
    if not _NUMBER.match(text):
        raise ValueError(f"must be {kind.value}, without sign, point or unit")
    return check_value(kind, int(text.replace("_", "").replace(",", "")))


def _destinations(text: str, network: Network, addresses: dict[str, str]) -> tuple[str, ...]:
    """Names for the addresses of a list; the address book gets those that it has not."""
    names = {address: name for name, address in addresses.items()}
    listed = []
    for part in re.split(r"[,;\s]+", text.strip("[] ")):
        word = part.strip("'\"")
        if not word:
            continue
        address = address_of(script_of(word, network), network)
        name = names.get(address) or f"destination-{len(addresses) + 1:03d}"
        addresses[name] = address
        names[address] = name
        listed.append(name)
    if not listed:
        raise ValueError("must be a list of addresses")
    return tuple(sorted(set(listed)))


def _whose(name: str) -> str:
    if name in _SECRETS:
        return "stays in the environment: it is read from there"
    if name.upper() in _SETTINGS or name.startswith(CONFIG_PREFIXES):
        return "is configuration: falconer config import-env"
    return "is no rule of a policy"


def _said(error: ValueError | FalconerError) -> str:
    # our refusals quote what they refuse, which may be a password in the wrong place
    return f"refused as {error.rule}" if isinstance(error, FalconerError) else str(error)


def _network(text: str) -> str:
    for network in Network:
        if text.lower() in {network.label, network.core_name}:
            return network.label
    raise ValueError("is none of " + ", ".join(network.label for network in Network))


def _count(text: str) -> int:
    if not _NUMBER.match(text) or not 0 < int(re.sub("[_,]", "", text)) < 2**31:
        raise ValueError("must be a whole number above 0")
    return int(re.sub("[_,]", "", text))


_SETTINGS: Mapping[str, tuple[str, Callable[[str], str | int]]] = {
    "NETWORK": ("network", _network),
    "CONFIRMATIONS": ("confirmations", _count),
    "EXPIRY_SECONDS": ("expiry_seconds", _count),
    "FEE_TARGET_BLOCKS": ("fee_target_blocks", _count),
    "NODE_URL": ("node.url", check_node_url),
    "NODE_COOKIE": ("node.cookie", str),
    "NODE_TIMEOUT_SECONDS": ("node.timeout_seconds", _count),
}
"""Names without their prefix, each with its key in `config.toml`."""

_PREFIX = re.compile(r"(?:FALCONER_(?:MULTISIG_)?|BITCOIN_)?(.*)\Z", re.ASCII | re.DOTALL)


def settings_of(found: Mapping[str, str]) -> Settings:
    """What of an environment file is configuration that this program has."""
    values: dict[str, str | int] = {}
    left: list[Left] = []
    for name, value in found.items():
        match = _PREFIX.match(name)
        known = _SETTINGS.get(match[1] if match else name)
        if name.lower() in RULES:
            left.append(Left(name, "is a rule of the policy: falconer policy import-env"))
        elif name in _SECRETS:
            left.append(Left(name, _whose(name)))
        elif known is None:
            left.append(
                Left(
                    name,
                    "is not yet known" if name.startswith(CONFIG_PREFIXES) else "is no setting of falconer",
                )
            )
        elif known[0] in values:
            left.append(Left(name, f"says {known[0]} a second time"))
        else:
            try:
                values[known[0]] = known[1](value)
            except (ValueError, FalconerError) as error:
                left.append(Left(name, f"not taken over: {_said(error)}"))
    return Settings(values, tuple(left))


def config_text(settings: Settings) -> str:
    """`config.toml` with these settings, and what each is when nothing is said."""
    label = settings.values.get("network")
    network = next((each for each in Network if each.label == label), None)
    defaults: dict[str, str | int] = {
        "network": "",
        "confirmations": 6 if network is None else default_confirmations(network),
        "expiry_seconds": DEFAULT_EXPIRY_SECONDS,
        "fee_target_blocks": DEFAULT_FEE_TARGET_BLOCKS,
        "node.url": "",
        "node.timeout_seconds": DEFAULT_TIMEOUT_SECONDS,
    }
    lines = ["# Falconer, the coordinator. No secret belongs in this file."]
    for key, usual in {**defaults, **settings.values}.items():
        if key == "node.url":
            lines += ["", "[node]"]
        value = settings.values.get(key, usual)
        line = f"{key.removeprefix('node.')} = {toml(value)}"
        lines.append(line if value != "" else f"# {key.removeprefix('node.')} = ?    to be filled in")
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return toml_string(str(value))


def policy_text(found: Rules, head: Sequence[str]) -> str:
    """The policy as TOML, with the lines of `head` before its rules."""
    lines = [*head, "", "[addresses]"]
    lines += [f"{toml(name)} = {toml(address)}" for name, address in sorted(found.addresses.items())]
    lines += ["", "[rules]"]
    lines += [f"{name} = {toml(found.rules[name])}" for name in RULES if name in found.rules]
    return "\n".join(lines) + "\n"
