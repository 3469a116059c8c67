"""Sums over rolling windows, as pure functions: time is an argument.

An entry counts while it is *less* than the window's seconds old; an entry from the future counts too, so that a clock set back
forgets nothing (A126). Transactions whose intents name one coin form one replacement set: they all spend that coin, so at most
one of them can confirm, and the set counts once, at its largest. Two transactions that share some other coin are summed all the
same: that errs on the safe side, and no set can be chosen after the fact to make a sum smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.history import SpendEntry

_K = TypeVar("_K")

DAY_SECONDS = 86_400
"""The rolling day."""

WEEK_SECONDS = 7 * DAY_SECONDS
"""The rolling week."""


def in_window(entry: SpendEntry, now: int, seconds: int) -> bool:
    """Whether an entry still counts at `now`."""
    return now - entry.at < seconds


def window_sum(
    entries: Iterable[SpendEntry], anchor: OutPoint | None, amount: int, now: int, seconds: int
) -> int:
    """Satoshis spent in the window when a transaction spending `amount` under `anchor` joins it; `anchor` None adds none.

    `now` and `seconds` are seconds. The sum is a plain integer: it may exceed 21,000,000 BTC, and must then exceed every limit.
    """
    largest: dict[OutPoint, int] = {}
    for entry in entries:
        if in_window(entry, now, seconds):
            largest[entry.anchor] = max(largest.get(entry.anchor, 0), int(entry.spent))
    if anchor is not None:
        largest[anchor] = max(largest.get(anchor, 0), int(amount))
    return sum(largest.values())


def window_sums(
    entries: Iterable[SpendEntry],
    anchor: OutPoint,
    amounts: Mapping[_K, int],
    now: int,
    seconds: int,
    parts: Callable[[SpendEntry], Mapping[_K, int]],
) -> dict[_K, int]:
    """As `window_sum`, for each key of `amounts` by itself: `parts` says what an entry gives to each key."""
    largest = {key: {anchor: int(amount)} for key, amount in amounts.items()}
    for entry in entries:
        if in_window(entry, now, seconds):
            for key, amount in parts(entry).items():
                if key in largest:
                    largest[key][entry.anchor] = max(largest[key].get(entry.anchor, 0), amount)
    return {key: sum(sets.values()) for key, sets in largest.items()}


def window_count(entries: Iterable[SpendEntry], anchor: OutPoint, now: int, seconds: int) -> int:
    """How many replacement sets the window holds when a transaction under `anchor` joins it."""
    return len({anchor, *(entry.anchor for entry in entries if in_window(entry, now, seconds))})
