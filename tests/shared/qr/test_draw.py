"""Drawn codes: their measure, and that they are codes."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from collections.abc import Callable

import pytest
import segno

from falconer_shared.errors import UsageError
from falconer_shared.qr import draw as drawing
from falconer_shared.qr.draw import Code, Paint, characters, draw, largest_version, side, terminal_size
from tests.support.refusal import refused

ALPHANUMERIC = "UR:BYTES/1-9/"


@pytest.mark.parametrize("version", range(1, 41))
def test_capacity_is_the_standards(version: int) -> None:
    limit = characters(version)
    assert segno.make_qr("A" * limit, error="l", boost_error=False).version == version
    if version < 40:
        assert segno.make_qr("A" * (limit + 1), error="l", boost_error=False).version == version + 1
    assert side(version) == segno.make_qr("A" * limit, error="l", boost_error=False).symbol_size(border=0)[0]


def test_a_code_is_the_smallest_that_holds_the_text() -> None:
    assert draw("A" * characters(7)).version == 7
    assert draw("A" * (characters(7) + 1)).version == 8
    assert draw("A", at_least=9).version == 9
    assert len(draw("A", at_least=9).rows) == side(9)


def test_upper_case_is_packed_and_lower_case_is_not() -> None:
    assert draw(ALPHANUMERIC * 20).version < draw((ALPHANUMERIC * 20).lower()).version


def test_too_much_for_one_code() -> None:
    assert draw("A" * characters(40)).version == 40
    with refused("qr-text-too-long", UsageError):
        draw("A" * (characters(40) + 1))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    with refused("qr-drawing-missing", UsageError):
        draw("A")


@pytest.mark.parametrize("version", [1, 2, 20, 25])
def test_a_terminal_that_is_just_large_enough(version: int) -> None:
    columns, lines = terminal_size(version)
    assert largest_version(columns, lines) == version
    text = draw("A", at_least=version).terminal(Paint.LIGHT)
    assert {len(line) for line in text.splitlines()} == {columns}
    assert len(text.splitlines()) == lines
    if version > 1:
        assert largest_version(columns - 1, lines) == version - 1
        assert largest_version(columns, lines - 1) == version - 1


@pytest.mark.parametrize(("columns", "lines"), [(28, 15), (29, 14), (0, 0)])
def test_a_terminal_that_is_too_small(columns: int, lines: int) -> None:
    assert terminal_size(1) == (29, 15)
    with refused("qr-terminal-too-small", UsageError) as caught:
        largest_version(columns, lines)
    assert caught.value.remedy


def test_a_plain_terminal_of_24_lines_shows_a_code() -> None:
    assert largest_version(80, 24) == 5


PAINTS: dict[Paint, Callable[[str], str]] = {
    Paint.LIGHT: lambda line: line,
    Paint.DARK: lambda line: line.translate(str.maketrans(" █▀▄", "█ ▄▀")),
    Paint.COLOURS: lambda line: re.sub("\x1b\\[[0-9;]*m", "", line),
}


@pytest.mark.parametrize(
    ("environment", "paint"),
    [
        ({}, Paint.COLOURS),
        ({"NO_COLOR": ""}, Paint.COLOURS),
        ({"COLORFGBG": "0;15"}, Paint.COLOURS),
        ({"NO_COLOR": "1"}, Paint.DARK),
        ({"NO_COLOR": "1", "COLORFGBG": "15;0"}, Paint.DARK),
        ({"NO_COLOR": "1", "COLORFGBG": "0;15"}, Paint.LIGHT),
        ({"NO_COLOR": "1", "COLORFGBG": "0;default;7"}, Paint.LIGHT),
        ({"NO_COLOR": "1", "COLORFGBG": "nonsense"}, Paint.DARK),
    ],
)
def test_the_paint_for_a_terminal(environment: dict[str, str], paint: Paint) -> None:
    assert Paint.of(environment) is paint
    assert paint.inverted().inverted() is paint
    assert (paint.inverted() is paint) == (paint is Paint.COLOURS)


@pytest.mark.parametrize("paint", Paint)
def test_paints_show_the_same_modules(paint: Paint) -> None:
    code = draw(ALPHANUMERIC)
    plain = code.terminal(Paint.LIGHT)
    assert "".join(PAINTS[paint](line) + "\n" for line in code.terminal(paint).splitlines()) == plain
    if paint is Paint.COLOURS:
        assert all(line.endswith("\x1b[0m") for line in code.terminal(paint).splitlines())


def test_the_quiet_zone_is_light() -> None:
    lines = draw(ALPHANUMERIC).terminal(Paint.LIGHT).splitlines()
    assert set(lines[0] + lines[1] + lines[-1]) == {" "}
    assert all(line.startswith(" " * 4) and line.endswith(" " * 4) for line in lines)


def pixels(data: bytes) -> list[str]:
    """The rows of a PNG of one bit a pixel, as the standard says, without a library."""
    width, height = struct.unpack(">II", data[16:24])
    assert data[24:29] == b"\x01\x00\x00\x00\x00"
    size = struct.unpack(">I", data[33:37])[0]
    assert data[37:41] == b"IDAT"
    raw = zlib.decompress(data[41 : 41 + size])
    stride = -(-width // 8) + 1
    assert len(raw) == stride * height
    return [
        "".join(f"{byte:08b}" for byte in raw[row * stride + 1 : (row + 1) * stride])[:width]
        for row in range(height)
    ]


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_png_modules(scale: int) -> None:
    code = draw(ALPHANUMERIC)
    rows = pixels(code.png(scale))
    assert len(rows) == len(rows[0]) == (len(code.rows) + 8) * scale
    for y, row in enumerate(code.rows):
        line = rows[(y + 4) * scale]
        assert [line[(x + 4) * scale] for x in range(len(row))] == ["0" if module else "1" for module in row]


def test_svg_modules() -> None:
    code = draw(ALPHANUMERIC)
    found = {
        (int(x) + i, int(y))
        for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", code.svg())
        for i in range(int(run))
    }
    assert found == {
        (x + 4, y + 4) for y, row in enumerate(code.rows) for x, module in enumerate(row) if module
    }


def test_a_code_cannot_be_changed() -> None:
    code = draw("A")
    assert isinstance(code, Code)
    assert drawing.QUIET_ZONE == 4
    with pytest.raises(AttributeError):
        code.version = 2  # type: ignore[misc]
