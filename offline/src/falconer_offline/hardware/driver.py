"""The process that speaks to devices: `python -I -m falconer_offline.hardware.driver usb|emulators`.

Started by the program's launcher with pipes at both ends (`wire` has the format). It is the only place where HWI is
imported. Before that it puts up walls of its own: an audit hook against further processes and against sockets, with
`emulators` all but those that lead to this very machine; no new privileges, no core dump, no file larger than zero
bytes. It gets a PSBT of our own making and, where a device takes one from the computer, its passphrase; it never sees
a key. It ends when its standard input ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final

from falconer_offline.hardware import wire
from falconer_offline.hardware.failures import Failure
from falconer_offline.hardware.faults import NotPaired, PinWrong, by_code, classify
from falconer_offline.hardware.wire import Op, Said

_REFUSED: Final = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
    }
)

_LOOPBACK: Final = "127.0.0.1"
"""The one address at which HWI looks for emulators of Ledger, Trezor, KeepKey, Jade and BitBox02."""

_COLDCARD: Final = "/tmp/ckcc-"  # noqa: S108 - where Coldcard's simulator listens and answers; HWI has it fixed
"""How the names of the two local sockets of Coldcard's simulator begin."""

_ADDRESS_SPACE: Final = 2 << 30
"""Bytes: the drivers take 0.2 GiB of addresses, and a PSBT of 16 MiB some dozen copies."""

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _REFUSED or event.startswith("socket."):
        raise PermissionError(f"the process that speaks to devices refuses {event}")


def _refuse_beyond_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """Sockets of this machine pass: 127.0.0.1, and Coldcard's two names."""
    if event == "socket.__new__" or (event in {"socket.connect", "socket.bind"} and _is_local(arguments[1])):
        return
    _refuse(event, arguments)


def _is_local(address: object) -> bool:
    if isinstance(address, str):
        return address.startswith(_COLDCARD) and "/.." not in address
    return isinstance(address, tuple) and len(address) == 2 and address[0] == _LOOPBACK


def arm(mode: str) -> None:
    """Put up the walls. Cannot be undone in this process."""
    sys.addaudithook(_refuse_beyond_loopback if mode == "emulators" else _refuse)
    import ctypes  # noqa: PLC0415 - after the hook, as everything else
    import os  # noqa: PLC0415
    import resource  # noqa: PLC0415

    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    if mode != "emulators" and libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # may fail: then the namespace is the parent's
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))


def main() -> int:
    """Answer requests until there are no more. Exit status 0; 2 for what is no request."""
    if len(sys.argv) != 2 or sys.argv[1] not in wire.MODES:
        return 2
    mode = sys.argv[1]
    arm(mode)
    import os  # noqa: PLC0415

    # HWI prints questions and progress; nothing of it may get between the answers, and it has nobody to ask
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(quiet, standard)
    desk = Desk(answers, emulators=mode == "emulators")

    def take(size: int) -> bytes:
        data = requests.read(size)
        if len(data) != size:
            raise EOFError
        return data

    while True:
        try:
            op, fields = wire.request(take)
        except EOFError:
            return 0
        except wire.Nonsense:
            return 2
        desk.answer(op, fields)


class Desk:
    """Takes a request, has HWI do it, says how it ended."""

    def __init__(self, answers: IO[bytes], *, emulators: bool) -> None:
        self._answers = answers
        self._emulators = emulators
        self._pairing: dict[str, Any] = {"devices": set(), "key": None}

    def answer(self, op: Op, fields: tuple[bytes, ...]) -> None:
        """Do what is asked, and write one DONE or one FAILED."""
        try:
            found = self._do(op, fields)
        except ModuleNotFoundError as missing:
            return self._failed(Failure.DRIVER_MISSING, str(missing))
        except Exception as fault:  # noqa: BLE001 - a foreign library may raise anything, and each is named to the other side
            return self._failed(*classify(fault))
        if sum(map(len, found)) > wire.MAX_PSBT:
            return self._failed(Failure.OTHER, "the device gave too much")
        return self._say(Said.DONE, found)

    def _do(self, op: Op, fields: tuple[bytes, ...]) -> list[bytes]:
        chain, given = fields[0].decode("ascii"), fields[1]
        passphrase = given[1:].decode("utf-8") if given else None
        self._quiet_drivers()
        if op is Op.LIST:
            return self._list(chain, passphrase)
        kind, path = fields[2].decode("ascii"), fields[3].decode("ascii")
        from hwilib import commands, common  # noqa: PLC0415

        device = commands.get_client(kind, path, passphrase, False, common.Chain[chain])  # noqa: FBT003 - HWI's order
        if device is None:
            raise LookupError("no such device")
        try:
            return self._with_device(op, device, fields[-1])
        finally:
            # what is said is how the operation ended; a device that is gone cannot be closed
            with suppress(Exception):
                device.close()

    @staticmethod
    def _with_device(op: Op, device: Any, last: bytes) -> list[bytes]:  # noqa: ANN401 - HWI's client classes
        """One operation on an open device. HWI's own commands do it, so that a device sees what HWI's users send."""
        import base64  # noqa: PLC0415

        from hwilib import commands  # noqa: PLC0415

        match op:
            case Op.FINGERPRINT:
                return [device.get_master_fingerprint().hex().encode("ascii")]
            case Op.XPUB:
                return [commands.getxpub(device, last.decode("ascii"))["xpub"].encode("ascii")]
            case Op.ADDRESS:
                return [commands.displayaddress(device, desc=last.decode("ascii"))["address"].encode("ascii")]
            case Op.SIGN:
                signed = commands.signtx(device, base64.b64encode(last).decode("ascii"))
                return [base64.b64decode(str(signed["psbt"]), validate=True)]
            case Op.PROMPT_PIN:
                commands.prompt_pin(device)
                return []
            case Op.SEND_PIN:
                if not commands.send_pin(device, last.decode("ascii"))["success"]:
                    raise PinWrong
                return []
        raise LookupError("no such operation")

    def _list(self, chain: str, passphrase: str | None) -> list[bytes]:
        from importlib import import_module  # noqa: PLC0415

        from hwilib import common  # noqa: PLC0415

        found: list[bytes] = []
        broken: list[Exception] = []
        for kind in wire.KINDS:
            asked = passphrase if kind in wire.PASSPHRASE_KINDS else None
            try:
                driver = import_module(f"hwilib.devices.{kind}")
                devices = driver.enumerate(asked, False, common.Chain[chain], self._emulators)  # noqa: FBT003 - HWI's order
                found += [field for each in devices for field in _fields(kind, each)]
            except Exception as fault:  # noqa: BLE001 - one kind's driver must not hide the others' devices
                broken.append(fault)
                self._notice(f"Devices of the kind {kind} were not looked for: {fault}")
        if broken and not found:
            raise broken[0]
        return found[: wire.MAX_DEVICES * wire.DEVICE_FIELDS]

    def _quiet_drivers(self) -> None:
        """Two drivers do more than they are asked: Trezor's opens a socket for its emulator even where none is wanted,
        and BitBox02's keeps its pairing in a file. What it pairs is kept here, for as long as this process lives.
        """
        from hwilib.devices import bitbox02  # noqa: PLC0415
        from hwilib.devices.trezorlib.transport.udp import UdpTransport  # noqa: PLC0415

        if not self._emulators:
            setattr(UdpTransport, "enumerate", classmethod(_no_emulator))  # noqa: B010 - a method of a foreign class
        base = vars(bitbox02)["BitBoxNoiseConfig"]
        pairing = _pairing(base, self._pairing, self._notice)
        vars(bitbox02).update(SilentNoiseConfig=pairing, CLINoiseConfig=pairing)

    def _notice(self, text: str) -> None:
        self._say(Said.NOTICE, [text.encode("ascii", "replace")])

    def _failed(self, failure: Failure, detail: str) -> None:
        self._say(Said.FAILED, [str(int(failure)).encode("ascii"), _short(detail)])

    def _say(self, code: int, fields: list[bytes]) -> None:
        self._answers.write(wire.message(code, fields))
        self._answers.flush()


def _no_emulator(_cls: type, _path: str | None = None) -> list[object]:
    """Where no emulator is wanted there is none."""
    return []


def _fields(kind: str, found: dict[str, Any]) -> list[bytes]:
    """One device of HWI's list as the fields of ours."""
    detail = str(found.get("error") or "")
    failure: Failure | None = by_code(int(found.get("code") or 0), detail) if detail else None
    return [
        kind.encode("ascii"),
        str(found.get("path") or "").encode("ascii", "replace"),
        str(found.get("model") or kind).encode("ascii", "replace"),
        _short(str(found.get("label") or "")),
        str(found.get("fingerprint") or "").encode("ascii", "replace"),
        b"1" if found.get("needs_pin_sent") else b"0",
        b"1" if found.get("needs_passphrase_sent") else b"0",
        b"" if failure is None else str(int(failure)).encode("ascii"),
        _short(detail),
    ]


def _short(text: str) -> bytes:
    return text[:1000].encode("utf-8", "replace")


def _pairing(base: type, kept: dict[str, Any], notice: Callable[[str], None]) -> type:
    """BitBox02's pairing: the code is shown on both sides, and a person compares it and accepts it on the device."""

    class Pairing(base):  # type: ignore[misc]  # HWI's class, without types
        def show_pairing(self, code: str, device_response: Callable[[], bool]) -> bool:
            shown = " ".join(code.split())
            notice(f"Pairing code: {shown}. Accept it on the device only if it shows the same.")
            if not device_response():
                raise NotPaired
            return True

        def attestation_check(self, result: bool) -> None:  # noqa: FBT001 - HWI calls it so
            if not result:
                notice("This BitBox02 did not prove that it is genuine. Ask its vendor before you use it.")

        def contains_device_static_pubkey(self, pubkey: bytes) -> bool:
            return pubkey in kept["devices"]

        def add_device_static_pubkey(self, pubkey: bytes) -> None:
            kept["devices"].add(pubkey)

        def get_app_static_privkey(self) -> bytes | None:
            found = kept["key"]
            return found if isinstance(found, bytes) else None

        def set_app_static_privkey(self, privkey: bytes) -> None:
            kept["key"] = privkey

    return Pairing


if __name__ == "__main__":
    raise SystemExit(main())
