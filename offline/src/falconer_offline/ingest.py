"""Files from the other side, read once.

A name is only ever what the person typed on this machine, and is opened without following a link; it must be
a regular file of a bounded size (A112, A113). What is judged, shown and signed is the one `bytes` object
returned here: nothing is opened a second time (A116), so a medium that changes its mind changes nothing.
"""

from __future__ import annotations

import errno
import os
import stat

from falconer_shared.errors import Malformed, StateError
from falconer_shared.text import safe

MAX_PSBT_FILE = 16 * 1024 * 1024
"""DESIGN, bounds: a standard transaction with all its previous transactions fits."""

MAX_TEXT_FILE = 1024 * 1024
"""A policy text with its whole address book, a descriptor, a key."""


def read_file(path: str, limit: int, what: str) -> bytes:
    """The whole content of a regular file of at most `limit` bytes.

    `what` names the kind of file in errors ("PSBT", "policy").

    Raises:
        StateError: `file-unreadable`.
        Malformed: `file-not-regular`, `file-too-large`, `file-empty`.
    """
    shown = safe(path, 120)
    try:
        # Non-blocking: opening a FIFO must not wait for a writer. It has no effect on a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as fault:
        if isinstance(fault, OSError) and fault.errno == errno.ELOOP:
            raise Malformed(
                "file-not-regular", f"{what} {shown} is a symbolic link", remedy="name the file itself"
            ) from None
        reason = fault.strerror if isinstance(fault, OSError) else "the name holds a NUL byte"
        raise StateError("file-unreadable", f"{what} {shown} cannot be opened: {reason}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Malformed("file-not-regular", f"{what} {shown} is not a regular file")
        if found.st_size > limit:
            raise _too_large(what, shown, found.st_size, limit)
        data = _read(descriptor, limit + 1)
    except OSError as fault:
        raise StateError("file-unreadable", f"{what} {shown} cannot be read: {fault.strerror}") from None
    finally:
        os.close(descriptor)
    if len(data) > limit:  # it grew since the size was looked at
        raise _too_large(what, shown, len(data), limit)
    if not data:
        raise Malformed("file-empty", f"{what} {shown} is empty")
    return data


def check_size(data: bytes, limit: int, what: str) -> None:
    """Accept bytes that came another way by the bounds of a file.

    Raises:
        Malformed: `file-too-large`, `file-empty`.
    """
    if len(data) > limit:
        raise _too_large(what, "by QR code", len(data), limit)
    if not data:
        raise Malformed("file-empty", f"{what} by QR code is empty")


def _too_large(what: str, shown: str, size: int, limit: int) -> Malformed:
    return Malformed(
        "file-too-large", f"{what} {shown} has {size} bytes, the limit is {limit}", size=size, limit=limit
    )


def _read(descriptor: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while left and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def read_descriptor(number: int, limit: int, what: str) -> bytes:
    """The first line that comes through an inherited file descriptor, without its line feed. The descriptor
    is closed.

    Raises:
        StateError: `file-unreadable`.
    """
    try:
        data = _read(number, limit)
        os.close(number)
    except OSError as fault:
        raise StateError(
            "file-unreadable", f"{what}: file descriptor {number} cannot be read: {fault.strerror}"
        ) from None
    return data.split(b"\n", 1)[0].removesuffix(b"\r")
