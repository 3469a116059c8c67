"""One payment all the way, with both programs as processes and a real node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.ceremony import Treasury, treasury
from tests.support.node import RegtestNode

RULES: dict[str, object] = {
    "max_single_tx_sats": 3_000_000,
    "max_daily_spend_sats": 4_000_000,
    "max_fee_rate_sats_per_vbyte": 50,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 500_000,
}


@pytest.fixture(scope="module")
def supplier(regtest_node: RegtestNode) -> str:
    address: str = regtest_node.rpc("getnewaddress", wallet="miner")
    return address


@pytest.fixture(scope="module")
def house(regtest_node: RegtestNode, supplier: str, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    founded = treasury(tmp_path_factory.mktemp("house"), regtest_node, "treasury", automated=True)
    founded.found({"supplier": supplier}, RULES)
    founded.fund(5_000_000, 2_000_000, 300_000)
    return founded


@pytest.fixture(scope="module")
def vault(regtest_node: RegtestNode, supplier: str, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    founded = treasury(
        tmp_path_factory.mktemp("vault"), regtest_node, "vault", ["east", "south", "west"], 2, automated=True
    )
    founded.found({"supplier": supplier}, RULES)
    founded.fund(4_000_000, 1_000_000)
    return founded


def received(node: RegtestNode, address: str, txid: str) -> int:
    """What a transaction pays an address, as the node says."""
    tx = node.rpc("getrawtransaction", txid, 1)
    return sum(
        int(output["value"] * 100_000_000)
        for output in tx["vout"]
        if output["scriptPubKey"].get("address") == address
    )


def test_single_key_below_the_threshold(house: Treasury, supplier: str):
    pays = [(supplier, 100_000)]
    created = house.propose(*pays, purpose="hosting")["proposal"]
    assert created["state"] == "approved"
    request = house.export(created["id"])
    answer, outcome = house.sign(house.signers[0], request, pays)
    assert "100,000 sats" in outcome.shown
    assert "supplier" in outcome.shown
    done = house.finish(created["id"], [answer])
    assert done["state"] == "confirmed"
    assert received(house.node, supplier, done["txid"]) == 100_000
    # the answer carries signatures and the receipt, nothing of the keys or the wallet (A115)
    assert len(answer.read_bytes()) < len(request.read_bytes())


def test_single_key_above_the_threshold(house: Treasury, supplier: str):
    pays = [(supplier, 1_000_000)]
    created = house.propose(*pays)["proposal"]
    assert created["state"] == "pending"
    early = house.coordinator.run("proposals", "approve", created["id"], "--generate-psbt", expect=6)
    assert early.json["verdict"] == "refused"
    house.approve(created["id"], ["carl"])
    house.coordinator.run("proposals", "approve", created["id"], "--generate-psbt", expect=6)
    house.approve(created["id"], ["emil"])
    request = house.export(created["id"])
    answer, outcome = house.sign(house.signers[0], request, pays)
    assert "carl" in outcome.shown
    done = house.finish(created["id"], [answer])
    assert (done["state"], done["approvals"]["by"]) == ("confirmed", ["carl", "emil"])


def test_vault_signed_in_parallel_and_in_turn(vault: Treasury, supplier: str):
    for pays, order, approvers in (
        ([(supplier, 150_000)], (0, 1), []),
        ([(supplier, 700_000)], (2, 0), ["carl", "dora"]),
    ):
        created = vault.propose(*pays)["proposal"]
        if approvers:
            vault.approve(created["id"], approvers)
        request = vault.export(created["id"])
        first, _ = vault.sign(vault.signers[order[0]], request, pays)
        half = vault.coordinator.json("proposals", "receive", first)
        assert not half["complete"]
        vault.coordinator.run("proposals", "broadcast", created["id"], expect=4)
        second, _ = vault.sign(vault.signers[order[1]], request, pays)
        done = vault.finish(created["id"], [second])
        assert done["state"] == "confirmed"
        assert received(vault.node, supplier, done["txid"]) == pays[0][1]


def test_broadcast_takes_the_answers_themselves(vault: Treasury, supplier: str):
    pays = [(supplier, 120_000)]
    created = vault.propose(*pays)["proposal"]
    request = vault.export(created["id"])
    answers = [vault.sign(vault.signers[number], request, pays)[0] for number in (1, 2)]
    done = vault.coordinator.json("proposals", "broadcast", *answers)
    assert done["proposal"]["state"] == "broadcast"
    again = vault.coordinator.json("proposals", "broadcast", created["id"])
    assert again["already"]
    vault.node.mine(1)
    assert vault.coordinator.json("proposals", "show", created["id"])["proposal"]["state"] == "confirmed"


def test_rejection_frees_the_coins(house: Treasury, supplier: str):
    before = house.coordinator.json("wallet", "balance", house.name)
    created = house.propose((supplier, 600_000))["proposal"]
    during = house.coordinator.json("wallet", "balance", house.name)
    assert during["available"] < before["available"]
    house.coordinator.json("proposals", "reject", created["id"], "--reason", "not needed")
    assert house.coordinator.json("wallet", "balance", house.name)["available"] == before["available"]
    refused = house.coordinator.run("proposals", "approve", created["id"], "--generate-psbt", expect=9)
    assert refused.refusals == ["proposal-state"]


def test_person_who_types_something_else(house: Treasury, supplier: str):
    pays = [(supplier, 90_000)]
    created = house.propose(*pays)["proposal"]
    request = house.export(created["id"])
    before = house.signers[0].run("journal", "show", json_output=True).json
    out = request.with_name("declined.psbt")
    outcome = house.signers[0].run(
        "sign", request, "--out", out, answers=[("Sum of the payments in satoshis: ", "90001")] * 3, expect=8
    )
    assert "Traceback" not in outcome.shown
    after = house.signers[0].run("journal", "show", json_output=True).json
    # a "no" is written down with a receipt, and reserves nothing
    new = [entry for entry in after["entries"] if entry not in before["entries"]]
    assert [(entry["event"], entry["facts"]["reasons"]) for entry in new] == [
        ("refused", "confirmation-wrong")
    ]
    told = house.coordinator.json("proposals", "receive", out)
    assert [receipt["verdict"] for receipt in told["receipts"]] == ["refused"]
    house.coordinator.json("proposals", "reject", created["id"])


def test_audit_and_journals_verify(house: Treasury, vault: Treasury):
    for each in (house, vault):
        assert each.coordinator.json("audit", "verify")["verdict"] == "accepted"
        for signer in each.signers:
            assert signer.run("journal", "verify", json_output=True).status == 0


def test_every_broadcast_above_went_through_the_consensus_code(house: Treasury):
    """It is installed wherever the tests run, so what was sent satisfied it and the node alike."""
    assert house.coordinator.json("status")["consensus"]["usable"]


def test_receipts_tell_both_stories(vault: Treasury, supplier: str):
    pays = [(supplier, 11_000)]
    created = vault.propose(*pays)["proposal"]
    request = vault.export(created["id"])
    answers = [vault.sign(vault.signers[number], request, pays)[0] for number in (0, 2)]
    assert vault.finish(created["id"], answers)["state"] == "confirmed"
    receipts = vault.coordinator.json("receipt", "list")["receipts"]
    assert {"east", "west"} <= {receipt["signer"] for receipt in receipts}
    assert all(receipt["verdict"] == "signed" for receipt in receipts)


def test_demo_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from scripts import walkthrough

    out = tmp_path / "out.json"
    status = walkthrough.main(["--json", str(out)])
    printed = capsys.readouterr()
    assert status == 0, printed.out + printed.err
    told = json.loads(out.read_text())
    assert told["outcome"] == "done"
    assert len(told["payments"]) == 12
    assert all(payment["confirmations"] >= 1 for payment in told["payments"])
    assert [refusal["rule"] for refusal in told["refusals"]] == [
        "change-not-derived",
        "input-witness-utxo-differs",
        "policy-daily-limit",
        "output-own-beyond-gap",
        "sighash-not-all",
        "intent-coin-not-spent",
    ]
