"""A real worker, started as the programs start it."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from falconer_shared.qr.client import ENVIRONMENT, Scanner, command

Open = Callable[..., Scanner]


def start(
    reader: str = "zxing", camera: int | None = None, *, video: int | None = None, preview: int = 0
) -> Scanner:
    return Scanner(
        subprocess.Popen(
            command(sys.executable, reader, camera, video=video, preview=preview),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            pass_fds=() if video is None else (video,),
        )
    )


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    """With zxing-cpp, shared by the tests of a module."""
    with start() as opened:
        yield opened


@pytest.fixture(params=["zxing", "opencv", "pyzbar"])
def any_reader(request: pytest.FixtureRequest) -> Iterator[Scanner]:
    """With each of the libraries in turn."""
    if request.param == "pyzbar" and ctypes.util.find_library("zbar") is None:
        pytest.skip("libzbar0 is not installed: sudo apt-get install libzbar0")
    with start(request.param) as opened:
        yield opened
