"""The commands, run in this process with a device of embit's in the place of the driver, and a person who types."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil

import pytest
from embit.networks import NETWORKS

from falconer_offline import airgap, terminal, worker
from falconer_offline.cli import run
from falconer_offline.cli.devices import Asking
from falconer_offline.cli.shell import Shell
from falconer_offline.hardware import setup
from falconer_offline.hardware.failures import Failure
from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import Device
from falconer_offline.state import journal, records
from falconer_offline.state.audit import check_journal
from falconer_offline.state.store import State, change
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError
from tests.offline.hardware.devices import Simulated, refuses
from tests.offline.hardware.test_desk import know
from tests.offline.office import NOW, Office
from tests.support.treasury import (
    MULTI_PATH,
    SINGLE_PATH,
    key_expression,
    root,
    stranger_address,
    with_checksum,
    wpkh_descriptor,
    wpkh_wallet,
    wsh_wallet,
)

ONE = root(1).my_fingerprint.hex()
TWO = root(2).my_fingerprint.hex()


@dataclasses.dataclass
class Desk:
    """A home, the devices beside it, and what the person will type."""

    office: Office
    device: Simulated
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    typed: list[str] = dataclasses.field(default_factory=list)

    @property
    def state(self) -> State:
        return self.office.state()

    def run(self, *words: object, typed: tuple[str, ...] = ()) -> tuple[int, dict[str, object]]:
        """Status and JSON."""
        self.typed[:] = typed
        folder = self.office.home.parent
        descriptor = os.open(folder / "identity", os.O_RDONLY)
        status = run(
            ["--home", str(self.office.home), "--identity-fd", str(descriptor), *map(str, words), "--json"]
        )
        # the program closes what it reads; a command that needed no secret left it open
        with contextlib.suppress(OSError):
            os.close(descriptor)
        out, self.shown = self.capsys.readouterr()
        assert not self.typed, f"not asked for: {self.typed}; {out}"
        return status, json.loads(out)

    def refuses(self, rule: str, status: int, *words: object, typed: tuple[str, ...] = ()) -> None:
        found, document = self.run(*words, typed=typed)
        assert ([each["id"] for each in document["rules"]], found) == ([rule], status), document

    shown = ""


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    single = Office.make(folder / "single" / "home", wpkh_wallet(), seeds=())
    know(single, 1, SINGLE_PATH)
    mixed = Office.make(folder / "mixed" / "home", wsh_wallet(2, (1, 2, 3)), seeds=(3,))
    know(mixed, 1, MULTI_PATH)
    know(mixed, 2, MULTI_PATH)
    fresh = Office.make(folder / "fresh" / "home", wpkh_wallet(5, "other"), seeds=(5,))
    for name, office in (("single", single), ("mixed", mixed), ("fresh", fresh)):
        (folder / name / "identity").write_text(f"{office.identity.value}\n")
        (folder / name / "request.psbt").write_bytes(office.request())
    return {"single": single, "mixed": mixed, "fresh": fresh}


@pytest.fixture
def desk(founded, tmp_path, monkeypatch, capsys, request):
    office = founded[getattr(request, "param", "single")]
    shutil.copytree(office.home.parent, tmp_path / "place")
    office = dataclasses.replace(office, home=tmp_path / "place" / "home", marks={})
    found = Desk(office, Simulated(1), monkeypatch, capsys)
    monkeypatch.setattr(airgap, "_before", ())
    monkeypatch.setattr(worker, "before_secrets", lambda: None)
    monkeypatch.setattr(airgap, "lock_memory", lambda: True)
    monkeypatch.setattr(Shell, "clock", staticmethod(lambda: NOW))
    monkeypatch.setattr(Shell, "devices", lambda _shell, network, asking: found.device)

    def answer(question: str) -> str:
        assert found.typed, f"a question that no test answers: {question}"
        return found.typed.pop(0)

    monkeypatch.setattr(terminal, "ask", answer)
    monkeypatch.setattr(terminal, "ask_secret", answer)
    return found


def confirmed() -> tuple[str, str]:
    return "70000", stranger_address()[-4:]


fresh = pytest.mark.parametrize("desk", ["fresh"], indirect=True)
mixed = pytest.mark.parametrize("desk", ["mixed"], indirect=True)


# list, setup-check


def test_the_list_names_devices_and_what_keeps_them_from_being_used(desk):
    locked = Device(
        Kind.LEDGER, "1", "ledger_nano_x\x1b", "\x1b[2J", None, False, False, Failure.LOCKED, "0x5515"
    )
    desk.device.devices += (locked,)
    status, document = desk.run("hardware", "list")
    assert status == 0
    first, second = document["devices"]
    assert (first["fingerprint"], first["name"], first["problem"]) == (ONE, "device-1", None)
    assert second["problem"]["id"] == "device-locked"
    assert "\x1b" not in desk.shown + json.dumps(document)
    assert "enter its PIN" in desk.shown


def test_an_empty_list_says_where_to_look(desk):
    desk.device.devices = ()
    assert desk.run("hardware", "list") == (0, {"devices": []})
    assert "setup-check" in desk.shown


def test_the_setup_check_fails_where_something_is_missing(desk):
    missing = setup.Setup(True, "/x/hwilib/udev", (), tuple(Kind))
    desk.monkeypatch.setattr(setup, "look", lambda: missing)
    status, document = desk.run("hardware", "setup-check")
    assert status == 7
    assert not document["ready"]
    assert "device-setup-incomplete" in desk.shown
    assert "sudo cp /x/hwilib/udev/*.rules /etc/udev/rules.d/" in desk.shown
    desk.monkeypatch.setattr(setup, "look", lambda: dataclasses.replace(missing, without_rules=()))
    assert desk.run("hardware", "setup-check")[0] == 0


# xpub


@fresh
def test_an_xpub_is_printed_and_nothing_is_kept(desk):
    before = desk.state.root
    status, document = desk.run("hardware", "xpub", ONE, "--path", SINGLE_PATH)
    assert (status, document["key"]) == (0, key_expression(1))
    assert desk.state.root == before


@fresh
def test_with_a_name_the_device_and_its_key_are_remembered(desk):
    assert desk.run("hardware", "xpub", ONE, "--path", SINGLE_PATH, "--name", "ledger")[0] == 0
    assert desk.run("hardware", "xpub", f"hardware:{ONE}", "--path", MULTI_PATH, "--name", "ledger")[0] == 0
    device = records.devices(desk.state)["ledger"]
    assert (device.fingerprint, device.kind) == (ONE, "trezor")
    assert set(device.xpubs) == {SINGLE_PATH, MULTI_PATH}
    check_journal(desk.state)
    _, listed = desk.run("key", "list")
    assert [key["device"] for key in listed["keys"] if key["name"] == "ledger"] == ["trezor"]
    # and a home of the first format went on as it was until then
    assert desk.office.state().rows["devices"]


@fresh
def test_a_name_or_key_that_is_taken_is_refused(desk):
    desk.refuses("key-exists", 9, "hardware", "xpub", ONE, "--path", SINGLE_PATH, "--name", "key-5")
    desk.device = Simulated(5)
    five = root(5).my_fingerprint.hex()
    desk.refuses("key-exists", 9, "hardware", "xpub", five, "--path", SINGLE_PATH, "--name", "other")
    desk.refuses("usage", 2, "hardware", "xpub", ONE, "--path", SINGLE_PATH, "--name", "A B")


def test_another_key_at_a_path_than_before_is_an_alarm(desk):
    root_key = root(1).derive("m/" + SINGLE_PATH).to_public()
    other = root(7).derive("m/" + SINGLE_PATH).to_public()
    assert other != root_key
    desk.device.xpub = lambda device, path: other.to_base58(NETWORKS["regtest"]["xpub"])
    desk.refuses(
        "device-xpub-differs", 4, "hardware", "xpub", ONE, "--path", SINGLE_PATH, "--name", "device-1"
    )


MAINNET_XPUB = str(root(1).derive("m/" + SINGLE_PATH).to_public().to_base58(NETWORKS["main"]["xpub"]))


@pytest.mark.parametrize("answer", ["", MAINNET_XPUB, "shallow", "elsewhere"])
def test_a_key_that_cannot_be_the_one_asked_for_is_refused(desk, answer):
    honest = Simulated(1)
    if answer == "shallow":
        desk.device.xpub = lambda device, path: honest.xpub(device, path[:2])
    elif answer == "elsewhere":
        desk.device.xpub = lambda device, path: honest.xpub(device, (*path[:2], path[2] + 1))
    else:
        desk.device.xpub = lambda device, path: answer
    desk.refuses("device-xpub-wrong", 4, "hardware", "xpub", ONE, "--path", SINGLE_PATH)


def test_a_path_of_another_network_is_refused_before_the_device_is_asked(desk):
    desk.refuses("path-coin-type", 4, "hardware", "xpub", ONE, "--path", "84h/0h/0h")
    assert desk.device.asked == []


# wallet register, key commands


@fresh
def test_a_wallet_with_a_device_and_a_key_of_ours_is_registered(desk, tmp_path):
    assert desk.run("hardware", "xpub", ONE, "--path", MULTI_PATH, "--name", "ledger")[0] == 0
    wallet = wsh_wallet(2, (1, 5, 9))
    (tmp_path / "wallet.txt").write_text(wallet.descriptor_text + "\n")
    # a device signs wherever it is plugged in, so that nobody may say "this machine alone" of it
    typed = ("", "this machine", "alice", "", "somebody", wallet.wallet_id[-4:])
    status, document = desk.run("wallet", "register", "vault", tmp_path / "wallet.txt", typed=typed)
    assert "is in a device" in desk.shown
    assert status == 0, document
    assert [(key["own"], key["held_by"]) for key in document["keys"]] == [
        ("ledger", "alice"), ("key-5", "this machine"), (None, "somebody"),
    ]  # fmt: skip
    # keys 1 and 3 together need nothing of this machine
    assert [1, 3] in document["quorums_without_this_machine"]


@fresh
def test_a_path_that_the_device_was_not_asked_for_is_refused(desk, tmp_path):
    assert desk.run("hardware", "xpub", ONE, "--path", "84h/1h/1h", "--name", "ledger")[0] == 0
    (tmp_path / "wallet.txt").write_text(wpkh_descriptor() + "\n")
    desk.refuses("device-key-unrecorded", 9, "wallet", "register", "vault", tmp_path / "wallet.txt")
    assert "--path 84h/1h/0h --name ledger" in desk.shown


@fresh
def test_a_descriptor_with_our_device_s_fingerprint_and_another_key_is_an_alarm(desk, tmp_path):
    assert desk.run("hardware", "xpub", ONE, "--path", SINGLE_PATH, "--name", "ledger")[0] == 0
    swapped = key_expression(9).replace(root(9).my_fingerprint.hex(), ONE)
    (tmp_path / "wallet.txt").write_text(with_checksum(f"wpkh({swapped}/<0;1>/*)") + "\n")
    desk.refuses("wallet-key-swapped", 4, "wallet", "register", "vault", tmp_path / "wallet.txt")


def test_a_key_in_a_device_is_not_opened_here(desk):
    desk.refuses("key-in-device", 9, "key", "xpub", "device-1", "--path", SINGLE_PATH)


def test_a_device_is_forgotten_with_its_keys(desk):
    status, _ = desk.run("key", "remove", "device-1", typed=(ONE, "somebody"))
    assert status == 0
    assert records.devices(desk.state) == {}
    assert desk.state.rows["device_xpubs"] == ()
    check_journal(desk.state)


# address, register


def test_an_address_is_compared_by_program_and_person(desk):
    address = wpkh_wallet().address(0, 3)
    testnet = _testnet(wpkh_wallet(), 0, 3)
    desk.device.shown = testnet
    words = ("hardware", "address", "treasury", "--index", 3)
    status, document = desk.run(*words, typed=(testnet[-4:],))
    assert (status, document["address"], document["same"]) == (0, address, True)
    assert testnet in desk.shown
    # the spelling of regtest is the same script
    desk.device.shown = address
    assert desk.run(*words, typed=(testnet[-4:],))[0] == 0
    assert desk.device.asked[-1].endswith("/0/3)")
    desk.refuses("person-declined", 8, *words, typed=("",))


def _testnet(wallet, branch, index):
    from falconer_shared.bitcoin.address import address_of

    return address_of(wallet.scripts(branch, index).script_pubkey, Network.TESTNET4)


@pytest.mark.parametrize("shown", ["", "tb1qnonsense", "mainnet", "another index", "\x1b"])
def test_another_address_on_the_device_is_refused(desk, shown):
    from falconer_shared.bitcoin.address import address_of

    wallet = wpkh_wallet()
    desk.device.shown = {
        "mainnet": address_of(wallet.scripts(0, 0).script_pubkey, Network.MAINNET),
        "another index": _testnet(wallet, 0, 1),
    }.get(shown, shown)
    desk.refuses("device-address-differs", 4, "hardware", "address", "treasury")
    assert "\x1b" not in desk.shown


@mixed
def test_of_several_devices_one_is_named(desk):
    desk.refuses("usage", 2, "hardware", "address", "vault")
    desk.refuses("device-not-of-wallet", 9, "hardware", "address", "vault", "--signer", "hardware:00000000")
    desk.refuses("usage", 2, "hardware", "address", "vault", "--signer", "hardware:xyz")
    desk.device.shown = _testnet(wsh_wallet(2, (1, 2, 3)), 1, 0)
    status, _ = desk.run(
        "hardware",
        "address",
        "vault",
        "--change",
        "--signer",
        f"hardware:{ONE}",
        typed=(desk.device.shown[-4:],),
    )
    assert status == 0


@fresh
def test_a_wallet_without_a_known_device_says_so(desk):
    desk.refuses("device-not-of-wallet", 9, "hardware", "address", "other")


@mixed
def test_registration_is_a_first_address_where_a_device_wants_it(desk):
    words = ("hardware", "register", "vault", "--signer", ONE)
    status, document = desk.run(*words)
    assert (status, document["registered"]) == (0, False)  # a Trezor keeps no registration
    desk.device = Simulated(1, kind=Kind.LEDGER)
    desk.device.shown = _testnet(wsh_wallet(2, (1, 2, 3)), 0, 0)
    status, document = desk.run(*words, typed=(desk.device.shown[-4:],))
    assert (status, document["registered"]) == (0, True)
    assert "asks again" in desk.shown


@mixed
def test_a_coldcard_registers_from_a_file(desk, tmp_path):
    status, _ = desk.run("hardware", "register", "vault", "--signer", ONE, "--out", tmp_path / "vault.txt")
    assert status == 0
    assert "Policy: 2 of 3" in (tmp_path / "vault.txt").read_text()


# sign


def test_a_request_is_signed_by_a_device(desk):
    folder = desk.office.home.parent
    words = ("sign", folder / "request.psbt", "--out", folder / "answer.psbt", "--signer", f"hardware:{ONE}")
    status, document = desk.run(*words, typed=confirmed())
    assert status == 0, document
    assert document["signed"]
    assert document["second_signing_differs"] is None
    assert (folder / "answer.psbt").exists()
    assert f"device-1, {ONE}, in a trezor" in desk.shown
    assert "compare every amount and address" in desk.shown


def test_hardware_sign_is_the_same_path(desk):
    folder = desk.office.home.parent
    words = (
        "hardware",
        "sign",
        ONE,
        folder / "request.psbt",
        "--out",
        folder / "answer.psbt",
        "--sign-twice",
    )
    status, document = desk.run(*words, typed=confirmed())
    assert (status, document["second_signing_differs"]) == (0, 0)


@mixed
def test_devices_and_a_key_of_this_machine_sign_together(desk):
    desk.device = Simulated(1, 2)
    folder = desk.office.home.parent
    words = ["sign", folder / "request.psbt", "--out", folder / "answer.psbt"]
    words += ["--signer", f"hardware:{ONE}", "--signer", f"hardware:{TWO}", "--signer", "key-3"]
    status, document = desk.run(*words, typed=confirmed())
    assert status == 0, document


def test_a_device_that_is_not_known_does_not_sign(desk):
    folder = desk.office.home.parent
    words = (
        "sign",
        folder / "request.psbt",
        "--out",
        folder / "answer.psbt",
        "--signer",
        "hardware:00000000",
    )
    desk.refuses("device-unrecorded", 9, *words)
    desk.refuses("key-unknown", 9, *words[:-1], "nobody")


def test_a_device_that_lies_gets_a_receipt_of_refusal(desk):
    desk.device.lie = lambda given, honest: given.raw
    folder = desk.office.home.parent
    words = ("hardware", "sign", ONE, folder / "request.psbt", "--out", folder / "answer.psbt")
    desk.refuses("device-signed-nothing", 4, *words, typed=confirmed())
    assert (folder / "answer.psbt").exists()
    receipts = records.receipts(desk.state, desk.office.wallet.wallet_id)
    assert b"device-signed-nothing" in receipts[-1].text
    assert [row[-1] for row in desk.state.rows["spends"]] == ["reserved"]


def test_a_device_that_is_not_there_gets_none(desk):
    desk.device.devices = ()
    folder = desk.office.home.parent
    words = ("hardware", "sign", ONE, folder / "request.psbt", "--out", folder / "answer.psbt")
    desk.refuses("device-not-found", 7, *words, typed=confirmed())
    assert not (folder / "answer.psbt").exists()
    assert records.receipts(desk.state, desk.office.wallet.wallet_id) == ()


# unlock


def test_a_pin_is_typed_by_positions(desk):
    locked = Device(Kind.TREZOR, "usb:1", "trezor_1", "", None, True, False, Failure.LOCKED, "")
    desk.device.devices = (locked,)
    assert desk.run("hardware", "unlock", typed=("1379",)) == (0, {"kind": "trezor", "unlocked": True})
    assert desk.device.asked == ["list", "prompt", "1379"]
    assert "7 8 9" in desk.shown
    desk.device.devices = (locked, locked)
    desk.refuses("device-several", 7, "hardware", "unlock")
    desk.device.devices = ()
    desk.refuses("device-none-locked", 7, "hardware", "unlock")


# Emulators


@pytest.mark.parametrize("network", Network)
def test_emulators_are_for_networks_without_money(network, capsys):
    shell = Shell(json_output=False, debug=False)
    shell._emulators = True
    if network in {Network.REGTEST, Network.TESTNET4}:
        shell.check_network(network)
        shell.check_network(network)
        assert capsys.readouterr().err.count("EMULATORS") == 1
    else:
        refuses("emulators-not-here", StateError, shell.check_network, network)


def test_a_home_of_real_money_refuses_them_in_every_command(desk):
    desk.monkeypatch.setattr(records, "network", lambda _: Network.MAINNET)
    found = run(["--home", str(desk.office.home), "--emulators", "hardware", "list", "--json"])
    assert (found, "emulators-not-here" in desk.capsys.readouterr().out) == (9, True)


def test_the_word_opens_loopback_only_where_it_is_an_option(desk):
    desk.monkeypatch.setattr(airgap, "_loopback", True)
    found = run(["--home", str(desk.office.home), "key", "list", "--json"])
    assert (found, "--emulators stands before" in desk.capsys.readouterr().out) == (2, True)


def test_a_coldcard_is_not_asked_to_register_over_usb(desk):
    with change(desk.state, desk.office.machine) as (transaction, _):
        transaction.run("UPDATE devices SET kind = 'coldcard'")
        journal.note(transaction, NOW, "test")
    desk.refuses("usage", 2, "hardware", "register", "treasury")
    assert desk.device.asked == []


@fresh
def test_a_software_key_does_not_become_a_device(desk):
    desk.device = Simulated(5)
    desk.refuses(
        "key-exists",
        9,
        "hardware",
        "xpub",
        root(5).my_fingerprint.hex(),
        "--path",
        "84h/1h/0h",
        "--name",
        "key-5",
    )


def test_a_device_that_is_no_key_is_a_damaged_state(desk):
    with change(desk.state, desk.office.machine) as (transaction, _):
        transaction.run("INSERT INTO devices VALUES ('nobody', 'trezor', 'trezor_1')")
        journal.note(transaction, NOW, "test")
    desk.refuses("state-tampered", 9, "key", "list")


@pytest.mark.parametrize("wanted", [False, True])
def test_a_passphrase_is_asked_where_it_is_wanted_and_goes_to_the_driver_alone(desk, monkeypatch, wanted):
    monkeypatch.undo()
    given = []
    monkeypatch.setattr(worker, "devices", lambda network, **options: given.append((network, options)))
    monkeypatch.setattr(
        Shell, "guard_memory", staticmethod(lambda network, *, worker=False: given.append(worker))
    )
    monkeypatch.setattr(terminal, "ask_secret", lambda question: "hunter2")
    Shell(json_output=False, debug=False).devices(Network.REGTEST, Asking(wanted, 30, False))
    network, options = given.pop()
    assert given == ([True] if wanted else [])
    assert (network, options["passphrase"]) == (Network.REGTEST, "hunter2" if wanted else None)
    assert (options["seconds"], options["emulators"]) == (30, False)
