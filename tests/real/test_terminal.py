"""Codes in a real terminal emulator: photographed from its screen, read back, steered by keys, and left without a trace."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import zxingcpp

from tests.support import codes, frames, pictures
from tests.support.emulator import Emulator, emulator, missing
from tests.support.programs import BIN, Coordinator

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

PSBT = frames.psbt(900)
CAPTION = re.compile(r"(\d+) shown, (\d+) needed.* speed \((\d+) a second\), \[ \] density \((\d+)\)")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.psbt"
    path.write_bytes(PSBT)
    return path


def caption(shown: Emulator, *, needed: int | None = None, rate: int | None = None) -> tuple[int, int, int]:
    """Codes needed, codes a second and density, as the line beneath the code says it; waits for the one wanted."""
    until = time.monotonic() + 60
    while True:
        found = CAPTION.search(shown.expect(" needed"))
        if found is not None:
            values = int(found[2]), int(found[3]), int(found[4])
            if needed in {None, values[0]} and rate in {None, values[1]}:
                return values
        assert time.monotonic() < until
        time.sleep(0.1)


def photographed(shown: Emulator, folder: Path) -> list[Path]:
    """Pictures of the screen as time goes on, until they hold all of a message."""
    folder.mkdir()
    taken: list[Path] = []
    until = time.monotonic() + 90
    while codes.received(path.read_bytes() for path in taken) is None:
        assert time.monotonic() < until
        taken.append(folder / f"{len(taken):03}.png")
        taken[-1].write_bytes(shown.screenshot())
    return taken


def upright(png: bytes) -> bool:
    """Whether a reader that knows nothing of inverted codes reads it, as those in signers do."""
    return bool(zxingcpp.read_barcodes(pictures.grey(png), try_invert=False))


@pytest.mark.parametrize(
    ("background", "ink"), [("black", "white"), ("white", "black"), ("#002b36", "#839496")]
)
def test_screenshots_hold_the_payload_whatever_the_theme(
    background: str, ink: str, file: Path, tmp_path: Path
) -> None:
    with emulator(tmp_path / "t", 110, 56, points=8, background=background, ink=ink) as shown:
        shown.type(f"{BIN}/falconer qr show {file} --density medium --fps 4")
        assert caption(shown) == (2, 4, 20)
        taken = photographed(shown, tmp_path / "taken")
        shown.press("q")
        shown.expect("codes shown")
    assert all(upright(path.read_bytes()) for path in taken)
    Coordinator(tmp_path / "home").run("qr", "scan", *taken, "--out", tmp_path / "received.psbt")
    assert (tmp_path / "received.psbt").read_bytes() == PSBT


@pytest.mark.parametrize(
    ("background", "ink", "told", "keys"),
    [
        ("black", "white", "", ()),
        ("white", "black", "COLORFGBG='0;15'", ()),
        ("white", "black", "", ("i",)),
    ],
)
def test_without_colours(
    background: str, ink: str, told: str, keys: tuple[str, ...], file: Path, tmp_path: Path
) -> None:
    with emulator(tmp_path / "t", 110, 56, points=8, background=background, ink=ink) as shown:
        shown.type(f"NO_COLOR=1 {told} {BIN}/falconer qr show {file} --fps 2")
        shown.expect("i inverts")
        if keys:
            assert not upright(shown.screenshot())
            shown.press(*keys)
        until = time.monotonic() + 60
        while not upright(shown.screenshot()):
            assert time.monotonic() < until
        assert codes.received(path.read_bytes() for path in photographed(shown, tmp_path / "taken"))


def test_keys_change_speed_and_density_while_it_runs(file: Path, tmp_path: Path) -> None:
    with emulator(tmp_path / "t", 140, 72, points=7) as shown:
        shown.type(f"{BIN}/falconer qr show {file} --for coldcard --density 10 --fps 5")
        many, _, _ = caption(shown)
        shown.press("+", "+", "-", "+")
        assert caption(shown, rate=7) == (many, 7, 10)
        shown.press("[")
        until = time.monotonic() + 60
        while caption(shown)[2] == 10:
            assert time.monotonic() < until
        more, rate, density = caption(shown)
        assert (more > many, rate, density) == (True, 7, 8)
        shown.press("]", "]", "]")
        assert caption(shown, needed=2)[1:] == (7, 15)
        found = codes.received(path.read_bytes() for path in photographed(shown, tmp_path / "taken"))
        assert found is not None
        assert found.data == PSBT
        # one code at last, which grows no further, and as large as the payload needs
        shown.press("]", "]", "]", "]", "]")
        shown.expect("One code. Any key ends.")
        assert len(codes.codes_in(shown.screenshot())) == 1


@pytest.mark.parametrize(
    "program",
    ["falconer", "unshare --map-current-user --net {bin}/falconer-offline"],
    ids=["online", "offline"],
)
@pytest.mark.parametrize("key", ["C-c", "x", "C-d"])
def test_the_terminal_is_afterwards_as_it_was(program: str, key: str, file: Path, tmp_path: Path) -> None:
    command = program.format(bin=BIN) if "{" in program else f"{BIN}/{program}"
    with emulator(tmp_path / "t", 110, 56, points=8) as shown:
        shown.type(f"echo stood here before; stty -a >{tmp_path}/before")
        shown.type(f"{command} qr show {file}")
        shown.expect(" needed")
        assert shown.state() == "1 0"
        shown.press(key)
        shown.expect("SHA-256 of what they hold")
        shown.type(f"stty -a >{tmp_path}/after; echo status $?")
        seen = shown.expect("status 0")
        assert shown.state() == "0 1"
        assert "stood here before" in seen
        assert "▀" not in seen
        assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()


def test_a_terminal_that_is_too_small_says_what_to_do(file: Path, tmp_path: Path) -> None:
    with emulator(tmp_path / "t", 60, 14) as shown:
        for options in ("", "--for electrum"):
            shown.type(f"clear; {BIN}/falconer qr show {file} {options}; echo status $?")
            seen = "".join(shown.expect("status 2").split())
            assert "qr-terminal-too-small" in seen
            assert "writtenasimages" in seen
            assert shown.state() == "0 1"
    with emulator(tmp_path / "u", 80, 24) as shown:
        # a payload of many codes gets smaller ones; what needs one large code cannot
        shown.type(f"{BIN}/falconer qr show {file}")
        assert caption(shown)[2] == 5
        shown.press("q")
        shown.expect("codes shown")
        shown.type(f"clear; {BIN}/falconer qr show {file} --for electrum; echo status $?")
        seen = "".join(shown.expect("status 2").split())
        assert "qr-terminal-too-small" in seen
        assert "acodethatholdsittakes" in seen
