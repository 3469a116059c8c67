"""Refusals that no path through the commands meets easily: each is asked where it stands, by one wrong fact."""

from __future__ import annotations

import io
import sqlite3
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from falconer_online import cases, files, labels, proposals, receive, scanning, ssh_keygen
from falconer_online.build import Payee, check_payments
from falconer_online.chain.core import CoreNode
from falconer_online.cli import crossing
from falconer_online.store.change import Change
from falconer_online.store.database import Database
from falconer_online.store.view import _script, _spend
from falconer_shared.approval.intent import MAX_PAYMENTS
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Declined, DeviceError, Malformed, StateError, UsageError, VerificationError
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import verify
from tests.online.office import Office
from tests.support.refusal import refused
from tests.support.ssh_keygen import KeyFile
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wpkh_wallet

# What a proposal may be


def payees(count: int) -> list[Payee]:
    return [Payee(f"address-{n}", n.to_bytes(4, "big"), Amount(1)) for n in range(count)]


def test_as_many_payments_as_an_intent_holds():
    check_payments(payees(MAX_PAYMENTS))
    with refused("payments-too-many", UsageError):
        check_payments(payees(MAX_PAYMENTS + 1))


def test_a_long_reason_to_reject():
    with refused("proposal-purpose", UsageError):
        proposals.reject(None, "rent", "x" * (proposals.MAX_PURPOSE + 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("proposals", "create"), "payment-none"),
        (("proposals", "create", "--own", "--sweep", stranger_address()), "usage"),
        (("proposals", "create", "--own", "--subtract-fee"), "usage"),
        (("proposals", "create", "--own", "--fee-rate", "2", "--confirm-within", "3"), "usage"),
    ],
)
def test_contradictions_are_seen_before_anything_is_opened(office: Office, words: tuple[str, ...], rule: str):
    assert office.run(*words, expect=2).ids == [rule]


# What comes back


def test_signatures_of_another_transaction_are_not_taken_over():
    wallet = wpkh_wallet()
    verified = verify(Payment(wallet).psbt(), wallet, NOTHING_KNOWN)
    assert receive._signatures_only(verified, verified.psbt).tx == verified.tx
    with refused("answer-other-transaction", VerificationError):
        receive._signatures_only(verified, Payment(wallet, locktime=1).psbt())


def test_no_receipt_is_taken_where_nothing_was_asked():
    row = SimpleNamespace(id="rent", request_psbt=None)
    with refused("proposal-state", StateError):
        receive._take_receipt(None, None, row, None, [])  # type: ignore[arg-type]


# Programs and files


@pytest.mark.parametrize(
    "fault", [subprocess.TimeoutExpired("ssh-keygen", 1), PermissionError(13, "Permission denied")]
)
def test_an_ssh_keygen_that_hangs_or_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    key = KeyFile.make(tmp_path, "alice")

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(ssh_keygen.subprocess, "run", fail)
    with refused("ssh-keygen-failed", DeviceError):
        ssh_keygen.sign(key.path, b"text\n", "falconer-policy@1")


def test_a_window_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(scanning.subprocess, "Popen", fail)
    with refused("qr-worker-failed", DeviceError), scanning.window():
        pass


class Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_that_the_person_wants_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr("sys.stderr", Typed())
    monkeypatch.setattr("sys.stdin", Typed("no\n"))
    with refused("person-declined", Declined):
        files.write_out(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.setattr("sys.stdin", Typed("yes\n"))
    files.write_out(path, b"new")
    assert path.read_bytes() == b"new"


def test_what_lies_below_a_file_is_no_place(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with refused("file-not-writable", StateError):
        files.check_private(path / "below")
    with refused("file-not-writable", StateError):
        crossing._new_folder(path / "below")


# The store


def test_a_store_where_none_can_be(tmp_path: Path):
    with refused("file-not-writable", StateError):
        Database.create(tmp_path / ("x" * 300))


def test_a_fault_of_the_database_below_the_engine(tmp_path: Path):
    database = Database.create(tmp_path / "home" / "store")
    with refused("store-corrupt", StateError), database._faults():
        raise sqlite3.DatabaseError("malformed")


@pytest.mark.parametrize("paid", ["{", "[]", '{"zz": 1}', '{"00": "x"}', '{"00": null}'])
def test_payments_that_were_edited(paid: str):
    with refused("store-corrupt", StateError):
        _spend({"paid": paid}, frozenset())  # type: ignore[arg-type]


def test_a_script_that_was_edited():
    assert _script("00ff") == b"\x00\xff"
    with refused("store-corrupt", StateError):
        _script("zz")


def test_a_coin_that_another_proposal_took_meanwhile():
    change = SimpleNamespace(_hold=lambda row, outpoint: outpoint != "taken", unrecorded=True)
    coins = [SimpleNamespace(text=lambda: "free")]
    Change.share_coins(change, None, coins)  # type: ignore[arg-type]
    assert change.unrecorded is False
    change._hold = lambda row, outpoint: False
    with refused("coin-already-held", StateError):
        Change.share_coins(change, None, coins)  # type: ignore[arg-type]


# A node that lies


@pytest.mark.parametrize("answer", [None, 5, "", "00" * 31, ["00" * 32]])
def test_a_block_hash_that_is_none(answer: object):
    node = SimpleNamespace(_call=lambda *_: answer)
    with refused("node-answer", DeviceError):
        CoreNode._block_hash(node, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [[], [{"success": True}] * 2, {}])
def test_an_import_with_more_or_fewer_answers_than_questions(answer: object):
    node = SimpleNamespace(_wallet=lambda *_, **__: answer, next_indexes=lambda _: {})
    with refused("node-answer", DeviceError):
        CoreNode.import_descriptors(node, "wallet", ["wpkh(key)#check"], 10)  # type: ignore[arg-type]


# Files of people


def test_a_label_of_nothing_that_is_known():
    with refused("label-malformed", Malformed):
        labels.check_label("person", "00" * 32, "ann", Network.REGTEST)
    assert labels.check_label("tx", "00" * 32, "rent", Network.REGTEST).label == "rent"


def test_the_number_of_cases_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cases, "MAX_CASES", 2)
    assert len(cases.read_table(b"[[case]]\n" * 2).cases) == 2
    with refused("policy-cases-malformed", Malformed):
        cases.read_table(b"[[case]]\n" * 3)
