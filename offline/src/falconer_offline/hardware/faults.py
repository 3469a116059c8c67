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
        return named, detail
    if isinstance(fault, PermissionError):
        return Failure.PERMISSION, detail
    code = getattr(fault, "code", 0)
    return by_code(code if isinstance(code, int) else 0, detail), detail


_BY_NAME: Final = {
    "DenyError": Failure.REFUSED,
    "SecurityStatusNotSatisfiedError": Failure.REFUSED,
    "ActionCanceledError": Failure.REFUSED,
    "OutdatedFirmwareError": Failure.OUTDATED,
    "FirmwareVersionOutdatedException": Failure.OUTDATED,
    "USBErrorAccess": Failure.PERMISSION,
    "USBErrorNoDevice": Failure.DISCONNECTED,
    "USBErrorPipe": Failure.DISCONNECTED,
    "USBErrorIO": Failure.DISCONNECTED,
    "BrokenPipeError": Failure.DISCONNECTED,
    "ConnectionResetError": Failure.DISCONNECTED,
    "ConnectionRefusedError": Failure.NOT_FOUND,
}


def by_code(code: int, detail: str) -> Failure:
    """HWI's error codes, and where they say little the words that its drivers are known to use."""
    words = detail.lower()
    for part, failure in _BY_WORDS:
        if part in words:
            return failure
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
    ("'0x0'", Failure.DISCONNECTED),
    ("0x6985", Failure.REFUSED),
    ("0x5501", Failure.REFUSED),
    ("0x5515", Failure.LOCKED),
    ("0x6982", Failure.REFUSED),
    ("0x6faa", Failure.LOCKED),
    ("device is asleep", Failure.LOCKED),
    ("0x6a82", Failure.WRONG_APP),
    ("0x6511", Failure.WRONG_APP),
    ("0x6e00", Failure.WRONG_APP),
    ("0x6d00", Failure.WRONG_APP),
    ("not in either the bitcoin", Failure.WRONG_APP),
    # Trezor and KeepKey
    ("forbidden key path", Failure.WRONG_NETWORK),
    ("cannot sign external inputs", Failure.NOTHING_TO_SIGN),
    ("could not find device by path", Failure.NOT_FOUND),
    ("passphrase needs to be specified", Failure.NEEDS_PASSPHRASE),
    ("pin has already been sent", Failure.PIN_NOT_NEEDED),
    ("does not need a pin", Failure.PIN_NOT_NEEDED),
    ("not initialized", Failure.NOT_INITIALIZED),
    ("must be initialized", Failure.NOT_INITIALIZED),
    ("device disconnected", Failure.DISCONNECTED),
    # Jade and BitBox02
    ("minimum required version", Failure.OUTDATED),
    ("network/chain selection", Failure.WRONG_NETWORK),
    ("not paired", Failure.NOT_PAIRED),
    ("load wallet to unlock", Failure.LOCKED),
    ("device is locked", Failure.LOCKED),
    ("recovery phrase login", Failure.LOCKED),
    # the system
    ("open failed", Failure.PERMISSION),
    ("permission denied", Failure.PERMISSION),
    ("libusb_error_access", Failure.PERMISSION),
    ("libusb_error_no_device", Failure.DISCONNECTED),
    ("no such file or directory", Failure.NOT_FOUND),
    ("connection refused", Failure.NOT_FOUND),
)
