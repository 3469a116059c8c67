"""A scan as the person sees it on a terminal: the camera's picture, a bar, and a flash at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

from falconer_shared.crossing.collect import MISSING_SHOWN, State
from falconer_shared.qr import preview as drawing

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"
_DONE: Final = "\a\x1b[?5h"
_AS_BEFORE: Final = "\x1b[?5l"
_FLASH_SECONDS: Final = 0.15

_BAR: Final = 30
_LINES_BELOW: Final = 3


class Monitor:
    """Draws states on the terminal's second screen; in a `with` the first one comes back however it ends.

    `write` puts text on the terminal at once.
    """

    def __init__(
        self, write: Callable[[str], object], columns: int, lines: int, pause: Callable[[float], object]
    ) -> None:
        self._write = write
        self._columns = columns
        self._pause = pause
        self.preview = drawing.side(columns, lines - _LINES_BELOW)
        """Pixels along a side of the previews that fit."""

    def __enter__(self) -> Self:
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_LEAVE)

    def at(self, state: State) -> None:
        """Draw how far the scan is; the bell and a flash when a message is whole."""
        lines = [] if state.preview is None else drawing.half_blocks(state.preview)
        # without a new picture the last one stays where it is
        start = _HOME + "".join(f"{line}{_REST_OF_LINE}\r\n" for line in lines) if lines else "\r"
        below = [bar(state, self._columns), _missing(state)[: self._columns - 1]]
        self._write(
            start + f"{_REST_OF_LINE}\r\n".join(below) + (_REST_OF_SCREEN if lines else _REST_OF_LINE)
        )
        if not lines:
            self._write("\x1b[A" * (len(below) - 1))
        if state.progress is not None and state.progress.complete:
            self._write(_DONE)
            self._pause(_FLASH_SECONDS)
            self._write(_AS_BEFORE)


def bar(state: State, columns: int) -> str:
    """A bar and a sentence, on one line of so many columns."""
    done, total = state.done
    filled = _BAR * min(done, total) // total if total else 0
    line = f"[{'#' * filled}{'.' * (_BAR - filled)}] " if total else ""
    return (line + state.text() + "   Ctrl-C ends.")[: columns - 1]


def _missing(state: State) -> str:
    if not state.missing or state.progress is None or not state.progress.total:
        return ""
    shown = ", ".join(map(str, state.missing[:MISSING_SHOWN]))
    return f"still to be seen: {shown}{' and more' if len(state.missing) > MISSING_SHOWN else ''}"
