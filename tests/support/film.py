"""Codes on one screen, filmed by a camera that somebody holds: what a video of them is like.

Screen and camera keep their own time. The camera takes its picture line after line, so a picture that is taken while the
screen changes is torn: its upper lines show one code, its lower lines the next. The hand moves, the light flickers, the
lens smears along the movement, some pictures are spoilt altogether and some come twice. All of it from a seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from falconer_shared.qr.draw import Code, draw
from tests.support.pictures import Picture, grey

FOURCC = {"mp4": "mp4v", "mov": "mp4v", "mkv": "mp4v", "webm": "VP80", "avi": "MJPG", "ts": "mpg2"}
"""What each container is filled with: the encoders that OpenCV's wheel brings along."""

READOUT = 0.6
"""Part of the time between two pictures that the camera takes from the first line to the last."""


@dataclass(frozen=True)
class Camera:
    """How the pictures are: `lost` are spoilt, `repeated` come twice (parts of all), `smear` pixels at most."""

    height: int = 720
    rate: float = 24.0
    lost: float = 0.1
    repeated: float = 0.05
    smear: int = 3
    noise: float = 5.0
    seed: int = 1

    @property
    def width(self) -> int:
        return self.height * 4 // 3 if self.height <= 480 else self.height * 16 // 9


def drawn(texts: Iterable[str]) -> Iterator[Code]:
    """The codes of one animation, which keep their size."""
    version = 1
    for text in texts:
        code = draw(text, at_least=version)
        version = code.version
        yield code


def pictures(codes: Iterable[Code], shown_rate: float, camera: Camera) -> Iterator[Picture]:
    """What the camera takes of these codes, until the last was shown."""
    chance = np.random.default_rng(camera.seed)
    screen = [grey(code.png(4)) for code in codes]
    place = np.zeros(4)
    begun = 0.37 / shown_rate  # the camera does not wait for the first code
    number = 0
    while (now := begun + number / camera.rate) * shown_rate < len(screen):
        number += 1
        place = 0.9 * place + chance.normal(0, (1.5, 1.5, 0.3, 0.004), 4)
        later = min(int((now + READOUT / camera.rate) * shown_rate), len(screen) - 1)
        first = int(now * shown_rate)
        picture = _taken(screen[first], place, camera)
        if later != first:
            line = int((later / shown_rate - now) * camera.rate / READOUT * camera.height)
            picture[line:] = _taken(screen[later], place, camera)[line:]
        picture = _smeared(picture, chance, camera.smear)
        if chance.random() < camera.lost:
            picture = cv2.GaussianBlur(picture, (0, 0), camera.height / 60)
        light = chance.normal(0.9, 0.05)
        noise = np.empty(picture.shape, np.int16)
        cv2.randn(noise, 0, camera.noise)
        picture = cv2.add(cv2.convertScaleAbs(picture, alpha=light).astype(np.int16), noise)
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        yield picture
        if chance.random() < camera.repeated:
            yield picture


def _taken(code: Picture, place: np.ndarray, camera: Camera) -> Picture:
    """The screen with the code, a little aside, turned and nearer or farther."""
    aside, down, turn, nearer = place
    side = code.shape[0]
    scale = camera.height * 0.9 / side * (1 + nearer)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), turn, scale)
    matrix[:, 2] += (camera.width / 2 - side / 2 + aside, camera.height / 2 - side / 2 + down)
    # INTER_AREA does not warp: the picture is shrunk by blurring as a lens does
    return cv2.warpAffine(
        cv2.GaussianBlur(code, (0, 0), max(0.3, 0.35 / scale)),
        matrix, (camera.width, camera.height), flags=cv2.INTER_LINEAR, borderValue=90,
    )  # fmt: skip


def _smeared(picture: Picture, chance: np.random.Generator, most: int) -> Picture:
    length = int(chance.integers(0, most + 1))
    if length < 2:
        return picture
    kernel = np.zeros((length, length), np.float32)
    if chance.random() < 0.5:
        kernel[length // 2, :] = 1 / length
    else:
        kernel[:, length // 2] = 1 / length
    return cv2.filter2D(picture, -1, kernel)


def film(path: Path, texts: Iterator[str], count: int, shown_rate: float, camera: Camera) -> Path:
    """A video of the first so many codes. The container is the name's."""
    out = cv2.VideoWriter(
        str(path),
        cv2.VideoWriter.fourcc(*FOURCC[path.suffix[1:]]),
        camera.rate,
        (camera.width, camera.height),
    )
    assert out.isOpened()
    for picture in pictures(drawn(islice(texts, count)), shown_rate, camera):
        out.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    out.release()
    return path
