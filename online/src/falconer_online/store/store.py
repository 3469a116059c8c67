"""The coordinator's store: views to read, changes to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from falconer_online.store.change import Change
from falconer_online.store.database import Database
from falconer_online.store.view import View


class Store:
    """Open it once per command."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def create(cls, path: Path) -> Store:
        return cls(Database.create(path))

    @classmethod
    def open(cls, path: Path) -> Store:
        return cls(Database.open(path))

    @contextmanager
    def read(self) -> Iterator[View]:
        """One consistent view."""
        with self._database.read() as connection:
            yield View(connection)

    @contextmanager
    def change(self, now: int) -> Iterator[Change]:
        """One transaction: all of it, audit record included, or nothing."""
        with self._database.change() as connection:
            change = Change(connection, now)
            yield change
            if change.unrecorded:
                raise RuntimeError("a change without an audit record")

    def close(self) -> None:
        self._database.close()
