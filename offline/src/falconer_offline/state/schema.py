"""The tables of the state, and the one digest over all of them.

Every table is `STRICT`, and the file may hold nothing else: no view, no trigger, no index of another's
making, since any of these would change what a query means without changing a row. `root_text` covers every
row of every table but `root` itself.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping

from falconer_shared.audit import merkle
from falconer_shared.canonical import Writer
from falconer_shared.errors import AuditError

FORMAT = 1
"""`user_version` of a new file. Numbers other than this and the next are refused."""

FORMAT_WITH_DEVICES = 2
"""Of a file that holds the tables of hardware wallets too: a state becomes one when it is told of its first device."""

APPLICATION_ID = 0x46414C43
"""`FALC`, so that another program's database is named as such."""

Value = int | str | bytes | None
Row = tuple[Value, ...]
Rows = Mapping[str, tuple[Row, ...]]

TABLES: Mapping[str, str] = {
    "admins": "CREATE TABLE admins (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "facts": "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "holders": (
        "CREATE TABLE holders (wallet_id TEXT NOT NULL, position INTEGER NOT NULL, holder TEXT NOT NULL, key TEXT,"
        " PRIMARY KEY (wallet_id, position)) STRICT, WITHOUT ROWID"
    ),
    "indexes": (
        "CREATE TABLE indexes (wallet_id TEXT NOT NULL, branch INTEGER NOT NULL, highest INTEGER NOT NULL,"
        " PRIMARY KEY (wallet_id, branch)) STRICT, WITHOUT ROWID"
    ),
    "journal": "CREATE TABLE journal (number INTEGER PRIMARY KEY, line BLOB NOT NULL) STRICT",
    "keys": (
        "CREATE TABLE keys (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, sealed BLOB)"
        " STRICT, WITHOUT ROWID"
    ),
    "policies": (
        "CREATE TABLE policies (wallet_id TEXT NOT NULL, version INTEGER NOT NULL, text BLOB NOT NULL, signatures BLOB NOT NULL,"
        " PRIMARY KEY (wallet_id, version)) STRICT, WITHOUT ROWID"
    ),
    "receipts": (
        "CREATE TABLE receipts (wallet_id TEXT NOT NULL, number INTEGER NOT NULL, text BLOB NOT NULL, signature BLOB NOT NULL,"
        " PRIMARY KEY (wallet_id, number)) STRICT, WITHOUT ROWID"
    ),
    "spends": (
        "CREATE TABLE spends (number INTEGER PRIMARY KEY, wallet_id TEXT NOT NULL, anchor TEXT NOT NULL,"
        " unsigned_hash TEXT NOT NULL, spent INTEGER NOT NULL, paid TEXT NOT NULL, own TEXT NOT NULL, approved INTEGER NOT NULL,"
        " requester TEXT NOT NULL, strategy TEXT NOT NULL, decided INTEGER NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL)"
        " STRICT"
    ),
    "wallets": (
        "CREATE TABLE wallets (name TEXT PRIMARY KEY, wallet_id TEXT NOT NULL UNIQUE, descriptor TEXT NOT NULL,"
        " gap_limit INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    ),
}
"""Name → statement, in the order of the root text."""

DEVICE_TABLES: Mapping[str, str] = {
    "devices": (
        "CREATE TABLE devices (key TEXT PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL) STRICT, WITHOUT ROWID"
    ),
    "device_xpubs": (
        "CREATE TABLE device_xpubs (key TEXT NOT NULL, path TEXT NOT NULL, xpub TEXT NOT NULL, PRIMARY KEY (key, path))"
        " STRICT, WITHOUT ROWID"
    ),
}
"""The same, behind those above, of a state that knows a device. Nothing in them is secret."""

ROOT_TABLE = "CREATE TABLE root (one INTEGER PRIMARY KEY CHECK (one = 1), text BLOB NOT NULL, signature BLOB NOT NULL) STRICT"


def create(connection: sqlite3.Connection) -> None:
    """Make the empty tables in a new file."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    for statement in (*TABLES.values(), ROOT_TABLE):
        connection.execute(statement)


def check_shape(connection: sqlite3.Connection) -> None:
    """Accept a file that has exactly our tables.

    Raises:
        AuditError: `state-format-unknown`, `state-tampered`.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version not in {FORMAT, FORMAT_WITH_DEVICES}:
        raise AuditError(
            "state-format-unknown",
            f"the state file is of application {application:08x} and format {version}, not {APPLICATION_ID:08x} and {FORMAT} or"
            f" {FORMAT_WITH_DEVICES}",
            remedy="use the program version that wrote it",
        )
    found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != {*_tables(version).values(), ROOT_TABLE}:
        raise AuditError(
            "state-tampered", "the state file holds other tables, views or triggers than this program made"
        )


def add_device_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of hardware wallets, where they are not there yet. Inside a change, so that the root covers it."""
    if _version(connection) == FORMAT:
        connection.execute(f"PRAGMA user_version = {FORMAT_WITH_DEVICES}")
        for statement in DEVICE_TABLES.values():
            connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _tables(version: int) -> Mapping[str, str]:
    return TABLES if version == FORMAT else {**TABLES, **DEVICE_TABLES}


def read_rows(connection: sqlite3.Connection) -> Rows:
    """Every row of every table that the root covers, in the order of its key."""
    # the table names are ours, and both kinds of table scan in the order of their primary key when asked to
    return {
        name: tuple(connection.execute(f"SELECT * FROM {name} ORDER BY {_ORDER[name]}"))  # noqa: S608
        for name in _tables(_version(connection))
    }


_ORDER = {
    "admins": "key",
    "device_xpubs": "key, path",
    "devices": "key",
    "facts": "name",
    "holders": "wallet_id, position",
    "indexes": "wallet_id, branch",
    "journal": "number",
    "keys": "name",
    "policies": "wallet_id, version",
    "receipts": "wallet_id, number",
    "spends": "number",
    "wallets": "name",
}


def journal_lines(rows: Rows) -> list[bytes]:
    """The journal's lines, numbered from 0 without a gap.

    Raises:
        AuditError: `journal-gap`.
    """
    lines: list[bytes] = []
    for number, line in rows["journal"]:
        if number != len(lines) or not isinstance(line, bytes):
            raise AuditError("journal-gap", f"the journal lacks entry {len(lines)}", entry=len(lines))
        lines.append(line)
    return lines


def head_of(lines: Iterable[bytes]) -> str:
    """The Merkle root (RFC 6962, hex) over the journal's lines."""
    return merkle.root_of(merkle.leaf_hash(line) for line in lines).hex()


def root_text(rows: Rows, sequence: int) -> bytes:
    """The canonical text that the machine key signs: a count of changes, the journal's head, one digest per
    table.
    """
    lines = journal_lines(rows)
    writer = Writer("falconer-state")
    writer.line("sequence", sequence)
    writer.line("journal", len(lines), head_of(lines))
    for name in rows:
        if name != "journal":  # its head covers it
            writer.line("table", name, len(rows[name]), _digest(rows[name]))
    return writer.text()


def _digest(rows: Iterable[Row]) -> str:
    hasher = hashlib.sha256()
    for row in rows:
        parts = [len(row).to_bytes(4, "big")]
        for value in row:
            tag, data = _encode(value)
            # type and length first, so that no two rows share one encoding
            parts += (tag, len(data).to_bytes(8, "big"), data)
        hasher.update(b"".join(parts))
    return hasher.hexdigest()


def _encode(value: Value) -> tuple[bytes, bytes]:
    if value is None:
        return b"n", b""
    if isinstance(value, int):
        return b"i", str(value).encode("ascii")
    if isinstance(value, str):
        return b"t", value.encode("utf-8", "surrogatepass")
    return b"b", value
