"""One SQLite database, opened for a command and closed with it.

Every change runs in one immediate transaction (`change`), written through to the disk before it counts
(synchronous FULL), so that kill -9 or a full disk leaves either all of it or nothing. Faults of the file
become one clear refusal: locked, full, damaged.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from falconer_online.files import check_private, disk_error, make_private_directory
from falconer_online.store.schema import metadata
from falconer_shared.errors import FalconerError, StateError
from falconer_shared.text import safe

SCHEMA_HEAD = "0001"
"""The newest migration: a database at another revision is migrated before use (a test compares it with the
scripts).
"""

BUSY_SECONDS = 5
"""How long SQLite waits for another process to finish writing."""


class Database:
    """The coordinator's store. `wanted` is the path of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)

    @classmethod
    def create(cls, path: Path) -> Database:
        """Make a new, empty database.

        Raises:
            StateError: `already-initialised`, or what the disk says.
        """
        make_private_directory(path.parent)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise StateError(
                "already-initialised",
                f"a coordinator lives in {safe(str(path.parent))} already",
                remedy="set FALCONER_HOME to make another one",
            ) from None
        except OSError as error:
            raise disk_error(path, error) from None
        database = cls(path)
        database.migrate()
        return database

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the database, migrated to the newest schema.

        Raises:
            StateError: `store-missing`, `store-corrupt`, `store-locked`, `store-newer`, `home-permissions`.
        """
        if not path.exists():
            raise StateError(
                "store-missing",
                f"the coordinator's database {safe(str(path))} is missing",
                remedy="restore it from a backup; falconer init makes a new coordinator",
            )
        check_private(path.parent)
        check_private(path)
        database = cls(path)
        revision = database._revision()  # a constructor of this very class
        if revision != SCHEMA_HEAD:
            if revision is not None and revision > SCHEMA_HEAD:
                raise StateError(
                    "store-newer",
                    f"the database was written by a newer falconer (schema {safe(revision)})",
                    remedy="use that version",
                )
            database.migrate()
        return database

    def _revision(self) -> str | None:
        with self.read() as connection:
            found = sa.inspect(connection).has_table("alembic_version")
            row = (
                connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
                if found
                else None
            )
            return None if row is None else str(row)

    def migrate(self) -> None:
        """Bring the schema to `SCHEMA_HEAD`, in one transaction."""
        # Alembic takes 0.3 s to import, and is needed once per version
        from falconer_online.store.migrate import upgrade  # noqa: PLC0415

        with self.change() as connection:
            upgrade(connection)

    @contextmanager
    def change(self) -> Iterator[sa.Connection]:
        """One immediate transaction: committed when the block ends, rolled back when it raises."""
        with self._faults(), self._engine.connect() as connection:
            writing = connection.execution_options(falconer_write=True)
            with writing.begin():
                yield writing

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view of the store."""
        with self._faults(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            if not isinstance(error.orig, sqlite3.Error):
                raise
            raise _refusal_of(self.path, error.orig) from None
        except sqlite3.Error as error:
            raise _refusal_of(self.path, error) from None

    def close(self) -> None:
        self._engine.dispose()


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        poolclass=sa.pool.NullPool,
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # None: Python's sqlite3 begins nothing by itself, so that _on_begin alone decides
        connection.isolation_level = None
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "journal_mode = DELETE",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        # immediate: a writer takes the lock before it reads, so what it judged cannot change under it
        write = connection.get_execution_options().get("falconer_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _refusal_of(path: Path, error: sqlite3.Error) -> FalconerError:
    where = safe(str(path))
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StateError(
            "store-locked", f"another process holds the database {where}", remedy="let it finish, then repeat"
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")):
        return StateError(
            "disk-full", f"no space left for {where}; nothing was changed", remedy="free space and repeat"
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StateError("file-not-writable", f"the database {where} cannot be written: {safe(str(error))}")
    # a missing table or column is damage too: the schema was compared before
    return StateError(
        "store-corrupt",
        f"the database {where} is damaged: {safe(str(error))}",
        remedy="restore it from a backup",
    )


__all__ = ["BUSY_SECONDS", "SCHEMA_HEAD", "Database", "metadata"]
