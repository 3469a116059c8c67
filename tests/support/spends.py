"""Facts to judge: a plain payment and plain entries of a history, every field of which a test may change."""

from __future__ import annotations

from collections.abc import Mapping

from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import evaluate
from falconer_shared.policy.history import SpendEntry
from falconer_shared.policy.spend import NOTHING_SEEN, OwnOutput, Payment, Share, Spend, Verdict
from falconer_shared.policy.values import RuleValue
from falconer_shared.units import Amount, FeeRate
from tests.support.policies import PolicyDraft, coin
from tests.support.treasury import stranger_address

NOW = 1_800_000_000
"""Friday, 15 January 2027, 08:00:00 UTC."""

WHOLE = Share(1, 1)


def script(number: int = 0) -> bytes:
    """The script of a stranger."""
    return script_of(stranger_address(number), Network.REGTEST)


def payment(number: int = 0, sats: int = 70_000) -> Payment:
    """To that stranger."""
    return Payment(stranger_address(number), script(number), Amount(sats))


def own_script(number: int) -> bytes:
    """A script that stands for one of the wallet's."""
    return bytes([0, 20, *number.to_bytes(20, "big")])


def own(number: int = 0, sats: int = 20_000) -> OwnOutput:
    """Back to the wallet."""
    return OwnOutput(own_script(number), Amount(sats))


def spend(**changes: object) -> Spend:
    """70,000 sats to a stranger and 1,000 to the miners, with nothing before."""
    values: dict[str, object] = {
        "kind": IntentKind.PAY,
        "anchor": coin(1),
        "unsigned_hash": "11" * 32,
        "inputs": 1,
        "sources": frozenset({own_script(1_000)}),
        "payments": (payment(),),
        "own": (),
        "spent": Amount(71_000),
        "fee": Amount(1_000),
        "fee_rate": FeeRate(5_000),
        "approvers": frozenset(),
        "requester": "agent",
        "strategy": "-",
        "not_before": NOW - 60,
        "expires": NOW + 3_600,
        "decided": NOW - 60,
        "entries": (),
        "used": frozenset(),
        "strategy_known": False,
        "outlook": NOTHING_SEEN,
        "now": NOW,
        "share": WHOLE,
    }
    return Spend(**{**values, **changes})  # type: ignore[arg-type]


def entry(
    anchor: int,
    spent: int,
    *,
    age: int = 10,
    approved: bool = False,
    paid: Mapping[bytes, int] | None = None,
    own: frozenset[bytes] = frozenset(),
    requester: str = "agent",
    strategy: str = "-",
    decided: int | None = None,
) -> SpendEntry:
    """Of the coin with that number, `age` seconds before `NOW`; decided when it was reserved unless it is said."""
    return SpendEntry(
        anchor=coin(anchor),
        unsigned_hash=f"{anchor:064x}",
        spent=Amount(spent),
        paid=paid or {},
        own=own,
        approved=approved,
        requester=requester,
        strategy=strategy,
        decided=NOW - age if decided is None else decided,
        at=NOW - age,
    )


def policy(**rules: RuleValue) -> Policy:
    """A policy with these rules, an address book of strangers `s0` to `s9`, and a quorum where a rule asks for one."""
    asks = bool(rules.keys() & {"human_approval_threshold_sats", "funding_proposal_threshold_sats"})
    asks = asks or rules.get("auto_approve_new_strategies") is False
    return PolicyDraft(
        tiers=PolicyDraft.tiers if asks else (),
        addresses={f"s{number}": stranger_address(number) for number in range(10)},
        rules=dict(rules),
    ).policy()


def verdict(rule: str, by: Policy, on: Spend) -> Verdict:
    """What one rule says, asked as the engine asks it."""
    return next(each for each in evaluate(by, on) if each.rule == rule)


def words(rule: str, by: Policy, on: Spend) -> tuple[str, str, str]:
    """Outcome, value and limit, as a receipt spells them."""
    return verdict(rule, by, on).words[1:]
