"""Specter's `pMofN`: a text cut into pieces, each behind its number.

    p3of12 <a piece of the text>

There is no checksum and no length; what the whole text is, its beginning says, as if it had come in one code.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from falconer_shared.encoding.capacity import Mode
from falconer_shared.errors import Malformed
from falconer_shared.transport.numbered import NumberedPart, check_numbers, check_size, rounds
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind, Part, Received, Whole
from falconer_shared.transport.plain import read_text

MAX_PARTS: Final = 999
"""Krux counts to 99; beyond some hundred a person gives up."""

_MAX_TEXT: Final = MAX_PAYLOAD * 4 // 3 + 4
_RECOGNISED: Final = re.compile(r"p[0-9]+of[0-9]+ ", re.ASCII)
_FRAME: Final = re.compile(r"p([0-9]{1,9})of([0-9]{1,9}) (.+)\Z", re.ASCII | re.DOTALL)


class PmofnDialect:
    """Reads `pMofN`."""

    name = "pmofn"

    def recognises(self, frame: str) -> bool:
        return _RECOGNISED.match(frame) is not None

    def read(self, frame: str) -> Whole | Part:
        """A whole payload or a part.

        Raises:
            Malformed: `pmofn-malformed`, `transport-number-malformed`, `transport-too-large`; of a single part
            also what `plain.read_text` raises.
        """
        match = _FRAME.match(frame)
        if match is None:
            raise Malformed("pmofn-malformed", "a part in Specter's pMofN without anything in it")
        number, count_text, piece = match.groups()
        if not piece.isascii():
            raise Malformed("pmofn-malformed", "a part in Specter's pMofN that is not plain ASCII")
        index, count = check_numbers(number, count_text, MAX_PARTS)
        check_size(len(piece), index, count, _MAX_TEXT)
        data = piece.encode("ascii")
        if count == 1:
            return Whole(_join((data,)))
        return NumberedPart((self.name, count), index, count, data, _join)


def _join(pieces: Sequence[bytes]) -> Received:
    return replace(read_text(b"".join(pieces).decode("ascii")), dialect=PmofnDialect.name)


class PmofnSender:
    """A payload as `pMofN`, in codes of at most so many bytes: a PSBT in base64, a text as it is."""

    dialect = PmofnDialect.name
    mode = Mode.BYTE

    def __init__(self, payload: bytes, kind: Kind, characters: int) -> None:
        if not payload or len(payload) > MAX_PAYLOAD:
            raise ValueError("a payload has 1 byte to 2 MiB")
        is_psbt = kind is Kind.PSBT
        self._text = base64.b64encode(payload).decode("ascii") if is_psbt else payload.decode("ascii").strip()
        if not self._text:
            raise ValueError("nothing is left of a text of spaces")
        self.type = "base64" if is_psbt else "text"
        carried = payload if is_psbt else self._text.encode("ascii")
        self.digest = Received(kind, carried, self.dialect, self.type).digest
        room = characters - len(f"p{MAX_PARTS}of{MAX_PARTS} ")
        if room < 1:
            raise ValueError("a code of this size has no room for data")
        self._each = -(-len(self._text) // -(-len(self._text) // room))
        self.n = -(-len(self._text) // self._each)
        if self.n > MAX_PARTS:
            raise ValueError(f"{self.n} parts are too many: use larger codes, or a file")

    def frame(self, number: int) -> str:
        """The text of part `number` (from 1; past the last it begins again). One part alone has no number."""
        if self.n == 1:
            return self._text
        index = (number - 1) % self.n
        piece = self._text[index * self._each : (index + 1) * self._each]
        return f"p{index + 1}of{self.n} {piece}"

    def frames(self) -> Iterator[str]:
        """The texts to show, again and again without end (a single code once)."""
        return rounds(self.n, self.frame)
