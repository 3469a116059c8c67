"""Payloads across the gap as codes: shown, written as pictures, and put together again from pictures or a camera.

What comes in is read by the worker process and is as untrusted as a file; it goes the same way on. Pictures
may hold several answers in any order: parts are told apart by what each announces of its message.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Final

from falconer_online.chain.node import Progress
from falconer_online.files import disk_error, read_file, write_file
from falconer_online.scanning import scanner
from falconer_shared.errors import FalconerError, Malformed, StateError, UsageError
from falconer_shared.qr.client import MAX_IMAGE
from falconer_shared.qr.draw import DEFAULT_VERSION, characters, draw
from falconer_shared.text import safe
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind, Received, Whole
from falconer_shared.transport.receive import DIALECTS, Receiver
from falconer_shared.transport.ur import Sender

MAX_PICTURES: Final = 10_000
"""Pictures of one scan: as many as the longest message has parts."""

PICTURE_SCALE: Final = 8
"""Pixels of a module in a written picture."""

_MISSING_SHOWN: Final = 12


def sender(payload: bytes, kind: Kind, version: int) -> Sender:
    """The frames of a payload, in codes of at most that version.

    Raises:
        UsageError: `qr-payload-too-large`.
    """
    if len(payload) > MAX_PAYLOAD:
        raise _too_large(len(payload))
    try:
        return Sender(payload, kind, characters(version))
    except ValueError:
        # too many parts, or no room for data, in codes as small as this terminal's
        raise _too_large(len(payload)) from None


def _too_large(size: int) -> UsageError:
    return UsageError(
        "qr-payload-too-large",
        f"{size:,} bytes are too many for codes of this size",
        remedy="carry it as a file: --out FILE; or enlarge the window",
        size=size,
        limit=MAX_PAYLOAD,
    )


def write_pictures(payload: bytes, kind: Kind, folder: Path, progress: Progress) -> int:
    """Every simple part as a numbered PNG in a new folder; how many.

    Raises:
        StateError: `folder-exists`, and what the disk says. UsageError: `qr-payload-too-large`.
    """
    made = sender(payload, kind, DEFAULT_VERSION)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise StateError(
            "folder-exists",
            f"{safe(str(folder))} is there already: old pictures among new ones would be a riddle",
            remedy="name a new folder",
        ) from None
    except OSError as error:
        raise disk_error(folder, error) from None
    digits = max(3, len(str(made.n)))
    version = 1
    for number in range(1, made.n + 1):
        code = draw(made.frame(number), at_least=version)
        version = code.version
        write_file(folder / f"frame-{number:0{digits}}.png", code.png(PICTURE_SCALE))
        progress(number, made.n)
    return made.n


def read_pictures(paths: Sequence[Path], progress: Progress) -> tuple[Received, ...]:
    """Every whole payload in these pictures, in the order in which they begin; at least one.

    Raises:
        UsageError: `scan-too-many`. Malformed: `scan-no-code`, `scan-incomplete`, what is wrong with a picture
        or with the one code in it. DeviceError: the worker's.
    """
    if len(paths) > MAX_PICTURES:
        raise UsageError("scan-too-many", f"{len(paths)} pictures; one scan takes {MAX_PICTURES}")
    frames: list[str] = []
    with scanner() as opened:
        for number, path in enumerate(paths, 1):
            try:
                codes = opened.read(read_file(path, MAX_IMAGE, "the picture"))
            except FalconerError as problem:
                problem.message = f"{safe(str(path))}: {problem.message}"
                problem.details["file"] = str(path)
                raise
            frames += [code.decode("latin-1") for code in codes]
            progress(number, len(paths))
    if not frames:
        raise Malformed(
            "scan-no-code",
            f"no QR code can be read in {len(paths)} pictures",
            remedy="fill the picture with the code, sharp and evenly lit",
        )
    return collect(frames)


def collect(frames: Iterable[str]) -> tuple[Received, ...]:
    """Every whole payload in these frames.

    Raises:
        Malformed: `scan-incomplete` for a message that lacks parts; the refusal of a frame where nothing was whole.
    """
    sessions: dict[Hashable, list[str]] = {}
    refusal: Malformed | None = None
    for frame in frames:
        try:
            sessions.setdefault(_session_of(frame), []).append(frame)
        except Malformed as problem:
            refusal = problem
    found: list[Received] = []
    for parts in sessions.values():
        receiver = Receiver()
        progress = [receiver.feed(part) for part in parts][-1]
        if progress.received is None:
            raise progress.refusal or _incomplete(progress.have, progress.total, receiver.missing())
        if progress.received not in found:
            found.append(progress.received)
    if not found:
        raise refusal or Malformed("scan-no-code", "no code holds anything that is read here")
    return tuple(found)


def _session_of(frame: str) -> Hashable:
    """What the parts of one message have in common; a frame of its own for one that is whole."""
    for dialect in DIALECTS:
        if dialect.recognises(frame):
            read = dialect.read(frame)
            return frame if isinstance(read, Whole) else read.session
    return frame


def _incomplete(have: int, total: int, missing: Sequence[int]) -> Malformed:
    shown = ", ".join(map(str, missing[:_MISSING_SHOWN])) + (
        " and more" if len(missing) > _MISSING_SHOWN else ""
    )
    return Malformed(
        "scan-incomplete",
        f"the codes hold {have} of {total} parts of a message; of its first parts these are missing: {shown}",
        remedy="take pictures of all frames",
        have=have,
        total=total,
    )


def watch_camera(camera: int, progress: Progress, say: Callable[[str], None]) -> Received:
    """The first whole payload that the camera sees. Ends with Ctrl-C too.

    Raises:
        DeviceError: `camera-unavailable`, `qr-reader-missing`, `qr-worker-failed`.
    """
    receiver = Receiver()
    stuck: str | None = None
    with scanner(camera=camera) as opened:
        while True:
            for code in opened.look():
                state = receiver.feed(code)
                if state.received is not None:
                    return state.received
                if state.total:
                    progress(state.have, state.total)
                if state.stuck is not None and state.stuck != stuck:
                    say(state.stuck)
                stuck = state.stuck
