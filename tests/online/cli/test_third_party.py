"""Signers that know nothing of Falconer: they get the PSBT alone, and whatever they answer is combined into what we kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from falconer_online.third_party import check_outside_keys
from falconer_shared.errors import PolicyViolation
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling
from tests.online.office import Machine, Office
from tests.support import answers, ways
from tests.support.node import RegtestNode
from tests.support.policies import PolicyDraft, holders
from tests.support.refusal import refused
from tests.support.treasury import wpkh_wallet, wsh_descriptor, wsh_wallet

SEEDS = (910_001, 910_002, 910_003)
THEIRS = SEEDS[2]
"""The key of the third party; the policy names machines for the other two."""


@pytest.fixture
def mixed(office: Office, regtest_node: RegtestNode) -> Callable[[int], Office]:
    """A 2-of-3 wallet with so many coins; two of its keys are with machines of the policy."""

    def make(coins: int) -> Office:
        office.machines = (Machine("machine-a", SEEDS[:1]), Machine("machine-b", SEEDS[1:2]))
        office.init(regtest_node)
        office.register(wsh_descriptor(2, SEEDS))
        office.install_policy(threshold=10_000_000, daily=10_000_000)
        for _ in range(coins):
            address = office.run("wallet", "address", "--new").json["address"]
            regtest_node.fund(address, 200_000, confirmations=0)
        regtest_node.mine(1)
        return office

    return make


def whole_transaction(data: bytes, seed: int) -> bytes:
    """The third party had our machine's signature from elsewhere, and finished it."""
    return answers.extracted(answers.finished(data, SEEDS[0], seed))


ANSWERS = [
    ("sparrow", answers.whole, Kind.PSBT, Spelling.UR),
    ("seedsigner", answers.trimmed, Kind.PSBT, Spelling.UR),
    ("specter", answers.trimmed, Kind.PSBT, Spelling.PMOFN),
    ("krux", answers.trimmed, Kind.PSBT, Spelling.BASE64),
    ("coldcard", answers.trimmed_2, Kind.PSBT, Spelling.BBQR),
    ("electrum", whole_transaction, Kind.TRANSACTION, Spelling.BASE43),
    ("nunchuk", whole_transaction, Kind.TRANSACTION, Spelling.BBQR),
]
"""Who is asked, the shape of the answer, and how it is shown."""


def test_each_shape_there_and_back_in_codes(
    mixed: Callable[[int], Office], stranger: Callable[[], str], regtest_node: RegtestNode
) -> None:
    office = mixed(len(ANSWERS))
    for signer, shape, kind, spelling in ANSWERS:
        name = office.create((stranger(), 60_000)).json["proposal"]["id"]
        request = office.folder / f"{name}.psbt"
        office.run("proposals", "psbt", name, "--out", request)
        ours = UntrustedPsbt.parse(request.read_bytes())
        folder = office.folder / f"to-{name}"
        said = office.run("proposals", "psbt", name, "--for", signer, "--qr-images", folder).json
        assert (said["for"], said["file"]) == (signer, None)
        there, bare = ways.shown(folder)
        assert there is Kind.PSBT
        assert bare == ours.without_proprietary().raw != ours.raw
        # a machine of the policy judges the whole request, before or after
        machine = office.answer(name, office.machines[0])
        answer = shape(bare, THEIRS)
        pictures = ways.drawn(office.folder / f"from-{name}", answer, kind, spelling, version=36)
        taken = office.run("proposals", "receive", "--scan", *pictures).json
        assert taken["complete"] is (kind is Kind.TRANSACTION)
        assert any("no receipt" in warning for warning in taken["warnings"])
        done = office.run("proposals", "receive", machine).json
        assert (done["complete"], done["proposals"][0]["state"]) == (True, "signed")
        sent = office.run("proposals", "broadcast", name).json
        assert regtest_node.confirmations(sent["transaction"]["txid"]) == 0


def test_files_for_a_third_party(mixed: Callable[[int], Office], stranger: Callable[[], str]) -> None:
    office = mixed(1)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    out = office.folder / "bare.psbt"
    said = office.run("proposals", "psbt", name, "--for", "coldcard", "--psbt-version", 2, "--out", out).json
    bare = UntrustedPsbt.parse(out.read_bytes())
    assert (said["file"], bare.version) == (str(out), 2)
    assert not any(key[0] == 0xFC for fields in (bare.global_map, *bare.input_maps) for key in fields)
    assert said["proposal"]["state"] == "sent"
    # somebody who has nothing but the third party's signature cannot spend
    half = office.path("half.psbt", answers.trimmed(out.read_bytes(), THEIRS))
    assert office.run("proposals", "receive", half).json["complete"] is False
    assert office.run("proposals", "broadcast", name, expect=4).json["verdict"] == "refused"


@pytest.mark.parametrize(("machines", "allowed"), [(1, False), (2, True), (3, False), (4, False)])
def test_only_keys_that_the_policy_leaves_and_never_enough_of_them(machines: int, allowed: bool) -> None:
    """2 of 3: with one machine two others could spend without it, with three machines there is no other."""
    wallet = wsh_wallet()
    names = ("a", "b", "c", "d")[:machines]
    policy = PolicyDraft(wallet_id=wallet.wallet_id, signers=holders(*names)).policy()
    if allowed:
        check_outside_keys(policy, wallet)
        return
    with refused("third-party-not-allowed", PolicyViolation):
        check_outside_keys(policy, wallet)


def test_the_only_key_is_no_third_partys() -> None:
    wallet = wpkh_wallet()
    policy = PolicyDraft(wallet_id=wallet.wallet_id, signers=holders("a")).policy()
    with refused("third-party-not-allowed", PolicyViolation):
        check_outside_keys(policy, wallet)


def test_a_refusal_hands_nothing_out(
    treasury: Callable[..., Office], stranger: Callable[[], str], tmp_path: Path
) -> None:
    office = treasury(200_000)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    words = ("proposals", "psbt", name, "--for", "sparrow")
    assert office.run(*words, "--out", tmp_path / "x.psbt", expect=5).ids == ["third-party-not-allowed"]
    assert office.run(*words, "--qr-images", tmp_path / "x", expect=5).ids == ["third-party-not-allowed"]
    assert office.run("proposals", "psbt", name, "--for", "nobody", expect=2).ids == ["usage"]
    assert not (tmp_path / "x.psbt").exists()
    assert not (tmp_path / "x").exists()
    assert office.run("proposals", "show", name).json["proposal"]["state"] == "approved"
