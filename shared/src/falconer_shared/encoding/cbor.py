"""Deterministic CBOR (RFC 8949 section 4.2; BCR-2024-002), strictly: one value has one spelling.

1. The heads are walked first, on a bounded budget, and nothing is allocated for a length or a count before its bytes are
   there (A079). Refused on the way: indefinite lengths, floats, `undefined`, tags that the caller did not ask for, map keys
   other than unsigned integers, more than eight levels. What is left holds nothing to which cbor2 gives a meaning of its own
   (its tags 28 and 29 share objects, 35 compiles patterns, 36 reads mail, 4 and 5 build huge numbers).
2. cbor2 decodes it.
3. The value is encoded again and compared byte for byte: that refuses numbers and lengths that are not in their shortest
   form, keys out of order, duplicate keys and bytes behind the end, all with one comparison (A104).
"""

from __future__ import annotations

from typing import Final

import cbor2

from falconer_shared.errors import Malformed

MAX_DEPTH: Final = 8
"""Levels of arrays and maps: an account of descriptors, the deepest thing that crosses the gap, has six."""

MAX_STACK: Final = 16
"""Levels with tags counted too: the same account has twelve."""

MAX_ITEMS: Final = 10_000
"""Heads in one message: an account of twenty descriptors has some hundreds."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_PLAIN_SIMPLE = frozenset({20, 21, 22})
"""false, true, null."""

_INTERPRETED: Final = frozenset(
    {0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799}
)
"""Tags that cbor2 turns into objects. None may be asked for, so that a tag is always seen as a tag."""

Cbor = int | bytes | str | bool | None | list["Cbor"] | dict[int, "Cbor"] | cbor2.CBORTag


def encode(value: Cbor) -> bytes:
    """The one encoding of a value."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, where: str, *, max_bytes: int, tags: frozenset[int] = frozenset()) -> Cbor:
    """The value that these bytes spell.

    `where` names them in errors. `tags` are those that may occur; each arrives as a `CBORTag`.

    Raises:
        Malformed: `cbor-too-large`, `cbor-truncated`, `cbor-trailing-bytes`, `cbor-too-deep`, `cbor-too-many-items`,
        `cbor-type-refused`, `cbor-not-deterministic`.
    """
    if tags & _INTERPRETED:
        raise ValueError("cbor2 gives this tag a meaning of its own")
    if len(data) > max_bytes:
        raise Malformed(
            "cbor-too-large",
            f"{where}: {len(data)} bytes are more than {max_bytes}",
            size=len(data),
            limit=max_bytes,
        )
    _walk(data, where, tags)
    try:
        value: Cbor = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError) as error:
        # all that is left for cbor2 to find is text that is not UTF-8
        raise Malformed("cbor-not-deterministic", f"{where}: text that is not UTF-8") from error
    if encode(value) != data:
        raise Malformed(
            "cbor-not-deterministic",
            f"{where}: not in the one deterministic form (shortest lengths, keys sorted and unique)",
        )
    return value


def _walk(data: bytes, where: str, tags: frozenset[int]) -> None:
    """Every head once, in order, without recursion."""
    end = len(data)
    position = 0
    wanted = [1]  # values that each open level still wants
    kinds = [_ARRAY]
    items = 0
    while wanted:
        if not wanted[-1]:
            wanted.pop()
            kinds.pop()
            continue
        wanted[-1] -= 1
        items += 1
        if items > MAX_ITEMS:
            raise Malformed("cbor-too-many-items", f"{where}: more than {MAX_ITEMS} values")
        major, info, argument, position = _head(data, position, where)
        _refuse_type(where, major, info, argument, tags, is_key=kinds[-1] == _MAP and wanted[-1] % 2 == 1)
        if major < _BYTES or major == _SIMPLE:
            continue
        # what follows takes at least so many bytes, and they must be there
        count = 2 * argument if major == _MAP else 1 if major == _TAG else argument
        if count > end - position:
            raise Malformed(
                "cbor-truncated", f"{where}: {count} bytes or values announced, {end - position} left"
            )
        if major in (_BYTES, _TEXT):
            position += count
            continue
        if (major != _TAG and sum(kind != _TAG for kind in kinds) > MAX_DEPTH) or len(wanted) > MAX_STACK:
            raise Malformed("cbor-too-deep", f"{where}: more than {MAX_DEPTH} levels")
        wanted.append(count)
        kinds.append(major)
    if position != end:
        raise Malformed(
            "cbor-trailing-bytes", f"{where}: {end - position} bytes behind the value", size=end - position
        )


def _head(data: bytes, position: int, where: str) -> tuple[int, int, int, int]:
    """Major type, low five bits, argument, and where the next byte stands."""
    if position >= len(data):
        raise Malformed("cbor-truncated", f"{where}: ends where a value must stand")
    major, info = data[position] >> 5, data[position] & 0x1F
    position += 1
    if info < 24:
        return major, info, info, position
    if info > 27:
        raise Malformed("cbor-not-deterministic", f"{where}: an indefinite or reserved length")
    size = 1 << (info - 24)
    if position + size > len(data):
        raise Malformed("cbor-truncated", f"{where}: ends inside a number")
    return major, info, int.from_bytes(data[position : position + size], "big"), position + size


def _refuse_type(
    where: str, major: int, info: int, argument: int, tags: frozenset[int], *, is_key: bool
) -> None:
    if is_key and major != _UNSIGNED:
        # The two orders in use for mixed keys (RFC 7049 by length, RFC 8949 by bytes) agree for these alone.
        raise Malformed("cbor-type-refused", f"{where}: a map key that is not an unsigned number")
    if major == _TAG and argument not in tags:
        raise Malformed("cbor-type-refused", f"{where}: tag {argument} has no place here", tag=argument)
    if major == _SIMPLE and info not in _PLAIN_SIMPLE:
        raise Malformed("cbor-type-refused", f"{where}: a float or an undefined value")
