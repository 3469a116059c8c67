"""What a policy may not contradict, checked whenever one is built, from text or from TOML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from falconer_shared.errors import Malformed
from falconer_shared.policy.destinations import check_searched
from falconer_shared.policy.parts import (
    MAX_ADDRESSES,
    MAX_GROUPS,
    MAX_PEOPLE,
    MAX_SIGNERS,
    MAX_TIERS,
    MAX_VERSION,
    KeyHolder,
    named_address,
)
from falconer_shared.policy.values import APPROVAL_RULES, NO_LIMIT, RULES, check_value, is_name
from falconer_shared.policy.zones import load
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe
from falconer_shared.units import MAX_MONEY

if TYPE_CHECKING:
    from falconer_shared.policy.document import Policy


def check_consistent(policy: Policy) -> None:
    """Accept a policy that contradicts nothing in itself.

    Raises:
        Malformed: the id of the first contradiction, in the order of the functions below.
        ValueError: a programmer built it of parts that no text or TOML gives.
    """
    _check_names(policy)
    _check_keys(policy)
    _check_groups(policy)
    _check_tiers(policy)
    _check_signers(policy)
    _check_addresses(policy)
    _check_rules(policy)


def mistyped(name: str, error: ValueError) -> Malformed:
    """The refusal of a rule's value."""
    return Malformed("policy-rule-mistyped", f"rule {name} {error}, or {NO_LIMIT} for no limit")


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
            raise Malformed(
                "policy-malformed",
                f"policy: {len(names)} lines or names of '{what}', at most {limit} are allowed",
            )
        _check_ascending(what, names)


def _check_ascending(what: str, names: Sequence[str]) -> None:
    for name in names:
        if not is_name(name):
            raise Malformed(
                "policy-malformed",
                f"policy: {what} '{safe(name, 64)}' is not a name of 1 to 64 characters a-z 0-9 . _ -",
            )
    for name, following in pairwise(names):
        if name == following:
            raise Malformed("policy-name-twice", f"policy: {what} names '{name}' twice")
        if name > following:
            raise Malformed(
                "policy-malformed",
                f"policy: {what} names '{following}' after '{name}', not in alphabetical order",
            )


def _check_keys(policy: Policy) -> None:
    """One key is one vote in a role, and a machine's key is nobody's vote.

    A person may be administrator, approver and operator with one key: the namespaces of the signatures keep the roles apart. A
    key that a program holds unattended must be no person's, or the coordinator could approve its own requests.
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
                "policy-key-twice",
                f"policy: {role}: '{seen[holder.key]}' and '{holder.name}' have the same key",
            )
        seen[holder.key] = holder.name


def _check_groups(policy: Policy) -> None:
    if not 1 <= policy.version <= MAX_VERSION:
        raise Malformed("policy-malformed", f"policy: version {policy.version} is outside 1 to {MAX_VERSION}")
    if not 1 <= policy.admin_quorum <= len(policy.admins):
        raise Malformed(
            "policy-quorum-impossible",
            f"policy: a quorum of {policy.admin_quorum} among {len(policy.admins)} administrators",
        )
    approvers = policy.approver_keys()
    for group in policy.groups:
        for member in group.members:
            if member not in approvers:
                raise Malformed(
                    "policy-group-member-unknown", f"policy: group '{group.name}': '{member}' is no approver"
                )


def _check_tiers(policy: Policy) -> None:
    if len(policy.tiers) > MAX_TIERS:
        raise Malformed(
            "policy-malformed",
            f"policy: {len(policy.tiers)} lines 'approval-quorum', at most {MAX_TIERS} are allowed",
        )
    sizes = {group.name: len(group.members) for group in policy.groups}
    for tier in policy.tiers:
        if not 0 <= tier.above <= MAX_MONEY:
            raise Malformed("policy-malformed", f"policy: approval-quorum above {tier.above} satoshis")
        if tier.group not in sizes:
            raise Malformed(
                "policy-group-unknown",
                f"policy: approval-quorum above {tier.above}: no group '{safe(tier.group, 64)}'",
            )
        if not 1 <= tier.k <= sizes[tier.group]:
            raise Malformed(
                "policy-quorum-impossible",
                f"policy: approval-quorum above {tier.above}: {tier.k} of the {sizes[tier.group]} in '{tier.group}'",
            )
    for tier, following in pairwise(policy.tiers):
        if tier.above >= following.above:
            raise Malformed(
                "policy-quorum-order",
                f"policy: approval-quorum above {following.above} stands after one above {tier.above}",
            )


def _check_signers(policy: Policy) -> None:
    signers = {holder.name for holder in policy.signers}
    if not signers:
        raise Malformed("policy-signer-missing", "policy: names no signer, so nobody could sign anything")
    for name in policy.mandatory_signers:
        if name not in signers:
            raise Malformed(
                "policy-mandatory-signer-unknown", f"policy: mandatory-signer '{name}' is no signer"
            )


def _check_addresses(policy: Policy) -> None:
    seen: dict[bytes | str, str] = {}
    for entry in policy.addresses:
        if entry != named_address(entry.name, entry.address, policy.network):
            raise ValueError("an address book entry is made by named_address for the policy's network")
        one = entry.address if entry.script is None else entry.script
        if one in seen:
            raise Malformed(
                "policy-address-twice",
                f"policy: '{seen[one]}' and '{entry.name}' are the same address or descriptor",
            )
        seen[one] = entry.name
    check_searched(
        sum(len(entry.descriptor.keys) for entry in policy.addresses if entry.descriptor is not None)
    )


def _check_rules(policy: Policy) -> None:
    if tuple(name for name, _ in policy.rules) != tuple(RULES):
        raise ValueError("a policy holds every rule, in alphabetical order")
    names = {entry.name for entry in policy.addresses}
    for name, value in policy.rules:
        try:
            check_value(RULES[name], value)
        except ValueError as error:
            raise mistyped(name, error) from None
        for destination in value if isinstance(value, tuple) else ():
            if destination not in names:
                raise Malformed(
                    "policy-destination-unknown",
                    f"policy: rule {name}: the address book has no '{destination}'",
                )
    _check_destinations(policy)
    _check_approval_rules(policy)
    _check_hours(policy)


def _check_destinations(policy: Policy) -> None:
    allowed, denied = (
        policy.destinations(name) or () for name in ("allowed_destinations", "denied_destinations")
    )
    for entry in allowed:
        if entry in denied:
            raise Malformed(
                "policy-destination-contradiction",
                f"policy: '{entry.name}' is among the allowed and the denied destinations",
            )


def _check_approval_rules(policy: Policy) -> None:
    asking = [
        name
        for name, value in policy.rules
        if name in APPROVAL_RULES
        and value is not None
        and (name != "auto_approve_new_strategies" or value is False)
    ]
    if asking and not policy.tiers:
        raise Malformed(
            "policy-approval-quorum-missing",
            f"policy: {asking[0]} is set, and no approval-quorum says who approves",
        )
    # whoever writes a quorum means that somebody must approve: without such a rule nobody ever would have to
    if policy.tiers and not asking:
        raise Malformed(
            "policy-approval-quorum-unused",
            "policy: approval-quorum is set, and without human_approval_threshold_sats nothing ever needs it",
        )


def _check_hours(policy: Policy) -> None:
    start, end = policy.rule("allowed_hours_start"), policy.rule("allowed_hours_end")
    if (start is None) != (end is None):
        raise Malformed(
            "policy-hours-incomplete",
            "policy: allowed_hours_start and allowed_hours_end are set together or not at all",
        )
    if start is not None and start == end:
        # all day or one minute: whoever reads it must not have to guess
        raise Malformed(
            "policy-hours-empty",
            "policy: allowed_hours_start and allowed_hours_end are the same time",
            remedy="leave both out for no limit",
        )
    zone = policy.rule("allowed_timezone")
    if zone is not None:
        load(str(zone))
    elif start is not None or policy.rule("weekend_operations") is False:
        raise Malformed(
            "policy-timezone-missing",
            "policy: hours or weekends are limited, and allowed_timezone does not say whose",
            remedy='set allowed_timezone, to "UTC" if nothing else is meant',
        )
