"""What goes to a signer that knows nothing of Falconer: the PSBT alone, without request, intent, approvals and receipts.

Such a signer obeys no policy: it signs what it is shown. It may take part only where that cannot matter, by what
wallet and policy say (ADR 0004): with m machines named for n keys, n - m keys may be with others, and every k
signatures must hold one of a machine's. So what it signs moves nothing before a machine has judged the whole
request, and the share of each limit that machines enforce counts on it already.

Nothing of this binds a coordinator in other hands. It keeps an honest one from handing a request past its
machines.
"""

from __future__ import annotations

from falconer_online.coordinator import Coordinator
from falconer_online.request import export
from falconer_online.store.rows import ProposalRow
from falconer_shared.errors import PolicyViolation
from falconer_shared.policy.document import Policy
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.wallet.registration import RegisteredWallet


def check_allowed(coordinator: Coordinator, proposal_id: str) -> None:
    """Accept a proposal of whose keys one may be with a third party. Asked before anything counts as handed out.

    Raises:
        PolicyViolation: `third-party-not-allowed`.
    """
    with coordinator.store.read() as view:
        row = view.wallet_by_id(view.proposal(proposal_id).wallet_id)
        check_outside_keys(coordinator.policy(view, row).policy, coordinator.wallet(row))


def check_outside_keys(policy: Policy, wallet: RegisteredWallet) -> None:
    """Accept a policy that leaves keys of the wallet to others, and too few of them to spend.

    Raises:
        PolicyViolation: `third-party-not-allowed`.
    """
    machines = len(policy.signers)
    outside = wallet.size - machines
    if outside < 1:
        raise PolicyViolation(
            "third-party-not-allowed",
            f"the policy names {machines} machines for {wallet.size} keys, so no key is with a third party",
            remedy="hand it to falconer-offline (without --for); keys in other signers' hands are no machine's of the policy",
            machines=machines,
            keys=wallet.size,
        )
    if outside >= wallet.threshold:
        raise PolicyViolation(
            "third-party-not-allowed",
            f"{outside} keys are outside the policy and {wallet.threshold} signatures spend: nobody who judges would be asked",
            remedy="a wallet whose every quorum needs a machine of the policy may have third-party signers",
            machines=machines,
            keys=wallet.size,
            threshold=wallet.threshold,
        )


def export_bare(coordinator: Coordinator, row: ProposalRow, psbt_version: int = 0) -> bytes:
    """The PSBT of a request for a third party: the same transaction, and no proprietary field.

    Raises:
        As `request.export`, which judges it first.
    """
    return UntrustedPsbt.parse(export(coordinator, row, psbt_version)).without_proprietary().serialize()
