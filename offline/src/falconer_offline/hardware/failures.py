"""What can go wrong with a device: numbers that the driver process may say, and our own sentence and remedy for each.

The driver cannot make this side say anything: its own words are shown behind ours, escaped and cut.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from falconer_shared.errors import Declined, DeviceError, FalconerError, SecretError
from falconer_shared.text import safe

MAX_DETAIL: Final = 160
"""Characters of what the driver said that are shown."""

SETUP_CHECK: Final = "falconer-offline hardware setup-check"


class Failure(enum.IntEnum):
    """As it goes over the wire; numbers are never given a new meaning."""

    NOT_FOUND = 1
    PERMISSION = 2
    DISCONNECTED = 3
    LOCKED = 4
    WRONG_APP = 5
    WRONG_NETWORK = 6
    REFUSED = 7
    OUTDATED = 8
    NOT_INITIALIZED = 9
    BUSY = 10
    UNSUPPORTED = 11
    BAD_REQUEST = 12
    NEEDS_PASSPHRASE = 13
    PIN_NOT_NEEDED = 14
    PIN_WRONG = 15
    NOTHING_TO_SIGN = 16
    DRIVER_MISSING = 17
    LIBRARY_MISSING = 18
    NOT_PAIRED = 19
    OTHER = 20


def refusal(failure: Failure, detail: str = "", device: str = "the device") -> FalconerError:
    """Our own sentence for a failure; `detail` is the driver's, and untrusted."""
    made = _SENTENCES[failure](device)
    if detail and failure is not Failure.REFUSED:
        made.message = f"{made.message} (the driver says: {safe(detail, MAX_DETAIL)})"
    return made


def _not_found(device: str) -> FalconerError:
    return DeviceError(
        "device-not-found",
        f"{device} is not there",
        remedy=f"plug it in and unlock it, on a cable that carries data; then {SETUP_CHECK}",
    )


def _permission(device: str) -> FalconerError:
    return DeviceError(
        "device-permission",
        f"this user may not open {device}",
        remedy=f"{SETUP_CHECK} prints the udev rules that are missing and the commands that install them",
    )


def _disconnected(device: str) -> FalconerError:
    return DeviceError(
        "device-disconnected",
        f"the connection to {device} was lost",
        remedy="plug it in again, unlock it, and run the command again",
    )


def _locked(device: str) -> FalconerError:
    return DeviceError(
        "device-locked",
        f"{device} is locked",
        remedy="enter its PIN on it; for a Trezor One or KeepKey: falconer-offline hardware unlock",
    )


def _wrong_app(device: str) -> FalconerError:
    return DeviceError(
        "device-wrong-app",
        f"the app that is open on {device} is not the one for this network",
        remedy="open Bitcoin on it for mainnet, Bitcoin Test for any other network",
    )


def _wrong_network(device: str) -> FalconerError:
    return DeviceError(
        "device-wrong-network",
        f"{device} does not sign on this network with keys at that path",
        remedy="compare the network of the home and of the device's settings with the wallet's paths",
    )


def _refused(device: str) -> FalconerError:
    return Declined("device-refused", f"refused on {device}, or not confirmed there in time")


def _outdated(device: str) -> FalconerError:
    return DeviceError(
        "device-firmware-old",
        f"the firmware or app of {device} is too old",
        remedy="bring it up to date with the vendor's program, on another computer; have its backup at hand",
    )


def _not_initialized(device: str) -> FalconerError:
    return DeviceError(
        "device-not-initialised",
        f"{device} holds no wallet yet",
        remedy="set it up with the vendor's program; Falconer makes and restores no device",
    )


def _busy(device: str) -> FalconerError:
    return DeviceError(
        "device-busy",
        f"{device} is busy with something else",
        remedy="finish or cancel what it shows, close every other program that uses it, and try again",
    )


def _unsupported(device: str) -> FalconerError:
    return DeviceError(
        "device-cannot",
        f"{device} cannot do that",
        remedy="docs/hardware.md has a table of what each kind of device can do",
    )


def _bad_request(device: str) -> FalconerError:
    return DeviceError(
        "device-request-refused",
        f"{device} or its driver does not take what it was asked",
        remedy="docs/hardware.md has a table of what each kind of device can do",
    )


def _needs_passphrase(device: str) -> FalconerError:
    return DeviceError(
        "device-passphrase-needed",
        f"{device} wants a passphrase from this computer",
        remedy="run the command again with --passphrase; another passphrase is another wallet, without any error",
    )


def _pin_not_needed(device: str) -> FalconerError:
    return DeviceError(
        "device-pin-not-needed",
        f"{device} wants no PIN from this computer now",
        remedy="enter it on the device, if it asks for one",
    )


def _pin_wrong(device: str) -> FalconerError:
    return SecretError(
        "device-pin-wrong",
        f"{device} did not take the PIN",
        remedy="each wrong PIN makes it wait longer; type positions, not digits",
    )


def _nothing_to_sign(device: str) -> FalconerError:
    return DeviceError(
        "device-nothing-to-sign",
        f"{device} finds nothing in the transaction that it has a key for",
        remedy="see with hardware list whether it is the right device, and, where it has one, the right passphrase",
    )


def _driver_missing(_device: str) -> FalconerError:
    return DeviceError(
        "device-driver-missing",
        "the library that speaks to hardware wallets is not installed",
        remedy="install falconer-offline[hwi], with requirements/hwi.txt",
    )


def _library_missing(_device: str) -> FalconerError:
    return DeviceError(
        "device-library-missing",
        "a library of the system that speaks to hardware wallets cannot be loaded",
        remedy="sudo apt-get install libusb-1.0-0",
    )


def _not_paired(device: str) -> FalconerError:
    return DeviceError(
        "device-not-paired",
        f"{device} was not paired",
        remedy="run the command again, compare the code here and on the device, and accept it there",
    )


def _other(device: str) -> FalconerError:
    return DeviceError(
        "device-failed",
        f"{device} or its driver failed",
        remedy="unplug the device, plug it in again, and try once more",
    )


_SENTENCES: Final[Mapping[Failure, Callable[[str], FalconerError]]] = MappingProxyType(
    {
        Failure.NOT_FOUND: _not_found,
        Failure.PERMISSION: _permission,
        Failure.DISCONNECTED: _disconnected,
        Failure.LOCKED: _locked,
        Failure.WRONG_APP: _wrong_app,
        Failure.WRONG_NETWORK: _wrong_network,
        Failure.REFUSED: _refused,
        Failure.OUTDATED: _outdated,
        Failure.NOT_INITIALIZED: _not_initialized,
        Failure.BUSY: _busy,
        Failure.UNSUPPORTED: _unsupported,
        Failure.BAD_REQUEST: _bad_request,
        Failure.NEEDS_PASSPHRASE: _needs_passphrase,
        Failure.PIN_NOT_NEEDED: _pin_not_needed,
        Failure.PIN_WRONG: _pin_wrong,
        Failure.NOTHING_TO_SIGN: _nothing_to_sign,
        Failure.DRIVER_MISSING: _driver_missing,
        Failure.LIBRARY_MISSING: _library_missing,
        Failure.NOT_PAIRED: _not_paired,
        Failure.OTHER: _other,
    }
)


def driver_failed(why: str) -> DeviceError:
    """The driver process ended or broke its own rules."""
    return DeviceError(
        "device-driver-failed",
        f"the process that speaks to the device failed: {why}",
        remedy="unplug the device, plug it in again, and try once more",
    )


def timed_out(seconds: float) -> DeviceError:
    """The driver process gave no answer in time, and was killed."""
    return DeviceError(
        "device-timeout",
        f"the device gave no answer within {seconds:.0f} seconds, and the process that speaks to it was ended",
        remedy="unplug it, plug it in again; --device-seconds allows more time",
        limit=int(seconds),
    )
