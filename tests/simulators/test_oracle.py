"""The oracle is tried: with one check of the signer taken out, the campaign must find a wrong signature within so many cases.

What is patched is the shipped check; nothing in the oracle or the attacker knows which one it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from falconer_offline import review
from falconer_shared.approval import intent as intents
from falconer_shared.approval import quorum
from falconer_shared.exchange import envelope
from falconer_shared.policy import engine
from falconer_shared.policy.rules import amounts, approvals, destinations, fees, times
from falconer_shared.policy.rules.base import passed
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify import inputs, outputs, transaction
from falconer_shared.verify.fees import Cost
from falconer_shared.wallet.ownership import OwnPlace
from tests.simulators import houses
from tests.simulators.campaign import BLOCK, Hostile

Patch = Callable[[pytest.MonkeyPatch], None]
SEED = 1
MOST = 6_000


def taken_out(module: object, name: str, result: object = None) -> Patch:
    """A check that does nothing any more."""
    return lambda patch: patch.setattr(module, name, lambda *_, **__: result)


def always_passes(rule: type) -> Patch:
    return lambda patch: patch.setattr(rule, "judge", lambda self, policy, spend: passed(self, 0, 0))


def _no_caps(patch: pytest.MonkeyPatch) -> None:
    def cost(proven, outs, weight):
        paid_in, paid_out = sum(proven), sum(int(output.value) for output in outs)
        fee = Amount(max(paid_in - paid_out, 0))
        return Cost(Amount(paid_in), Amount(paid_out), fee, weight, FeeRate.of(fee, weight))

    patch.setattr(transaction, "cost", cost)


def _previous_unhashed(patch: pytest.MonkeyPatch) -> None:
    def spent(psbt, index, kind):
        previous = psbt.inputs[index].non_witness_utxo
        return previous.outputs[psbt.tx.inputs[index].outpoint.vout], False

    patch.setattr(inputs, "_spent_output", spent)


def _hints_believed(patch: pytest.MonkeyPatch) -> None:
    """What a PSBT marks as ours is ours (A015)."""
    real = outputs.locate_output

    def locate(wallet, script, hints, known=None):
        found = real(wallet, script, hints, known)
        return OwnPlace(1, 0) if found is None and outputs.claims_ownership(wallet, hints) else found

    patch.setattr(outputs, "locate_output", locate)
    patch.setattr(outputs, "_check_claims", lambda *_: None)


def _no_gap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("falconer_shared.wallet.ownership.KnownIndexes.reach", lambda *_: 2**31 - 1)


def _coin_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        transaction,
        "prove_inputs",
        lambda psbt, wallet: tuple(
            inputs._prove(psbt, wallet, number) for number in range(len(psbt.tx.inputs))
        ),
    )


def _only_share_of_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "share_of", lambda *_: engine.Share(1, 1))


def _many_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outputs, "MAX_OWN_OUTPUTS", 1_000)


def _relative_locks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inputs, "SEQUENCE_DISABLES_RELATIVE_LOCK", 0xFFFFFFFF)


def _all_versions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transaction, "VERSIONS", frozenset({0, 1, 2, 3, 4}))


DISABLED: dict[str, tuple[Patch, str, tuple[str, ...], tuple[str, ...]]] = {
    "previous transactions are hashed": (_previous_unhashed, "fee", (), ()),
    "change is derived again": (_hints_believed, "leaves|limit|spend|pays", (), ()),
    "change lies within the gap": (_no_gap, "pays|leaves|spend", (), ()),
    "a coin is spent once": (_coin_twice, "spent twice", ("limits",), ("coin_twice", "follow")),
    "fees have caps": (_no_caps, "beyond every cap", ("times",), ("feed_miners", "follow")),
    "every output has an address": (
        taken_out(outputs, "_check_payable"),
        "output",
        ("limits",),
        ("odd_output", "follow"),
    ),
    "few own outputs": (_many_own, "own outputs", (), ("fan_out",)),
    "payments are the intent's": (taken_out(intents, "_compare_payments"), "pays", (), ()),
    "the intent is valid now": (taken_out(intents, "_check_time"), "not valid now", ("limits",), ("window",)),
    "a sweep is the one approved": (
        taken_out(intents, "_check_sweep"),
        "sweep",
        ("limits",),
        ("spends", "more_coins", "follow"),
    ),
    "a cancellation has one output": (
        taken_out(intents, "_check_cancel"),
        "cancel",
        ("limits",),
        ("split_output",),
    ),
    "the whole intent": (taken_out(engine, "check_intent"), "pays", (), ()),
    "approvals verify": (taken_out(quorum, "verify"), "threshold|strategies", ("tiers",), ()),
    "the request is the coordinator's": (taken_out(envelope, "_check_coordinator"), "did not sign", (), ()),
    "the request speaks of all signers": (taken_out(envelope, "_check_signers"), "every signer", (), ()),
    "verdicts agree": (taken_out(review, "check_verdicts"), "coordinator says|its line", (), ("rule_line",)),
    "our past is ours": (taken_out(review, "check_own_past", 0), "remembers", ("limits",), ("mark",)),
    "the clock is not behind": (
        taken_out(review, "check_clock"),
        "behind the journal",
        ("limits",),
        ("unknown_fields",),
    ),
    "mandatory signers come first": (
        taken_out(engine, "_missing_mandatory", []),
        "sign first",
        ("mandatory",),
        (),
    ),
    "a share of each sum": (_only_share_of_one, "spend|threshold", ("many",), ()),
    "the daily limit": (always_passes(amounts.MaxDailySpend), "max_daily_spend", ("limits",), ()),
    "the weekly limit": (always_passes(amounts.MaxWeeklySpend), "max_weekly_spend", ("limits",), ()),
    "the single limit": (
        always_passes(amounts.MaxSingle),
        "max_single_tx_sats: ",
        ("tiers",),
        ("unknown_fields",),
    ),
    "counts a day": (
        always_passes(amounts.MaxDailyProposals),
        "max_daily_proposals",
        ("times",),
        ("unknown_fields",),
    ),
    "approvals above the threshold": (
        always_passes(approvals.HumanApproval),
        "human_approval",
        ("tiers",),
        (),
    ),
    "approval of each strategy": (
        always_passes(approvals.NewStrategies),
        "new_strategies",
        ("strategies",),
        (),
    ),
    "allowed destinations": (
        always_passes(destinations.AllowedDestinations),
        "allowed_dest",
        ("strict",),
        (),
    ),
    "sums to a destination": (
        always_passes(destinations.MaxDestinationSpend),
        "max_destination",
        ("many",),
        (),
    ),
    "no address twice": (always_passes(destinations.NoAddressReuse), "reuse", ("strict",), ()),
    "hours": (always_passes(times.AllowedHoursEnd), "allowed_hours", ("times",), ()),
    "intervals": (always_passes(times.DecisionInterval), "interval", ("times",), ("names", "window")),
    "a fee's rate": (always_passes(fees.MaxFeeRate), "max_fee_rate", ("tiers",), ()),
    "no relative lock": (_relative_locks, "relative lock", (), ("sequence",)),
    "known versions": (_all_versions, "unknown version", (), ("version",)),
}
"""What is taken out, what the oracle must say of it, under which policies it is looked for, and by which edits (any, where none
is named: `report --blind` looks for all of them with all edits, which takes minutes)."""

QUICK = ("wpkh", "wsh", "tr")
"""Where a policy is named, these wallets are enough."""


def first_finding(
    wanted: str, shapes: Sequence[str] = (), edits: Sequence[str] = (), most: int = MOST, seed: int = SEED
) -> tuple[int, str] | None:
    """The first case in which the oracle objects for the right reason."""
    every = [
        (form, shape) for form, shape in houses.names() if not shapes or (shape in shapes and form in QUICK)
    ]
    game = Hostile(every, edits)
    for first in range(0, most, BLOCK):
        for finding in game.run(seed, first, BLOCK):
            if re.search(wanted, finding.summary.split(": ", 1)[1]):
                return finding.case, finding.summary
    return None


@pytest.mark.parametrize("name", DISABLED)
def test_a_check_that_is_missing_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, wanted, shapes, edits = DISABLED[name]
    patch(monkeypatch)
    assert first_finding(wanted, shapes, edits) is not None


@pytest.mark.parametrize("module", ["oracle", "oracle_policy", "oracle_reading", "truth", "wire"])
def test_the_oracle_shares_nothing_with_what_it_judges(module: str) -> None:
    source = ast.parse((Path(__file__).parent / f"{module}.py").read_text())
    imported = {
        name
        for node in ast.walk(source)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    own = {f"tests.simulators.{each}" for each in ("oracle_policy", "oracle_reading", "truth", "wire")}
    assert not [
        name
        for name in imported
        if name.split(".")[0] in {"falconer_shared", "falconer_offline", "embit", "tests"} - {""}
        and name not in own | {"tests.simulators"}
    ]
