"""Untrusted text made safe to show.

Whatever comes from the other side (labels, names, file names, error texts of nodes and devices) can carry
terminal escapes, bidi overrides, invisible characters or look-alikes (A117, A118, A119). `safe` leaves
printable ASCII alone and spells out everything else, so that what a person compares is what is there.
"""

from __future__ import annotations

import unicodedata

MAX_SHOWN = 200
"""Characters shown of one untrusted text: enough for a name or a file, too few to push a page off the screen
(A125).
"""

_SPOKEN_ELSEWHERE = frozenset({"Ll", "Lu", "Lo", "Lt", "Nd"})
"""Letters and digits outside ASCII: shown by code point and never by shape, because shapes are forgeable
(homographs).
"""


def safe(text: str, limit: int = MAX_SHOWN) -> str:
    """`text` with every character outside printable ASCII, and the backslash, written as an escape.

    The result is ASCII, holds no newline, and is at most `limit` characters and the mark of a cut long.
    """
    if limit < 1:
        raise ValueError("limit must be positive")
    shown: list[str] = []
    length = 0
    for position, character in enumerate(text):
        piece = _escape(character)
        if length + len(piece) > limit:
            shown.append(f"[+{len(text) - position} more]")
            break
        shown.append(piece)
        length += len(piece)
    return "".join(shown)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if " " <= character <= "~":
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def safe_bytes(data: bytes, limit: int = MAX_SHOWN) -> str:
    r"""Untrusted bytes for showing: printable ASCII as it is, all else as `\xNN`."""
    more = f"[+{len(data) - limit} more bytes]" if len(data) > limit else ""
    return safe(data[:limit].decode("latin-1"), limit) + more


def describe_foreign(text: str) -> str | None:
    """Name the first character that `safe` had to escape, for an error that tells a person what to look for;
    None if there is none.
    """
    for position, character in enumerate(text):
        if not " " <= character <= "~":
            name = unicodedata.name(character, "unnamed character")
            kind = "letter or digit" if unicodedata.category(character) in _SPOKEN_ELSEWHERE else "character"
            return f"{kind} {position + 1} is {name} (U+{ord(character):04X})"
    return None


def is_token(text: str, limit: int = 64) -> bool:
    """Whether `text` is an id of ours: `[a-z0-9._-]`, 1 to `limit` characters (DESIGN: spelling)."""
    return 0 < len(text) <= limit and _TOKEN.issuperset(text)


_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
