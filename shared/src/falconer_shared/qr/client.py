"""The conversation with the worker that reads pictures: bounded in size and in time, and no word of the
worker is believed.

A picture from outside may have taken the worker over. What it can do to this side is to claim texts of codes,
which are as untrusted as any code before a camera; its refusals are single numbers, whose sentences are ours.

Wire: a request is a length (4 bytes, big endian) and a picture, or length 0 for "the next picture of the
camera or the video". An answer is one byte of status; status 0 is followed by a count (2 bytes) and as many
codes, each a length (2 bytes) and bytes, and by a preview: width and height (1 byte each, 0 for none), that
many grey pixels, a count (1 byte) of outlines, each four corners (x and y, 1 byte each).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, Protocol, Self

from falconer_shared.errors import DeviceError, FalconerError, Malformed

MAX_IMAGE: Final = 32 * 1024 * 1024
"""Bytes of one picture file: a photograph of 40 megapixels fits."""

MAX_PIXELS: Final = 48_000_000
"""Pixels of one picture, looked up in its header before it is unpacked."""

MAX_CODES: Final = 64
"""Codes in one picture; a sheet of printed parts has fewer."""

MAX_CODE: Final = 7089
"""Bytes of one code: the most that ISO 18004 knows."""

SECONDS: Final = 15.0
"""For one picture, the start of the worker included; reading takes some milliseconds."""

READERS: Final = ("zxing", "opencv", "pyzbar")
"""The libraries, the best first."""

OK: Final = 0
NOT_AN_IMAGE: Final = 1
IMAGE_TOO_LARGE: Final = 2
READER_MISSING: Final = 3
CAMERA_MISSING: Final = 4
NO_CAMERA_ASKED: Final = 5
NOT_A_VIDEO: Final = 6
VIDEO_ENDED: Final = 7

MAX_PREVIEW: Final = 160
"""Pixels along a side of a preview: twice the columns of a small terminal."""

MAX_VIDEO_PICTURES: Final = 200_000
"""Pictures of one video: almost two hours. A file may claim to go on for ever."""

Corner = tuple[int, int]
Outline = tuple[Corner, Corner, Corner, Corner]


@dataclass(frozen=True, slots=True)
class Preview:
    """What the camera saw, small and grey, and where codes were found in it (in its pixels, corner after corner)."""

    width: int
    height: int
    pixels: bytes
    outlines: tuple[Outline, ...]


def _refusal(status: int) -> FalconerError:
    """Our own sentence for a number that the worker gave."""
    match status:
        case _ if status == NOT_AN_IMAGE:
            return Malformed(
                "image-malformed", "this is no picture that is read here", remedy="use PNG or JPEG"
            )
        case _ if status == IMAGE_TOO_LARGE:
            return Malformed(
                "image-too-large",
                f"a picture may have {MAX_PIXELS // 1_000_000} megapixels and {MAX_IMAGE >> 20} MiB",
            )
        case _ if status == READER_MISSING:
            return DeviceError(
                "qr-reader-missing",
                "the library that reads QR codes cannot be loaded",
                remedy="install falconer-shared[qr]; pyzbar also needs: sudo apt-get install libzbar0",
            )
        case _ if status in {CAMERA_MISSING, NO_CAMERA_ASKED}:
            return DeviceError(
                "camera-unavailable",
                "the camera cannot be opened or gives no picture",
                remedy="see that it is plugged in, that no other program uses it, and that you may read /dev/video*",
            )
        case _ if status == NOT_A_VIDEO:
            return Malformed(
                "video-malformed",
                "this is no video that is read here",
                remedy="use MP4, MKV, WebM, AVI, MPEG-TS or an animated GIF of at most 48 megapixels",
            )
    return _broken("it answered nonsense")


def _broken(why: str) -> DeviceError:
    return DeviceError(
        "qr-worker-failed",
        f"the process that reads pictures failed: {why}",
        remedy="try again, with another picture",
    )


class Process(Protocol):
    """What is needed of a started process; `subprocess.Popen` fits."""

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Scanner:
    """Reads codes by way of one worker. Close it, or use it in a `with`; its process does not outlive that."""

    def __init__(self, process: Process, seconds: float = SECONDS) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the worker needs pipes at both ends")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._seconds = seconds
        self.preview: Preview | None = None
        """Of the last picture, where the worker was started to make one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, image: bytes) -> list[bytes]:
        """The texts of all codes in a PNG or JPEG file, in the order found; none is an empty list.

        Raises:
            Malformed: `image-malformed`, `image-too-large`. DeviceError: `qr-reader-missing`,
            `qr-worker-failed`.
        """
        if len(image) > MAX_IMAGE:
            raise _refusal(IMAGE_TOO_LARGE)
        if not image:
            raise _refusal(NOT_AN_IMAGE)
        try:
            return self._ask(image)
        except _VideoEnded:
            # there is no video
            raise self._nonsense() from None

    def look(self) -> list[bytes]:
        """The texts of all codes that the camera sees now. Waits for the next picture.

        Raises:
            DeviceError: `camera-unavailable`, `qr-reader-missing`, `qr-worker-failed`.
        """
        try:
            return self._ask(b"")
        except _VideoEnded:
            raise _refusal(NO_CAMERA_ASKED) from None

    def pictures(self) -> Iterator[list[bytes]]:
        """The texts of the codes in each picture of the camera, without end, or of the video, until its end.

        Raises:
            Malformed: `video-malformed`. As `look`.
        """
        with suppress(_VideoEnded):
            for _ in range(MAX_VIDEO_PICTURES):
                yield self._ask(b"")

    def _ask(self, image: bytes) -> list[bytes]:
        timed_out = threading.Event()
        timer = threading.Timer(self._seconds, self._give_up(timed_out))
        timer.daemon = True
        timer.start()
        try:
            self._stdin.write(len(image).to_bytes(4, "big") + image)
            self._stdin.flush()
            status = self._take(1)[0]
            if status == VIDEO_ENDED:
                raise _VideoEnded
            if status != OK:
                raise _refusal(status)
            count = int.from_bytes(self._take(2), "big")
            if count > MAX_CODES:
                raise self._nonsense()
            codes = [self._take_code() for _ in range(count)]
            self.preview = self._take_preview()
        except (BrokenPipeError, EOFError, ValueError, OSError):
            self._process.kill()
            raise _broken(
                f"no answer within {self._seconds:.0f} s" if timed_out.is_set() else "it ended"
            ) from None
        else:
            return codes
        finally:
            timer.cancel()

    def _give_up(self, timed_out: threading.Event) -> Callable[[], None]:
        def give_up() -> None:
            timed_out.set()
            self._process.kill()

        return give_up

    def _take_code(self) -> bytes:
        size = int.from_bytes(self._take(2), "big")
        if size > MAX_CODE:
            raise self._nonsense()
        return self._take(size)

    def _take_preview(self) -> Preview | None:
        width, height = self._take(2)
        if not width and not height:
            return None
        if not 0 < width <= MAX_PREVIEW or not 0 < height <= MAX_PREVIEW:
            raise self._nonsense()
        pixels = self._take(width * height)
        count = self._take(1)[0]
        if count > MAX_CODES:
            raise self._nonsense()
        outlines = []
        for _ in range(count):
            x0, y0, x1, y1, x2, y2, x3, y3 = self._take(8)
            outlines.append(((x0, y0), (x1, y1), (x2, y2), (x3, y3)))
        return Preview(width, height, pixels, tuple(outlines))

    def _nonsense(self) -> FalconerError:
        # what follows on the pipe cannot be told apart any more
        self._process.kill()
        return _broken("it answered nonsense")

    def _take(self, size: int) -> bytes:
        data = self._stdout.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def close(self) -> None:
        """End the process and wait until it is gone."""
        # first, so that nobody waits for it to take what was still to be written
        self._process.kill()
        with suppress(OSError):
            self._stdin.close()
        self._process.wait()
        self._stdout.close()


class _VideoEnded(Exception):
    """The worker has no further picture; not a failure."""


def command(
    executable: str,
    reader: str = READERS[0],
    camera: int | None = None,
    *,
    video: int | None = None,
    preview: int = 0,
) -> tuple[str, ...]:
    """The command line of the worker. Programs start exactly this, with `ENVIRONMENT`, pipes, and nothing
    inherited besides, but for a video the open file with the number `video`, which is passed on.

    `preview` is the most pixels along a side of the previews asked for, 0 for none. `-I` keeps the caller's
    directory and environment out of what is imported.
    """
    if reader not in READERS or not (camera is None or 0 <= camera < 64) or not 0 <= preview <= MAX_PREVIEW:
        raise ValueError("no such reader, camera or preview")
    if video is not None and (camera is not None or video < 3):
        raise ValueError("a video is an open file of its own, and there is no camera then")
    seen = f"video:{video}" if video is not None else "-" if camera is None else str(camera)
    return (executable, "-I", "-m", "falconer_shared.qr.worker", reader, seen, str(preview))


ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),
    # FFmpeg knows a hundred formats, among them lists that name other files and addresses
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|format_whitelist;gif,mov,mp4,matroska,webm,avi,mpegts",
    "OPENCV_FFMPEG_THREADS": "1",
    "OPENCV_LOG_LEVEL": "OFF",
}
"""Everything that the worker finds in its environment."""


DISPLAY_NAMES: Final = ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
"""What the process that shows a window needs of the caller's environment besides `ENVIRONMENT`."""


def window_command(executable: str) -> tuple[str, ...]:
    """The command line of the process that shows codes in a window."""
    return (executable, "-I", "-m", "falconer_shared.qr.window")


class Window:
    """Shows pictures by way of the process `window`. Close it, or use it in a `with`."""

    CLOSED: Final = 255

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process needs pipes at both ends")
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, png: bytes, seconds: float) -> str | None:
        """Show a picture for that long; the key that was pressed meanwhile. Closing the window is a key too.

        Raises:
            DeviceError: `qr-window-missing`.
        """
        try:
            milliseconds = min(max(round(seconds * 1000), 1), 65_535)
            self._stdin.write(len(png).to_bytes(4, "big") + milliseconds.to_bytes(2, "big") + png)
            self._stdin.flush()
            answer = self._stdout.read(1)
        except OSError:
            answer = b""
        if not answer or answer[0] == WINDOW_UNAVAILABLE:
            raise DeviceError(
                "qr-window-missing",
                "no window can be opened",
                remedy="a display is needed, and opencv-python in the place of opencv-python-headless; or leave --window out",
            )
        if answer[0] == self.CLOSED:
            return "\x04"
        return chr(answer[0]) if answer[0] else None

    def close(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        with suppress(OSError):
            self._stdin.close()
        self._process.wait()
        self._stdout.close()


WINDOW_UNAVAILABLE: Final = 254
"""The answer of the process where OpenCV was built without windows, or there is no display."""
