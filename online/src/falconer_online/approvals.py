"""Collecting approvals: signatures by people over the intent, made on their own computers with their own
keys.

An approval is verified when it arrives and again whenever it is counted. Which approvals an amount asks for
is the policy's to say, and the signers ask it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from falconer_online import ssh_keygen
from falconer_online.coordinator import Coordinator, intent_of
from falconer_online.judging import Judgement, judge
from falconer_online.outlook import outlook_of
from falconer_online.proposals import expire_due
from falconer_online.states import ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_online.store.view import View
from falconer_shared.approval.intent import NAMESPACE
from falconer_shared.approval.quorum import Approval, identify
from falconer_shared.errors import StateError
from falconer_shared.policy.signed import InstalledPolicy

COLLECTING = frozenset({ProposalState.PENDING, ProposalState.APPROVED})
"""While in one of these, approvals are taken; afterwards the request with the approvals in it is made."""


def judgement_of(coordinator: Coordinator, view: View, row: ProposalRow) -> Judgement:
    """The proposal as it is judged now, with the approvals that are there.

    By the policy that its intent names, which may have been replaced since: going on under another one is
    refused by `check_same_policy`.
    """
    wallet = view.wallet_by_id(row.wallet_id)
    installed = coordinator.policy(view, wallet, version=intent_of(row).policy_version)
    verified = coordinator.transaction(view, row)
    return judge(
        installed,
        verified,
        intent_of(row),
        [Approval.parse(raw) for raw in view.approvals(row.id)],
        view.history(row.wallet_id),
        outlook_of(coordinator.node, view, installed.policy, verified, row.family),
        coordinator.clock(),
    )


def approve(
    coordinator: Coordinator, proposal_id: str, signatures: Sequence[bytes], key_file: Path | None = None
) -> tuple[ProposalRow, Judgement]:
    """Take approvals; the proposal becomes approved as soon as the policy needs no more.

    Without signatures it only counts those that are there. `key_file` signs here, through ssh-keygen.

    Raises:
        StateError: `proposal-state`. ApprovalError: an approval that does not verify, or is nobody's.
        PolicyRefused: the policy forbids by now what it allowed before.
    """
    presented = [Approval.parse(data) for data in signatures]
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.read() as view:
            row = view.proposal(proposal_id)
            installed = coordinator.policy(view, view.wallet_by_id(row.wallet_id))
        if row.state not in COLLECTING:
            if presented or key_file is not None:
                raise StateError(
                    "proposal-state",
                    f"proposal {row.id} is {row.state}, and takes no more approvals",
                    state=row.state.value,
                )
            with coordinator.store.read() as view:
                return row, judgement_of(coordinator, view, row)
        check_same_policy(row, installed)
        intent = intent_of(row)
        if key_file is not None:
            presented.append(Approval(ssh_keygen.sign(key_file, intent.text, NAMESPACE)))
        members = installed.policy.approver_keys()
        with coordinator.store.change(coordinator.clock()) as change:
            for approval in presented:
                name = identify(intent, members, [approval])[0]
                change.add_approval(row, name, approval.key.text(), approval.raw)
            judgement = judgement_of(coordinator, change, row)
            judgement.refuse_if_forbidden()
            change.set_needed(row, judgement.needed)
            if row.state is ProposalState.PENDING and judgement.enough:
                row = change.move(row, ProposalState.APPROVED)
    return row, judgement


def check_same_policy(row: ProposalRow, installed: InstalledPolicy) -> None:
    """Refuse to go on under another policy than the intent names: the signers would.

    Raises:
        StateError: `proposal-policy-changed`.
    """
    intent = intent_of(row)
    if (intent.policy_version, intent.policy_digest) != (installed.policy.version, installed.digest):
        raise StateError(
            "proposal-policy-changed",
            f"proposal {row.id} was made under policy version {intent.policy_version}, "
            f"and version {installed.policy.version} is in force now",
            remedy="reject it, and make a new proposal",
        )
