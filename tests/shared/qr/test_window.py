"""Codes in a window. Where OpenCV was built without windows, what it says; the whole of it needs a display too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import cv2
import pytest

from falconer_shared.errors import DeviceError
from falconer_shared.qr import client
from falconer_shared.qr.client import ENVIRONMENT, Window, window_command
from falconer_shared.qr.draw import draw
from tests.support.refusal import refused

BUILT_WITHOUT = "GUI:                           NONE" in cv2.getBuildInformation()


def started(**environment: str) -> Window:
    return Window(
        subprocess.Popen(
            window_command(sys.executable),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**ENVIRONMENT, **environment},
        )
    )


def answering(answers: list[int]) -> Window:
    """A real process that answers like this, one after the other, whatever it was asked."""
    program = (
        "import sys\n"
        f"for answer in {answers!r}:\n"
        "    head = sys.stdin.buffer.read(6)\n"
        "    sys.stdin.buffer.read(int.from_bytes(head[:4], 'big'))\n"
        "    sys.stdout.buffer.write(bytes([answer])); sys.stdout.buffer.flush()\n"
    )
    return Window(
        subprocess.Popen([sys.executable, "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )


def test_keys_come_back_and_closing_is_one() -> None:
    with answering([0, ord("+"), ord("]"), Window.CLOSED]) as window:
        assert [window.show(b"png", 0.1) for _ in range(4)] == [None, "+", "]", "\x04"]


@pytest.mark.parametrize("answers", [[client.WINDOW_UNAVAILABLE], []])
def test_a_process_without_a_window_is_said(answers: list[int]) -> None:
    with answering(answers) as window, refused("qr-window-missing", DeviceError) as found:
        window.show(b"png", 0.1)
    assert "opencv-python" in (found.value.remedy or "")


@pytest.mark.skipif(not BUILT_WITHOUT, reason="OpenCV has windows here")
def test_opencv_built_without_windows() -> None:
    with started() as window, refused("qr-window-missing", DeviceError):
        window.show(draw("A").png(), 0.1)


@pytest.fixture
def display() -> Iterator[str]:
    if BUILT_WITHOUT:
        pytest.skip("opencv-python-headless is installed: the window needs opencv-python in its place")
    server = shutil.which("Xvfb")
    if server is None or shutil.which("import") is None:
        pytest.skip("Xvfb and ImageMagick are not installed: sudo apt-get install xvfb imagemagick")
    name = f":{100 + os.getpid() % 400}"
    process = subprocess.Popen([server, name, "-screen", "0", "1000x900x24"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    yield name
    process.terminate()
    process.wait()


def test_a_code_in_a_real_window_is_read_from_its_screen(display: str) -> None:
    import numpy as np
    import zxingcpp

    with started(DISPLAY=display) as window:
        for _ in range(10):
            assert window.show(draw("UR:BYTES/SHOWN").png(), 0.2) is None
        taken = subprocess.run(
            ["import", "-window", "root", "-display", display, "png:-"], check=True, capture_output=True
        )
    picture = cv2.imdecode(np.frombuffer(taken.stdout, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert [code.text for code in zxingcpp.read_barcodes(picture)] == ["UR:BYTES/SHOWN"]
