"""A scan as it is seen on a terminal."""

from __future__ import annotations

import re

import pytest

from falconer_shared.crossing.collect import State
from falconer_shared.crossing.monitor import Monitor, bar
from falconer_shared.qr.client import MAX_PREVIEW, Preview
from falconer_shared.qr.preview import half_blocks, side
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Way, send

PSBT = b"psbt\xff" + bytes(range(256)) * 8


def states(*numbers: int, preview: Preview | None = None) -> list[State]:
    sending = send(PSBT, Kind.PSBT, Way(version=10))
    receiver = Receiver()
    found = []
    for seen, number in enumerate(numbers or range(1, sending.n + 1), 1):
        progress = receiver.feed(sending.frame(number))
        found.append(State(seen, 0, progress, receiver.missing(), preview))
    return found


def drawn(text: str) -> list[list[tuple[int, int]]]:
    """Rows of (upper, lower) colours, read as a terminal would."""
    rows = []
    for line in text.split("\n"):
        upper = lower = -1
        row = []
        for kind, colour, block in re.findall(r"\x1b\[([34])8;5;(\d+)m|(▀)", line):
            if block:
                row.append((upper, lower))
            elif kind == "3":
                upper = int(colour)
            else:
                lower = int(colour)
        rows.append(row)
    return rows


def test_greys_and_outlines() -> None:
    pixels = bytes([0] * 6 + [255] * 6 + [128] * 6 + [0] * 6 + [255] * 6)
    lines = half_blocks(Preview(6, 5, pixels, ()))
    assert len(lines) == 3
    assert all(line.endswith("\x1b[0m") for line in lines)
    assert drawn("\n".join(lines)) == [[(232, 255)] * 6, [(244, 232)] * 6, [(255, 232)] * 6]
    lines = half_blocks(Preview(6, 5, pixels, (((1, 0), (4, 0), (4, 4), (1, 4)),)))
    rows = drawn("\n".join(lines))
    assert [upper == 46 for upper, _ in rows[0]] == [False, True, True, True, True, False]
    assert [lower == 46 for _, lower in rows[0]] == [False, True, False, False, True, False]
    assert [upper == 46 for upper, _ in rows[2]] == [False, True, True, True, True, False]


@pytest.mark.parametrize("corner", [(255, 255), (5, 255), (255, 0)])
def test_corners_outside_are_left_out(corner: tuple[int, int]) -> None:
    preview = Preview(6, 4, bytes(24), ((corner, corner, (0, 0), corner),))
    assert len(half_blocks(preview)) == 2


def test_the_size_that_fits() -> None:
    assert side(80, 24) == 48
    assert side(40, 100) == 40
    assert side(400, 200) == MAX_PREVIEW
    assert side(10, -3) == 0


def test_a_monitor_shows_what_is_missing_and_flashes_at_the_end() -> None:
    written: list[str] = []
    paused: list[float] = []
    preview = Preview(4, 4, bytes(16), ())
    found = states(1, 3, preview=preview)
    with Monitor(written.append, 60, 20, paused.append) as monitor:
        assert monitor.preview == 34
        for state in found:
            monitor.at(state)
        assert "still to be seen: 2, 4" in written[-1]
        assert "▀▀▀▀" in written[-1]
        assert paused == []
        for state in states():
            monitor.at(state)
        assert any("\a" in text for text in written)
        assert paused == [0.15]
        assert written[-1].endswith("\x1b[?5l")
    assert written[0].startswith("\x1b[?1049h")
    assert written[-1] == "\x1b[?25h\x1b[?1049l"


def test_the_screen_comes_back_after_an_interrupt() -> None:
    written: list[str] = []
    with pytest.raises(KeyboardInterrupt), Monitor(written.append, 60, 20, lambda _: None):
        raise KeyboardInterrupt
    assert written[-1] == "\x1b[?25h\x1b[?1049l"


@pytest.mark.parametrize("columns", [10, 40, 200])
def test_a_bar_fits_its_line(columns: int) -> None:
    for state in [*states(1, 2), State(3, 0, None, (), None), State(3, 9, None, (), None)]:
        assert len(bar(state, columns)) < columns
    assert bar(State(3, 0, None, (), None), 200) == "no code yet   Ctrl-C ends."
    assert bar(states(1)[0], 200).startswith("[#")
