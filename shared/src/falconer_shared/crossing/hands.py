"""Where codes come from, and the outside world that collecting them needs: pictures, folders, lines, a clock.

Nothing that judges imports this. A name is only ever what the person typed on this machine; a file is opened
without following a link and must be a regular file of a bounded size (A112, A113).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from falconer_shared.errors import Malformed, StateError
from falconer_shared.qr.client import READERS, Scanner
from falconer_shared.text import safe

MAX_PICTURES: Final = 10_000
"""Pictures of one scan: as many as the longest message has parts."""

STANDARD_INPUT: Final = "-"

_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

Stamp = tuple[int, int]
"""Of a file: its size, and when it was changed last (nanoseconds)."""


def _stamped(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, Stamp]]:
    for entry in entries:
        # one that is gone since the folder was listed is no file
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                yield entry.path, (found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Source:
    """Where codes come from: a camera by its number, or what `names` name.

    A name is a picture (PNG, JPEG), a folder that is being filled with pictures, a video, or `-` for texts of
    codes on standard input, a line each. `seconds` is how long to wait for a whole message; `preview` the most
    pixels along a side of the pictures shown to the person, 0 for none.
    """

    names: Sequence[str] = ()
    camera: int | None = None
    reader: str = READERS[0]
    seconds: float | None = None
    preview: int = 0


class OpenScanner(Protocol):
    """A program's launcher of the worker that reads pictures."""

    def __call__(
        self,
        *,
        camera: int | None = None,
        video: int | None = None,
        reader: str = READERS[0],
        preview: int = 0,
    ) -> AbstractContextManager[Scanner]: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """The outside world, as a program reaches it. Only starting a process is different in each."""

    scanner: OpenScanner
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """The number of a regular file opened for reading, as long as the block lasts.

        Raises:
            StateError: `file-unreadable`. Malformed: `file-not-regular`.
        """
        shown = safe(name, 120)
        try:
            # Non-blocking: opening a FIFO must not wait for a writer. It has no effect on a regular file.
            number = os.open(name, _READING | os.O_NOFOLLOW)
        except (OSError, ValueError) as fault:
            if isinstance(fault, OSError) and fault.errno == errno.ELOOP:
                raise Malformed(
                    "file-not-regular", f"{shown} is a symbolic link", remedy="name the file itself"
                ) from None
            reason = fault.strerror if isinstance(fault, OSError) else "the name holds a NUL byte"
            raise StateError("file-unreadable", f"{shown} cannot be opened: {reason}") from None
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise Malformed("file-not-regular", f"{shown} is not a regular file")
            yield number
        finally:
            os.close(number)

    def read(self, name: str, limit: int) -> bytes:
        """A whole file of at most `limit` bytes.

        Raises:
            StateError: `file-unreadable`. Malformed: `file-not-regular`, `file-too-large`, `file-empty`.
        """
        data = self._read(name, limit + 1)
        if not data:
            raise Malformed("file-empty", f"{safe(name, 120)} is empty")
        if len(data) > limit:
            raise Malformed("file-too-large", f"{safe(name, 120)} has more than {limit:,} bytes", limit=limit)
        return data

    def starts_with(self, name: str, size: int) -> bytes:
        """The first bytes of a file, fewer where it has no more.

        Raises:
            As `read`.
        """
        return self._read(name, size)

    def _read(self, name: str, size: int) -> bytes:
        with self.opened(name) as number:
            try:
                with os.fdopen(number, "rb", closefd=False) as file:
                    return file.read(size)
            except OSError as fault:
                raise StateError(
                    "file-unreadable", f"{safe(name, 120)} cannot be read: {fault.strerror}"
                ) from None

    def is_folder(self, name: str) -> bool:
        """Whether the name is a folder's; a link to one is not."""
        try:
            return stat.S_ISDIR(os.lstat(name).st_mode)
        except (OSError, ValueError):
            return False

    def names_in(self, folder: str) -> list[tuple[str, Stamp]]:
        """The regular files in a folder, with the folder before each name, sorted; and what changes with each.

        Raises:
            StateError: `file-unreadable`.
        """
        try:
            with os.scandir(folder) as entries:
                return sorted(_stamped(entries))
        except OSError as fault:
            raise StateError(
                "file-unreadable", f"{safe(folder, 120)} cannot be read: {fault.strerror}"
            ) from None

    @contextmanager
    def standard_input(self) -> Iterator[Callable[[int], bytes | None]]:
        """A function that reads at most so many bytes: None while there are none, nothing at the end, which a
        terminal that was closed is too.

        Raises:
            StateError: `file-unreadable`: it is closed.
        """
        try:
            # A terminal is opened anew: whatever else writes to it must go on waiting until it is ready.
            number = os.open(os.ttyname(0), _READING) if os.isatty(0) else os.dup(0)
        except OSError as fault:
            raise _no_input(fault) from None

        def read(size: int) -> bytes | None:
            try:
                return os.read(number, size)
            except BlockingIOError:
                return None
            except OSError as fault:
                if fault.errno == errno.EIO:
                    return b""
                raise _no_input(fault) from None

        blocking = os.get_blocking(number)
        os.set_blocking(number, False)
        try:
            yield read
        finally:
            os.set_blocking(number, blocking)
            os.close(number)


def _no_input(fault: OSError) -> StateError:
    return StateError("file-unreadable", f"standard input cannot be read: {fault.strerror}")
