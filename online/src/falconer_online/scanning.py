"""The worker that reads QR codes out of pictures and cameras, started for the coordinator.

Pictures are parsed by large native libraries; what takes those over must not have the coordinator's key and
its node. So the worker gets a fixed command line and environment, two pipes and nothing else, and gives texts
only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from falconer_shared.errors import DeviceError
from falconer_shared.qr.client import (
    DISPLAY_NAMES,
    ENVIRONMENT,
    READERS,
    Scanner,
    Window,
    command,
    window_command,
)
from falconer_shared.text import safe


@contextmanager
def scanner(
    *, camera: int | None = None, video: int | None = None, reader: str = READERS[0], preview: int = 0
) -> Iterator[Scanner]:
    """A worker that reads codes: `Scanner.read(png_or_jpeg)`, or `Scanner.pictures()` with the number of a
    camera or of an open file that holds a video. It makes previews of at most so many pixels along a side.

    Raises:
        DeviceError: `qr-worker-failed` if it cannot be started; see `Scanner` for the rest.
    """
    try:
        process = subprocess.Popen(
            command(sys.executable, reader, camera, video=video, preview=preview),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            pass_fds=() if video is None else (video,),
        )
    except OSError as error:
        raise DeviceError(
            "qr-worker-failed",
            f"the process that reads pictures cannot be started: {safe(error.strerror or str(error))}",
        ) from error
    with Scanner(process) as opened:
        yield opened


@contextmanager
def window() -> Iterator[Window]:
    """A process that shows codes in a window.

    Raises:
        DeviceError: `qr-worker-failed` if it cannot be started; see `Window` for the rest.
    """
    display = {name: os.environ[name] for name in DISPLAY_NAMES if name in os.environ}
    try:
        process = subprocess.Popen(
            window_command(sys.executable),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**ENVIRONMENT, **display},
        )
    except OSError as error:
        raise DeviceError(
            "qr-worker-failed",
            f"the window's process cannot be started: {safe(error.strerror or str(error))}",
        ) from error
    with Window(process) as opened:
        yield opened
