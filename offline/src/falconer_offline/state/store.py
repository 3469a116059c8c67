"""The state on disk: opened only when its root verifies, changed only together with a new signed root.

* `State.open` reads every table in one read transaction, recomputes the root and verifies the machine key's
  signature over it. What it returns is that snapshot: nothing is read from the file again, so nothing can
  change between check and use.
* `change` takes the write lock, demands that the file still is the snapshot, lets the caller write, signs the
  new root and commits all of it at once. kill -9 at any point leaves the state before or the state after.
* Without the machine key nothing can be changed, and a state edited by hand is refused everywhere.

An older copy of the whole file verifies too (A128): the journal's head on every page, and the receipts that
come back with requests, are what shows that.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from falconer_offline.state import schema
from falconer_offline.state.machine import MachineKey
from falconer_shared.canonical import Reader
from falconer_shared.errors import AuditError, FalconerError, StateError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, verify
from falconer_shared.text import safe

STATE_FILE = "state.sqlite"
MACHINE_FILE = "machine.age"
PUBLIC_FILE = "machine.pub"

ROOT_NAMESPACE = "falconer-state@1"
"""Of the signature over the root. No other program accepts it for anything."""

BUSY_MILLISECONDS = 2000
"""How long to wait for another falconer-offline that is writing: a change takes milliseconds."""

MAX_STATE_FILE = 1 << 30
"""Bytes of the state file: a million journal entries. Rather refuse than swap."""

Step = Callable[[str], None]
"""Told the name of each step once it is done. Tests stop the process there; the program passes `no_step`."""


def no_step(_name: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class State:
    """A verified snapshot of the state."""

    home: Path
    machine: SshPublicKey
    rows: schema.Rows = field(repr=False)
    root: bytes = field(repr=False)
    sequence: int

    @classmethod
    def open(cls, home: Path) -> State:
        """Read and verify the state of a home.

        Raises:
            StateError: `state-missing`, `state-permissions`, `state-unreadable`, `state-busy`.
            AuditError: `state-tampered`, `state-format-unknown`, `journal-gap`.
        """
        check_private(home)
        machine = _read_public(home)
        with _connect(home) as connection, _faults():
            # rolled back at the end: opening a state writes nothing to it
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            return _load(connection, home, machine)

    def fact(self, name: str) -> str:
        """A single fact: `network`, `signer`, `created`, `time-mark`."""
        for found, value in self.rows["facts"]:
            if found == name and isinstance(value, str):
                return value
        raise AuditError("state-tampered", f"the state lacks the fact '{name}'")

    @property
    def journal(self) -> list[bytes]:
        """The journal's lines in order."""
        return schema.journal_lines(self.rows)

    @property
    def head(self) -> tuple[int, str]:
        """Size and Merkle root (hex) of the journal."""
        lines = self.journal
        return len(lines), schema.head_of(lines)


class Change:
    """An open write transaction. `run` writes; the root follows by itself."""

    def __init__(self, connection: sqlite3.Connection, base: State) -> None:
        self._connection = connection
        self.base = base

    def run(self, statement: str, *values: schema.Value) -> None:
        """Execute one statement of ours with values."""
        self._connection.execute(statement, values)

    def know_devices(self) -> None:
        """Have the tables of hardware wallets from here on."""
        schema.add_device_tables(self._connection)

    def fact(self, name: str) -> str:
        """A single fact as it is now, inside this change."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise AuditError("state-tampered", f"the state lacks the fact '{name}'")
        return str(row[0])

    def lines(self) -> list[bytes]:
        """The journal's lines as they are now, inside this change."""
        return [bytes(row[0]) for row in self._connection.execute("SELECT line FROM journal ORDER BY number")]


@contextmanager
def change(base: State, machine: MachineKey, step: Step = no_step) -> Iterator[tuple[Change, list[State]]]:
    """Change the state that `base` is a snapshot of. After the block, the list holds the new snapshot.

    Raises:
        StateError: `state-changed` (another process was faster), `state-busy`, `state-not-writable`,
        `machine-key-other`. AuditError: as `State.open`.
    """
    if machine.public != base.machine:
        raise StateError("machine-key-other", "the machine key is not the one that signs this state")
    after: list[State] = []
    with _connect(base.home) as connection, _faults():
        connection.execute("BEGIN IMMEDIATE")
        step("locked")
        current = _load(connection, base.home, base.machine)
        if current.root != base.root:
            raise StateError(
                "state-changed",
                "the state was changed by another process meanwhile",
                remedy="run the command again",
            )
        yield Change(connection, current), after
        step("written")
        _sign_root(connection, machine, current.sequence + 1)
        step("root-signed")
        after.append(_load(connection, base.home, base.machine))
        connection.execute("COMMIT")
    step("committed")


def create(home: Path, machine: MachineKey, fill: Callable[[Change], None]) -> None:
    """Make the state file in a new home and fill it.

    Raises:
        StateError: `state-not-writable`.
    """
    path = home / STATE_FILE
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as fault:
        raise StateError(
            "state-not-writable", f"{safe(str(path))} cannot be made: {fault.strerror}"
        ) from None
    with _connect(home) as connection, _faults():
        connection.execute("BEGIN IMMEDIATE")
        schema.create(connection)
        empty = State(home, machine.public, schema.read_rows(connection), b"", 0)
        fill(Change(connection, empty))
        _sign_root(connection, machine, 1)
        connection.execute("COMMIT")


def check_private(home: Path) -> None:
    """Accept a home that is a folder of this user alone, with the files of a state.

    Raises:
        StateError: `state-missing`, `state-permissions`.
    """
    for path in (home, home / STATE_FILE, home / MACHINE_FILE, home / PUBLIC_FILE, *_beside(home)):
        try:
            found = path.lstat()
        except FileNotFoundError:
            if path.name.startswith(f"{STATE_FILE}-"):
                continue
            raise StateError(
                "state-missing",
                f"{safe(str(path))} does not exist",
                remedy="make a home with falconer-offline init, or name another one with --home",
            ) from None
        except OSError as fault:
            raise StateError("state-unreadable", f"{safe(str(path))}: {fault.strerror}") from None
        regular = stat.S_ISDIR(found.st_mode) if path == home else stat.S_ISREG(found.st_mode)
        if not regular or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StateError(
                "state-permissions",
                f"{safe(str(path))} must be a plain {'folder' if path == home else 'file'} that this user alone can read",
                remedy=f"chmod -R go= {safe(str(home))}",
            )


def _beside(home: Path) -> tuple[Path, ...]:
    """Files that SQLite opens without being asked, where they are there: one that is a FIFO would hang it, and nobody could
    say why.
    """
    return tuple(home / f"{STATE_FILE}{suffix}" for suffix in ("-journal", "-wal", "-shm"))


_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""SQLite file format, section 4: it begins a rollback journal, and ends one that names a super-journal."""


def _check_rollback_journal(path: Path) -> None:
    """Refuse a rollback journal that names another file. SQLite would delete that file, wherever it lies, when it opens the
    state; and it writes such journals only for several databases at once, which this program never uses.

    Raises:
        AuditError: `state-tampered`.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(_JOURNAL_MAGIC)))
            end = file.read(len(_JOURNAL_MAGIC))
    except FileNotFoundError:
        return
    except OSError as fault:
        raise StateError("state-unreadable", f"{safe(str(path))}: {fault.strerror}") from None
    if end == _JOURNAL_MAGIC:
        raise AuditError(
            "state-tampered",
            f"{safe(str(path))} names another file, which opening the state would delete",
            remedy=_RESTORE,
        )


def _read_public(home: Path) -> SshPublicKey:
    try:
        with (home / PUBLIC_FILE).open(encoding="utf-8", errors="replace") as file:
            return SshPublicKey.parse(file.read(4096))
    except OSError as fault:
        raise StateError("state-unreadable", f"{PUBLIC_FILE} cannot be read: {fault.strerror}") from None
    except FalconerError as refused:
        raise AuditError("state-tampered", f"{PUBLIC_FILE} is no public key: {refused.message}") from None


@contextmanager
def _connect(home: Path) -> Iterator[sqlite3.Connection]:
    path = home / STATE_FILE
    try:
        if path.lstat().st_size > MAX_STATE_FILE:
            raise StateError("state-too-large", f"the state file is larger than {MAX_STATE_FILE} bytes")
    except OSError as fault:
        raise StateError("state-unreadable", f"{safe(str(path))}: {fault.strerror}") from None
    _check_rollback_journal(home / f"{STATE_FILE}-journal")
    with _faults():
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=BUSY_MILLISECONDS / 1000,
        )
    with closing(connection):
        with _faults():
            # EXTRA is FULL, and the directory synced after the journal file is gone (SQLite, synchronous)
            for pragma in (
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "synchronous = EXTRA",
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
        # leaving without a COMMIT closes the connection, which rolls back
        yield connection


def _load(connection: sqlite3.Connection, home: Path, machine: SshPublicKey) -> State:
    schema.check_shape(connection)
    roots = connection.execute("SELECT text, signature FROM root").fetchmany(2)
    if len(roots) != 1:
        # a second row is covered by no signature
        raise AuditError("state-tampered", "the state has not one signed root")
    text, signature = bytes(roots[0][0]), bytes(roots[0][1])
    try:
        verify(SshSignature.parse(signature), text, ROOT_NAMESPACE, machine)
        reader = Reader(text, "falconer-state", where="state root", rule="state-tampered", max_bytes=1 << 16)
        sequence = reader.number(reader.one("sequence"))
    except FalconerError as refused:
        raise AuditError(
            "state-tampered",
            f"the state's root is not signed by this machine's key: {refused.message}",
            remedy=_RESTORE,
        ) from None
    rows = schema.read_rows(connection)
    if schema.root_text(rows, sequence) != text:
        raise AuditError(
            "state-tampered",
            "the state was changed by something other than this program: its root does not fit",
            remedy=_RESTORE,
        )
    return State(home, machine, rows, text, sequence)


_RESTORE = (
    "sign nothing with this state; compare the journal head that was printed last, and restore a backup"
)


def _sign_root(connection: sqlite3.Connection, machine: MachineKey, sequence: int) -> None:
    text = schema.root_text(schema.read_rows(connection), sequence)
    connection.execute(
        "INSERT OR REPLACE INTO root VALUES (1, ?, ?)", (text, machine.sign(text, ROOT_NAMESPACE))
    )


@contextmanager
def _faults() -> Iterator[None]:
    """SQLite's errors as ours, each with what a person can do."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        name = getattr(fault, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StateError(
                "state-busy",
                "another falconer-offline is using this state",
                remedy="end it, then run the command again",
            ) from None
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM")):
            raise StateError("state-unreadable", f"the state cannot be opened: {fault}") from None
        raise StateError(
            "state-not-writable",
            f"the state was not changed: {fault}",
            remedy="check free space and whether the medium is read-only",
        ) from None
    except sqlite3.IntegrityError as fault:
        raise StateError("state-conflict", f"the state was not changed: {fault}") from None
    except (sqlite3.DatabaseError, UnicodeError, OverflowError) as fault:
        raise AuditError("state-tampered", f"the state file is damaged: {fault}", remedy=_RESTORE) from None
