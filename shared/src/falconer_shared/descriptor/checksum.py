"""The descriptor checksum of BIP 380: eight characters that catch what people and disks do to text.

It guards against accidents. Whoever alters a descriptor on purpose writes a new checksum: against that stand
the wallet id, which people compare, and the key that must derive on the machine that registers.
"""

from __future__ import annotations

from falconer_shared.errors import Malformed
from falconer_shared.text import describe_foreign

CHECKSUM_LENGTH = 8
"""Characters after the `#`."""

MAX_DESCRIPTOR_CHARACTERS = 16 * 1024
"""Twenty keys take 3.3 kB; checked before anything reads the text (DESIGN section 7)."""

_INPUT_CHARSET = (
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ "
)
_CHECKSUM_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0xF5DEE51989, 0xA9FDCA3312, 0x1BAB10E32D, 0x3706B1677A, 0x644D626FFD)
_VALUES = {character: value for value, character in enumerate(_INPUT_CHARSET)}


def descriptor_checksum(text: str) -> str:
    """The eight checksum characters of a descriptor without its `#` part.

    Raises:
        Malformed: `descriptor-too-long`, `descriptor-character`.
    """
    check_characters(text)
    state = 1
    group = 0
    for position, character in enumerate(text):
        value = _VALUES[character]
        state = _step(state, value & 31)
        # the upper bits of three characters travel together (BIP 380), so that letters of one case differ in few symbols
        group = group * 3 + (value >> 5)
        if position % 3 == 2:
            state = _step(state, group)
            group = 0
    if len(text) % 3:
        state = _step(state, group)
    for _ in range(CHECKSUM_LENGTH):
        state = _step(state, 0)
    state ^= 1
    return "".join(
        _CHECKSUM_CHARSET[state >> 5 * (CHECKSUM_LENGTH - 1 - place) & 31] for place in range(CHECKSUM_LENGTH)
    )


def with_checksum(text: str) -> str:
    """The descriptor as it is handed to people and nodes: `text#checksum`."""
    return f"{text}#{descriptor_checksum(text)}"


def check_characters(text: str) -> None:
    """Accept a text of descriptor characters within the length bound.

    Raises:
        Malformed: `descriptor-too-long`, `descriptor-character`.
    """
    if len(text) > MAX_DESCRIPTOR_CHARACTERS:
        raise Malformed(
            "descriptor-too-long",
            f"the descriptor has {len(text)} characters, more than {MAX_DESCRIPTOR_CHARACTERS}",
        )
    for position, character in enumerate(text):
        if character not in _VALUES:
            found = describe_foreign(text) or f"character {position + 1}"
            raise Malformed(
                "descriptor-character", f"{found}, which no descriptor may contain", position=position
            )


def strip_checksum(text: str) -> str:
    """The descriptor before its checksum, which must be there and right.

    Raises:
        Malformed: `descriptor-checksum-missing`, `descriptor-checksum-form`, `descriptor-checksum-mismatch`,
            and what `descriptor_checksum` raises.
    """
    check_characters(text)
    body, mark, checksum = text.partition("#")
    if not mark:
        raise Malformed(
            "descriptor-checksum-missing",
            "the descriptor ends without '#' and its eight checksum characters",
            remedy="Copy the whole line from the program that made it (Bitcoin Core: getdescriptorinfo shows the checksum).",
        )
    if len(checksum) != CHECKSUM_LENGTH or not set(checksum) <= set(_CHECKSUM_CHARSET):
        raise Malformed(
            "descriptor-checksum-form",
            f"after '#' stand {len(checksum)} characters that are no checksum: it has {CHECKSUM_LENGTH} of {_CHECKSUM_CHARSET}",
        )
    if checksum != descriptor_checksum(body):
        # the right checksum is not offered: a person would paste it over the sign that something was altered
        raise Malformed(
            "descriptor-checksum-mismatch",
            "the descriptor does not match its checksum: at least one character was mistyped or altered",
            remedy="Copy it again from where it was made; do not compute a new checksum over a text that failed.",
        )
    return body


def _step(state: int, symbol: int) -> int:
    top = state >> 35
    state = (state & 0x7FFFFFFFF) << 5 ^ symbol
    for bit, generator in enumerate(_GENERATOR):
        if top >> bit & 1:
            state ^= generator
    return state
