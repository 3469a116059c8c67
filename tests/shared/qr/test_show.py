"""Codes one after the other in a terminal, with the person at the keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from falconer_shared.qr.draw import Paint, draw
from falconer_shared.qr.show import FASTEST, SLOWEST, animate


class Letters:
    """A reel of codes; density 1 shows capitals, 2 the words of a longer one."""

    def __init__(self, *reels: Sequence[str]) -> None:
        self.reels = reels
        self.at = 0
        self.rates: list[int] = []

    def frames(self) -> Iterator[str]:
        return iter(self.reels[self.at])

    def caption(self, shown: int, frames_per_second: int) -> str:
        self.rates.append(frames_per_second)
        return f"code {shown}"

    def denser(self, step: int) -> bool:
        if not 0 <= self.at + step < len(self.reels):
            return False
        self.at += step
        return True


class Screen:
    """What is written, and keys that are pressed at given waits (from 1)."""

    def __init__(self, keys: dict[int, str]) -> None:
        self.written: list[str] = []
        self.waits: list[float] = []
        self._keys = keys

    def write(self, text: str) -> None:
        self.written.append(text)

    def wait(self, seconds: float) -> str | None:
        self.waits.append(seconds)
        return self._keys.get(len(self.waits))

    @property
    def codes(self) -> list[str]:
        return [text for text in self.written if text.startswith("\x1b[H")]


def test_every_frame_is_shown_until_the_person_stops() -> None:
    screen = Screen({3: "q"})
    shown = animate(Letters("ABCDE"), screen.write, screen.wait, paint=Paint.LIGHT)
    assert shown == 3
    assert len(screen.codes) == 3
    for letter, text in zip("ABC", screen.codes, strict=True):
        assert text.startswith("\x1b[H" + draw(letter).terminal(Paint.LIGHT))
    assert "code 3" in screen.codes[-1]


def test_codes_keep_their_size() -> None:
    screen = Screen({2: "q"})
    animate(Letters(["A" * 200, "A"]), screen.write, screen.wait, paint=Paint.LIGHT)
    assert screen.codes[0].count("\n") == screen.codes[1].count("\n")


def test_the_last_frame_stays_until_the_person_stops() -> None:
    screen = Screen({4: "\x03"})
    assert animate(Letters("A"), screen.write, screen.wait) == 1
    assert len(screen.waits) == 4
    assert len(screen.codes) == 1


def test_the_rate_is_kept() -> None:
    """What drawing takes is taken off the waiting."""
    screen = Screen({6: "q"})

    def wait(seconds: float) -> str | None:
        time.sleep(seconds)
        return screen.wait(seconds)

    start = time.monotonic()
    animate(Letters("ABCDEF"), screen.write, wait, frames_per_second=10)
    assert 0.6 <= time.monotonic() - start < 1.2
    assert all(0 <= wait < 0.1 for wait in screen.waits)


@pytest.mark.parametrize(
    ("keys", "rates"),
    [
        ({1: "+", 2: "=", 3: "q"}, [8, 9, 10]),
        ({1: "-", 2: "_", 3: "q"}, [8, 7, 6]),
        ({1: "+", 2: "-", 3: "q"}, [8, 9, 8]),
    ],
)
def test_keys_change_the_rate(keys: dict[int, str], rates: list[int]) -> None:
    screen, reel = Screen(keys), Letters("ABCDE")
    animate(reel, screen.write, screen.wait)
    assert reel.rates == rates


def test_the_rate_stays_within_its_bounds() -> None:
    for key, bound in (("+", FASTEST), ("-", SLOWEST)):
        screen, reel = Screen({**dict.fromkeys(range(1, 40), key), 40: "q"}), Letters("A" * 50)
        animate(reel, screen.write, screen.wait)
        assert reel.rates[-1] == bound


def test_keys_change_the_density_and_begin_again() -> None:
    screen, reel = Screen({2: "]", 4: "]", 5: "[", 6: "q"}), Letters("AB", ["C" * 100, "D" * 100, "E" * 100])
    assert animate(reel, screen.write, screen.wait, paint=Paint.LIGHT) == 6
    shown = [text.split("code ")[1][0] for text in screen.codes]
    assert shown == ["1", "2", "1", "2", "3", "1"]
    assert screen.written.count("\x1b[2J") == 2
    # smaller codes again after larger ones: the size does not stick
    assert screen.codes[0].count("\n") == screen.codes[-1].count("\n") < screen.codes[2].count("\n")


def test_a_code_that_stays_can_change_its_density_too() -> None:
    screen = Screen({3: "]", 4: "q"})
    assert animate(Letters("A", "B"), screen.write, screen.wait) == 2


def test_a_key_inverts_where_light_and_dark_were_guessed() -> None:
    screen = Screen({2: "i", 4: "i", 5: "q"})
    animate(Letters("A"), screen.write, screen.wait, paint=Paint.DARK)
    drawn = [text.removeprefix("\x1b[H") for text in screen.codes]
    code = draw("A")
    assert [text.startswith(code.terminal(Paint.LIGHT)) for text in drawn] == [False, True, False]
    assert [text.startswith(code.terminal(Paint.DARK)) for text in drawn] == [True, False, True]
    assert all("code 1" in text for text in drawn)
    # colours are right whatever the theme: there the key is like any other
    screen = Screen({2: "i"})
    assert animate(Letters("ABC"), screen.write, screen.wait) == 2


@pytest.mark.parametrize("where", ["wait", "write", "frames"])
def test_ctrl_c_ends_wherever_it_comes(where: str) -> None:
    screen = Screen({})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def frames() -> Iterator[str]:
        yield "A"
        raise KeyboardInterrupt

    def write(text: str) -> None:
        screen.write(text)
        if where == "write" and text.startswith("\x1b[H"):
            raise KeyboardInterrupt

    reel = Letters("AB")
    if where == "frames":
        reel.frames = frames  # type: ignore[method-assign]
    assert animate(reel, write, interrupted if where == "wait" else screen.wait) == 1
    assert screen.written[-1].endswith("\x1b[?1049l")


def test_the_screen_comes_back_whatever_happens() -> None:
    def broken(_seconds: float) -> str | None:
        raise OSError("the terminal is gone")

    screen = Screen({})
    with pytest.raises(OSError, match="gone"):
        animate(Letters("A"), screen.write, broken)
    assert screen.written[0].startswith("\x1b[?1049h")
    assert screen.written[-1].endswith("\x1b[?1049l")
    assert "\x1b[?25h" in screen.written[-1]
