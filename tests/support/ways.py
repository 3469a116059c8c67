"""Payloads in every dialect, as pictures: what other programs' screens show."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling, Way, send
from tests.support import codes


def drawn(
    folder: Path,
    data: bytes,
    kind: Kind,
    spelling: Spelling,
    version: int = 16,
    type_name: str | None = None,
    label: str = "",
) -> list[Path]:
    """One round of the codes, as pictures in a new folder, not in order."""
    folder.mkdir()
    sending = send(data, kind, Way(spelling, version, type_name, label=label))
    texts = islice(sending.frames(), sending.n)
    return [codes.write_code(folder / f"{n:03}.png", text) for n, text in enumerate(texts)][::-1]


def shown(folder: Path) -> tuple[Kind, bytes]:
    """What a folder of written pictures holds."""
    found = codes.received(path.read_bytes() for path in sorted(folder.iterdir()))
    assert found is not None
    return found.kind, found.data
