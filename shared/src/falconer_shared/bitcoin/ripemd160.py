"""RIPEMD-160 from OpenSSL where that has it, and from our own code where it does not (OpenSSL 3 without its legacy part).

Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: a strengthened version of RIPEMD" (1996), Appendix A.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

_MASK = 0xFFFFFFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_LEFT_CONSTANTS = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANTS = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)

_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)
_LENGTHS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)
"""Shift of message word i in round j: the paper gives both lines' rotations as this one table, looked up by word."""


def _schedule() -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """(message word, rotation) of all 80 steps, left and right line, from the paper's permutations rho and pi."""
    left_words = list(range(16))
    right_words = [(9 * i + 5) % 16 for i in range(16)]
    left: list[tuple[int, int]] = []
    right: list[tuple[int, int]] = []
    for lengths in _LENGTHS:
        left += [(word, lengths[word]) for word in left_words]
        right += [(word, lengths[word]) for word in right_words]
        left_words = [_RHO[word] for word in left_words]
        right_words = [_RHO[word] for word in right_words]
    return tuple(left), tuple(right)


_LEFT, _RIGHT = _schedule()


def ripemd160_native(data: bytes) -> bytes:
    """RIPEMD-160 without OpenSSL, about a hundred times slower."""
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    state = _START
    for block in range(0, len(padded), 64):
        words = struct.unpack_from("<16L", padded, block)
        a, b, c, d, e = _line(state, words, _LEFT, _LEFT_CONSTANTS, 0)
        f, g, h, i, j = _line(state, words, _RIGHT, _RIGHT_CONSTANTS, 4)
        p, q, r, s, t = state
        state = (
            (q + c + i) & _MASK,
            (r + d + j) & _MASK,
            (s + e + f) & _MASK,
            (t + a + g) & _MASK,
            (p + b + h) & _MASK,
        )
    return struct.pack("<5L", *state)


_State = tuple[int, int, int, int, int]


def _line(
    state: _State,
    words: tuple[int, ...],
    steps: tuple[tuple[int, int], ...],
    constants: tuple[int, ...],
    first: int,
) -> _State:
    a, b, c, d, e = state
    for number, (word, rotation) in enumerate(steps):
        stage = number // 16
        mixed = (a + _mix(abs(first - stage), b, c, d) + words[word] + constants[stage]) & _MASK
        rotated = ((mixed << rotation | mixed >> (32 - rotation)) + e) & _MASK
        a, e, d, c, b = e, d, (c << 10 | c >> 22) & _MASK, b, rotated
    return a, b, c, d, e


def _mix(function: int, x: int, y: int, z: int) -> int:
    if function == 0:
        return x ^ y ^ z
    if function == 1:
        return x & y | ~x & z
    if function == 2:
        return (x | ~y & _MASK) ^ z
    if function == 3:
        return x & z | y & ~z
    return x ^ (y | ~z & _MASK)


def _openssl_has_it() -> bool:
    try:
        hashlib.new("ripemd160", usedforsecurity=False)
    except ValueError:
        return False
    return True


def _from_openssl() -> Callable[[bytes], bytes]:
    # looking the algorithm up by its name takes longer than the hash itself
    empty = hashlib.new("ripemd160", usedforsecurity=False)

    def hashed(data: bytes) -> bytes:
        state = empty.copy()
        state.update(data)
        return state.digest()

    return hashed


ripemd160 = _from_openssl() if _openssl_has_it() else ripemd160_native
"""RIPEMD-160: bytes in, 20 bytes out."""
