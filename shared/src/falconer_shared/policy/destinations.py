"""The address book's descriptors: which addresses are theirs, at a bounded cost.

A destination that is a descriptor stands for its receive addresses from 0 to `REACH` - 1: those that its owner hands out. Change
addresses are not handed out, so paying one is never what was meant. Addresses are derived as far as they are needed, once per
process; a script that none of them is costs the whole reach, which the bounds below keep under a second.
"""

from __future__ import annotations

from falconer_shared.descriptor.ast import RECEIVE, Node
from falconer_shared.descriptor.derive import Deriver
from falconer_shared.errors import Malformed

REACH = 1_000
"""Receive addresses of a descriptor that are looked at: one a day for almost three years. What lies further is not recognised,
which refuses it where a list allows, so that the answer to a miss is a newer account in the address book. A list that denies
should name addresses or accounts that stay within it."""

MAX_DESCRIPTOR_KEYS = 10
"""Keys in all descriptors of an address book together. Deriving takes 50 µs a key and address: half a second at the most."""


def check_searched(keys: int) -> None:
    """Accept descriptors of so many keys together, before any of them is read: reading one with twenty keys takes 30 ms.

    Raises:
        Malformed: `policy-descriptor-keys`.
    """
    if keys > MAX_DESCRIPTOR_KEYS:
        raise Malformed(
            "policy-descriptor-keys",
            f"policy: the descriptors of the address book have {keys} keys, at most {MAX_DESCRIPTOR_KEYS} are searched",
            remedy="list single addresses where there are few",
            keys=keys,
            limit=MAX_DESCRIPTOR_KEYS,
        )


def keys_in(descriptor: str) -> int:
    """How many keys an unread text has, if it is a descriptor: each begins with its origin in brackets. None, if an address."""
    return descriptor.count("[")


class Reach:
    """The scripts of one descriptor, derived so far. A cache and nothing else."""

    __slots__ = ("_deriver", "_scripts", "derived")

    def __init__(self, node: Node) -> None:
        self._deriver = Deriver(node)
        self._scripts: set[bytes] = set()
        self.derived = 0

    def __contains__(self, script: bytes) -> bool:
        while script not in self._scripts and self.derived < REACH:
            self._scripts.add(self._deriver.scripts(RECEIVE, self.derived).script_pubkey)
            self.derived += 1
        return script in self._scripts


_REACHES: dict[str, Reach] = {}
_MAX_REMEMBERED = 4 * MAX_DESCRIPTOR_KEYS


def reach_of(text: str, node: Node) -> Reach:
    """The reach of a descriptor and its canonical text: the same object for the same text."""
    if text not in _REACHES:
        if len(_REACHES) >= _MAX_REMEMBERED:
            _REACHES.clear()
        _REACHES[text] = Reach(node)
    return _REACHES[text]
