"""Refusals that hardly anything meets: each is asked where it stands, by one wrong fact."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from falconer_shared import files
from falconer_shared.crossing import collect, hands
from falconer_shared.crossing.hands import Hands, Source
from falconer_shared.encoding import cbor
from falconer_shared.errors import DeviceError, Malformed, StateError, UsageError
from falconer_shared.qr import client
from falconer_shared.transport import bbqr
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind
from falconer_shared.transport.registry.types import Bytes
from falconer_shared.transport.send import Spelling, _ascii
from falconer_shared.wallet import multisig_text
from tests.support.refusal import refused


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.EBADF, "Bad file descriptor")


# Files


def test_a_file_that_cannot_be_read_though_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert files.read_file(path, 1, "PSBT") == b"x"
    monkeypatch.setattr(files, "read_up_to", fail)
    with refused("file-unreadable", StateError):
        files.read_file(path, 1, "PSBT")


def test_a_place_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files.check_place(tmp_path / "new")
    with refused("file-not-writable", StateError):
        files.check_place(tmp_path / "none" / "new")
    with refused("file-not-writable", StateError):
        files.write_folder(str(tmp_path / "none" / "new"), {"a": b"x"})
    with monkeypatch.context() as full:

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(files.os, "mkdir", refuse)
        with refused("disk-full", StateError):
            files.write_folder(str(tmp_path / "new"), {"a": b"x"})
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with refused("file-not-writable", StateError):
        files.check_place(tmp_path / "new")


def test_a_picture_that_cannot_be_read_though_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "picture"
    path.write_bytes(b"x")
    outside = Hands(scanner=fail)  # type: ignore[arg-type]
    assert outside.starts_with(str(path), 1) == b"x"
    monkeypatch.setattr(hands.os, "fdopen", fail)
    with refused("file-unreadable", StateError):
        outside.starts_with(str(path), 1)


def test_standard_input_that_is_lost_while_it_is_read(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    monkeypatch.setattr(hands.os, "dup", lambda _: reading)
    monkeypatch.setattr(hands.os, "isatty", lambda _: False)
    with Hands(scanner=fail).standard_input() as read:  # type: ignore[arg-type]
        assert read(1) is None
        os.write(writing, b"x")
        assert read(1) == b"x"
        with monkeypatch.context() as lost:
            lost.setattr(hands.os, "read", fail)
            with refused("file-unreadable", StateError):
                read(1)
    os.close(writing)


# Codes


def test_nothing_is_gathered_from_nothing():
    with refused("scan-no-code", Malformed):
        collect.gather([])


def test_pictures_without_the_one_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(collect, "_sightings", lambda *_: iter([(1, 1, [], None)]))
    outside, source = Hands(scanner=fail), Source(names=("picture.png",))  # type: ignore[arg-type]
    with refused("scan-no-code", Malformed):
        collect.one_code(source, outside, lambda _: None)


def test_a_worker_that_ends_a_video_where_none_is():
    def ended(_: bytes) -> None:
        raise client._VideoEnded

    scanner = SimpleNamespace(_ask=ended, _nonsense=lambda: client._broken("nonsense"))
    with refused("qr-worker-failed", DeviceError):
        client.Scanner.read(scanner, b"x")  # type: ignore[arg-type]


def test_parts_that_are_too_large_together():
    with refused("bbqr-too-large", Malformed):
        bbqr._join("H", "B", [bytes(MAX_PAYLOAD), b"x"])


def test_bytes_that_are_too_many_in_one_string():
    with refused("ur-message-too-large", Malformed):
        Bytes("bytes", Kind.BYTES).unwrap(cbor.encode(bytes(MAX_PAYLOAD + 1)))


def test_text_that_is_none_is_not_sent_as_text():
    way = SimpleNamespace(spelling=Spelling.TEXT)
    assert _ascii(b" x\n", Kind.TEXT, way) == "x"  # type: ignore[arg-type]
    with refused("send-kind-unsupported", UsageError):
        _ascii(b"\xff", Kind.TEXT, way)  # type: ignore[arg-type]


# Coldcard's lines


@pytest.mark.parametrize(
    "data", [b"x" * (multisig_text.MAX_BYTES + 1), b"Name: \xff", b"Name: a\x00", b"Name: a\x1b[2J"]
)
def test_lines_that_are_no_text(data: bytes):
    longest = b"x" * multisig_text.MAX_BYTES
    assert multisig_text._text(longest) == longest.decode()
    with refused("multisig-text-malformed", Malformed):
        multisig_text._text(data)


@pytest.mark.parametrize("key", ["", "x-b", "tpub/0", "x y"])
def test_a_key_that_is_none(key: str):
    with refused("multisig-text-malformed", Malformed):
        multisig_text._key_expression("00000000", "48h", key)
