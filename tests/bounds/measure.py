"""Hand cases to workers and read what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bounds.cases import CASES, wire

PROJECT = Path(__file__).resolve().parents[2]


CROWDED = 100 * 1024 * 1024
"""A process that once held so much does not give all of it back, and the next case is measured in another one."""


@dataclass(frozen=True)
class Measured:
    """What became of one case. `seconds` of processor time; `base` and `peak` in bytes."""

    name: str
    size: int
    wanted: str
    verdict: str
    seconds: float
    base: int
    peak: int


def measure(names: Iterable[str]) -> Iterator[Measured]:
    """Every case, one after the other in one process; in another one after a case that ended it."""
    worker: subprocess.Popen[bytes] | None = None
    try:
        for name in names:
            case = CASES[name]()
            if worker is None:
                worker = subprocess.Popen(
                    [sys.executable, "-m", "tests.bounds.worker"],
                    cwd=PROJECT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            answer = _ask(worker, wire(case))
            if answer is None:
                status = worker.wait()
                _close(worker)
                worker = None
                yield Measured(name, len(case.data), case.verdict, f"ended with status {status}", 0, 0, 0)
            else:
                yield Measured(
                    name,
                    len(case.data),
                    case.verdict,
                    answer["verdict"],
                    answer["seconds"],
                    answer["base"],
                    answer["peak"],
                )
                if answer["peak"] > CROWDED:
                    _close(worker)
                    worker = None
    finally:
        if worker is not None:
            _close(worker)


def _ask(worker: subprocess.Popen[bytes], question: bytes) -> dict[str, Any] | None:
    if worker.stdin is None or worker.stdout is None:
        raise RuntimeError("a worker has both pipes")
    try:
        worker.stdin.write(question)
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    line = worker.stdout.readline()
    return json.loads(line) if line else None


def _close(worker: subprocess.Popen[bytes]) -> None:
    # leaving the block closes the pipes, at whose end the worker ends, and waits for it
    with worker:
        pass
