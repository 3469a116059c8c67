from __future__ import annotations

import os
import threading

import pytest

from falconer_offline import ingest
from falconer_shared import files
from falconer_shared.errors import Malformed, StateError
from tests.support.refusal import refused


def test_reads_a_regular_file_up_to_its_limit(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert ingest.read_file(str(tmp_path / "f"), 100, "PSBT") == b"x" * 100
    with refused("file-too-large", Malformed):
        ingest.read_file(str(tmp_path / "f"), 99, "PSBT")


def test_an_empty_file_is_named_as_such(tmp_path):
    (tmp_path / "f").touch()
    with refused("file-empty", Malformed):
        ingest.read_file(str(tmp_path / "f"), 100, "PSBT")
    (tmp_path / "f").write_bytes(b"1")
    assert ingest.read_file(str(tmp_path / "f"), 100, "PSBT") == b"1"


@pytest.mark.parametrize("make", ["symlink", "fifo", "folder", "device"])
def test_special_files_are_refused_without_reading_them(tmp_path, make):
    """A112, A113: a FIFO must not make us wait, a link must not lead elsewhere."""
    path = tmp_path / "f"
    if make == "symlink":
        (tmp_path / "target").write_bytes(b"x")
        path.symlink_to(tmp_path / "target")
    elif make == "fifo":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    named = "/dev/zero" if make == "device" else str(path)
    with refused("file-not-regular", Malformed):
        ingest.read_file(named, 100, "PSBT")


@pytest.mark.parametrize("name", ["missing", "a\0b", "x" * 300, "no/such/folder"])
def test_names_that_lead_nowhere(tmp_path, name):
    with refused("file-unreadable", StateError):
        ingest.read_file(str(tmp_path) + "/" + name, 100, "PSBT")


def test_a_hostile_name_is_shown_escaped(tmp_path):
    with refused("file-unreadable", StateError) as caught:
        ingest.read_file(str(tmp_path / "\x1b[2J\u202egpj"), 100, "PSBT")
    assert "\\x1b[2J\\u202e" in caught.value.message


def test_a_sparse_terabyte_costs_nothing(tmp_path):
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)
    with refused("file-too-large", Malformed):
        ingest.read_file(str(tmp_path / "f"), ingest.MAX_PSBT_FILE, "PSBT")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")
    real = files.read_up_to

    def growing(descriptor, limit):
        with (tmp_path / "f").open("ab") as file:
            file.write(b"y" * 200)
        return real(descriptor, limit)

    monkeypatch.setattr(files, "read_up_to", growing)
    with refused("file-too-large", Malformed):
        ingest.read_file(str(tmp_path / "f"), 100, "PSBT")


def test_a_descriptor_gives_its_first_line_and_is_closed():
    for sent, expected in (
        (b"secret\nrest\n", b"secret"),
        (b"secret", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"", b""),
    ):
        reading, writing = os.pipe()
        thread = threading.Thread(target=lambda data=sent, end=writing: (os.write(end, data), os.close(end)))
        thread.start()
        assert ingest.read_descriptor(reading, 100, "passphrase") == expected
        thread.join()
        with refused("file-unreadable", StateError):
            ingest.read_descriptor(reading, 100, "passphrase")
