"""Every write goes with its record, and every move with the table."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import sqlalchemy as sa

from falconer_online.states import HOLDS_COINS, MAY_EXPIRE, TRANSITIONS, ProposalState, check_move
from falconer_online.store import schema
from falconer_shared.errors import StateError, UsageError
from tests.online.desk import NOW, Desk
from tests.support.refusal import refused


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.make(tmp_path)
    made.node.add_coin(0, 400_000)
    return made


@pytest.mark.parametrize(("now", "to"), list(itertools.product(ProposalState, ProposalState)))
def test_only_moves_of_the_table_are_made(now: ProposalState, to: ProposalState):
    if to in TRANSITIONS[now]:
        check_move("p", now, to)
        return
    with refused("proposal-state", StateError):
        check_move("p", now, to)


def test_the_table_says_what_the_docs_say():
    assert {state for state, following in TRANSITIONS.items() if not following} == {
        "rejected",
        "expired",
    }
    # out of it only a reorganisation leads, which chose what had been replaced
    assert TRANSITIONS[ProposalState.FAILED] == {"broadcast"}
    assert set(MAY_EXPIRE) == {"pending", "approved", "built", "sent"}
    assert set(HOLDS_COINS) == {"pending", "approved", "built", "sent", "signed", "broadcast"}


def test_a_write_without_a_record_does_not_commit(desk: Desk):
    with (
        pytest.raises(RuntimeError, match="without an audit record"),
        desk.coordinator.store.change(NOW) as change,
    ):
        change._write(sa.delete(schema.administrators))
    with desk.coordinator.store.read() as view:
        assert view.administrators()


def test_what_is_recorded_and_what_is_written_stand_or_fall_together(desk: Desk):
    name = desk.create().row.id
    before = desk.events()
    with pytest.raises(ZeroDivisionError), desk.coordinator.store.change(NOW) as change:  # noqa: PT012
        change.move(change.proposal(name), ProposalState.REJECTED, reason="x")
        raise ZeroDivisionError
    assert desk.events() == before
    assert desk.state(name) == "approved"
    assert desk.held()


def test_records_are_numbered_without_a_gap(desk: Desk):
    desk.create()
    with desk.coordinator.store.read() as view:
        size = view.audit_size()
        assert len(view.audit_lines()) == size
    with pytest.raises(StateError), desk.coordinator.store.change(NOW) as change:  # noqa: PT012
        change.record("one")
        change._insert(schema.audit, number=size, subject=None, line=b"again")


def test_unknown_names_say_so(desk: Desk):
    with desk.coordinator.store.read() as view:
        assert view.wallet("treasury") == view.wallet(None) == view.wallet_by_id(desk.node.wallet.wallet_id)
        with refused("wallet-unknown", StateError):
            view.wallet("vault")
        with refused("wallet-unknown", StateError):
            view.wallet_by_id("00" * 32)
        with refused("proposal-unknown", UsageError):
            view.proposal("p0")


def test_history_is_of_one_wallet_and_of_its_time(desk: Desk):
    desk.create()
    wallet = desk.node.wallet.wallet_id
    with desk.coordinator.store.read() as view:
        assert len(view.history(wallet).entries(NOW - 1)) == 1
        assert len(view.history(wallet).entries(NOW)) == 0
        assert len(view.history("00" * 32).entries(0)) == 0
