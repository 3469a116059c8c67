"""Uniform Resources, version 1, as Specter and Cobo speak it: `ur:bytes` in BC32, in numbered parts.

    ur:bytes/<bc32 of the message>
    ur:bytes/<number>of<n>/<bc32 of the SHA-256 of the message>/<a piece of that text>

The message is the CBOR of one byte string. A message of one code is told from one of UR 2 as other wallets
tell it: words of UR 2 have no digits. The hash names the session, and must fit in the end; it tells what was
misread, and nothing of who sent it (A100).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from falconer_shared.encoding import cbor
from falconer_shared.encoding.capacity import Mode
from falconer_shared.errors import Malformed
from falconer_shared.transport import bc32
from falconer_shared.transport.numbered import NumberedPart, check_numbers, check_size, rounds
from falconer_shared.transport.parts import MAX_PARTS, MAX_PAYLOAD, Kind, Part, Received, Whole
from falconer_shared.transport.registry.types import TYPES

_MAX_TEXT: Final = (MAX_PAYLOAD + 9) * 8 // 5 + 16
_LETTERS: Final = "[02-9ac-hj-np-z]"
_RECOGNISED: Final = re.compile(
    r"ur:bytes/(?:[0-9]+of[0-9]+/|[^/]{58}/[^/]*\Z|[^/bio]*[0-9][^/bio]*\Z)", re.ASCII | re.IGNORECASE
)
_FRAME: Final = re.compile(
    rf"ur:bytes/(?:([0-9]{{1,9}})of([0-9]{{1,9}})/(?={_LETTERS}{{58}}/))?(?:({_LETTERS}{{58}})/)?({_LETTERS}+)\Z",
    re.ASCII,
)


class Ur1Dialect:
    """Reads `ur:bytes` of version 1."""

    name = "ur1"

    def recognises(self, frame: str) -> bool:
        return _RECOGNISED.match(frame) is not None

    def read(self, frame: str) -> Whole | Part:
        """A whole payload or a part.

        Raises:
            Malformed: `ur1-malformed`, `transport-number-malformed`, `transport-too-large`; of a single part
            also what `_join` raises.
        """
        # A code is all in one case; lower case of ASCII alone, as in UR 2
        one_case = frame in (frame.lower(), frame.upper()) and frame.isascii()
        match = _FRAME.match(frame.lower()) if one_case else None
        if match is None:
            raise Malformed(
                "ur1-malformed", "this begins as ur:bytes of version 1 does, and is not of that form"
            )
        number, total, digest, piece = match.groups()
        if number is None:
            return Whole(_join(digest, (piece.encode("ascii"),)))
        index, count = check_numbers(number, total, MAX_PARTS)
        check_size(len(piece), index, count, _MAX_TEXT)
        join = partial(_join, digest)
        return NumberedPart((self.name, count, digest), index, count, piece.encode("ascii"), join, even=False)


def _join(digest: str | None, pieces: Sequence[bytes]) -> Received:
    """The payload of all pieces.

    Raises:
        Malformed: `bc32-malformed`, `bc32-checksum`, `ur1-hash`, and what `ur:bytes` of version 2 refuses.
    """
    message = bc32.decode(b"".join(pieces).decode("ascii"))
    if digest is not None and bc32.decode(digest) != hashlib.sha256(message).digest():
        raise Malformed("ur1-hash", "the parts do not make the message that their hash names")
    found = TYPES["bytes"].unwrap(message)
    return Received(found.kind, found.data, Ur1Dialect.name, found.type)


class Ur1Sender:
    """A payload as `ur:bytes` of version 1, in codes of at most so many alphanumeric characters."""

    dialect = Ur1Dialect.name
    mode = Mode.ALPHANUMERIC
    type = "bytes"

    def __init__(self, payload: bytes, kind: Kind, characters: int) -> None:
        if not payload or len(payload) > MAX_PAYLOAD:
            raise ValueError("a payload has 1 byte to 2 MiB")
        message = cbor.encode(payload)
        self._text = bc32.encode(message).upper()
        self._hash = bc32.encode(hashlib.sha256(message).digest()).upper()
        self.digest = Received(kind, payload, self.dialect, self.type).digest
        self.n = 1
        self._each = len(self._text)
        if len("UR:BYTES/") + len(self._text) > characters:
            room = characters - len(f"UR:BYTES/{MAX_PARTS}OF{MAX_PARTS}/{self._hash}/")
            if room < 1:
                raise ValueError("a code of this size has no room for data")
            self._each = -(-len(self._text) // -(-len(self._text) // room))
            self.n = -(-len(self._text) // self._each)
            if self.n > MAX_PARTS:
                raise ValueError(f"{self.n} parts are too many: use larger codes, or a file")

    def frame(self, number: int) -> str:
        """The text of part `number` (from 1; past the last it begins again)."""
        if self.n == 1:
            return f"UR:BYTES/{self._text}"
        index = (number - 1) % self.n
        piece = self._text[index * self._each : (index + 1) * self._each]
        return f"UR:BYTES/{index + 1}OF{self.n}/{self._hash}/{piece}"

    def frames(self) -> Iterator[str]:
        """The texts to show, again and again without end (a single code once)."""
        return rounds(self.n, self.frame)
