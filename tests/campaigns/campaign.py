"""What a campaign is, and where each of them lives.

A numbered campaign is a function of (its name, seed, case number): any case can be run again alone, on any machine, whatever ran
before it. A free campaign (libFuzzer) runs by itself, keeps its own corpus, and reports how many executions it did.
"""

from __future__ import annotations

import hashlib
import importlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that nobody expected in one case, in a sentence that fits a line of the ledger."""

    case: int
    summary: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a run ends, whichever comes first; at least one is given."""

    cases: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a free campaign did since its last report."""

    executions: int
    findings: tuple[Finding, ...] = ()


@runtime_checkable
class Campaign(Protocol):
    """Cases by number. `run` is called in worker processes, with cases in any order and in batches of any size."""

    name: str
    aim: int
    """How many different cases there are to be in the ledger one day."""

    def run(self, seed: int, first: int, count: int) -> Sequence[Finding]:
        """Run cases first .. first + count - 1; an exception is a finding too, of the one case that raises it."""
        ...


@runtime_checkable
class FreeCampaign(Protocol):
    """Runs by itself. The process that it starts must end when the generator is closed, and when this process dies."""

    name: str
    aim: int

    def explore(self, seed: int, limit: Limit, jobs: int, folder: Path) -> Iterator[Progress]:
        """Work until the limit, reporting every few seconds; `folder` is this campaign's own, kept for the next run."""
        ...


_HOMES = {
    "differential": "tests.differential.campaign",
    "hostile": "tests.simulators.campaign",
    "fuzz-": "tests.fuzz.campaign",
    "selftest": "tests.campaigns.selftest",
    "selftest-": "tests.campaigns.selftest",
}
"""Module by name, or by the beginning of a name. Each has `campaign(name) -> Campaign | FreeCampaign`."""


def home_of(name: str) -> str:
    """The module that holds the campaign of that name."""
    for beginning, module in _HOMES.items():
        if name == beginning or (beginning.endswith("-") and name.startswith(beginning)):
            return module
    raise KeyError(f"no campaign is called {name}; there are {', '.join(sorted(_HOMES))}TARGET")


def find(name: str) -> Campaign | FreeCampaign:
    """The campaign of that name."""
    found = importlib.import_module(home_of(name)).campaign(name)
    if not isinstance(found, Campaign | FreeCampaign) or found.name != name:
        raise TypeError(f"{home_of(name)} gives something else than the campaign {name}")
    return found


def random_of(name: str, seed: int, case: int) -> random.Random:
    """The source of chance for one case: the same on every machine, and of no other case."""
    return random.Random(hashlib.sha256(f"{name} {seed} {case}".encode()).digest())
