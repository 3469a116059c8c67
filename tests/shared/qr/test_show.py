"""Codes one after the other in a terminal."""

from __future__ import annotations

import time

import pytest

from falconer_shared.qr.draw import Paint, draw
from falconer_shared.qr.show import animate


class Screen:
    def __init__(self, stop_after: int = 10**9) -> None:
        self.written: list[str] = []
        self.waits: list[float] = []
        self._stop_after = stop_after

    def write(self, text: str) -> None:
        self.written.append(text)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return len(self.waits) >= self._stop_after


def test_every_frame_is_shown_until_the_person_stops() -> None:
    screen = Screen(stop_after=3)
    shown = animate(
        iter("ABCDE"), screen.write, screen.wait, paint=Paint.LIGHT, caption=lambda n: f"code {n}"
    )
    assert shown == 3
    assert [
        text.startswith("\x1b[H" + draw(letter).terminal(Paint.LIGHT))
        for letter, text in zip("ABC", screen.written[1:-1], strict=True)
    ]
    assert "code 3" in screen.written[-2]


def test_codes_keep_their_size() -> None:
    screen = Screen(stop_after=2)
    animate(["A" * 200, "A"], screen.write, screen.wait, paint=Paint.LIGHT)
    assert screen.written[1].count("\n") == screen.written[2].count("\n")


def test_the_last_frame_stays_until_the_person_stops() -> None:
    screen = Screen(stop_after=4)
    assert animate(["A"], screen.write, screen.wait) == 1
    assert len(screen.waits) == 4


def test_the_rate_is_kept() -> None:
    """What drawing takes is taken off the waiting."""
    screen = Screen(stop_after=6)

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return screen.wait(seconds)

    start = time.monotonic()
    animate(iter("ABCDEF"), screen.write, wait, frames_per_second=10)
    assert 0.6 <= time.monotonic() - start < 1.2
    assert all(0 <= wait < 0.1 for wait in screen.waits)


def test_the_screen_comes_back_whatever_happens() -> None:
    def broken(_seconds: float) -> bool:
        raise KeyboardInterrupt

    screen = Screen()
    with pytest.raises(KeyboardInterrupt):
        animate(["A"], screen.write, broken)
    assert screen.written[0].startswith("\x1b[?1049h")
    assert screen.written[-1].endswith("\x1b[?1049l")
    assert "\x1b[?25h" in screen.written[-1]
