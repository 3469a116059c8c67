"""What the forms have in common: bytes of a satisfaction, and choosing who signs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import VerificationError
from falconer_shared.units import WITNESS_SCALE_FACTOR


def witness_weight(items: Sequence[int]) -> int:
    """Weight units that a witness of items of these lengths adds to an empty one, whose count byte is there already."""
    return len(compact_size(len(items))) - 1 + sum(len(compact_size(size)) + size for size in items)


def script_sig_weight(items: Sequence[int]) -> int:
    """Weight units that a scriptSig which pushes items of these lengths adds to an empty one."""
    size = sum(push_bytes(item) for item in items)
    return WITNESS_SCALE_FACTOR * (len(compact_size(size)) - 1 + size)


def push_bytes(size: int) -> int:
    """Bytes of the shortest push of so many bytes, none being OP_0; up to 520 of them."""
    return size + (1 if size <= 75 else 2 if size <= 255 else 3)


def number_bytes(number: int) -> int:
    """Bytes of a small positive number in a script: one opcode up to 16, beyond it a push of one byte."""
    return 1 if number <= 16 else 2


def positions_of(count: int, available: Collection[int]) -> list[int]:
    """The positions in `available`, ascending, each once; ValueError for one that a descriptor of `count` keys lacks."""
    positions = sorted(set(available))
    if positions and not 0 <= positions[0] <= positions[-1] < count:
        raise ValueError(f"key positions run from 0 to {count - 1}")
    return positions


def choose(k: int, count: int, available: Collection[int]) -> tuple[int, ...]:
    """The first k of the positions.

    Raises:
        VerificationError: `quorum-incomplete`.
    """
    positions = positions_of(count, available)
    if len(positions) < k:
        raise VerificationError(
            "quorum-incomplete",
            f"{k} of {count} keys must sign, {len(positions)} can or did",
            needed=k,
            keys=count,
            available=len(positions),
        )
    return tuple(positions[:k])
