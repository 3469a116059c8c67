"""Uniform Resources, version 2 (BCR-2020-005), of one part and of many (BCR-2024-001).

    ur:<type>/<bytewords of the message>
    ur:<type>/<number>-<n>/<bytewords of [number, n, message length, CRC-32 of the message, data]>

A message is the deterministic CBOR of one value of that type. A part is checked, before anything is
allocated, in this order: spelling of the path, checksum of the bytewords, CBOR, agreement of path and CBOR,
bounds, exact arithmetic between length, n and data (A095, A096, A102, A103). After the last part: checksum of
the message, zero padding, CBOR, shape of the type.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from falconer_shared.encoding import cbor
from falconer_shared.encoding.capacity import Mode
from falconer_shared.errors import Malformed
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.parts import MAX_PARTS, Kind, Part, Received, Whole
from falconer_shared.transport.registry.types import (
    DIALECT,
    MAX_MESSAGE,
    SEND_TYPE,
    TYPES,
    Bytes,
    UrType,
    too_large,
)

_MAX_NUMBER: Final = 2**32 - 1


_PATH: Final = re.compile(r"ur:([a-z0-9-]{1,64})/(?:([0-9]{1,12})-([0-9]{1,12})/)?([a-z]+)\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]*\Z", re.ASCII)


class UrDialect:
    """Reads UR of the given types."""

    name = DIALECT

    def __init__(self, types: Mapping[str, UrType] = TYPES) -> None:
        self._types = types

    def recognises(self, frame: str) -> bool:
        return frame[:3].lower() == "ur:"

    def read(self, frame: str) -> Whole | Part:
        """A whole payload or a part.

        Raises:
            Malformed: `ur-path-malformed`, `ur-type-unsupported`, `ur-number-malformed`, `ur-part-malformed`,
            `ur-part-contradicts-path`, `ur-too-many-parts`, `ur-message-too-large`, `ur-arithmetic`,
            `ur-payload-malformed`; and those of bytewords and CBOR.
        """
        # Lower case of ASCII alone: U+212A KELVIN SIGN becomes a k otherwise.
        match = _PATH.match(frame.lower()) if frame.isascii() else None
        if match is None:
            raise Malformed(
                "ur-path-malformed",
                "this begins with ur: and is not of the form ur:type/text or ur:type/number-n/text",
            )
        name, number, total, body = match.groups()
        kind = self._types.get(name)
        if kind is None:
            known = ", ".join(self._types)
            raise Malformed("ur-type-unsupported", f"ur:{name} is not read here (read are: {known})")
        data = bytewords.decode(body)
        if number is None:
            return Whole(kind.unwrap(data))
        return _read_part(kind, number, total, data)


def _read_part(kind: UrType, number_text: str, total_text: str, data: bytes) -> UrPart:
    if not _NUMBER.match(number_text) or not _NUMBER.match(total_text):
        raise Malformed("ur-number-malformed", "a part number or count is zero or has a leading zero")
    value = cbor.decode(data, "part of a UR", max_bytes=len(data))
    match value:
        case [int(number), int(total), int(length), int(checksum), bytes(fragment)] if not any(
            isinstance(item, bool) for item in value
        ):
            pass
        case _:
            raise Malformed("ur-part-malformed", "a part of a UR is not four numbers and bytes")
    if (
        min(number, total, length) < 1
        or not 0 <= checksum <= _MAX_NUMBER
        or number > _MAX_NUMBER
        or not fragment
    ):
        raise Malformed("ur-part-malformed", "a part of a UR has a number out of range or no data")
    if (number, total) != (int(number_text), int(total_text)):
        raise Malformed(
            "ur-part-contradicts-path",
            f"part {number_text}-{total_text} says inside that it is {number}-{total}",
        )
    if total > MAX_PARTS:
        raise Malformed(
            "ur-too-many-parts",
            f"{total} parts announced; {MAX_PARTS} is the limit",
            parts=total,
            limit=MAX_PARTS,
        )
    if length > MAX_MESSAGE:
        raise too_large(length)
    if total != -(-length // len(fragment)):
        raise Malformed(
            "ur-arithmetic",
            f"{length} bytes in fragments of {len(fragment)} do not make {total} parts",
            parts=total,
            size=length,
        )
    return UrPart(kind, number, total, length, checksum, fragment)


@dataclass(frozen=True, slots=True)
class UrPart:
    """A part that agrees with itself."""

    kind: UrType
    number: int
    total: int
    length: int
    checksum: int
    data: bytes

    @property
    def session(self) -> Hashable:
        return UrDialect.name, self.kind.name, self.total, self.length, self.checksum, len(self.data)

    def begin(self) -> UrAssembly:
        return UrAssembly(self.kind, self.total, self.length, self.checksum, len(self.data))


class UrAssembly:
    """The parts of one message, by elimination."""

    def __init__(self, kind: UrType, total: int, length: int, checksum: int, width: int) -> None:
        self._kind = kind
        self._length = length
        self._checksum = checksum
        self._equations = fountain.Elimination(total, width)
        self._changed = False
        self._misfit = False

    @property
    def have(self) -> int:
        return self._equations.rank

    @property
    def footprint(self) -> int:
        return self._equations.footprint

    @property
    def stuck(self) -> str | None:
        if self._misfit:
            return "a part was misread or forged; a few more parts will show which one"
        if self._equations.resets:
            return "the parts did not fit together, and it began again; is another sender in view?"
        return None

    def missing(self) -> list[int]:
        known = set(self._equations.alone())
        return [index + 1 for index in range(self._equations.n) if index not in known]

    def add(self, part: Part) -> bool:
        if not isinstance(part, UrPart):
            raise TypeError("a session is made of parts of one dialect")
        self._changed = self._equations.add(part.number, part.data, self._checksum)
        return self._changed

    def finish(self) -> Received | None:
        """The payload, once the parts determine a message that fits its checksum.

        Raises:
            Malformed: `ur-checksum`, `ur-padding-not-zero`, and what `UrType.unwrap` raises.
        """
        equations = self._equations
        if not self._changed or equations.rank < equations.n:
            return None
        message = self._solve()
        if message is None:
            self._misfit = True
            if equations.hopeless:
                equations.reset()
                raise Malformed(
                    "ur-checksum",
                    "the parts do not make a message that fits its checksum; it begins again",
                )
            if not equations.cancel_suspects():
                return None
            message = self._solve()
            if message is None:
                equations.reset()
                return None
        if any(message[self._length :]):
            equations.reset()
            raise Malformed("ur-padding-not-zero", "bytes are hidden behind the end of the message")
        return self._kind.unwrap(message[: self._length])

    def _solve(self) -> bytes | None:
        message = self._equations.solve()
        if message is None or bytewords.checksum(message[: self._length]) != self._checksum:
            return None
        return message


# --- sending -----------------------------------------------------------------------------------------------------------------


class Sender:
    """A payload as the texts of codes, in upper case (QR codes pack that into 5.5 bits a character).

    `characters` is what one code may hold. A payload that fits goes into one code; otherwise `n` parts and,
    by the schedule, as many more as anybody watches.
    """

    dialect = UrDialect.name
    mode = Mode.ALPHANUMERIC

    def __init__(
        self,
        payload: bytes,
        kind: Kind,
        characters: int,
        *,
        schedule: fountain.Schedule = fountain.standard,
        type_name: str | None = None,
        label: str = "",
    ) -> None:
        ur_type = TYPES[type_name or SEND_TYPE[kind]]
        self.type = ur_type.name
        message = ur_type.wrap(payload, label)
        single = f"UR:{self.type}/{bytewords.encode(message)}".upper()
        # what the other side shows: of a wallet, the text that it reads out of the CBOR
        carried = isinstance(ur_type, Bytes)
        received = Received(kind, payload, DIALECT, self.type) if carried else ur_type.unwrap(message)
        self.digest = received.digest
        self._single = single if len(single) <= characters else None
        self._schedule = schedule
        self._length = len(message)
        self._encoder: fountain.Encoder | None = None
        self.n = 1
        if self._single is None:
            self._encoder = fountain.Encoder(
                message, _room(self.type, len(message), characters), bytewords.checksum(message)
            )
            self.n = self._encoder.n
            if self.n > MAX_PARTS:
                raise ValueError(
                    f"{self.n} parts are more than any receiver takes: use larger codes, or a file"
                )

    def frame(self, number: int) -> str:
        """The text of part `number` (from 1)."""
        encoder = self._encoder
        if encoder is None:
            if self._single is None:
                raise RuntimeError("a sender has one code or an encoder")
            return self._single
        part = cbor.encode([number, encoder.n, self._length, encoder.checksum, encoder.part(number)])
        return f"UR:{self.type}/{number}-{encoder.n}/{bytewords.encode(part)}".upper()

    def frames(self) -> Iterator[str]:
        """The texts to show, one after the other, without end (a single code once)."""
        encoder = self._encoder
        if encoder is None:
            yield self.frame(1)
            return
        for number in self._schedule(encoder.n, encoder.checksum):
            yield self.frame(number)


_NUMBER_DIGITS: Final = 6
"""Room kept for part numbers: at 10 codes a second, a million of them last a day."""


def _room(name: str, length: int, characters: int) -> int:
    """Bytes of data in a part whose text has at most so many characters."""
    parts_digits = len(str(MAX_PARTS))
    path = len(f"ur:{name}/") + _NUMBER_DIGITS + 1 + parts_digits + 1
    numbers = len(cbor.encode([10**_NUMBER_DIGITS - 1, MAX_PARTS, length, _MAX_NUMBER]))
    data_head = 3
    room = (characters - path) // 2 - numbers - data_head - 4  # 4: the checksum of the bytewords
    if room < 1:
        raise ValueError("a code of this size has no room for data")
    return room
