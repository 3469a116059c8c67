"""Codes out of pictures and out of a camera. Runs in the worker process alone (an import contract says so).

Pictures are PNG or JPEG by their first bytes; OpenCV would also open a dozen formats that nobody needs and
whose parsers are a risk. The size is read from the header before anything is unpacked.
"""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from falconer_shared.qr.client import ENVIRONMENT, MAX_PIXELS

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", ENVIRONMENT["OPENCV_IO_MAX_IMAGE_PIXELS"])
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", ENVIRONMENT["OPENCV_FFMPEG_CAPTURE_OPTIONS"])

import cv2  # it reads the limits when it is loaded
import numpy as np

cv2.setNumThreads(1)

Image = Any
"""A grey picture as numpy has it: lines of bytes."""

PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"


class NotAnImage(ValueError):
    """Neither PNG nor JPEG, or damaged."""


class TooLarge(ValueError):
    """More pixels than `MAX_PIXELS`."""


class Ended(Exception):
    """The video has no further picture."""


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """A code: what it holds, and its four corners in the picture's pixels."""

    text: bytes
    corners: tuple[Point, Point, Point, Point]


def open_image(data: bytes) -> Image:
    """A picture file as a grey picture.

    Raises:
        NotAnImage, TooLarge.
    """
    if data.startswith(PNG):
        # IHDR is the first chunk: length 4, name 4, width 4, height 4
        if int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big") > MAX_PIXELS:
            raise TooLarge
    elif not data.startswith(JPEG):
        raise NotAnImage
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        # OpenCV checks the pixels of a JPEG itself, against the same limit
        raise (TooLarge if "pixels" in str(error) else NotAnImage) from error
    if image is None:
        raise NotAnImage
    return image


def reader(name: str) -> Callable[[Image], list[Found]]:
    """The function that finds codes, by the name of its library.

    Raises:
        ImportError: the library or what it needs is not installed.
    """
    return {"zxing": _zxing, "opencv": _opencv, "pyzbar": _pyzbar}[name]()


def _zxing() -> Callable[[Image], list[Found]]:
    import zxingcpp  # noqa: PLC0415

    wanted = zxingcpp.barcode_formats_from_str("QRCode")

    def read(image: Image) -> list[Found]:
        codes = zxingcpp.read_barcodes(image, formats=wanted)
        if not codes and (stretched := _stretched(image)) is not None:
            codes = zxingcpp.read_barcodes(stretched, formats=wanted)
        found = []
        for code in codes:
            place = code.position
            corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
            found.append(Found(bytes(code.bytes), _corners([(corner.x, corner.y) for corner in corners])))
        return found

    return read


_PALE: Final = 96
_FLAT: Final = 8


def _stretched(image: Image) -> Image | None:
    """A picture of hardly any contrast with all of it used: zxing-cpp takes differences below 24 steps for noise.
    None where there is enough contrast, or next to none.
    """
    low, high, _, _ = cv2.minMaxLoc(image)
    if not _FLAT <= high - low < _PALE:
        return None
    steps = 255 / (high - low)
    return cv2.convertScaleAbs(image, alpha=steps, beta=-low * steps)


def _opencv() -> Callable[[Image], list[Found]]:
    detector = cv2.QRCodeDetectorAruco()

    def read(image: Image) -> list[Found]:
        found, texts, places, _codes = detector.detectAndDecodeMulti(image)
        if not found:
            return []
        return [
            Found(text.encode("utf-8"), _corners([(float(x), float(y)) for x, y in place]))
            for text, place in zip(texts, places, strict=True)
            if text
        ]

    return read


def _pyzbar() -> Callable[[Image], list[Found]]:
    # It looks for its library by running other programs, which the walls of this process refuse. Debian's name is known.
    ctypes.util.find_library = lambda name: "libzbar.so.0" if name == "zbar" else None
    from pyzbar import pyzbar  # noqa: PLC0415

    def read(image: Image) -> list[Found]:
        return [
            Found(bytes(code.data), _corners([(point.x, point.y) for point in code.polygon]))
            for code in pyzbar.decode(image, symbols=[pyzbar.ZBarSymbol.QRCODE])
        ]

    return read


def _corners(points: Sequence[Point]) -> tuple[Point, Point, Point, Point]:
    """Four corners, whatever a library calls the place of a code."""
    if len(points) != 4:
        points = [(0.0, 0.0)] * 4
    first, second, third, fourth = points
    return first, second, third, fourth


def preview(image: Image, found: Sequence[Found], most: int) -> bytes:
    """The picture for a person, at most so many pixels along a side, and where the codes are (`client`: wire)."""
    high, wide = image.shape[:2]
    scale: float = min(1.0, most / max(high, wide))
    width, height = max(1, int(wide * scale)), max(1, int(high * scale))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

    def inside(value: float, limit: int) -> int:
        return min(max(int(value * scale), 0), limit - 1)

    outlines = b"".join(
        bytes(value for x, y in code.corners for value in (inside(x, width), inside(y, height)))
        for code in found
    )
    return bytes((width, height)) + small.tobytes() + bytes((len(found),)) + outlines


class Camera:
    """A camera of this machine.

    Raises:
        OSError: it cannot be opened, or gives no picture.
    """

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise OSError("no camera")
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, 1280)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, 720)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def look(self) -> Image:
        """The next picture, grey."""
        taken, picture = self._capture.read()
        if not taken:
            raise OSError("no picture")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


class Video:
    """A video in an open file, picture by picture, as fast as it can be read.

    Raises:
        NotAnImage: no video in a format that is read here, or its pictures are too large.
    """

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(f"/proc/self/fd/{number}", cv2.CAP_FFMPEG)
        pixels = self._capture.get(cv2.CAP_PROP_FRAME_WIDTH) * self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if not self._capture.isOpened() or not 0 < pixels <= MAX_PIXELS:
            raise NotAnImage

    def look(self) -> Image:
        """The next picture, grey.

        Raises:
            Ended.
        """
        taken, picture = self._capture.read()
        if not taken:
            raise Ended
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def source(seen: str) -> Camera | Video | None:
    """What the worker's command line names: a camera's number, `video:` and an open file's, or `-` for neither.

    Raises:
        OSError, NotAnImage, ValueError.
    """
    if seen == "-":
        return None
    return Video(int(seen.removeprefix("video:"))) if seen.startswith("video:") else Camera(int(seen))


_WINDOW: Final = 640
"""Pixels along a side at first: it fits the 768 lines of a small laptop. The person makes it larger."""


def window(name: str) -> Callable[[bytes, int], int]:
    """A function that shows a PNG in a window for so many milliseconds and returns the key pressed: 0 for none,
    255 when the window was closed.

    Raises:
        OSError: OpenCV was built without windows, or there is no display.
    """
    try:
        cv2.namedWindow(name, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(name, _WINDOW, _WINDOW)
    except cv2.error as error:
        raise OSError("no window") from error

    def show(data: bytes, milliseconds: int) -> int:
        cv2.imshow(name, open_image(data))
        key = cv2.waitKey(max(milliseconds, 1))
        if cv2.getWindowProperty(name, cv2.WND_PROP_VISIBLE) < 1:
            return 255
        return 0 if key < 0 else key & 0x7F

    return show
