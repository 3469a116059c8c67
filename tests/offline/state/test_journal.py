from __future__ import annotations

import pytest

from falconer_offline.session import sign_session
from falconer_offline.state import journal, records
from falconer_offline.state.audit import check_journal
from falconer_offline.state.store import change
from falconer_shared.audit.log import AuditHead
from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import AuditError, Malformed, StateError, VerificationError
from tests.offline.office import NOW, Ring, Willing, small
from tests.support.refusal import refused


@pytest.fixture
def used(office):
    for number in range(3):
        judged = office.judge(office.request(small(office.wallet, number)))
        sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    return office


def test_the_journal_continues_every_head_that_was_shown(used):
    log = check_journal(used.state())
    for record in records.receipts(used.state(), used.wallet.wallet_id):
        from falconer_shared.exchange.receipt import Receipt

        receipt = Receipt.parse(record.text)
        log.check_continues(AuditHead(receipt.journal_size, bytes.fromhex(receipt.journal_head)))
    with refused("audit-log-rewritten", AuditError):
        log.check_continues(AuditHead(2, bytes(32)))


CONTRADICTIONS = {
    "an outcome": "UPDATE spends SET outcome = 'released' WHERE number = (SELECT min(number) FROM spends)",
    "a spend too few": "DELETE FROM spends WHERE number = (SELECT max(number) FROM spends)",
    "a receipt too few": "DELETE FROM receipts WHERE number = 3",
    "a receipt's text": "UPDATE receipts SET text = CAST(replace(CAST(text AS TEXT), 'total 70000', 'total 70001') AS BLOB)",
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_tables_that_say_something_else_are_found(used, what):
    """Even where the machine key signed the root over them: a mistake of ours."""
    with change(used.state(), used.machine) as (transaction, _):
        transaction.run(CONTRADICTIONS[what])
    with refused("journal-contradicts-state", AuditError):
        check_journal(used.state())


def test_receipts_without_a_number_in_between_are_refused(used):
    with change(used.state(), used.machine) as (transaction, _):
        transaction.run("DELETE FROM receipts WHERE number = 2")
    with refused("state-tampered", AuditError):
        records.receipts(used.state(), used.wallet.wallet_id)


def test_the_mark_rises_with_every_entry_and_never_falls(office):
    assert records.time_mark(office.state()) == NOW
    with change(office.state(), office.machine) as (transaction, _):
        journal.note(transaction, NOW + 5, "tested")
        journal.note(transaction, NOW + 5, "tested")
    assert records.time_mark(office.state()) == NOW + 5
    with (
        refused("clock-behind-journal", StateError),
        change(office.state(), office.machine) as (transaction, _),
    ):
        journal.note(transaction, NOW + 4, "tested")
    journal.check_clock(office.state(), NOW + 5)
    with refused("clock-behind-journal", StateError):
        journal.check_clock(office.state(), NOW + 4)


def test_names_that_are_not_there(office):
    with refused("key-unknown", StateError):
        records.key(office.state(), "nobody")
    with refused("wallet-unknown", StateError):
        records.wallet(office.state(), "nothing")
    with refused("wallet-not-registered", VerificationError):
        records.wallet_by_id(office.state(), "00" * 32)
    assert records.key(office.state(), "key-1").fingerprint
    assert records.wallet(office.state(), "treasury") == office.wallet


def test_a_wallet_whose_id_is_not_its_descriptors_is_refused(office):
    with change(office.state(), office.machine) as (transaction, _):
        transaction.run("UPDATE wallets SET wallet_id = ?", "00" * 32)
    with refused("state-tampered", AuditError):
        records.wallets(office.state())


def test_packed_values_come_back():
    signatures = (b"", b"a" * 300, b"b")
    assert records.unpack_signatures(records.pack_signatures(signatures)) == signatures
    with refused("state-tampered", Malformed):
        records.unpack_signatures(compact_size(65))
    most = records.unpack_signatures(records.pack_signatures((b"",) * records.MAX_SIGNATURES))
    assert len(most) == records.MAX_SIGNATURES
    with refused("state-tampered", Malformed):
        records.unpack_signatures(records.pack_signatures((b"",) * (records.MAX_SIGNATURES + 1)))
    with refused("trailing-bytes", Malformed):
        records.unpack_signatures(records.pack_signatures(signatures) + b"x")
    paid = {b"\x01": 2, b"": 1, bytes(34): 2_100_000_000_000_000}
    assert records.unpack_paid(records.pack_paid(paid)) == paid
    assert records.unpack_paid(records.pack_paid({})) == {}
    assert records.unpack_scripts(records.pack_scripts(paid)) == frozenset(paid) - {b""}
    assert records.unpack_scripts(records.pack_scripts([])) == frozenset()


def test_history_is_of_one_wallet_and_of_the_window(used):
    history = records.JournalHistory(used.state(), used.wallet.wallet_id)
    assert [int(entry.spent) for entry in history.entries(NOW - 1)] == [71_000, 71_001 + 1, 71_000 + 4]
    assert history.entries(NOW) == []
    assert records.JournalHistory(used.state(), "00" * 32).entries(0) == []
    entry = history.entries(0)[0]
    assert (entry.requester, entry.approved, sum(entry.paid.values())) == ("agent", False, 70_000)
