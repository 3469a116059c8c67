"""Bytewords (BCR-2020-012): bytes as words of four letters, with a CRC-32 behind them.

Three styles: words with spaces (for people), words with hyphens (for URIs), and the first and last letter of
each word (minimal, for QR codes). Text is lower case here; whoever takes it from a QR code, where it is upper
case, lowers it first.

The checksum finds misreadings. It is no proof of anything against a person who means harm (A100).
"""

from __future__ import annotations

import zlib
from enum import Enum
from typing import Final

from falconer_shared.errors import Malformed

_WORDS: Final[list[str]] = """
    able acid also apex aqua arch atom aunt away axis back bald barn belt beta bias
    blue body brag brew bulb buzz calm cash cats chef city claw code cola cook cost
    crux curl cusp cyan dark data days deli dice diet door down draw drop drum dull
    duty each easy echo edge epic even exam exit eyes fact fair fern figs film fish
    fizz flap flew flux foxy free frog fuel fund gala game gear gems gift girl glow
    good gray grim guru gush gyro half hang hard hawk heat help high hill holy hope
    horn huts iced idea idle inch inky into iris iron item jade jazz join jolt jowl
    judo jugs jump junk jury keep keno kept keys kick kiln king kite kiwi knob lamb
    lava lazy leaf legs liar limp lion list logo loud love luau luck lung main many
    math maze memo menu meow mild mint miss monk nail navy need news next noon note
    numb obey oboe omit onyx open oval owls paid part peck play plus poem pool pose
    puff puma purr quad quiz race ramp real redo rich road rock roof ruby ruin runs
    rust safe saga scar sets silk skew slot soap solo song stub surf swan taco task
    taxi tent tied time tiny toil tomb toys trip tuna twin ugly undo unit urge user
    vast very veto vial vibe view visa void vows wall wand warm wasp wave waxy webs
    what when whiz wolf work yank yawn yell yoga yurt zaps zero zest zinc zone zoom
""".split()  # noqa: SIM905 - as a table it can be compared with the standard
"""Word number i spells the byte i. No two share their first and last letters (BCR-2020-012)."""

_CHECKSUM_SIZE: Final = 4


class Style(Enum):
    """How words are written one after another; the value is what stands between them."""

    STANDARD = " "
    URI = "-"
    MINIMAL = ""


_PAIRS: Final = [(word[0] + word[3]).encode("ascii") for word in _WORDS]
_BYTE_OF_WORD: Final = {word: byte for byte, word in enumerate(_WORDS)}
# Two letters as one number in this machine's byte order, as `memoryview.cast` gives them: four times quicker than slicing.
_BYTE_OF_PAIR: Final = {memoryview(pair).cast("H")[0]: byte for byte, pair in enumerate(_PAIRS)}


def checksum(data: bytes) -> int:
    """CRC-32 as bytewords and UR use it (ISO 3309)."""
    return zlib.crc32(data)


def encode(data: bytes, style: Style = Style.MINIMAL) -> str:
    """The words for these bytes and their checksum."""
    whole = data + zlib.crc32(data).to_bytes(_CHECKSUM_SIZE, "big")
    if style is Style.MINIMAL:
        return b"".join(map(_PAIRS.__getitem__, whole)).decode("ascii")
    return str(style.value).join(map(_WORDS.__getitem__, whole))


def decode(text: str, style: Style = Style.MINIMAL) -> bytes:
    """The bytes that these words spell, without the checksum, which must fit.

    Raises:
        Malformed: `bytewords-unknown-word`, `bytewords-too-short`, `bytewords-checksum`.
    """
    try:
        whole = (
            _minimal(text)
            if style is Style.MINIMAL
            else bytes(map(_BYTE_OF_WORD.__getitem__, text.split(style.value)))
        )
    except (KeyError, UnicodeEncodeError, TypeError):
        raise Malformed(
            "bytewords-unknown-word", "a word stands there that is none of the 256 bytewords"
        ) from None
    if len(whole) <= _CHECKSUM_SIZE:
        raise Malformed("bytewords-too-short", "there are no bytes before the checksum")
    data = whole[:-_CHECKSUM_SIZE]
    if zlib.crc32(data) != int.from_bytes(whole[-_CHECKSUM_SIZE:], "big"):
        raise Malformed("bytewords-checksum", "the checksum does not fit: it was misread")
    return data


def _minimal(text: str) -> bytes:
    # an odd number of letters makes `cast` raise TypeError
    return bytes(map(_BYTE_OF_PAIR.__getitem__, memoryview(text.encode("ascii")).cast("H")))
