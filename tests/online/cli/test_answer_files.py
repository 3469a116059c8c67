"""Requests in either version and answers of any shape as files, from the command line to a real node."""

from __future__ import annotations

from collections.abc import Callable

from falconer_shared.psbt.parse import UntrustedPsbt
from tests.online.office import Office
from tests.support.answers import extracted, finished, trimmed
from tests.support.node import RegtestNode


def test_a_request_of_version_2_and_a_transaction_back(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
) -> None:
    office = treasury(500_000, multisig=True)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    # --psbt-version speaks of a request; without one nothing happens
    assert office.run("proposals", "approve", name, "--psbt-version", 2, expect=2).ids == ["usage"]
    request, old = office.folder / "request.psbt", office.folder / "old.psbt"
    office.run("proposals", "approve", name, "--generate-psbt", "--psbt-version", 2, "--out", request)
    office.run("proposals", "psbt", name, "--psbt-version", "0", "--out", old)
    new, default = UntrustedPsbt.parse(request.read_bytes()), UntrustedPsbt.parse(old.read_bytes())
    assert (new.version, default.version) == (2, 0)
    assert new.tx == default.tx
    office.run("proposals", "psbt", name, "--out", office.folder / "again.psbt")
    assert (office.folder / "again.psbt").read_bytes() == old.read_bytes()
    # SeedSigner's answer to one signer's request, and the other one's .txn, which holds both signatures
    seeds = [machine.seeds[0] for machine in office.machines[:2]]
    half, whole = office.folder / "half.psbt", office.folder / "whole.txn"
    half.write_bytes(trimmed(request.read_bytes(), seeds[0]))
    whole.write_text(extracted(finished(request.read_bytes(), *seeds)).hex() + "\n")
    assert office.run("proposals", "receive", half).json["complete"] is False
    assert office.run("proposals", "receive", whole).json["complete"] is True
    sent = office.run("proposals", "broadcast", name).json
    assert regtest_node.confirmations(sent["transaction"]["txid"]) == 0


def test_a_transaction_is_broadcast_from_its_file(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
) -> None:
    office = treasury(500_000)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    request, answer = office.folder / "request.psbt", office.folder / "answer.txn"
    office.run("proposals", "psbt", name, "--psbt-version", "2", "--out", request)
    answer.write_bytes(extracted(finished(request.read_bytes(), office.machines[0].seeds[0])))
    sent = office.run("proposals", "broadcast", answer).json
    assert regtest_node.confirmations(sent["transaction"]["txid"]) == 0


def test_there_is_no_version_1(office: Office) -> None:
    assert office.run("proposals", "psbt", "rent", "--psbt-version", "1", expect=2).ids == ["usage"]
