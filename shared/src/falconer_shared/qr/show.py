"""Codes one after the other in a terminal, at a steady rate, until the person has had enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from falconer_shared.qr.draw import Paint, draw

FRAMES_PER_SECOND: Final = 8
"""Cameras take 15 to 30 pictures a second and need two of each code to have a sharp one."""

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"


def animate(
    frames: Iterable[str],
    write: Callable[[str], object],
    wait: Callable[[float], bool],
    *,
    caption: Callable[[int], str] = lambda _shown: "",
    frames_per_second: int = FRAMES_PER_SECOND,
    paint: Paint = Paint.COLOURS,
) -> int:
    """Show frames on the terminal's second screen until they end or `wait` says stop; how many were shown.

    `write` puts text on the terminal at once. `wait(seconds)` waits, and returns whether the person asked to
    stop (a key); after the last frame it is asked until they do. `caption(shown)` is one line beneath the
    code. However this ends, the first screen and the cursor come back.
    """
    shown = 0
    version = 1
    write(_ENTER)
    try:
        due = time.monotonic()
        for text in frames:
            code = draw(text, at_least=version)
            version = code.version
            write(f"{_HOME}{code.terminal(paint)}{caption(shown + 1)}{_REST_OF_LINE}")
            shown += 1
            now = time.monotonic()
            due = max(due + 1 / frames_per_second, now)
            if wait(due - now):
                return shown
        while not wait(1.0):
            pass
        return shown
    finally:
        write(_LEAVE)
