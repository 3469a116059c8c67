"""A Ledger, a Trezor and a key in software under the shipped commands, with recorded firmware."""

from __future__ import annotations

import pytest

from falconer_offline.state import records
from tests.hardware import vault


@pytest.mark.slow
def test_a_quorum_of_two_vendors_and_a_key_of_the_machine_sign_by_the_shipped_commands(recordings, tmp_path):
    assert vault.there(recordings)
    steps: list[str] = []
    house = vault.Vault(recordings, tmp_path, steps.append)
    house.found()
    house.compare_addresses()
    house.ask()

    devices, outcome = house.sign(["ledger", "trezor"])
    assert "EMULATORS" in outcome.shown
    assert "asks to register the wallet first" in outcome.shown
    first = house.finished(devices)
    assert house.spends() == [records.SIGNED]

    mixed, _ = house.sign(["ledger"], ["office"])
    second = house.finished(mixed)
    assert first.tx.txid_hex() == second.tx.txid_hex()
    assert mixed.signers != devices.signers
    # one request and one payment, however often its signers sign it
    listed = house.signer.run("receipt", "show", json_output=True).json
    assert [receipt["number"] for receipt in listed["receipts"]] == [1, 2]
    assert len(steps) == 5
