"""A wallet, a policy, a request and its answer, all as QR codes in pictures: nothing else crosses the gap."""

from __future__ import annotations

from pathlib import Path

from tests.support.ceremony import treasury
from tests.support.node import RegtestNode


def pictures(folder: Path) -> list[Path]:
    """Not in the order in which they were drawn."""
    return sorted(folder.iterdir(), reverse=True)


def test_a_payment_by_codes_alone(regtest_node: RegtestNode, tmp_path: Path):
    house = treasury(tmp_path / "house", regtest_node, "treasury", automated=True)
    signer = house.signers[0]
    house.init_coordinator()
    house.init_signer(signer)
    house.new_key(signer)
    registered = house.compose_and_register([house.export_xpub(signer)])

    house.coordinator.run("wallet", "show", "treasury", "--qr-images", tmp_path / "wallet")
    signer.run(
        "wallet", "register", "treasury", "--scan", *pictures(tmp_path / "wallet"),
        answers=[("Who holds key 1 of 1: ", ""), ("Last 4 characters of the wallet id: ", registered["wallet_id"][-4:])],
    )  # fmt: skip

    house.compile_policy(1, {}, {"max_single_tx_sats": 3_000_000, "human_approval_threshold_sats": 500_000})
    signatures = [word for path in house.sign_policy(1) for word in ("--signature", path)]
    house.coordinator.run("policy", "install", house.policy_file(1), *signatures)
    house.coordinator.run("policy", "show", "treasury", "--qr-images", tmp_path / "policy")
    signer.run(
        "policy", "install", "--scan", *pictures(tmp_path / "policy"),
        answers=[("Last 4 characters of the policy digest: ", house.policy_digest[-4:])],
    )  # fmt: skip

    house.fund(1_000_000)
    destination = regtest_node.rpc("getnewaddress", wallet="miner")
    pays = [(destination, 120_000)]
    proposal = house.propose(*pays)["proposal"]["id"]
    house.export(proposal)
    house.coordinator.run("proposals", "psbt", proposal, "--qr-images", tmp_path / "request")
    signed = signer.run(
        "sign", "--scan", *pictures(tmp_path / "request"), "--qr-images", tmp_path / "answer",
        answers=house.confirmation(pays), json_output=True,
    )  # fmt: skip
    assert signed.json["signed"]
    received = house.coordinator.json("proposals", "receive", "--scan", *pictures(tmp_path / "answer"))
    assert received["complete"]
    house.coordinator.json("proposals", "broadcast", proposal)
    regtest_node.mine(1)
    shown = house.coordinator.json("proposals", "show", proposal)["proposal"]
    assert shown["state"] == "confirmed"
