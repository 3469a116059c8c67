"""What crosses the gap, as the command line takes and gives it: files, pictures of QR codes, a camera, codes
in the terminal.

However bytes come, they pass the same bounds and go the same way on: a scan only stands in the place of
reading a file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from falconer_offline import emit, ingest, terminal
from falconer_offline.cli.shell import FOLDER, Shell
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_offline.scan import Source
    from falconer_shared.qr.draw import Paint
    from falconer_shared.transport.parts import Kind
    from falconer_shared.transport.ur import Sender

_F = TypeVar("_F", bound=Callable[..., Any])

UR_TYPES = ("crypto-psbt", "psbt", "bytes")

LEAST_VERSION = 4
"""Below it a code of an animation has hardly room for more than its own head."""

PICTURE_SCALE = 8
"""Pixels of one module in a written picture."""


def scan_options(function: _F) -> _F:
    """`--scan` and `--camera N`: codes in the place of files."""
    function = click.option(
        "--camera",
        type=click.IntRange(0, 63),
        metavar="N",
        help="Read QR codes from camera /dev/videoN, without files.",
    )(function)
    return click.option(
        "--scan", is_flag=True, help="The files are pictures of QR codes (PNG or JPEG), in any order."
    )(function)


def show_options(function: _F) -> _F:
    """`--qr`, `--qr-images DIR`, `--ur-type`: an answer as codes."""
    function = click.option(
        "--ur-type",
        type=click.Choice(UR_TYPES),
        default=UR_TYPES[0],
        show_default=True,
        help="Name in the codes.",
    )(function)
    function = click.option(
        "--qr-images",
        type=FOLDER,
        metavar="DIR",
        help="Write the codes as numbered pictures into a new folder.",
    )(function)
    return click.option(
        "--qr", is_flag=True, help="Show it as QR codes in this terminal, until a key is pressed."
    )(function)


def source(files: Sequence[str], camera: int | None) -> Source:
    """Where a scan reads.

    Raises:
        UsageError: `usage`.
    """
    from falconer_offline.scan import Source

    if (camera is None) != bool(files):
        raise UsageError("usage", "--scan takes pictures, and --camera takes none")
    return Source(tuple(files), camera)


def take(
    files: Sequence[str], limit: int, what: str, kinds: Collection[Kind], *, scan: bool, camera: int | None
) -> bytes:
    """The bytes of one file, or of one message that came as codes; at most `limit` of them.

    Raises:
        UsageError: `usage`. What `ingest.read_file` and `scan.receive` raise.
    """
    if not scan and camera is None:
        if len(files) != 1:
            raise UsageError("usage", f"name one file: the {what}", remedy="--scan takes several pictures")
        return ingest.read_file(files[0], limit, what)
    from falconer_offline.scan import receive

    with terminal.Progress() as progress:
        received = receive(source(files, camera), kinds, progress.at)
    # to be compared with what the other side says it shows: no checksum of a code proves anything (A100)
    terminal.say(f"Scanned {len(received.data)} bytes, SHA-256 {received.digest}", aside=True, indent=8)
    ingest.check_size(received.data, limit, what)
    return received.data


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
    images: str | None
    stream: IO[str] | None
    version: int
    ur_type: str

    @classmethod
    def prepare(cls, shell: Shell, out: str | None, *, qr: bool, qr_images: str | None, ur_type: str) -> Exit:
        """See that every way is open, and ask whether an old file may be replaced.

        Raises:
            UsageError: `usage`, `terminal-needed`, `qr-terminal-too-small`, `qr-drawing-missing`.
            StateError: `file-exists`. Declined: the file stays.
        """
        if out is None and qr_images is None and not qr:
            raise UsageError("usage", "say where the answer goes: --out FILE, --qr or --qr-images DIR")
        stream, version = None, 0
        if qr or qr_images is not None:
            _check_drawing()
        if qr_images is not None:
            emit.check_free(qr_images)
        if qr:
            from falconer_shared.qr.draw import largest_version

            stream = terminal.drawing_stream(aside=shell.aside)
            columns, lines = terminal.size()
            version = largest_version(columns, lines - 1)  # the last line is the caption's
            if version < LEAST_VERSION:
                raise _too_small(LEAST_VERSION)
        return cls(out, out is not None and terminal.may_replace(out), qr_images, stream, version, ur_type)

    def give(self, data: bytes) -> str:
        """Let a PSBT out by every way; a sentence on where it is.

        Raises:
            StateError: `file-exists`, `file-not-writable`.
        """
        places = []
        if self.out is not None:
            emit.write_file(self.out, data, replace=self.replace)
            places.append(f"in {safe(self.out)}")
        if self.images is not None:
            count = self._write_pictures(self.images, data)
            places.append(f"in {count} pictures in {safe(self.images)}")
        if self.stream is not None:
            shown = self._animate(self.stream, data)
            places.append(f"shown as {shown} codes")
        if self.images is not None or self.stream is not None:
            places[-1] += f" (SHA-256 {hashlib.sha256(data).hexdigest()})"
        return " and ".join(places)

    def _sender(self, data: bytes, version: int) -> Sender:
        from falconer_shared.qr.draw import characters
        from falconer_shared.transport import fountain
        from falconer_shared.transport.parts import Kind
        from falconer_shared.transport.ur import Sender

        try:
            return Sender(
                data, Kind.PSBT, characters(version), schedule=fountain.dense, type_name=self.ur_type
            )
        except ValueError:
            # signed it is, and signing the same request again counts once
            raise UsageError(
                "qr-payload-too-large",
                f"{len(data)} bytes do not go through codes of this size",
                remedy="sign the request again, with --out FILE or in a larger window",
                size=len(data),
            ) from None

    def _write_pictures(self, folder: str, data: bytes) -> int:
        from falconer_shared.qr.draw import DEFAULT_VERSION, draw

        sender = self._sender(data, DEFAULT_VERSION)
        width = max(len(str(sender.n)), 3)
        version = 1
        pictures = {}
        with terminal.Progress() as progress:
            for number in range(1, sender.n + 1):
                code = draw(sender.frame(number), at_least=version)
                version = code.version
                pictures[f"frame-{number:0{width}}.png"] = code.png(PICTURE_SCALE)
                progress.at(number, sender.n, f"{number} of {sender.n} pictures")
            emit.write_folder(folder, pictures)
        return sender.n

    def _animate(self, stream: IO[str], data: bytes) -> int:
        from falconer_shared.qr.show import animate

        sender = self._sender(data, self.version)

        def write(text: str) -> None:
            stream.write(text)
            stream.flush()

        def caption(shown: int) -> str:
            if sender.n == 1:
                return "One code. Any key ends."
            return f"{shown} shown, {sender.n} needed. Any key ends."

        with terminal.key_press() as pressed:
            return animate(sender.frames(), write, pressed, caption=caption, paint=paint())
