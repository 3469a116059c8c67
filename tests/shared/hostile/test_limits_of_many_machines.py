"""A coordinator that chooses which machines sign what: the day's limit holds whoever holds the keys.

Each machine judges by what it signed itself. Keys that no machine of the policy holds (a hardware signer, a
paper backup) sign whatever they are shown.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.policy.engine import evaluate
from falconer_shared.policy.history import SpendEntry
from falconer_shared.policy.spend import Outcome, Share, share_of
from falconer_shared.units import Amount
from tests.support.policies import PolicyDraft, coin, holders
from tests.support.spends import entry, spend

LIMIT = 1_000


class House:
    """A k-of-n wallet; `held` says which keys each machine of the policy holds, the others sign anything."""

    def __init__(
        self, k: int, n: int, held: tuple[frozenset[int], ...], mandatory: tuple[int, ...] = ()
    ) -> None:
        self.k, self.n, self.held = k, n, held
        names = [f"machine-{number:02}" for number in range(len(held))]
        self.policy = PolicyDraft(
            tiers=(),
            signers=holders(*names),
            mandatory=tuple(names[number] for number in mandatory),
            rules={"max_daily_spend_sats": LIMIT},
        ).policy()
        self.share = share_of(self.policy, k, n)
        self.journals: list[list[SpendEntry]] = [[] for _ in held]
        self.total = 0

    def allows(self, machine: int, anchor: OutPoint, amount: int) -> bool:
        asked = spend(
            anchor=anchor, spent=Amount(amount), entries=tuple(self.journals[machine]), share=self.share
        )
        return all(verdict.outcome is Outcome.PASS for verdict in evaluate(self.policy, asked))

    def spend(self, keys: frozenset[int], machines: tuple[int, ...], number: int, amount: int) -> bool:
        """Have `keys` sign, each by one of `machines` or by nobody's rules; True when the transaction is whole."""
        anchor = coin(number)
        if not all(self.allows(machine, anchor, amount) for machine in machines):
            return False
        for machine in machines:
            self.journals[machine].append(entry(number, amount, age=0))
        self.total += amount
        return True

    def quorums(self) -> list[tuple[frozenset[int], tuple[int, ...]]]:
        """Every quorum of keys with every smallest set of machines that signs for those of them that machines hold."""
        found = []
        for keys in map(frozenset, itertools.combinations(range(self.n), self.k)):
            guarded = keys & frozenset().union(*self.held)
            for size in range(len(self.held) + 1):
                sets = [
                    each
                    for each in itertools.combinations(range(len(self.held)), size)
                    if guarded <= frozenset().union(*(self.held[machine] for machine in each))
                ]
                if sets:
                    found += [(keys, each) for each in sets]
                    break
        return found


def keys(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


HOUSES = {
    "three machines": (2, 3, (keys(0), keys(1), keys(2))),
    "a spare machine with the same single key": (1, 1, (keys(0), keys(0))),
    "three with the same single key": (1, 1, (keys(0), keys(0), keys(0))),
    "a spare of one of three": (2, 3, (keys(0), keys(0), keys(1), keys(2))),
    "every machine holds every key": (2, 2, (keys(0, 1), keys(0, 1), keys(0, 1))),
    "two machines and a hardware signer": (2, 3, (keys(0), keys(1))),
    "three machines and two hardware signers": (3, 5, (keys(0), keys(1), keys(2))),
    "one machine holds two of three": (2, 3, (keys(0, 1), keys(2))),
    "two machines hold two each of four": (2, 4, (keys(0, 1), keys(2, 3))),
    "four machines hold five of six": (4, 6, (keys(0, 1), keys(2), keys(3), keys(4))),
    "one machine": (1, 1, (keys(0),)),
}


@pytest.mark.parametrize("name", HOUSES)
def test_the_greediest_rotation_stays_within_the_limit(name):
    """One satoshi at a time, again and again through every quorum that some machine of the policy takes part in."""
    k, n, held = HOUSES[name]
    for first in range(len(House(k, n, held).quorums())):
        house = House(k, n, held)
        quorums = [(found, machines) for found, machines in house.quorums() if machines]
        order = quorums[first % len(quorums) :] + quorums[: first % len(quorums)]
        number = 0
        for found, machines in itertools.chain(order, order):
            while house.spend(found, machines, number, 25):
                number += 1
        assert house.total <= LIMIT, f"{name}: {house.total} of {LIMIT} sats"


@given(st.data())
def test_any_rotation_stays_within_the_limit(data):
    """Keys spread over machines in any way that puts no key on two of them."""
    n = data.draw(st.integers(1, 6))
    k = data.draw(st.integers(1, n))
    owner = data.draw(st.lists(st.integers(-1, 5), min_size=n, max_size=n))
    held = tuple(
        found
        for machine in range(6)
        if (found := frozenset(key for key in range(n) if owner[key] == machine))
    )
    if not held:
        return
    house = House(k, n, held)
    quorums = [(found, machines) for found, machines in house.quorums() if machines]
    for number in range(data.draw(st.integers(1, 30))):
        found, machines = data.draw(st.sampled_from(quorums))
        house.spend(found, machines, number, data.draw(st.integers(1, LIMIT)))
    assert house.total <= LIMIT


def test_shares_at_their_boundaries():
    """As many machines as keys: k of n. Fewer: the other keys sign anything. More: some key is on two machines."""

    def share(k: int, n: int, machines: int) -> Share:
        names = holders(*(f"m{number}" for number in range(machines)))
        return share_of(PolicyDraft(signers=names, mandatory=()).policy(), k, n)

    assert share(2, 3, 3) == Share(2, 3)
    assert share(2, 3, 2) == Share(1, 2)
    assert share(2, 3, 1) == Share(1, 1)
    assert share(2, 3, 4) == Share(1, 4)
    assert share(3, 5, 4) == Share(2, 4)
    assert share(1, 1, 1) == Share(1, 1)
    assert share(1, 1, 2) == Share(1, 2)


def test_with_a_mandatory_signer_sums_are_whole_whoever_holds_the_rest():
    assert House(2, 3, (keys(0), keys(1)), mandatory=(0,)).share.of(LIMIT) == LIMIT
