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
    address <name> <address>                    *
    rule <name> <value or ->                    every rule, alphabetical

What is refused when a policy is built, in this order: names that repeat or are out of order; a key in two places where one is
meant; groups, quorums and mandatory signers that name nobody or that can never be met; addresses of another network or named twice;
rule values of another type, rules that cannot be judged yet, and rules that contradict the rest.

What this module does not do: it believes no text. Whether administrators signed it is `signed`'s question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from falconer_shared import canonical
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed, PolicyViolation
from falconer_shared.policy.values import (
    JUDGED,
    NO_LIMIT,
    RULES,
    RuleValue,
    check_value,
    is_name,
    read_value,
    write_value,
)
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe
from falconer_shared.units import MAX_MONEY

KIND = "falconer-policy"
MAX_BYTES = 256 * 1024
"""A policy with all its lists full is 200 kB; it is signed on paper's authority, so it should be far smaller."""

MAX_VERSION = 999_999_999
"""Versions of one policy: one a second for thirty years. A version that leaves no room above it could end all changes."""

MAX_PEOPLE = 32
"""Keys in one role. A request carries at most 32 approvals (DESIGN section 3), so a larger quorum could never be shown."""

MAX_GROUPS = 32
MAX_TIERS = 16
MAX_SIGNERS = 20
"""Machines: a multisig script holds at most 20 keys (BIP 383)."""

MAX_ADDRESSES = 256
"""Lines of the address book: what a person can still read before signing."""

_FORM = "policy-malformed"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A person or machine, by name, and the one key that speaks for it in this role."""

    name: str
    key: SshPublicKey


@dataclass(frozen=True, slots=True)
class Group:
    """Approvers by name, any k of whom can be asked for."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalTier:
    """Who must approve a transaction that spends more than `above` satoshis: `k` of `group`."""

    above: int
    k: int
    group: str


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """A line of the address book: `address` is what people read, `script` what is compared (A131)."""

    name: str
    address: str
    script: bytes


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
        _check_names(self)
        _check_keys(self)
        _check_quorums(self)
        _check_addresses(self)
        _check_rules(self)

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
                for above, k, group in (reader.split(line, 3) for line in reader.many("approval-quorum", MAX_TIERS))
            ),
            signers=_read_holders(reader, "signer", MAX_SIGNERS),
            mandatory_signers=tuple(reader.many("mandatory-signer", MAX_SIGNERS)),
            operators=_read_holders(reader, "operator", MAX_PEOPLE),
            coordinator=SshPublicKey.parse(reader.one("coordinator")),
            addresses=tuple(
                named_address(name, address, network)
                for name, address in (reader.split(line, 2) for line in reader.many("address", MAX_ADDRESSES))
            ),
            rules=_read_rules(reader),
        )
        # also catches whatever a part above forgave, such as a comment behind a key
        reader.end(policy.text)
        return policy

    @property
    def text(self) -> bytes:
        """The canonical text: what is shown, signed, hashed, carried and installed."""
        writer = canonical.Writer(KIND)
        writer.line("version", self.version).line("network", self.network.label).line("wallet", self.wallet_id)
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
        """The name that the address book gives to a destination, None if it has none."""
        for entry in self.addresses:
            if entry.address == address:
                return entry.name
        return None


def named_address(name: str, address: str, network: Network) -> NamedAddress:
    """An address book entry in its one spelling.

    Raises:
        Malformed: `policy-address-unsupported`, `policy-address-spelling`, and what reading the address raises.
    """
    if "(" in address:
        raise Malformed(
            "policy-address-unsupported",
            f"address {safe(name, 64)}: descriptors as destinations cannot be judged yet",
            remedy="list the addresses one by one",
        )
    script = script_of(address, network)
    if address_of(script, network) != address:
        raise Malformed(
            "policy-address-spelling",
            f"address {safe(name, 64)}: write {address_of(script, network)}, the one spelling of it",
        )
    return NamedAddress(name, address, script)


def _read_holders(reader: canonical.Reader, key: str, limit: int) -> tuple[KeyHolder, ...]:
    holders: list[KeyHolder] = []
    for line in reader.many(key, limit):
        name, _, text = line.partition(" ")
        holders.append(KeyHolder(name, SshPublicKey.parse(text)))
    return tuple(holders)


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
            raise _mistyped(name, error) from None
    return tuple(rules)


def _mistyped(name: str, error: ValueError) -> Malformed:
    return Malformed("policy-rule-mistyped", f"rule {name} {error}, or {NO_LIMIT} for no limit")


# What a policy may not contradict, in the order of the module's docstring


def _check_names(policy: Policy) -> None:
    lists: tuple[tuple[str, Sequence[str], int], ...] = (
        ("admin", [holder.name for holder in policy.admins], MAX_PEOPLE),
        ("approver", [holder.name for holder in policy.approvers], MAX_PEOPLE),
        ("group", [group.name for group in policy.groups], MAX_GROUPS),
        ("signer", [holder.name for holder in policy.signers], MAX_SIGNERS),
        ("mandatory-signer", policy.mandatory_signers, MAX_SIGNERS),
        ("operator", [holder.name for holder in policy.operators], MAX_PEOPLE),
        ("address", [entry.name for entry in policy.addresses], MAX_ADDRESSES),
        *((f"group {safe(group.name, 64)}", group.members, MAX_PEOPLE) for group in policy.groups),
    )
    for what, names, limit in lists:
        if len(names) > limit:
            raise Malformed(_FORM, f"policy: {len(names)} lines or names of '{what}', at most {limit} are allowed")
        _check_ascending(what, names)


def _check_ascending(what: str, names: Sequence[str]) -> None:
    for name in names:
        if not is_name(name):
            raise Malformed(
                _FORM, f"policy: {what} '{safe(name, 64)}' is not a name of 1 to 64 characters a-z 0-9 . _ -"
            )
    for name, following in zip(names, names[1:], strict=False):
        if name == following:
            raise Malformed("policy-name-twice", f"policy: {what} names '{name}' twice")
        if name > following:
            raise Malformed(_FORM, f"policy: {what} names '{following}' after '{name}', not in alphabetical order")


def _check_keys(policy: Policy) -> None:
    """One key is one vote in a role, and a machine's key is nobody's vote.

    A person may be administrator, approver and operator with one key: the namespaces of the signatures keep the roles apart. A key
    that a program holds unattended must be no person's, or the coordinator could approve its own requests.
    """
    people = (("admin", policy.admins), ("approver", policy.approvers), ("operator", policy.operators))
    machines = (*policy.signers, KeyHolder("coordinator", policy.coordinator))
    for role, holders in people:
        _check_unique(role, holders)
    _check_unique("signer and coordinator", machines)
    machine_keys = {holder.key: holder.name for holder in machines}
    for role, holders in people:
        for holder in holders:
            if holder.key in machine_keys:
                raise Malformed(
                    "policy-machine-key-of-person",
                    f"policy: {role} '{holder.name}' has the key of the machine '{machine_keys[holder.key]}'",
                )


def _check_unique(role: str, holders: Iterable[KeyHolder]) -> None:
    seen: dict[SshPublicKey, str] = {}
    for holder in holders:
        if holder.key in seen:
            raise Malformed(
                "policy-key-twice", f"policy: {role}: '{seen[holder.key]}' and '{holder.name}' have the same key"
            )
        seen[holder.key] = holder.name


def _check_quorums(policy: Policy) -> None:
    if not 1 <= policy.version <= MAX_VERSION:
        raise Malformed(_FORM, f"policy: version {policy.version} is outside 1 to {MAX_VERSION}")
    if not 1 <= policy.admin_quorum <= len(policy.admins):
        raise Malformed(
            "policy-quorum-impossible",
            f"policy: a quorum of {policy.admin_quorum} among {len(policy.admins)} administrators",
        )
    approvers = policy.approver_keys()
    sizes: dict[str, int] = {}
    for group in policy.groups:
        sizes[group.name] = len(group.members)
        for member in group.members:
            if member not in approvers:
                raise Malformed(
                    "policy-group-member-unknown", f"policy: group '{group.name}': '{member}' is no approver"
                )
    for tier in policy.tiers:
        if tier.group not in sizes:
            raise Malformed(
                "policy-group-unknown", f"policy: approval-quorum above {tier.above}: no group '{safe(tier.group, 64)}'"
            )
        if not 1 <= tier.k <= sizes[tier.group]:
            raise Malformed(
                "policy-quorum-impossible",
                f"policy: approval-quorum above {tier.above}: {tier.k} of the {sizes[tier.group]} in '{tier.group}'",
            )
    for tier, following in zip(policy.tiers, policy.tiers[1:], strict=False):
        if tier.above >= following.above:
            raise Malformed(
                "policy-quorum-order",
                f"policy: approval-quorum above {following.above} stands after one above {tier.above}",
            )
    signers = {holder.name for holder in policy.signers}
    if not signers:
        raise Malformed("policy-signer-missing", "policy: names no signer, so nobody could sign anything")
    for name in policy.mandatory_signers:
        if name not in signers:
            raise Malformed("policy-mandatory-signer-unknown", f"policy: mandatory-signer '{name}' is no signer")


def _check_addresses(policy: Policy) -> None:
    seen: dict[bytes, str] = {}
    for entry in policy.addresses:
        if entry != named_address(entry.name, entry.address, policy.network):
            raise ValueError("an address book entry is made by named_address for the policy's network")
        if entry.script in seen:
            raise Malformed(
                "policy-address-twice", f"policy: '{seen[entry.script]}' and '{entry.name}' are the same address"
            )
        seen[entry.script] = entry.name


def _check_rules(policy: Policy) -> None:
    if tuple(name for name, _ in policy.rules) != tuple(RULES):
        raise ValueError("a policy holds every rule, in alphabetical order")
    names = {entry.name for entry in policy.addresses}
    for name, value in policy.rules:
        try:
            check_value(RULES[name], value)
        except ValueError as error:
            raise _mistyped(name, error) from None
        if value is not None and name not in JUDGED:
            raise Malformed(
                "policy-rule-unsupported",
                f"policy: rule {name} is set, and this program cannot judge it yet",
                remedy=f"set it to {NO_LIMIT}, or use a program that can",
            )
        for destination in value if isinstance(value, tuple) else ():
            if destination not in names:
                raise Malformed(
                    "policy-destination-unknown", f"policy: rule {name}: the address book has no '{destination}'"
                )
    threshold = policy.rule("human_approval_threshold_sats")
    if threshold is not None and not policy.tiers:
        raise Malformed(
            "policy-approval-quorum-missing",
            "policy: human_approval_threshold_sats is set, and no approval-quorum says who approves",
        )
    # whoever writes a quorum means that somebody must approve: without a threshold nobody ever would have to
    if threshold is None and policy.tiers:
        raise Malformed(
            "policy-approval-quorum-unused",
            "policy: approval-quorum is set, and without human_approval_threshold_sats nothing ever needs it",
        )
