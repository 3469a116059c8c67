"""Codes on the command line: options, and what they do at this program's terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from falconer_online.cli.options import shown
from falconer_online.cli.session import Session
from falconer_shared.crossing.options import SCAN_FLAGS, SHOW_FLAGS, WINDOW_FLAG, Scan, Show, attach
from falconer_shared.errors import StateError, UsageError
from falconer_shared.files import check_free, disk_error, exists, write_file, write_folder
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_shared.crossing.choice import Plan
    from falconer_shared.crossing.collect import State
    from falconer_shared.crossing.hands import Hands, Source
    from falconer_shared.transport.parts import Kind, Received
    from falconer_shared.transport.send import Sending


_MODE = 0o600
"""What is shown to one camera is for nobody else's eyes."""


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
    """As `show_options`, and `--window`."""
    return attach(click, function, (*SHOW_FLAGS, WINDOW_FLAG), "codes", Show)


def show(session: Session, payload: bytes, kind: Kind, codes: Show, title: str, label: str = "") -> Sending:
    """Give a payload in every way that was asked for; how it was cut in the last of them.

    Raises:
        UsageError: `terminal-needed`, `qr-terminal-too-small`, `qr-payload-too-large`, `qr-density`,
        `qr-rate`, `send-kind-unsupported`. StateError: `folder-exists`, `file-exists`, what the disk says.
    """
    for name in filter(None, (codes.gif, codes.html)):
        check_free(Path(name))
    plan = codes.choice_for(label).plan(payload, kind)
    sending = _write(session, plan, codes, title)
    if codes.window:
        sending = _in_window(session, plan)
    return _animate(session, plan) if codes.qr else sending


def _write(session: Session, plan: Plan, codes: Show, title: str) -> Sending:
    from falconer_shared.crossing import written

    sending = plan.make(plan.version)
    if codes.qr_images is not None:
        folder = _new_folder(Path(codes.qr_images))
        with session.progress("drawing") as progress:
            pictures = dict(written.pictures(sending, progress))
        write_folder(str(folder), pictures)
        session.say(f"{sending.n} pictures written: {shown(folder)}")
    if codes.gif is not None:
        with session.progress("drawing") as progress:
            data = written.animation(sending, plan.frames_per_second, progress)
        write_file(Path(codes.gif), data, replace=False, mode=_MODE)
        session.say(f"animation written: {shown(Path(codes.gif))}")
    if codes.html is not None:
        with session.progress("drawing") as progress:
            page = written.browser_page(title, plan.make, plan.version, plan.frames_per_second, progress)
        write_file(Path(codes.html), page.encode("utf-8"), replace=False, mode=_MODE)
        session.say(f"page written: {shown(Path(codes.html))}")
    return sending


def _new_folder(folder: Path) -> Path:
    """A name for a folder; the folders above it are made."""
    if exists(folder):
        raise StateError(
            "folder-exists",
            f"{safe(str(folder))} is there already: old pictures among new ones would be a riddle",
            remedy="name a new folder",
        )
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from None
    return folder


def check_terminal(session: Session) -> tuple[int, int]:
    """Columns and lines of the terminal that codes are drawn on; asked before anything is changed.

    Raises:
        UsageError: `terminal-needed`.
    """
    if not session.people.isatty() or not sys.stdin.isatty():
        raise UsageError(
            "terminal-needed",
            "codes are drawn on a terminal, and there is none",
            remedy="have them written as pictures: --qr-images DIR, --gif FILE or --html FILE",
        )
    size = os.get_terminal_size(session.people.fileno())
    return size.columns, size.lines


def _animate(session: Session, plan: Plan) -> Sending:
    from falconer_shared.crossing.reel import Reel
    from falconer_shared.qr.draw import Paint, largest_version
    from falconer_shared.qr.show import animate

    columns, lines = check_terminal(session)
    # the last line is the caption's
    paint = Paint.of(os.environ)
    plain = paint is not Paint.COLOURS
    reel = Reel(plan.make, plan.version, largest_version(columns, lines - 1), columns, plain=plain)
    with _keys() as key:
        count = animate(
            reel, _writer(session.people), key, frames_per_second=plan.frames_per_second, paint=paint
        )
    session.say(f"{count} codes shown; SHA-256 of what they hold: {reel.sending.digest}")
    return reel.sending


def _in_window(session: Session, plan: Plan) -> Sending:
    from falconer_online.scanning import window
    from falconer_shared.crossing.reel import Reel, in_window
    from falconer_shared.encoding.capacity import MAX_VERSION

    reel = Reel(plan.make, plan.version, MAX_VERSION, 80)
    session.say("Codes are in the window: + - speed, [ ] density, any other key there ends.")
    with window() as opened:
        count = in_window(reel, opened.show, plan.frames_per_second)
    session.say(f"{count} codes shown; SHA-256 of what they hold: {reel.sending.digest}")
    return reel.sending


def _writer(stream: IO[str]) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


@contextmanager
def _keys() -> Iterator[Callable[[float], str | None]]:
    """A function that waits so many seconds and returns a key that was pressed. Ctrl-C is a key too; keys are
    not shown, and what was typed ahead is dropped.
    """
    import select
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    quiet = termios.tcgetattr(number)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(number, termios.TCSAFLUSH, quiet)

    def key(seconds: float) -> str | None:
        until = time.monotonic() + seconds
        try:
            ready, _, _ = select.select([number], [], [], max(0.0, until - time.monotonic()))
        except KeyboardInterrupt:
            return "\x03"
        # one key at a time; the input that ended is one that ends
        return (os.read(number, 1).decode("latin-1") or "\x04") if ready else None

    try:
        yield key
    finally:
        termios.tcsetattr(number, termios.TCSAFLUSH, before)


def hands() -> Hands:
    """The files, the clock and the worker of the coordinator."""
    from falconer_online.scanning import scanner
    from falconer_shared.crossing.hands import Hands

    return Hands(scanner)


def scan_psbts(session: Session, scan: Scan, files: Sequence[Path]) -> list[tuple[str, bytes]]:
    """The PSBTs and finished transactions in pictures, a video or before a camera, each with a name for sentences.

    Raises:
        As `scan_all`.
    """
    from falconer_shared.transport.parts import TRANSACTIONS

    found = scan_all(session, scan, files, TRANSACTIONS)
    return [(f"scanned message {number}", received.data) for number, received in enumerate(found, 1)]


def scan_one(session: Session, scan: Scan, files: Sequence[Path], kinds: Collection[Kind]) -> Received:
    """The one message that is shown, which is of one of these kinds.

    Raises:
        UsageError: `usage`. Malformed: `scan-other-kind`, and what `crossing.collect` refuses.
    """
    from falconer_shared.crossing.collect import receive

    with watching(session, scan, [str(file) for file in files]) as (source, tell):
        received = receive(source, kinds, hands(), tell)
    session.say(f"scanned {len(received.data):,} bytes, SHA-256 {received.digest}")
    if received.label:
        session.say(f"the sender calls it {safe(received.label, 120)}")
    return received


def scan_all(
    session: Session, scan: Scan, files: Sequence[Path], kinds: Collection[Kind]
) -> tuple[Received, ...]:
    """Every message that is shown; each is of one of these kinds.

    Raises:
        UsageError: `usage`. Malformed: `scan-other-kind`, and what `crossing.collect` refuses.
    """
    from falconer_shared.crossing.collect import check_kind, receive_all

    with watching(session, scan, [str(file) for file in files]) as (source, tell):
        found = receive_all(source, hands(), tell)
    for received in found:
        check_kind(received, kinds)
        session.say(f"scanned {len(received.data):,} bytes, SHA-256 {received.digest}")
    return found


@contextmanager
def watching(
    session: Session, scan: Scan, names: Sequence[str]
) -> Iterator[tuple[Source, Callable[[State], None]]]:
    """Where to scan, and how the person sees it: a bar; with `--preview`, the pictures."""
    if scan.preview:
        from falconer_shared.crossing.monitor import Monitor

        columns, lines = check_terminal(session)
        with Monitor(_writer(session.people), columns, lines, time.sleep) as monitor:
            yield scan.source(names, monitor.preview), monitor.at
        return
    if scan.camera is not None:
        session.say("Hold the codes before the camera. Ctrl-C ends.")
    told: str | None = None
    with session.progress("receiving" if scan.camera is not None else "reading pictures") as progress:

        def tell(state: State) -> None:
            nonlocal told
            done, total = state.done
            if total:
                progress(done, total)
            stuck = state.progress.stuck if state.progress is not None else None
            if stuck is not None and stuck != told:
                session.warn(stuck)
            told = stuck

        yield scan.source(names), tell
