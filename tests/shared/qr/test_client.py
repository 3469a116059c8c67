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


def codes(*texts: bytes) -> bytes:
    return (
        b"\0"
        + len(texts).to_bytes(2, "big")
        + b"".join(len(text).to_bytes(2, "big") + text for text in texts)
    )


@pytest.mark.parametrize("texts", [(), (b"one",), (b"", b"two", bytes(range(256)))])
def test_codes_arrive_as_they_are(texts: tuple[bytes, ...]) -> None:
    with Scanner(worker(codes(*texts), then="pass")) as scanner:
        assert scanner.read(PICTURE) == list(texts)
        assert scanner.look() == list(texts)


def test_the_most_that_a_worker_may_say() -> None:
    count, size = client.MAX_CODES, client.MAX_CODE
    answer = (
        f"b'\\0' + ({count}).to_bytes(2, 'big') + (({size}).to_bytes(2, 'big') + bytes({size})) * {count}"
    )
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


def test_the_command_is_fixed() -> None:
    assert client.command("/x/python") == ("/x/python", "-I", "-m", "falconer_shared.qr.worker", "zxing", "-")
    assert client.command("/x/python", "opencv", 0)[-2:] == ("opencv", "0")


@pytest.mark.parametrize(("reader", "camera"), [("sh", None), ("zxing", -1), ("zxing", 64)])
def test_no_other_command_is_made(reader: str, camera: int | None) -> None:
    with pytest.raises(ValueError, match="no such"):
        client.command("python", reader, camera)


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
    assert statuses == list(range(6))
    assert all(after - before == 1 for before, after in pairwise(statuses))
