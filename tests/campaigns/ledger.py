"""docs/campaigns.md: one line for each run, written by the command and never rewritten by it.

What was done about a finding is added by hand in the last but one column; a run adds its line after the last one and leaves every
other byte of the page alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import ranges
from tests.campaigns.campaign import Finding
from tests.campaigns.ranges import Ranges

COLUMNS = (
    "date",
    "campaign",
    "commit",
    "code",
    "seed",
    "cases from..to",
    "cases",
    "per second",
    "findings",
    "machine",
)
HEAD = f"| {' | '.join(COLUMNS)} |"
RULE = f"|{'---|' * len(COLUMNS)}"

_TOLD = 5
"""Findings that one line tells; the rest is told by running the cases again."""
_LENGTH = 160
"""Characters of one finding in a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run. `date` is when it began, UTC to the second."""

    date: str
    campaign: str
    commit: str
    code: str
    seed: int
    ranges: Ranges
    cases: int
    rate: str
    findings: str
    machine: str

    @property
    def run(self) -> tuple[object, ...]:
        return self.date, self.campaign, self.code, self.seed, self.ranges, self.cases

    @property
    def found(self) -> int:
        return 0 if self.findings.startswith("none") else int(self.findings.split(":")[0])

    def line(self) -> str:
        cells = (
            self.date, self.campaign, self.commit, self.code, str(self.seed), ranges.written(self.ranges),
            str(self.cases), self.rate, self.findings, self.machine,
        )  # fmt: skip
        return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"

    @classmethod
    def parse(cls, line: str) -> Entry:
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if len(cells) != len(COLUMNS):
            raise ValueError(
                f"a line of the ledger has {len(COLUMNS)} cells, this one {len(cells)}: {line!r}"
            )
        date, campaign, commit, code, seed, where, cases, rate, findings, machine = cells
        entry = cls(
            date, campaign, commit, code, int(seed), ranges.read(where), int(cases), rate, findings, machine
        )
        if entry.ranges and ranges.size(entry.ranges) != entry.cases:
            raise ValueError(f"{entry.cases} cases are not {where}: {line!r}")
        entry.found  # noqa: B018 - a cell that says neither "none" nor a number is no entry
        return entry


def told(findings: Sequence[Finding]) -> str:
    """The cell of a run's findings."""
    if not findings:
        return "none"
    sorts = sorted(findings, key=lambda finding: finding.case)
    shown = "; ".join(f"case {each.case}: {_short(each.summary)}" for each in sorts[:_TOLD])
    more = len(findings) - _TOLD
    return f"{len(findings)}: {shown}" + (f"; and {more} more" if more > 0 else "")


def _short(text: str) -> str:
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= _LENGTH else line[: _LENGTH - 1] + "…"


def read(path: Path) -> list[Entry]:
    """Every line of the ledger; a line that cannot be read is an error, never left out."""
    lines = path.read_text().splitlines()
    try:
        start = lines.index(RULE) + 1
    except ValueError:
        raise ValueError(f"{path} has no table of runs") from None
    entries = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        entries.append(Entry.parse(line))
    return entries


def append(path: Path, entry: Entry) -> None:
    """Add one line after the last, whole or not at all; a run that stands there already is left as it is."""
    with _alone(path):
        if any(each.run == entry.run for each in read(path)):
            return
        lines = path.read_text().splitlines(keepends=True)
        at = [line.rstrip("\n") for line in lines].index(RULE) + 1
        while at < len(lines) and lines[at].startswith("|"):
            at += 1
        if not lines[at - 1].endswith("\n"):
            lines[at - 1] += "\n"
        lines.insert(at, entry.line() + "\n")
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text("".join(lines))
        new.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else writes to the ledger meanwhile."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def totals(entries: Sequence[Entry]) -> dict[str, tuple[int, int, int, int]]:
    """By campaign: runs, cases run, different cases among them (executions, for a free one), findings."""
    found: dict[str, tuple[int, int, int, int]] = {}
    for name in sorted({entry.campaign for entry in entries}):
        own = [entry for entry in entries if entry.campaign == name]
        different = sum(entry.cases for entry in own if not entry.ranges)
        for seed in {entry.seed for entry in own}:
            different += ranges.size(
                ranges.merged(pair for entry in own if entry.seed == seed for pair in entry.ranges)
            )
        found[name] = (
            len(own),
            sum(entry.cases for entry in own),
            different,
            sum(entry.found for entry in own),
        )
    return found
