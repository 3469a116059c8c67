"""One payment through the coordinator on a real node, from the wish to the confirmation."""

from __future__ import annotations

from collections.abc import Callable

from tests.online.office import Office
from tests.support.node import RegtestNode


def test_a_small_payment_needs_no_approval(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(500_000)
    there = stranger()
    created = office.create((there, 60_000), options=("--purpose", "rent", "--fee-rate", "2.5")).json
    proposal = created["proposal"]
    assert created["verdict"] == "accepted"
    assert proposal["state"] == "approved"
    assert proposal["approvals"] == {"needed": 0, "by": []}
    assert proposal["spends"] == created["transaction"]["inputs"][0]["outpoint"]
    assert created["transaction"]["payments"] == [{"address": there, "sats": 60_000}]
    assert created["transaction"]["own_outputs"][0]["branch"] == 1
    assert created["transaction"]["own_outputs"][0]["index"] == 0
    name = proposal["id"]

    approved = office.run(
        "proposals", "approve", name, "--generate-psbt", "--out", office.folder / f"{name}.psbt"
    ).json
    assert approved["proposal"]["state"] == "sent"

    answer = office.answer(name, office.machines[0])
    sent = office.run("proposals", "broadcast", answer).json
    assert sent["proposal"]["state"] == "broadcast"
    assert not sent["already"]
    txid = sent["transaction"]["txid"]
    assert regtest_node.confirmations(txid) == 0
    assert office.run("proposals", "broadcast", name).json["already"]

    regtest_node.mine(1)
    shown = office.run("proposals", "show", name).json
    assert shown["proposal"]["state"] == "confirmed"
    assert shown["proposal"]["confirmations"] == 1
    assert shown["proposal"]["txid"] == txid
    assert [event["event"] for event in shown["events"]][:1] == ["proposal-created"]
    receipts = office.run("receipt", "list").json["receipts"]
    assert [(each["signer"], each["number"], each["verdict"]) for each in receipts] == [
        ("machine-a", 1, "signed")
    ]
    assert office.run("audit", "verify").json["verdict"] == "accepted"
    assert office.run("wallet", "balance").json["held"] == 0


def test_a_large_payment_of_a_multisig_is_approved_by_two_and_signed_by_two(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(2_000_000, multisig=True, single=10_000_000, daily=30_000_000)
    there = stranger()
    created = office.create((there, 1_200_000)).json
    name = created["proposal"]["id"]
    assert created["proposal"]["state"] == "pending"
    assert created["proposal"]["approvals"]["needed"] == 2
    daily = next(each for each in created["verdicts"] if each["rule"] == "max_daily_spend_sats")
    assert (daily["limit"], daily["whole_limit"]) == ("20000000", "30000000")

    refused = office.run("proposals", "approve", name, "--generate-psbt", expect=6)
    assert refused.ids == ["approval-missing"]
    one = office.approve(name, "anna").json
    assert one["approved_by"] == ["anna"]
    assert one["proposal"]["state"] == "pending"
    request = office.folder / f"{name}.psbt"
    two = office.approve(name, "bert", options=("--generate-psbt", "--out", str(request))).json
    assert two["approved_by"] == ["anna", "bert"]
    assert two["proposal"]["state"] == "sent"

    first = office.answer(name, office.machines[0])
    taken = office.run("proposals", "receive", first).json
    assert taken["proposals"][0]["state"] == "sent"
    assert not taken["complete"]
    early = office.run("proposals", "broadcast", name, expect=4)
    assert early.ids == ["quorum-incomplete"]
    again = office.run("proposals", "receive", first).json
    assert not again["receipts"][0]["new"]
    assert office.run("proposals", "psbt", name, "--out", request).json["request"]["id"] == name
    third = office.answer(name, office.machines[2])
    sent = office.run("proposals", "broadcast", first, third).json
    assert sent["proposal"]["state"] == "broadcast"
    regtest_node.mine(1)
    assert office.run("proposals", "show", name).json["proposal"]["state"] == "confirmed"
    assert regtest_node.confirmations(sent["transaction"]["txid"]) == 1
