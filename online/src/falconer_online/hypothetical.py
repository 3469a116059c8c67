"""Payments that nobody makes: what the policy would say of one, without coins, and a table of them to keep.

The engine is the one that judges real ones. What a transaction without coins does not have (change, the age of
coins, addresses of its own) is left out, and the rules about it find nothing: `UNKNOWN` says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from falconer_online.build import Payee
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import CHANGE, Node, worst_case_weight
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import decided, recall
from falconer_shared.policy.history import SpendHistory
from falconer_shared.policy.spend import Outlook, OwnOutput, Payment, Share, Spend
from falconer_shared.units import Amount, FeeRate, Weight

UNKNOWN = ("min_change_value_sats", "min_confirmations", "max_mempool_congestion_percent")
"""Rules that a payment without coins, judged away from a node, gives nothing to judge by."""

ANCHOR = OutPoint(bytes(32), 0xFFFFFFFF)
"""The coin that such a payment would spend: the null outpoint, which no coin can have (consensus)."""

_P2WPKH_SCRIPT = bytes(22)
_P2WPKH_WITNESS = 109
"""Weight units: two items, the largest signature and a key, with their lengths (BIP 141)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A payment that might be. `back` are amounts that return to the wallet; `fee` None is worked out from
    `fee_rate` and the size. Times are seconds since 1970; `valid_seconds` is how long its intent could be signed.
    """

    payments: tuple[Payee, ...]
    at: int
    kind: IntentKind = IntentKind.PAY
    inputs: int = 1
    back: tuple[Amount, ...] = ()
    fee: Amount | None = None
    fee_rate: FeeRate = FeeRate(0)  # noqa: RUF009  # an integer
    requester: str = "operator"
    strategy: str = "-"
    approvers: frozenset[str] = frozenset()
    valid_seconds: int = 1
    anchor: OutPoint = ANCHOR
    outlook: Outlook = Outlook()  # noqa: RUF009  # frozen


def spend_for(
    policy: Policy, question: Question, history: SpendHistory, share: Share, node: Node | None
) -> Spend:
    """The facts, as `policy.engine.spend_of` states them of a real one. `node` is the wallet's descriptor; where
    there is none, P2WPKH is taken for the size.
    """
    weight = _weight(question, node)
    fee = question.fee
    if fee is None:
        fee = Amount(-(-int(question.fee_rate) * weight.virtual_size() // 1000))
    own = tuple(OwnOutput(b"own %d" % number, amount) for number, amount in enumerate(question.back))
    past = recall(
        policy,
        history,
        anchor=question.anchor,
        scripts={payee.script for payee in question.payments},
        paying=bool(question.payments),
        requester=question.requester,
        strategy=question.strategy,
        now=question.at,
    )
    return Spend(
        kind=question.kind,
        anchor=question.anchor,
        unsigned_hash="00" * 32,
        inputs=question.inputs,
        sources=frozenset(),
        payments=tuple(Payment(each.address, each.script, each.amount) for each in question.payments),
        own=own,
        spent=Amount(sum(int(each.amount) for each in question.payments) + int(fee)),
        fee=fee,
        fee_rate=FeeRate.of(fee, weight),
        approvers=question.approvers,
        requester=question.requester,
        strategy=question.strategy,
        not_before=question.at,
        expires=question.at + question.valid_seconds,
        decided=decided(question.at, question.at),
        entries=past.entries,
        used=past.used,
        strategy_known=past.strategy_known,
        outlook=question.outlook,
        now=question.at,
        share=share,
    )


def _weight(question: Question, node: Node | None) -> Weight:
    """Of the payments, and of change at one address unless `back` says what returns."""
    outputs = [TxOutput(each.amount, each.script) for each in question.payments]
    change = _P2WPKH_SCRIPT if node is None else node.script(CHANGE, 0).script_pubkey
    outputs += [TxOutput(Amount(0), change)] * (len(question.back) or 1)
    inputs = tuple(TxInput(OutPoint(bytes(32), number), b"", 0) for number in range(question.inputs))
    stripped = len(Transaction(2, inputs, tuple(outputs), 0).serialize_stripped())
    if node is None:
        return Weight(4 * stripped + 2 + _P2WPKH_WITNESS * question.inputs)
    return worst_case_weight(node, stripped, question.inputs)


def unjudged(policy: Policy, spend: Spend) -> Collection[str]:
    """The rules that are set and that these facts give nothing to judge by."""
    without = {
        "min_change_value_sats": not spend.own,
        "min_confirmations": spend.outlook.confirmations is None,
        "max_mempool_congestion_percent": spend.outlook.mempool_bytes is None,
    }
    return [name for name in UNKNOWN if without[name] and policy.rule(name) is not None]
