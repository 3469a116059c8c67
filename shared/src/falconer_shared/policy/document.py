"""The policy: the text that administrators sign, and nothing that its text does not say.

One policy governs one wallet on one network. `Policy.parse` and `Policy.text` are exact inverses; the digest of the text is the
policy's name. Every line has one place and every list one order (names ascending, tiers by amount), so one policy has one text.

    falconer-policy 1
    version <n>
    network <network>
    wallet <wallet id>
    admin-quorum <k>
    admin <name> <ssh key>                      * sorted by name, as all lists of names are
    approver <name> <ssh key>                   *
    group <name> <approver,approver,...>        *
    approval-quorum <above sats> <k> <group>    * ascending
    signer <name> <machine key>                 *
    mandatory-signer <name>                     *
    operator <name> <ssh key>                   *
    coordinator <ssh key>
    address <name> <address or descriptor>      *
    rule <name> <value or ->                    every rule, alphabetical

What contradicts itself is refused when it is built (`consistency`): names that repeat or are out of order; a key in two places
where one is meant; groups, quorums and mandatory signers that name nobody or that can never be met; addresses of another network
or named twice; rule values of another type, and rules that contradict the rest.

What this module does not do: it believes no text. Whether administrators signed it is `signed`'s question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from falconer_shared import canonical
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, PolicyViolation
from falconer_shared.policy.consistency import check_consistent, mistyped
from falconer_shared.policy.destinations import check_searched, keys_in
from falconer_shared.policy.parts import (
    MAX_ADDRESSES,
    MAX_GROUPS,
    MAX_PEOPLE,
    MAX_SIGNERS,
    MAX_TIERS,
    MAX_VERSION,
    ApprovalTier,
    Group,
    KeyHolder,
    NamedAddress,
    named_address,
)
from falconer_shared.policy.values import RULES, RuleValue, read_value, write_value
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe
from falconer_shared.units import MAX_MONEY

__all__ = [
    "MAX_BYTES",
    "MAX_PEOPLE",
    "RULES",
    "ApprovalTier",
    "Group",
    "KeyHolder",
    "NamedAddress",
    "Policy",
    "RuleValue",
    "named_address",
]

KIND = "falconer-policy"
MAX_BYTES = 256 * 1024
"""A policy with all its lists full is 200 kB; it is signed on paper's authority, so it should be far smaller."""

_FORM = "policy-malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that contradicts nothing in itself. Equal policies have equal texts."""

    version: int
    network: Network
    wallet_id: str
    admin_quorum: int
    admins: tuple[KeyHolder, ...]
    approvers: tuple[KeyHolder, ...]
    groups: tuple[Group, ...]
    tiers: tuple[ApprovalTier, ...]
    signers: tuple[KeyHolder, ...]
    mandatory_signers: tuple[str, ...]
    operators: tuple[KeyHolder, ...]
    coordinator: SshPublicKey
    addresses: tuple[NamedAddress, ...]
    rules: tuple[tuple[str, RuleValue], ...]

    def __post_init__(self) -> None:
        check_consistent(self)

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """Read a canonical policy text.

        Raises:
            Malformed: `policy-malformed` for its form, and an id of its own for everything that it contradicts.
        """
        reader = canonical.Reader(data, KIND, where="policy", rule=_FORM, max_bytes=MAX_BYTES)
        version = reader.number(reader.one("version"), 1, MAX_VERSION)
        network = Network.parse(reader.one("network"))
        wallet_id = reader.hex(reader.one("wallet"), 32).hex()
        admin_quorum = reader.number(reader.one("admin-quorum"), 1, MAX_PEOPLE)
        policy = cls(
            version=version,
            network=network,
            wallet_id=wallet_id,
            admin_quorum=admin_quorum,
            admins=_read_holders(reader, "admin", MAX_PEOPLE),
            approvers=_read_holders(reader, "approver", MAX_PEOPLE),
            groups=tuple(
                Group(name, tuple(members.split(",")))
                for name, members in (reader.split(line, 2) for line in reader.many("group", MAX_GROUPS))
            ),
            tiers=tuple(
                ApprovalTier(reader.number(above, 0, MAX_MONEY), reader.number(k, 1, MAX_PEOPLE), group)
                for above, k, group in (
                    reader.split(line, 3) for line in reader.many("approval-quorum", MAX_TIERS)
                )
            ),
            signers=_read_holders(reader, "signer", MAX_SIGNERS),
            mandatory_signers=tuple(reader.many("mandatory-signer", MAX_SIGNERS)),
            operators=_read_holders(reader, "operator", MAX_PEOPLE),
            coordinator=SshPublicKey.parse(reader.one("coordinator")),
            addresses=_read_addresses(reader, network),
            rules=_read_rules(reader),
        )
        # also catches whatever a part above forgave, such as a comment behind a key
        reader.end(policy.text)
        return policy

    @property
    def text(self) -> bytes:
        """The canonical text: what is shown, signed, hashed, carried and installed."""
        writer = canonical.Writer(KIND)
        writer.line("version", self.version).line("network", self.network.label).line(
            "wallet", self.wallet_id
        )
        writer.line("admin-quorum", self.admin_quorum)
        _write_holders(writer, "admin", self.admins)
        _write_holders(writer, "approver", self.approvers)
        for group in self.groups:
            writer.line("group", group.name, ",".join(group.members))
        for tier in self.tiers:
            writer.line("approval-quorum", tier.above, tier.k, tier.group)
        _write_holders(writer, "signer", self.signers)
        writer.lines("mandatory-signer", self.mandatory_signers)
        _write_holders(writer, "operator", self.operators)
        writer.line("coordinator", self.coordinator.text())
        for entry in self.addresses:
            writer.line("address", entry.name, entry.address)
        for name, value in self.rules:
            writer.line("rule", name, write_value(value))
        return writer.text()

    @property
    def digest(self) -> str:
        """SHA-256 of the text, lower-case hex: the policy's name in intents, requests and receipts."""
        return canonical.digest(self.text)

    def rule(self, name: str) -> RuleValue:
        """The value of a rule, None where there is no limit."""
        return dict(self.rules)[name]

    def limit(self, name: str) -> int | None:
        """The value of a rule that is a number."""
        value = self.rule(name)
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise TypeError(f"{name} is not a number")
        return value

    def destinations(self, name: str) -> tuple[NamedAddress, ...] | None:
        """The addresses that a rule lists by name, None where there is no limit."""
        value = self.rule(name)
        if value is None:
            return None
        if not isinstance(value, tuple):
            raise TypeError(f"{name} is not a list of names")
        return tuple(entry for entry in self.addresses if entry.name in value)

    @property
    def unlimited(self) -> tuple[str, ...]:
        """The rules that are set to no limit, for the person who is about to sign."""
        return tuple(name for name, value in self.rules if value is None)

    def approver_keys(self) -> Mapping[str, SshPublicKey]:
        """Every approver's key by name."""
        return {holder.name: holder.key for holder in self.approvers}

    def admin_keys(self) -> Mapping[str, SshPublicKey]:
        """Every administrator's key by name."""
        return {holder.name: holder.key for holder in self.admins}

    def members(self, group: str) -> frozenset[str]:
        """The approvers of a group."""
        return frozenset({entry.name: entry.members for entry in self.groups}[group])

    def signer_name(self, key: SshPublicKey) -> str:
        """The name under which this policy knows a signing machine.

        Raises:
            PolicyViolation: `signer-not-in-policy`.
        """
        for signer in self.signers:
            if signer.key == key:
                return signer.name
        raise PolicyViolation(
            "signer-not-in-policy",
            f"policy version {self.version} names no signer with the key {key.key_hash}",
            remedy="have the administrators sign a policy that names this machine",
        )

    def name_of_address(self, address: str) -> str | None:
        """The name that the address book gives to a destination, None if it has none.

        An address that is named itself goes before one that lies within a named descriptor.
        """
        for entry in self.addresses:
            if entry.address == address:
                return entry.name
        within = [entry for entry in self.addresses if entry.descriptor is not None]
        if not within:
            return None
        try:
            script = script_of(address, self.network)
        except FalconerError:
            return None
        return next((entry.name for entry in within if entry.covers(script)), None)


def _read_holders(reader: canonical.Reader, key: str, limit: int) -> tuple[KeyHolder, ...]:
    holders: list[KeyHolder] = []
    for line in reader.many(key, limit):
        name, _, text = line.partition(" ")
        holders.append(KeyHolder(name, SshPublicKey.parse(text)))
    return tuple(holders)


def _read_addresses(reader: canonical.Reader, network: Network) -> tuple[NamedAddress, ...]:
    lines = [reader.split(line, 2) for line in reader.many("address", MAX_ADDRESSES)]
    check_searched(sum(keys_in(address) for _, address in lines))
    return tuple(named_address(name, address, network) for name, address in lines)


def _write_holders(writer: canonical.Writer, key: str, holders: Iterable[KeyHolder]) -> None:
    for holder in holders:
        writer.line(key, holder.name, holder.key.text())


def _read_rules(reader: canonical.Reader) -> tuple[tuple[str, RuleValue], ...]:
    rules: list[tuple[str, RuleValue]] = []
    for name, kind in RULES.items():
        found, value = reader.words("rule", 2)
        if found != name:
            raise reader.error(f"has the rule '{safe(found, 40)}' where '{name}' must stand")
        try:
            rules.append((name, read_value(kind, value)))
        except ValueError as error:
            raise mistyped(name, error) from None
    return tuple(rules)
