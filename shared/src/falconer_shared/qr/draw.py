"""One QR code: as text for a terminal, as a PNG, as an SVG.

Error correction is L: codes follow each other, and a code that is not read is one part lost, which the next
part makes good. The mask is fixed, since trying all eight takes four times as long and no reader needs it.
The quiet zone is always the standard's four modules.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from falconer_shared.encoding.capacity import MAX_VERSION, Mode, capacity
from falconer_shared.errors import UsageError

QUIET_ZONE: Final = 4
"""Light modules on each side (ISO 18004)."""

_MASK: Final = 2


def side(version: int) -> int:
    """Modules along one side, without the quiet zone."""
    return 17 + 4 * version


def characters(version: int) -> int:
    """Characters of the alphanumeric mode (upper case, digits and nine signs, as UR uses) that fit."""
    return capacity(version, Mode.ALPHANUMERIC)


def terminal_size(version: int) -> tuple[int, int]:
    """Columns and lines that `Code.terminal` takes: two modules stand in one character, one above the other."""
    modules = side(version) + 2 * QUIET_ZONE
    return modules, (modules + 1) // 2


def largest_version(columns: int, lines: int, limit: int = MAX_VERSION) -> int:
    """The densest code that a terminal of this size can show.

    Raises:
        UsageError: `qr-terminal-too-small`.
    """
    for version in range(limit, 0, -1):
        wide, high = terminal_size(version)
        if wide <= columns and high <= lines:
            return version
    wide, high = terminal_size(1)
    raise UsageError(
        "qr-terminal-too-small",
        f"the terminal has {columns} columns and {lines} lines; the smallest code takes {wide} and {high}",
        remedy="enlarge the window, make its letters smaller, or have the codes written as images",
        columns=columns,
        lines=lines,
    )


class Paint(Enum):
    """How a terminal shows light and dark. A code whose light parts are dark is read by few cameras."""

    COLOURS = "colours"
    """Black on white, said to the terminal: right whatever its theme is."""
    DARK = "dark"
    """Without colours, for light letters on a dark background."""
    LIGHT = "light"
    """Without colours, for dark letters on a light background."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Colours, unless NO_COLOR asks for none (no-color.org). Which background there is then, COLORFGBG says, where a
        terminal sets it (`ink;background`, 7 and 15 are light); most are dark.
        """
        if not environment.get("NO_COLOR"):
            return cls(Paint.COLOURS)
        light = environment.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"}
        return cls(Paint.LIGHT if light else Paint.DARK)

    def inverted(self) -> Paint:
        """What is right where this one is wrong. Colours are never wrong."""
        return {Paint.DARK: Paint.LIGHT, Paint.LIGHT: Paint.DARK}.get(self, self)


# (upper module dark, lower module dark) -> character whose ink is dark
_INK: Final = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
_BLACK_ON_WHITE: Final = "\x1b[38;2;0;0;0m\x1b[48;2;255;255;255m"
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Code:
    """A drawn code: rows of modules, 1 for dark, without the quiet zone."""

    version: int
    rows: tuple[bytes, ...]

    def bordered(self) -> list[bytes]:
        """The rows with the quiet zone around them."""
        border = bytes(QUIET_ZONE)
        blank = bytes(len(self.rows) + 2 * QUIET_ZONE)
        return [blank] * QUIET_ZONE + [border + row + border for row in self.rows] + [blank] * QUIET_ZONE

    def terminal(self, paint: Paint = Paint.COLOURS) -> str:
        """Half blocks, one line of text for two rows of modules; every line ends in LF."""
        rows = self.bordered()
        if len(rows) % 2:
            rows.append(bytes(len(rows[0])))
        ink = _INK
        if paint is Paint.DARK:
            ink = {(upper, lower): _INK[1 - upper, 1 - lower] for upper, lower in _INK}
        before, after = (_BLACK_ON_WHITE, _RESET) if paint is Paint.COLOURS else ("", "")
        return "".join(
            f"{before}{''.join(map(ink.__getitem__, zip(upper, lower, strict=True)))}{after}\n"
            for upper, lower in zip(rows[::2], rows[1::2], strict=True)
        )

    def png(self, scale: int = 8) -> bytes:
        """A PNG of one bit a pixel, `scale` pixels a module."""
        rows = self.bordered()
        width = len(rows[0]) * scale
        lines = []
        for row in rows:
            # in PNG, 1 is white; what is left of the last byte is white too
            bits = "".join("0" * scale if module else "1" * scale for module in row)
            packed = int(bits.ljust(-(-width // 8) * 8, "1"), 2).to_bytes(-(-width // 8), "big")
            lines.append((b"\0" + packed) * scale)
        header = struct.pack(">IIBBBBB", width, width, 1, 0, 0, 0, 0)
        pixels = zlib.compress(b"".join(lines), 6)
        return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")

    def svg(self) -> str:
        """An SVG whose unit is one module."""
        size = len(self.rows) + 2 * QUIET_ZONE
        path = []
        for y, row in enumerate(self.rows, QUIET_ZONE):
            x = 0
            for run in row.replace(b"\0", b" ").split(b" "):
                if run:
                    path.append(f"M{x + QUIET_ZONE} {y}h{len(run)}v1h-{len(run)}z")
                x += len(run) + 1
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
            f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path d="{"".join(path)}"/></svg>\n'
        )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def draw(text: str, *, at_least: int = 1) -> Code:
    """The smallest code of version `at_least` or more that holds the text. Codes of one animation keep their
    size with `at_least`.

    Raises:
        UsageError: `qr-text-too-long`; `qr-drawing-missing` where segno is not installed.
    """
    try:
        import segno  # noqa: PLC0415 - 70 ms, and only who draws needs it
    except ImportError:
        raise UsageError(
            "qr-drawing-missing",
            "QR codes cannot be drawn: segno is not installed",
            remedy="install falconer-shared[qr]",
        ) from None
    try:
        drawn = segno.make_qr(text, error="l", boost_error=False, mask=_MASK)
        if int(drawn.version) < at_least:
            drawn = segno.make_qr(text, error="l", boost_error=False, mask=_MASK, version=at_least)
    except segno.DataOverflowError:
        raise UsageError(
            "qr-text-too-long", f"{len(text)} characters do not fit into one QR code", characters=len(text)
        ) from None
    return Code(int(drawn.version), tuple(bytes(row) for row in drawn.matrix))
