"""The worker process: what it reads, and what it cannot do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from falconer_shared.errors import DeviceError, Malformed
from falconer_shared.qr import client
from falconer_shared.qr.client import Scanner, command
from falconer_shared.qr.draw import Paint, draw
from tests.shared.qr.conftest import start
from tests.support import pictures
from tests.support.refusal import refused

TEXT = "UR:BYTES/1-9/LPADASCFADAXCYWENBPLJKHDCAHKADAEMEJT"


def test_png_and_jpeg(scanner: Scanner) -> None:
    drawn = draw(TEXT).png(4)
    assert scanner.read(drawn) == [TEXT.encode()]
    assert scanner.read(pictures.jpeg(pictures.grey(drawn))) == [TEXT.encode()]


def test_each_library_reads(any_reader: Scanner) -> None:
    assert any_reader.read(draw(TEXT).png(6)) == [TEXT.encode()]


def test_bytes_that_are_no_text(scanner: Scanner) -> None:
    import segno

    from tests.support.frames import psbt

    payload = psbt(120)
    matrix = segno.make_qr(payload, error="l").matrix
    from falconer_shared.qr.draw import Code

    assert scanner.read(Code(1, tuple(bytes(row) for row in matrix)).png(5)) == [payload]


def test_a_picture_without_codes(scanner: Scanner) -> None:
    assert scanner.read(pictures.png(pictures.on_screen(pictures.grey(draw("A").png(1))[:10, :10]))) == []


@pytest.mark.parametrize("contrast", [0.05, 0.08, 0.12, 0.3])
def test_a_picture_of_hardly_any_contrast(scanner: Scanner, contrast: float) -> None:
    image = pictures.on_screen(pictures.grey(draw(TEXT).png()))
    assert scanner.read(pictures.png((120 + image * contrast).astype("uint8"))) == [TEXT.encode()]


def test_a_picture_of_one_shade(scanner: Scanner) -> None:
    image = pictures.on_screen(pictures.grey(draw(TEXT).png()))
    for flat in (image * 0 + 120, 120 + image // 64):
        assert scanner.read(pictures.png(flat)) == []


def test_several_codes_in_one_picture(scanner: Scanner) -> None:
    import numpy as np

    images = [pictures.grey(draw(f"CODE {i}", at_least=3).png(5)) for i in range(6)]
    sheet = np.vstack([np.hstack(images[:3]), np.hstack(images[3:])])
    assert sorted(scanner.read(pictures.png(sheet))) == [f"CODE {i}".encode() for i in range(6)]


def test_what_a_terminal_shows_is_read(scanner: Scanner) -> None:
    """Half blocks, as a terminal of dark letters on a light background paints them."""
    shown = draw(TEXT * 4).terminal(Paint.LIGHT)
    assert scanner.read(pictures.png(pictures.from_terminal(shown))) == [(TEXT * 4).encode()]


def header(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        b"\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\1\0\0\0\0"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"GIF89a" + bytes(100),
        b"II*\0" + bytes(100),  # TIFF
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(100),
        b"P5 2 2 255 1234",
        b"\x89PNG\r\n\x1a\n",
        header(100, 100),
        draw("A").png(4)[:200],
        b"\xff\xd8\xff" + bytes(200),
        b"<svg/>",
    ],
)
def test_what_is_no_picture(scanner: Scanner, data: bytes) -> None:
    with refused("image-malformed", Malformed):
        scanner.read(data)
    assert scanner.read(draw("A").png(4)) == [b"A"]


@pytest.mark.parametrize(
    ("width", "height"), [(2**31 - 1, 2**31 - 1), (client.MAX_PIXELS + 1, 1), (8000, 8000)]
)
def test_a_picture_is_measured_before_it_is_unpacked(scanner: Scanner, width: int, height: int) -> None:
    with refused("image-too-large", Malformed):
        scanner.read(header(width, height))


def test_a_jpeg_is_measured_too(scanner: Scanner) -> None:
    data = bytearray(pictures.jpeg(pictures.grey(draw("A").png(2))))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"  # 65,500 by 65,500
    with refused("image-too-large", Malformed):
        scanner.read(bytes(data))


def test_the_largest_picture_is_read(scanner: Scanner) -> None:
    import numpy as np

    sheet = np.full((6000, 8000), 255, np.uint8)
    code = pictures.grey(draw(TEXT).png(20))
    sheet[1000 : 1000 + code.shape[0], 500 : 500 + code.shape[1]] = code
    assert scanner.read(pictures.png(sheet)) == [TEXT.encode()]


def test_a_camera_that_is_not_there() -> None:
    if Path("/dev/video63").exists():
        pytest.skip("this machine has 64 cameras")
    with start(camera=63) as scanner, refused("camera-unavailable", DeviceError):
        scanner.look()


def test_looking_without_a_camera(scanner: Scanner) -> None:
    with refused("camera-unavailable", DeviceError):
        scanner.look()


def test_a_wrong_command_line_ends_with_2() -> None:
    for words in (("zxing",), ("zxing", "-"), ("sh", "-", "0"), ("zxing", "-", "-1")):
        run = subprocess.run([*command(sys.executable)[:4], *words], stdin=subprocess.DEVNULL, check=False)
        assert run.returncode == 2


PROBE = """
import sys
from falconer_shared.qr import worker
worker.arm()
import os, signal, socket, subprocess
refused = []
for name, act in {acts}.items():
    try:
        act()
    except OSError as error:
        refused.append(name)
print(*refused)
print(*sorted(line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line))
"""


def probe(acts: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROBE.format(acts=acts)], capture_output=True, text=True, check=True
    )
    return run.stdout.split("\n")


def test_the_walls(tmp_path: Path) -> None:
    """No socket, no process, no file: each refused."""
    file = tmp_path / "written"
    acts = f"""{{
        "socket": lambda: socket.socket(),
        "resolve": lambda: socket.getaddrinfo("localhost", 1),
        "popen": lambda: subprocess.Popen(["true"]),
        "system": lambda: os.system("true"),
        "fork": lambda: os.fork() or os._exit(0),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {{}}),
        "write": lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), os.write(os.open({str(file)!r}, 65), b"x")),
    }}"""
    lines = probe(acts)
    assert lines[0].split() == ["socket", "resolve", "popen", "system", "fork", "exec", "spawn", "write"]
    assert file.read_bytes() == b""


def test_the_same_acts_pass_without_the_walls() -> None:
    """So that the test above cannot pass for another reason."""
    acts = '{"socket": lambda: socket.socket(), "popen": lambda: subprocess.Popen(["true"]).wait()}'
    program = PROBE.replace("worker.arm()", "").format(acts=acts)
    run = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == ""


def test_the_walls_stand_before_a_library_is_loaded() -> None:
    check = "import sys; from falconer_shared.qr import worker; print('cv2' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_a_library_that_is_missing_is_said() -> None:
    program = (
        "import sys; sys.modules['zxingcpp'] = None; sys.argv = ['w', 'zxing', '-', '0']\n"
        "from falconer_shared.qr.worker import main; raise SystemExit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with Scanner(process) as scanner, refused("qr-reader-missing", DeviceError) as caught:
        scanner.read(draw("A").png())
    assert caught.value.remedy
    assert "libzbar0" in caught.value.remedy
