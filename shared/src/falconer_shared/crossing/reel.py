"""A payload as codes whose density can change while they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from falconer_shared.errors import UsageError
from falconer_shared.qr.draw import Code, draw, terminal_size
from falconer_shared.qr.show import INVERT, play
from falconer_shared.transport.send import Sending

DENSITIES: Final = (3, 4, 5, 6, 8, 10, 12, 15, 18, 20, 22, 25, 28, 31, 35, 40)
"""Versions that the keys step through; between two of them the payload of a code grows by a fifth to a third."""


class Reel:
    """What `qr.show.animate` shows. `make` cuts the payload for codes of at most a version; `limit` is the
    largest that fits where it is shown, and `columns` how long the line beneath may be. `plain` is for terminals
    whose light and dark are only guessed.

    Raises:
        UsageError: what `make` raises for the first version; `qr-terminal-too-small` where only a larger code than
        fits would hold the payload.
    """

    def __init__(
        self, make: Callable[[int], Sending], version: int, limit: int, columns: int, *, plain: bool = False
    ) -> None:
        self._make = make
        self._limit = limit
        self._columns = columns
        self._invert = f"{INVERT} inverts, " if plain else ""
        self.version: int = min(version, limit)
        self.sending: Sending = self._first(version)

    def _first(self, version: int) -> Sending:
        try:
            return self._make(self.version)
        except UsageError:
            if version == self.version:
                raise
            # with what is wrong at any size, if it is that
            needed = self._make(version)
        code = draw(needed.frame(1))
        wide, high = terminal_size(code.version)
        raise UsageError(
            "qr-terminal-too-small",
            f"a code that holds it takes {wide} columns and {high + 1} lines",
            remedy="enlarge the window, make its letters smaller, or have the codes written as images",
        )

    def frames(self) -> Iterator[str]:
        """The texts of the codes from the beginning; without end, unless one code is enough."""
        return self.sending.frames()

    def caption(self, shown: int, frames_per_second: int) -> str:
        """What a person wants to know meanwhile, the most wanted first: the line may be cut off."""
        if self.sending.n == 1:
            ending = f"{self._invert}any other key" if self._invert else "Any key"
            return f"One code. {ending} ends."[: self._columns - 1]
        line = (
            f"{shown} shown, {self.sending.n} needed. Any key ends; {self._invert}"
            f"+ - speed ({frames_per_second} a second), [ ] density ({self.version})"
        )
        return line[: self._columns - 1]

    def denser(self, step: int) -> bool:
        """The next version up (1) or down (-1) that holds the payload."""
        if self.sending.n == 1 and step > 0:
            return False
        wider = [version for version in DENSITIES if self.version < version <= self._limit]
        smaller = [version for version in reversed(DENSITIES) if version < self.version]
        for version in (wider or [self._limit] * (self.version < self._limit)) if step > 0 else smaller:
            try:
                self.sending = self._make(version)
            except UsageError:
                # too small for this payload, and smaller ones are too
                return False
            self.version = version
            return True
        return False


WINDOW_SCALE: Final = 6
"""Pixels of a module in the picture that a window stretches."""


def in_window(reel: Reel, show: Callable[[bytes, float], str | None], frames_per_second: int) -> int:
    """Show a reel in a window until a key ends it; how many codes were shown. `show(png, seconds)` is
    `qr.client.Window.show`.

    Raises:
        DeviceError: `qr-window-missing`.
    """
    picture = b""

    def draw_code(code: Code, _caption: str) -> None:
        nonlocal picture
        picture = code.png(WINDOW_SCALE)

    return play(reel, draw_code, lambda seconds: show(picture, seconds), frames_per_second=frames_per_second)
