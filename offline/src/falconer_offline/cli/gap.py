"""What crosses the gap, as the command line takes and gives it: files, pictures of QR codes, a camera, codes
in the terminal.

However bytes come, they pass the same bounds and go the same way on: a scan only stands in the place of
reading a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from falconer_offline import emit, ingest, terminal
from falconer_offline.cli.shell import Shell
from falconer_shared.crossing.options import SCAN_FLAGS, SHOW_FLAGS, WINDOW_FLAG, Scan, Show, attach
from falconer_shared.errors import UsageError

if TYPE_CHECKING:
    from falconer_shared.crossing.collect import State
    from falconer_shared.crossing.hands import Hands, Source
    from falconer_shared.qr.draw import Paint
    from falconer_shared.transport.parts import Kind, Received

LEAST_VERSION = 4
"""Below it a code of an animation has hardly room for more than its own head."""

PICTURE_SCALE = 8
"""Pixels of one module in a written picture."""


def scan_options(function: Callable[..., object]) -> Callable[..., object]:
    """`--scan`, `--camera N` and their kin, as one argument `scan: Scan`."""
    return attach(click, function, SCAN_FLAGS, "scan", Scan)


def reading_options(function: Callable[..., object]) -> Callable[..., object]:
    """As `scan_options`, for a command that reads nothing but codes."""
    return attach(click, function, SCAN_FLAGS[1:], "scan", Scan)


def show_options(function: Callable[..., object]) -> Callable[..., object]:
    """`--qr`, `--gif FILE` and their kin, as one argument `codes: Show`."""
    return attach(click, function, SHOW_FLAGS, "codes", Show)


def every_show_option(function: Callable[..., object]) -> Callable[..., object]:
    """As `show_options`, and `--window`: for commands after which no secret is asked for."""
    return attach(click, function, (*SHOW_FLAGS, WINDOW_FLAG), "codes", Show)


def hands() -> Hands:
    """The files, the clock and the worker of the offline program."""
    from falconer_offline.worker import scanner
    from falconer_shared.crossing.hands import Hands

    return Hands(scanner)


def take(files: Sequence[str], limit: int, what: str, kinds: Collection[Kind], scan: Scan) -> bytes:
    """The bytes of one file, or of one message that came as codes; at most `limit` of them.

    Raises:
        UsageError: `usage`. What `ingest.read_file` and `crossing.collect.receive` raise.
    """
    if not scan.wanted:
        if len(files) != 1:
            raise UsageError("usage", f"name one file: the {what}", remedy="--scan takes several pictures")
        return ingest.read_file(files[0], limit, what)
    return one_of(files, limit, what, kinds, scan).data


def one_of(files: Sequence[str], limit: int, what: str, kinds: Collection[Kind], scan: Scan) -> Received:
    """The first message that is shown, at most `limit` bytes of one of these kinds.

    Raises:
        As `take`.
    """
    received = scanned(files, kinds, scan)
    # to be compared with what the other side says it shows: no checksum of a code proves anything (A100)
    terminal.say(f"Scanned {len(received.data)} bytes, SHA-256 {received.digest}", aside=True, indent=8)
    ingest.check_size(received.data, limit, what)
    return received


def scanned(files: Sequence[str], kinds: Collection[Kind] | None, scan: Scan) -> Received:
    """The first message that is shown.

    Raises:
        As `take`.
    """
    from falconer_shared.crossing.collect import receive

    with watching(files, scan) as (source, tell):
        return receive(source, kinds, hands(), tell)


@contextmanager
def watching(files: Sequence[str], scan: Scan) -> Iterator[tuple[Source, Callable[[State], None]]]:
    """Where to scan, and how the person sees it: a bar; with `--preview`, the pictures.

    Raises:
        UsageError: `usage`, `terminal-needed`.
    """
    if scan.preview:
        from falconer_shared.crossing.monitor import Monitor

        write = writer(terminal.drawing_stream(aside=True))
        with Monitor(write, *terminal.size(), time.sleep) as monitor:
            yield scan.source(files, monitor.preview), monitor.at
        return
    with terminal.Progress() as progress:

        def tell(state: State) -> None:
            progress.at(*state.done, state.text() + ("   (Ctrl-C ends)" if not state.of else ""))

        yield scan.source(files), tell


def writer(stream: IO[str]) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def paint() -> Paint:
    """How this terminal shows light and dark."""
    from falconer_shared.qr.draw import Paint

    return Paint.of(os.environ)


def check_drawing() -> None:
    """Accept a machine that can draw, without loading what draws.

    Raises:
        UsageError: `qr-drawing-missing`.
    """
    from importlib.util import find_spec

    from falconer_shared.qr.draw import draw

    if find_spec("segno") is None:
        draw("")  # says so


def print_code(shell: Shell, text: str) -> None:
    """One code, in the terminal, between other lines.

    Raises:
        UsageError: `terminal-needed`, `qr-terminal-too-small`, `qr-drawing-missing`.
    """
    from falconer_shared.qr.draw import draw, terminal_size

    stream = terminal.drawing_stream(aside=shell.aside)
    code = draw(text)
    columns, lines = terminal.size()
    wide, high = terminal_size(code.version)
    if wide > columns or high > lines - 1:
        raise too_small(code.version)
    stream.write(code.terminal(paint()))
    stream.flush()


def too_small(version: int) -> UsageError:
    from falconer_shared.qr.draw import terminal_size

    columns, lines = terminal.size()
    wide, high = terminal_size(version)
    return UsageError(
        "qr-terminal-too-small",
        f"the code takes {wide} columns and {high + 1} lines, the terminal has {columns} and {lines}",
        remedy="enlarge the window, make its letters smaller, or have it written as pictures",
        columns=columns,
        lines=lines,
    )


def write_code(path: str, text: str) -> None:
    """One code as a new picture.

    Raises:
        StateError: `file-exists`, `file-not-writable`. UsageError: `qr-drawing-missing`.
    """
    from falconer_shared.qr.draw import draw

    emit.write_file(path, draw(text).png(PICTURE_SCALE))
