"""What comes from the other side, by file, by QR code or by an inherited descriptor: read once, within bounds."""

from __future__ import annotations

import os

from falconer_shared.errors import Malformed, StateError
from falconer_shared.files import read_file, read_up_to, too_large

__all__ = ["MAX_PSBT_FILE", "MAX_TEXT_FILE", "check_size", "read_descriptor", "read_file"]

MAX_PSBT_FILE = 16 * 1024 * 1024
"""DESIGN, bounds: a standard transaction with all its previous transactions fits."""

MAX_TEXT_FILE = 1024 * 1024
"""A policy text with its whole address book, a descriptor, a key."""


def check_size(data: bytes, limit: int, what: str) -> None:
    """Accept bytes that came another way by the bounds of a file.

    Raises:
        Malformed: `file-too-large`, `file-empty`.
    """
    if len(data) > limit:
        raise too_large(what, "by QR code", len(data), limit)
    if not data:
        raise Malformed("file-empty", f"{what} by QR code is empty")


def read_descriptor(number: int, limit: int, what: str) -> bytes:
    """The first line that comes through an inherited file descriptor, without its line feed. The descriptor
    is closed.

    Raises:
        StateError: `file-unreadable`.
    """
    try:
        data = read_up_to(number, limit)
        os.close(number)
    except OSError as fault:
        raise StateError(
            "file-unreadable", f"{what}: file descriptor {number} cannot be read: {fault.strerror}"
        ) from None
    return data.split(b"\n", 1)[0].removesuffix(b"\r")
