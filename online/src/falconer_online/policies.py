"""Policies on the coordinator: compiled here, signed by administrators on their own computers, installed on
both sides.

The coordinator judges by the policy only to save everybody a walk; what binds is the copy that each signer
verified for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falconer_online import ssh_keygen
from falconer_online.coordinator import Coordinator
from falconer_online.store.rows import WalletRow
from falconer_online.store.view import View
from falconer_shared.errors import ApprovalError, Malformed, UsageError
from falconer_shared.policy.compile import compile_toml
from falconer_shared.policy.document import Policy
from falconer_shared.policy.explain import explain, explain_together
from falconer_shared.policy.signed import NAMESPACE, InstalledPolicy, SignedPolicy, install
from falconer_shared.sshsig.signature import SshSignature


@dataclass(frozen=True, slots=True)
class Draft:
    """A compiled policy with what a person should read before signing."""

    policy: Policy
    explained: tuple[str, ...]


def compile_policy(coordinator: Coordinator | None, source: bytes) -> Draft:
    """Compile TOML to the canonical text; with a coordinator also say what its wallets could spend.

    Raises:
        Malformed: `policy-toml-syntax` and what compiling raises.
    """
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("policy-toml-syntax", "the file is not UTF-8 text") from None
    compiled = compile_toml(text)
    policy = compiled.policy
    if coordinator is None:
        return Draft(policy, explain(policy))
    with coordinator.store.read() as view:
        row = next((row for row in view.wallets() if row.wallet_id == policy.wallet_id), None)
        if row is None:
            return Draft(policy, (*explain(policy), "This wallet is not registered here yet."))
        wallet = coordinator.wallet(row)
        lines = explain(policy, k=wallet.threshold, n=wallet.size)
        others = [
            coordinator.policy(view, other).policy
            for other in view.wallets()
            if other.wallet_id != policy.wallet_id and view.policies(other.wallet_id)
        ]
    return Draft(policy, (*lines, *explain_together([policy, *others])) if others else lines)


def sign(text: bytes, key_file: Path, signers: Policy | None = None) -> tuple[str, SshSignature]:
    """Sign a policy text with an administrator's key; the name under which that key may sign.

    `signers` is the policy in force, whose administrators sign the next one; the first is signed by its own.

    Raises:
        ApprovalError: `policy-signature-unknown-key`. What `ssh_keygen.sign` raises.
    """
    policy = Policy.parse(text)
    signature = ssh_keygen.sign(key_file, text, NAMESPACE)
    for source in (signers, policy):
        for name, key in source.admin_keys().items() if source is not None else ():
            if key == signature.key:
                return name, signature
    raise ApprovalError(
        "policy-signature-unknown-key",
        f"the key {signature.key.key_hash} is no administrator's of this policy",
        remedy="sign with the private key of one of the 'admin' lines",
    )


def install_policy(
    coordinator: Coordinator, text: bytes, signatures: Sequence[bytes]
) -> tuple[WalletRow, InstalledPolicy, bool]:
    """Install a signed policy; False when it was installed already.

    Raises:
        StateError: `wallet-unknown`, `administrators-none`. What `install` refuses.
    """
    policy = Policy.parse(text)
    with coordinator.exclusive(), coordinator.store.change(coordinator.clock()) as change:
        row = change.wallet_by_id(policy.wallet_id)
        before = current(coordinator, change, row)
        candidate = SignedPolicy(text, tuple(SshSignature.parse(data).raw for data in signatures))
        installed = install(
            candidate,
            before or coordinator.pinned(change),
            network=coordinator.config.network,
            wallet_id=row.wallet_id,
        )
        if before is not None and installed.digest == before.digest:
            return row, before, False
        _check_coordinator(coordinator, installed.policy)
        change.add_policy(
            row.wallet_id,
            installed.policy.version,
            installed.digest,
            text,
            candidate.signatures,
            installed.signed_by,
        )
    return row, installed, True


def current(coordinator: Coordinator, view: View, row: WalletRow) -> InstalledPolicy | None:
    """The policy in force, None before the first."""
    return coordinator.policy(view, row) if view.policies(row.wallet_id) else None


def _check_coordinator(coordinator: Coordinator, policy: Policy) -> None:
    """A policy that names another coordinator would make every request of ours refused: better said now.

    Raises:
        UsageError: `policy-other-coordinator`.
    """
    from falconer_online.coordinator_key import CoordinatorKey  # noqa: PLC0415  # 40 ms, and only install needs it here

    mine = CoordinatorKey.load(coordinator.config.home).public
    if policy.coordinator != mine:
        raise UsageError(
            "policy-other-coordinator",
            f"the policy names the coordinator {policy.coordinator.key_hash}, this one is {mine.key_hash}",
            remedy="compile it with the line of coordinator.pub, and have it signed again",
        )
