"""Batches of cases in processes of their own: a case that kills its process is a finding, and costs no other case.

A worker that dies, hangs or raises takes its batch with it; the batch is then run again in halves until the one case is found.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from tests.campaigns.campaign import Campaign, Finding, find

_BATCH_SECONDS = 3.0
"""What a batch is sized to take: at most this much of each worker is lost by a kill."""
_HANGS_SECONDS = 120.0
"""A batch that takes longer does not come back."""
_LARGEST = 20_000

Batch = tuple[int, int]
"""First case and count."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    batch: Batch = (0, 0)
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that is finished: cases first..last."""

    first: int
    last: int
    findings: tuple[Finding, ...]


def _serve(name: str, seed: int, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # with the parent dead there is nobody to report to: PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    campaign = find(name)
    if not isinstance(campaign, Campaign):
        raise TypeError(f"{name} has no numbered cases")
    while True:
        try:
            first, count = pipe.recv()
        except EOFError:
            return
        try:
            found: list[Finding] | str = list(campaign.run(seed, first, count))
        except Exception as error:  # noqa: BLE001 - whatever a case raises is what we look for
            found = f"{type(error).__name__}: {error}"
        pipe.send(found)


class Workers:
    """`jobs` processes that run batches of one campaign."""

    def __init__(self, campaign: Campaign, seed: int, jobs: int) -> None:
        self._name, self._seed = campaign.name, seed
        self._context = multiprocessing.get_context("spawn")
        self._idle = [self._start() for _ in range(jobs)]
        self._busy: list[_Worker] = []
        self._again: list[Batch] = []
        self._size = 1

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._name, self._seed, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def run(self, holes: Iterator[tuple[int, int | None]], until: float | None) -> Iterator[Done]:
        """Run every case of `holes` in order, and yield each batch as it ends; no batch is begun after `until` (monotonic)."""
        fresh = _batches(holes)
        next(fresh)
        ended = False
        while True:
            ended = ended or (until is not None and time.monotonic() >= until)
            while self._idle and not (ended and not self._again):
                batch = self._again.pop() if self._again else fresh.send(self._size)
                if batch is None:
                    ended = True
                    continue
                worker = self._idle.pop()
                worker.batch, worker.begun = batch, time.monotonic()
                worker.pipe.send(batch)
                self._busy.append(worker)
            if not self._busy:
                return
            yield from self._collect()

    def _collect(self) -> Iterator[Done]:
        ready = connection.wait([worker.pipe for worker in self._busy], timeout=1.0)
        for worker in list(self._busy):
            seconds = time.monotonic() - worker.begun
            if worker.pipe not in ready and seconds < _HANGS_SECONDS:
                continue
            first, count = worker.batch
            self._busy.remove(worker)
            answer = self._answer(worker) if worker.pipe in ready else self._replace(worker)
            if isinstance(answer, str) and count > 1:
                half = count // 2
                self._again += [(first + half, count - half), (first, half)]
                continue
            if isinstance(answer, str):
                answer = [Finding(first, answer)]
            else:
                per_case = seconds / count
                self._size = max(1, min(_LARGEST, 4 * self._size, int(_BATCH_SECONDS / per_case)))
            yield Done(first, first + count - 1, tuple(answer))

    def _answer(self, worker: _Worker) -> list[Finding] | str:
        """What a worker says of its batch, or how it failed."""
        try:
            answer: list[Finding] | str = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            answer = f"the process ended with status {worker.process.exitcode}"
            worker = self._start()
        self._idle.append(worker)
        return answer

    def _replace(self, worker: _Worker) -> str:
        _end(worker)
        self._idle.append(self._start())
        return f"does not come back within {_HANGS_SECONDS:.0f} s"

    def close(self) -> None:
        """End every process at once: what it was doing is not counted."""
        for worker in (*self._idle, *self._busy):
            _end(worker)


def _end(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process.pid or 0, signal.SIGKILL)
    worker.process.join()
    worker.pipe.close()


def _batches(holes: Iterator[tuple[int, int | None]]) -> Generator[Batch | None, int, None]:
    """A generator that is sent how many cases the next batch may have; None at the end, and ever after."""
    wanted = yield None
    for first, last in holes:
        at = first
        while last is None or at <= last:
            count = wanted if last is None else min(wanted, last - at + 1)
            wanted = yield at, count
            at += count
    while True:
        yield None


def once(campaign: Campaign, seed: int, case: int) -> Sequence[Finding]:
    """One case in this process, for looking into it; what it raises is raised."""
    return campaign.run(seed, case, 1)
