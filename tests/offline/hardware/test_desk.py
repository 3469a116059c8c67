"""Devices in a signing session: what is written down when, and what is left of a session that a device spoiled."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline.hardware.desk import DeviceDesk, instructions, pick, refusal_of
from falconer_offline.hardware.failures import Failure, refusal
from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import Device
from falconer_offline.session import own_keys, sign_session
from falconer_offline.state import journal, records
from falconer_offline.state.store import change
from falconer_shared.audit.record import AuditRecord
from falconer_shared.errors import Declined, DeviceError, SecretError, StateError, VerificationError
from falconer_shared.exchange.response import check_response, parse_response
from falconer_shared.verify.signatures import verify_signatures
from tests.offline.hardware.devices import Simulated, refuses
from tests.offline.office import NOW, Office, Ring, Unwilling, Willing
from tests.support.treasury import MULTI_PATH, SINGLE_PATH, key_expression, root, wpkh_wallet, wsh_wallet


def know(office: Office, seed: int, path: str, name: str | None = None, kind: str = "trezor") -> str:
    """Record key `seed` as one in a device, as `hardware xpub --name` does, and let its wallet's holders name it."""
    name = name or f"device-{seed}"
    fingerprint = root(seed).my_fingerprint.hex()
    xpub = key_expression(seed, path).partition("]")[2]
    with change(office.state(), office.machine) as (transaction, _):
        transaction.know_devices()
        transaction.run("INSERT INTO keys VALUES (?, ?, ?, NULL)", name, fingerprint, NOW)
        transaction.run("INSERT INTO devices VALUES (?, ?, ?)", name, kind, kind)
        transaction.run("INSERT INTO device_xpubs VALUES (?, ?, ?)", name, path, xpub)
        for position, key in enumerate(office.wallet.keys):
            if key.fingerprint.hex() == fingerprint:
                transaction.run(
                    "UPDATE holders SET key = ?, holder = 'this machine' WHERE position = ?", name, position
                )
        journal.note(transaction, NOW, "device-recorded", key=name)
    return name


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    single = Office.make(folder / "single", wpkh_wallet(), seeds=())
    know(single, 1, SINGLE_PATH)
    mixed = Office.make(folder / "mixed", wsh_wallet(2, (1, 2, 3)), seeds=(3,))
    know(mixed, 1, MULTI_PATH)
    know(mixed, 2, MULTI_PATH)
    return {"single": single, "mixed": mixed}


def _copy(office: Office, place) -> Office:
    import shutil

    shutil.copytree(office.home, place)
    return dataclasses.replace(office, home=place, marks={}, draft=dataclasses.replace(office.draft))


@pytest.fixture
def single(founded, tmp_path) -> Office:
    """A wallet whose only key is in a device."""
    return _copy(founded["single"], tmp_path / "single")


@pytest.fixture
def mixed(founded, tmp_path) -> Office:
    """2-of-3: two devices and a key of this machine."""
    return _copy(founded["mixed"], tmp_path / "mixed")


class Said(list):
    def __call__(self, text: str = "") -> None:
        self.append(text)


def session(office: Office, signer: Simulated, *chosen: str, twice=False, person=None, ring=None, steps=None):
    judged = office.judge(office.request())
    said = Said()
    desk = DeviceDesk(lambda: signer, said, twice=twice)
    try:
        answer = sign_session(
            office.state(), judged, person or Willing(), ring or Ring(office), lambda: NOW, steps or (lambda _: None),
            chosen=chosen, desk=desk,
        )  # fmt: skip
    finally:
        desk.close()
    return answer, judged, desk, said


def events(office: Office) -> list[str]:
    return [AuditRecord.parse(line).event for line in office.state().journal]


def outcomes(office: Office) -> list[str]:
    return [row[-1] for row in office.state().rows["spends"]]


def test_a_device_signs_after_everything_else_and_before_keys(single):
    steps: list[str] = []
    signer = Simulated(1)
    answer, judged, _, said = session(single, signer, steps=steps.append)
    assert steps == [
        "reviewed", "devices-found", "secrets-asked",
        "locked", "written", "root-signed", "committed", "reserved",
        "devices-signed", "unlocked", "signed",
        "locked", "written", "root-signed", "committed", "concluded",
    ]  # fmt: skip
    assert signer.asked == ["list", "sign"]
    assert signer.closed
    assert "compare every amount and address" in said[-1]
    assert verify_signatures(judged.verified, answer.psbt).complete
    receipt = check_response(parse_response(answer.psbt), judged.checked.request, single.draft.policy())
    assert receipt.signed
    assert outcomes(single) == ["signed"]


def test_what_the_device_gets_is_ours_and_not_what_came_in(single):
    signer = Simulated(1)
    session(single, signer)
    assert all(not key.startswith(b"\xfc") for key in signer.given[0].global_map)
    assert single.request() != signer.given[0].raw


def test_two_devices_and_a_key_of_this_machine_sign_in_one_session(mixed):
    signer = Simulated(1, 2)
    answer, judged, _, _ = session(mixed, signer, "device-1", "device-2", "key-3")
    found = verify_signatures(judged.verified, answer.psbt)
    assert found.signers == {0, 1, 2}
    assert signer.asked == ["list", "sign", "sign"]


def test_a_quorum_of_one_device_and_a_key_is_complete(mixed):
    answer, judged, _, _ = session(mixed, Simulated(1), "device-1", "key-3")
    assert verify_signatures(judged.verified, answer.psbt).complete


def test_the_driver_is_gone_before_a_key_is_unlocked(mixed):
    signer = Simulated(1)
    seen = []

    class Looking(Ring):
        def prepare(self, record):
            unlock = super().prepare(record)
            return lambda: (seen.append(signer.closed), unlock())[1]

    session(mixed, signer, "device-1", "key-3", ring=Looking(mixed))
    assert seen == [True]


def test_without_a_choice_this_machine_s_own_keys_sign(mixed, single):
    judged = mixed.judge(mixed.request())
    assert [key.name for key in own_keys(mixed.state(), judged).values()] == ["key-3"]
    judged = single.judge(single.request())
    assert [key.name for key in own_keys(single.state(), judged).values()] == ["device-1"]


def test_a_key_that_is_none_of_the_wallet_s_is_not_chosen(mixed):
    judged = mixed.judge(mixed.request())
    refuses("signer-not-of-wallet", StateError, own_keys, mixed.state(), judged, ["key-9"])
    assert [key.name for key in own_keys(mixed.state(), judged, ["device-2"]).values()] == ["device-2"]


def test_a_session_needs_a_way_to_its_device(single):
    judged = single.judge(single.request())
    with pytest.raises(ValueError, match="no way to it"):
        sign_session(single.state(), judged, Willing(), Ring(single), lambda: NOW)


# What keeps a device from being asked


def test_a_device_that_is_not_there_leaves_nothing_written(single):
    before = single.state().root
    refuses("device-not-found", DeviceError, session, single, Simulated())
    refuses("device-other", DeviceError, session, single, Simulated(2))
    assert single.state().root == before


def test_nobody_is_asked_before_the_person_confirmed(single):
    signer = Simulated(1)
    refuses("confirmation-wrong", Declined, lambda: session(single, signer, person=Unwilling()))
    assert signer.asked == []


def test_two_devices_with_one_key_are_told_apart_by_a_person(single):
    signer = Simulated(1)
    signer.devices = signer.devices * 2
    refuses("device-several", DeviceError, session, single, signer)
    assert outcomes(single) == []


def test_a_device_that_cannot_sign_the_wallet_is_refused_early(founded, tmp_path):
    office = _copy(founded["mixed"], tmp_path / "x")
    wallet = wsh_wallet(2, (1, 2, 3), name="other", form="multi")
    with change(office.state(), office.machine) as (transaction, _):
        transaction.run("DELETE FROM holders")
        transaction.run("DELETE FROM wallets")
        transaction.run("DELETE FROM policies")
        journal.note(transaction, NOW, "test")
    office.wallet = wallet
    office.register(wallet, NOW)
    office.draft.wallet_id = wallet.wallet_id
    office.install(office.draft, NOW)
    signer = Simulated(1, kind=Kind.LEDGER)
    refuses("device-cannot-sign-form", VerificationError, session, office, signer, "device-1")
    assert signer.asked == ["list"]
    assert outcomes(office) == []


@pytest.mark.parametrize(
    "failure", [Failure.LOCKED, Failure.WRONG_APP, Failure.PERMISSION, Failure.NOT_INITIALIZED]
)
def test_a_device_without_a_fingerprint_says_why(failure):
    device = Device(Kind.LEDGER, "1", "ledger", "", None, False, False, failure, "words")
    refuses(refusal(failure).rule, DeviceError, pick, [device], "00000000")


def test_what_a_device_needs_is_said_where_it_names_no_failure():
    bare = Device(Kind.TREZOR, "1", "trezor_1", "", None, True, False, None, "")
    assert refusal_of(bare).rule == "device-locked"
    assert (
        refusal_of(dataclasses.replace(bare, needs_pin=False, needs_passphrase=True)).rule
        == "device-passphrase-needed"
    )
    assert refusal_of(dataclasses.replace(bare, needs_pin=False)).rule == "device-failed"
    assert refusal_of(dataclasses.replace(bare, fingerprint="00000000")) is None


# A device that lies, or fails


def _nothing(given, honest):
    return given.raw


def _garbage(given, honest):
    return b"\xff" * 40


def _silence(given, honest):
    raise refusal(Failure.REFUSED)


def _unplugged(given, honest):
    raise refusal(Failure.DISCONNECTED)


LIES = {
    "device-signed-nothing": (_nothing, VerificationError),
    "device-answer-malformed": (_garbage, VerificationError),
    "device-refused": (_silence, Declined),
    "device-disconnected": (_unplugged, DeviceError),
}


@pytest.mark.parametrize("rule", LIES)
def test_what_a_device_was_shown_stays_reserved_whatever_it_says(single, rule):
    lie, kind = LIES[rule]
    refuses(rule, kind, session, single, Simulated(1, lie=lie))
    assert outcomes(single) == ["reserved"]
    assert events(single)[-1] == "reserved"
    # and signing again is safe: one coin counts once
    session(single, Simulated(1))
    history = records.JournalHistory(single.state(), single.wallet.wallet_id)
    assert sorted(outcomes(single)) == ["reserved", "signed"]
    assert len({entry.anchor for entry in history.entries(0)}) == 1


def test_a_second_device_that_fails_spoils_the_session(mixed):
    calls = []

    def lie(given, honest):
        calls.append(1)
        return honest.raw if len(calls) == 1 else given.raw

    signer = Simulated(1, 2, lie=lie)
    refuses("device-signed-nothing", VerificationError, session, mixed, signer, "device-1", "device-2")
    assert outcomes(mixed) == ["reserved"]


def test_a_key_that_does_not_open_after_a_device_signed_takes_nothing_back(mixed):
    ring = Ring(mixed, wrong=SecretError("passphrase-wrong", "no"))
    refuses(
        "passphrase-wrong", SecretError, lambda: session(mixed, Simulated(1), "device-1", "key-3", ring=ring)
    )
    assert outcomes(mixed) == ["reserved"]


def test_a_key_that_does_not_open_alone_still_takes_the_reservation_back(mixed):
    ring = Ring(mixed, wrong=SecretError("passphrase-wrong", "no"))
    refuses("passphrase-wrong", SecretError, lambda: session(mixed, Simulated(1), "key-3", ring=ring))
    assert outcomes(mixed) == ["released"]


# The second signing


def test_a_device_that_signs_alike_twice_is_not_remarked_on(single):
    signer = Simulated(1)
    _, _, desk, said = session(single, signer, twice=True)
    assert signer.asked == ["list", "sign", "sign"]
    assert desk.differing == 0
    assert "once more" in said[-1]


def test_a_device_that_signs_otherwise_the_second_time_is_reported(single):
    """A valid signature all the same: libwally's, with other randomness than embit's."""
    import wallycore

    from falconer_shared.psbt.fields import InputType, field_key

    calls = []

    def lie(given, honest):
        calls.append(1)
        if len(calls) == 1:
            return honest.raw
        judged = single.judge(single.request())
        fields = {}
        for item in judged.verified.inputs:
            node = root(1).derive([*single.wallet.keys[0].origin, item.place.branch, item.place.index])
            compact = wallycore.ec_sig_from_bytes_aux(
                node.key.secret, item.digest, b"\x07" * 32, wallycore.EC_FLAG_ECDSA
            )
            der = bytes(wallycore.ec_sig_to_der(wallycore.ec_sig_normalize(compact)))
            fields[item.index] = {field_key(InputType.PARTIAL_SIG, item.scripts.pubkeys[0]): der + b"\x01"}
        return given.with_fields(input_add=fields).raw

    _, judged, desk, _ = session(single, Simulated(1, lie=lie), twice=True)
    assert desk.differing == len(judged.verified.inputs)
    assert outcomes(single) == ["signed"]


def test_without_it_nothing_is_compared(single):
    _, _, desk, _ = session(single, Simulated(1))
    assert desk.differing is None


# What the person is told


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.LEDGER, "each time"), (Kind.JADE, "sees it first"), (Kind.BITBOX02, "sees it first"),
        (Kind.COLDCARD, "from a file"), (Kind.TREZOR, None), (Kind.KEEPKEY, None),
    ],
)  # fmt: skip
def test_registration_is_announced_where_a_device_asks_for_it(kind, words):
    device = Device(kind, "1", kind.value, "", "73c5da0a", False, False, None, "")
    lines = instructions(device, wsh_wallet())
    assert (words is None and len(lines) == 1) or words in lines[0]
    assert len(instructions(device, wpkh_wallet())) == 1


def test_a_desk_signs_only_what_its_reservation_is_for(single):
    desk = DeviceDesk(lambda: Simulated(1), lambda _: None)

    class Other:
        unsigned_hash, wallet_id = "00", "00"

    from falconer_offline.review import review

    reviewed = review(single.judge(single.request()), single.state(), Willing())
    with pytest.raises(ValueError, match="another transaction"):
        desk.sign(reviewed, Other())
    Other.unsigned_hash, Other.wallet_id = reviewed.verified.unsigned_hash, single.wallet.wallet_id
    with pytest.raises(ValueError, match="find comes first"):
        desk.sign(reviewed, Other())
