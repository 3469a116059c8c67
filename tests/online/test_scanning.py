"""The coordinator's worker reads pictures and cannot reach what the coordinator reaches."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from falconer_online.scanning import scanner
from falconer_shared.errors import DeviceError, Malformed
from falconer_shared.qr.draw import draw
from tests.support.refusal import refused


@pytest.mark.parametrize("reader", ["zxing", "opencv"])
def test_codes_are_read(reader: str) -> None:
    with scanner(reader=reader) as opened:
        assert opened.read(draw("HELLO").png()) == [b"HELLO"]
        with refused("image-malformed", Malformed):
            opened.read(b"no picture")


def test_the_worker_inherits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FALCONER_NODE_PASSWORD", "secret")
    with (tmp_path / "open").open("wb"), scanner() as opened:
        opened.read(draw("A").png())
        process = Path(f"/proc/{opened._process.pid}")  # type: ignore[attr-defined]
        if os.geteuid() == 0:  # a process that cannot be dumped shows these to root alone
            assert b"FALCONER" not in (process / "environ").read_bytes()
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            assert all(link.startswith("pipe:") or link == "/dev/null" for link in links), links


def test_a_program_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with refused("qr-worker-failed", DeviceError), scanner():
        pass


def test_the_worker_is_gone_after_its_block() -> None:
    with scanner() as opened:
        number = opened._process.pid  # type: ignore[attr-defined]
    assert not Path(f"/proc/{number}").exists()
