"""A stick in hostile hands: what lies beside the state file, and what SQLite would make of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct

import pytest

from falconer_offline.session import sign_session
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import MACHINE_FILE, PUBLIC_FILE, STATE_FILE
from falconer_shared.errors import AuditError, SecretError, StateError
from tests.offline.office import NOW, Office, Ring, Willing
from tests.support.refusal import outcome, refused
from tests.support.treasury import wpkh_wallet


def sign(office):
    judged = office.judge(office.request())
    return sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)


@pytest.fixture
def database(office):
    connection = sqlite3.connect(office.home / STATE_FILE)
    yield connection
    connection.close()


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "readable"])
def test_what_sqlite_would_open_by_itself_is_looked_at_first(office, tmp_path, suffix, kind):
    """A FIFO named state.sqlite-journal made every command wait for ever."""
    path = office.home / f"{STATE_FILE}{suffix}"
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(b"precious")
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir(0o700)
    else:
        path.touch(0o644)
        path.chmod(0o644)
    with refused("state-permissions", StateError):
        office.state()
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def test_a_leftover_journal_of_this_user_is_sqlites_business(office):
    (office.home / f"{STATE_FILE}-journal").touch(0o600)
    sign(office)


def test_opening_a_state_deletes_no_file(office, tmp_path):
    """A rollback journal with the name of a super-journal made SQLite delete that file, wherever it was."""
    victim = tmp_path / "elsewhere.key"
    victim.write_bytes(b"precious")
    pages = (office.home / STATE_FILE).stat().st_size // 4096
    magic = bytes.fromhex("d9d505f920a163d7")
    name = bytes(victim)
    header = (magic + struct.pack(">IIIII", 0, 1, pages, 512, 4096)).ljust(512, b"\0")
    tail = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    journal = office.home / f"{STATE_FILE}-journal"
    journal.write_bytes(header + tail)
    journal.chmod(0o600)
    with refused("state-tampered", AuditError):
        office.state()
    assert victim.read_bytes() == b"precious"
    # SQLite alone would have
    with sqlite3.connect(office.home / STATE_FILE) as connection:
        connection.execute("SELECT count(*) FROM spends").fetchone()
    connection.close()
    assert not victim.exists()


def test_a_second_root_is_covered_by_no_signature(office, database):
    database.execute("PRAGMA ignore_check_constraints = 1")
    for one in (0, 2):
        database.execute("INSERT INTO root SELECT ?, text, signature FROM root WHERE one = 1", (one,))
        database.commit()
        with refused("state-tampered", AuditError):
            office.state()
        database.execute("DELETE FROM root WHERE one = ?", (one,))
        database.commit()
    assert office.state()


def test_the_journal_mode_changes_nothing_that_counts(office, database):
    """The file's header may be switched to a write-ahead log; what is read is verified all the same."""
    assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    database.close()
    sign(office)
    assert [row[-1] for row in office.state().rows["spends"]] == ["signed"]


def test_an_index_that_lies_does_not_hide_a_row(office):
    """`keys` and `wallets` have an index of SQLite's own; the root is computed from the tables."""
    before = office.state().rows
    with sqlite3.connect(office.home / STATE_FILE) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("DELETE FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_wallets%'")
    connection.close()
    rows, rule = outcome(lambda: office.state().rows)
    assert rows == before or rule == "state-tampered"


def test_another_machines_files_open_nothing(office, tmp_path):
    """machine.pub, machine.age and the state of another home: consistent, and not the machine whose keys are wanted."""
    other = Office.make(tmp_path / "other", wpkh_wallet())
    for name in (STATE_FILE, PUBLIC_FILE):
        shutil.copy(other.home / name, office.home / name)
    state = office.state()
    with refused("machine-key-other", SecretError):
        MachineKey.open((office.home / MACHINE_FILE).read_bytes(), office.identity, state.machine)
    shutil.copy(other.home / MACHINE_FILE, office.home / MACHINE_FILE)
    with refused("identity-wrong", SecretError):
        MachineKey.open((office.home / MACHINE_FILE).read_bytes(), office.identity, state.machine)
