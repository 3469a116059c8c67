"""Files that a person named: read once up to a bound, written whole or not at all.

A name is only ever what was typed on this machine, never one that came with the data (A112). What is read is a
regular file, opened without following a link and without waiting for a FIFO (A113), and is read once: what is
judged, shown and signed is the one `bytes` object, so a medium that changes its mind changes nothing (A116).

A file is written under a temporary name of its own, synced, moved into place and the directory synced, so a
reader sees the old state or the new one after a crash at any point (A134). Nothing is overwritten unless the
caller says that the person agreed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Mapping

from falconer_shared.errors import FalconerError, Malformed, StateError
from falconer_shared.text import safe

Path = str | os.PathLike[str]

_SHOWN = 120


def read_file(path: Path, limit: int, what: str) -> bytes:
    """The whole content of a regular file of at most `limit` bytes, and at least one.

    `what` names the kind of file in errors ("PSBT", "policy").

    Raises:
        StateError: `file-unreadable`. Malformed: `file-not-regular`, `file-too-large`, `file-empty`.
    """
    shown = safe(os.fspath(path), _SHOWN)
    try:
        # Non-blocking: opening a FIFO must not wait for a writer. It has no effect on a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as fault:
        if isinstance(fault, OSError) and fault.errno == errno.ELOOP:
            raise _not_regular(what, shown, "a symbolic link") from None
        raise StateError("file-unreadable", f"{what} {shown} cannot be opened: {_reason(fault)}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(what, shown, "a folder, a FIFO or a device")
        if found.st_size > limit:
            raise too_large(what, shown, found.st_size, limit)
        data = read_up_to(descriptor, limit + 1)
    except OSError as fault:
        raise StateError("file-unreadable", f"{what} {shown} cannot be read: {_reason(fault)}") from None
    finally:
        os.close(descriptor)
    if len(data) > limit:  # it grew since the size was looked at
        raise too_large(what, shown, len(data), limit)
    if not data:
        raise Malformed("file-empty", f"{what} {shown} is empty")
    return data


def read_up_to(descriptor: int, limit: int) -> bytes:
    """What an open file or pipe gives, at most `limit` bytes."""
    parts: list[bytes] = []
    left = limit
    while left and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def too_large(what: str, shown: str, size: int, limit: int) -> Malformed:
    """The refusal of more bytes than there may be. `shown` is safe to show."""
    return Malformed(
        "file-too-large", f"{what} {shown} has {size} bytes, the limit is {limit}", size=size, limit=limit
    )


def exists(path: Path) -> bool:
    """Whether something has that name, a dangling link included."""
    return os.path.lexists(path)


def check_free(path: Path) -> None:
    """Accept a name that nothing has, in a folder that takes it.

    Raises:
        StateError: `file-exists`, `file-not-writable`.
    """
    if exists(path):
        raise _exists(path)
    check_place(path)


def check_place(path: Path) -> None:
    """Accept a name in a folder that is there and may be written to, as far as that is seen before anything is.

    Raises:
        StateError: `file-not-writable`.
    """
    directory = os.path.dirname(os.fspath(path).rstrip("/")) or "."  # noqa: PTH120
    if not os.path.isdir(directory):  # noqa: PTH112
        raise disk_error(path, OSError(errno.ENOENT, "no such folder"))
    if not os.access(directory, os.W_OK | os.X_OK):
        raise disk_error(path, OSError(errno.EACCES, "nothing may be written into that folder"))


def write_file(path: Path, data: bytes, *, replace: bool, mode: int) -> None:
    """Write `data` as the whole content of `path`, with these permissions.

    `replace` replaces a regular file, or a link, which is never written through; nothing else.

    Raises:
        StateError: `file-exists`, `disk-full`, `file-not-writable` (read-only medium, no such folder).
    """
    directory, name = os.path.split(os.fspath(path))
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
        raise _exists(path) from None
    except (OSError, ValueError) as fault:
        raise disk_error(path, fault) from None


def holds(path: Path, data: bytes) -> bool:
    """Whether a regular file of that name holds these very bytes already."""
    try:
        return read_file(path, len(data), "file") == data
    except FalconerError:
        return False


def write_folder(path: str, files: Mapping[str, bytes]) -> None:
    """Make the folder `path` with these files in it, or nothing.

    Raises:
        StateError: `file-exists`, `disk-full`, `file-not-writable`.
    """
    directory, name = os.path.split(path.rstrip("/"))
    temporary = os.path.join(directory or ".", f".{name[:100]}.{secrets.token_hex(8)}.new")  # noqa: PTH118
    check_free(path)
    try:
        os.mkdir(temporary, 0o700)  # noqa: PTH102
        try:
            for each, data in files.items():
                write_file(os.path.join(temporary, each), data, replace=False, mode=0o600)  # noqa: PTH118
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
        raise disk_error(path, fault) from None


def disk_error(path: Path, fault: OSError | ValueError) -> FalconerError:
    """The refusal for a disk that does not take what is written."""
    shown = safe(os.fspath(path), _SHOWN)
    if isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StateError(
            "disk-full", f"no space left for {shown}; nothing was changed", remedy="free space and repeat"
        )
    return StateError("file-not-writable", f"{shown} cannot be written: {_reason(fault)}")


def _reason(fault: OSError | ValueError) -> str:
    return safe(fault.strerror or str(fault)) if isinstance(fault, OSError) else "the name holds a NUL byte"


def _exists(path: Path) -> StateError:
    return StateError(
        "file-exists",
        f"{safe(os.fspath(path), _SHOWN)} exists already, and is not replaced",
        remedy="name another file, or remove it first",
    )


def _not_regular(what: str, shown: str, found: str) -> Malformed:
    return Malformed(
        "file-not-regular", f"{what} {shown} is {found}, no regular file", remedy="name the file itself"
    )


def _place(temporary: str, path: Path, *, replace: bool) -> None:
    if replace:
        # whoever says /dev/null means the device: root would put a file in its place
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
                raise FileExistsError(errno.EEXIST, "no regular file")
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
