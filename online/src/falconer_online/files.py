"""Files of the coordinator: private, written whole or not at all, read up to a bound."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from falconer_shared import files
from falconer_shared.errors import Declined, StateError
from falconer_shared.files import disk_error, read_file
from falconer_shared.text import safe

__all__ = [
    "MAX_PSBT_FILE",
    "MAX_TEXT_FILE",
    "check_private",
    "disk_error",
    "exclusive",
    "make_private_directory",
    "read_file",
    "write_file",
    "write_out",
]

MAX_PSBT_FILE = 16 * 1024 * 1024
"""Bytes of a PSBT file (DESIGN section 7)."""

MAX_TEXT_FILE = 1024 * 1024
"""Bytes of a descriptor, key, policy, intent or signature file: hundreds of times what any of them takes."""

LOCK_WAIT_SECONDS = 30
"""How long a command waits for another one that is changing the same coordinator."""


def make_private_directory(path: Path) -> None:
    """The directory, mode 0700, made if it is missing; one that others may enter is refused.

    Raises:
        StateError: `home-permissions`, `disk-full`, `file-not-writable`.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) from None
    check_private(path)


def check_private(path: Path) -> None:
    """Refuse a file or directory of ours that other users may read or write."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(path, error) from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise StateError(
            "home-permissions",
            f"other users of this machine may read {safe(str(path))}",
            remedy=f"chmod {mode} {safe(str(path))}",
        )


def write_file(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a file of the coordinator's own, so that after a crash the old one or the whole new one is there.

    Raises:
        StateError: `file-exists` (with `replace=False`), `disk-full`, `file-not-writable`.
    """
    files.write_file(path, data, replace=replace, mode=mode)


def write_out(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write what a command was asked to put there. Over a file that holds anything else only once the person at the
    terminal agreed; a script, which nobody can ask, is taken at its word.

    Raises:
        Declined: `person-declined`. StateError: `file-exists`, `disk-full`, `file-not-writable`.
    """
    replace = not files.holds(path, data) and files.exists(path)
    if replace and sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(f"{safe(str(path))} exists and holds something else. Replace it? Type yes: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != "yes":
            raise Declined(
                "person-declined",
                f"{safe(str(path))} was left as it is",
                remedy="name another file with --out",
            )
    if replace or not files.exists(path):
        files.write_file(path, data, replace=replace, mode=mode)


@contextmanager
def exclusive(lock_file: Path, wait_seconds: int = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the coordinator's one lock, so that two commands never judge against the same history or choose
    the same coin.

    The kernel drops the lock with the process, however it ends.

    Raises:
        StateError: `coordinator-busy`.
    """
    try:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_error(lock_file, error) from None
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StateError(
                        "coordinator-busy",
                        f"another falconer command has been at work for {wait_seconds} s",
                        remedy="wait for it to end, then repeat",
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
