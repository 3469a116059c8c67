"""Codes out of pictures and out of a camera. Runs in the worker process alone (an import contract says so).

Pictures are PNG or JPEG by their first bytes; OpenCV would also open a dozen formats that nobody needs and
whose parsers are a risk. The size is read from the header before anything is unpacked.
"""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Callable
from typing import Any, Final

from falconer_shared.qr.client import ENVIRONMENT, MAX_PIXELS

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", ENVIRONMENT["OPENCV_IO_MAX_IMAGE_PIXELS"])

import cv2  # it reads the limit when it is loaded
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


def reader(name: str) -> Callable[[Image], list[bytes]]:
    """The function that finds codes, by the name of its library.

    Raises:
        ImportError: the library or what it needs is not installed.
    """
    return {"zxing": _zxing, "opencv": _opencv, "pyzbar": _pyzbar}[name]()


def _zxing() -> Callable[[Image], list[bytes]]:
    import zxingcpp  # noqa: PLC0415

    wanted = zxingcpp.barcode_formats_from_str("QRCode")

    def read(image: Image) -> list[bytes]:
        return [bytes(found.bytes) for found in zxingcpp.read_barcodes(image, formats=wanted)]

    return read


def _opencv() -> Callable[[Image], list[bytes]]:
    detector = cv2.QRCodeDetectorAruco()

    def read(image: Image) -> list[bytes]:
        found, texts, _points, _codes = detector.detectAndDecodeMulti(image)
        return [text.encode("utf-8") for text in texts if text] if found else []

    return read


def _pyzbar() -> Callable[[Image], list[bytes]]:
    # It looks for its library by running other programs, which the walls of this process refuse. Debian's name is known.
    ctypes.util.find_library = lambda name: "libzbar.so.0" if name == "zbar" else None
    from pyzbar import pyzbar  # noqa: PLC0415

    def read(image: Image) -> list[bytes]:
        return [bytes(found.data) for found in pyzbar.decode(image, symbols=[pyzbar.ZBarSymbol.QRCODE])]

    return read


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
