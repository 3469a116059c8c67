"""A campaign that tries the framework itself: a few of its cases find, fail, or die, always the same ones.

Case n is slow by `FALCONER_SELFTEST_SECONDS`, so that a test can end a run in its middle.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.campaigns.campaign import Finding, Limit, Progress, random_of


class Numbered:
    name = "selftest"
    aim = 1_000

    def run(self, seed: int, first: int, count: int) -> Sequence[Finding]:
        found = []
        for case in range(first, first + count):
            time.sleep(float(os.environ.get("FALCONER_SELFTEST_SECONDS", "0")))
            drawn = random_of(self.name, seed, case).randrange(100)
            if drawn == 0:
                raise ArithmeticError("this one raises | always")
            if drawn == 1:
                os.kill(os.getpid(), signal.SIGSEGV)
            if drawn == 2:
                found.append(Finding(case, f"drew {drawn}"))
        return found


class Free:
    name = "selftest-free"
    aim = 1_000

    def explore(self, seed: int, limit: Limit, jobs: int, folder: Path) -> Iterator[Progress]:
        for number in range(limit.cases or 0):
            (folder / "last").write_text(str(number))
            yield Progress(1, (Finding(number, "found"),) if number == seed else ())


def campaign(name: str) -> Numbered | Free:
    return Free() if name == Free.name else Numbered()
