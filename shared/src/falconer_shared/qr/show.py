"""Codes one after the other in a terminal, at a rate and density that the person changes while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from falconer_shared.qr.draw import Code, Paint, draw

FRAMES_PER_SECOND: Final = 8
"""Cameras take 15 to 30 pictures a second and need two of each code to have a sharp one."""

SLOWEST: Final = 1
FASTEST: Final = 30

FASTER: Final = frozenset("+=")
SLOWER: Final = frozenset("-_")
DENSER: Final = "]"
SPARSER: Final = "["
INVERT: Final = "i"

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_CLEAR: Final = "\x1b[2J"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"


class Reel(Protocol):
    """What is shown, cut into codes of a density that can change."""

    def frames(self) -> Iterator[str]:
        """The texts of the codes from the beginning, at the present density."""

    def caption(self, shown: int, frames_per_second: int) -> str:
        """One line beneath the code; so many were shown at this density."""

    def denser(self, step: int) -> bool:
        """Larger codes (1) or smaller ones (-1); whether that changed anything."""


class _End(Exception):
    """A key that ends."""


class Pace:
    """What the keys change: the rate, and the density of a reel."""

    def __init__(self, reel: Reel, frames_per_second: int) -> None:
        self._reel = reel
        self.rate = frames_per_second

    def press(self, key: str) -> bool:
        """Act on a key; whether the reel begins again.

        Raises:
            _End: by any key without another meaning.
        """
        if key in FASTER or key in SLOWER:
            self.rate = min(max(self.rate + (1 if key in FASTER else -1), SLOWEST), FASTEST)
            return False
        if key in {DENSER, SPARSER}:
            return self._reel.denser(1 if key == DENSER else -1)
        raise _End


def play(
    reel: Reel,
    draw_code: Callable[[Code, str], object],
    wait: Callable[[float], str | None],
    *,
    frames_per_second: int,
    begin_again: Callable[[], object] = lambda: None,
) -> int:
    """Show a reel until a key ends it; how many codes were shown.

    `draw_code` puts a code and a line beneath it where they are seen. `wait(seconds)` waits, and returns a key
    that was pressed meanwhile: `+` and `-` change the rate, `[` and `]` the density, any other key ends, Ctrl-C
    at any moment too. After the last code of a reel that ends, that code stays.
    """
    total = 0
    pace = Pace(reel, frames_per_second)
    try:
        frames, shown, version, due = reel.frames(), 0, 1, time.monotonic()
        while True:
            text = next(frames, None)
            if text is not None:
                code = draw(text, at_least=version)
                version = code.version
                shown += 1
                total += 1
                draw_code(code, reel.caption(shown, pace.rate))
            now = time.monotonic()
            due = max(due + 1 / pace.rate, now)
            key = wait(due - now if text is not None else 1.0)
            if key is not None and pace.press(key):
                frames, shown, version = reel.frames(), 0, 1
                begin_again()
    except (_End, KeyboardInterrupt):
        # Ctrl-C between two waits is a key like any other: what is shown is done already
        return total


def animate(
    reel: Reel,
    write: Callable[[str], object],
    wait: Callable[[float], str | None],
    *,
    frames_per_second: int = FRAMES_PER_SECOND,
    paint: Paint = Paint.COLOURS,
) -> int:
    """`play` on the terminal's second screen. `write` puts text on the terminal at once. However this ends, the
    first screen and the cursor come back. Where light and dark were only guessed, the key `i` exchanges them.
    """
    drawn: tuple[Code, str] | None = None

    def key(seconds: float) -> str | None:
        nonlocal paint
        pressed = wait(seconds)
        if pressed != INVERT or paint is Paint.COLOURS:
            return pressed
        paint = paint.inverted()
        # a code that stands still is drawn no other time
        if drawn is not None:
            draw_code(*drawn)
        return None

    def draw_code(code: Code, caption: str) -> None:
        nonlocal drawn
        drawn = code, caption
        write(f"{_HOME}{code.terminal(paint)}{caption}{_REST_OF_LINE}")

    write(_ENTER)
    try:
        return play(
            reel, draw_code, key, frames_per_second=frames_per_second, begin_again=lambda: write(_CLEAR)
        )
    finally:
        write(_LEAVE)
