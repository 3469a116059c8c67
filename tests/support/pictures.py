"""Pictures of codes as a camera takes them: drawn, laid on a background, damaged, written as a file."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Picture = np.ndarray


def grey(png: bytes) -> Picture:
    """A picture file as grey pixels."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image


def png(image: Picture) -> bytes:
    """Pixels as a PNG file."""
    done, data = cv2.imencode(".png", image)
    assert done
    return data.tobytes()


def jpeg(image: Picture, quality: int = 90) -> bytes:
    """Pixels as a JPEG file."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def on_screen(code: Picture, height: int = 720, width: int = 1280) -> Picture:
    """The code as large as it fits, in the middle of a grey scene."""
    side = int(height * 0.9)
    scaled = cv2.resize(code, (side, side), interpolation=cv2.INTER_AREA)
    scene = np.full((height, width), 90, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    scene[top : top + side, left : left + side] = scaled
    return scene


def blurred(image: Picture) -> Picture:
    return cv2.GaussianBlur(image, (0, 0), 1.6)


def noisy(image: Picture) -> Picture:
    noise = np.random.default_rng(1).normal(0, 22, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def in_perspective(image: Picture) -> Picture:
    height, width = image.shape
    before = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    after = np.float32([[70, 40], [width - 30, 0], [width - 110, height - 10], [20, height - 60]])
    return cv2.warpPerspective(
        image, cv2.getPerspectiveTransform(before, after), (width, height), borderValue=90
    )


def turned(image: Picture) -> Picture:
    height, width = image.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 17, 0.85)
    return cv2.warpAffine(image, turn, (width, height), borderValue=90)


def pale(image: Picture) -> Picture:
    return (110 + image.astype(np.float32) * 0.18).astype(np.uint8)


def in_glare(image: Picture) -> Picture:
    height, width = image.shape
    y, x = np.mgrid[0:height, 0:width]
    light = 110 * np.exp(-(((x - width * 0.55) / 260) ** 2 + ((y - height * 0.4) / 200) ** 2))
    return np.clip(image * 0.7 + light, 0, 255).astype(np.uint8)


def torn(image: Picture) -> Picture:
    """The lower half of the picture is of the next frame, here: nothing."""
    out = image.copy()
    out[image.shape[0] * 5 // 8 :, :] = 90
    return out


DAMAGES: dict[str, Callable[[Picture], Picture]] = {
    "none": lambda image: image,
    "blur": blurred,
    "noise": noisy,
    "perspective": in_perspective,
    "turned": turned,
    "pale": pale,
    "glare": in_glare,
    "blur and noise": lambda image: noisy(blurred(image)),
}


def from_terminal(text: str, scale: int = 6) -> Picture:
    """What a terminal shows for lines of half blocks: its letters' colour is black, its background white."""
    upper = {" ": 255, "▄": 255, "▀": 0, "█": 0}
    lower = {" ": 255, "▀": 255, "▄": 0, "█": 0}
    rows: list[list[int]] = []
    for line in text.splitlines():
        rows += [[upper[c] for c in line], [lower[c] for c in line]]
    return np.kron(np.array(rows, np.uint8), np.ones((scale, scale), np.uint8))
