"""Policies, SSH keys and approvals for tests: a valid case, from which each test makes one thing wrong.

Keys are Ed25519 keys derived from a name, in memory; that the signatures are what `ssh-keygen` makes and takes is tested with the
real one elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from falconer_shared.approval.quorum import Approval
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.document import Policy
from falconer_shared.policy.parts import ApprovalTier, Group, KeyHolder, named_address
from falconer_shared.policy.signed import NAMESPACE, InstalledPolicy, PinnedAdmins, SignedPolicy, install
from falconer_shared.policy.values import RULES, RuleValue
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import make

WALLET_ID = "ab" * 32


@dataclass(frozen=True)
class SshKey:
    """A key pair in memory."""

    private: Ed25519PrivateKey
    public: SshPublicKey

    @classmethod
    def of(cls, name: str) -> SshKey:
        return _key(name)

    def sign(self, message: bytes, namespace: str) -> bytes:
        return make(self.private.sign, self.public, message, namespace)


@cache
def _key(name: str) -> SshKey:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"falconer test " + name.encode()).digest())
    return SshKey(private, SshPublicKey.ed25519(private.public_key().public_bytes_raw()))


def holders(*names: str) -> tuple[KeyHolder, ...]:
    """Each name with the key made from it."""
    return tuple(KeyHolder(name, SshKey.of(name).public) for name in sorted(names))


@dataclass
class PolicyDraft:
    """A policy to build: every field may be changed before `policy()` is called."""

    version: int = 1
    network: Network = Network.REGTEST
    wallet_id: str = WALLET_ID
    admin_quorum: int = 2
    admins: tuple[KeyHolder, ...] = field(default_factory=lambda: holders("admin-a", "admin-b", "admin-c"))
    approvers: tuple[KeyHolder, ...] = field(default_factory=lambda: holders("anna", "bert", "carl"))
    groups: tuple[Group, ...] = (Group("board", ("anna", "bert", "carl")), Group("desk", ("anna", "bert")))
    tiers: tuple[ApprovalTier, ...] = (ApprovalTier(0, 1, "desk"), ApprovalTier(500_000, 2, "board"))
    signers: tuple[KeyHolder, ...] = field(
        default_factory=lambda: holders("machine-a", "machine-b", "machine-c")
    )
    mandatory: tuple[str, ...] = ()
    operators: tuple[KeyHolder, ...] = ()
    coordinator: str = "coordinator"
    addresses: dict[str, str] = field(default_factory=dict)
    rules: dict[str, RuleValue] = field(default_factory=lambda: {"human_approval_threshold_sats": 100_000})

    def policy(self) -> Policy:
        return Policy(
            version=self.version,
            network=self.network,
            wallet_id=self.wallet_id,
            admin_quorum=self.admin_quorum,
            admins=self.admins,
            approvers=self.approvers,
            groups=self.groups,
            tiers=self.tiers,
            signers=self.signers,
            mandatory_signers=self.mandatory,
            operators=self.operators,
            coordinator=SshKey.of(self.coordinator).public,
            addresses=tuple(
                named_address(name, address, self.network) for name, address in sorted(self.addresses.items())
            ),
            rules=tuple((name, self.rules.get(name)) for name in RULES),
        )

    def text(self) -> bytes:
        return self.policy().text

    def pinned(self) -> PinnedAdmins:
        return PinnedAdmins(tuple(holder.key for holder in self.admins))

    def install(self) -> InstalledPolicy:
        """This draft as version 1, signed by all of its administrators."""
        candidate = signed(self.text(), *(holder.name for holder in self.admins))
        return install(candidate, self.pinned(), network=self.network, wallet_id=self.wallet_id)


def signed(text: bytes, *names: str, namespace: str = NAMESPACE) -> SignedPolicy:
    """A text with the signatures of the keys made from these names."""
    return SignedPolicy(text, tuple(SshKey.of(name).sign(text, namespace) for name in names))


def approvals(text: bytes, *names: str) -> tuple[Approval, ...]:
    """The approvals of an intent's text by these names."""
    return tuple(Approval.parse(SshKey.of(name).sign(text, "falconer-approval@1")) for name in names)


def coin(number: int) -> OutPoint:
    """A coin of nobody's."""
    return OutPoint(hashlib.sha256(b"coin %d" % number).digest(), number % 3)


def names_of(parts: Sequence[KeyHolder]) -> tuple[str, ...]:
    return tuple(part.name for part in parts)
