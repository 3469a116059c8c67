"""What a history answers: of other transactions only, however old, and in whatever order they were written."""

from __future__ import annotations

import dataclasses

from falconer_shared.policy.history import Recorded
from tests.support.policies import coin
from tests.support.spends import NOW, entry, own_script, script


def test_entries_are_those_after_a_time():
    past = Recorded.of([entry(1, 5, age=0), entry(2, 5, age=100), entry(3, 5, age=-100)])
    assert [each.at for each in past.entries(NOW - 100)] == [NOW, NOW + 100]
    assert len(past.entries(NOW - 101)) == 3


def test_used_is_what_others_paid_spent_from_or_returned_to():
    past = Recorded.of(
        [
            entry(1, 5, age=10**9, paid={script(0): 5}, own=frozenset({own_script(0)})),
            entry(2, 5, paid={script(1): 5}, own=frozenset({own_script(1)})),
        ]
    )
    asked = {script(0), script(1), script(2), own_script(0), own_script(1), own_script(2)}
    assert past.used(asked, coin(9)) == asked - {script(2), own_script(2)}
    # a replacement pays the same again, and that is no reuse
    assert past.used(asked, coin(1)) == {script(1), own_script(1)}
    assert past.used((), coin(9)) == frozenset()
    assert Recorded(()).used(asked, coin(9)) == frozenset()


def test_a_strategy_is_known_once_another_spend_of_it_was_approved():
    past = Recorded.of(
        [
            entry(1, 5, age=10**9, approved=True, strategy="dca"),
            entry(2, 5, approved=False, strategy="grid"),
            entry(3, 5, approved=True, requester="other", strategy="grid"),
        ]
    )
    assert past.approved_before("agent", "dca", coin(9), paying=False)
    assert not past.approved_before("agent", "dca", coin(1), paying=False)
    assert not past.approved_before("agent", "grid", coin(9), paying=False)
    assert past.approved_before("other", "grid", coin(9), paying=False)
    assert not past.approved_before("other", "dca", coin(9), paying=False)
    assert not past.approved_before("agent", "-", coin(9), paying=False)


def test_a_strategy_is_known_for_payments_once_a_payment_of_it_was_approved():
    home = dataclasses.replace(entry(1, 5, approved=True, strategy="dca"), paid={})
    paid = dataclasses.replace(entry(2, 5, approved=True, strategy="dca"), paid={script(1): 4})
    assert Recorded.of([home]).approved_before("agent", "dca", coin(9), paying=False)
    assert not Recorded.of([home]).approved_before("agent", "dca", coin(9), paying=True)
    assert Recorded.of([home, paid]).approved_before("agent", "dca", coin(9), paying=True)
    assert not Recorded.of([home, paid]).approved_before("agent", "dca", coin(2), paying=True)
