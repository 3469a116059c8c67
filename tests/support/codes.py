"""QR codes as the other side of the gap makes and reads them: pictures for the programs, and what their screens show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from falconer_shared.qr import draw, scan
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender
from tests.support import pictures

_COLOURS = re.compile(r"\x1b\[[0-9;]*[mK]")
_BEGIN, _LEAVE = "\x1b[H", "\x1b[?25h"


def write_frames(folder: Path, data: bytes, kind: Kind = Kind.PSBT, version: int = 12) -> list[Path]:
    """A message as numbered pictures in a new folder."""
    folder.mkdir()
    sender = Sender(data, kind, draw.characters(version), schedule=fountain.dense)
    return [write_code(folder / f"{n:03}.png", sender.frame(n)) for n in range(1, sender.n + 1)]


def write_code(path: Path, text: str) -> Path:
    """One code as a picture."""
    path.write_bytes(draw.draw(text).png(4))
    return path


def write_bytes_code(path: Path, data: bytes) -> Path:
    """One code in byte mode, as compact SeedQR is."""
    import segno

    segno.make_qr(data, mode="byte", error="l").save(str(path), scale=4, border=4)
    return path


def codes_in(png: bytes) -> list[bytes]:
    """What a reader finds in a picture."""
    return [found.text for found in scan.reader("zxing")(scan.open_image(png))]


def received(pngs: Iterable[bytes]) -> Received | None:
    """The message in pictures, in any order."""
    receiver = Receiver()
    for png in pngs:
        for code in codes_in(png):
            receiver.feed(code)
    return receiver.feed("").received


def animation(raw: str) -> list[bytes]:
    """The codes of an animation, each drawn as the terminal would show it, from what went to the terminal."""
    plain = _COLOURS.sub("", raw).replace("\r\n", "\n")
    frames = [part.partition(_LEAVE)[0] for part in plain.split(_BEGIN)[1:]]
    return [code_on_screen(frame) for frame in frames]


def code_on_screen(plain: str) -> bytes:
    """The one code among other lines of a screen: its lines are the longest run of half blocks and spaces."""
    block = [line for line in plain.split("\n") if len(line) > 20 and not line.strip(" ▀▄█")]
    wide = max(map(len, block))
    return pictures.png(pictures.from_terminal("\n".join(line for line in block if len(line) == wide)))


def processes_of(session: int) -> Sequence[str]:
    """Command lines of the processes in a session, other than its leader."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == session:
            continue
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
