"""Payloads collected: from pictures in any order, videos, folders that fill, lines, and what a camera does."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from falconer_shared.crossing import collect, sightings
from falconer_shared.crossing.collect import State, gather, one_code, receive, receive_all
from falconer_shared.crossing.hands import Hands, Source
from falconer_shared.errors import DeviceError, Malformed, StateError, UsageError
from falconer_shared.qr.draw import draw
from falconer_shared.qr.gif import animation
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling, Way, send
from tests.shared.crossing.conftest import Clock, playing
from tests.support.refusal import refused

PSBT = b"psbt\xff" + bytes(range(256)) * 8


def nobody(_state: State) -> None:
    pass


def other(number: int) -> bytes:
    return b"psbt\xff" + random.Random(number).randbytes(1500)


def frames(
    payload: bytes, version: int = 10, kind: Kind = Kind.PSBT, spelling: Spelling = Spelling.UR
) -> list[bytes]:
    made = send(payload, kind, Way(spelling, version))
    return [made.frame(number).encode() for number in range(1, made.n + 1)]


def written(folder: Path, texts: list[bytes]) -> list[str]:
    folder.mkdir(exist_ok=True)
    names = []
    for number, text in enumerate(texts, 1):
        path = folder / f"{number:03}.png"
        path.write_bytes(draw(text.decode("latin-1")).png())
        names.append(str(path))
    return names


@pytest.mark.parametrize("spelling", [Spelling.UR, Spelling.BBQR])
def test_pictures_in_any_order(spelling: Spelling, hands: Hands, tmp_path: Path) -> None:
    names = written(tmp_path / "codes", frames(PSBT, spelling=spelling))
    random.Random(4).shuffle(names)
    states: list[State] = []
    found = receive(Source(names), (Kind.PSBT,), hands, states.append)
    assert found.data == PSBT
    assert found.dialect == spelling.value
    assert states[0].text() == f"1 of {len(names)} pictures, 1 of {len(names)} parts"
    assert states[0].done == (1, len(names))
    assert sorted([*states[0].missing, 0])[1:] != []
    assert states[-1].progress is not None
    assert states[-1].progress.complete


@pytest.mark.parametrize("reader", ["zxing", "opencv"])
def test_each_reader(reader: str, hands: Hands, tmp_path: Path) -> None:
    names = written(tmp_path / "codes", frames(PSBT))
    assert receive(Source(names, reader=reader), None, hands, nobody).data == PSBT


def test_messages_in_any_order_are_told_apart() -> None:
    mixed = [*frames(PSBT), *frames(other(1)), *frames(other(2), 25), *frames(b"0123\n", 10, Kind.BYTES)]
    random.Random(3).shuffle(mixed)
    found = gather(mixed * 2)
    assert {each.data for each in found} == {PSBT, other(1), other(2), b"0123\n"}
    assert len(found) == 4


def test_several_messages_in_pictures(hands: Hands, tmp_path: Path) -> None:
    texts = [*frames(PSBT), *frames(other(1))]
    random.Random(2).shuffle(texts)
    found = receive_all(Source(written(tmp_path / "codes", texts)), hands, nobody)
    assert {each.data for each in found} == {PSBT, other(1)}


def test_a_message_that_lacks_a_part_is_refused_with_its_number(hands: Hands, tmp_path: Path) -> None:
    parts = frames(PSBT)
    with refused("scan-incomplete", Malformed) as found:
        gather([*parts[:2], *parts[3:], *frames(other(1))])
    assert found.value.details == {"have": len(parts) - 1, "total": len(parts)}
    assert "missing: 3" in found.value.message
    names = written(tmp_path / "codes", [*parts[:2], *parts[3:]])
    with refused("scan-incomplete", Malformed) as found:
        receive(Source(names), None, hands, nobody)
    assert "missing: 3" in found.value.message


def test_codes_that_are_misread_cost_themselves() -> None:
    parts = frames(PSBT)
    bad = [
        parts[0][:-1] + (b"A" if parts[0][-1:] != b"A" else b"B"),
        b"ur:crypto-psbt/1-9/zz",
        b"UR:NONSENSE/X",
    ]
    assert gather([*bad, *parts])[0].data == PSBT
    with refused("ur-path-malformed", Malformed):
        gather([b"UR:!"])


def test_another_kind_than_wanted(hands: Hands, tmp_path: Path) -> None:
    names = written(tmp_path / "codes", frames(b"0123\n", 10, Kind.BYTES))
    assert receive(Source(names), None, hands, nobody).data == b"0123\n"
    with refused("scan-other-kind", Malformed):
        receive(Source(names), (Kind.PSBT,), hands, nobody)


def test_pictures_without_codes_and_files_that_are_none(hands: Hands, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 200), 255, np.uint8))
    for take in (receive_all, lambda *each: receive(each[0], None, *each[1:])):
        with refused("scan-no-code", Malformed):
            take(Source([str(blank)]), hands, nobody)
        text = tmp_path / "text.png"
        text.write_bytes(b"no picture")
        with refused("image-malformed", Malformed) as found:
            take(Source([str(blank), str(text)]), hands, nobody)
        assert found.value.details["file"] == str(text)
        assert "text.png" in found.value.message
        with refused("file-unreadable", StateError):
            take(Source([str(tmp_path / "missing.png")]), hands, nobody)


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (os.mkfifo, "file-not-regular"),
        (link, "file-not-regular"),
        (Path.touch, "file-empty"),
        (lambda path: path.write_bytes(bytes((32 << 20) + 1)), "file-too-large"),
        (lambda path: path.write_bytes(b"GIF89a" + bytes(40)), "video-malformed"),
        (lambda path: path.write_bytes(bytes(4) + b"ftypisom" + bytes(40)), "video-malformed"),
    ],
)
def test_special_files(make, rule: str, hands: Hands, tmp_path: Path) -> None:
    """A113: nothing but a regular file of a bounded size is read, and none is waited for."""
    make(tmp_path / "code.png")
    with refused(rule):
        receive(Source([str(tmp_path / "code.png")]), None, hands, nobody)


def test_too_many_pictures(monkeypatch: pytest.MonkeyPatch, hands: Hands, tmp_path: Path) -> None:
    names = written(tmp_path / "codes", frames(b"small", 20, Kind.BYTES))
    monkeypatch.setattr(collect, "MAX_PICTURES", 2)
    assert receive(Source(names * 2), None, hands, nobody).data == b"small"
    with refused("scan-too-many", UsageError):
        receive(Source(names * 3), None, hands, nobody)


def test_one_code_alone(hands: Hands, clock: Clock, tmp_path: Path) -> None:
    (name,) = written(tmp_path / "one", [b"0000"])
    assert one_code(Source([name]), hands, nobody) == b"0000"
    camera, _ = playing([[], [], [b"0000"]], clock)
    assert one_code(Source(camera=2), camera, nobody) == b"0000"
    camera, _ = playing([[], [b"1", b"2"]], clock)
    with refused("scan-many-codes", Malformed):
        one_code(Source(camera=2), camera, nobody)


# A video


def test_a_video_of_several_messages(hands: Hands, tmp_path: Path) -> None:
    texts = [*frames(PSBT), *frames(other(1))]
    codes = [draw(text.decode(), at_least=10) for text in texts]
    (tmp_path / "film.gif").write_bytes(animation(codes, 10))
    source = Source([str(tmp_path / "film.gif")])
    assert receive(source, (Kind.PSBT,), hands, nobody).data == PSBT
    assert [each.data for each in receive_all(source, hands, nobody)] == [PSBT, other(1)]


def test_a_video_and_pictures_together(hands: Hands, tmp_path: Path) -> None:
    texts = frames(PSBT)
    film = [draw(text.decode(), at_least=10) for text in texts[:2]]
    (tmp_path / "film.gif").write_bytes(animation(film, 10))
    names = written(tmp_path / "codes", texts[2:])
    assert receive(Source([*names, str(tmp_path / "film.gif")]), None, hands, nobody).data == PSBT


# A folder that is being filled


class Filling(Clock):
    """A clock at whose pauses somebody puts the next picture into the folder, first half of it and then all."""

    def __init__(self, folder: Path, texts: list[bytes]) -> None:
        super().__init__()
        self._folder = folder
        self._left = list(texts)
        self._half: tuple[Path, bytes] | None = None

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if self._half is not None:
            path, picture = self._half
            path.write_bytes(picture)
            self._half = None
        elif self._left:
            picture = draw(self._left.pop(0).decode()).png()
            path = self._folder / f"{len(self._left):03}.png"
            path.write_bytes(picture[: len(picture) // 2])
            self._half = path, picture


def test_a_folder_is_watched_until_a_message_is_whole(hands: Hands, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "readme.txt").write_bytes(b"no picture")
    (folder / "deeper").mkdir()
    (folder / "link.png").symlink_to("/etc/hostname")
    filling = Filling(folder, frames(PSBT))
    found = receive(Source([str(folder)]), None, replace(hands, clock=filling, pause=filling.pause), nobody)
    assert found.data == PSBT


def test_a_folder_that_stays_empty(hands: Hands, clock: Clock, tmp_path: Path) -> None:
    began = clock.now
    with refused("scan-timeout", Malformed):
        receive(Source([str(tmp_path)], seconds=30), None, hands, nobody)
    assert 30 < clock.now - began < 31


def test_a_folder_with_too_many_pictures(
    monkeypatch: pytest.MonkeyPatch, hands: Hands, tmp_path: Path
) -> None:
    written(tmp_path, frames(PSBT)[:4])
    monkeypatch.setattr(collect, "MAX_PICTURES", 4)
    with refused("scan-too-many", UsageError):
        receive(Source([str(tmp_path)], seconds=30), None, hands, nobody)


class Coming(Clock):
    """A clock at whose pauses a picture grows, slower than any number of tries would last."""

    def __init__(self, folder: Path, picture: bytes) -> None:
        super().__init__()
        self._path = folder / "1.jpg"
        self._steps = [picture[: len(picture) * part // 10] for part in (5, 7, 10)]

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if self._steps and self.now > 100 + 20 * (4 - len(self._steps)):
            self._path.write_bytes(self._steps.pop(0))


def test_a_picture_that_comes_slowly_is_looked_at_again(hands: Hands, tmp_path: Path) -> None:
    """Tries that are counted end before a slow copy does."""
    code = cv2.imdecode(np.frombuffer(draw(frames(PSBT[:600], 25)[0].decode()).png(4), np.uint8), 0)
    photograph = np.full((1200, 1000), 255, np.uint8)
    photograph[600 : 600 + code.shape[0], 200 : 200 + code.shape[1]] = code
    coming = Coming(tmp_path, cv2.imencode(".jpg", photograph)[1].tobytes())
    watching = replace(hands, clock=coming, pause=coming.pause)
    assert receive(Source([str(tmp_path)], seconds=200), None, watching, nobody).data == PSBT[:600]


def test_a_file_that_is_gone_before_it_is_read_ends_no_scan(
    hands: Hands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As programs leave them that copy under another name and rename."""
    written(tmp_path, frames(PSBT))
    listed = Hands.names_in

    def names_in(self: Hands, folder: str) -> list[tuple[str, tuple[int, int]]]:
        return [(f"{folder}/.000.part", (1, 1)), *listed(self, folder)]

    monkeypatch.setattr(Hands, "names_in", names_in)
    assert receive(Source([str(tmp_path)]), None, hands, nobody).data == PSBT


def test_a_folder_that_is_gone(hands: Hands, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    taken_away = replace(hands, pause=lambda _seconds: folder.rmdir())
    with refused("file-unreadable", StateError):
        receive(Source([str(folder)]), None, taken_away, nobody)


# Bounds on several messages


class Endless:
    """A scanner that a video took over: another 64 codes of the greatest length in each of its pictures."""

    preview = None

    def pictures(self) -> Iterator[list[bytes]]:
        for number in range(200_000):
            yield [b"%08d" % (64 * number + each) + b"A" * 7081 for each in range(64)]


def test_a_video_of_nothing_but_new_codes_ends_at_a_bound(clock: Clock, tmp_path: Path) -> None:
    @contextmanager
    def scanner(**_: object) -> Iterator[Endless]:
        yield Endless()

    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    tracemalloc.start()
    try:
        with refused("scan-too-many", UsageError):
            receive_all(Source([str(tmp_path / "a.gif")]), Hands(scanner, clock), nobody)  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_code_that_stays_in_view_is_one_sighting(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    source = Source([str(tmp_path / "a.gif")])
    parts = frames(PSBT)
    monkeypatch.setattr(sightings, "MAX_SIGHTINGS", len(parts))
    hands, _ = playing([[part] for part in parts for _ in range(10)], clock)
    assert receive_all(source, hands, nobody)[0].data == PSBT
    monkeypatch.setattr(sightings, "MAX_SIGHTINGS", len(parts) - 1)
    hands, _ = playing([[part] for part in parts], clock)
    with refused("scan-too-many", UsageError):
        receive_all(source, hands, nobody)


# Lines


@contextmanager
def typed(chunks: list[bytes | None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input that gives these pieces, None for nothing there yet, and then its end."""
    left = list(chunks)

    @contextmanager
    def standard_input(_self: Hands) -> Iterator[object]:
        yield lambda _size: left.pop(0) if left else b""

    monkeypatch.setattr(Hands, "standard_input", standard_input)
    yield


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_in_pieces(end: bytes, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = end.join(frames(PSBT))
    pieces: list[bytes | None] = [whole[start : start + 100] for start in range(0, len(whole), 100)]
    pieces.insert(3, None)
    with typed(pieces, monkeypatch):
        assert receive(Source(["-"]), None, hands, nobody).data == PSBT
    with typed(pieces, monkeypatch):
        assert receive_all(Source(["-"]), hands, nobody)[0].data == PSBT


def test_a_line_without_end_costs_no_memory(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed([b"A" * 65_536] * 50, monkeypatch), refused("qr-frame-too-long", Malformed):
        receive(Source(["-"]), None, hands, nobody)


def test_lines_that_do_not_come(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed([None] * 1000, monkeypatch), refused("scan-timeout", Malformed):
        receive(Source(["-"], seconds=5), None, hands, nobody)
    with typed([b"\n\n"], monkeypatch), refused("scan-no-code", Malformed):
        receive(Source(["-"]), None, hands, nobody)


def test_real_standard_input_is_read_without_waiting_and_left_as_it_was(hands: Hands) -> None:
    out, into = os.pipe()
    saved = os.dup(0)
    os.dup2(out, 0)
    try:
        with hands.standard_input() as read:
            assert read(10) is None
            os.write(into, b"12345")
            assert read(10) == b"12345"
            os.close(into)
            assert read(10) == b""
        assert os.get_blocking(0)
    finally:
        os.dup2(saved, 0)
        os.close(out)
        os.close(saved)


@contextmanager
def as_input(number: int) -> Iterator[None]:
    saved = os.dup(0)
    os.dup2(number, 0)
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_a_terminal_stays_as_it_is_for_whoever_writes_to_it(hands: Hands) -> None:
    """Its one description serves both ways: a bar drawn to a slow terminal ended in BlockingIOError."""
    ours, theirs = os.openpty()
    with as_input(theirs), hands.standard_input() as read:
        assert os.get_blocking(0)
        assert os.get_blocking(theirs)
        assert read(10) is None
        os.write(ours, b"12\n")
        assert read(10) == b"12\n"
        # the window is closed
        os.close(ours)
        assert read(10) == b""
    os.close(theirs)


def test_no_standard_input_at_all(hands: Hands) -> None:
    saved = os.dup(0)
    os.close(0)
    try:
        with refused("file-unreadable", StateError), hands.standard_input():
            pass
    finally:
        os.dup2(saved, 0)
        os.close(saved)


# A camera


def test_a_camera_is_watched_until_a_message_is_whole(clock: Clock) -> None:
    parts = frames(PSBT)
    sights = [[], [parts[0]], [parts[0]], [b"UR:!"], *[[each] for each in parts[1:]], [b"never asked"]]
    camera, played = playing(sights, clock)
    states: list[State] = []
    assert receive(Source(camera=0), (Kind.PSBT,), camera, states.append).data == PSBT
    assert states[0].text() == "no code yet"
    assert states[1].done == (1, len(parts))
    assert states[-2].done == (len(parts) - 1, len(parts))
    assert states[-1].of == 0
    assert played.closed
    assert next(played.pictures()) == [b"never asked"]


def test_the_rate_and_what_is_left_are_told(clock: Clock) -> None:
    parts = frames(PSBT, 5)

    def slowly(state: State) -> None:
        clock.now += 0.5
        states.append(state)

    states: list[State] = []
    camera, _ = playing([[each] for each in parts], clock)
    receive(Source(camera=0), None, camera, slowly)
    assert f"about {round((len(parts) - 7) * 0.51)} s" in states[6].text()


def test_a_camera_that_sees_nothing(clock: Clock) -> None:
    camera, played = playing([[]] * 10_000, clock)
    with refused("scan-timeout", Malformed) as found:
        receive(Source(camera=0, seconds=20), None, camera, nobody)
    assert "20 s" in found.value.message
    assert played.closed


def test_without_a_camera_it_says_so(hands: Hands) -> None:
    if os.path.exists("/dev/video63"):  # noqa: PTH110
        pytest.skip("this machine has a camera 63")
    with refused("camera-unavailable", DeviceError):
        receive(Source(camera=63), None, hands, nobody)
