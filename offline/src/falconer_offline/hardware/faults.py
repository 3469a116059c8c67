"""From the faults of HWI, of its drivers and of the system to a `Failure`. HWI's codes say little, and its drivers raise
what they like: so types go by name, and texts by the words that they are known to use (HWI 3.2.0; the recordings of
the tests hold real ones). Nothing of HWI is imported here.
"""

from __future__ import annotations

from typing import Final

from falconer_offline.hardware.failures import Failure


class PinWrong(Exception):
    """The device took other positions than those of its PIN."""


class NotPaired(Exception):
    """The person did not accept the pairing."""


def classify(fault: BaseException) -> tuple[Failure, str]:
    """The number that a fault of HWI, of its drivers or of the system comes nearest to, and its words."""
    detail = str(fault) or type(fault).__name__
    if isinstance(fault, PinWrong):
        return Failure.PIN_WRONG, ""
    if isinstance(fault, NotPaired):
        return Failure.NOT_PAIRED, ""
    if isinstance(fault, ImportError | OSError) and "libusb" in detail.lower() and "load" in detail.lower():
        return Failure.LIBRARY_MISSING, detail
    named = _BY_NAME.get(type(fault).__name__)
    if named is not None:
        return Failure(named), detail
    if isinstance(fault, PermissionError):
        return Failure.PERMISSION, detail
    code = getattr(fault, "code", 0)
    return by_code(code if isinstance(code, int) else 0, detail), detail


_BY_NAME: Final = {
    # by the names of Failure's numbers: 4 locked, 5 wrong app, 7 refused, 8 outdated, 3 disconnected, 2 permission
    "DenyError": 7,
    "SecurityStatusNotSatisfiedError": 7,
    "ActionCanceledError": 7,
    "OutdatedFirmwareError": 8,
    "FirmwareVersionOutdatedException": 8,
    "USBErrorAccess": 2,
    "USBErrorNoDevice": 3,
    "USBErrorPipe": 3,
    "USBErrorIO": 3,
    "BrokenPipeError": 3,
    "ConnectionResetError": 3,
    "ConnectionRefusedError": 1,
}


def by_code(code: int, detail: str) -> Failure:
    """HWI's error codes, and where they say little the words that its drivers are known to use."""
    words = detail.lower()
    for part, number in _BY_WORDS:
        if part in words:
            return Failure(number)
    return {
        -3: Failure.DISCONNECTED,
        -5: Failure.BAD_REQUEST,
        -6: Failure.NEEDS_PASSPHRASE,
        -7: Failure.BAD_REQUEST,
        -8: Failure.UNSUPPORTED,
        -9: Failure.UNSUPPORTED,
        -11: Failure.PIN_NOT_NEEDED,
        -12: Failure.LOCKED,
        -14: Failure.REFUSED,
        -15: Failure.BUSY,
        -18: Failure.NOT_INITIALIZED,
    }.get(code, Failure.OTHER)


_BY_WORDS: Final = (
    # Ledger: status words (0x0 is what HWI's transport makes of a connection that was cut)
    ("'0x0'", 3),
    ("0x6985", 7),
    ("0x5501", 7),
    ("0x5515", 4),
    ("0x6982", 4),
    ("0x6faa", 4),
    ("device is asleep", 4),
    ("0x6a82", 5),
    ("0x6511", 5),
    ("0x6e00", 5),
    ("0x6d00", 5),
    ("not in either the bitcoin", 5),
    # Trezor and KeepKey
    ("forbidden key path", 6),
    ("cannot sign external inputs", 16),
    ("could not find device by path", 1),
    ("passphrase needs to be specified", 13),
    ("pin has already been sent", 14),
    ("does not need a pin", 14),
    ("no pin", 14),
    ("not initialized", 9),
    ("must be initialized", 9),
    ("device disconnected", 3),
    # Jade and BitBox02
    ("minimum required version", 8),
    ("network/chain selection", 6),
    ("not paired", 19),
    ("load wallet to unlock", 4),
    ("device is locked", 4),
    ("recovery phrase login", 4),
    # the system
    ("open failed", 2),
    ("permission denied", 2),
    ("libusb_error_access", 2),
    ("libusb_error_no_device", 3),
    ("no such file or directory", 1),
    ("connection refused", 1),
)
