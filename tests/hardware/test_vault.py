"""A Ledger, a Trezor and a key in software under the shipped commands, with recorded firmware: the demo's optional act."""

from __future__ import annotations

import pytest

from falconer_offline.state import records
from scripts import walkthrough


@pytest.mark.slow
def test_a_quorum_of_two_vendors_and_a_key_of_the_machine_sign_by_the_shipped_commands(
    recordings, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("FALCONER_VECTORS", str(recordings.parent))
    story = walkthrough.Story()
    vault = walkthrough.hardware_replay(story, tmp_path / "vault")
    assert vault is not None
    shown = capsys.readouterr().out
    assert "THE TWO DEVICES ARE RECORDINGS" in shown
    assert "EMULATORS" in shown
    assert "asks to register the wallet first" in shown
    assert story.hardware == {
        "outcome": "done",
        "txid": "beefa87a2fa528736ddb0944e6ff30fbc7275f5e5e0b74f8ab0550ba0eb9118d",
    }
    assert vault.spends() == [records.SIGNED, records.SIGNED]
    # one payment, however often its signers sign it
    inspected = vault.signer.run("inspect", vault.request).shown
    assert "max_daily_spend_sats: 61,000 of 300,000" in inspected
    listed = vault.signer.run("receipt", "show", json_output=True).json
    assert [receipt["number"] for receipt in listed["receipts"]] == [1, 2]


def test_without_recordings_the_act_is_skipped_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FALCONER_VECTORS", str(tmp_path))
    story = walkthrough.Story()
    assert walkthrough.hardware_replay(story, tmp_path / "vault") is None
    assert f"skipped: there are no recordings in {tmp_path}" in capsys.readouterr().out
    assert story.hardware == {"outcome": "skipped", "txid": None}
