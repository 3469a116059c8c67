"""Recorded firmware under the whole of `sign`: what the journal and the store hold after what it did."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from falconer_offline.state import journal, records
from falconer_offline.state.audit import check_journal
from falconer_offline.state.store import change
from falconer_shared.errors import Declined, DeviceError, FalconerError
from falconer_shared.exchange.response import parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.transaction import verify
from tests.hardware.recordings import Recording
from tests.hardware.stage import stage
from tests.hardware.vault import Recorded, StagedSigner
from tests.offline.office import Office
from tests.support.policies import PolicyDraft
from tests.support.treasury import NOTHING_KNOWN


class RecordedOffice(Office):
    """A home whose one key is in the recorded device; `make` takes the recording for a seed."""

    def add_keys(self, seeds: Sequence[Recording], now: int) -> None:  # type: ignore[override]
        (recording,) = seeds
        with change(self.state(), self.machine) as (transaction, _):
            transaction.know_devices()
            transaction.run("INSERT INTO keys VALUES (?, ?, ?, NULL)", "device", recording.fingerprint, now)
            transaction.run(
                "INSERT INTO devices VALUES (?, ?, ?)", "device", recording.kind.value, "recorded"
            )
            journal.note(transaction, now, "device-recorded")

    def install(self, draft: PolicyDraft, now: int, *names: str) -> None:
        draft.network = self.wallet.network
        super().install(draft, now, *names)


ENDS: dict[str, tuple[type[FalconerError], str] | None] = {
    "ledger-signtx-wpkh": None,
    "trezor-signtx-tr": None,
    "ledger-refuse-signtx-wpkh": (Declined, "device-refused"),
    "trezor-refuse-signtx-wpkh-last": (Declined, "device-refused"),
    "ledger-disconnect-signtx-wpkh": (DeviceError, "device-disconnected"),
    "trezor-disconnect-signtx-wpkh": (DeviceError, "device-timeout"),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_firmware_does_leaves_journal_and_store_right(recordings, tmp_path, name):
    """The device had the transaction: whatever it says, the spend stays written down. A refusal by its owner has a receipt."""
    end = ENDS[name]
    recording = Recording.read(recordings, name)
    now = int(time.time())
    office = RecordedOffice.make(tmp_path / "home", recording.wallet(), [recording], now=now)  # type: ignore[list-item]
    request, answer, identity = (tmp_path / each for each in ("request.psbt", "answer.psbt", "identity"))
    request.write_bytes(office.request(Recorded(recording.psbt), now=now))  # type: ignore[arg-type]
    identity.write_text(f"{office.identity.value}\n", encoding="ascii")
    verified = verify(recording.psbt, recording.wallet(), NOTHING_KNOWN)
    with stage(recordings, f"{recording.kind.value}-enumerate-chain-test", name) as place:
        outcome = StagedSigner(office.home, "north", identity=identity, words=place.words).run(
            "sign", request, "--signer", f"hardware:{recording.fingerprint}", "--out", answer,
            "--device-seconds", 10 if end == (DeviceError, "device-timeout") else 60,
            answers=[
                ("Sum of the payments in satoshis: ", str(int(verified.paid))),
                ("Last 4 characters of destination 1: ", verified.payments[0].address[-4:]),
            ],
            expect=0 if end is None else end[0].EXIT_STATUS, json_output=True,
        )  # fmt: skip
        place.check_used_up()
    check_journal(office.state())
    spends = [found for _, found in records.spends(office.state(), office.wallet.wallet_id)]
    assert spends == [records.SIGNED if end is None else records.RESERVED]
    assert answer.exists() == (end is None or end[0] is Declined)
    if end is None:
        assert outcome.json["signed"] is True
    else:
        assert outcome.refusals == [end[1]]
    if answer.exists():
        response = parse_response(UntrustedPsbt.parse(answer.read_bytes()))
        assert response.receipt.receipt.refusals == (() if end is None else (end[1],))
        assert all(bool(each.signature_fields) == (end is None) for each in response.psbt.inputs)
