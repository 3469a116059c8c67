"""Payloads out of pictures, videos, folders, lines and cameras: the worker reads codes, the receiver puts them
together.

What comes out is as untrusted as a file from the other side, and goes the same way on. The worker is started
for one scan and is gone when these functions return, so it is dead before any secret is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from falconer_shared.crossing.hands import MAX_PICTURES, STANDARD_INPUT, Hands, Source, Stamp
from falconer_shared.crossing.sightings import Codes, Sightings
from falconer_shared.errors import FalconerError, Malformed, StateError, UsageError
from falconer_shared.qr.client import MAX_IMAGE, Preview
from falconer_shared.text import safe
from falconer_shared.transport import content
from falconer_shared.transport.parts import MAX_FRAME, Kind, Received, Whole
from falconer_shared.transport.receive import DIALECTS, Progress, Receiver

MISSING_SHOWN: Final = 12
"""Numbers of missing parts in a sentence."""

_VIDEO_HEADS: Final = (b"GIF8", b"RIFF", b"\x1aE\xdf\xa3", b"\x47")
"""Of GIF, AVI, Matroska and WebM, MPEG-TS."""
_MP4_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_POLL_SECONDS: Final = 0.25
_LINE_SECONDS: Final = 0.02
_LINES_AT_ONCE: Final = 65_536


@dataclass(frozen=True, slots=True)
class State:
    """How far a scan is. `seen` of `of` pictures were looked at (`of` 0: without end); `progress` is the
    receiver's, None before the first code; `missing` are the parts not seen by themselves.
    """

    seen: int
    of: int
    progress: Progress | None
    missing: Sequence[int]
    preview: Preview | None

    @property
    def done(self) -> tuple[int, int]:
        """So many of so many, for a bar: parts where there are any, pictures else; a total of 0 is no bar."""
        if self.progress is not None and self.progress.total:
            return self.progress.have, self.progress.total
        return self.seen, self.of

    def text(self) -> str:
        """One line for the person."""
        words = [f"{self.seen} of {self.of} pictures"] if self.of else []
        if self.progress is None or not self.progress.total:
            refused = 0 if self.progress is None else self.progress.refused
            return ", ".join([*words, f"no part yet, {refused} codes refused" if refused else "no code yet"])
        words.append(f"{self.progress.have} of {self.progress.total} parts")
        if self.progress.seconds_left and not self.of:
            words.append(f"about {max(1, round(self.progress.seconds_left))} s")
        if self.progress.stuck:
            words.append(self.progress.stuck)
        return ", ".join(words)


Tell = Callable[[State], None]


def receive(source: Source, kinds: Collection[Kind] | None, hands: Hands, tell: Tell) -> Received:
    """The first whole payload, which must be of one of these kinds; any kind with None.

    Raises:
        Malformed: `secret-in-code` at once, whatever else is in view; `scan-other-kind`, `scan-incomplete`,
        `scan-no-code`, `scan-timeout`, the refusal of the last code, what is wrong with a picture or video.
        UsageError: `scan-too-many`. DeviceError: `qr-worker-failed`, `qr-reader-missing`, `camera-unavailable`.
        What `hands` raise for a file.
    """
    watch = _Watch(hands)
    for seen, of, codes, preview in _sightings(source, hands):
        received = watch.see(codes)
        tell(watch.state(seen, of, preview))
        if received is not None:
            if kinds is not None:
                check_kind(received, kinds)
            return received
    raise watch.nothing(source)


def receive_all(source: Source, hands: Hands, tell: Tell) -> tuple[Received, ...]:
    """Every whole payload in pictures or a video, in the order in which they begin; at least one. Of a camera,
    a folder or lines, the first.

    Raises:
        As `receive`; `scan-incomplete` too where one message is whole and another is not.
    """
    if source.camera is not None or STANDARD_INPUT in source.names or any(map(hands.is_folder, source.names)):
        return (receive(source, None, hands, tell),)
    watch = _Watch(hands)
    sightings = Sightings()
    for seen, of, codes, preview in _sightings(source, hands):
        sightings.add(codes)
        tell(watch.state(seen, of, preview))
    if not sightings.frames:
        raise _no_code(source)
    return gather(sightings.frames)


def one_code(source: Source, hands: Hands, tell: Tell) -> bytes:
    """What the one code in a picture, or before the camera, holds. For codes that are secrets themselves: no
    receiver sees it.

    Raises:
        Malformed: `scan-no-code`, `scan-many-codes`; and as `receive`.
    """
    watch = _Watch(hands)
    for seen, of, codes, preview in _sightings(source, hands):
        if len(codes) > 1:
            raise Malformed(
                "scan-many-codes", f"{len(codes)} codes are in view", remedy="show one code alone"
            )
        if codes:
            return codes[0]
        tell(watch.state(seen, of, preview))
    raise watch.nothing(source)


def gather(frames: Iterable[bytes]) -> tuple[Received, ...]:
    """Every whole payload in these texts of codes: parts are told apart by what each announces of its message.

    Raises:
        Malformed: `secret-in-code`; `scan-incomplete` for a message that lacks parts; the refusal of a code where
        nothing was whole.
    """
    sessions: dict[Hashable, list[bytes]] = {}
    refusal: Malformed | None = None
    for frame in frames:
        text = frame.decode("latin-1")
        try:
            content.refuse_secret(text)
            sessions.setdefault(_session_of(text), []).append(frame)
        except Malformed as problem:
            _stop_at_secret(problem)
            refusal = problem
    found: list[Received] = []
    for parts in sessions.values():
        receiver = Receiver()
        progress = receiver.feed(parts[0])
        for part in parts[1:]:
            progress = receiver.feed(part)
        if progress.received is None:
            raise progress.refusal or _incomplete(progress, receiver.missing())
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


def _stop_at_secret(refusal: Malformed | None) -> None:
    """A seed in view is said at once. Going on would put it behind whatever else is received."""
    if refusal is not None and refusal.rule == content.RULE:
        raise refusal


class _Watch:
    """One receiver, and what a person wants to know of it."""

    def __init__(self, hands: Hands) -> None:
        self._receiver = Receiver(clock=hands.clock)
        self._last: Progress | None = None
        self._refusal: Malformed | None = None

    def see(self, codes: Codes) -> Received | None:
        for code in codes:
            self._last = self._receiver.feed(code)
            self._refusal = self._last.refusal or self._refusal
            _stop_at_secret(self._last.refusal)
            if self._last.received is not None:
                return self._last.received
        return None

    def state(self, seen: int, of: int, preview: Preview | None) -> State:
        missing = self._receiver.missing() if self._last is not None else ()
        return State(seen, of, self._last, missing, preview)

    def nothing(self, source: Source) -> FalconerError:
        """Why there is no payload."""
        if self._last is not None and self._last.total:
            return _incomplete(self._last, self._receiver.missing())
        return self._refusal or _no_code(source)


def _sightings(source: Source, hands: Hands) -> Iterator[tuple[int, int, Codes, Preview | None]]:
    """How many pictures were seen, of how many, the codes in the last one, and that one made small."""
    if len(source.names) > MAX_PICTURES:
        raise UsageError("scan-too-many", f"{len(source.names)} pictures; one scan takes {MAX_PICTURES}")
    until = None if source.seconds is None else hands.clock() + source.seconds
    if source.camera is not None:
        with hands.scanner(camera=source.camera, reader=source.reader, preview=source.preview) as scanner:
            for seen, codes in enumerate(scanner.pictures(), 1):
                yield seen, 0, codes, scanner.preview
                _in_time(until, hands, source)
        return
    pictures: list[str] = []
    for name in source.names:
        if name == STANDARD_INPUT:
            yield from _lines(source, hands, until)
        elif hands.is_folder(name):
            yield from _folder(name, source, hands, until)
        elif _is_video(hands.starts_with(name, 8)):
            yield from _video(name, source, hands, until)
        else:
            pictures.append(name)
    if pictures:
        yield from _pictures(pictures, source, hands)


def _is_video(start: bytes) -> bool:
    """Whether a file begins as a video does. Anything else is taken for a picture."""
    return start.startswith(_VIDEO_HEADS) or start[4:8] in _MP4_BOXES


def _pictures(
    names: Sequence[str], source: Source, hands: Hands
) -> Iterator[tuple[int, int, Codes, Preview | None]]:
    with hands.scanner(reader=source.reader, preview=source.preview) as scanner:
        for number, name in enumerate(names, 1):
            with _naming(name):
                codes = scanner.read(hands.read(name, MAX_IMAGE))
            yield number, len(names), codes, scanner.preview


def _video(
    name: str, source: Source, hands: Hands, until: float | None
) -> Iterator[tuple[int, int, Codes, Preview | None]]:
    with (
        hands.opened(name) as number,
        hands.scanner(video=number, reader=source.reader, preview=source.preview) as scanner,
    ):
        pictures = scanner.pictures()
        seen = 0
        while True:
            with _naming(name):
                codes = next(pictures, None)
            if codes is None:
                return
            seen += 1
            yield seen, 0, codes, scanner.preview
            _in_time(until, hands, source)


def _folder(
    folder: str, source: Source, hands: Hands, until: float | None
) -> Iterator[tuple[int, int, Codes, Preview | None]]:
    """Pictures as they come into a folder. Each is looked at again when it has changed: it may have been half
    written. Of one that cannot be read, or is gone again, nothing is said.
    """
    done: dict[str, Stamp] = {}
    seen = 0
    with hands.scanner(reader=source.reader, preview=source.preview) as scanner:
        while True:
            for name, stamp in hands.names_in(folder):
                if done.get(name) == stamp or seen >= MAX_PICTURES:
                    continue
                seen += 1
                done[name] = stamp
                try:
                    codes = scanner.read(hands.read(name, MAX_IMAGE))
                except (Malformed, StateError):
                    continue
                yield seen, 0, codes, scanner.preview
            if seen >= MAX_PICTURES:
                raise UsageError("scan-too-many", f"{seen} pictures; one scan takes {MAX_PICTURES}")
            yield seen, 0, [], None
            _in_time(until, hands, source)
            hands.pause(_POLL_SECONDS)


def _lines(
    source: Source, hands: Hands, until: float | None
) -> Iterator[tuple[int, int, Codes, Preview | None]]:
    seen = 0
    held = b""
    with hands.standard_input() as read:
        while True:
            got = read(_LINES_AT_ONCE)
            if got is None:
                _in_time(until, hands, source)
                hands.pause(_LINE_SECONDS)
                continue
            *whole, held = (held + got).split(b"\n")
            if not got:
                whole, held = [held], b""
            for line in whole:
                code = line.rstrip(b"\r")[: MAX_FRAME + 1]
                if code:
                    seen += 1
                    yield seen, 0, [code], None
            if not got:
                return
            # a line without end costs no more memory than a code
            held = held[: MAX_FRAME + 1]
            _in_time(until, hands, source)


def _in_time(until: float | None, hands: Hands, source: Source) -> None:
    if until is not None and hands.clock() > until:
        raise Malformed(
            "scan-timeout",
            f"no whole message came within {source.seconds:g} s",
            remedy="show all parts, sharp and evenly lit; or give more time: --timeout",
        )


class _naming:  # noqa: N801 - it reads as a word
    """Each refusal of a file names it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if isinstance(problem, Malformed) and "file" not in problem.details:
            problem.message = f"{safe(self._name, 200)}: {problem.message}"
            problem.details["file"] = self._name


def check_kind(received: Received, kinds: Collection[Kind]) -> None:
    """Accept a payload that claims to be of one of these kinds.

    Raises:
        Malformed: `scan-other-kind`.
    """
    if received.kind not in kinds:
        wanted = " or ".join(sorted(kind.value for kind in kinds))
        raise Malformed(
            "scan-other-kind", f"the codes hold a message of kind {received.kind.value}; wanted is {wanted}"
        )


def _incomplete(progress: Progress, missing: Sequence[int]) -> Malformed:
    shown = ", ".join(map(str, missing[:MISSING_SHOWN]))
    return Malformed(
        "scan-incomplete",
        f"the codes hold {progress.have} of {progress.total} parts of a message; of its first parts"
        f" these are missing: {shown}{' and more' if len(missing) > MISSING_SHOWN else ''}",
        remedy="take pictures of all frames",
        have=progress.have,
        total=progress.total,
    )


def _no_code(source: Source) -> Malformed:
    where = f"{len(source.names)} pictures" if len(source.names) > 1 else "what was shown"
    return Malformed(
        "scan-no-code",
        f"no QR code can be read in {where}",
        remedy="fill the picture with the code, sharp and evenly lit",
    )
