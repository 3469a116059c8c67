"""What the program asks of a device, whoever speaks to it. HWI is one implementation (`client.py`); ADR 0012 says what
a second one would need.

Everything that comes back is untrusted: fingerprints and models are claims, addresses are compared with our own, and
of a signed PSBT `answer.py` takes the signatures that verify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from falconer_offline.hardware.failures import Failure
from falconer_offline.hardware.models import Kind

Notice = Callable[[str], None]
"""Told a line for the person while a device is waiting (a pairing code, say). The text is safe to show."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it claims to be. `path` is where the driver finds it, for as long as it stays plugged in.

    `fingerprint`: 8 hex digits, None where the device could not say it; `failure` and `detail` then say why.
    """

    kind: Kind
    path: str
    model: str
    label: str
    fingerprint: str | None
    needs_pin: bool
    needs_passphrase: bool
    failure: Failure | None
    detail: str


@dataclass(frozen=True, slots=True)
class AddressAt:
    """Which address a device is to show: one that a descriptor of single keys at one place names (BIP 380, without ranges)."""

    descriptor: str


class HardwareSigner(Protocol):
    """Devices on this machine. Every method may raise what `failures.refusal` gives, and `device-driver-failed` and
    `device-timeout`.
    """

    def list(self) -> tuple[Device, ...]:
        """What is plugged in, with devices that cannot be used yet and why. Asks nobody for anything."""

    def fingerprint(self, device: Device) -> str:
        """The master key's fingerprint, 8 hex digits, asked again."""

    def xpub(self, device: Device, path: tuple[int, ...]) -> str:
        """The extended public key at `path`, in base58. A device may ask its owner first where the path is unusual."""

    def show_address(self, device: Device, at: AddressAt) -> str:
        """Show an address on the device, and give it back once its owner said that it is the same."""

    def register_wallet(self, device: Device, at: AddressAt) -> str:
        """Make a wallet known to the device where it keeps such knowledge, by showing its first address."""

    def sign(self, device: Device, psbt: bytes) -> bytes:
        """Have a PSBT signed; its owner reads what it does on the device."""

    def prompt_pin(self, device: Device) -> None:
        """Have the device show where its digits are (Trezor One, KeepKey)."""

    def send_pin(self, device: Device, positions: str) -> None:
        """Give it the positions that were typed."""

    def close(self) -> None:
        """End whatever speaks to devices."""
