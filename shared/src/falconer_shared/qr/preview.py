"""What a camera sees, small, in the characters of a terminal, with the codes that were found outlined."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from falconer_shared.qr.client import MAX_PREVIEW, Corner, Preview

_RESET: Final = "\x1b[0m"
_DARKEST_GREY: Final = 232
_GREYS: Final = 24
_OUTLINE: Final = 46
"""Green, in the palette of 256 colours."""


def side(columns: int, lines: int) -> int:
    """The most pixels along a side of a preview that fits: a character is one pixel wide and two high. No more
    than a worker makes, however large the terminal is.
    """
    return max(0, min(columns, 2 * lines, MAX_PREVIEW))


def half_blocks(preview: Preview) -> list[str]:
    """One line of text for two rows of pixels, in the 256 colours that every terminal of today knows."""
    shades = [[_DARKEST_GREY + value * _GREYS // 256 for value in row] for row in _rows(preview)]
    for outline in preview.outlines:
        for start, end in pairwise((*outline, outline[0])):
            _line(shades, start, end)
    if len(shades) % 2:
        shades.append([_DARKEST_GREY] * preview.width)
    return [_text_of(upper, lower) + _RESET for upper, lower in zip(shades[::2], shades[1::2], strict=True)]


def _rows(preview: Preview) -> list[bytes]:
    width = preview.width
    return [preview.pixels[start : start + width] for start in range(0, width * preview.height, width)]


def _text_of(upper: list[int], lower: list[int]) -> str:
    """Colours are said when they change, and not again for each character."""
    words = []
    before = (-1, -1)
    for shade in zip(upper, lower, strict=True):
        if shade[0] != before[0]:
            words.append(f"\x1b[38;5;{shade[0]}m")
        if shade[1] != before[1]:
            words.append(f"\x1b[48;5;{shade[1]}m")
        words.append("▀")
        before = shade
    return "".join(words)


def _line(shades: list[list[int]], start: Corner, end: Corner) -> None:
    """Whatever corners a worker claims, only pixels that are there are drawn on."""
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    for step in range(steps + 1):
        x, y = x0 + (x1 - x0) * step // steps, y0 + (y1 - y0) * step // steps
        if y < len(shades) and x < len(shades[y]):
            shades[y][x] = _OUTLINE
