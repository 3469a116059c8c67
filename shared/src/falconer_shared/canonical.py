"""The one way to write and to read canonical text.

Canonical text is what people and machines sign: ASCII, LF, one fact per line, `key value`, keys in a fixed
order, nothing optional in the spelling, the first line naming the kind and its format version. Because every
text has exactly one spelling, `parse` re-writes what it understood and compares bytes; a text that differs in
a space, a leading zero or an order is refused, so no two programs can read one signature in two ways. The
digest of a text is SHA-256 of its bytes.
"""

from __future__ import annotations

import calendar
import hashlib
import re
import time
from collections.abc import Iterable

from falconer_shared.errors import Malformed
from falconer_shared.text import is_token, safe, safe_bytes

MAX_LINE = 4096
"""Bytes in one line: an SSH key, an address list entry or a descriptor fits (a 15-key descriptor takes 2 kB)."""

MAX_TIME = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second that four digits of a year can spell."""

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z", re.ASCII)
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z\Z", re.ASCII)


def digest(text: bytes) -> str:
    """SHA-256 of a canonical text, lower-case hex."""
    return hashlib.sha256(text).hexdigest()


class Writer:
    """Builds a canonical text line by line."""

    def __init__(self, kind: str, version: int = 1) -> None:
        self._lines = [f"{kind} {version}"]

    def line(self, key: str, *values: str | int) -> Writer:
        """Append one fact. Values are joined by one space; a value that could break the line is a
        programmer's mistake.
        """
        text = " ".join([key, *map(str, values)])
        # printable ASCII; a part that is empty would leave a stray space, or no text at all
        if not (text and text.isascii() and text.isprintable()) or "  " in text or text != text.strip(" "):
            raise ValueError(f"not a canonical line: {safe(text)}")
        self._lines.append(text)
        return self

    def lines(self, key: str, values: Iterable[str | int]) -> Writer:
        """Append one line per value, in the order given."""
        for value in values:
            self.line(key, value)
        return self

    def text(self) -> bytes:
        """The finished text."""
        return ("\n".join(self._lines) + "\n").encode("ascii")


class Reader:
    """Takes a canonical text apart in its fixed order.

    `where` names the text in errors ("intent", "policy"); `rule` is the refusal id for every fault of form.
    """

    def __init__(
        self, data: bytes, kind: str, *, where: str, rule: str, max_bytes: int, version: int = 1
    ) -> None:
        self._where = where
        self._rule = rule
        self._data = data
        if len(data) > max_bytes:
            raise self.error(f"{len(data)} bytes, more than the {max_bytes} that it may have")
        if not data.endswith(b"\n"):
            raise self.error("does not end in a line feed")
        body = data[:-1]
        for line in body.split(b"\n"):
            if not line or len(line) > MAX_LINE or line[:1] == b" " or line[-1:] == b" " or b"  " in line:
                raise self.error(f"line {safe_bytes(line, 60)!r} is empty, too long or has stray spaces")
            if not (line.isascii() and line.decode("ascii").isprintable()):
                raise self.error(f"line '{safe_bytes(line, 60)}' is not printable ASCII")
        self._lines = body.decode("ascii").split("\n")
        self._next = 0
        head = self._lines[0]
        if head != f"{kind} {version}":
            raise self.error(f"starts with '{safe(head, 60)}' instead of '{kind} {version}'")
        self._next = 1

    def error(self, problem: str) -> Malformed:
        """The refusal for a fault of form in this text."""
        return Malformed(self._rule, f"{self._where}: {problem}", line=getattr(self, "_next", 0) + 1)

    def peek(self) -> str | None:
        """The key of the next line, None at the end."""
        if self._next == len(self._lines):
            return None
        return self._lines[self._next].split(" ", 1)[0]

    def one(self, key: str) -> str:
        """The value of the next line, which must have this key."""
        if self._next == len(self._lines):
            raise self.error(f"ends where '{key}' must stand")
        name, space, value = self._lines[self._next].partition(" ")
        if name != key or not space:
            raise self.error(f"has '{safe(self._lines[self._next], 60)}' where '{key} ...' must stand")
        self._next += 1
        return value

    def many(self, key: str, limit: int) -> list[str]:
        """The values of all next lines with this key, at most `limit`."""
        values: list[str] = []
        while self.peek() == key:
            if len(values) == limit:
                raise self.error(f"has more than {limit} lines '{key}'")
            values.append(self.one(key))
        return values

    def words(self, key: str, count: int) -> list[str]:
        """The value of the next line, cut at spaces into exactly `count` words."""
        return self.split(self.one(key), count)

    def split(self, value: str, count: int) -> list[str]:
        """A value cut at spaces into exactly `count` words."""
        words = value.split(" ")
        if len(words) != count:
            raise self.error(f"'{safe(value, 60)}' must be {count} words")
        return words

    def number(self, text: str, low: int = 0, high: int = 2**63 - 1) -> int:
        """A decimal number without sign or leading zero, ASCII digits only (A103), in bounds."""
        if not _DECIMAL.match(text):
            raise self.error(f"'{safe(text, 30)}' is not a plain decimal number")
        value = int(text)
        if not low <= value <= high:
            raise self.error(f"{value} is outside {low} to {high}")
        return value

    def hex(self, text: str, size: int) -> bytes:
        """Exactly `size` bytes in lower-case hex."""
        if len(text) != 2 * size or not _HEX.match(text):
            raise self.error(f"'{safe(text, 80)}' is not {size} bytes in lower-case hex")
        return bytes.fromhex(text)

    def token(self, text: str) -> str:
        """An id: `[a-z0-9._-]{1,64}`."""
        if not is_token(text):
            raise self.error(f"'{safe(text, 80)}' is not an id of 1 to 64 characters a-z 0-9 . _ -")
        return text

    def time(self, text: str) -> int:
        """RFC 3339 UTC with seconds, as seconds since 1970."""
        try:
            return parse_time(text)
        except ValueError:
            raise self.error(f"'{safe(text, 40)}' is not a time like 2026-01-31T09:30:00Z") from None

    def end(self, rewritten: bytes) -> None:
        """Nothing may follow, and writing what was understood must give the same bytes."""
        if self._next != len(self._lines):
            raise self.error(f"has '{safe(self._lines[self._next], 60)}' where it must end")
        if rewritten != self._data:
            raise self.error("is not in its one canonical spelling")


def format_time(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339 UTC: `2026-01-31T09:30:00Z`."""
    if not 0 <= seconds <= MAX_TIME:
        raise ValueError("time out of range")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def parse_time(text: str) -> int:
    """The inverse of `format_time`; ValueError for any other spelling, leap seconds included."""
    match = _TIME.match(text)
    if not match:
        raise ValueError("not RFC 3339 UTC with seconds")
    seconds = calendar.timegm((*(int(part) for part in match.groups()), 0, 0, 0))
    # timegm normalises 31 February: only a text that comes back unchanged names a real second
    if not 0 <= seconds <= MAX_TIME or format_time(seconds) != text:
        raise ValueError("no such second")
    return seconds
