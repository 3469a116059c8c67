"""Codes one after the other in a terminal, at a rate and density that the person changes while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from falconer_shared.qr.draw import Paint, draw

FRAMES_PER_SECOND: Final = 8
"""Cameras take 15 to 30 pictures a second and need two of each code to have a sharp one."""

SLOWEST: Final = 1
FASTEST: Final = 30

FASTER: Final = frozenset("+=")
SLOWER: Final = frozenset("-_")
DENSER: Final = "]"
SPARSER: Final = "["

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


def animate(
    reel: Reel,
    write: Callable[[str], object],
    wait: Callable[[float], str | None],
    *,
    frames_per_second: int = FRAMES_PER_SECOND,
    paint: Paint = Paint.COLOURS,
) -> int:
    """Show a reel on the terminal's second screen until a key ends it; how many codes were shown.

    `write` puts text on the terminal at once. `wait(seconds)` waits, and returns a key that was pressed
    meanwhile. `+` and `-` change the rate, `[` and `]` the density, any other key ends. After the last code
    of a reel that ends, that code stays. However this ends, the first screen and the cursor come back.
    """
    total = 0
    rate = frames_per_second
    write(_ENTER)
    try:
        frames, shown, version, due = reel.frames(), 0, 1, time.monotonic()
        while True:
            text = next(frames, None)
            if text is not None:
                code = draw(text, at_least=version)
                version = code.version
                shown += 1
                total += 1
                write(f"{_HOME}{code.terminal(paint)}{reel.caption(shown, rate)}{_REST_OF_LINE}")
            now = time.monotonic()
            due = max(due + 1 / rate, now)
            key = wait(due - now if text is not None else 1.0)
            if key is None:
                continue
            if key in FASTER or key in SLOWER:
                rate = min(max(rate + (1 if key in FASTER else -1), SLOWEST), FASTEST)
            elif key in {DENSER, SPARSER}:
                if reel.denser(1 if key == DENSER else -1):
                    frames, shown, version = reel.frames(), 0, 1
                    write(_CLEAR)
            else:
                return total
    except KeyboardInterrupt:
        # Ctrl-C between two waits is a key like any other: what is shown is done already
        return total
    finally:
        write(_LEAVE)
