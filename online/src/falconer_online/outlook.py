"""What the policy wants to know of the node and of our own list of proposals, asked only where a rule needs it.

A signer sees none of this. So a node that lies here can let a payment pass too early or too late, and nothing
else: every other rule stands whatever it says.
"""

from __future__ import annotations

from falconer_online.chain.node import Node
from falconer_online.store.view import View
from falconer_shared.policy.document import Policy
from falconer_shared.policy.spend import Outlook
from falconer_shared.verify.transaction import VerifiedTransaction


def outlook_of(node: Node, view: View, policy: Policy, verified: VerifiedTransaction, family: str) -> Outlook:
    """The outlook for a transaction of a family of proposals, which may be stored yet or not.

    Raises:
        DeviceError: the node does not answer.
    """
    pending = confirmations = used = limit = None
    if policy.rule("funding_proposal_max_pending") is not None:
        pending = 1 + view.unsigned(policy.wallet_id, family)
    if policy.rule("min_confirmations") is not None and verified.payments:
        found = [node.confirmations(each.outpoint) for each in verified.inputs]
        seen = [each for each in found if each is not None]
        # a coin that is spent by now has no confirmations to count: then it was not seen, which the verdict says
        confirmations = min(seen) if len(seen) == len(found) else None
    if policy.rule("max_mempool_congestion_percent") is not None:
        pool = node.pool()
        used, limit = pool.usage, pool.maximum
    return Outlook(pending=pending, confirmations=confirmations, mempool_bytes=used, mempool_limit=limit)
