"""Devices in a signing session: found before anything is written down, asked to sign only what was reviewed and reserved.

The driver process is started by `find`, before the first secret is read, and ended by `close`, before a Bitcoin key of
this machine is unlocked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from falconer_offline.hardware.answer import differing, signatures_of
from falconer_offline.hardware.client import named
from falconer_offline.hardware.failures import Failure, refusal
from falconer_offline.hardware.models import MODELS, Registration, check_can_sign, form_of, is_multisig
from falconer_offline.hardware.request import device_psbt
from falconer_offline.hardware.signer import Device, HardwareSigner
from falconer_offline.review import ReviewedTransaction
from falconer_offline.state.journal import Reservation
from falconer_shared.errors import DeviceError, FalconerError
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, merge, verify_made
from falconer_shared.verify.transaction import VerifiedTransaction
from falconer_shared.wallet.registration import RegisteredWallet

Opening = Callable[[], AbstractContextManager[HardwareSigner]]


class Devices(Protocol):
    """What a session asks for."""

    def find(self, verified: VerifiedTransaction, wanted: Mapping[int, str]) -> None:
        """Find the devices: key position in the wallet → fingerprint."""

    def sign(self, reviewed: ReviewedTransaction, reservation: Reservation) -> SignatureVerifiedPsbt:
        """The signatures of all of them."""

    def close(self) -> None:
        """End what speaks to them."""


class DeviceDesk:
    """`Devices` over a `HardwareSigner`. `say` tells the person what to do now; `twice` has every device sign a second time.

    `differing` counts the ECDSA signatures that came out otherwise then; None before, and without `twice`.
    """

    def __init__(self, opening: Opening, say: Callable[[str], None], *, twice: bool = False) -> None:
        self._opening = opening
        self._say = say
        self._twice = twice
        self._stack = ExitStack()
        self._signer: HardwareSigner | None = None
        self._found: dict[str, tuple[Device, list[int]]] = {}
        self.differing: int | None = None

    def find(self, verified: VerifiedTransaction, wanted: Mapping[int, str]) -> None:
        """Start the driver, and see that each device is there and can do what it will be asked.

        Raises:
            DeviceError: what `pick` raises. VerificationError: what `check_can_sign` raises.
        """
        self._signer = self._stack.enter_context(self._opening())
        listed = self._signer.list()
        for position, fingerprint in wanted.items():
            device = pick(listed, fingerprint)
            check_can_sign(device.kind, verified.wallet, position)
            self._found.setdefault(fingerprint, (device, []))[1].append(position)

    def sign(self, reviewed: ReviewedTransaction, reservation: Reservation) -> SignatureVerifiedPsbt:
        """Have each device sign, and take nothing but signatures that verify over our own digests.

        Raises:
            VerificationError: what `signatures_of` raises. DeviceError, Declined: what the device says, or that it says
            nothing.
        """
        verified = reviewed.verified
        if (reservation.unsigned_hash, reservation.wallet_id) != (
            verified.unsigned_hash,
            verified.wallet.wallet_id,
        ):
            raise ValueError("the reservation is for another transaction")
        if self._signer is None or not self._found:
            raise ValueError("no device to sign with: find comes first")
        return merge(
            *(
                self._one(self._signer, verified, device, positions)
                for device, positions in self._found.values()
            )
        )

    def _one(
        self, signer: HardwareSigner, verified: VerifiedTransaction, device: Device, positions: Sequence[int]
    ) -> SignatureVerifiedPsbt:
        given = device_psbt(verified)
        for line in instructions(device, verified.wallet):
            self._say(line)
        first = signatures_of(verified, given, signer.sign(device, given.raw), positions)
        if self._twice:
            self._say(f"The same once more, to compare: confirm it on {named(device)} again.")
            second = signatures_of(verified, given, signer.sign(device, given.raw), positions)
            self.differing = (self.differing or 0) + differing(first, second)
        return verify_made(verified, first)

    def close(self) -> None:
        """End the driver process. Safe to call twice."""
        self._signer = None
        self._stack.close()


def instructions(device: Device, wallet: RegisteredWallet) -> tuple[str, ...]:
    """What the person at the device has to know before it asks."""
    first: tuple[str, ...] = ()
    if is_multisig(form_of(wallet)):
        match MODELS[device.kind].registration:
            case Registration.EACH_TIME:
                line = "asks to register the wallet first, each time, since HWI keeps no registration"
                first = (f"{_start(device)} {line}: compare the keys with wallet show.",)
            case Registration.FIRST_USE:
                line = "asks to register the wallet when it sees it first"
                first = (f"{_start(device)} {line}: compare the keys with wallet show.",)
            case Registration.ON_DEVICE:
                line = "signs only for a multisig wallet that was registered on it, from a file"
                first = (f"{_start(device)} {line}.",)
            case Registration.NONE:
                pass
    return (
        *first,
        f"{_start(device)} shows the transaction now: compare every amount and address with the page, then confirm.",
    )


def _start(device: Device) -> str:
    name = named(device)
    return name[:1].upper() + name[1:]


def pick(listed: Sequence[Device], fingerprint: str) -> Device:
    """The one device with that fingerprint.

    Raises:
        DeviceError: `device-several`, `device-other`, or why a device that is there could not say its fingerprint.
    """
    found = [device for device in listed if device.fingerprint == fingerprint]
    if len(found) > 1:
        raise DeviceError(
            "device-several",
            f"{len(found)} devices hold the key {fingerprint}",
            remedy="unplug all but one of them",
        )
    if found:
        return found[0]
    for device in listed:
        why = refusal_of(device)
        if why is not None:
            raise why
    if listed:
        others = ", ".join(each.fingerprint or each.kind.value for each in listed)
        raise DeviceError(
            "device-other",
            f"the device with key {fingerprint} is not there; found: {others}",
            remedy="plug in the right device; another passphrase gives another fingerprint",
        )
    raise refusal(Failure.NOT_FOUND, device=f"the device with key {fingerprint}")


def refusal_of(device: Device) -> FalconerError | None:
    """Why a device that is there cannot be used yet; None where it can."""
    if device.failure is not None:
        return refusal(device.failure, device.detail, named(device))
    if device.fingerprint is not None:
        return None
    if device.needs_pin:
        return refusal(Failure.LOCKED, device=named(device))
    if device.needs_passphrase:
        return refusal(Failure.NEEDS_PASSPHRASE, device=named(device))
    return refusal(Failure.OTHER, device=named(device))
