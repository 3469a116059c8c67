"""The driver process itself, with HWI in it: its walls, what it says when HWI fails, and that it says nothing else."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import contextmanager

import pytest

from falconer_offline.hardware import wire
from falconer_offline.hardware.client import HwiSigner
from falconer_offline.hardware.failures import Failure, refusal
from falconer_offline.hardware.faults import NotPaired, PinWrong, by_code, classify
from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import AddressAt, Device
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError
from tests.offline.hardware.devices import refuses

DEVICE = Device(Kind.TREZOR, "webusb:1", "trezor_1", "", "5c9e228d", False, False, None, "")


@contextmanager
def driver(program: str | None = None, **options):
    """A driver process; with a program, one that was prepared by it."""
    words = list(wire.command(sys.executable, "usb"))
    if program is not None:
        code = f"import sys\nsys.argv = ['driver', 'usb']\n{program}\nfrom falconer_offline.hardware import driver\n"
        words = [sys.executable, "-I", "-c", code + "raise SystemExit(driver.main())"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=wire.ENVIRONMENT)
    with HwiSigner(process, Network.TESTNET4, seconds=30, **options) as signer:
        yield signer


def test_hwi_looks_for_devices_behind_the_walls():
    shown: list[str] = []
    with driver(notice=shown.append) as signer:
        assert isinstance(signer.list(), tuple)
        # a second question to the same process
        assert isinstance(signer.list(), tuple)
    assert shown == []


def test_a_device_that_is_gone_is_not_found():
    with driver() as signer:
        refuses("device-not-found", FalconerError, signer.sign, DEVICE, b"")


def test_without_hwi_the_driver_says_so():
    with driver("sys.modules['hwilib'] = None") as signer:
        refuses("device-driver-missing", FalconerError, signer.list)


FAKE = """
import hwilib.commands, hwilib.devices.trezor, hwilib.devices.ledger
from hwilib.errors import *
class Key:
    def to_string(self): return "tpub"
class Client:
    def __init__(self, path, password, expert, chain):
        print("noise on standard output", path, password, chain)
        if path.startswith("raise "): raise eval(path.removeprefix("raise "))
    def get_master_fingerprint(self): return bytes.fromhex("5c9e228d")
    def get_pubkey_at_path(self, path): return Key()
    def display_singlesig_address(self, path, kind): return "tb1" + path
    def prompt_pin(self): return True
    def send_pin(self, pin): return pin == "123"
    def sign_tx(self, psbt): input("a question for nobody")
    def close(self): raise RuntimeError("cannot even be closed")
hwilib.devices.trezor.TrezorClient = hwilib.devices.ledger.LedgerClient = Client
"""


def test_operations_reach_the_client_and_noise_reaches_nobody():
    with driver(FAKE) as signer:
        assert signer.fingerprint(DEVICE) == "5c9e228d"
        assert signer.xpub(DEVICE, (0x80000054,)) == "tpub"
        key = "02e7ab2537b5d49e970309aae06e9e49f36ce1c9febbd44ec8e0d1cca0b4f9c319"
        refuses("device-failed", FalconerError, signer.show_address, DEVICE, AddressAt("nonsense"))
        refuses(
            "device-request-refused",
            FalconerError,
            signer.show_address,
            DEVICE,
            AddressAt(f"wpkh([73c5da0a/0/0]{key})"),
        )  # of another device
        signer.prompt_pin(DEVICE)
        signer.send_pin(DEVICE, "123")
        refuses("device-pin-wrong", FalconerError, signer.send_pin, DEVICE, "456")
        # nobody answers a question of HWI's, and a PSBT that it cannot read is its refusal
        refuses("device-request-refused", FalconerError, signer.sign, DEVICE, b"psbt\xff")


RAISED = {
    "ActionCanceledError('x')": "device-refused",
    "DeviceNotReadyError('Trezor is locked')": "device-locked",
    "DeviceBusyError('x')": "device-busy",
    "NoPasswordError('x')": "device-passphrase-needed",
    "UnavailableActionError('x')": "device-cannot",
    "NotImplementedError('x')": "device-cannot",
    "BadArgumentError('x')": "device-request-refused",
    "DeviceConnectionError('Device disconnected')": "device-disconnected",
    "DeviceAlreadyUnlockedError('x')": "device-pin-not-needed",
    "OSError('open failed')": "device-permission",
    "PermissionError('x')": "device-permission",
    "ZeroDivisionError()": "device-failed",
    "AssertionError()": "device-failed",
}


def test_what_hwi_raises_has_a_name_here():
    with driver(FAKE) as signer:
        for raised, rule in RAISED.items():
            device = Device(Kind.TREZOR, f"raise {raised}", "trezor_1", "", None, False, False, None, "")
            refuses(rule, FalconerError, signer.fingerprint, device)


def test_a_kind_whose_driver_breaks_does_not_hide_the_others():
    shown: list[str] = []
    program = (
        "import hwilib.devices.ledger as l, hwilib.devices.trezor as t\n"
        "def broken(*a): raise RuntimeError('broken')\n"
        "l.enumerate = broken\n"
        "t.enumerate = lambda *a: [{'type': 'trezor', 'path': 'p', 'model': 'trezor_1', 'fingerprint': '5c9e228d'}]\n"
    )
    with driver(program, notice=shown.append) as signer:
        assert [device.fingerprint for device in signer.list()] == ["5c9e228d"]
    assert shown == ["Devices of the kind ledger were not looked for: broken"]


def test_what_is_no_request_ends_the_driver():
    process = subprocess.run(
        list(wire.command(sys.executable, "usb")), input=b"\0\0\0\x01\xff", capture_output=True, check=False
    )
    assert (process.returncode, process.stdout) == (2, b"")


def test_the_driver_takes_its_two_modes_and_no_other():
    words = [*wire.command(sys.executable, "usb")[:-1], "network"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 2


# Its walls


def acts(mode: str, *programs: str) -> list[str]:
    lines = "".join(
        f"try:\n    {program}\nexcept PermissionError as refused:\n    print('refused')\n"
        "except OSError as other:\n    print(type(other).__name__)\nelse:\n    print('done')\n"
        for program in programs
    )
    code = f"from falconer_offline.hardware import driver\ndriver.arm({mode!r})\nimport os, socket, subprocess\n{lines}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


REFUSED = (
    "socket.socket()", "socket.getaddrinfo('localhost', 80)", "subprocess.run(['true'])", "os.system('true')", "os.fork()",
)  # fmt: skip


def test_on_usb_there_is_no_socket_and_no_process():
    assert acts("usb", *REFUSED) == ["refused"] * len(REFUSED)


def test_with_emulators_sockets_lead_to_this_machine_alone():
    tcp, unix = "socket.socket().connect", "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
    found = acts(
        "emulators",
        f"{tcp}(('127.0.0.1', 1))", f"{unix}.connect('/tmp/ckcc-no-simulator.sock')",
        f"{tcp}(('127.0.0.2', 1))", f"{tcp}(('10.0.0.1', 1))", f"{tcp}(('localhost', 1))",
        f"{unix}.connect('/run/dbus/system_bus_socket')", f"{unix}.connect('/tmp/ckcc-/../../run/x')",
        "socket.socket().bind(('0.0.0.0', 0))", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        *REFUSED[1:],
    )  # fmt: skip
    assert found == ["ConnectionRefusedError", "FileNotFoundError"] + ["refused"] * (7 + len(REFUSED) - 1)


def test_the_driver_writes_no_file(tmp_path):
    found = acts("usb", f"open('{tmp_path}/x', 'w').write('x') and None")
    assert found in (["done"], ["OSError"])
    assert not (tmp_path / "x").exists() or (tmp_path / "x").stat().st_size == 0


# What its faults are called


WORDS = {
    "('0x6985', 'Error in <BitcoinInsType.SIGN_PSBT: 4> command', '')": Failure.REFUSED,
    "('0x6982', 'Error in command', '')": Failure.REFUSED,
    "('0x0', 'Error in command', '')": Failure.DISCONNECTED,
    "('0x6a82', 'Error in command', '')": Failure.WRONG_APP,
    "('0x5515', 'Error in command', '')": Failure.LOCKED,
    "Ledger is not in either the Bitcoin or Bitcoin Testnet app": Failure.WRONG_APP,
    "DataError: signing.c:1175:Forbidden key path": Failure.WRONG_NETWORK,
    "Cannot sign external inputs": Failure.NOTHING_TO_SIGN,
    "Device is asleep": Failure.LOCKED,
    "Jade fw version: 0.1.1 - minimum required version: 0.1.32": Failure.OUTDATED,
    "Device is locked": Failure.LOCKED,
    "Could not find device by path: x": Failure.NOT_FOUND,
    "LIBUSB_ERROR_ACCESS [-3]": Failure.PERMISSION,
    "something else": Failure.OTHER,
}


@pytest.mark.parametrize("words", WORDS)
def test_words_that_drivers_are_known_to_use_have_a_name(words):
    assert by_code(-13, words) is WORDS[words]


def test_codes_have_a_name_where_words_say_nothing():
    assert by_code(-14, "x") is Failure.REFUSED
    assert by_code(-18, "x") is Failure.NOT_INITIALIZED
    assert by_code(-99, "x") is Failure.OTHER


def test_our_own_faults_and_those_of_the_system_have_theirs():
    class OutdatedFirmwareError(Exception):
        pass

    assert classify(PinWrong())[0] is Failure.PIN_WRONG
    assert classify(NotPaired())[0] is Failure.NOT_PAIRED
    assert classify(OutdatedFirmwareError("old"))[0] is Failure.OUTDATED
    assert classify(OSError("libusb-1.0.so: cannot load shared object"))[0] is Failure.LIBRARY_MISSING
    assert refusal(Failure.LIBRARY_MISSING).remedy == "sudo apt-get install libusb-1.0-0"


PAIRING = """
import hwilib.devices.bitbox02 as b
def enumerate(*a):
    config = b.SilentNoiseConfig()
    assert not config.contains_device_static_pubkey(b'x')
    if not config.show_pairing('ABCDE FGHIJ\\nKLMNO PQRST', lambda: ANSWER): return []
    config.add_device_static_pubkey(b'x'); config.set_app_static_privkey(b'k')
    again = b.CLINoiseConfig()
    assert again.contains_device_static_pubkey(b'x') and again.get_app_static_privkey() == b'k'
    again.attestation_check(False)
    return [{'path': 'p', 'model': 'bitbox02_btconly', 'fingerprint': '00000000'}]
b.enumerate = enumerate
"""


def test_a_pairing_code_is_shown_and_kept_in_memory_alone():
    shown: list[str] = []
    with driver(PAIRING.replace("ANSWER", "True"), notice=shown.append) as signer:
        assert [device.kind for device in signer.list()] == [Kind.BITBOX02]
    assert "ABCDE FGHIJ KLMNO PQRST" in shown[0]
    assert "did not prove that it is genuine" in shown[1]


def test_a_pairing_that_is_not_accepted_is_named():
    with driver(PAIRING.replace("ANSWER", "False")) as signer:
        refuses("device-not-paired", FalconerError, signer.list)


# In this process, without pipes


def test_where_every_driver_breaks_the_first_one_s_fault_is_said(monkeypatch):
    import importlib

    from falconer_offline.hardware.driver import Desk

    def broken(*_):
        raise NotPaired

    for kind in wire.KINDS:
        monkeypatch.setattr(importlib.import_module(f"hwilib.devices.{kind}"), "enumerate", broken)
    answers = io.BytesIO()
    Desk(answers, emulators=True).answer(wire.Op.LIST, (b"TEST", b""))
    answers.seek(0)
    said = [wire.read(answers.read)[0] for _ in range(len(wire.KINDS) + 1)]
    assert said == [wire.Said.NOTICE] * len(wire.KINDS) + [wire.Said.FAILED]


def test_a_driver_that_cannot_be_started_is_named(monkeypatch):
    from falconer_offline import worker

    def no_process(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    opening = worker.devices(Network.REGTEST, emulators=False, seconds=5, passphrase=None, notice=print)
    with pytest.raises(FalconerError, match="Cannot allocate memory") as caught:
        opening.__enter__()
    assert caught.value.rule == "device-driver-failed"
