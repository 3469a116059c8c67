"""Fountain codes of multi-part UR (BCR-2020-005, BCR-2024-001): which fragments a part mixes, and how to get
them back.

A message is cut into n fragments of one length. Part number s carries fragment s alone while s <= n; later
parts carry the XOR of some fragments, chosen by a generator that sender and receiver seed alike with the
part's number and the message's CRC-32. Nothing here is secret and nothing here proves who sent a part: a
forged part is dealt with in `Elimination` as what it is, a misread one.

The receiver eliminates over GF(2): each part is one equation, kept as one Python integer, so that adding two
equations is one XOR. Any n independent parts finish the message; the reference decoder, which only peels,
needs 10 to 130 % more.

Floating point stands in the choice of fragments because the standard defines it so (IEEE 754 doubles). It is
never near an amount.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache, reduce
from itertools import compress, count
from operator import or_, xor
from typing import Final

_TWO_64: Final = 18446744073709551616.0


def xoshiro256(seed: bytes) -> Iterator[int]:
    """The numbers of xoshiro256**, 64 bits each, seeded with SHA-256 of `seed`."""
    state = hashlib.sha256(seed).digest()
    a, b, c, d = (int.from_bytes(state[i : i + 8], "big") for i in (0, 8, 16, 24))
    mask = 2**64 - 1
    while True:
        product = b * 5 & mask
        yield (product << 7 | product >> 57) * 9 & mask
        shifted = b << 17 & mask
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d << 45 & mask | d >> 19


@lru_cache(maxsize=8)
def _degree_table(n: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Alias table (Walker, Vose) of the degrees 1..n with weights 1/1..1/n, in the order of work that the
    standard fixes.
    """
    total = 0.0
    for i in range(1, n + 1):
        total += 1.0 / i  # not sum(): from Python 3.12 it corrects rounding, and the standard does not
    weights = [1.0 / i * n / total for i in range(1, n + 1)]
    small = [i for i in range(n - 1, -1, -1) if weights[i] < 1]
    large = [i for i in range(n - 1, -1, -1) if not weights[i] < 1]
    threshold = [0.0] * n
    alias = [0] * n
    while small and large:
        low, high = small.pop(), large.pop()
        threshold[low] = weights[low]
        alias[low] = high
        weights[high] += weights[low] - 1
        (small if weights[high] < 1 else large).append(high)
    for i in (*large, *small):
        threshold[i] = 1.0
    return tuple(threshold), tuple(alias)


def choose_degree(n: int, draws: Iterator[int]) -> int:
    """How many fragments a mixed part holds: 1..n. Takes two draws."""
    threshold, alias = _degree_table(n)
    place = min(int(n * (next(draws) / _TWO_64)), n - 1)  # a draw next to 2^64 rounds up to 1.0
    return 1 + (place if next(draws) / _TWO_64 < threshold[place] else alias[place])


def _seeded(number: int, checksum: int) -> Iterator[int]:
    return xoshiro256(number.to_bytes(4, "big") + checksum.to_bytes(4, "big"))


def degree_of(number: int, n: int, checksum: int) -> int:
    """How many fragments part `number` holds, without working out which."""
    return 1 if number <= n else choose_degree(n, _seeded(number, checksum))


def choose_fragments(number: int, n: int, checksum: int) -> list[int]:
    """Indexes of the fragments in part `number` (from 1), in the order in which they were drawn."""
    if number <= n:
        return [number - 1]
    draws = _seeded(number, checksum)
    degree = choose_degree(n, draws)
    if degree == n:
        return list(range(n))
    # The standard shuffles all n and takes the first `degree`; what is shuffled behind them changes nothing.
    left = list(range(n))
    take = left.pop
    return [
        take(min(int(draw / _TWO_64 * size), size - 1))
        for draw, size in zip(draws, range(n, n - degree, -1), strict=False)
    ]


# --- what a sender shows -----------------------------------------------------------------------------------------------------

Schedule = Callable[[int, int], Iterator[int]]
"""(n, checksum) -> the numbers of the parts to show, without end."""


def standard(n: int, checksum: int) -> Iterator[int]:
    """1, 2, 3, ...: what every receiver expects. After n parts without loss all is there."""
    del n, checksum
    return count(1)


def cyclic(n: int, checksum: int) -> Iterator[int]:
    """The n simple parts, then n mixed ones of middling degree, again and again with new mixed ones.

    For receivers that peel, as most wallets do: one that joins late meets simple parts again after at most n
    others.
    """
    mixed = _numbers_between(n, checksum, 4, max(4, n // 2))
    while True:
        yield from range(1, n + 1)
        for _ in range(n):
            yield next(mixed)


def dense(n: int, checksum: int) -> Iterator[int]:
    """The n simple parts once, then parts that each hold about half of all fragments.

    For receivers that eliminate, as Falconer does: n + 2 parts of any kind are nearly always enough. A
    receiver that peels is stranded.
    """
    yield from range(1, n + 1)
    # Never one degree alone: parts that all hold an even number of fragments never tell the fragments apart.
    yield from _numbers_between(n, checksum, max(1, 2 * n // 5), 3 * n // 5 + 1)


_SEARCH: Final = 4096
"""Numbers looked at for one of a wanted degree. Degrees 0.4 n to 0.6 n have a share of ln(1.5) / ln(n): one
in 23 at n = 10,000.
"""


def _numbers_between(n: int, checksum: int, low: int, high: int) -> Iterator[int]:
    low, high = min(low, n), min(high, n)
    number = n
    while True:
        for _ in range(_SEARCH):
            number = number + 1 if number < _LAST_NUMBER else n + 1
            if low <= degree_of(number, n, checksum) <= high:
                break
        yield number


_LAST_NUMBER: Final = 2**32 - 1
"""Part numbers have 32 bits."""


class Encoder:
    """The parts of one message. `n` and `fragment_length` (bytes) follow from the message and the longest
    fragment allowed.
    """

    def __init__(self, message: bytes, max_fragment: int, checksum: int) -> None:
        if not message or max_fragment < 1:
            raise ValueError("nothing to send, or no room to send it in")
        parts = -(-len(message) // max_fragment)
        self.fragment_length = -(-len(message) // parts)
        self.n = -(-len(message) // self.fragment_length)
        self.checksum = checksum
        padded = message.ljust(self.n * self.fragment_length, b"\0")
        self._fragments = [
            int.from_bytes(padded[start : start + self.fragment_length], "big")
            for start in range(0, len(padded), self.fragment_length)
        ]

    def part(self, number: int) -> bytes:
        """The bytes of part `number`, 1 to 2^32 - 1."""
        if not 1 <= number <= _LAST_NUMBER:
            raise ValueError("part numbers have 32 bits and begin at 1")
        mixed = 0
        for index in choose_fragments(number, self.n, self.checksum):
            mixed ^= self._fragments[index]
        return mixed.to_bytes(self.fragment_length, "big")


# --- what a receiver does ----------------------------------------------------------------------------------------------------

MAX_CHECKS: Final = 128
"""Surplus equations kept in order to find wrong parts: enough to find a hundred of them, and a constant
amount of memory.
"""

MAX_SEEN_VARIANTS: Final = 4
"""Different contents remembered for one part number: the true one and some wrong ones."""

PATIENCE: Final = 2 * MAX_CHECKS
"""Parts taken after there were enough, without a message that fits its checksum, before all is given up."""

_SELECTORS: Final = bytes.maketrans(b"01", b"\0\1")


class Elimination:
    """Solves n fragments of `width` bytes out of parts in any order.

    An equation is one integer: on top the set of fragments in it (n bits, the pivot is its highest bit),
    below it the data, below that which received parts it was made of. Adding equations is XOR, and finding
    the pivot is `bit_length`.

    A part that depends on the others leaves a *check*: an equation without fragments. Its data is zero unless
    a part in it is wrong. So a check that adds up clears every part in it, and when the message fails its
    checksum, the parts that no check clears are cancelled out of all equations, each with the help of a check
    that holds it (`cancel_suspects`). A wrong part costs a handful of further parts, never the transfer
    (A098, A101).
    """

    def __init__(self, n: int, width: int) -> None:
        self.n = n
        self.width = width
        self.rank = 0
        self.resets = 0
        self._slots = n + MAX_CHECKS
        self._shift = self._slots + 8 * width
        self._start()

    def _start(self) -> None:
        self.rank = 0
        self._surplus = 0
        self._pivots: list[int | None] = [None] * self.n
        self._checks: list[tuple[int, int]] = []  # (equation, its slot), oldest first
        self._free = list(range(self._slots - 1, -1, -1))
        # number -> {hash of the data: [times seen, slot]}. The hash is keyed by the process, so nobody can aim at a collision.
        self._seen: dict[int, dict[int, list[int]]] = {}

    @property
    def footprint(self) -> int:
        """Bytes of memory that the equations take, about."""
        equation = (self._shift + self.n) // 8 + 64
        return self.n * 16 + (self.rank + len(self._checks)) * equation + len(self._seen) * 400

    @property
    def contradictions(self) -> int:
        """Checks that do not add up."""
        return sum(1 for check, _ in self._checks if check >> self._slots)

    def alone(self) -> list[int]:
        """Indexes of the fragments that are known by themselves already; more may follow from the rest."""
        return [
            index
            for index, row in enumerate(self._pivots)
            if row is not None and row < (1 << (self._shift + index)) + (1 << self._shift)
        ]

    def add(self, number: int, data: bytes, checksum: int) -> bool:
        """Take a part. True if `solve` or `cancel_suspects` may now do what they could not do before."""
        variants = self._seen.setdefault(number, {})
        key = hash(data)
        if key in variants:
            variants[key][0] += 1
            return len(variants) > 1
        if len(variants) == MAX_SEEN_VARIANTS:
            del variants[min(variants, key=lambda known: variants[known])]
        self._surplus += self.rank == self.n
        slot = self._take_slot()
        variants[key] = [1, slot]
        fragments = 0
        for index in choose_fragments(number, self.n, checksum):
            fragments |= 1 << index
        row = fragments << self._shift | int.from_bytes(data, "big") << self._slots | 1 << slot
        shift = self._shift + 1
        pivots = self._pivots
        while (pivot := row.bit_length() - shift) >= 0:
            other = pivots[pivot]
            if other is None:
                pivots[pivot] = row
                self.rank += 1
                return True
            row ^= other
        self._checks.append((row, slot))
        return True

    def _take_slot(self) -> int:
        """A number by which an equation remembers the part. Parts in an equation keep theirs; the oldest
        check gives its own back.
        """
        if not self._free:
            self._free.append(self._checks.pop(0)[1])
        return self._free.pop()

    def reset(self) -> None:
        """Forget every part: what is there cannot be made to fit."""
        self.resets += 1
        self._start()

    def solve(self) -> bytes | None:
        """All fragments in a row, if there are n independent parts. Whether they are right, the caller's
        checksum says.
        """
        if self.rank < self.n:
            return None
        low = (1 << 8 * self.width) - 1
        solved: list[int] = []
        for row in self._pivots:
            if row is None:
                raise RuntimeError("the rank is n, so every pivot is there")
            # Below the pivot stand fragments that are solved already: pick those out in one go.
            others = format(row >> self._shift, "b")[:0:-1].encode("ascii").translate(_SELECTORS)
            solved.append(reduce(xor, compress(solved, others), row >> self._slots & low))
        return b"".join(data.to_bytes(self.width, "big") for data in solved)

    @property
    def hopeless(self) -> bool:
        """Whether no wrong part can be the reason for a checksum that does not fit, or none was found for too
        long.
        """
        if self._surplus > PATIENCE:
            return True
        if self.contradictions:
            return False
        used = reduce(or_, (row for row in self._pivots if row is not None), 0)
        cleared = reduce(or_, (check for check, _ in self._checks), 0)
        return not used & ~cleared & (1 << self._slots) - 1

    def cancel_suspects(self) -> bool:
        """Take the parts that no check clears out of every equation. True if that could be done, and solving
        again is worth it.

        Called when there are n independent parts and the checksum does not fit. After True, the equations are
        good for `solve` only: parts that come later need a `reset`.
        """
        checks, clearing = self._sort_checks()
        suspects = (
            reduce(or_, checks, 0) & (1 << self._slots) - 1 & ~reduce(or_, clearing, 0) & ~self._favourites()
        )
        checks += clearing
        if not suspects or suspects.bit_count() > len(checks):
            return False
        rows = [row for row in self._pivots if row is not None]
        while suspects:
            part = suspects & -suspects
            suspects ^= part
            helper = next((check for check in checks if check & part), None)
            if helper is None:
                if any(row & part for row in rows):
                    return False
                continue
            # A check holds no fragment, so every pivot stays where it stands.
            rows = [row ^ helper if row & part else row for row in rows]
            checks = [check ^ helper if check & part else check for check in checks if check is not helper]
        self._pivots = list(rows)
        return True

    def _sort_checks(self) -> tuple[list[int], list[int]]:
        """Combine the checks until those that do not add up are independent: (not adding up, adding up)."""
        by_pivot: dict[int, int] = {}
        clearing: list[int] = []
        for row, _ in self._checks:
            while (top := row.bit_length()) > self._slots:
                other = by_pivot.get(top)
                if other is None:
                    by_pivot[top] = row
                    break
                row ^= other  # noqa: PLW2901 - reduced until it is new or adds up
            else:
                clearing.append(row)
        return list(by_pivot.values()), clearing

    def _favourites(self) -> int:
        """Where two contents came for one part number, the one seen more often is believed, if there is one."""
        favourites = 0
        for variants in self._seen.values():
            if len(variants) > 1:
                *_, second, first = sorted(variants.values())
                if first[0] > second[0]:
                    favourites |= 1 << first[1]
        return favourites
