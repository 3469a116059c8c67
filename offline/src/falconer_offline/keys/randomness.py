"""The kernel's random generator, tested before it is used: a source that looks broken makes no key.

The two tests that NIST SP 800-90B (section 4.4) has every source run while it works, over a sample that is
thrown away: the Repetition Count Test finds a source that is stuck, the Adaptive Proportion Test one that
prefers a value. Both take a byte for a sample and claim 8 bits for it, which is what the kernel promises. A
sound source fails here less than once in 2^25 starts.

They find breakage, not betrayal: a source that counts, or that somebody else can compute, passes. Dice are
what helps there (A091).
"""

from __future__ import annotations

import os
from typing import Final

from falconer_shared.errors import SecretError

STARTUP: Final = 4096
"""Bytes looked at before any is used; SP 800-90B 4.3 asks for 1,024 samples."""

REPETITIONS: Final = 6
"""A run of so many equal bytes fails: 1 + 40 bits of false-alarm rate / 8 bits a sample (SP 800-90B 4.4.1)."""

WINDOW: Final = 512
"""Samples in one window (SP 800-90B 4.4.2, not binary)."""

PROPORTION: Final = 19
"""A window that holds its first byte so often fails: 1 + the smallest k for which a binomial of 512 trials of
1/256 is at most k with probability 1 - 2^-40.
"""


def check_source() -> bytes:
    """Accept the generator as it is now; the sample that it was judged by, not to be used. Waits, right after
    a start of the machine, until the kernel has gathered enough.

    Raises:
        SecretError: `random-source-unhealthy`.
    """
    startup = _take(STARTUP)
    check(startup)
    return startup


def draw(size: int) -> bytes:
    """`size` bytes of a generator that has just been tested.

    Raises:
        SecretError: `random-source-unhealthy`.
    """
    startup = check_source()
    drawn = _take(size)
    if drawn in startup or drawn == _take(size):
        raise _unhealthy("it gave the same bytes twice")
    _check_runs(startup[-REPETITIONS:] + drawn)
    return drawn


def check(sample: bytes) -> None:
    """Accept a sample of at least one window.

    Raises:
        SecretError: `random-source-unhealthy`.
    """
    if len(sample) < WINDOW:
        raise ValueError(f"a sample has at least {WINDOW} bytes")
    _check_runs(sample)
    for start in range(0, len(sample) - WINDOW + 1, WINDOW):
        window = sample[start : start + WINDOW]
        if window.count(window[0]) >= PROPORTION:
            raise _unhealthy("it prefers a value")


def _check_runs(sample: bytes) -> None:
    run = 0
    before = -1
    for value in sample:
        run = run + 1 if value == before else 1
        before = value
        if run >= REPETITIONS:
            raise _unhealthy("it repeats a value")


def _take(size: int) -> bytes:
    """Exactly `size` bytes from getrandom(2), which blocks until the pool was filled once. Nothing stands in
    for it: without it there is no key.
    """
    parts = b""
    while len(parts) < size:
        try:
            part = os.getrandom(size - len(parts))
        except OSError as fault:
            raise _unhealthy(f"it gives nothing: {fault.strerror}") from None
        if not part:
            raise _unhealthy("it gives nothing")
        parts += part
    return parts


def _unhealthy(why: str) -> SecretError:
    return SecretError(
        "random-source-unhealthy",
        f"the system's random generator fails its tests: {why}",
        remedy="make no key on this machine; restart it, and if this stays, use another one",
    )
