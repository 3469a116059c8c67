"""Payloads out of pictures and out of a camera: the worker reads codes, the receiver puts them together.

What comes out is as untrusted as a file from the other side, and goes the same way on. The worker is started
for one scan and is gone when these functions return, so it is dead before any secret is asked for. Only a
SeedQR makes a difference (`one_code`): there the code itself is the secret, see docs/offline.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from falconer_offline import ingest, worker
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.qr.client import MAX_IMAGE, Scanner
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.receive import Progress, Receiver

Tell = Callable[[int, int, str], None]
"""Told how far it is: done, total (0 where there is none), a short text."""

MISSING_SHOWN = 12
"""Numbers of missing parts in a sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures by their names, or a camera by its number."""

    pictures: Sequence[str] = ()
    camera: int | None = None


def receive(source: Source, kinds: Collection[Kind], tell: Tell) -> Received:
    """The first whole payload, which must be of one of these kinds.

    Raises:
        Malformed: `scan-other-kind`, `scan-incomplete`, `scan-no-code`, the refusal of the last code.
        DeviceError: `qr-worker-failed`, `qr-reader-missing`, `camera-unavailable`. StateError: a file's.
    """
    receiver = Receiver()
    last: Progress | None = None
    refusal: Malformed | None = None
    with worker.scanner(camera=source.camera) as scanner:
        for done, codes in _codes(scanner, source):
            for code in codes:
                last = receiver.feed(code)
                refusal = last.refusal or refusal
                if last.received is not None:
                    return _of_kind(last.received, kinds)
            tell(*_how_far(source, done, last))
    raise _nothing(source, last, receiver, refusal)


def _of_kind(received: Received, kinds: Collection[Kind]) -> Received:
    if received.kind not in kinds:
        wanted = " or ".join(kind.value for kind in kinds)
        raise Malformed(
            "scan-other-kind", f"the codes hold a message of kind {received.kind.value}; wanted is {wanted}"
        )
    return received


def one_code(source: Source, tell: Tell) -> bytes:
    """What the one code in a picture, or before the camera, holds.

    Raises:
        Malformed: `scan-no-code`, `scan-many-codes`; and as `receive`.
    """
    with worker.scanner(camera=source.camera) as scanner:
        for done, codes in _codes(scanner, source):
            if len(codes) > 1:
                raise Malformed(
                    "scan-many-codes", f"{len(codes)} codes are in view", remedy="show one code alone"
                )
            if codes:
                return codes[0]
            tell(*_how_far(source, done, None))
    raise _no_code(source)


def _codes(scanner: Scanner, source: Source) -> Iterator[tuple[int, list[bytes]]]:
    if source.camera is None:
        for number, name in enumerate(source.pictures, 1):
            try:
                yield number, scanner.read(ingest.read_file(name, MAX_IMAGE, "picture"))
            except Malformed as refused:
                # each error names its file
                raise type(refused)(
                    refused.rule,
                    f"picture {number} of {len(source.pictures)}: {refused.message}",
                    remedy=refused.remedy,
                    picture=number,
                ) from None
        return
    looks = 0
    while True:
        looks += 1
        yield looks, scanner.look()


def _how_far(source: Source, done: int, last: Progress | None) -> tuple[int, int, str]:
    parts = f"{last.have} of {last.total} parts" if last is not None and last.total else "no code yet"
    if source.camera is None:
        return done, len(source.pictures), f"{done} of {len(source.pictures)} pictures, {parts}"
    have, total = (0, 0) if last is None else (last.have, last.total)
    stuck = f": {last.stuck}" if last is not None and last.stuck else ""
    return have, total, f"{parts}{stuck}   (Ctrl-C ends)"


def _nothing(
    source: Source, last: Progress | None, receiver: Receiver, refusal: Malformed | None
) -> FalconerError:
    if last is not None and last.total:
        missing = receiver.missing()
        shown = ", ".join(str(number) for number in missing[:MISSING_SHOWN])
        return Malformed(
            "scan-incomplete",
            f"the codes hold {last.have} of {last.total} parts of a message; of its first parts"
            f" these are missing: {shown}{' and more' if len(missing) > MISSING_SHOWN else ''}",
            remedy="take pictures of all frames",
            have=last.have,
            total=last.total,
        )
    return refusal or _no_code(source)


def _no_code(source: Source) -> Malformed:
    return Malformed(
        "scan-no-code",
        f"no QR code can be read in {len(source.pictures)} pictures",
        remedy="fill the picture with the code, sharp and evenly lit",
    )
