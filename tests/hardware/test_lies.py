"""Devices that lie, through the whole of `sign --signer hardware:FINGERPRINT` with a real state."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import pytest

from falconer_offline.state import records
from falconer_offline.state.audit import check_journal
from falconer_shared.errors import Declined, DeviceError, VerificationError
from falconer_shared.exchange.response import SigningResponse, parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.hardware import liar
from tests.hardware.device_office import DeviceOffice, DeviceSigner, fingerprint, signer_of
from tests.support.programs import Outcome
from tests.support.treasury import stranger_address, wallet_of, wpkh_wallet, wsh_wallet

PAID = 70_000
SECONDS = "10"
"""What a device may keep silent: more than a busy machine needs to list devices."""

SIGNATURE_LIES = {
    "signs other outputs": "device-signature-invalid",
    "signs another lock time": "device-signature-invalid",
    "signs with NONE": "device-sighash",
    "signs with SINGLE": "device-sighash",
    "signs with ALL and ANYONECANPAY": "device-sighash",
    "signs rightly and says NONE": "device-sighash",
    "another key, under its name": "device-wrong-key",
    "another key, under the right name": "device-signature-invalid",
    "a foreign signature besides": "device-wrong-key",
    "signatures of each other's inputs": "device-wrong-key",
    "one bit is wrong": "device-signature-invalid",
    "a high s": "device-signature-invalid",
    "one nonce for all": "device-nonce-repeated",
    "signs one input of two": "device-signed-partly",
    "nothing signed": "device-signed-nothing",
}
TRANSACTION_LIES = {
    "other outputs": "device-changed-transaction",
    "one output less": "device-changed-transaction",
    "one input more": "device-changed-transaction",
    "one input less": "device-changed-transaction",
    "another lock time": "device-changed-transaction",
    "another version": "device-changed-transaction",
    "a field more, of nobody's": "device-changed-fields",
    "a global field more": "device-changed-fields",
    "an output's field more": "device-changed-fields",
    "a finished witness besides": "device-changed-fields",
    "a path taken away": "device-changed-fields",
    "an amount rewritten": "device-changed-fields",
    "a PSBT of version 2": "device-changed-fields",
    "garbage": "device-answer-malformed",
    "no bytes": "device-answer-malformed",
    "half a PSBT": "device-answer-malformed",
    "a word behind the PSBT": "device-answer-malformed",
}
TAPROOT_LIES = {
    "signs other outputs": "device-signature-invalid",
    "taproot with ALL": "device-sighash",
    "taproot with SINGLE": "device-sighash",
    "taproot by the internal key": "device-signature-invalid",
    "an ECDSA signature for taproot": "device-wrong-key",
    "a signature of a script for taproot": "device-changed-fields",
    "other outputs": "device-changed-transaction",
}
SILENCES = {
    "late": "device-timeout",
    "dies": "device-driver-failed",
    "dies while it answers": "device-driver-failed",
    "shouts": "device-driver-failed",
    "too much": "device-failed",
}
BEFORE = {
    "says another fingerprint": "device-other",
    "is there twice": "device-several",
    "says a fingerprint that is none": "device-driver-failed",
    "is not there": "device-not-found",
}
LIES = [
    *((lie, "wpkh", rule) for lie, rule in (SIGNATURE_LIES | TRANSACTION_LIES).items()),
    ("a taproot signature for another coin", "wpkh", "device-wrong-key"),
    *((lie, "tr", rule) for lie, rule in TAPROOT_LIES.items()),
    ("a foreign signature besides", "wsh", "device-wrong-key"),
]


@dataclasses.dataclass
class Case:
    """A home with a device, and a request for it."""

    office: DeviceOffice
    folder: Path
    signer: DeviceSigner

    def sign(
        self, lie: str, *more: object, status: int = 0, keys: tuple[str, ...] = (), asked: int = 1
    ) -> Outcome:
        """`asked`: payments to confirm; none where it ends before the page."""
        answers = [
            ("Sum of the payments in satoshis: ", str(PAID)),
            ("Last 4 characters of destination 1: ", stranger_address()[-4:]),
        ]
        chosen = [word for key in (f"hardware:{fingerprint()}", *keys) for word in ("--signer", key)]
        return self.signer.lying(lie).run(
            "sign", self.folder / "request.psbt", *chosen, "--out", self.answer, *more,
            answers=answers * asked, expect=status, json_output=True,
        )  # fmt: skip

    @property
    def answer(self) -> Path:
        return self.folder / "answer.psbt"

    def response(self) -> SigningResponse:
        return parse_response(UntrustedPsbt.parse(self.answer.read_bytes()))

    def outcomes(self) -> list[str]:
        """Of every spend that is written down."""
        state = self.office.state()
        return [outcome for _, outcome in records.spends(state, self.office.wallet.wallet_id)]

    def receipts(self) -> int:
        return len(records.receipts(self.office.state(), self.office.wallet.wallet_id))


WALLETS = {"wpkh": wpkh_wallet, "tr": lambda: wallet_of("tr"), "wsh": wsh_wallet}
SEEDS = {"wpkh": (1,), "tr": (1,), "wsh": (1, 2)}
"""Odd ones in the device, even ones sealed on the machine."""


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("offices")
    now = int(time.time())
    made = {}
    for form, wallet in WALLETS.items():
        made[form] = DeviceOffice.make(folder / form, wallet(), SEEDS[form], now=now)
        (folder / f"{form}.psbt").write_bytes(made[form].request(now=now))
    return folder, made


@pytest.fixture
def case(founded, tmp_path):
    folder, made = founded

    def of(form: str) -> Case:
        office = dataclasses.replace(made[form], home=tmp_path / "home")
        shutil.copytree(made[form].home, office.home)
        shutil.copy(folder / f"{form}.psbt", tmp_path / "request.psbt")
        return Case(office, tmp_path, signer_of(office, tmp_path))

    return of


@pytest.mark.parametrize("form", WALLETS)
def test_an_honest_device_signs(case, form):
    """The control: what the lies below are told about is otherwise accepted."""
    here = case(form)
    document = here.sign("honest").json
    assert document["signed"] is True
    response = here.response()
    assert [len(each.signature_fields) for each in response.psbt.inputs] == [1, 1]
    assert here.outcomes() == [records.SIGNED]
    assert here.receipts() == 1


@pytest.mark.parametrize(("lie", "form", "rule"), LIES, ids=[f"{form}: {lie}" for lie, form, _ in LIES])
def test_a_lie_is_named_and_journal_and_store_are_right(case, lie, form, rule):
    """The device had the transaction, so that it may have signed it: the reservation stays. The refusal has its receipt."""
    here = case(form)
    assert here.sign(lie, status=VerificationError.EXIT_STATUS).refusals == [rule]
    assert here.outcomes() == [records.RESERVED]
    response = here.response()
    assert response.receipt.receipt.refusals == (rule,)
    assert not any(each.signature_fields for each in response.psbt.inputs)
    assert here.receipts() == 1
    check_nothing_else(here, {"answer.psbt"})


@pytest.mark.parametrize(("lie", "rule"), SILENCES.items())
def test_no_answer_leaves_the_reservation_and_says_nothing_of_the_request(case, lie, rule):
    here = case("wpkh")
    document = here.sign(
        lie, "--device-seconds", SECONDS if lie == "late" else "60", status=DeviceError.EXIT_STATUS
    )
    assert document.refusals == [rule]
    assert here.outcomes() == [records.RESERVED]
    assert here.receipts() == 0
    check_nothing_else(here, set())


def test_a_refusal_on_the_device_has_a_receipt_and_leaves_the_reservation(case):
    here = case("wpkh")
    assert here.sign("refused by its owner", status=Declined.EXIT_STATUS).refusals == ["device-refused"]
    assert here.outcomes() == [records.RESERVED]
    assert here.response().receipt.receipt.refusals == ("device-refused",)


@pytest.mark.parametrize(("lie", "rule"), BEFORE.items())
def test_a_device_that_is_not_the_right_one_leaves_nothing_behind(case, lie, rule):
    """It was shown nothing: neither a reservation nor a receipt."""
    here = case("wpkh")
    outcome = here.sign(lie, status=DeviceError.EXIT_STATUS)
    assert outcome.refusals == [rule]
    assert (here.outcomes(), here.receipts()) == ([], 0)
    check_nothing_else(here, set())


def test_a_lie_is_followed_by_an_honest_signature_that_counts_once(case):
    here = case("wpkh")
    here.sign("signs other outputs", status=VerificationError.EXIT_STATUS)
    here.answer.unlink()
    here.sign("honest")
    assert records.SIGNED in here.outcomes()
    assert set(here.outcomes()) <= {records.SIGNED, records.RESERVED}
    assert here.response().receipt.receipt.number == 2
    inspected = here.signer.run("inspect", here.folder / "request.psbt", json_output=True).json
    assert inspected["verdict"] == "accepted"


def test_a_liar_among_the_signers_spoils_the_whole_answer(case):
    """2-of-3: the key of this machine is not opened any more, and no half of an answer goes out."""
    here = case("wsh")
    outcome = here.sign("one bit is wrong", status=VerificationError.EXIT_STATUS, keys=("key-2",))
    assert outcome.refusals == ["device-signature-invalid"]
    assert not any(each.signature_fields for each in here.response().psbt.inputs)
    assert here.outcomes() == [records.RESERVED]


def test_a_device_and_a_key_of_this_machine_sign_one_answer(case):
    here = case("wsh")
    here.sign("honest", keys=("key-2",))
    assert [len(each.signature_fields) for each in here.response().psbt.inputs] == [2, 2]
    assert here.outcomes() == [records.SIGNED]


def test_a_second_signing_that_differs_is_said(case):
    here = case("wpkh")
    signed = here.sign("signs otherwise each time", "--sign-twice")
    assert signed.json["second_signing_differs"] == 2
    assert "WARNING: 2 signatures came out otherwise the second time" in signed.shown
    assert here.outcomes() == [records.SIGNED]


def test_a_second_signing_that_lies_is_refused(case):
    here = case("wpkh")
    outcome = here.sign("honest once", "--sign-twice", status=VerificationError.EXIT_STATUS)
    assert outcome.refusals == ["device-signature-invalid"]
    assert here.outcomes() == [records.RESERVED]
    assert not any(each.signature_fields for each in here.response().psbt.inputs)


def test_every_lie_is_told():
    told = {lie for lie, _, _ in LIES} | SILENCES.keys() | {"honest", "refused by its owner"}
    told |= {"signs otherwise each time", "honest once"}
    assert told == set(liar.LIES)
    assert set(BEFORE) == set(liar.LISTS)


def check_nothing_else(here: Case, given: set[str]) -> None:
    """Nothing was emitted but what is named, and the journal verifies."""
    before = {"home", "identity", "request.psbt", ".home.stdout"}
    assert {path.name for path in here.folder.iterdir()} - before == given
    check_journal(here.office.state())
