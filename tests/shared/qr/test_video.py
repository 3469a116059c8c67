"""Videos and previews, by the real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from falconer_shared.errors import Malformed
from falconer_shared.qr.client import ENVIRONMENT, Scanner, command
from falconer_shared.qr.draw import Code, draw
from falconer_shared.qr.gif import animation
from tests.support.refusal import refused

TEXTS = [f"UR:BYTES/{number}-5/LPADAMCFAO{'AEHSKN' * 20}" for number in range(1, 6)]


def codes() -> list[Code]:
    return [draw(text, at_least=9) for text in TEXTS]


@contextmanager
def playing(path: Path, preview: int = 0) -> Iterator[Scanner]:
    """A worker that was handed the open file, as the programs do it."""
    with path.open("rb") as video:
        process = subprocess.Popen(
            command(sys.executable, video=video.fileno(), preview=preview),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            pass_fds=(video.fileno(),),
        )
    with Scanner(process) as scanner:
        yield scanner


def film(path: Path, fourcc: str) -> Path:
    """The codes in the middle of 720 lines, each three pictures long."""
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 24, (1280, 720))
    assert out.isOpened()
    for code in codes():
        picture = np.full((720, 1280, 3), 96, np.uint8)
        drawn = cv2.imdecode(np.frombuffer(code.png(10), np.uint8), cv2.IMREAD_COLOR)
        drawn = cv2.resize(drawn, (600, 600), interpolation=cv2.INTER_AREA)
        picture[60:660, 340:940] = drawn
        for _ in range(3):
            out.write(picture)
    out.release()
    return path


def read(path: Path) -> list[str]:
    with playing(path) as scanner:
        seen = [code.decode() for found in scanner.pictures() for code in found]
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize(("name", "fourcc"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_every_code_of_a_video_is_read(name: str, fourcc: str, tmp_path: Path) -> None:
    assert read(film(tmp_path / name, fourcc)) == TEXTS


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(animation(codes(), 10))
    assert read(tmp_path / "a.gif") == TEXTS


def test_what_the_name_says_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(animation(codes(), 10))
    assert read(tmp_path / "a.png") == TEXTS


LISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{other}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{other}'\n",
    "DASH": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{other}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_other_files_is_no_video(kind: str, tmp_path: Path) -> None:
    """FFmpeg would open what such a list names, on disk or in a network (CVE-2016-1897 and its kin)."""
    other = film(tmp_path / "other.mp4", "mp4v")
    (tmp_path / "list.mp4").write_text(LISTS[kind].format(other=other))
    with playing(tmp_path / "list.mp4") as scanner, refused("video-malformed", Malformed):
        list(scanner.pictures())


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, draw("A").png(), os.urandom(5000)])
def test_what_is_no_video(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with playing(tmp_path / "a.mp4") as scanner, refused("video-malformed", Malformed):
        list(scanner.pictures())


def test_a_video_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = animation(codes(), 10)
    (tmp_path / "a.gif").write_bytes(whole[: len(whole) // 2])
    seen = read(tmp_path / "a.gif")
    assert seen
    assert seen == TEXTS[: len(seen)]


def test_a_preview_shows_the_picture_and_where_the_code_is(tmp_path: Path) -> None:
    with playing(film(tmp_path / "a.avi", "MJPG"), preview=64) as scanner:
        assert next(scanner.pictures()) == [TEXTS[0].encode()]
        preview = scanner.preview
    assert preview is not None
    assert (preview.width, preview.height) == (64, 36)
    picture = np.frombuffer(preview.pixels, np.uint8).reshape(36, 64)
    assert picture[2, 2] == pytest.approx(96, abs=3)
    assert picture[4:32, 18:46].std() > 20
    ((corners),) = preview.outlines
    # the drawn square without its quiet zone
    for (x, y), (wanted_x, wanted_y) in zip(corners, ((19, 5), (45, 5), (45, 31), (19, 31)), strict=True):
        assert (x, y) == (pytest.approx(wanted_x, abs=2), pytest.approx(wanted_y, abs=2))


@pytest.mark.parametrize("reader", ["zxing", "opencv", "pyzbar"])
def test_each_library_says_where(reader: str) -> None:
    process = subprocess.Popen(
        command(sys.executable, reader, preview=100),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    with Scanner(process) as scanner:
        try:
            found = scanner.read(draw("A" * 40).png(10))
        except Exception as problem:
            if getattr(problem, "rule", "") == "qr-reader-missing":
                pytest.skip("libzbar0 is not installed: sudo apt-get install libzbar0")
            raise
        assert found == [b"A" * 40]
        preview = scanner.preview
    assert preview is not None
    ((corners),) = preview.outlines
    xs, ys = zip(*corners, strict=True)
    assert max(min(xs), min(ys)) < 20
    assert min(max(xs), max(ys)) > 80


def test_without_being_asked_there_is_no_preview(tmp_path: Path) -> None:
    with playing(film(tmp_path / "a.avi", "MJPG")) as scanner:
        next(scanner.pictures())
        assert scanner.preview is None
