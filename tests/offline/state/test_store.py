from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from falconer_offline.state import home as homes
from falconer_offline.state import journal, records, schema
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import STATE_FILE, State, change
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import AuditError, StateError
from tests.offline.office import ADMINS, NOW, Ring, Willing
from tests.support.policies import SshKey
from tests.support.refusal import refused


def edit(office, statement: str, *values: object) -> None:
    with sqlite3.connect(office.home / STATE_FILE) as connection:
        connection.execute(statement, values)
    connection.close()


def signed_once(office):
    from falconer_offline.session import sign_session

    sign_session(office.state(), office.judge(office.request()), Willing(), Ring(office), lambda: NOW)


def test_a_fresh_state_opens_and_says_what_it_holds(office):
    state = office.state()
    assert records.network(state) is Network.REGTEST
    assert state.fact("signer") == "north"
    assert set(records.admins(state).keys) == {SshKey.of(name).public for name in ADMINS}
    assert records.wallets(state) == (office.wallet,)
    assert state.head[0] == 4


EDITS = {
    "facts": "UPDATE facts SET value = 'mainnet' WHERE name = 'network'",
    "admins": "DELETE FROM admins",
    "keys": "UPDATE keys SET fingerprint = '00000000'",
    "wallets": "UPDATE wallets SET gap_limit = 21",
    "holders": "UPDATE holders SET holder = 'somebody'",
    "policies": "UPDATE policies SET text = CAST(text || char(10) AS BLOB)",
    "indexes": "UPDATE indexes SET highest = highest + 1",
    "spends": "UPDATE spends SET spent = 1",
    "receipts": "UPDATE receipts SET signature = x'00'",
    "journal": "DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)",
    "root": "UPDATE root SET signature = x'00'",
    "root text": "UPDATE root SET text = CAST(replace(CAST(text AS TEXT), 'sequence', 'sequenc3') AS BLOB)",
    "no root": "DELETE FROM root",
    "a view": "CREATE VIEW evil AS SELECT 1",
    "a trigger": "CREATE TRIGGER evil AFTER INSERT ON spends BEGIN DELETE FROM spends; END",
    "an index": "CREATE INDEX evil ON spends (spent)",
    "a column": "ALTER TABLE facts ADD COLUMN more TEXT",
}


@pytest.mark.parametrize("what", EDITS)
def test_a_state_edited_by_hand_is_refused_everywhere(office, what):
    signed_once(office)
    office.state()
    edit(office, EDITS[what])
    with refused("state-tampered", AuditError):
        office.state()


def test_a_gap_in_the_journal_is_named(office):
    edit(office, "DELETE FROM journal WHERE number = 1")
    with refused("journal-gap", AuditError):
        office.state()


@pytest.mark.parametrize("pragma", ["user_version = 3", "application_id = 1"])
def test_another_format_is_refused_by_name(office, pragma):
    edit(office, f"PRAGMA {pragma}")
    with refused("state-format-unknown", AuditError):
        office.state()


def test_every_single_row_counts(office):
    """Whichever value of whichever row is changed, the root does not fit."""
    signed_once(office)
    rows = office.state().rows
    for table in schema.TABLES:
        assert rows[table], f"{table} is empty: nothing is tested"
        text = schema.root_text(rows, 7)
        for column in range(len(rows[table][0])):
            changed = list(rows[table][0])
            value = changed[column]
            changed[column] = (
                value + 1 if isinstance(value, int) else value + (b"x" if isinstance(value, bytes) else "x")
            )
            if table == "journal" and column == 0:
                continue
            assert schema.root_text({**rows, table: (tuple(changed), *rows[table][1:])}, 7) != text


def test_values_of_two_rows_cannot_be_shifted_into_one_another():
    assert schema._digest([("ab", "c")]) != schema._digest([("a", "bc")])
    assert schema._digest([("1",)]) != schema._digest([(1,)])
    assert schema._digest([(b"a",)]) != schema._digest([("a",)])
    assert schema._digest([(None,)]) != schema._digest([("",)])
    assert schema._digest([("a",), ("b",)]) != schema._digest([("a", "b")])


def test_garbage_in_the_file_is_one_sentence(office):
    path = office.home / STATE_FILE
    data = bytearray(path.read_bytes())
    data[4096:8192] = os.urandom(4096)
    path.write_bytes(data)
    with pytest.raises(StateError):
        office.state()
    path.write_bytes(b"not a database at all, but long enough to look like one" * 100)
    with refused("state-tampered", AuditError):
        office.state()
    path.write_bytes(b"")
    with pytest.raises(AuditError):
        office.state()


@pytest.mark.parametrize("name", ["", "state.sqlite", "machine.age", "machine.pub"])
def test_what_is_missing_is_named(office, name):
    path = office.home / name if name else office.home
    path.rename(path.with_name("moved"))
    with refused("state-missing", StateError):
        State.open(office.home)


@pytest.mark.parametrize("name", ["", "state.sqlite", "machine.age", "machine.pub"])
@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020, 0o001])
def test_a_home_that_others_can_read_is_refused(office, name, bits):
    path = office.home / name if name else office.home
    path.chmod(path.stat().st_mode | bits)
    with refused("state-permissions", StateError):
        State.open(office.home)


def test_a_home_behind_a_link_is_refused(office, tmp_path):
    (tmp_path / "link").symlink_to(office.home)
    with refused("state-permissions", StateError):
        State.open(tmp_path / "link")


def test_another_public_half_is_refused(office):
    (office.home / "machine.pub").write_text(MachineKey.generate().public.text() + "\n")
    with refused("state-tampered", AuditError):
        office.state()
    (office.home / "machine.pub").write_text("nonsense")
    with refused("state-tampered", AuditError):
        office.state()


def test_opening_writes_nothing(office):
    before = (office.home / STATE_FILE).read_bytes()
    office.state()
    assert (office.home / STATE_FILE).read_bytes() == before
    assert sorted(path.name for path in office.home.iterdir()) == [
        "machine.age",
        "machine.pub",
        "state.sqlite",
    ]


def test_a_change_moves_root_and_head_together(office):
    state = office.state()
    with change(state, office.machine) as (transaction, after):
        journal.note(transaction, NOW, "tested")
    assert after[0].sequence == state.sequence + 1
    assert after[0].head[0] == state.head[0] + 1
    assert office.state().root == after[0].root


def test_a_change_that_fails_changes_nothing(office):
    before = office.state().root
    with pytest.raises(ZeroDivisionError), change(office.state(), office.machine) as (transaction, _):  # noqa: PT012
        transaction.run("DELETE FROM wallets")
        raise ZeroDivisionError
    assert office.state().root == before


def test_only_the_snapshot_that_still_is_the_state_can_be_changed(office):
    """A127: two sessions judged on one state; the second must judge again."""
    first, second = office.state(), office.state()
    with change(first, office.machine) as (transaction, _):
        journal.note(transaction, NOW, "tested")
    with refused("state-changed", StateError), change(second, office.machine):
        pytest.fail("the second change must not start")


def test_only_this_machine_can_change_it(office):
    with refused("machine-key-other", StateError), change(office.state(), MachineKey.generate()):
        pytest.fail("another key must not change it")


def test_a_second_process_waits_and_then_says_so(office, monkeypatch):
    monkeypatch.setattr("falconer_offline.state.store.BUSY_MILLISECONDS", 50)
    state = office.state()
    other = sqlite3.connect(office.home / STATE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with refused("state-busy", StateError), change(state, office.machine):
        pytest.fail("the state is in use")
    office.state()
    other.execute("ROLLBACK")
    other.close()
    with change(state, office.machine) as (transaction, _):
        journal.note(transaction, NOW, "tested")


def test_a_row_that_exists_is_a_conflict_and_changes_nothing(office):
    before = office.state().root
    with refused("state-conflict", StateError), change(office.state(), office.machine) as (transaction, _):
        transaction.run("INSERT INTO admins SELECT key FROM admins")
    assert office.state().root == before


FULL_DISK = """
import resource, sys
from pathlib import Path
from falconer_offline.keys.sealed import Identity
from falconer_offline.state import journal
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State, change
from falconer_shared.errors import StateError

home = Path(sys.argv[1])
identity = Identity.parse(sys.argv[2].encode())
state = State.open(home)
machine = MachineKey.open((home / "machine.age").read_bytes(), identity, state.machine)
room = (home / "state.sqlite").stat().st_size + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    with change(state, machine) as (transaction, _):
        for number in range(200):
            journal.note(transaction, 1_800_000_000, "filling", text="x" * 2000)
except StateError as refused:
    print(refused.rule)
"""


@pytest.mark.parametrize("room", [0, 4096, 100_000])
def test_a_full_disk_leaves_the_state_as_it_was(office, room):
    before = office.state().root
    arguments = [sys.executable, "-c", FULL_DISK, str(office.home), str(office.identity.value), str(room)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.stdout == "state-not-writable\n", done.stderr
    assert office.state().root == before


def test_a_home_is_made_whole_or_not_at_all(tmp_path, office):
    admins = [SshKey.of("admin-a").public]
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with refused("home-exists", StateError):
        homes.create(tmp_path / "used", Network.REGTEST, "north", admins, office.identity, NOW)
    (tmp_path / "empty").mkdir()
    homes.create(tmp_path / "empty", Network.REGTEST, "north", admins, office.identity, NOW)
    assert State.open(tmp_path / "empty").head[0] == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_home_that_cannot_be_made_leaves_nothing(tmp_path, office, monkeypatch):
    def broken(*_arguments):
        raise StateError("state-not-writable", "no space left")

    monkeypatch.setattr("falconer_offline.state.store.create", broken)
    with refused("state-not-writable", StateError):
        homes.create(
            tmp_path / "new", Network.REGTEST, "north", [SshKey.of("admin-a").public], office.identity, NOW
        )
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_the_place_of_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("FALCONER_OFFLINE_HOME", str(tmp_path / "by-variable"))
    assert homes.place(str(tmp_path / "named")) == tmp_path / "named"
    assert homes.place(None) == tmp_path / "by-variable"
    monkeypatch.delenv("FALCONER_OFFLINE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert homes.place(None) == tmp_path / "falconer-offline"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert homes.place(None) == tmp_path / "me" / ".local" / "share" / "falconer-offline"


def test_a_state_of_ten_thousand_entries_opens(office):
    with change(office.state(), office.machine) as (transaction, _):
        for number in range(10_000):
            transaction.run(
                "INSERT INTO journal VALUES (?, ?)",
                4 + number,
                b'{"at":1800000000,"event":"x","facts":{},"n":%d}' % (4 + number),
            )
    assert office.state().head[0] == 10_004


def test_a_state_file_out_of_all_proportion_is_not_read(office):
    with (office.home / STATE_FILE).open("r+b") as file:
        file.truncate((1 << 30) + 1)
    with refused("state-too-large", StateError):
        office.state()


def test_places_that_cannot_even_be_looked_at(tmp_path):
    too_long = tmp_path / ("x" * 300)
    with refused("state-unreadable", StateError):
        State.open(too_long)
    with refused("state-unreadable", StateError):
        homes.check_free(too_long)
    homes.check_free(tmp_path / "free")
