"""Files that are written whole or not at all, and the lock that keeps two commands apart."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from pathlib import Path

import pytest

from falconer_online import ssh_keygen
from falconer_online.config import Home
from falconer_online.coordinator_key import CoordinatorKey
from falconer_online.files import (
    check_private,
    disk_error,
    exclusive,
    make_private_directory,
    read_file,
    write_file,
    write_out,
)
from falconer_shared.errors import Declined, DeviceError, Malformed, StateError
from falconer_shared.sshsig.signature import SshSignature, verify
from tests.support.refusal import refused
from tests.support.ssh_keygen import KeyFile, accepts


def test_a_file_is_replaced_whole(tmp_path: Path):
    target = tmp_path / "x"
    write_file(target, b"one")
    write_file(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_not_replaced_where_that_is_forbidden(tmp_path: Path):
    target = tmp_path / "x"
    write_file(target, b"one", replace=False)
    with refused("file-exists", StateError):
        write_file(target, b"two", replace=False)
    assert target.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_disk_that_fills_up_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "x"
    write_file(target, b"one")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused("disk-full", StateError):
        write_file(target, b"two")
    assert target.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_is_none(tmp_path: Path):
    with refused("file-not-writable", StateError):
        write_file(tmp_path / "missing" / "x", b"")
    (tmp_path / "file").touch()
    with refused("file-not-writable", StateError):
        make_private_directory(tmp_path / "file")
    assert disk_error(Path("x"), OSError(errno.EDQUOT, "quota")).rule == "disk-full"


def test_reading_is_bounded(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_file(tmp_path / "x", 5, "the file") == b"12345"
    with refused("file-too-large", Malformed):
        read_file(tmp_path / "x", 4, "the file")
    with refused("file-unreadable", StateError):
        read_file(tmp_path / "y", 5, "the file")


@pytest.mark.parametrize("make", ["link", "fifo", "folder", "device"])
def test_only_regular_files_are_read(tmp_path: Path, make: str):
    """A112, A113: a FIFO made the command wait for ever, a link led elsewhere."""
    path = tmp_path / "x"
    (tmp_path / "true").write_bytes(b"12345")
    match make:
        case "link":
            path.symlink_to(tmp_path / "true")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path = Path("/dev/zero")
    with refused("file-not-regular", Malformed):
        read_file(path, 5, "the file")
    assert read_file(tmp_path / "true", 5, "the file") == b"12345"


@pytest.mark.parametrize(("mode", "good"), [(0o700, True), (0o600, True), (0o750, False), (0o701, False)])
def test_private_means_private(tmp_path: Path, mode: int, *, good: bool):
    place = tmp_path / "d"
    place.mkdir()
    place.chmod(mode)
    if good:
        check_private(place)
        return
    with refused("home-permissions", StateError):
        check_private(place)


def test_only_one_command_at_a_time(tmp_path: Path):
    lock = tmp_path / "lock"
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(lock):
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    inside.wait(10)
    with refused("coordinator-busy", StateError), exclusive(lock, wait_seconds=0):
        pass
    leave.set()
    other.join()
    with exclusive(lock, wait_seconds=0):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path):
    with refused("file-not-writable", StateError), exclusive(tmp_path / "missing" / "lock"):
        pass


# keys


def test_the_coordinators_key_is_one_that_ssh_keygen_reads(tmp_path: Path):
    home = Home(tmp_path, tmp_path)
    key = CoordinatorKey.create(home)
    assert stat.S_IMODE(home.key_file.stat().st_mode) == 0o600
    assert home.public_file.read_text() == f"{key.public.text()} falconer-coordinator\n"
    assert KeyFile(home.key_file).fingerprint() == key.public.key_hash
    assert CoordinatorKey.load(home).public == key.public
    with refused("file-exists", StateError):
        CoordinatorKey.create(home)


def test_keys_that_are_none(tmp_path: Path):
    home = Home(tmp_path, tmp_path)
    with refused("coordinator-key", StateError):
        CoordinatorKey.load(home)
    home.key_file.touch(0o600)
    home.key_file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    with refused("coordinator-key", StateError):
        CoordinatorKey.load(home)
    home.key_file.write_bytes(KeyFile.make(tmp_path, "ecdsa", "ecdsa").path.read_bytes())
    with refused("coordinator-key", StateError):
        CoordinatorKey.load(home)
    home.key_file.chmod(0o644)
    with refused("home-permissions", StateError):
        CoordinatorKey.load(home)


def test_signing_by_ssh_keygen_never_takes_an_old_signature(tmp_path: Path):
    key = KeyFile.make(tmp_path, "alice")
    (tmp_path / "text.sig").write_bytes(key.sign(b"an old text\n", "falconer-policy@1"))
    made = ssh_keygen.sign(key.path, b"the new text\n", "falconer-policy@1")
    assert accepts(tmp_path, key.public_line, made.armoured(), b"the new text\n", "falconer-policy@1")
    verify(SshSignature.parse(made.armoured()), b"the new text\n", "falconer-policy@1", made.key)


def test_signing_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with refused("file-unreadable", StateError):
        ssh_keygen.sign(tmp_path / "nobody", b"x", "n")
    (tmp_path / "nokey").write_text("nothing")
    (tmp_path / "nokey").chmod(0o600)
    with refused("ssh-keygen-failed", DeviceError):
        ssh_keygen.sign(tmp_path / "nokey", b"x", "n")
    monkeypatch.setenv("PATH", "/nonexistent")
    with refused("ssh-keygen-missing", DeviceError):
        ssh_keygen.sign(tmp_path / "nokey", b"x", "n")


class Answer(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


def test_what_a_command_writes_replaces_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "out"
    write_out(target, b"one")
    monkeypatch.setattr("sys.stderr", Answer())
    monkeypatch.setattr("sys.stdin", Answer("no\n"))
    before = target.stat().st_ino
    write_out(target, b"one")  # the same again: nothing to ask, nothing to write
    assert target.stat().st_ino == before
    with refused("person-declined", Declined):
        write_out(target, b"two")
    assert target.read_bytes() == b"one"
    monkeypatch.setattr("sys.stdin", Answer("yes\n"))
    write_out(target, b"two")
    assert target.read_bytes() == b"two"


def test_a_script_is_taken_at_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    target = tmp_path / "out"
    write_out(target, b"one")
    write_out(target, b"two")
    assert target.read_bytes() == b"two"


def test_a_stick_without_hard_links_takes_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """FAT knows none; a file that is there stays there."""

    def no_links(*_args: object, **_named: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    write_file(tmp_path / "new", b"x", replace=False)
    assert (tmp_path / "new").read_bytes() == b"x"
    with refused("file-exists", StateError):
        write_file(tmp_path / "new", b"y", replace=False)
