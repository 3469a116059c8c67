"""Changes to inputs: of bytes, and of the structures that random bytes would take years to hit."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import cbor2

from tests.support.rawpsbt import MAGIC, Map, size

NUMBERS = (0, 1, 0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF)
TOKENS = (
    b"\xfd\xfd\x00",
    b"\xfd\xff\xff",
    b"\xfe\xff\xff\xff\xff",
    b"\xff" * 9,
    b"\xfd\x00\x00",
    bytes(4),
    bytes(32),
    b"\n",
    b" ",
)
WORDS = (
    b"0", b"1", b"-1", b"-", b"00", b"21000000", b"2100000000000001", b"9223372036854775808", b"1e9", b"pass", b"fail", b"unseen",
    b"yes", b"no", b"pay", b"own", b"sweep", b"cancel", b"regtest", b"mainnet", b"2027-01-15T08:00:00Z", b"2026-02-31T00:00:00Z",
    b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"ab" * 32, b"AB" * 32, b"a.b_c-d", b"A", b"a" * 64, b"a" * 65, b"23:59",
    b"24:00", b"UTC", b"Europe/Berlin", b"../zone",
)  # fmt: skip


def raw(data: bytes, choose: random.Random) -> bytes:
    """A few changes to bytes."""
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        at = choose.randrange(len(changed) + 1)
        act = choose.randrange(7)
        if act == 0 and changed:
            changed[at - 1] = choose.choice(NUMBERS)
        elif act == 1 and changed:
            changed[at - 1] ^= 1 << choose.randrange(8)
        elif act == 2:
            del changed[at : at + choose.choice((1, 1, 2, 4, 32))]
        elif act == 3:
            changed[at:at] = choose.randbytes(choose.choice((1, 1, 2, 4)))
        elif act == 4:
            changed[at:at] = choose.choice(TOKENS)
        elif act == 5:
            start = choose.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + choose.choice((1, 4, 40))]
        else:
            del changed[at + 1 :]
    return bytes(changed)


# --- PSBT --------------------------------------------------------------------------------------------------------------------


def split_maps(data: bytes) -> list[Map] | None:
    """The maps of something like a PSBT, however few of its rules it keeps; None where it has none."""
    if not data.startswith(MAGIC):
        return None
    maps: list[Map] = []
    current: Map = []
    at, end = len(MAGIC), len(data)

    def number() -> int:
        nonlocal at
        first = data[at] if at < end else 0
        width = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(first, 0)
        value = int.from_bytes(data[at + 1 : at + 1 + width], "little") if width else first
        at += 1 + width
        return value

    while at < end:
        length = number()
        if not length:
            maps.append(current)
            current = []
            continue
        key = data[at : at + length]
        at += length
        length = number()
        current.append((key, data[at : at + length]))
        at += length
    return [*maps, current] if current else maps


def join_maps(maps: Sequence[Map]) -> bytes:
    return MAGIC + b"".join(
        b"".join(size(len(key)) + key + size(len(value)) + value for key, value in fields if key) + b"\0"
        for fields in maps
    )


def psbt(data: bytes, choose: random.Random, library: Sequence[tuple[bytes, bytes]] = (), value: Callable[[bytes, random.Random], bytes] = raw) -> bytes:  # fmt: skip  # noqa: E501
    """One or two changes to the maps of a PSBT. `library` holds fields to put in, `value` changes the value of one."""
    maps = split_maps(data)
    if not maps:
        return raw(data, choose)
    for _ in range(choose.choice((1, 1, 2))):
        fields = choose.choice(maps)
        act = choose.randrange(10)
        if act == 0 and library:
            fields.insert(choose.randrange(len(fields) + 1), choose.choice(library))
        elif act == 1:
            maps.insert(choose.randrange(len(maps) + 1), list(choose.choice(maps)))
        elif act == 2 and len(maps) > 1:
            maps.remove(fields)
        elif fields:
            at = choose.randrange(len(fields))
            key, old = fields[at]
            if act == 3:
                del fields[at]
            elif act == 4:
                choose.choice(maps).append((key, old))
            elif act == 5:
                fields[at] = raw(key, choose), old
            elif act == 6:
                other = choose.choice(choose.choice(maps) or fields)
                fields[at] = key, other[1]
            elif act == 7:
                choose.shuffle(fields)
            else:
                fields[at] = key, value(old, choose)
    return join_maps(maps)


# --- texts -------------------------------------------------------------------------------------------------------------------


def lines(data: bytes, choose: random.Random) -> bytes:
    """A change to a text of lines of words: canonical texts, TOML, CSV, JSON lines."""
    rows = data.split(b"\n")
    act = choose.randrange(9)
    at = choose.randrange(len(rows))
    if act == 0:
        del rows[at]
    elif act == 1:
        rows.insert(at, choose.choice(rows))
    elif act == 2:
        other = choose.randrange(len(rows))
        rows[at], rows[other] = rows[other], rows[at]
    elif act in {3, 4, 5}:
        words = rows[at].split(b" ")
        word = choose.randrange(len(words))
        new = choose.choice(
            (choose.choice(WORDS), choose.choice(choose.choice(rows).split(b" ")), raw(words[word], choose))
        )
        words[word] = new
        rows[at] = b" ".join(words)
    elif act == 6:
        numbers = list(re.finditer(rb"[0-9]+", rows[at]))
        if numbers:
            found = choose.choice(numbers)
            changed = int(found[0][:19]) + choose.choice((-1, 1, 10**9))
            rows[at] = rows[at][: found.start()] + b"%d" % max(0, changed) + rows[at][found.end() :]
    elif act == 7:
        rows[at] = raw(rows[at], choose)
    else:
        return raw(data, choose)
    return b"\n".join(rows)


# --- CBOR --------------------------------------------------------------------------------------------------------------------

LEAVES = (
    0,
    1,
    23,
    24,
    255,
    256,
    65_535,
    2**32 - 1,
    2**32,
    2**64 - 1,
    -1,
    -(2**64),
    b"",
    b"psbt\xff",
    "",
    "text",
    True,
    None,
)


def value(old: object, choose: random.Random, depth: int = 0) -> object:  # noqa: PLR0911 - a line for each type
    """Another value of CBOR in place of `old`."""
    act = choose.randrange(6)
    if isinstance(old, list) and old and act < 4:
        at = choose.randrange(len(old))
        changed = list(old)
        if act == 0:
            del changed[at]
        elif act == 1:
            changed.insert(at, choose.choice((*LEAVES, old[at])))
        else:
            changed[at] = value(old[at], choose, depth + 1)
        return changed
    if isinstance(old, dict) and old and act < 4:
        key = choose.choice(list(old))
        changed_map = dict(old)
        if act == 0:
            del changed_map[key]
        elif act == 1:
            changed_map[choose.choice((0, 1, 24, 256, 2**32))] = old[key]
        else:
            changed_map[key] = value(old[key], choose, depth + 1)
        return changed_map
    if isinstance(old, cbor2.CBORTag) and act < 3:
        return cbor2.CBORTag(old.tag, value(old.value, choose, depth + 1))
    if isinstance(old, int) and not isinstance(old, bool) and act < 3:
        return max(-(2**64), min(2**64 - 1, old + choose.choice((-1, 1, 256, -256))))
    if isinstance(old, bytes) and act < 4:
        return raw(old, choose)
    if act == 4 and depth < 12:
        return choose.choice(([old], {1: old}, cbor2.CBORTag(choose.choice((303, 308, 310, 40310)), old)))
    return choose.choice(LEAVES)


def cbor(data: bytes, choose: random.Random) -> bytes:
    """Another message with the structure of CBOR, or bytes near it."""
    if choose.randrange(3) == 0:
        return raw(data, choose)
    try:
        found = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, TypeError):
        return raw(data, choose)
    try:
        return cbor2.dumps(value(found, choose), canonical=True)
    except (cbor2.CBOREncodeError, ValueError, TypeError):
        return raw(data, choose)
