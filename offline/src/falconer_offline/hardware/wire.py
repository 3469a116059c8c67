"""What passes between the program and the process that speaks to devices, and nothing else does.

Every message is a length (4 bytes, big endian), one byte that says what it is, and fields, each a length (4 bytes) and
bytes. A request's byte is an `Op`, with the network and the fields of that operation. The answers to it are any number
of NOTICEs (a line for the person), then one DONE or one FAILED. Counts and sizes are fixed for every message: anything
else is no message, and ends the conversation.

Both ends are here, so that neither can drift; this module imports nothing that speaks to a device.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

MAX_PSBT: Final = 16 << 20
"""Bytes of a PSBT, as for a file (DESIGN section 7)."""

MAX_TEXT: Final = 16 << 10
"""Bytes of a path, a label, an error text or a descriptor (16 kB of the latter: DESIGN section 7)."""

MAX_DEVICES: Final = 32
"""Devices in one list."""

MAX_NOTICES: Final = 64
"""Notices during one operation: a pairing has one."""

MAX_MESSAGE: Final = MAX_PSBT + MAX_TEXT * 6
"""Bytes of a message: the largest request holds a PSBT and texts."""

DEVICE_FIELDS: Final = 9
"""Fields of one device in a list: kind, path, model, label, fingerprint, PIN needed, passphrase needed, failure, detail."""

OPEN_FIELDS: Final = 4
"""Fields before those of an operation on one device: chain, passphrase, kind, path. A list has the first two."""


KINDS: Final = ("ledger", "trezor", "coldcard", "bitbox02", "jade", "keepkey")
"""HWI's names of the devices that are looked for, in this order (`models.Kind`)."""

PASSPHRASE_KINDS: Final = frozenset({"trezor", "keepkey"})
"""Those that take a passphrase from the computer."""

MODES: Final = ("usb", "emulators")
"""What a driver process may reach: devices on USB, or emulators on loopback besides."""


class Op(enum.IntEnum):
    """What is asked."""

    LIST = 1
    FINGERPRINT = 2
    XPUB = 3
    ADDRESS = 4
    SIGN = 5
    PROMPT_PIN = 6
    SEND_PIN = 7


class Said(enum.IntEnum):
    """What is answered."""

    DONE = 0x40
    FAILED = 0x41
    NOTICE = 0x42


REQUEST_FIELDS: Final[Mapping[Op, int]] = MappingProxyType(
    {
        Op.LIST: 2,
        Op.FINGERPRINT: OPEN_FIELDS,
        Op.XPUB: OPEN_FIELDS + 1,
        Op.ADDRESS: OPEN_FIELDS + 1,
        Op.SIGN: OPEN_FIELDS + 1,
        Op.PROMPT_PIN: OPEN_FIELDS,
        Op.SEND_PIN: OPEN_FIELDS + 1,
    }
)
"""Fields of each request. The fifth is a path in text, a descriptor, a PSBT, or the positions of a PIN."""

Take = Callable[[int], bytes]
"""Reads exactly so many bytes, or raises EOFError."""


class Nonsense(ValueError):
    """What came is no message. The conversation ends: nothing behind it can be told apart."""


def message(code: int, fields: Sequence[bytes]) -> bytes:
    """One message as bytes."""
    body = bytes((code,)) + b"".join(len(each).to_bytes(4, "big") + each for each in fields)
    if len(body) > MAX_MESSAGE:
        raise ValueError("the message is too long")
    return len(body).to_bytes(4, "big") + body


def read(take: Take) -> tuple[int, tuple[bytes, ...]]:
    """The next message: its byte and its fields.

    Raises:
        Nonsense: it is none. EOFError: the other side is gone.
    """
    size = int.from_bytes(take(4), "big")
    if not 1 <= size <= MAX_MESSAGE:
        raise Nonsense
    body = take(size)
    fields: list[bytes] = []
    position = 1
    while position < size:
        end = position + 4
        length = int.from_bytes(body[position:end], "big")
        position = end + length
        if end > size or position > size or len(fields) >= MAX_DEVICES * DEVICE_FIELDS:
            raise Nonsense
        fields.append(body[end:position])
    return body[0], tuple(fields)


def request(take: Take) -> tuple[Op, tuple[bytes, ...]]:
    """The next request, for the driver.

    Raises:
        Nonsense: no operation, or not its fields. EOFError.
    """
    code, fields = read(take)
    try:
        op = Op(code)
    except ValueError:
        raise Nonsense from None
    if len(fields) != REQUEST_FIELDS[op]:
        raise Nonsense
    return op, fields


def command(executable: str, mode: str) -> tuple[str, ...]:
    """The command line of the driver process. The program starts exactly this, with `ENVIRONMENT` and pipes; `-I` keeps
    the caller's directory and environment out of what is imported.
    """
    if mode not in MODES:
        raise ValueError("no such mode")
    return (executable, "-I", "-m", "falconer_offline.hardware.driver", mode)


ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
"""Everything that the driver process finds in its environment."""
