"""Files of the coordinator: private, written whole or not at all, read up to a bound."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from falconer_shared.errors import FalconerError, Malformed, StateError
from falconer_shared.text import safe

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


def read_file(path: Path, limit: int, what: str) -> bytes:
    """The bytes of a regular file that a person named, at most `limit`. A link is not followed, and a FIFO not waited for: such
    files come on a stick that somebody else wrote (A112, A113).

    Raises:
        StateError: `file-unreadable`. Malformed: `file-not-regular`, `file-too-large`.
    """
    try:
        # without waiting: opening a FIFO would block until somebody writes
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _not_regular(path, what)
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                data = stream.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_regular(path, what) from None
        raise StateError(
            "file-unreadable",
            f"{what} {safe(str(path))} cannot be read: {safe(error.strerror or str(error))}",
        ) from None
    if len(data) > limit:
        raise Malformed(
            "file-too-large", f"{what} {safe(str(path))} has more than {limit} bytes", limit=limit
        )
    return data


def _not_regular(path: Path, what: str) -> Malformed:
    return Malformed(
        "file-not-regular",
        f"{what} {safe(str(path))} is a link, a folder, a FIFO or a device",
        remedy="name the file itself",
    )


def write_file(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a file so that after a crash the old one or the whole new one is there.

    Raises:
        StateError: `file-exists` (with `replace=False`), `disk-full`, `file-not-writable`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                temporary.replace(path)
            else:
                # unlike a rename, a link never replaces what is there
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError:
        raise StateError("file-exists", f"{safe(str(path))} is there already and is not replaced") from None
    except OSError as error:
        raise disk_error(path, error) from None


def disk_error(path: Path, error: OSError) -> FalconerError:
    """The refusal for a disk that does not take what is written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StateError(
            "disk-full",
            f"no space left for {safe(str(path))}; nothing was changed",
            remedy="free space and repeat",
        )
    return StateError(
        "file-not-writable", f"{safe(str(path))} cannot be written: {safe(error.strerror or str(error))}"
    )


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
