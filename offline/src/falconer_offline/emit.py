"""Files that leave the machine, or that it keeps: whole or not at all.

A file is written under a temporary name of its own (`O_EXCL`), synced, moved into place and the directory
synced, so a reader sees the old state or the new one after a crash at any point (A134). Nothing is
overwritten unless the caller says that the person agreed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Mapping

from falconer_shared.errors import StateError
from falconer_shared.text import safe


def exists(path: str) -> bool:
    """Whether something has that name, a dangling link included."""
    return os.path.lexists(path)


def check_free(path: str) -> None:
    """Accept a name that nothing has.

    Raises:
        StateError: `file-exists`.
    """
    if exists(path):
        raise StateError(
            "file-exists",
            f"{safe(path, 120)} exists already",
            remedy="choose another name, or remove it first",
        )


def write_file(path: str, data: bytes, *, replace: bool = False, mode: int = 0o600) -> None:
    """Write `data` as the whole content of `path`.

    Raises:
        StateError: `file-exists`, `file-not-writable` (no space left, read-only medium, no such folder).
    """
    directory, name = os.path.split(path)
    directory = directory or "."
    temporary = os.path.join(directory, f".{name[:100]}.{secrets.token_hex(8)}.new")  # noqa: PTH118
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _place(temporary, path, replace=replace)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
        _sync_directory(directory)
    except FileExistsError:
        raise StateError(
            "file-exists", f"{safe(path, 120)} exists already", remedy="name another file, or remove it first"
        ) from None
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "the name holds a NUL byte"
        raise StateError("file-not-writable", f"{safe(path, 120)} cannot be written: {reason}") from None


def write_folder(path: str, files: Mapping[str, bytes]) -> None:
    """Make the folder `path` with these files in it, or nothing.

    Raises:
        StateError: `file-exists`, `file-not-writable`.
    """
    directory, name = os.path.split(path.rstrip("/"))
    temporary = os.path.join(directory or ".", f".{name[:100]}.{secrets.token_hex(8)}.new")  # noqa: PTH118
    check_free(path)
    try:
        os.mkdir(temporary, 0o700)  # noqa: PTH102
        try:
            for each, data in files.items():
                write_file(os.path.join(temporary, each), data)  # noqa: PTH118
            os.rename(temporary, path)  # noqa: PTH104
        except BaseException:
            # an interrupt too leaves nothing behind
            for each in files:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(temporary, each))  # noqa: PTH108, PTH118
            os.rmdir(temporary)  # noqa: PTH106
            raise
        _sync_directory(directory or ".")
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "the name holds a NUL byte"
        raise StateError("file-not-writable", f"{safe(path, 120)} cannot be written: {reason}") from None


def _place(temporary: str, path: str, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)  # noqa: PTH105
        return
    try:
        # A hard link, since a rename would silently replace a file that came to be meanwhile.
        os.link(temporary, path, follow_symlinks=False)
    except OSError as fault:
        if fault.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        # FAT and exFAT, the usual formats of sticks, know no hard links: there the name is looked at first
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "exists") from None
        os.rename(temporary, path)  # noqa: PTH104


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as fault:
        if fault.errno != errno.EINVAL:  # a file system that cannot sync directories says so with EINVAL
            raise
    finally:
        os.close(descriptor)
