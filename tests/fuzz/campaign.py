"""Long fuzz campaigns: libFuzzer processes that share a corpus, one line in the ledger for each run.

Executions are counted as libFuzzer counts them, less those with which it reads the corpus that was there. The corpus (our own
seeds, and what libFuzzer kept of its finds) and the inputs of findings stay in the campaign's folder, so that the next run goes
on from there. A finding ends its process, which is started again: nothing else would be found behind it.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.campaign import Finding, Limit, Progress
from tests.fuzz.target import NAMES

PROJECT = Path(__file__).resolve().parents[2]
AIM = 100_000_000 // len(NAMES)
"""Executions of each target: a hundred million of all together."""

MAX_FINDINGS = 20
"""After so many in one run there is something to be mended before it is worth going on."""

_EXECUTIONS = re.compile(r"executions (\d+)")
_INITED = re.compile(r"#(\d+)\s+INITED")
_TOTAL = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_CAUSE = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Malformed|Refused|Interrupt)\b.*|ERROR: libFuzzer: .*")
_ARTIFACT = re.compile(r"Test unit written to (.*)")


def campaign(name: str) -> FuzzCampaign:
    target = name.removeprefix("fuzz-")
    if target not in NAMES:
        raise KeyError(f"no target is called {target}; there are {', '.join(NAMES)}")
    return FuzzCampaign(name)


@dataclass
class _Job:
    """One libFuzzer process, and what it has told so far."""

    process: subprocess.Popen[str]
    executed: int = 0
    loaded: int = 0
    reported: int = 0
    cause: str = ""
    artifact: str = ""
    lines: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        for pattern in (_EXECUTIONS, _TOTAL):
            if match := pattern.match(line):
                self.executed = max(self.executed, int(match[1]))
        if match := _INITED.match(line):
            self.loaded = int(match[1])
        if match := _ARTIFACT.search(line):
            self.artifact = match[1].strip()
        if match := _CAUSE.search(line):
            # what Python says of an exception comes before what libFuzzer says of its end
            self.cause = self.cause or match[0].strip()

    def news(self) -> int:
        """Executions that were not reported yet; none before the corpus was read."""
        new = max(0, self.executed - self.loaded) - self.reported if self.loaded else 0
        self.reported += new
        return new


@dataclass(frozen=True)
class FuzzCampaign:
    """`name` is `fuzz-` and a target's name."""

    name: str
    aim: int = AIM

    def explore(self, seed: int, limit: Limit, jobs: int, folder: Path) -> Iterator[Progress]:
        """As `FreeCampaign.explore`."""
        corpus, findings = folder / "corpus", folder / "findings"
        for each in (corpus, findings):
            each.mkdir(parents=True, exist_ok=True)
        ends = None if limit.seconds is None else time.monotonic() + limit.seconds
        left = limit.cases
        told: queue.SimpleQueue[tuple[_Job, str | None]] = queue.SimpleQueue()
        running: list[_Job] = []
        found = 0
        try:
            share = None if left is None else -(-left // jobs)
            while len(running) < jobs:
                running.append(self._start(_next_seed(folder, seed), share, ends, folder, told))
            while running:
                ended = _take(told)
                executions = sum(job.news() for job in running)
                left = None if left is None else left - executions
                news = []
                for job in ended:
                    running.remove(job)
                    if job.process.wait() == 0 or _over(left, ends):
                        continue
                    found += 1
                    news.append(
                        Finding(
                            found, f"{job.cause or 'ended'} ({Path(job.artifact).name or 'no input kept'})"
                        )
                    )
                    if found < MAX_FINDINGS:
                        running.append(self._start(_next_seed(folder, seed), left, ends, folder, told))
                yield Progress(executions, tuple(news))
        finally:
            for job in running:
                job.process.kill()
                job.process.wait()

    def _start(
        self,
        seed: int,
        runs: int | None,
        ends: float | None,
        folder: Path,
        told: queue.SimpleQueue[tuple[_Job, str | None]],
    ) -> _Job:
        bounds = [] if runs is None else [f"-runs={max(1, runs)}"]
        if ends is not None:
            bounds.append(f"-max_total_time={max(1, round(ends - time.monotonic()))}")
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.fuzz.run", "--child", self.name.removeprefix("fuzz-"), str(folder / "corpus"),
                f"-seed={seed}", f"-artifact_prefix={folder / 'findings'}/", "-print_final_stats=1", "-verbosity=1", *bounds,
            ],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )  # fmt: skip
        job = _Job(process)
        threading.Thread(target=_listen, args=(job, told), daemon=True).start()
        return job


def _over(left: int | None, ends: float | None) -> bool:
    return (left is not None and left <= 0) or (ends is not None and time.monotonic() >= ends)


def _take(told: queue.SimpleQueue[tuple[_Job, str | None]]) -> list[_Job]:
    """Read what the jobs say for some seconds, or until one has ended."""
    until = time.monotonic() + 5
    while (patience := until - time.monotonic()) > 0:
        try:
            job, line = told.get(timeout=patience)
        except queue.Empty:
            break
        if line is None:
            return [job]
        job.read(line)
    return []


def _listen(job: _Job, told: queue.SimpleQueue[tuple[_Job, str | None]]) -> None:
    with job.process:
        for line in job.process.stdout or ():
            told.put((job, line))
    told.put((job, None))


def _next_seed(folder: Path, seed: int) -> int:
    """Another one for each process ever started here, so that going on is never doing the same again."""
    path = folder / "processes"
    number = int(path.read_text()) + 1 if path.exists() else 0
    path.write_text(str(number))
    return (seed * 1_000_003 + number) % 2**31 + 1
