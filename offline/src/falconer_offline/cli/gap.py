"""What crosses the gap, as the command line takes and gives it: files, pictures of QR codes, a camera, codes
in the terminal.

However bytes come, they pass the same bounds and go the same way on: a scan only stands in the place of
reading a file.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import click

from falconer_offline import emit, ingest, terminal
from falconer_offline.cli.shell import Shell
from falconer_shared.crossing.options import SCAN_FLAGS, SHOW_FLAGS, Scan, Show, attach
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_shared.crossing.choice import Choice, Plan
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


def show_options(function: Callable[..., object]) -> Callable[..., object]:
    """`--qr`, `--gif FILE` and their kin, as one argument `codes: Show`."""
    return attach(click, function, SHOW_FLAGS, "codes", Show)


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
    received = scanned(files, kinds, scan)
    # to be compared with what the other side says it shows: no checksum of a code proves anything (A100)
    terminal.say(f"Scanned {len(received.data)} bytes, SHA-256 {received.digest}", aside=True, indent=8)
    ingest.check_size(received.data, limit, what)
    return received.data


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

        write = _writer(terminal.drawing_stream(aside=True))
        with Monitor(write, *terminal.size(), time.sleep) as monitor:
            yield scan.source(files, monitor.preview), monitor.at
        return
    with terminal.Progress() as progress:

        def tell(state: State) -> None:
            progress.at(*state.done, state.text() + ("   (Ctrl-C ends)" if not state.of else ""))

        yield scan.source(files), tell


def _writer(stream: IO[str]) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def paint() -> Paint:
    """Colours, unless NO_COLOR asks for none (no-color.org)."""
    from falconer_shared.qr.draw import Paint

    return Paint.DARK if os.environ.get("NO_COLOR") else Paint.COLOURS


def _check_drawing() -> None:
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
        raise _too_small(code.version)
    stream.write(code.terminal(paint()))
    stream.flush()


def _too_small(version: int) -> UsageError:
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


@dataclass(frozen=True, slots=True)
class Exit:
    """The ways by which an answer leaves: checked before anything is signed, used after it."""

    out: str | None
    replace: bool
    codes: Show
    choice: Choice
    stream: IO[str] | None
    version: int

    @classmethod
    def prepare(cls, shell: Shell, out: str | None, codes: Show) -> Exit:
        """See that every way is open, and ask whether an old file may be replaced.

        Raises:
            UsageError: `usage`, `terminal-needed`, `qr-terminal-too-small`, `qr-drawing-missing`, `qr-density`,
            `qr-rate`, `send-kind-unsupported`. StateError: `file-exists`. Declined: the file stays.
        """
        from falconer_shared.transport.parts import Kind

        if out is None and not codes.wanted:
            raise UsageError("usage", "say where the answer goes: --out FILE, --qr or --qr-images DIR")
        choice = codes.choice
        # a way that a receiver does not take is found before anything is signed
        choice.plan(b"psbt\xff", Kind.PSBT)
        stream, version = None, 0
        if codes.wanted:
            _check_drawing()
        for name in codes.written:
            emit.check_free(name)
        if codes.qr:
            from falconer_shared.qr.draw import largest_version

            stream = terminal.drawing_stream(aside=shell.aside)
            columns, lines = terminal.size()
            version = largest_version(columns, lines - 1)  # the last line is the caption's
            if version < LEAST_VERSION:
                raise _too_small(LEAST_VERSION)
        return cls(out, out is not None and terminal.may_replace(out), codes, choice, stream, version)

    def give(self, data: bytes) -> str:
        """Let a PSBT out by every way; a sentence on where it is.

        Raises:
            StateError: `file-exists`, `file-not-writable`.
        """
        from falconer_shared.transport.parts import Kind

        places = []
        if self.out is not None:
            emit.write_file(self.out, data, replace=self.replace)
            places.append(f"in {safe(self.out)}")
        if self.codes.wanted:
            plan = self.choice.plan(data, Kind.PSBT)
            try:
                places += write_codes(plan, self.codes, "signed answer")
                if self.stream is not None:
                    places.append(f"shown as {animate(plan, self.stream, self.version)} codes")
            except UsageError as problem:
                # signed it is, and signing the same request again counts once
                problem.remedy = "sign the request again, with --out FILE, or with codes of a higher density"
                raise
            places[-1] += f" (SHA-256 {hashlib.sha256(data).hexdigest()})"
        return " and ".join(places)


def write_codes(plan: Plan, codes: Show, title: str) -> list[str]:
    """Write the codes as the files that were asked for; where they are, in words.

    Raises:
        StateError: `file-exists`, `file-not-writable`. UsageError: `qr-payload-too-large`,
        `qr-animation-too-long`.
    """
    from falconer_shared.crossing import written

    places = []
    with terminal.Progress() as progress:

        def tell(done: int, total: int) -> None:
            progress.at(done, total, f"{done} of {total} codes")

        if codes.qr_images is not None:
            sending = plan.make(plan.version)
            emit.write_folder(codes.qr_images, dict(written.pictures(sending, tell)))
            places.append(f"in {sending.n} pictures in {safe(codes.qr_images)}")
        if codes.gif is not None:
            emit.write_file(
                codes.gif, written.animation(plan.make(plan.version), plan.frames_per_second, tell)
            )
            places.append(f"in {safe(codes.gif)}")
        if codes.html is not None:
            page = written.browser_page(title, plan.make, plan.version, plan.frames_per_second, tell)
            emit.write_file(codes.html, page.encode("utf-8"))
            places.append(f"in {safe(codes.html)}")
    return places


def animate(plan: Plan, stream: IO[str], limit: int) -> int:
    """Show codes of at most version `limit` until a key ends it; how many were shown.

    Raises:
        UsageError: `qr-payload-too-large`, `terminal-needed`.
    """
    from falconer_shared.crossing.reel import Reel
    from falconer_shared.qr.show import animate as play

    reel = Reel(plan.make, plan.version, limit, terminal.size()[0])
    with terminal.keys() as key:
        return play(reel, _writer(stream), key, frames_per_second=plan.frames_per_second, paint=paint())
