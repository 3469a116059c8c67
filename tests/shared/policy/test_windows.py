"""Rolling windows and replacement sets, against a model that adds up by brute force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.history import SpendEntry
from falconer_shared.policy.windows import DAY_SECONDS, WEEK_SECONDS, window_sum
from falconer_shared.units import MAX_MONEY
from tests.support import spends
from tests.support.policies import coin
from tests.support.spends import NOW


def entry(anchor: int, spent: int, age: int, *, approved: bool = False) -> SpendEntry:
    return spends.entry(anchor, spent, age=age, approved=approved)


def test_an_entry_counts_while_it_is_less_than_a_day_old():
    assert window_sum([entry(1, 5, DAY_SECONDS - 1)], None, 0, NOW, DAY_SECONDS) == 5
    assert window_sum([entry(1, 5, DAY_SECONDS)], None, 0, NOW, DAY_SECONDS) == 0
    assert window_sum([entry(1, 5, DAY_SECONDS)], None, 0, NOW, WEEK_SECONDS) == 5
    assert window_sum([entry(1, 5, WEEK_SECONDS)], None, 0, NOW, WEEK_SECONDS) == 0


def test_a_day_and_a_week_have_their_seconds():
    assert (DAY_SECONDS, WEEK_SECONDS) == (86_400, 604_800)


def test_a_clock_set_back_forgets_nothing():
    assert window_sum([entry(1, 5, -10 * DAY_SECONDS)], None, 0, NOW, DAY_SECONDS) == 5


def test_a_replacement_set_counts_once_at_its_largest():
    entries = [entry(1, 5, 10), entry(1, 9, 20), entry(2, 3, 30)]
    assert window_sum(entries, None, 0, NOW, DAY_SECONDS) == 12
    assert window_sum(entries, coin(1), 7, NOW, DAY_SECONDS) == 12
    assert window_sum(entries, coin(1), 11, NOW, DAY_SECONDS) == 14
    assert window_sum(entries, coin(3), 7, NOW, DAY_SECONDS) == 19
    # one output of a transaction is not another
    same_transaction = OutPoint(coin(1).txid, coin(1).vout + 1)
    assert window_sum(entries, same_transaction, 7, NOW, DAY_SECONDS) == 19


def test_a_sum_may_exceed_all_money_and_is_still_a_sum():
    entries = [entry(number, MAX_MONEY, 1) for number in range(3)]
    assert window_sum(entries, None, 0, NOW, DAY_SECONDS) == 3 * MAX_MONEY


ENTRIES = st.lists(st.builds(entry, st.integers(0, 4), st.integers(0, 50), st.integers(-5, 25)), max_size=12)


def brute_force(
    entries: list[SpendEntry], anchor: OutPoint | None, amount: int, now: int, seconds: int
) -> int:
    """The dearest way in which the transactions of the window can confirm, at most one of each set."""
    pairs = [(e.anchor, int(e.spent)) for e in entries if e.at > now - seconds]
    if anchor is not None:
        pairs.append((anchor, amount))
    total = 0
    for name in {name for name, _ in pairs}:
        total += max(spent for other, spent in pairs if other == name)
    return total


@given(ENTRIES, st.none() | st.integers(0, 5), st.integers(0, 60), st.integers(1, 20))
def test_sums_agree_with_the_model(entries: list[SpendEntry], anchor: int | None, amount: int, seconds: int):
    key = None if anchor is None else coin(anchor)
    assert window_sum(entries, key, amount, NOW, seconds) == brute_force(entries, key, amount, NOW, seconds)


@given(ENTRIES, st.integers(0, 5), st.integers(0, 60), st.integers(1, 20))
def test_more_history_or_a_longer_window_never_makes_a_sum_smaller(
    entries: list[SpendEntry], anchor: int, amount: int, seconds: int
):
    whole = window_sum(entries, coin(anchor), amount, NOW, seconds)
    assert amount <= window_sum(entries[1:], coin(anchor), amount, NOW, seconds) <= whole
    assert whole <= window_sum(entries, coin(anchor), amount, NOW, seconds + 1)
    assert whole <= window_sum(entries, coin(anchor), amount + 1, NOW, seconds)
