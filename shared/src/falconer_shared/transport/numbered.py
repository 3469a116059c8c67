"""Messages cut into numbered pieces, all of which are needed: BBQr, Specter's pMofN and UR 1.

These dialects have no checksum in a part (UR 1 alone has one for the whole). So a second content for one
number is never written over the first (A101): both are kept and counted, and one is believed when it was seen
`LEAD` times more often than the other. A sender that loops brings the votes by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from falconer_shared.errors import Malformed
from falconer_shared.transport.parts import Part, Received

MAX_VARIANTS: Final = 4
"""Contents remembered for one number: the true one and some wrong ones."""

LEAD: Final = 2
"""Sightings by which one content must be ahead of another for the same number."""

_NUMBER: Final = re.compile(r"[1-9][0-9]*\Z", re.ASCII)


def rounds(n: int, frame: Callable[[int], str]) -> Iterator[str]:
    """The texts to show of `n` pieces, again and again without end; a single one once."""
    return map(frame, count(1) if n > 1 else (1,))


def check_numbers(number: str, total: str, most: int) -> tuple[int, int]:
    """Part and count as written in a frame: (index from 0, count).

    Raises:
        Malformed: `transport-number-malformed`.
    """
    if not _NUMBER.match(number) or not _NUMBER.match(total) or not int(number) <= int(total) <= most:
        raise Malformed(
            "transport-number-malformed",
            f"a part number or count is zero, has a leading zero, or is out of range (at most {most} parts)",
            limit=most,
        )
    return int(number) - 1, int(total)


def check_size(size: int, index: int, total: int, limit: int) -> None:
    """Refuse a part that announces more than `limit` for all of them together. The last may be shorter, so it
    announces nothing.

    Raises:
        Malformed: `transport-too-large`.
    """
    if index != total - 1 and (total - 1) * size > limit:
        raise Malformed(
            "transport-too-large", f"{total} parts of {size} are more than may come by QR", limit=limit
        )


Join = Callable[[Sequence[bytes]], Received]
"""Puts the pieces of a message together; raises Malformed where they make none."""


@dataclass(frozen=True, slots=True)
class NumberedPart:
    """Piece `index` (from 0) of `total`. With `even`, all but the last piece have one length, and the last no
    more.
    """

    session: Hashable
    index: int
    total: int
    piece: bytes = field(repr=False)
    join: Join = field(repr=False, compare=False)
    even: bool = True

    def begin(self) -> NumberedAssembly:
        return NumberedAssembly(self.total, self.join, even=self.even)


class NumberedAssembly:
    """What is there of one numbered message."""

    def __init__(self, total: int, join: Join, *, even: bool) -> None:
        self._total = total
        self._join = join
        self._even = even
        self._pieces: dict[int, dict[bytes, int]] = {}
        self._size = 0
        self._contested: set[int] = set()
        self._failed: tuple[bytes, ...] | None = None
        self._failure: str | None = None
        self._changed = False

    @property
    def have(self) -> int:
        return len(self._pieces)

    @property
    def footprint(self) -> int:
        # the message is built once more, and once again where it was compressed
        return 3 * self._size + 500 * len(self._pieces) + 1000

    @property
    def stuck(self) -> str | None:
        if self._contested and len(self._pieces) == self._total:
            first = min(self._contested) + 1
            return (
                f"part {first} came with different contents; let it loop, and show one sender to the camera"
            )
        return self._failure

    def missing(self) -> list[int]:
        return [index + 1 for index in range(self._total) if index not in self._pieces]

    def add(self, part: Part) -> bool:
        if not isinstance(part, NumberedPart):
            raise TypeError("a session is made of parts of one dialect")
        votes = self._pieces.setdefault(part.index, {})
        known = part.piece in votes
        if not known and len(votes) == MAX_VARIANTS:
            weakest = min(votes, key=lambda piece: votes[piece])
            del votes[weakest]
            self._size -= len(weakest)
        if not known:
            self._size += len(part.piece)
        votes[part.piece] = votes.get(part.piece, 0) + 1
        if len(votes) > 1:
            self._contested.add(part.index)
        self._changed = not known or bool(self._contested)
        return self._changed

    def finish(self) -> Received | None:
        """The payload, once every number has one content.

        Raises:
            Malformed: what the dialect says of pieces that make no message; more sightings may still change them.
        """
        if not self._changed or len(self._pieces) < self._total:
            return None
        chosen = self._choose()
        if chosen is None or chosen == self._failed:
            return None
        try:
            return self._join(chosen)
        except Malformed as problem:
            self._failed = chosen
            self._failure = f"the parts make no message: {problem.message}"
            raise

    def _choose(self) -> tuple[bytes, ...] | None:
        """One content for each number; None while two are as likely."""
        width = self._width()
        chosen = []
        for index in range(self._total):
            votes = self._pieces[index]
            last = index == self._total - 1
            fitting = [
                (count, piece)
                for piece, count in votes.items()
                if width is None or (len(piece) <= width if last else len(piece) == width)
            ]
            if not fitting:
                self._failure = f"part {index + 1} has another length than the others; let it loop"
                return None
            fitting.sort(key=lambda entry: entry[0])
            if len(fitting) > 1 and fitting[-1][0] - fitting[-2][0] < LEAD:
                return None
            chosen.append(fitting[-1][1])
        return tuple(chosen)

    def _width(self) -> int | None:
        """The length of all pieces but the last, as most of them have it."""
        if not self._even or self._total == 1:
            return None
        lengths = Counter(
            len(piece) for index, votes in self._pieces.items() if index != self._total - 1 for piece in votes
        )
        return lengths.most_common(1)[0][0]
