"""All recorded exchanges with real firmware through our client, driver process and checks."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from embit.bip32 import HDKey
from embit.bip39 import mnemonic_to_seed

from falconer_offline.hardware.answer import signatures_of
from falconer_offline.hardware.request import device_psbt
from falconer_online.consensus import check_scripts
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import DeviceError, VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.verify.signatures import merge, verify_made
from falconer_shared.verify.transaction import verify
from tests.hardware import playing, table
from tests.hardware.recordings import Recording, names
from tests.hardware.stage import driver
from tests.hardware.vault import THIRD
from tests.support.refusal import refused
from tests.support.treasury import NOTHING_KNOWN, ecdsa

ROWS = table.rows()


def check_valid(final: FinalTransaction) -> None:
    """By Bitcoin Core's own code."""
    assert check_scripts(final) is not None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_recording_comes_to_the_end_that_the_table_says(recordings, row):
    assert table.facts(recordings, row.name) == (row.device, row.recorded)
    assert playing.end_of(recordings, row.name) == row.ours


def test_the_table_holds_every_recording(recordings):
    assert [row.name for row in ROWS] == names(recordings)


def test_the_table_gives_a_reason_wherever_an_end_differs_and_nowhere_else():
    assert len(ROWS) == 58
    for row in ROWS:
        # the sentence of a coin without proof is the same for both, and said once for each
        assert bool(row.why) == (row.needs_reason or row.ours == "input-amount-unproven"), row.name


def test_a_ledger_and_a_trezor_fill_a_quorum_together(recordings):
    parts = [
        playing.signed_of(recordings, Recording.read(recordings, name))
        for name in ("ledger-signtx-wsh", "trezor-signtx-wsh")
    ]
    assert [part.complete for part in parts] == [False, False]
    final = finalize(merge(*parts))
    check_valid(final)
    assert len(final.tx.inputs[0].witness) == 4


@pytest.mark.parametrize("name", ["ledger-signtx-wsh", "trezor-signtx-wsh"])
def test_a_device_and_a_key_in_software_fill_a_quorum_together(recordings, name):
    one = playing.signed_of(recordings, Recording.read(recordings, name))
    verified = one.verified
    master = HDKey.from_seed(mnemonic_to_seed(THIRD))
    (position,) = (
        n for n, key in enumerate(verified.wallet.keys) if key.fingerprint == master.my_fingerprint
    )
    made = []
    for item in verified.inputs:
        path = [*verified.wallet.keys[position].origin, item.place.branch, item.place.index]
        signature = ecdsa(bytes(master.derive(path).key.secret), item.digest)
        made.append({item.scripts.signing_keys[position]: signature})
    final = finalize(merge(one, verify_made(verified, made)))
    check_valid(final)


@pytest.mark.parametrize(
    "name",
    [
        "coldcard-signtx-wpkh",
        "ledger-signtx-wpkh",
        "ledger-signtx-tr",
        "trezor-signtx-wpkh",
        "trezor-signtx-tr",
    ],
)
def test_what_one_device_signed_is_finished_and_valid(recordings, name):
    check_valid(finalize(playing.signed_of(recordings, Recording.read(recordings, name))))


@pytest.mark.parametrize("kind", ["ledger", "trezor"])
def test_a_request_in_version_2_is_signed_by_way_of_version_0(recordings, kind):
    """The transaction of the two recordings is one; the device gets it as in the one that it signed rightly."""
    asked, heard = (Recording.read(recordings, f"{kind}-signtx-wpkh{end}") for end in ("-v2", ""))
    verified = verify(asked.psbt, asked.wallet(), NOTHING_KNOWN)
    assert verified.psbt.version == 2
    given = device_psbt(verified)
    assert given == heard.psbt
    made = signatures_of(verified, given, playing.answer_to(recordings, heard, given), (0,))
    check_valid(finalize(verify_made(verified, made)))


@pytest.mark.parametrize("kind", ["ledger", "trezor"])
def test_hwi_changes_the_transaction_in_a_psbt_of_version_2(recordings, kind):
    """The fact behind the reason in the table: what came back has transaction version 1, and was asked with 2."""
    recording = Recording.read(recordings, f"{kind}-signtx-wpkh-v2")
    back = UntrustedPsbt.parse(base64.b64decode(recording.expected["psbt"]))
    assert (recording.psbt.tx.version, back.tx.version) == (2, 1)
    assert (
        dataclasses.replace(back.tx, version=2).serialize_stripped() == recording.psbt.tx.serialize_stripped()
    )


def test_a_ledger_signs_a_coin_whose_amount_nobody_proved_if_it_is_asked(recordings):
    """Which is why it is not: the refusal of the table comes before the device."""
    recording = Recording.read(recordings, "ledger-signtx-no-nonwitness-utxo")
    answer = UntrustedPsbt.parse(playing.answer_to(recordings, recording, recording.psbt))
    assert [len(each.partial_sigs) for each in answer.inputs] == [1]


def test_a_trezor_wants_the_proof_itself(recordings):
    recording = Recording.read(recordings, "trezor-signtx-no-nonwitness-utxo")
    with refused("device-request-refused", DeviceError):
        playing.answer_to(recordings, recording, recording.psbt)


def test_what_the_devices_add_is_nothing_but_signatures(recordings):
    """The list of fields that an answer may add is no wider than real firmware needs it."""
    added = set()
    for row in ROWS:
        recording = Recording.read(recordings, row.name)
        if row.ours.endswith(("signature", "signatures")):
            back = UntrustedPsbt.parse(base64.b64decode(recording.expected["psbt"]))
            for ours, theirs in zip(recording.psbt.input_maps, back.input_maps, strict=True):
                added |= {(recording.kind.value, key[0]) for key in theirs.keys() - ours.keys()}
    assert added == {
        ("ledger", 0x02), ("ledger", 0x13), ("trezor", 0x02), ("trezor", 0x13), ("coldcard", 0x02), ("coldcard", 0x03),
    }  # fmt: skip


def test_the_replay_takes_no_other_message_than_the_recorded_one(recordings):
    with driver(recordings, "ledger-getxpub-84", network=Network.TESTNET4) as (signer, place):
        with refused("device-disconnected", DeviceError):
            signer.xpub(
                Recording.read(recordings, "ledger-getxpub-84").device, (0x80000056, 0x80000001, 0x80000000)
            )
        signer.close()
        found = place.outcome()["ledger"]
    assert found["left"] > 0
    assert "recorded" in found["mismatch"]


def test_the_answer_of_one_device_is_not_the_other_ones(recordings):
    """Ledger's signature under Trezor's position: another key, whatever else is right."""
    recording = Recording.read(recordings, "ledger-signtx-wsh")
    verified = verify(recording.psbt, recording.wallet(), NOTHING_KNOWN)
    (own,) = playing.positions_of(verified, recording)
    given = device_psbt(verified)
    answer = base64.b64decode(recording.expected["psbt"])
    signatures_of(verified, given, answer, (own,))
    with refused("device-wrong-key", VerificationError):
        signatures_of(verified, given, answer, ((own + 1) % 3,))
