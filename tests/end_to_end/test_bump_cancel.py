"""Transactions that do not confirm, and money that moves without a payment: both programs, a real node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ceremony import Treasury, treasury
from tests.support.node import RegtestNode

RULES: dict[str, object] = {
    "max_single_tx_sats": 90_000_000,
    "max_daily_spend_sats": 90_000_000,
    "max_fee_rate_sats_per_vbyte": 300,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 1_000_000,
    "consolidate_below_fee_rate": 5,
}


@pytest.fixture(scope="module")
def supplier(regtest_node: RegtestNode) -> str:
    address: str = regtest_node.rpc("getnewaddress", wallet="miner")
    return address


@pytest.fixture(scope="module")
def founded(regtest_node: RegtestNode, supplier: str, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    made = treasury(tmp_path_factory.mktemp("house"), regtest_node, "house", automated=True)
    made.found({"supplier": supplier}, RULES)
    return made


@pytest.fixture
def house(founded: Treasury) -> Treasury:
    """With a coin of its own for each test, deep enough."""
    founded.fund(3_000_000)
    return founded


@pytest.fixture(scope="module")
def vault(regtest_node: RegtestNode, supplier: str, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    made = treasury(
        tmp_path_factory.mktemp("vault"), regtest_node, "vault", ["east", "south", "west"], 2, automated=True
    )
    made.found({"supplier": supplier}, RULES)
    made.fund(900_000, 400_000)
    return made


def stuck(house: Treasury, pay: tuple[str, int], **options: object) -> dict[str, Any]:
    """A payment at the lowest fee rate, broadcast and not mined."""
    created: dict[str, Any] = house.propose(pay, fee_rate=1, max_fee=30_000, **options)["proposal"]
    if created["state"] == "pending":
        house.approve(created["id"], ["carl", "dora"])
    house.send(created)
    return house.shown(created["id"])["proposal"]  # type: ignore[no-any-return]


def replacing(house: Treasury, *words: object) -> dict[str, Any]:
    found: dict[str, Any] = house.coordinator.json("proposals", *words)
    return found


def waiting(house: Treasury) -> list[str]:
    found: list[str] = house.node.rpc("getrawmempool")
    return found


def states(house: Treasury, *ids: str) -> list[str]:
    return [house.shown(name)["proposal"]["state"] for name in ids]


def daily_before(house: Treasury, supplier: str) -> int:
    """What counts in the day's sum, found by a proposal that is thrown away again."""
    asked = house.propose((supplier, 50_000), fee_rate=2)
    house.coordinator.json("proposals", "reject", asked["proposal"]["id"])
    (daily,) = [each for each in asked["verdicts"] if each["rule"] == "max_daily_spend_sats"]
    return int(daily["value"]) - 50_000 - int(asked["proposal"]["fee"])


def test_a_stuck_payment_is_bumped_without_a_new_approval(house: Treasury, supplier: str):
    before = daily_before(house, supplier)
    first = stuck(house, (supplier, 1_200_000))
    made = replacing(house, "bump", first["id"], "--fee-rate", 20)
    second = made["proposal"]
    assert (second["id"], second["state"], second["replaces"]) == (
        f"{first['id']}.2",
        "approved",
        first["id"],
    )
    assert second["intent_digest"] == first["intent_digest"]
    assert second["approvals"]["by"] == ["carl", "dora"]
    assert made["transaction"]["payments"] == [{"address": supplier, "sats": 1_200_000}]
    outcome = house.send(second)
    assert f"fee +{second['fee'] - first['fee']:,} sats, payments unchanged" in outcome.shown
    new = house.shown(second["id"])["proposal"]["txid"]
    assert new in waiting(house)
    assert first["txid"] not in waiting(house)
    assert states(house, first["id"], second["id"]) == ["broadcast", "broadcast"]
    house.node.mine(1)
    lost = house.shown(first["id"])
    assert (lost["proposal"]["state"], lost["proposal"]["replaced_by"]) == ("failed", second["id"])
    assert [(each["id"], each["state"]) for each in lost["family"]] == [
        (first["id"], "failed"),
        (second["id"], "confirmed"),
    ]
    assert house.coordinator.json("audit", "verify")["verdict"] == "accepted"
    # both were signed, and the limit counts them once, at the larger
    assert daily_before(house, supplier) == before + 1_200_000 + second["fee"]


def test_a_bump_that_needs_another_coin(house: Treasury, supplier: str):
    free = house.coordinator.json("wallet", "balance", house.name)["available"]
    house.fund(300_000)
    coin = next(
        each["outpoint"]
        for each in house.coordinator.json("wallet", "coins", house.name)["coins"]
        if each["sats"] == 300_000
    )
    first = stuck(house, (supplier, 299_500), coins=coin)
    made = replacing(house, "bump", first["id"], "--fee-rate", 40)
    assert len(made["transaction"]["inputs"]) == 2
    house.send(made["proposal"])
    house.node.mine(1)
    assert states(house, first["id"], made["proposal"]["id"]) == ["failed", "confirmed"]
    after = house.coordinator.json("wallet", "balance", house.name)["available"]
    assert after == free + 300_000 - 299_500 - made["proposal"]["fee"]


def test_what_the_node_would_not_take_is_refused_before_anybody_signs(house: Treasury, supplier: str):
    first = stuck(house, (supplier, 60_000))
    low = house.coordinator.run("proposals", "bump", first["id"], "--fee-rate", "1.5", expect=2)
    assert low.refusals == ["replacement-fee-too-low"]
    enough = low.json["rules"][0]["least_rate"]
    high = house.coordinator.run("proposals", "bump", first["id"], "--fee-rate", 250, expect=6)
    assert high.refusals == ["intent-fee-exceeded"]
    # and what we say is enough, is enough for the node
    made = replacing(house, "bump", first["id"], "--fee-rate", enough)
    house.send(made["proposal"])
    house.node.mine(1)
    assert states(house, first["id"], made["proposal"]["id"]) == ["failed", "confirmed"]


def test_a_payment_is_taken_back(house: Treasury, supplier: str):
    first = stuck(house, (supplier, 350_000))
    got = house.node.rpc("getreceivedbyaddress", supplier, wallet="miner")
    made = replacing(house, "cancel", first["id"])
    cancel = made["proposal"]
    assert (cancel["kind"], cancel["payments"], cancel["state"]) == ("cancel", [], "approved")
    assert cancel["spends"] == first["spends"]
    assert made["transaction"]["payments"] == []
    outcome = house.send(cancel)
    assert "350,000 sats -> nothing" in outcome.shown
    house.node.mine(1)
    assert states(house, first["id"], cancel["id"]) == ["failed", "confirmed"]
    assert house.node.rpc("getreceivedbyaddress", supplier, wallet="miner") == got


def test_a_cancellation_that_comes_too_late(house: Treasury, supplier: str):
    first = stuck(house, (supplier, 70_000))
    cancel = replacing(house, "cancel", first["id"])["proposal"]
    house.node.mine(1)
    assert states(house, first["id"], cancel["id"]) == ["confirmed", "failed"]
    again = house.coordinator.run("proposals", "cancel", first["id"], expect=9)
    assert again.refusals == ["proposal-state"]


def test_an_unsigned_proposal_is_cancelled_at_once(house: Treasury, supplier: str):
    created = house.propose((supplier, 80_000))["proposal"]
    done = replacing(house, "cancel", created["id"])["proposal"]
    assert (done["state"], done["replaced_by"]) == ("rejected", None)


def test_a_child_takes_its_parent_along(house: Treasury, supplier: str):
    first = stuck(house, (supplier, 90_000))
    made = replacing(house, "accelerate", first["id"], "--fee-rate", 30)
    child = made["proposal"]
    assert (child["kind"], child["accelerates"], child["payments"]) == ("own", first["id"], [])
    house.send(child)
    txid = house.shown(child["id"])["proposal"]["txid"]
    entry = house.node.rpc("getmempoolentry", txid)
    assert entry["ancestorcount"] == 2
    rate = int(entry["fees"]["ancestor"] * 100_000_000) / entry["ancestorsize"]
    assert 30 <= rate < 30.5
    assert [each["id"] for each in house.shown(first["id"])["family"]] == [first["id"], child["id"]]
    house.node.mine(1)
    assert states(house, first["id"], child["id"]) == ["confirmed", "confirmed"]


def test_consolidation_and_sweep(founded: Treasury, supplier: str):
    house = founded
    house.fund(2_000_000, 100_000)
    dear = house.coordinator.run("proposals", "create", "--own", "--fee-rate", 6, expect=5)
    assert dear.refusals == ["policy-consolidation-fee-rate"]
    before = house.coordinator.json("wallet", "balance", house.name)["available"]
    merged = house.coordinator.json("proposals", "create", "--own", "--fee-rate", 2)["proposal"]
    assert (merged["kind"], merged["state"]) == ("own", "approved")
    assert "NOTHING LEAVES THIS WALLET" in house.send(merged).shown
    house.node.mine(1)
    coins = house.coordinator.json("wallet", "coins", house.name)["coins"]
    assert [each["sats"] for each in coins] == [before - merged["fee"]]

    made = house.coordinator.json(
        "proposals", "create", "--sweep", "@supplier", "--fee-rate", 1, "--max-fee", 9_000
    )
    sweep = made["proposal"]
    assert (sweep["kind"], sweep["state"]) == ("sweep", "pending")
    least = before - merged["fee"] - 9_000
    assert sweep["payments"] == [{"address": supplier, "sats": least}]
    house.approve(sweep["id"], ["carl", "dora"])
    paid = made["transaction"]["payments"][0]["sats"]
    assert f"{paid:,} sats" in house.send(sweep).shown
    bumped = replacing(house, "bump", sweep["id"], "--fee-rate", 12)
    assert bumped["transaction"]["payments"] == [
        {"address": supplier, "sats": paid - (bumped["proposal"]["fee"] - sweep["fee"])}
    ]
    house.send(bumped["proposal"])
    house.node.mine(1)
    assert states(house, sweep["id"], bumped["proposal"]["id"]) == ["failed", "confirmed"]
    assert house.coordinator.json("wallet", "balance", house.name)["available"] == 0
    for signer in house.signers:
        assert signer.run("journal", "verify", json_output=True).status == 0


def test_the_signers_of_a_vault_may_differ_from_one_to_the_next(vault: Treasury, supplier: str):
    first = stuck(vault, (supplier, 150_000))
    made = replacing(vault, "bump", first["id"], "--fee-rate", 15)
    east, south, west = vault.signers
    outcome = vault.send(made["proposal"], [west, south])
    # south signed the first one, west never saw it
    assert "payments unchanged" in outcome.shown
    vault.node.mine(1)
    assert states(vault, first["id"], made["proposal"]["id"]) == ["failed", "confirmed"]
    for signer in (east, south, west):
        assert signer.run("journal", "verify", json_output=True).status == 0
