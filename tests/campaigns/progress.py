"""What runs have done and the ledger does not say yet: one small file for each, a line for each batch, on disk before the next.

The file of a run is locked while the run lives. One that is not locked was left by a run that was killed: the next run of that
campaign writes its line into the ledger, and goes on after it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.campaigns import ledger, ranges
from tests.campaigns.campaign import Finding, Progress
from tests.campaigns.ledger import Entry
from tests.campaigns.version import commit, fingerprint, machine


class Busy(Exception):
    """Another process runs this campaign with this seed."""


class RunFile:
    """The file of the run that is under way."""

    def __init__(self, folder: Path, campaign: str, seed: int, numbered: bool) -> None:
        """Raises Busy where a run of this campaign and seed is alive."""
        folder.mkdir(parents=True, exist_ok=True)
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.path = folder / f"{campaign} {seed}.jsonl"
        self._file = self.path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Busy(f"{campaign} with seed {seed} is running already") from None
        if self._file.tell() or not os.fstat(self._file.fileno()).st_nlink:
            self._file.close()
            raise Busy(f"{self.path} is just being put into the ledger; try again")
        self._begun = time.monotonic()
        self.code = fingerprint(campaign)
        self._write(
            {
                "date": date, "campaign": campaign, "commit": commit(campaign), "code": self.code, "seed": seed,
                "numbered": numbered, "machine": machine(),
            }
        )  # fmt: skip

    def batch(self, first: int, last: int, findings: Sequence[Finding]) -> None:
        self._record({"first": first, "last": last}, findings)

    def progress(self, report: Progress) -> None:
        self._record({"executions": report.executions}, report.findings)

    def _record(self, facts: dict[str, int], findings: Sequence[Finding]) -> None:
        told = [[each.case, each.summary] for each in findings]
        self._write({**facts, "elapsed": round(time.monotonic() - self._begun, 3), "findings": told})

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self, page: Path) -> Entry | None:
        """Put the run into the ledger; None where no batch was finished."""
        entry = _entry(self.path)
        if entry is not None:
            ledger.append(page, entry)
        self.path.unlink()
        self._file.close()
        return entry


def recover(folder: Path, page: Path) -> Iterator[Entry]:
    """Put what killed runs did into the ledger."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            entry = _entry(path)
            if entry is not None:
                ledger.append(page, entry)
                yield entry
            path.unlink(missing_ok=True)


def _entry(path: Path) -> Entry | None:
    lines = []
    for line in path.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break  # cut off by a kill or a full disk: that batch counts as not run
    if len(lines) < 2:
        return None
    head, batches = lines[0], lines[1:]
    findings = [Finding(case, summary) for batch in batches for case, summary in batch["findings"]]
    where = ranges.merged((batch["first"], batch["last"]) for batch in batches) if head["numbered"] else ()
    cases = ranges.size(where) if head["numbered"] else sum(batch["executions"] for batch in batches)
    if not cases:
        return None
    elapsed = max(batch["elapsed"] for batch in batches)
    return Entry(
        head["date"], head["campaign"], head["commit"], head["code"], head["seed"], where, cases,
        f"{cases / max(elapsed, 0.001):.0f}", ledger.told(findings), head["machine"],
    )  # fmt: skip
