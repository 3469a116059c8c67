"""Codes on the command line: `--qr`, `--qr-images DIR`, `--scan`, `--camera N`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from falconer_online.cli.options import FILE, shown
from falconer_online.cli.session import Session
from falconer_shared.errors import Malformed, UsageError

if TYPE_CHECKING:
    from falconer_shared.transport.parts import Kind

_F = TypeVar("_F", bound=Callable[..., object])


def show_options(function: _F) -> _F:
    """`--qr` and `--qr-images DIR`."""
    function = click.option(
        "--qr-images",
        type=FILE,
        metavar="DIR",
        help="Write the codes as numbered pictures into a new folder.",
    )(function)
    return click.option(
        "--qr", is_flag=True, help="Show it as QR codes in this terminal, until a key is pressed."
    )(function)


def scan_options(function: _F) -> _F:
    """`--scan` and `--camera N`."""
    function = click.option(
        "--camera", type=click.IntRange(0, 63), metavar="N", help="Read QR codes from camera /dev/videoN."
    )(function)
    return click.option(
        "--scan", is_flag=True, help="The files are pictures of QR codes (PNG or JPEG), in any order."
    )(function)


def show(session: Session, payload: bytes, kind: Kind, *, qr: bool, images: Path | None) -> None:
    """Show a payload in every way that was asked for.

    Raises:
        UsageError: `terminal-needed`, `qr-terminal-too-small`, `qr-payload-too-large`.
    """
    if images is not None:
        from falconer_online.crossing import write_pictures

        with session.progress("drawing") as progress:
            count = write_pictures(payload, kind, images, progress)
        session.say(f"{count} pictures written: {shown(images)}")
    if qr:
        _animate(session, payload, kind)


def check_terminal(session: Session) -> tuple[int, int]:
    """Columns and lines of the terminal that codes are drawn on; asked before anything is changed.

    Raises:
        UsageError: `terminal-needed`.
    """
    if not session.people.isatty() or not sys.stdin.isatty():
        raise UsageError(
            "terminal-needed",
            "codes are drawn on a terminal, and there is none",
            remedy="have them written as pictures: --qr-images DIR",
        )
    size = os.get_terminal_size(session.people.fileno())
    return size.columns, size.lines


def _animate(session: Session, payload: bytes, kind: Kind) -> None:
    from falconer_online.crossing import sender
    from falconer_shared.qr.draw import Paint, largest_version
    from falconer_shared.qr.show import animate

    columns, lines = check_terminal(session)
    # the last line is the caption's
    made = sender(payload, kind, largest_version(columns, lines - 1))
    stream = session.people

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    def caption(number: int) -> str:
        if made.n == 1:
            return "one code. Any key ends."
        return f"{number} shown, {made.n} needed. Any key ends."[: columns - 1]

    paint = Paint.DARK if os.environ.get("NO_COLOR") else Paint.COLOURS
    with _key_press() as pressed:
        count = animate(made.frames(), write, pressed, caption=caption, paint=paint)
    session.say(f"{count} codes shown; SHA-256 of what they hold: {made.digest}")


@contextmanager
def _key_press() -> Iterator[Callable[[float], bool]]:
    """A function that waits so many seconds and says whether a key was pressed. Ctrl-C is a key too; keys are
    not shown, and what was typed ahead is dropped.
    """
    import select
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    quiet = termios.tcgetattr(number)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(number, termios.TCSAFLUSH, quiet)

    def pressed(seconds: float) -> bool:
        until = time.monotonic() + seconds
        try:
            ready, _, _ = select.select([number], [], [], max(0.0, until - time.monotonic()))
        except KeyboardInterrupt:
            return True
        if ready:
            os.read(number, 64)
        return bool(ready)

    try:
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSAFLUSH, before)


def scan(session: Session, files: tuple[Path, ...], camera: int | None) -> list[tuple[str, bytes]]:
    """The PSBTs in pictures or before a camera, each with a name for sentences.

    Raises:
        UsageError: `usage`. Malformed: `scan-other-kind`, and what `read_pictures` refuses.
    """
    from falconer_online.crossing import read_pictures, watch_camera
    from falconer_shared.transport.parts import Kind

    if (camera is None) != bool(files):
        raise UsageError("usage", "--scan takes pictures, and --camera takes none")
    if camera is None:
        with session.progress("reading pictures") as progress:
            found = read_pictures(files, progress)
    else:
        session.say("Hold the codes before the camera. Ctrl-C ends.")
        with session.progress("receiving") as progress:
            found = (watch_camera(camera, progress, session.warn),)
    named = []
    for number, received in enumerate(found, 1):
        if received.kind is not Kind.PSBT:
            raise Malformed(
                "scan-other-kind",
                f"the codes hold a message of kind '{received.kind.value}', and a PSBT is wanted here",
            )
        session.say(f"scanned {len(received.data):,} bytes, SHA-256 {received.digest}")
        named.append((f"scanned message {number}", received.data))
    return named
