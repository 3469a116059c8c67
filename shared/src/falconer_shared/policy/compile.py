"""From the TOML that operators edit to the canonical text that administrators sign.

The TOML is for writing; nothing ever trusts it. What it says is turned into a `Policy`, whose text is parsed again before it is
given out, so that what is signed is what every program will read. Each error names the TOML key that it is about; a key that is
not known is refused, since a misspelt limit would silently be no limit. Left out and set to "-" are the same: no limit, and
`explain` says so.

Lists are sorted here; the operator may write them in any order.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.policy.destinations import check_searched, keys_in
from falconer_shared.policy.document import (
    MAX_BYTES,
    RULES,
    ApprovalTier,
    Group,
    KeyHolder,
    NamedAddress,
    Policy,
    RuleValue,
    named_address,
)
from falconer_shared.policy.values import NO_LIMIT, Kind, check_value, is_name
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe

_T = TypeVar("_T")

_TOP = (
    "version",
    "network",
    "wallet",
    "admin_quorum",
    "admins",
    "approvers",
    "groups",
    "approval_quorums",
    "signers",
    "mandatory_signers",
    "operators",
    "coordinator",
    "addresses",
    "rules",
)
"""Every key of the first level."""

_TIER = ("above_sats", "k", "group")

MAX_DOTS = 10_000
"""Dots in a file: names may hold some, and every one may be the next level of a nested key."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy made from TOML, with its canonical text."""

    policy: Policy
    text: bytes
    digest: str


def compile_toml(source: str) -> Compiled:
    """The policy that a TOML text describes.

    Raises:
        Malformed: `policy-toml-syntax`, `policy-toml-unknown-key`, `policy-toml-missing-key`, `policy-toml-mistyped` with the key
            in `key`; and what building a `Policy` raises.
    """
    if len(source) > MAX_BYTES:
        raise Malformed(
            "policy-toml-syntax", f"the file has {len(source)} characters, at most {MAX_BYTES} are read"
        )
    if source.count(".") > MAX_DOTS:
        # each may open a table in the last one: the reader takes a kilobyte and more time for every level
        raise Malformed("policy-toml-syntax", f"the file has more than the {MAX_DOTS} dots that are read")
    try:
        table = tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        # besides its own error tomllib lets through ValueError for a date or a number without end
        raise Malformed("policy-toml-syntax", f"not TOML: {safe(str(error))}") from None
    _refuse_unknown(table, "", _TOP)
    network = _at("network", lambda: Network.parse(_string(table, "network")))
    policy = Policy(
        version=_integer(table, "version"),
        network=network,
        wallet_id=_wallet_id(table),
        admin_quorum=_integer(table, "admin_quorum"),
        admins=_holders(table, "admins"),
        approvers=_holders(table, "approvers"),
        groups=_groups(table),
        tiers=_tiers(table),
        signers=_holders(table, "signers"),
        mandatory_signers=_names(table.get("mandatory_signers", []), "mandatory_signers"),
        operators=_holders(table, "operators"),
        coordinator=_at("coordinator", lambda: SshPublicKey.parse(_string(table, "coordinator"))),
        addresses=_addresses(table, network),
        rules=_rules(table),
    )
    text = policy.text
    read = Policy.parse(text)
    if read != policy:
        raise RuntimeError("a policy does not come back from its own text")
    return Compiled(read, text, read.digest)


def _refuse_unknown(table: Mapping[str, object], where: str, known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise Malformed(
                "policy-toml-unknown-key",
                f"'{safe(where + key, 80)}' is no key of a policy",
                remedy="the keys are: " + ", ".join(known),
                key=safe(where + key, 80),
            )


def _mistyped(key: str, wanted: str) -> Malformed:
    return Malformed("policy-toml-mistyped", f"{safe(key, 120)}: must be {wanted}", key=safe(key, 120))


def _required(table: Mapping[str, object], key: str) -> object:
    if key not in table:
        raise Malformed("policy-toml-missing-key", f"'{key}' is missing", key=key)
    return table[key]


def _string(table: Mapping[str, object], key: str) -> str:
    return _as_string(_required(table, key), key)


def _as_string(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise _mistyped(key, "text in quotes")
    return value


def _integer(table: Mapping[str, object], key: str, where: str = "") -> int:
    value = _required(table, key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mistyped(where + key, "a whole number")
    return value


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise _mistyped(key, f"a table: [{key}]")
    return dict(sorted(value.items()))


def _names(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _mistyped(key, 'a list of names, like ["anna", "bert"]')
    return tuple(sorted(value))


def _wallet_id(table: Mapping[str, object]) -> str:
    value = _string(table, "wallet")
    if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise _mistyped("wallet", "a wallet id: 64 digits 0-9 a-f")
    return value


def _at(key: str, make: Callable[[], _T]) -> _T:
    """What `make` gives; its refusal gets the TOML key, which the code below it knows nothing of."""
    try:
        return make()
    except FalconerError as error:
        raise type(error)(
            error.rule, f"{safe(key, 120)}: {error.message}", remedy=error.remedy, key=safe(key, 120)
        ) from error


def _name(name: str, where: str) -> str:
    if not is_name(name):
        raise _mistyped(f"{where}.{name}", "named with 1 to 64 characters a-z 0-9 . _ -")
    return name


def _holders(table: Mapping[str, object], role: str) -> tuple[KeyHolder, ...]:
    holders: list[KeyHolder] = []
    for name, value in _table(table, role).items():
        key = f"{role}.{_name(name, role)}"
        holders.append(KeyHolder(name, _at(key, partial(SshPublicKey.parse, _as_string(value, key)))))
    return tuple(holders)


def _groups(table: Mapping[str, object]) -> tuple[Group, ...]:
    return tuple(
        Group(_name(name, "groups"), _names(members, f"groups.{name}"))
        for name, members in _table(table, "groups").items()
    )


def _tiers(table: Mapping[str, object]) -> tuple[ApprovalTier, ...]:
    value = table.get("approval_quorums", [])
    if not isinstance(value, list):
        raise _mistyped("approval_quorums", "tables: [[approval_quorums]]")
    tiers: list[ApprovalTier] = []
    for number, entry in enumerate(value, 1):
        where = f"approval_quorums[{number}]."
        if not isinstance(entry, dict):
            raise _mistyped(where.rstrip("."), "a table: [[approval_quorums]]")
        _refuse_unknown(entry, where, _TIER)
        for key in _TIER:
            if key not in entry:
                raise Malformed("policy-toml-missing-key", f"'{where}{key}' is missing", key=where + key)
        tiers.append(
            ApprovalTier(
                _integer(entry, "above_sats", where),
                _integer(entry, "k", where),
                _as_string(entry["group"], where + "group"),
            )
        )
    return tuple(sorted(tiers, key=lambda tier: tier.above))


def _addresses(table: Mapping[str, object], network: Network) -> tuple[NamedAddress, ...]:
    entries: list[NamedAddress] = []
    book = _table(table, "addresses")
    check_searched(sum(keys_in(value) for value in book.values() if isinstance(value, str)))
    for name, value in book.items():
        key = f"addresses.{_name(name, 'addresses')}"
        entries.append(_at(key, partial(named_address, name, _as_string(value, key), network)))
    return tuple(entries)


def _rules(table: Mapping[str, object]) -> tuple[tuple[str, RuleValue], ...]:
    given = _table(table, "rules")
    _refuse_unknown(given, "rules.", tuple(RULES))
    return tuple((name, _rule_value(name, kind, given.get(name))) for name, kind in RULES.items())


def _rule_value(name: str, kind: Kind, value: object) -> RuleValue:
    if value == NO_LIMIT:
        return None
    if isinstance(value, list):
        value = tuple(sorted(_names(value, f"rules.{name}")))
    elif isinstance(value, str) and kind is Kind.YES_NO:
        # true and "yes" are one thing; numbers in quotes are not numbers
        value = {"yes": True, "no": False}.get(value, value)
    try:
        return check_value(kind, value)
    except ValueError as error:
        raise _mistyped(
            f"rules.{name}", f"{str(error).removeprefix('must be ')}, or {NO_LIMIT!r} for no limit"
        ) from None
