"""Codes over the gap: what is drawn is read back, in any order, several messages at once, and what lacks is named."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Self

import pytest

from falconer_online import crossing
from falconer_online.crossing import collect, read_pictures, sender, write_pictures
from falconer_shared.errors import Malformed, StateError, UsageError
from falconer_shared.qr.draw import draw
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind
from tests.support.refusal import refused

PSBT = b"psbt\xff" + bytes(range(256)) * 8


def nothing(_done: int, _total: int) -> None:
    pass


def other(number: int) -> bytes:
    return b"psbt\xff" + random.Random(number).randbytes(1500)


def frames(payload: bytes, version: int = 10, kind: Kind = Kind.PSBT) -> list[str]:
    made = sender(payload, kind, version)
    return [made.frame(number) for number in range(1, made.n + 1)]


def test_pictures_are_read_back(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    count = write_pictures(PSBT, Kind.PSBT, tmp_path / "codes", lambda *each: seen.append(each))
    assert seen == [(number, count) for number in range(1, count + 1)]
    files = sorted((tmp_path / "codes").iterdir())
    assert [each.name for each in files] == [f"frame-{number:03}.png" for number in range(1, count + 1)]
    assert oct((tmp_path / "codes").stat().st_mode & 0o777) == "0o700"
    (found,) = read_pictures(files[::-1], nothing)
    assert (found.kind, found.data) == (Kind.PSBT, PSBT)
    with refused("folder-exists", StateError):
        write_pictures(PSBT, Kind.PSBT, tmp_path / "codes", nothing)


def test_messages_in_any_order_are_told_apart():
    mixed = [
        *frames(PSBT),
        *frames(other(1)),
        *frames(other(2), 25),
        *frames(b"descriptor\n", 10, Kind.BYTES),
    ]
    random.Random(3).shuffle(mixed)
    found = collect(mixed * 2)
    assert {each.data for each in found} == {PSBT, other(1), other(2), b"descriptor\n"}
    assert len(found) == 4


def test_a_message_that_lacks_a_part_is_refused_with_its_number():
    parts = frames(PSBT)
    with refused("scan-incomplete", Malformed) as found:
        collect([*parts[:2], *parts[3:], *frames(other(1))])
    assert found.value.details == {"have": len(parts) - 1, "total": len(parts)}
    assert "missing: 3" in found.value.message


def test_codes_that_are_misread_cost_themselves():
    parts = frames(PSBT)
    bad = [parts[0][:-1] + ("A" if parts[0][-1] != "A" else "B"), "ur:crypto-psbt/1-9/zz", "UR:NONSENSE/X"]
    assert collect([*bad, *parts])[0].data == PSBT
    with refused("ur-path-malformed", Malformed):
        collect(["UR:!"])


def test_pictures_without_codes_and_files_that_are_none(tmp_path: Path):
    import cv2
    import numpy as np

    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 200), 255, np.uint8))
    with refused("scan-no-code", Malformed):
        read_pictures([blank], nothing)
    text = tmp_path / "text.png"
    text.write_bytes(b"no picture")
    with refused("image-malformed", Malformed) as found:
        read_pictures([blank, text], nothing)
    assert found.value.details["file"] == str(text)
    with refused("file-unreadable", StateError):
        read_pictures([tmp_path / "missing.png"], nothing)


def test_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with refused("qr-payload-too-large", UsageError):
        sender(bytes(MAX_PAYLOAD + 1), Kind.BYTES, 20)
    with refused("qr-payload-too-large", UsageError):
        sender(PSBT, Kind.PSBT, 1)
    code = tmp_path / "code.png"
    code.write_bytes(draw(frames(b"small", 20, Kind.BYTES)[0]).png())
    monkeypatch.setattr(crossing, "MAX_PICTURES", 2)
    assert read_pictures([code] * 2, nothing)[0].data == b"small"
    with refused("scan-too-many", UsageError):
        read_pictures([code] * 3, nothing)


def test_a_camera_is_watched_until_a_message_is_whole(monkeypatch: pytest.MonkeyPatch):
    # the worker's camera is a device; its answers are played here, with what a camera does: repeat, miss, see nothing
    parts = [each.encode() for each in frames(PSBT)]
    pictures = iter(
        [[], [parts[0]], [parts[0]], [b"UR:!"], *[[each] for each in parts[1:]], [b"never asked"]]
    )

    class Camera:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.closed = True

        def look(self) -> list[bytes]:
            return next(pictures)

    camera = Camera()
    monkeypatch.setattr(crossing, "scanner", lambda **_: camera)
    seen: list[tuple[int, int]] = []
    assert crossing.watch_camera(0, lambda *each: seen.append(each), lambda _: None).data == PSBT
    assert seen[0] == (1, len(parts))
    assert seen[-1][0] == len(parts) - 1
    assert camera.closed
    assert next(pictures) == [b"never asked"]


def test_without_a_camera_it_says_so():
    if os.path.exists("/dev/video63"):  # noqa: PTH110
        pytest.skip("this machine has a camera 63")
    from falconer_shared.errors import DeviceError

    with refused("camera-unavailable", DeviceError):
        crossing.watch_camera(63, nothing, lambda _: None)
