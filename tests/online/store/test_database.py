"""The database file: its schema, its modes, and what is said when something is wrong with it."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from falconer_online.store import database as module
from falconer_online.store.database import SCHEMA_HEAD, Database
from falconer_online.store.migrate import configuration
from falconer_online.store.schema import administrators, metadata
from falconer_shared.errors import StateError
from tests.support.refusal import refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "falconer.db"


@pytest.fixture
def database(path: Path) -> Database:
    return Database.create(path)


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(administrators.c.name)).scalars())


def add(database: Database, name: str) -> None:
    with database.change() as connection:
        connection.execute(sa.insert(administrators).values(name=name, public_key=name))


def test_the_migrations_make_the_tables_that_the_program_uses(database: Database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_head_is_the_newest_migration(database: Database):
    with database.read() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [SCHEMA_HEAD]


def test_it_is_private_and_written_through(database: Database, path: Path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_change_that_raises_leaves_nothing(database: Database):
    add(database, "alice")
    with pytest.raises(RuntimeError), database.change() as connection:  # noqa: PT012
        connection.execute(sa.insert(administrators).values(name="bob", public_key="bob"))
        raise RuntimeError
    assert names(database) == ["alice"]


def test_a_second_one_is_not_made_over_the_first(database: Database, path: Path):
    add(database, "alice")
    with refused("already-initialised", StateError):
        Database.create(path)
    assert names(Database.open(path)) == ["alice"]


def test_a_missing_one_is_not_made_silently(path: Path):
    with refused("store-missing", StateError):
        Database.open(path)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_one_that_others_can_read_is_refused(database: Database, path: Path, mode: int):
    path.chmod(mode)
    with refused("home-permissions", StateError):
        Database.open(path)
    path.chmod(0o600)
    assert Database.open(path)


def test_one_of_a_newer_program_is_refused(database: Database, path: Path):
    with database.change() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with refused("store-newer", StateError):
        Database.open(path)


def test_an_empty_file_is_migrated(path: Path):
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    assert names(Database.open(path)) == []


@pytest.mark.parametrize(
    "garbage", [b"not a database, but long enough to be looked at " * 40, b"SQLite format 3\0" + bytes(4000)]
)
def test_a_damaged_file_is_refused(path: Path, garbage: bytes):
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    path.write_bytes(garbage)
    with refused("store-corrupt", StateError):
        Database.open(path)


def test_a_lost_table_is_damage(database: Database, path: Path):
    with database.change() as connection:
        connection.exec_driver_sql("DROP TABLE administrators")
    with refused("store-corrupt", StateError):
        names(Database.open(path))


def test_one_that_another_process_holds_is_refused_after_a_while(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with refused("store-locked", StateError):
            add(Database(path), "alice")
    finally:
        holder.rollback()
        holder.close()
    add(database, "alice")


def test_a_full_disk_loses_nothing(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch):
    add(database, "alice")
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    original = module._engine

    def small(where: Path) -> sa.Engine:
        engine = original(where)
        sa.event.listen(
            engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count = {pages}").close()
        )
        return engine

    monkeypatch.setattr(module, "_engine", small)
    with refused("disk-full", StateError), Database(path).change() as connection:
        connection.execute(sa.insert(administrators).values(name="bob", public_key="x" * 100_000))
    assert names(database) == ["alice"]


def test_a_file_that_cannot_be_written_is_refused(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
):
    original = module._engine

    def read_only(where: Path) -> sa.Engine:
        engine = original(where)
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON").close())
        return engine

    monkeypatch.setattr(module, "_engine", read_only)
    with refused("file-not-writable", StateError):
        add(Database(path), "alice")


def _die_in_the_middle(path: Path) -> None:
    import os

    with Database(path).change() as connection:
        connection.execute(sa.insert(administrators).values(name="bob", public_key="bob"))
        os._exit(9)


def test_a_process_that_dies_in_a_change_leaves_nothing(database: Database, path: Path):
    add(database, "alice")
    child = multiprocessing.get_context("spawn").Process(target=_die_in_the_middle, args=(path,))
    child.start()
    child.join(30)
    assert child.exitcode == 9
    assert names(Database.open(path)) == ["alice"]
