"""Codes one after the other as an animated GIF (GIF89a), which every picture viewer and browser plays.

Only written, never read, and so without a library whose parsers the signer would then carry too. Black and
white, no transparency, every frame whole: a viewer that shows frames in another way than asked cannot mix two.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from falconer_shared.errors import UsageError
from falconer_shared.qr.draw import Code

SCALE: Final = 5
"""Pixels of a module: five survive a viewer that draws a little larger or smaller."""

MAX_FRAMES: Final = 10_000
"""As many as the longest message has parts."""

MIN_HUNDREDTHS: Final = 2
"""Browsers take a shorter time between frames for a mistake and wait a tenth of a second instead."""

_HEAD: Final = b"GIF89a"
_TWO_COLOURS: Final = b"\x80\0\0"
_WHITE_AND_BLACK: Final = b"\xff\xff\xff\0\0\0"
_FOR_EVER: Final = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
_END: Final = b"\x3b"

_LITERAL_BITS: Final = 2
"""The least that GIF knows, also for two colours."""
_CLEAR: Final = 1 << _LITERAL_BITS
_DONE: Final = _CLEAR + 1
_FIRST: Final = _CLEAR + 2
_MOST_BITS: Final = 12


def animation(codes: Sequence[Code], frames_per_second: int, scale: int = SCALE) -> bytes:
    """The whole file. All codes have one size.

    Raises:
        UsageError: `qr-animation-empty`, `qr-animation-sizes`, `qr-animation-too-long`.
    """
    if not codes:
        raise UsageError("qr-animation-empty", "an animation needs at least one code")
    if len(codes) > MAX_FRAMES:
        raise UsageError(
            "qr-animation-too-long",
            f"an animation of {len(codes):,} codes is more than {MAX_FRAMES:,}",
            remedy="choose a higher density",
            frames=len(codes),
        )
    if len({code.version for code in codes}) != 1:
        raise UsageError("qr-animation-sizes", "the codes of one animation must have one size")
    side = len(codes[0].bordered()) * scale
    wait = max(MIN_HUNDREDTHS, round(100 / frames_per_second))
    frame_head = (
        struct.pack("<4sHBB", b"\x21\xf9\x04\x04", wait, 0, 0)
        + struct.pack("<BHHHHB", 0x2C, 0, 0, side, side, 0)
        + bytes((_LITERAL_BITS,))
    )
    frames = b"".join(frame_head + _blocks(_compressed(_pixels(code, scale))) for code in codes)
    size = struct.pack("<HH", side, side)
    return _HEAD + size + _TWO_COLOURS + _WHITE_AND_BLACK + _FOR_EVER + frames + _END


def _pixels(code: Code, scale: int) -> bytes:
    stretch = {module: bytes((module,)) * scale for module in (0, 1)}
    return b"".join(b"".join(map(stretch.__getitem__, row)) * scale for row in code.bordered())


def _compressed(pixels: bytes) -> bytes:
    """Variable-width LZW as GIF has it: codes grow from three to twelve bits, then the table begins anew."""
    table: dict[int, int] = {}
    free, width = _FIRST, _LITERAL_BITS + 1
    bits, have = _CLEAR, width
    out = bytearray()
    current = pixels[0]
    for pixel in pixels[1:]:
        key = current << 1 | pixel
        longer = table.get(key)
        if longer is not None:
            current = longer
            continue
        bits |= current << have
        have += width
        if free == 1 << width and width < _MOST_BITS:
            width += 1
        if free < 1 << _MOST_BITS:
            table[key] = free
            free += 1
        else:
            bits |= _CLEAR << have
            have += width
            table.clear()
            free, width = _FIRST, _LITERAL_BITS + 1
        current = pixel
        whole = have >> 3
        out += (bits & (1 << 8 * whole) - 1).to_bytes(whole, "little")
        bits >>= 8 * whole
        have -= 8 * whole
    bits |= current << have
    have += width
    if free == 1 << width and width < _MOST_BITS:
        width += 1
    bits |= _DONE << have
    have += width
    return bytes(out) + bits.to_bytes(-(-have // 8), "little")


def _blocks(data: bytes) -> bytes:
    cut = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"".join(bytes((len(block),)) + block for block in cut) + b"\0"
