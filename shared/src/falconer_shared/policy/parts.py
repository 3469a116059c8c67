"""What a policy is made of: people, groups, machines and addresses by name, and the bounds of its lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import Node
from falconer_shared.descriptor.parse import parse_descriptor, with_checksum
from falconer_shared.errors import Malformed
from falconer_shared.policy.destinations import reach_of
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe

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
    """A line of the address book: a name for one address, or for the addresses of one descriptor.

    `address` is what people read. Of an address, `script` is what is compared (A131); of a descriptor, `descriptor` is what
    scripts are derived from, and `script` is None.
    """

    name: str
    address: str
    script: bytes | None
    descriptor: Node | None = None

    def covers(self, script: bytes) -> bool:
        """Whether this is the destination that `script` pays; of a descriptor, within its reach."""
        return (
            script == self.script
            if self.descriptor is None
            else script in reach_of(self.address, self.descriptor)
        )


@lru_cache(maxsize=4 * MAX_ADDRESSES)
def named_address(name: str, address: str, network: Network) -> NamedAddress:
    """An address book entry in its one spelling. A descriptor comes with its checksum, and is spelt canonically here.

    Remembered, because a policy is built from its text several times, and reading a descriptor takes milliseconds.

    Raises:
        Malformed: `policy-address-spelling`, and what reading the address or descriptor raises.
        VerificationError: the same.
    """
    if "(" in address:
        node = parse_descriptor(address, network)
        return NamedAddress(name, with_checksum(node.text()), None, node)
    script = script_of(address, network)
    if address_of(script, network) != address:
        raise Malformed(
            "policy-address-spelling",
            f"address {safe(name, 64)}: write {address_of(script, network)}, the one spelling of it",
        )
    return NamedAddress(name, address, script)
