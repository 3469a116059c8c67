"""One record of the audit log: one line of JSON in its one spelling.

    {"at":1767225600,"event":"proposal-created","facts":{"proposal":"p-1","sats":50000},"n":0}

ASCII, keys sorted, no spaces, integers and strings only, flat: what is hashed is what any JSON reader shows. Records carry public
facts, never secrets; strings in them come from elsewhere, so whoever shows one passes it through `text.safe`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn, Self

from falconer_shared.audit.merkle import leaf_hash
from falconer_shared.canonical import MAX_TIME
from falconer_shared.errors import AuditError
from falconer_shared.text import is_token, safe

Fact = int | str

MAX_LINE = 64 * 1024
"""Bytes of one record: a signed receipt (8 KiB) in hex fits with room."""

MAX_FACTS = 64
"""Facts in one record: what a person can still read."""

MAX_NUMBER = 2**63 - 1
"""Integers that every JSON reader with 64-bit integers keeps."""

_KEYS = frozenset({"at", "event", "facts", "n"})


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Record number `n` (from 0): what happened, at which second since 1970 by the writer's clock, with which facts."""

    n: int
    at: int
    event: str
    facts: Mapping[str, Fact]
    # derived from the four fields above, kept because it is compared, hashed and stored
    _line: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what the line could not spell.

        Raises:
            AuditError: `audit-record-malformed`.
        """
        _check_number("n", self.n, 0, MAX_NUMBER)
        _check_number("at", self.at, 0, MAX_TIME)
        if not is_token(self.event):
            raise _malformed("its event is not an id of 1 to 64 characters a-z 0-9 . _ -")
        if len(self.facts) > MAX_FACTS:
            raise _malformed(f"{len(self.facts)} facts, at most {MAX_FACTS} are kept")
        for key, value in self.facts.items():
            if not is_token(key):
                raise _malformed(f"'{safe(key, 64)}' is no name for a fact")
            if not isinstance(value, str):
                _check_number(key, value, -MAX_NUMBER, MAX_NUMBER)
        # a caller that keeps its dictionary must not be able to change a record afterwards
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        document = {"at": self.at, "event": self.event, "facts": dict(self.facts), "n": self.n}
        line = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")
        object.__setattr__(self, "_line", line)
        if len(self.line) > MAX_LINE:
            raise _malformed(f"{len(self.line)} bytes, at most {MAX_LINE} are kept")

    @property
    def line(self) -> bytes:
        """The record's bytes, without a line feed: what is stored and hashed."""
        return self._line

    @property
    def leaf(self) -> bytes:
        """The RFC 6962 leaf hash of the line."""
        return leaf_hash(self.line)

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read a line; exact inverse of `line`.

        Raises:
            AuditError: `audit-record-malformed`.
        """
        if len(line) > MAX_LINE:
            raise _malformed(f"{len(line)} bytes, at most {MAX_LINE} are kept")
        try:
            document = json.loads(line.decode("ascii"), parse_float=_no_float, parse_constant=_no_float)
        except (ValueError, RecursionError):
            # UnicodeDecodeError and JSONDecodeError are ValueErrors, and so is a number of too many digits
            raise _malformed("not JSON in ASCII with integers and strings only") from None
        if (
            not isinstance(document, dict)
            or set(document) != _KEYS
            or not isinstance(document["facts"], dict)
        ):
            raise _malformed("its keys are not at, event, facts, n")
        if not isinstance(document["event"], str):
            raise _malformed("its event is not text")
        record = cls(n=document["n"], at=document["at"], event=document["event"], facts=document["facts"])
        # catches repeated keys, other orders, spaces and escapes: one record has one spelling
        if record.line != line:
            raise _malformed("not in its one canonical spelling")
        return record


def _check_number(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _malformed(f"'{name}' is not a whole number from {low} to {high}")


def _malformed(problem: str) -> AuditError:
    return AuditError("audit-record-malformed", f"audit record: {problem}")


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"not an integer: {safe(text, 30)}")
