"""Refusals that a person at the program meets rarely: each is asked where it stands, by one wrong fact."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pyrage
import pytest

from falconer_offline import airgap, cli, ingest, selfcheck, terminal, worker
from falconer_offline.cli import past, setup, shell
from falconer_offline.keys.sealed import Identity, Passphrase
from falconer_offline.state import audit, home, records, store
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import (
    AuditError,
    Declined,
    DeviceError,
    Malformed,
    SecretError,
    StateError,
    UsageError,
    VerificationError,
)
from tests.support.refusal import refused

# What is typed


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Put bytes where the next answer is read."""
    with ExitStack() as files:

        def put(data: bytes) -> None:
            reading, writing = os.pipe()
            with os.fdopen(writing, "wb") as file:
                file.write(data)
            monkeypatch.setattr("sys.stdin", files.enter_context(os.fdopen(reading)))

        yield put


def test_an_answer_is_a_line_of_text_that_ends(typed: Callable[[bytes], None]):
    longest = b"x" * (terminal.MAX_ANSWER - 1)
    typed(longest + b"\n")
    assert terminal._line("?") == longest.decode()
    typed(b"yes\r\n")
    assert terminal._line("?") == "yes"
    typed(longest + b"xx")
    with refused("answer-too-long", UsageError):
        terminal._line("?")
    typed(b"\xff\n")
    with refused("answer-not-text", UsageError):
        terminal._line("?")
    for unfinished in (b"", b"yes"):
        typed(unfinished)
        with refused("person-declined", Declined):
            terminal._line("?")


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    left = iter(lines)
    monkeypatch.setattr(terminal, "ask_secret", lambda question: next(left))


def test_a_new_passphrase_is_long_enough_and_typed_twice(monkeypatch: pytest.MonkeyPatch):
    short = "x" * (terminal.MIN_PASSPHRASE - 1)
    answers(monkeypatch, short + "x", short + "x")
    assert terminal.ask_new_passphrase("?") == short + "x"
    answers(monkeypatch, short, short)
    with refused("passphrase-too-short", SecretError):
        terminal.ask_new_passphrase("?")
    answers(monkeypatch, short + "x", short + "y")
    with refused("passphrases-differ", SecretError):
        terminal.ask_new_passphrase("?")


def test_an_empty_answer_gives_up(monkeypatch: pytest.MonkeyPatch):
    answers(monkeypatch, "")
    with refused("person-declined", Declined):
        shell._ask_until("?", lambda given: given)


@pytest.mark.parametrize(
    "words", ["", "5", "5:", "x:" + "00" * 32, "5:" + "00" * 31, "5:" + "zz" * 32, "1" * 16 + ":" + "00" * 32]
)
def test_a_head_has_one_spelling(words: str):
    assert past._parse_head("5:" + "ab" * 32).size == 5
    with refused("usage", UsageError):
        past._parse_head(words)


# What the shell is told


def test_a_machine_passphrase_by_descriptor(monkeypatch: pytest.MonkeyPatch):
    def told(data: bytes) -> SimpleNamespace:
        monkeypatch.setattr(ingest, "read_descriptor", lambda *_: data)
        told = SimpleNamespace(identity=lambda: None, _machine_fd=3, _machine_passphrase=None)
        told._given_machine_passphrase = lambda: shell.Shell._given_machine_passphrase(told)
        return told

    enough = b"x" * terminal.MIN_PASSPHRASE
    assert shell.Shell.new_secret(told(enough), "?", machine=True) == Passphrase(enough.decode())  # type: ignore[arg-type]
    with refused("passphrase-too-short", SecretError):
        shell.Shell.new_secret(told(enough[1:]), "?", machine=True)  # type: ignore[arg-type]
    with refused("passphrase-wrong", SecretError):
        shell.Shell.new_secret(told(b"\xff" + enough), "?", machine=True)  # type: ignore[arg-type]


def test_networks_that_are_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(airgap, "has_loopback", lambda: False)
    up = SimpleNamespace(_emulators=False, _interfaces=("eth0",), _interfaces_allowed=False)
    with refused("network-interface-up", StateError):
        shell.Shell.enter(up)  # type: ignore[arg-type]
    up._interfaces_allowed = True
    shell.Shell.enter(up)  # type: ignore[arg-type]
    shell.Shell.check_network(up, Network.REGTEST)  # type: ignore[arg-type]
    with refused("network-interface-not-here", StateError):
        shell.Shell.check_network(up, Network.TESTNET4)  # type: ignore[arg-type]
    up._interfaces = ()
    shell.Shell.check_network(up, Network.MAINNET)  # type: ignore[arg-type]


def test_a_fault_of_the_system_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(cli.root, "main", fail)
    assert cli.run(["--json"]) == StateError.EXIT_STATUS
    assert [rule["id"] for rule in json.loads(capsys.readouterr().out)["rules"]] == ["system-error"]


def test_an_administrators_key_that_is_no_text(tmp_path: Path):
    (tmp_path / "key.pub").write_bytes(b"\xff")
    with refused("ssh-key-malformed", Malformed):
        setup._read_admin(str(tmp_path / "key.pub"))


def test_bytes_by_code_have_the_bounds_of_a_file():
    ingest.check_size(b"x", 1, "request")
    with refused("file-empty", Malformed):
        ingest.check_size(b"", 1, "request")
    with refused("file-too-large", Malformed):
        ingest.check_size(b"xx", 1, "request")


# Processes


@pytest.mark.parametrize("start", [worker.scanner, worker.window])
def test_a_worker_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, start: Callable):
    def fail(*_: object, **__: object) -> None:
        raise airgap.AirGapViolation("no process")

    monkeypatch.setattr(subprocess, "Popen", fail)
    with refused("qr-worker-failed", DeviceError), start():
        pass


def test_a_part_that_refuses_what_is_known_fails_the_self_check(monkeypatch: pytest.MonkeyPatch):
    def wrong(name: str) -> None:
        raise VerificationError("signature-invalid", name)

    assert selfcheck.run()
    monkeypatch.setattr(selfcheck, "_CHECKS", {"one": wrong})
    with refused("selfcheck-failed", StateError):
        selfcheck.run()


# The state


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (records._text, "x", (1, b"x", None)),
        (records._number, 1, ("1", b"1", None, 1.0)),
        (records._bytes, b"x", ("x", 1, None)),
    ],
)
def test_a_cell_of_another_type(read: Callable, good: object, bad: tuple[object, ...]):
    assert read(good) == good
    for wrong in bad:
        with refused("state-tampered", AuditError):
            read(wrong)


def test_a_fact_that_is_gone():
    state = SimpleNamespace(rows={"facts": [("network", "regtest"), ("signer", 5)]})
    assert store.State.fact(state, "network") == "regtest"  # type: ignore[arg-type]
    for gone in ("created", "signer"):
        with refused("state-tampered", AuditError):
            store.State.fact(state, gone)  # type: ignore[arg-type]
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE facts (name TEXT, value TEXT)")
    with refused("state-tampered", AuditError):
        store.Change.fact(SimpleNamespace(_connection=connection), "network")  # type: ignore[arg-type]
    connection.close()


def test_files_that_are_not_there(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    store._check_rollback_journal(tmp_path / "none")
    with refused("state-unreadable", StateError):
        store._check_rollback_journal(tmp_path / "file" / "below")
    with refused("state-unreadable", StateError):
        store._read_public(tmp_path)
    with refused("state-unreadable", StateError), store._connect(tmp_path):
        pass
    with refused("state-not-writable", StateError):
        store.create(tmp_path / "none", None, None)  # type: ignore[arg-type]


def test_a_home_where_none_can_be(tmp_path: Path):
    identity = Identity(pyrage.x25519.Identity.generate())
    (tmp_path / "file").write_bytes(b"")
    with refused("state-not-writable", StateError):
        home.create(tmp_path / "file" / "home", Network.REGTEST, "vault-1", (), identity, 0)


@pytest.mark.parametrize(("number", "root"), [(2, "ab"), (1, "cd")])
def test_a_receipt_of_another_journal(monkeypatch: pytest.MonkeyPatch, number: int, root: str):
    def said(number: int, root: str) -> None:
        signed = SimpleNamespace(number=number, journal_size=7, journal_head=root)
        monkeypatch.setattr(audit, "verify_receipt", lambda *_: signed)
        record = SimpleNamespace(number=1, text=b"", signature=b"")
        log = SimpleNamespace(head_at=lambda size: SimpleNamespace(root_hex="ab"))
        audit._check_receipt(SimpleNamespace(machine=None), log, record)  # type: ignore[arg-type]

    for part in ("Receipt", "SshSignature"):
        monkeypatch.setattr(audit, part, SimpleNamespace(parse=lambda _: None))
    monkeypatch.setattr(audit, "SignedReceipt", lambda *_: None)
    said(1, "ab")
    with refused("journal-contradicts-state", AuditError):
        said(number, root)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("SQLITE_BUSY", "state-busy"),
        ("SQLITE_LOCKED_SHAREDCACHE", "state-busy"),
        ("SQLITE_CANTOPEN", "state-unreadable"),
        ("SQLITE_PERM", "state-unreadable"),
        ("SQLITE_READONLY", "state-not-writable"),
        ("SQLITE_FULL", "state-not-writable"),
    ],
)
def test_each_fault_of_the_database_has_its_sentence(name: str, rule: str):
    fault = sqlite3.OperationalError("fault")
    fault.sqlite_errorname = name
    with refused(rule, StateError), store._faults():
        raise fault
