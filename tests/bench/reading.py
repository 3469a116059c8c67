"""Figures of QR codes as pictures: read by each library, drawn by each, and carried by video.

    .venv/bin/python -m tests.bench.reading                    all, some minutes
    .venv/bin/python -m tests.bench.reading --trials 3         quicker, rougher
    .venv/bin/python -m tests.bench.reading read draw video    some of it

Pictures are computed: a code drawn by us, nine tenths of the picture high, damaged with a strength that is drawn by lot for each
trial (the same for every library), and handed over as pixels. "Ours" is zxing-cpp as shipped, with contrast stretched where it is
low. Times are CPU of this process, one thread, median. What is carried by video is filmed by `tests.support.film`, written as a
file, and read by the shipped worker and receiver; there the time is the video's own. Prints the Markdown tables that
docs/transport.md quotes.
"""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import segno
import zxingcpp

from falconer_online.scanning import scanner
from falconer_shared.crossing.choice import Choice
from falconer_shared.crossing.collect import State, receive
from falconer_shared.crossing.hands import Hands, Source
from falconer_shared.qr import scan
from falconer_shared.qr.draw import draw
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling
from tests.support import pictures
from tests.support.film import Camera, film
from tests.support.frames import psbt
from tests.support.pictures import Picture

SIZES = ((720, 1280, 500), (480, 640, 1000))
"""Lines, columns, characters of the code."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Lot = random.Random


def text_of(characters: int) -> str:
    """As a part of UR looks: letters in no order."""
    return "UR:BYTES/" + "".join(random.Random(characters).choices(LETTERS, k=characters - 9))


# Damage


def blurred(picture: Picture, lot: Lot) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), lot.uniform(0.8, 2.0))


def smeared(picture: Picture, lot: Lot) -> Picture:
    """A hand that moves: along one line, four to seven pixels."""
    length = lot.randint(4, 7)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2, :] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), lot.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def noisy(picture: Picture, lot: Lot) -> Picture:
    noise = np.random.default_rng(lot.randrange(1 << 30)).normal(0, lot.uniform(15, 45), picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def in_perspective(picture: Picture, lot: Lot) -> Picture:
    height, width = picture.shape
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    inward = np.float32([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    moved = corners + inward * np.float32(
        [[lot.uniform(0, width * 0.12), lot.uniform(0, height * 0.12)] for _ in range(4)]
    )
    return cv2.warpPerspective(
        picture, cv2.getPerspectiveTransform(corners, moved), (width, height), borderValue=90
    )


def turned(picture: Picture, lot: Lot) -> Picture:
    height, width = picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), lot.uniform(5, 85), 0.8)
    return cv2.warpAffine(picture, turn, (width, height), borderValue=90)


def pale(picture: Picture, lot: Lot) -> Picture:
    return (120 + picture.astype(np.float32) * lot.uniform(0.08, 0.25)).astype(np.uint8)


def in_glare(picture: Picture, lot: Lot) -> Picture:
    height, width = picture.shape
    y, x = np.mgrid[0:height, 0:width]
    middle = lot.uniform(0.35, 0.65) * width, lot.uniform(0.3, 0.7) * height
    light = lot.uniform(90, 150) * np.exp(
        -(((x - middle[0]) / (width * 0.2)) ** 2 + ((y - middle[1]) / (height * 0.28)) ** 2)
    )
    return np.clip(picture * 0.7 + light, 0, 255).astype(np.uint8)


def unevenly_lit(picture: Picture, lot: Lot) -> Picture:
    height, width = picture.shape
    y, x = np.mgrid[0:height, 0:width]
    side = lot.choice((x / width, 1 - x / width, y / height, 1 - y / height))
    return (picture * (0.25 + 0.75 * side)).astype(np.uint8)


def compressed(picture: Picture, lot: Lot) -> Picture:
    return pictures.grey(pictures.jpeg(picture, lot.randint(8, 30)))


DAMAGES: dict[str, Callable[[Picture, Lot], Picture]] = {
    "blur": blurred,
    "motion": smeared,
    "noise": noisy,
    "perspective": in_perspective,
    "turned": turned,
    "low contrast": pale,
    "glare": in_glare,
    "uneven light": unevenly_lit,
    "JPEG": compressed,
    "blur, noise, perspective": lambda picture, lot: noisy(blurred(in_perspective(picture, lot), lot), lot),
}


# Reading


def readers() -> dict[str, Callable[[Picture], list[str]]]:
    wanted = zxingcpp.barcode_formats_from_str("QRCode")
    ours = scan.reader("zxing")
    aruco, plain = cv2.QRCodeDetectorAruco(), cv2.QRCodeDetector()

    def by_opencv(detector: Any) -> Callable[[Picture], list[str]]:
        return lambda picture: list(detector.detectAndDecodeMulti(picture)[1])

    found: dict[str, Callable[[Picture], list[str]]] = {
        "ours": lambda picture: [code.text.decode() for code in ours(picture)],
        "zxing-cpp": lambda picture: [code.text for code in zxingcpp.read_barcodes(picture, formats=wanted)],
        "OpenCV, Aruco": by_opencv(aruco),
        "OpenCV": by_opencv(plain),
    }
    if ctypes.util.find_library("zbar") is None:
        print("pyzbar is left out: libzbar0 is not installed (sudo apt-get install libzbar0)")
        return found
    from pyzbar import pyzbar

    found["pyzbar"] = lambda picture: [
        code.data.decode() for code in pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE])
    ]
    return found


def read(trials: int) -> None:
    """Success and time, by library, for each size: over all kinds of damage, and by kind."""
    everyone = readers()
    for lines, columns, characters in SIZES:
        text = text_of(characters)
        scene = pictures.on_screen(pictures.grey(draw(text).png(8)), lines, columns)
        right = {name: dict.fromkeys(DAMAGES, 0) for name in everyone}
        spent: dict[str, list[float]] = {name: [] for name in everyone}
        for kind, damage in DAMAGES.items():
            for trial in range(trials):
                picture = damage(scene, random.Random(f"{kind} {trial}"))
                for name, reader in everyone.items():
                    begun = time.process_time()
                    seen = reader(picture)
                    spent[name].append(time.process_time() - begun)
                    right[name][kind] += text in seen
        print(f"\n{lines} lines, {characters} characters: read of {trials} of each kind\n")
        print(f"| | {' | '.join(everyone)} |\n|---|{'---|' * len(everyone)}")
        for kind in DAMAGES:
            print(f"| {kind} | {' | '.join(str(right[name][kind]) for name in everyone)} |")
        shares = [100 * sum(right[name].values()) / trials / len(DAMAGES) for name in everyone]
        print(f"| all | {' | '.join(f'{share:.0f} %' for share in shares)} |")
        print(
            f"| ms a picture | {' | '.join(f'{1000 * statistics.median(spent[name]):.1f}' for name in everyone)} |"
        )


# Drawing


def draw_all(trials: int) -> None:
    """Milliseconds for the modules of one code of 500 characters."""
    text = text_of(500)
    encoder = cv2.QRCodeEncoder.create()
    ways: dict[str, Callable[[], Any]] = {
        "segno, fixed mask (ours)": lambda: draw(text),
        "segno, search for the mask": lambda: segno.make_qr(text, error="l", boost_error=False),
        "zxing-cpp": lambda: zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode),
        "OpenCV": lambda: encoder.encode(text),
    }
    print("\n| drawn by | ms |\n|---|---|")
    for name, way in ways.items():
        way()
        spent = []
        for _ in range(max(5, trials)):
            begun = time.process_time()
            way()
            spent.append(time.process_time() - begun)
        print(f"| {name} | {1000 * statistics.median(spent):.1f} |")


# Carrying


CAMERAS = {
    "still": Camera(lost=0, repeated=0, smear=0, noise=2),
    "by hand, a tenth spoilt": Camera(),
    "by hand, a third spoilt": Camera(lost=0.33),
}
WAYS = {
    "UR, dense, version 12, 480 lines": (Choice(density=12), 480),
    "UR, dense, version 20, 720 lines": (Choice(density=20), 720),
    "UR, dense, version 25, 720 lines": (Choice(density=25), 720),
    "BBQr, version 20, 720 lines": (Choice(spelling=Spelling.BBQR, density=20), 720),
    "BBQr, version 25, 720 lines": (Choice(spelling=Spelling.BBQR, density=25), 720),
}
SHOWN_A_SECOND = 10
PAYLOAD = 20_000


def video(trials: int) -> None:
    """kB a second of video until the message is whole, and the share of one processor that reading it takes."""
    del trials
    data = psbt(PAYLOAD)
    print(f"\n{PAYLOAD // 1000} kB, {SHOWN_A_SECOND} codes a second, a camera of 24 pictures a second\n")
    print(f"| | {' | '.join(CAMERAS)} |\n|---|{'---|' * len(CAMERAS)}")
    for name, (choice, height) in WAYS.items():
        cells = []
        for camera in CAMERAS.values():
            plan = choice.plan(data, Kind.PSBT)
            sending = plan.make(plan.version)
            with tempfile.TemporaryDirectory() as folder:
                path = film(
                    Path(folder) / "x.avi", sending.frames(), (2 if sending.dialect == "ur" else 4) * sending.n, SHOWN_A_SECOND,
                    Camera(height, 24.0, camera.lost, camera.repeated, camera.smear, camera.noise),
                )  # fmt: skip
                seen: list[State] = []
                found = receive(Source((str(path),)), None, Hands(scanner), seen.append)
            if found.data != data:
                raise SystemExit("another payload came out")
            seconds = seen[-1].seen / (24.0 * (1 + camera.repeated))
            cells.append(f"{PAYLOAD / 1000 / seconds:.1f} ({sending.n} codes, {seconds:.1f} s)")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


PARTS = {"read": read, "draw": draw_all, "video": video}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help="read, draw, video; all of them by default"
    )
    parser.add_argument("--trials", type=int, default=12, help="pictures of each kind of damage")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    versions = ("zxing-cpp", "opencv-python-headless", "pyzbar", "segno")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in versions))
    for name in arguments.parts or PARTS:
        PARTS[name](arguments.trials)


if __name__ == "__main__":
    main()
