from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from falconer_offline import emit
from falconer_shared.errors import StateError
from tests.support.refusal import refused


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_whole_private_files_and_leaves_nothing_beside(tmp_path):
    emit.write_file(str(tmp_path / "out"), b"data")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["out"]


def test_nothing_is_overwritten_unasked(tmp_path):
    (tmp_path / "out").write_bytes(b"old")
    with refused("file-exists", StateError):
        emit.write_file(str(tmp_path / "out"), b"new")
    assert (tmp_path / "out").read_bytes() == b"old"
    emit.write_file(str(tmp_path / "out"), b"new", replace=True)
    assert (tmp_path / "out").read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


def test_no_device_pipe_or_folder_is_replaced(tmp_path):
    """Root who says --out /dev/null would be left without it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "folder", "null"):
        before = (tmp_path / name).lstat()
        with refused("file-exists", StateError):
            emit.write_file(str(tmp_path / name), b"new", replace=True)
        assert (tmp_path / name).lstat() == before
    assert names(tmp_path) == ["folder", "null", "pipe"]


def test_a_link_is_never_written_through(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with refused("file-exists", StateError):
        emit.write_file(str(tmp_path / "out"), b"new")
    emit.write_file(str(tmp_path / "out"), b"new", replace=True)
    assert (tmp_path / "elsewhere").read_bytes() == b"old"


def test_a_dangling_link_counts_as_there(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    assert emit.exists(str(tmp_path / "out"))
    assert not emit.exists(str(tmp_path / "other"))


@pytest.mark.parametrize("name", ["no/such/folder/out", "a\0b"])
def test_places_that_cannot_be_written(tmp_path, name):
    with refused("file-not-writable", StateError):
        emit.write_file(f"{tmp_path}/{name}", b"data")


def test_a_place_is_looked_at_before_anything_is_written(tmp_path, monkeypatch):
    for check in (emit.check_free, emit.check_place):
        check(str(tmp_path / "out"))
        monkeypatch.chdir(tmp_path)
        check("out")
        check("out/")
        (tmp_path / "file").touch()
        for name in ("no/such/folder/out", "file/out", "a\0b/out"):
            with refused("file-not-writable", StateError):
                check(f"{tmp_path}/{name}")
    # whoever runs this may be root, who may write anywhere
    monkeypatch.setattr(os, "access", lambda *_: False)
    with refused("file-not-writable", StateError):
        emit.check_place(str(tmp_path / "out"))


def test_a_medium_without_hard_links_still_refuses_to_overwrite(tmp_path, monkeypatch):
    def no_links(*_arguments, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    emit.write_file(str(tmp_path / "out"), b"data")
    with refused("file-exists", StateError):
        emit.write_file(str(tmp_path / "out"), b"new")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert names(tmp_path) == ["out"]


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "out").write_bytes(b"old")
    program = (
        "import resource, sys\n"
        "from falconer_offline import emit\n"
        "from falconer_shared.errors import StateError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    emit.write_file(sys.argv[1], bytes(5000), replace=True)\n"
        "except StateError as refused:\n"
        "    print(refused.rule)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "file-not-writable\n"
    assert (tmp_path / "out").read_bytes() == b"old"
    assert names(tmp_path) == ["out"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000
