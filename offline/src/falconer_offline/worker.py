"""The one launcher of the offline program: nothing else here starts a process (an import contract and the
audit hook say so).

What it starts is the worker that reads pictures, the one that shows a window, and the one that speaks to
hardware wallets, each with a fixed command line, a fixed environment, two pipes and nothing else inherited. A
worker sits in this program's network namespace, which has no interface, and puts up walls of its own.
`before_secrets` is the gate: whoever unlocks a key passes through it first, no process is started after it, and the
workers for pictures must be gone. The one for devices may live on, since it is started before any secret is there
and holds none; `sign` ends it before it unlocks a Bitcoin key.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from falconer_offline import airgap
from falconer_offline.hardware import wire
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

if TYPE_CHECKING:
    import subprocess  # noqa: TID251 - a type's name

    from falconer_offline.hardware.client import HwiSigner
    from falconer_offline.hardware.signer import Notice
    from falconer_shared.bitcoin.network import Network

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
    words = command(sys.executable, reader, camera, video=video, preview=preview)
    try:
        process = _start(words, ENVIRONMENT, () if video is None else (video,))
    except OSError as error:
        raise _not_started("the process that reads pictures", error) from error
    with _counted(), Scanner(process) as opened:
        yield opened


@contextmanager
def devices(
    network: Network, *, emulators: bool, seconds: float, passphrase: str | None, notice: Notice
) -> Iterator[HwiSigner]:
    """A worker that speaks to hardware wallets on USB, and with `emulators` to those on loopback too.

    Raises:
        DeviceError: `device-driver-failed` if it cannot be started; see `HwiSigner` for the rest.
    """
    from falconer_offline.hardware.client import HwiSigner  # noqa: PLC0415
    from falconer_offline.hardware.failures import driver_failed  # noqa: PLC0415

    words = wire.command(sys.executable, "emulators" if emulators else "usb")
    try:
        process = _start(words, wire.ENVIRONMENT)
    except OSError as error:
        raise driver_failed(f"it cannot be started: {error.strerror or error}") from error
    with HwiSigner(process, network, seconds=seconds, passphrase=passphrase, notice=notice) as opened:
        yield opened


@contextmanager
def window() -> Iterator[Window]:
    """A process that shows codes in a window of this machine's display.

    Raises:
        DeviceError: `qr-worker-failed` if it cannot be started; see `Window` for the rest.
    """
    import os  # noqa: PLC0415

    display = {name: os.environ[name] for name in DISPLAY_NAMES if name in os.environ}
    try:
        process = _start(window_command(sys.executable), {**ENVIRONMENT, **display})
    except OSError as error:
        raise _not_started("the window's process", error) from error
    with _counted(), Window(process) as opened:
        yield opened


def _start(
    words: tuple[str, ...], environment: dict[str, str], pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start what the audit hook was told of, and nothing else.

    Raises:
        OSError: it cannot be started; `AirGapViolation` is one, after `before_secrets`.
    """
    import subprocess  # noqa: PLC0415, TID251 - the one launch of the offline program

    airgap.permit(words, environment)
    try:
        return subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=pass_fds,
        )
    finally:
        airgap.permit(None, environment)


def _not_started(what: str, error: OSError) -> DeviceError:
    return DeviceError("qr-worker-failed", f"{what} cannot be started: {error.strerror or error}")


@contextmanager
def _counted() -> Iterator[None]:
    """Count a worker that must be gone before a secret is read."""
    global _alive  # noqa: PLW0603 - there is one process, and this counts its children
    _alive += 1
    try:
        yield
    finally:
        _alive -= 1


def before_secrets() -> None:
    """Called before the first secret is read: no worker that reads pictures is alive, and no worker at all can be
    started any more by this process.

    One that is alive here is a mistake in this program.
    """
    if _alive:
        raise RuntimeError("a worker is alive, and a secret was about to be read")
    airgap.close_launches()
