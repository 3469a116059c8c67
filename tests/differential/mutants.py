"""PSBTs that are wrong somewhere: bytes changed, and fields dropped, doubled, moved, cut, grown; who takes them, and as what?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.differential import payments
from tests.differential.contents import differing
from tests.support import psbts
from tests.support.rawpsbt import Map, RawPsbt

_EXAMPLES = [
    (case, version)
    for version in (0, 2)
    for case in sorted(psbts.EXAMPLES)
    if version == 2 or case not in psbts.ONLY_V2
]


def compare(chance: random.Random) -> Iterator[str]:
    """Every unexplained difference over one mutant."""
    yield from differing(mutant(chance))


def mutant(chance: random.Random) -> bytes:
    data = _base(chance)
    acts: list[Callable[[random.Random, bytes], bytes]] = [_bytes] if chance.randrange(2) else [_structure]
    if not chance.randrange(4):
        acts.append(_structure)
    for act in acts:
        data = act(chance, data)
    return data


def _base(chance: random.Random) -> bytes:
    """A sample with one field more or with many, or a whole payment."""
    draw = chance.randrange(8)
    if draw == 0:
        return payments.sample(chance).psbt.raw
    if draw == 1:
        version = chance.choice((0, 2))
        return (psbts.v0 if version == 0 else psbts.v2)(
            inputs=chance.randint(1, 3), outputs=chance.randint(1, 3), added=_many(chance, version)
        )
    case, version = chance.choice(_EXAMPLES)
    return psbts.with_example(*case, version)


def _many(chance: random.Random, version: int) -> dict[str, Map]:
    added: dict[str, Map] = {"global": [], "input": [], "output": []}
    for case in sorted(psbts.EXAMPLES):
        if (version == 2 or case not in psbts.ONLY_V2) and not chance.randrange(3):
            data, value = psbts.EXAMPLES[case]
            added[case[0]].append((bytes((case[1],)) + data, value))
    return added


def _bytes(chance: random.Random, data: bytes) -> bytes:
    """One byte or two, anywhere."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(changed))
        act = chance.randrange(5)
        if act == 0:
            changed[at] = chance.randrange(256)
        elif act == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif act == 2:
            del changed[at]
        elif act == 3:
            changed.insert(at, chance.choice((0, 1, 2, 0xFD, 0xFE, 0xFF)))
        else:
            del changed[at:]
            changed += bytes(chance.choice((0, 0, 1, 2)))
        if not changed:
            break
    return bytes(changed)


def _structure(chance: random.Random, data: bytes) -> bytes:
    """One of the edits."""
    try:
        raw = RawPsbt(data)
    except (IndexError, KeyError):
        return data
    maps = [entries for entries in raw.maps if entries]
    if not maps:
        return data
    entries = chance.choice(maps)
    chance.choice(_EDITS)(chance, raw, entries, chance.randrange(len(entries)))
    return raw.bytes()


def _drop(_chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    del entries[at]


def _double(chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    key, value = entries[at]
    entries.append((key, chance.choice((value, _bytes(chance, value or b"\x01")))))


def _move(chance: random.Random, raw: RawPsbt, entries: Map, at: int) -> None:
    chance.choice(raw.maps).append(entries[at])


def _other_value(chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    key, value = entries[at]
    entries[at] = (key, _bytes(chance, value or b"\x01"))


def _other_key(chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    key, value = entries[at]
    entries[at] = (_bytes(chance, key) or b"\x00", value)


def _cut(chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    key, value = entries[at]
    entries[at] = (key, value[: chance.randrange(len(value) + 1)])


def _grow(chance: random.Random, _raw: RawPsbt, entries: Map, at: int) -> None:
    key, value = entries[at]
    entries[at] = (key, value + bytes(chance.randint(1, 4)))


def _shuffle(chance: random.Random, _raw: RawPsbt, entries: Map, _at: int) -> None:
    chance.shuffle(entries)


def _new_map(chance: random.Random, raw: RawPsbt, _entries: Map, _at: int) -> None:
    raw.maps.insert(chance.randint(1, len(raw.maps)), [])


def _lost_map(chance: random.Random, raw: RawPsbt, _entries: Map, _at: int) -> None:
    del raw.maps[chance.randrange(len(raw.maps))]


_EDITS = (_drop, _double, _move, _other_value, _other_key, _cut, _grow, _shuffle, _new_map, _lost_map)
"""Each of one field or map; lengths stay right."""
