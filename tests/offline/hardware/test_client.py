"""The near end, against a far end that says whatever a test has it say."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from falconer_offline.hardware import wire
from falconer_offline.hardware.client import HwiSigner
from falconer_offline.hardware.failures import Failure, refusal
from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import AddressAt, Device
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Declined, DeviceError, FalconerError
from tests.offline.hardware.devices import refuses

LEDGER = Device(Kind.LEDGER, "1-2:3", "ledger_nano_x", "", "73c5da0a", False, False, None, "")
TREZOR = Device(Kind.TREZOR, "webusb:1", "trezor_1", "", "5c9e228d", False, False, None, "")


class Far:
    """A process that has said all it will ever say."""

    def __init__(self, said: bytes) -> None:
        self.stdin = io.BytesIO()
        self.stdout = io.BytesIO(said)
        self.killed = 0
        self.heard = b""
        self.stdin.close = self._keep  # type: ignore[method-assign]

    def _keep(self) -> None:
        self.heard = self.stdin.getvalue()

    def kill(self) -> None:
        self.killed += 1

    def wait(self, timeout: float | None = None) -> int:
        return 0


def done(*fields: bytes) -> bytes:
    return wire.message(wire.Said.DONE, fields)


def signer(said: bytes, **options) -> tuple[HwiSigner, Far]:
    far = Far(said)
    return HwiSigner(far, Network.REGTEST, **options), far


DEVICE = (b"ledger", b"1-2:3", b"ledger_nano_x", b"", b"73c5da0a", b"0", b"0", b"", b"")


def test_a_list_is_devices_and_their_troubles():
    locked = (b"trezor", b"webusb:1", b"trezor_1", b"my \xc3\xa9", b"", b"1", b"0", b"4", b"Trezor is locked")
    near, _ = signer(done(*DEVICE, *locked))
    assert near.list() == (
        LEDGER,
        Device(
            Kind.TREZOR,
            "webusb:1",
            "trezor_1",
            "my \xe9",
            None,
            True,
            False,
            Failure.LOCKED,
            "Trezor is locked",
        ),
    )


def test_requests_carry_the_chain_and_the_device():
    near, far = signer(
        done(b"73c5da0a") + done(b"tpub") + done(b"psbt") + done(b"tb1") + done(), passphrase="p"
    )
    assert near.fingerprint(LEDGER) == "73c5da0a"
    assert near.xpub(LEDGER, (0x80000054, 1)) == "tpub"
    assert near.sign(TREZOR, b"psbt") == b"psbt"
    assert near.show_address(LEDGER, AddressAt("wpkh(x)")) == "tb1"
    near.send_pin(TREZOR, "123")
    near.close()
    assert far.killed
    stream = io.BytesIO(far.heard)
    seen = [wire.request(stream.read) for _ in range(5)]
    assert seen[0] == (wire.Op.FINGERPRINT, (b"REGTEST", b"", b"ledger", b"1-2:3"))
    assert seen[1][1][-1] == b"m/84h/1"
    assert seen[2] == (wire.Op.SIGN, (b"REGTEST", b"=p", b"trezor", b"webusb:1", b"psbt"))
    assert seen[3][1][1] == b""  # a Ledger takes no passphrase from here
    assert seen[4] == (wire.Op.SEND_PIN, (b"REGTEST", b"=p", b"trezor", b"webusb:1", b"123"))


def test_notices_are_shown_escaped_and_are_no_answer():
    shown: list[str] = []
    near, _ = signer(
        wire.message(wire.Said.NOTICE, [b"Pairing code: ABC \\"]) + done(b"73c5da0a"), notice=shown.append
    )
    assert near.fingerprint(LEDGER) == "73c5da0a"
    assert shown == ["Pairing code: ABC \\\\"]


NONSENSE = {
    "garbage": b"\xff" * 64,
    "an answer of another kind": wire.message(7, []),
    "no field": done(),
    "two fields": done(b"73c5da0a", b"73c5da0a"),
    "no fingerprint": done(b"73C5DA0A"),
    "an escape": done(b"\x1b[2J"),
    "a failure that is none": wire.message(wire.Said.FAILED, [b"99", b""]),
    "a failure without words": wire.message(wire.Said.FAILED, [b"1"]),
    "a failure that is no number": wire.message(wire.Said.FAILED, [b"x", b""]),
    "a text that is too long": done(b"a" * (wire.MAX_TEXT + 1)),
    "notices without end": wire.message(wire.Said.NOTICE, [b"x"]) * (wire.MAX_NOTICES + 1),
    "a notice with an escape": wire.message(wire.Said.NOTICE, [b"\x1b"]),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_ends_the_conversation_and_the_process(case):
    near, far = signer(NONSENSE[case])
    refuses("device-driver-failed", DeviceError, near.fingerprint, LEDGER)
    assert far.killed


BAD_LISTS = {
    "a field too few": DEVICE[:-1],
    "an unknown kind": (b"digitalbitbox", *DEVICE[1:]),
    "a flag that is none": (*DEVICE[:5], b"yes", *DEVICE[6:]),
    "a fingerprint that is none": (*DEVICE[:4], b"73c5da0", *DEVICE[5:]),
    "a failure that is none": (*DEVICE[:7], b"0", b""),
    "a label that is too long": (*DEVICE[:3], b"x" * (wire.MAX_TEXT + 1), *DEVICE[4:]),
    "a path with a line feed": (DEVICE[0], b"a\nb", *DEVICE[2:]),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_a_list_that_is_none_is_refused(case):
    near, far = signer(done(*BAD_LISTS[case]))
    refuses("device-driver-failed", DeviceError, near.list)
    assert far.killed


def test_a_process_that_ends_is_named():
    near, _ = signer(b"")
    found = refuses("device-driver-failed", DeviceError, near.list)
    assert "it ended" in found.message


def test_a_process_that_hangs_is_killed_and_named():
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", "import time; time.sleep(60)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with HwiSigner(process, Network.REGTEST, seconds=0.3) as near:
        found = refuses("device-timeout", DeviceError, near.sign, TREZOR, b"x")
    assert found.details["limit"] == 0
    assert process.returncode is not None
    assert not os.path.exists(f"/proc/{process.pid}")  # noqa: PTH110 - a process, no file


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_a_sentence_a_remedy_and_an_id(failure):
    found = refusal(failure, "words \x1b of the driver", "the Ledger 73c5da0a")
    assert isinstance(found, FalconerError)
    assert found.rule.startswith("device-")
    assert "\x1b" not in found.message
    assert found.remedy or isinstance(found, Declined)
    near, _ = signer(wire.message(wire.Said.FAILED, [b"%d" % failure, b"words"]))
    refuses(found.rule, type(found), near.fingerprint, LEDGER)


RULES = {
    Failure.NOT_FOUND: "device-not-found", Failure.PERMISSION: "device-permission",
    Failure.DISCONNECTED: "device-disconnected", Failure.LOCKED: "device-locked", Failure.WRONG_APP: "device-wrong-app",
    Failure.WRONG_NETWORK: "device-wrong-network", Failure.REFUSED: "device-refused", Failure.OUTDATED: "device-firmware-old",
    Failure.NOT_INITIALIZED: "device-not-initialised", Failure.BUSY: "device-busy", Failure.UNSUPPORTED: "device-cannot",
    Failure.BAD_REQUEST: "device-request-refused", Failure.NEEDS_PASSPHRASE: "device-passphrase-needed",
    Failure.PIN_NOT_NEEDED: "device-pin-not-needed", Failure.PIN_WRONG: "device-pin-wrong",
    Failure.NOTHING_TO_SIGN: "device-nothing-to-sign", Failure.DRIVER_MISSING: "device-driver-missing",
    Failure.LIBRARY_MISSING: "device-library-missing", Failure.NOT_PAIRED: "device-not-paired",
    Failure.OTHER: "device-failed",
}  # fmt: skip


def test_each_number_keeps_its_meaning():
    assert {failure: refusal(failure).rule for failure in Failure} == RULES
    assert [int(failure) for failure in Failure] == list(range(1, 21))
