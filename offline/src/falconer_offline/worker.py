"""The one launcher of the offline program: nothing else here starts a process (an import contract and the
audit hook say so).

What it starts is the worker that reads pictures, with a fixed command line, a fixed environment, two pipes
and nothing else inherited. The worker sits in this program's network namespace, which has no interface, puts
up walls of its own, and never sees a secret: it must be gone before one is in memory. `before_secrets` is the
gate; whoever unlocks a key passes through it first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from falconer_offline import airgap
from falconer_shared.errors import DeviceError
from falconer_shared.qr.client import ENVIRONMENT, READERS, Scanner, command

_alive = 0


@contextmanager
def scanner(
    *, camera: int | None = None, video: int | None = None, reader: str = READERS[0], preview: int = 0
) -> Iterator[Scanner]:
    """A worker that reads codes: `Scanner.read(png_or_jpeg)`, or `Scanner.pictures()` with the number of a
    camera or of an open file that holds a video. It makes previews of at most so many pixels along a side.

    Raises:
        DeviceError: `qr-worker-failed` if it cannot be started; see `Scanner` for the rest.
    """
    global _alive  # noqa: PLW0603 - there is one process, and this counts its children
    import subprocess  # noqa: PLC0415, TID251 - the one launch of the offline program

    words = command(sys.executable, reader, camera, video=video, preview=preview)
    airgap.permit(words, ENVIRONMENT)
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            pass_fds=() if video is None else (video,),
        )
    except OSError as error:
        # AirGapViolation is one: after `before_secrets`
        raise DeviceError(
            "qr-worker-failed",
            f"the process that reads pictures cannot be started: {error.strerror or error}",
        ) from error
    finally:
        airgap.permit(None, ENVIRONMENT)
    _alive += 1
    try:
        with Scanner(process) as opened:
            yield opened
    finally:
        _alive -= 1


def before_secrets() -> None:
    """Called before the first secret is read: no worker is alive, and none can be started any more by this
    process.

    A worker that is alive here is a mistake in this program.
    """
    if _alive:
        raise RuntimeError("a worker is alive, and a secret was about to be read")
    airgap.close_launches()
