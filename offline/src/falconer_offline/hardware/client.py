"""`HardwareSigner` by way of HWI: the near end of the conversation with the driver process.

Bounded in size and in time, since HWI can wait for ever; what comes is parsed strictly, and no word of it is
believed. A device or its driver may be in an attacker's hands: what they can do to this side is to name devices, to
give texts that are compared or shown escaped, and to give a PSBT that `answer.py` looks through.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from falconer_offline.hardware import wire
from falconer_offline.hardware.failures import Failure, driver_failed, refusal, timed_out
from falconer_offline.hardware.models import CHAINS, MODELS, Kind
from falconer_offline.hardware.signer import AddressAt, Device, Notice
from falconer_shared.bitcoin.bip32 import format_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.qr.client import Process
from falconer_shared.text import safe

LIST_SECONDS: Final = 60.0
"""For a list: libraries load, and some drivers try each port for a second."""

SECONDS: Final = 600.0
"""For what a person has to confirm on a device: ten minutes to compare every output."""

MIN_SECONDS: Final = 5
MAX_SECONDS: Final = 3600
"""What `--device-seconds` takes. An hour is what a page may lie open."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8}\Z")
_FLAGS: Final = {b"0": False, b"1": True}


def _no_notice(_text: str) -> None:
    """Nobody listens."""


class HwiSigner:
    """Devices by way of one driver process. Close it, or use it in a `with`; its process does not outlive that.

    `seconds` is the time that one operation may take. A passphrase given here goes to every device that takes one from
    the computer.
    """

    def __init__(
        self,
        process: Process,
        network: Network,
        *,
        seconds: float = SECONDS,
        passphrase: str | None = None,
        notice: Notice = _no_notice,
    ) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the driver needs pipes at both ends")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._chain = CHAINS[network].encode("ascii")
        self._seconds = seconds
        self._passphrase = passphrase
        self._notice = notice

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list(self) -> tuple[Device, ...]:
        """What is plugged in, in the order of the driver."""
        fields = self._ask(wire.Op.LIST, (), None, min(self._seconds, LIST_SECONDS))
        if len(fields) % wire.DEVICE_FIELDS:
            raise self._nonsense()
        step = wire.DEVICE_FIELDS
        return tuple(self._device(fields[at : at + step]) for at in range(0, len(fields), step))

    def fingerprint(self, device: Device) -> str:
        """The fingerprint of its master key."""
        (found,) = self._expect(self._ask(wire.Op.FINGERPRINT, (), device), 1)
        return self._fingerprint(found)

    def xpub(self, device: Device, path: tuple[int, ...]) -> str:
        """The extended public key at `path`, as the driver spells it: parse it before it is used."""
        text = f"m/{format_path(path)}" if path else "m"
        (found,) = self._expect(self._ask(wire.Op.XPUB, (text.encode("ascii"),), device), 1)
        return self._text(found)

    def show_address(self, device: Device, at: AddressAt) -> str:
        """Show an address on the device; what it says that it showed."""
        (found,) = self._expect(self._ask(wire.Op.ADDRESS, (at.descriptor.encode("ascii"),), device), 1)
        return self._text(found)

    def register_wallet(self, device: Device, at: AddressAt) -> str:
        """HWI registers a multisig wallet as part of showing an address of it (HWI #596), and in no other way."""
        return self.show_address(device, at)

    def sign(self, device: Device, psbt: bytes) -> bytes:
        """The PSBT that came back."""
        (found,) = self._expect(self._ask(wire.Op.SIGN, (psbt,), device), 1)
        return found

    def prompt_pin(self, device: Device) -> None:
        """Have the positions of the digits shown."""
        self._expect(self._ask(wire.Op.PROMPT_PIN, (), device), 0)

    def send_pin(self, device: Device, positions: str) -> None:
        """Give the positions that were typed."""
        self._expect(self._ask(wire.Op.SEND_PIN, (positions.encode("ascii", "replace"),), device), 0)

    def close(self) -> None:
        """End the process and wait until it is gone."""
        with suppress(OSError):
            self._stdin.close()
        self._process.kill()
        self._process.wait()
        self._stdout.close()

    def _ask(
        self, op: wire.Op, more: tuple[bytes, ...], device: Device | None, seconds: float | None = None
    ) -> tuple[bytes, ...]:
        passphrase = b"" if self._passphrase is None else b"=" + self._passphrase.encode("utf-8")
        opening: tuple[bytes, ...] = (self._chain, passphrase)
        if device is not None:
            if not MODELS[device.kind].passphrase_here:
                opening = (self._chain, b"")
            opening += (device.kind.value.encode("ascii"), device.path.encode("ascii"))
        limit = self._seconds if seconds is None else seconds
        name = "the device" if device is None else named(device)
        timed_out_here = threading.Event()
        timer = threading.Timer(limit, self._give_up(timed_out_here))
        timer.daemon = True
        timer.start()
        try:
            self._stdin.write(wire.message(op, opening + more))
            self._stdin.flush()
            return self._answer(name)
        except (BrokenPipeError, EOFError, OSError):
            self._process.kill()
            raise timed_out(limit) if timed_out_here.is_set() else driver_failed("it ended") from None
        except wire.Nonsense:
            raise self._nonsense() from None
        finally:
            timer.cancel()

    def _answer(self, name: str) -> tuple[bytes, ...]:
        for _ in range(wire.MAX_NOTICES):
            code, fields = wire.read(self._take)
            if code == wire.Said.DONE:
                return fields
            if code == wire.Said.NOTICE and len(fields) == 1:
                self._notice(safe(self._text(fields[0])))
                continue
            if code == wire.Said.FAILED and len(fields) == 2:
                raise refusal(self._failure(fields[0]), self._loose(fields[1]), name)
            raise wire.Nonsense
        raise wire.Nonsense

    def _give_up(self, timed_out_here: threading.Event) -> Callable[[], None]:
        def give_up() -> None:
            timed_out_here.set()
            self._process.kill()

        return give_up

    def _device(self, fields: tuple[bytes, ...]) -> Device:
        kind, path, model, label, fingerprint, pin, passphrase, failure, detail = fields
        try:
            known, needs_pin, needs_passphrase = Kind(self._text(kind)), _FLAGS[pin], _FLAGS[passphrase]
        except (KeyError, ValueError):
            raise self._nonsense() from None
        return Device(
            known,
            self._text(path),
            self._text(model),
            self._loose(label),
            self._fingerprint(fingerprint) if fingerprint else None,
            needs_pin,
            needs_passphrase,
            self._failure(failure) if failure else None,
            self._loose(detail),
        )

    def _expect(self, fields: tuple[bytes, ...], count: int) -> tuple[bytes, ...]:
        if len(fields) != count:
            raise self._nonsense()
        return fields

    def _fingerprint(self, field: bytes) -> str:
        text = self._text(field)
        if _FINGERPRINT.match(text) is None:
            raise self._nonsense()
        return text

    def _failure(self, field: bytes) -> Failure:
        try:
            return Failure(int(self._text(field)))
        except ValueError:
            raise self._nonsense() from None

    def _text(self, field: bytes) -> str:
        """Printable ASCII of bounded length, or the conversation ends."""
        if len(field) > wire.MAX_TEXT or not all(0x20 <= byte < 0x7F for byte in field):
            raise self._nonsense()
        return field.decode("ascii")

    def _loose(self, field: bytes) -> str:
        """A text that people wrote, of bounded length: to be shown through `safe` alone."""
        if len(field) > wire.MAX_TEXT:
            raise self._nonsense()
        return field.decode("utf-8", "replace")

    def _nonsense(self) -> Exception:
        self._process.kill()
        return driver_failed("it answered nonsense")

    def _take(self, size: int) -> bytes:
        data = self._stdout.read(size)
        if len(data) != size:
            raise EOFError
        return data


def named(device: Device) -> str:
    """A device in a sentence."""
    title = MODELS[device.kind].title
    return f"the {title} {device.fingerprint}" if device.fingerprint else f"the {title}"
