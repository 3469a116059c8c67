"""The conversation with the worker, when the worker is not what it should be."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest

from falconer_shared.errors import DeviceError, FalconerError, Malformed
from falconer_shared.qr import client
from falconer_shared.qr.client import Scanner
from tests.support.refusal import refused

PICTURE = b"\x89PNG\r\n\x1a\n"


def worker(answer: bytes | str, *, then: str = "sys.stdin.buffer.read()") -> subprocess.Popen[bytes]:
    """A real process that answers every request with these bytes (or what this expression gives), whatever it was asked."""
    spelled = answer if isinstance(answer, str) else repr(answer)
    program = (
        "import sys, time\n"
        "while len(head := sys.stdin.buffer.read(4)) == 4:\n"
        "    sys.stdin.buffer.read(int.from_bytes(head, 'big'))\n"
        f"    sys.stdout.buffer.write({spelled}); sys.stdout.buffer.flush()\n"
        f"    {then}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


NO_PREVIEW = b"\0\0"


def codes(*texts: bytes, preview: bytes = NO_PREVIEW) -> bytes:
    return (
        b"\0"
        + len(texts).to_bytes(2, "big")
        + b"".join(len(text).to_bytes(2, "big") + text for text in texts)
        + preview
    )


@pytest.mark.parametrize("texts", [(), (b"one",), (b"", b"two", bytes(range(256)))])
def test_codes_arrive_as_they_are(texts: tuple[bytes, ...]) -> None:
    with Scanner(worker(codes(*texts), then="pass")) as scanner:
        assert scanner.read(PICTURE) == list(texts)
        assert scanner.look() == list(texts)


def test_the_most_that_a_worker_may_say() -> None:
    count, size = client.MAX_CODES, client.MAX_CODE
    answer = f"b'\\0' + ({count}).to_bytes(2, 'big') + (({size}).to_bytes(2, 'big') + bytes({size})) * {count} + bytes(2)"
    with Scanner(worker(answer, then="pass")) as scanner:
        assert scanner.read(PICTURE) == [bytes(size)] * count


@pytest.mark.parametrize(
    ("status", "rule", "kind"),
    [
        (client.NOT_AN_IMAGE, "image-malformed", Malformed),
        (client.IMAGE_TOO_LARGE, "image-too-large", Malformed),
        (client.READER_MISSING, "qr-reader-missing", DeviceError),
        (client.CAMERA_MISSING, "camera-unavailable", DeviceError),
        (client.NO_CAMERA_ASKED, "camera-unavailable", DeviceError),
        (client.NOT_A_VIDEO, "video-malformed", Malformed),
        (200, "qr-worker-failed", DeviceError),
    ],
)
def test_each_refusal_is_a_number_and_the_sentence_is_ours(
    status: int, rule: str, kind: type[FalconerError]
) -> None:
    with Scanner(worker(bytes([status]), then="pass")) as scanner, refused(rule, kind):
        scanner.read(PICTURE)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0",
        b"\0\0\2\0\1x",  # two codes announced, one there
        b"\0" + (client.MAX_CODES + 1).to_bytes(2, "big"),
        b"\0\0\1" + (client.MAX_CODE + 1).to_bytes(2, "big") + bytes(client.MAX_CODE + 1),
    ],
)
def test_nonsense_ends_the_worker(answer: bytes) -> None:
    process = worker(answer, then="sys.exit()")
    with Scanner(process) as scanner, refused("qr-worker-failed", DeviceError):
        scanner.read(PICTURE)
    assert process.returncode is not None


def test_a_worker_that_hangs_is_ended() -> None:
    process = worker(b"", then="time.sleep(60)")
    start = time.monotonic()
    with Scanner(process, seconds=0.4) as scanner, refused("qr-worker-failed", DeviceError) as caught:
        scanner.read(PICTURE)
    assert time.monotonic() - start < 5
    assert "no answer within" in caught.value.message
    assert process.returncode == -9


def test_a_worker_that_is_gone() -> None:
    process = worker(b"", then="pass")
    process.kill()
    process.wait()
    with Scanner(process) as scanner, refused("qr-worker-failed", DeviceError):
        scanner.read(bytes(1 << 20))


def test_no_worker_outlives_its_block() -> None:
    process = worker(b"", then="time.sleep(60)")
    with pytest.raises(ZeroDivisionError), Scanner(process):
        raise ZeroDivisionError
    assert process.returncode is not None


def test_what_is_no_picture_does_not_reach_the_worker() -> None:
    with Scanner(worker(codes(b"one"), then="pass")) as scanner:
        with refused("image-too-large", Malformed):
            scanner.read(bytes(client.MAX_IMAGE + 1))
        with refused("image-malformed", Malformed):
            scanner.read(b"")
        assert scanner.read(PICTURE) == [b"one"]


@pytest.mark.parametrize(
    "outlines", [(), (((1, 2), (3, 2), (3, 4), (1, 4)),), (((0, 0), (159, 0), (159, 119), (0, 119)),) * 2]
)
def test_a_preview_comes_with_the_codes(outlines: tuple[client.Outline, ...]) -> None:
    pixels = bytes(range(120)) * 160
    preview = (
        bytes((160, 120))
        + pixels
        + bytes((len(outlines),))
        + bytes(n for o in outlines for xy in o for n in xy)
    )
    with Scanner(worker(codes(b"one", preview=preview), then="pass")) as scanner:
        assert scanner.preview is None
        assert scanner.read(PICTURE) == [b"one"]
        assert scanner.preview == client.Preview(160, 120, pixels, outlines)


@pytest.mark.parametrize(
    "preview",
    [
        bytes((161, 1)) + bytes(162),
        bytes((1, 161)) + bytes(162),
        b"\0\1\0",
        b"\1\0\0",
        b"\1\1\0\x41" + bytes(999),
    ],
)
def test_a_preview_that_is_none_ends_the_worker(preview: bytes) -> None:
    with Scanner(worker(codes(preview=preview), then="pass")) as scanner, refused("qr-worker-failed"):
        scanner.read(PICTURE)


def test_a_video_ends() -> None:
    answers = [codes(b"one"), codes(), bytes([client.VIDEO_ENDED])]
    program = f"(globals().__setitem__('left', globals().get('left', {answers!r})), left.pop(0))[1]"
    with Scanner(worker(program, then="pass")) as scanner:
        assert list(scanner.pictures()) == [[b"one"], []]


def test_a_camera_that_says_it_ended_is_out_of_order() -> None:
    with Scanner(worker(bytes([client.VIDEO_ENDED]))) as scanner, refused("camera-unavailable"):
        scanner.look()


def test_the_end_of_a_video_is_no_answer_about_a_picture() -> None:
    """A worker that was taken over ended the program with a traceback."""
    with Scanner(worker(bytes([client.VIDEO_ENDED]))) as scanner, refused("qr-worker-failed", DeviceError):
        scanner.read(PICTURE)


def test_a_video_without_end_is_left_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_VIDEO_PICTURES", 5)
    with Scanner(worker(codes(), then="pass")) as scanner:
        assert list(scanner.pictures()) == [[]] * 5


def test_the_command_is_fixed() -> None:
    module = ("/x/python", "-I", "-m", "falconer_shared.qr.worker")
    assert client.command("/x/python") == (*module, "zxing", "-", "0")
    assert client.command("/x/python", "opencv", 0)[-3:] == ("opencv", "0", "0")
    assert client.command("/x/python", video=7, preview=160)[-3:] == ("zxing", "video:7", "160")


@pytest.mark.parametrize(
    ("reader", "camera", "video", "preview"),
    [
        ("sh", None, None, 0),
        ("zxing", -1, None, 0),
        ("zxing", 64, None, 0),
        ("zxing", None, 2, 0),
        ("zxing", 0, 3, 0),
        ("zxing", None, None, -1),
        ("zxing", None, None, 161),
    ],
)
def test_no_other_command_is_made(reader: str, camera: int | None, video: int | None, preview: int) -> None:
    with pytest.raises(ValueError, match=r"no such|open file"):
        client.command("python", reader, camera, video=video, preview=preview)


def test_pipes_are_needed() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-c", ""])
    with pytest.raises(ValueError, match="pipes"):
        Scanner(process)
    process.wait()


def test_statuses_differ() -> None:
    statuses: list[int] = sorted(
        value
        for name, value in vars(client).items()
        if name.isupper() and isinstance(value, int) and value < 10
    )
    assert statuses == list(range(8))
    assert all(after - before == 1 for before, after in pairwise(statuses))
