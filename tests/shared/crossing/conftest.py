"""Hands with a clock that the test moves, and codes in the place of cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from falconer_shared.crossing.hands import Hands
from falconer_shared.qr.client import Preview, Scanner
from tests.shared.qr.conftest import start


class Played:
    """A scanner whose camera sees what the test says: what a camera does is to repeat, to miss and to see nothing.

    The real worker reads the pictures of all other tests; there is no camera device where tests run.
    """

    def __init__(self, sights: Sequence[list[bytes]]) -> None:
        self._sights = iter(sights)
        self.preview: Preview | None = None
        self.closed = False

    def pictures(self) -> Iterator[list[bytes]]:
        yield from self._sights


class Clock:
    """Time that passes only when somebody waits, or a little at each look."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@contextmanager
def real(
    *, camera: int | None = None, video: int | None = None, reader: str = "zxing", preview: int = 0
) -> Iterator[Scanner]:
    with start(reader, camera, video=video, preview=preview) as scanner:
        yield scanner


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hands(clock: Clock) -> Hands:
    """The real worker, and the test's time."""
    return Hands(real, clock, clock.pause)


def playing(sights: Sequence[list[bytes]], clock: Clock) -> tuple[Hands, Played]:
    played = Played(sights)

    @contextmanager
    def scanner(**_: object) -> Iterator[Played]:
        try:
            yield played
        finally:
            played.closed = True

    return Hands(scanner, clock, clock.pause), played  # type: ignore[arg-type]
