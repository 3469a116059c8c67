"""The differential campaign: case i is one comparison, of a kind and of content that (seed, i) decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from tests.campaigns.campaign import Finding, random_of
from tests.differential import mutants, payments, primitives

KINDS: tuple[tuple[int, Callable[[Random], Iterator[str]]], ...] = (
    (35, payments.compare),
    (40, mutants.compare),
    (6, primitives.transactions),
    (5, primitives.digests),
    (5, primitives.addresses),
    (4, primitives.extended_keys),
    (5, primitives.descriptors),
)
"""Share of the cases, in percent, and what is compared."""


class Differential:
    name = "differential"
    aim = 1_000_000

    def run(self, seed: int, first: int, count: int) -> Sequence[Finding]:
        return [
            Finding(case, difference)
            for case in range(first, first + count)
            for difference in self.differences(seed, case)
        ]

    def differences(self, seed: int, case: int) -> Iterator[str]:
        """What nobody has explained yet in one case."""
        chance = random_of(self.name, seed, case)
        shares, kinds = zip(*KINDS, strict=True)
        (kind,) = chance.choices(kinds, shares)
        yield from kind(chance)


def campaign(name: str) -> Differential:
    """The one campaign of this folder."""
    return Differential()
