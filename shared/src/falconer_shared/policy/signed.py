"""From signed text to the policy in force.

What must hold before a policy is installed, so that a coordinator that is wholly compromised cannot slip one in:

1. the text is a policy of this very machine's network and of this very wallet;
2. it continues what is installed: the first has version 1, each later one a higher version; the same version with another
   digest is a fork, a lower one a rollback (A030), and both are refused;
3. version 1 is signed by *every* administrator pinned at `init`, and names exactly their keys. Only keys are pinned, so no quorum
   is known before there is a policy: fewer signatures would let one administrator choose the quorum for all. Whatever
   quorum the text asks for is then one that all of them signed;
4. a later version is signed by the quorum of the policy before it, whoever its own administrators are;
5. every signature that is shown verifies, over this text, in the policy's own namespace, by a key that may sign here. One that
   does not is a reason to refuse, never one to look away. A key counts once.

The chain from version 1 on is what a state keeps; `replay` walks it again at every start, so that the state's own root is not the
only thing that stands between a file on a stick and the limits. A machine that joins later walks the same chain.

What is not decided here: the highest version that was ever seen. Only a state can remember it; a signed text cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import ApprovalError, PolicyViolation, VerificationError
from falconer_shared.policy.document import MAX_PEOPLE, Policy
from falconer_shared.seal import Seal
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, verify

NAMESPACE = "falconer-policy@1"
"""The SSHSIG namespace of administrators."""

_SEAL = Seal(__name__)


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """A policy text with signatures, raw or armoured, as it is carried and kept. It proves nothing before `install`."""

    text: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PinnedAdmins:
    """The administrators' keys that a person gave to `init`: the first trust of all."""

    keys: tuple[SshPublicKey, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_PEOPLE or len(set(self.keys)) != len(self.keys):
            raise ValueError(f"administrators are 1 to {MAX_PEOPLE} different keys")


@dataclass(frozen=True, slots=True)
class InstalledPolicy:
    """The policy in force, and what proved it. Only `install` makes one."""

    policy: Policy
    digest: str
    signed: SignedPolicy
    signed_by: tuple[str, ...]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)


def install(
    candidate: SignedPolicy, trusted: PinnedAdmins | InstalledPolicy, *, network: Network, wallet_id: str
) -> InstalledPolicy:
    """The policy that follows `trusted`: version 1 after pinned administrators, a later one after an installed one.

    The policy that is installed already comes back unchanged.

    Raises:
        Malformed: what `Policy.parse` and `SshSignature.parse` raise.
        PolicyViolation: `policy-other-network`, `policy-other-wallet`, `policy-first-version`, `policy-version-fork`,
            `policy-version-rollback`, `policy-admins-not-pinned`.
        ApprovalError: `policy-signature-too-many`, `policy-signature-unknown-key`, `policy-signature-invalid`,
            `policy-signature-missing`.
    """
    policy = Policy.parse(candidate.text)
    if policy.network is not network:
        raise PolicyViolation(
            "policy-other-network",
            f"the policy is for {policy.network.label}, this machine is for {network.label}",
        )
    if policy.wallet_id != wallet_id:
        raise PolicyViolation(
            "policy-other-wallet", f"the policy governs wallet {policy.wallet_id}, not wallet {wallet_id}"
        )
    if isinstance(trusted, InstalledPolicy):
        _check_continues(policy, trusted)
        if policy.digest == trusted.digest:
            return trusted
        admins, quorum = trusted.policy.admin_keys(), trusted.policy.admin_quorum
    else:
        _check_first(policy, trusted)
        admins, quorum = policy.admin_keys(), len(trusted.keys)
    names = _signed_by(candidate, admins)
    if len(names) < quorum:
        raise ApprovalError(
            "policy-signature-missing",
            f"policy version {policy.version} is signed by {len(names)} of the {quorum} administrators that it takes",
            remedy="have it signed by: " + ", ".join(sorted(set(admins) - set(names))),
            have=len(names),
            need=quorum,
        )
    return InstalledPolicy(policy, policy.digest, candidate, names, seal=_SEAL)


def replay(
    chain: Sequence[SignedPolicy], pinned: PinnedAdmins, *, network: Network, wallet_id: str
) -> InstalledPolicy:
    """The policy in force after every installation so far, each checked again.

    Raises:
        PolicyViolation: `policy-chain-empty`, and what `install` raises.
    """
    if not chain:
        raise PolicyViolation(
            "policy-chain-empty",
            "no policy is installed for this wallet",
            remedy="install the signed policy, version 1 first",
        )
    current = install(chain[0], pinned, network=network, wallet_id=wallet_id)
    for candidate in chain[1:]:
        current = install(candidate, current, network=network, wallet_id=wallet_id)
    return current


def _check_continues(policy: Policy, installed: InstalledPolicy) -> None:
    have = installed.policy.version
    if policy.version < have:
        raise PolicyViolation(
            "policy-version-rollback",
            f"policy version {policy.version} is older than the installed version {have}",
            version=policy.version,
            installed=have,
        )
    if policy.version == have and policy.digest != installed.digest:
        raise PolicyViolation(
            "policy-version-fork",
            f"another policy with version {have} is installed: two texts claim one version",
            remedy="find out who signed two of them; a change takes the next version",
            installed=installed.digest,
            offered=policy.digest,
        )


def _check_first(policy: Policy, pinned: PinnedAdmins) -> None:
    if policy.version != 1:
        raise PolicyViolation(
            "policy-first-version",
            f"the first policy has version 1, this one has {policy.version}",
            remedy="install every version in turn, from 1 on",
        )
    if {holder.key for holder in policy.admins} != set(pinned.keys):
        raise PolicyViolation(
            "policy-admins-not-pinned",
            "the administrators in policy version 1 are not exactly those whose keys were given at init",
        )


def _signed_by(candidate: SignedPolicy, admins: Mapping[str, SshPublicKey]) -> tuple[str, ...]:
    """The sorted names of the administrators who signed the text."""
    if len(candidate.signatures) > MAX_PEOPLE:
        raise ApprovalError(
            "policy-signature-too-many",
            f"{len(candidate.signatures)} signatures, at most {MAX_PEOPLE} are read",
        )
    by_key = {key: name for name, key in admins.items()}
    names: set[str] = set()
    for data in candidate.signatures:
        signature = SshSignature.parse(data)
        name = by_key.get(signature.key)
        if name is None:
            raise ApprovalError(
                "policy-signature-unknown-key",
                f"a signature is by {signature.key.key_hash}, which is no administrator's key for this version",
            )
        try:
            verify(signature, candidate.text, NAMESPACE, signature.key)
        except VerificationError as problem:
            raise ApprovalError(
                "policy-signature-invalid",
                f"the signature of {name} does not fit this policy: {problem.message}",
                remedy=problem.remedy,
            ) from problem
        names.add(name)
    return tuple(sorted(names))
