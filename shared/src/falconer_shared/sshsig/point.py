"""Which 32 bytes may stand for an Ed25519 public key.

The usual libraries accept any 32 bytes as a key, and eight points of the curve (those of small order) are keys for
which anybody can make signatures: with one of them in a policy, an "approver" needs no secret. Encodings that name no
point, or name one in a second way, are refused too, because one key must have one key hash.

Public data only, so nothing here needs constant time. A key with a small-order *component* is let pass: signing for it
still takes its secret, and verification here and in ssh-keygen is without cofactor, so both agree.
"""

from __future__ import annotations

import functools

from falconer_shared.errors import Malformed

_P = 2**255 - 19
"""The field (RFC 8032 section 5.1)."""

_D = -121665 * pow(121666, -1, _P) % _P
"""The curve: -x² + y² = 1 + d x² y² (RFC 8032 section 5.1)."""

_SQRT_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

KEY_SIZE = 32
"""Bytes of an encoded point."""

MAX_REMEMBERED = 256
"""Points known to be good that are remembered: more than the people and machines of several policies."""


# A point is good or not by its bytes alone; a request and a policy name the same few keys again and again, at 36 µs each. What is
# refused is not kept, so that it is refused anew.
@functools.lru_cache(maxsize=MAX_REMEMBERED)
def check_point(encoded: bytes) -> None:
    """Accept the canonical encoding of a curve point whose order is not 1, 2, 4 or 8.

    Raises:
        Malformed: `ssh-key-invalid-point`.
        ValueError: not 32 bytes, which the caller must have checked.
    """
    if len(encoded) != KEY_SIZE:
        raise ValueError("an Ed25519 point has 32 bytes")
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    # RFC 8032 section 5.1.3, steps 1 to 4
    if y >= _P:
        raise _refusal("is not the canonical encoding of a point")
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == -u % _P:
        x = x * _SQRT_MINUS_ONE % _P
    if v * x * x % _P != u:
        raise _refusal("is not a point of the curve")
    if x == 0 and sign:
        raise _refusal("is not the canonical encoding of a point")
    # The sign of x does not change the order, so either root will do. 8P is neutral exactly for the eight small points.
    z = 1
    for _ in range(3):
        x, y, z = _double(x, y, z)
    if x == 0 and y == z:
        raise _refusal("is a point of small order, for which signatures can be made without a secret")


def _double(x: int, y: int, z: int) -> tuple[int, int, int]:
    """2P in projective coordinates, for the twisted Edwards curve with a = -1 (Bernstein et al. 2008, section 6)."""
    b = (x + y) * (x + y) % _P
    c, d = x * x % _P, y * y % _P
    f = (d - c) % _P
    j = (f - 2 * z * z) % _P
    return (b - c - d) * j % _P, f * (-c - d) % _P, f * j % _P


def _refusal(problem: str) -> Malformed:
    return Malformed(
        "ssh-key-invalid-point",
        f"the Ed25519 key {problem}",
        remedy="ask its owner for a key made by ssh-keygen",
    )
