"""Approvals in, requests out, answers in, transactions out: and what is refused on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falconer_online import audit, request
from falconer_online.chain.node import Acceptance
from falconer_online.proposals import reject
from falconer_online.store.store import Store
from falconer_online.watch import refresh
from falconer_shared.errors import ApprovalError, AuditError, DeviceError, StateError, VerificationError
from falconer_shared.exchange.envelope import extract
from falconer_shared.policy.engine import ApprovalRefused, PolicyRefused
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.online.desk import NOW, Desk
from tests.support.policies import SshKey
from tests.support.refusal import refused
from tests.support.treasury import Payment, wpkh_wallet

BIG = 150_000
"""Above the threshold of 100,000, so the desk (anna or bert) must approve."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path)
    made.node.add_coin(0, 400_000)
    made.node.add_coin(1, 600_000)
    return made


@pytest.fixture
def vault(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path, multisig=True)
    made.node.add_coin(0, 400_000)
    return made


def sent(desk: Desk, sats: int = 40_000) -> tuple[str, bytes]:
    name = desk.create(sats).row.id
    return name, desk.request(name)


# approvals


def test_an_approval_is_counted_once(desk: Desk):
    name = desk.create(BIG).row.id
    assert desk.state(name) == "pending"
    with refused("approval-missing", ApprovalError):
        desk.request(name)
    assert desk.approve(name, "anna") == "approved"
    assert desk.approve(name, "anna") == "approved"
    assert desk.events().count("approval-received") == 1
    assert desk.request(name)


def test_an_approval_by_nobody_is_refused_and_not_kept(desk: Desk):
    name = desk.create(BIG).row.id
    with refused("approval-unknown-key", ApprovalError):
        desk.approve(name, "mallory")
    assert desk.state(name) == "pending"
    assert "approval-received" not in desk.events()


def test_an_approval_of_another_proposal_is_refused(desk: Desk):
    first, second = desk.create(BIG).row, desk.create(BIG + 1).row
    from falconer_online import approvals

    with refused("approval-invalid", ApprovalError):
        approvals.approve(
            desk.coordinator, second.id, [SshKey.of("anna").sign(first.intent, "falconer-approval@1")]
        )


def test_approvals_come_too_late_for_what_was_rejected(desk: Desk):
    name = desk.create(BIG).row.id
    reject(desk.coordinator, name, "")
    with refused("proposal-state", StateError):
        desk.approve(name, "anna")
    with refused("proposal-state", StateError):
        desk.request(name)


def test_a_new_policy_stops_what_was_made_under_the_old_one(desk: Desk):
    name = desk.create(BIG).row.id
    desk.install(version=2)
    with refused("proposal-policy-changed", StateError):
        desk.approve(name, "anna")


def test_nor_is_its_request_made_under_the_new_one(desk: Desk):
    name = desk.create(40_000).row.id
    desk.install(version=2)
    with refused("proposal-policy-changed", StateError):
        desk.request(name)
    assert desk.request(desk.create(41_000).row.id)


def test_what_the_day_allowed_at_first_may_be_forbidden_later(desk: Desk):
    first = desk.create(60_000).row.id
    desk.request(first)
    # both at once would be 121,000 without approval: the second has to be approved
    second = desk.create(60_000 - 1_000)
    assert second.row.state.value == "pending"


# requests


def test_the_request_is_made_once_and_signed_by_the_coordinator(desk: Desk):
    name, data = sent(desk)
    again = request.export(desk.coordinator, request.build(desk.coordinator, name))
    assert again == data
    envelope = extract(UntrustedPsbt.parse(data))
    assert envelope.request.id == name
    assert envelope.request.audit_size == 4
    assert envelope.signature.key == SshKey.of("coordinator").public


def test_a_request_carries_the_receipts_of_the_other_signers(vault: Desk):
    name, data = sent(vault)
    assert not extract(UntrustedPsbt.parse(data)).receipts
    vault.receive(vault.answer(data, 0))
    later = request.export(vault.coordinator, request.build(vault.coordinator, name))
    (receipt,) = extract(UntrustedPsbt.parse(later)).receipts
    assert (receipt.receipt.signer, receipt.receipt.number) == ("machine-a", 1)
    assert extract(UntrustedPsbt.parse(later)).request == extract(UntrustedPsbt.parse(data)).request


def test_the_next_request_names_the_last_receipt(vault: Desk):
    vault.node.add_coin(1, 600_000)
    _, data = sent(vault, 20_000)
    vault.receive(vault.answer(data))
    _, later = sent(vault, 30_000)
    marks = extract(UntrustedPsbt.parse(later)).request.receipts
    assert [(mark.signer, mark.number) for mark in marks] == [
        ("machine-a", 1),
        ("machine-b", 0),
        ("machine-c", 0),
    ]


def test_a_coordinator_that_the_policy_does_not_name_makes_no_request(desk: Desk):
    name = desk.create().row.id
    desk.home.key_file.unlink()
    from falconer_online.coordinator_key import CoordinatorKey

    CoordinatorKey.create(desk.home)
    with refused("coordinator-not-in-policy", StateError):
        desk.request(name)
    assert desk.state(name) == "approved"


def test_nothing_is_exported_before_it_is_built(desk: Desk):
    row = desk.create().row
    with refused("proposal-state", StateError):
        request.export(desk.coordinator, row)


# answers


def test_an_answer_is_taken_once(desk: Desk):
    name, data = sent(desk)
    answer = desk.answer(data)
    first = desk.receive(answer)
    assert (first.new, first.complete, first.warnings) == (True, True, ())
    assert desk.state(name) == "signed"
    before = desk.events()
    again = desk.receive(answer)
    assert (again.new, again.complete) == (False, True)
    assert desk.events() == before


def test_an_answer_to_an_unknown_transaction_is_refused(desk: Desk):
    sent(desk)
    with refused("answer-unknown", VerificationError):
        desk.receive(Payment(wpkh_wallet()).psbt().serialize())


def test_an_answer_before_anything_was_sent_is_refused(desk: Desk):
    made = desk.create()
    with refused("proposal-state", StateError):
        desk.receive(made.verified.psbt.serialize())


def test_our_own_request_is_no_answer(desk: Desk):
    _, data = sent(desk)
    with refused("answer-signed-nothing", VerificationError):
        desk.receive(data)


def test_a_signature_that_does_not_verify_is_refused_and_nothing_is_kept(desk: Desk):
    name, data = sent(desk)
    other = desk.create(41_000)
    key = next(iter(UntrustedPsbt.parse(desk.answer(data)).inputs[0].partial_sigs))
    foreign = desk.answer(desk.request(other.row.id))
    wrong = next(iter(UntrustedPsbt.parse(foreign).inputs[0].partial_sigs.values()))
    forged = desk.psbt(name).with_fields(input_add={0: {field_key(InputType.PARTIAL_SIG, key): wrong}})
    before = desk.events()
    with refused("signature-invalid", VerificationError):
        desk.receive(forged.serialize())
    assert desk.events() == before
    assert desk.state(name) == "sent"


def test_a_signer_without_receipts_is_taken_with_a_warning(desk: Desk):
    name, data = sent(desk)
    answer = UntrustedPsbt.parse(desk.answer(data))
    bare = combine(desk.psbt(name), answer).without_proprietary()
    result = desk.receive(bare.serialize())
    assert result.complete
    assert result.receipt is None
    assert "no receipt" in result.warnings[0]


def test_a_refusal_is_recorded_and_changes_no_state(desk: Desk):
    name, data = sent(desk)
    result = desk.receive(desk.answer(data, refuse="policy-daily-limit"))
    assert result.receipt is not None
    assert result.receipt.refusals == ("policy-daily-limit",)
    assert not result.complete
    assert desk.state(name) == "sent"
    with desk.coordinator.store.read() as view:
        assert [row.number for row in view.receipts()] == [1]


def test_two_receipts_under_one_number_are_a_fork(desk: Desk):
    _, data = sent(desk)
    desk.receive(desk.answer(data, refuse="policy-daily-limit"))
    desk.machines = (replace(desk.machines[0], number=0), *desk.machines[1:])
    before = desk.events()
    with refused("receipt-fork", AuditError):
        desk.receive(desk.answer(data))
    assert desk.events() == before


def test_a_missing_receipt_is_a_warning(desk: Desk):
    _, data = sent(desk)
    desk.machines[0].number = 4
    assert "receipts 1, 2, 3, 4" in desk.receive(desk.answer(data)).warnings[0]


def test_a_receipt_of_a_stranger_is_refused(desk: Desk):
    _, data = sent(desk)
    desk.machines = (replace(desk.machines[0], name="machine-x"),)
    with refused("receipt-unknown-signer", VerificationError):
        desk.receive(desk.answer(data))


def test_what_arrives_after_a_rejection_is_kept_and_not_sent(desk: Desk):
    name, data = sent(desk)
    reject(desk.coordinator, name, "changed our minds")
    result = desk.receive(desk.answer(data))
    assert "rejected" in result.warnings[-1]
    assert desk.state(name) == "rejected"
    with refused("proposal-state", StateError):
        desk.broadcast(name)


# broadcast


def test_two_of_three_complete_each_other_in_any_order(vault: Desk):
    name, data = sent(vault)
    assert not vault.receive(vault.answer(data, 2)).complete
    with refused("quorum-incomplete", VerificationError):
        vault.broadcast(name)
    assert vault.receive(vault.answer(data, 0)).complete
    done = vault.broadcast(name)
    assert done.row.state.value == "broadcast"
    assert done.final.txid_hex in vault.node.mempool


def test_nothing_is_broadcast_without_a_signature(desk: Desk):
    name, _ = sent(desk)
    with refused("signatures-missing", VerificationError):
        desk.broadcast(name)


def signed(desk: Desk) -> str:
    name, data = sent(desk)
    desk.receive(desk.answer(data))
    return name


def test_a_second_broadcast_says_so_and_changes_nothing(desk: Desk):
    name = signed(desk)
    assert not desk.broadcast(name).already
    before = desk.events()
    assert desk.broadcast(name).already
    assert desk.events() == before


def test_a_broadcast_that_the_store_missed_is_found_at_the_node(desk: Desk):
    # as if the program had ended between sending and storing
    name = signed(desk)
    desk.node.acceptance = Acceptance(allowed=False, reason="txn-already-in-mempool")
    done = desk.broadcast(name)
    assert done.already
    assert desk.state(name) == "broadcast"


def test_what_the_node_forgot_is_sent_again(desk: Desk):
    name = signed(desk)
    desk.broadcast(name)
    desk.node.mempool.clear()
    assert not desk.broadcast(name).already


def test_a_node_that_refuses_is_quoted(desk: Desk):
    name = signed(desk)
    desk.node.acceptance = Acceptance(allowed=False, reason="min relay fee not met\x1b[31m")
    with refused("broadcast-refused", DeviceError) as caught:
        desk.broadcast(name)
    assert "\\x1b" in caught.value.message
    assert desk.state(name) == "signed"


def test_a_node_that_names_another_transaction_is_not_believed(desk: Desk):
    name = signed(desk)
    desk.node.lie_txid = lambda _: "00" * 32
    with refused("node-txid", DeviceError):
        desk.broadcast(name)
    assert desk.state(name) == "signed"


# watching


def watched(desk: Desk, depth: int) -> str:
    name = signed(desk)
    txid = desk.broadcast(name).final.txid_hex
    desk.node.mempool[txid] = depth
    refresh(desk.coordinator)
    return name


@pytest.mark.parametrize(
    ("depth", "state"), [(0, "broadcast"), (1, "broadcast"), (2, "confirmed"), (-1, "failed")]
)
def test_confirmations_decide(desk: Desk, depth: int, state: str):
    name = watched(desk, depth)
    assert desk.state(name) == state
    assert bool(desk.held()) == (state == "broadcast")


def test_a_reorganisation_takes_a_confirmation_back(desk: Desk):
    name = watched(desk, 2)
    txid = next(iter(desk.node.mempool))
    desk.node.mempool[txid] = 0
    refresh(desk.coordinator)
    assert desk.state(name) == "broadcast"
    assert set(desk.held().values()) == {name}


def test_one_that_was_signed_does_not_expire(desk: Desk):
    name = signed(desk)
    desk.now = NOW + 10**6
    assert not refresh(desk.coordinator)
    assert desk.broadcast(name).row.state.value == "broadcast"


# the store under suspicion


def edit(desk: Desk, statement: str, *values: object) -> None:
    import sqlite3

    with sqlite3.connect(desk.home.database) as connection:
        connection.execute(statement, values)
    connection.close()


def test_an_edited_transaction_is_refused(desk: Desk):
    first, second = desk.create(40_000).row, desk.create(41_000).row
    edit(desk, "UPDATE proposals SET psbt = ? WHERE id = ?", second.psbt, first.id)
    with refused("store-transaction-differs", StateError):
        desk.request(first.id)


def test_an_edited_wallet_is_refused(desk: Desk):
    edit(desk, "UPDATE wallets SET descriptor = ?", wpkh_wallet(seed=5).descriptor_text)
    with refused("store-wallet-differs", StateError):
        desk.create()


def test_an_edited_policy_is_refused(desk: Desk):
    text = desk.draft.text().replace(b"threshold_sats 100000", b"threshold_sats 900000")
    edit(desk, "UPDATE policies SET text = ?", text)
    with refused("policy-signature-invalid", ApprovalError):
        desk.create()


def test_an_edited_intent_no_longer_fits(desk: Desk):
    name = desk.create(40_000).row.id
    with desk.coordinator.store.read() as view:
        intent = view.proposal(name).intent
    edit(desk, "UPDATE proposals SET intent = ?", intent.replace(b"pay 40000", b"pay 39999"))
    with refused("intent-payments-differ", ApprovalError):
        desk.request(name)


def test_the_engine_has_the_last_word_at_the_request(desk: Desk):
    name = desk.create(60_000).row.id
    # the store says that more was spent meanwhile without approval
    columns = "family, state, created_at, expires_at, purpose, unsigned_hash, intent, psbt, verdicts, approvals_needed"
    edit(
        desk,
        f"INSERT INTO proposals (id, wallet_id, {columns}) SELECT 'px', wallet_id, {columns} FROM proposals",  # noqa: S608
    )
    edit(
        desk,
        "INSERT INTO spends SELECT 'px', wallet_id, ?, unsigned_hash, 50000, paid, approved, requester, strategy, decided, at, "
        "released FROM spends",
        f"{'ab' * 32}:0",
    )
    with refused("approval-missing", ApprovalRefused):
        desk.request(name)
    assert issubclass(ApprovalRefused, ApprovalError)
    assert not issubclass(ApprovalRefused, PolicyRefused)


def test_a_shortened_audit_log_is_found_by_the_requests(desk: Desk):
    sent(desk)
    with desk.coordinator.store.read() as view:
        size, _ = audit.verify(view)
    assert size == len(desk.events())
    edit(desk, "DELETE FROM audit WHERE number >= 2")
    with desk.coordinator.store.read() as view, refused("audit-log-truncated", AuditError):
        audit.verify(view)


def test_a_rewritten_audit_log_is_found_by_the_requests(desk: Desk):
    sent(desk)
    edit(desk, "UPDATE audit SET line = CAST(replace(line, 'treasury', 'freasury') AS BLOB) WHERE number = 1")
    with desk.coordinator.store.read() as view, refused("audit-log-rewritten", AuditError):
        audit.verify(view)


def test_a_cell_of_another_kind_is_damage(desk: Desk):
    edit(desk, "UPDATE audit SET line = 'text' WHERE number = 1")
    with desk.coordinator.store.read() as view, refused("store-corrupt", StateError):
        audit.verify(view)


def test_an_empty_audit_log_is_refused(desk: Desk):
    edit(desk, "DELETE FROM audit")
    with Store.open(desk.home.database).read() as view, refused("audit-empty", AuditError):
        audit.verify(view)
