"""What people compare before they trust a wallet: both programs, each for itself, must show the same."""

from __future__ import annotations

import re

import pytest

from tests.support.ceremony import Treasury, treasury
from tests.support.node import RegtestNode
from tests.support.treasury import FORMS


@pytest.fixture(scope="module")
def three(regtest_node: RegtestNode, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    """Three machines with a key each, and a coordinator; no wallet yet."""
    made = treasury(
        tmp_path_factory.mktemp("same"), regtest_node, "first", ["east", "south", "west"], 2, automated=True
    )
    made.init_coordinator()
    for signer in made.signers:
        made.init_signer(signer)
        made.new_key(signer)
    return made


SINGLE = ("wpkh", "pkh", "sh-wpkh", "tr")


@pytest.mark.parametrize("form", [form for form in FORMS if form in {*SINGLE, "wsh", "sh", "sh-wsh"}])
def test_id_and_addresses_are_the_same_on_both_sides(three: Treasury, form: str):
    machines = three.signers[:1] if form in SINGLE else three.signers
    wallet = three.another(form, form, None if form in SINGLE else 2, machines)
    wallet.compose_and_register([wallet.export_xpub(signer) for signer in machines])
    online = wallet.coordinator.json("wallet", "show", form)
    assert online["wallet_id"] == wallet.wallet_id
    for signer in machines:
        wallet.register_at(signer)
        offline = signer.run("wallet", "show", form, json_output=True).json
        assert offline["wallet_id"] == online["wallet_id"]
        assert offline["descriptor"] == online["descriptor"]
        assert offline["first_addresses"] == online["addresses"]
        shown = signer.run("wallet", "show", form).shown
        assert re.findall(r"^Receive \d (\S+)$", shown, re.MULTILINE) == online["addresses"]
        assert f"Wallet id {online['wallet_id']}" in shown
    for index in (0, 7):
        there = wallet.coordinator.json("wallet", "address", form, "--index", index)["address"]
        here = machines[0].run("wallet", "address", form, "--index", index, json_output=True).json
        assert (here["address"], here["branch"]) == (there, "receive")
    change = machines[0].run("wallet", "address", form, "--change", json_output=True).json
    assert change["address"] not in online["addresses"]
