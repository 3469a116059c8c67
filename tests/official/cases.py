"""One vector, one outcome: how a published case is run through the product and what it may come to.

A case is *good* where its authors say that it is valid, else bad. What shipped code did with it sorts it:

* accepted: good, taken, and every result that the vector states came out;
* refused: bad, refused by one of our typed errors;
* out of scope: good, refused, for a reason that stands in the `scope` of its part;
* skipped: not run, for a reason that the part gives.

Nothing else exists: a bad case that is taken and a good one that is refused for no stated reason are failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from falconer_shared.errors import FalconerError

ACCEPTED, REFUSED, OUT_OF_SCOPE, SKIPPED = "accepted", "refused", "out of scope", "skipped"
OUTCOMES = (ACCEPTED, REFUSED, OUT_OF_SCOPE, SKIPPED)


@dataclass(frozen=True, slots=True)
class Case:
    """What became of one case: `rule` is the refusal by shipped code, `skipped` a key of the part's `skips`."""

    name: str
    good: bool
    rule: str | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One use of one vector file.

    `scope`: refusals of good cases, each with the reason why it is no fault. `skips`: reasons for not running a case.
    """

    file: str
    name: str
    run: Callable[[Path], Iterator[Case]]
    scope: Mapping[str, str] = field(default_factory=dict)
    skips: Mapping[str, str] = field(default_factory=dict)

    def path(self, folder: Path) -> Path:
        """Where the file lies, `folder` being the one with the vectors' manifest."""
        return folder / self.file


def good(name: str, call: Callable[[], object]) -> Case:
    """A valid case: `call` runs shipped code, and compares what the vector states."""
    return Case(name, good=True, rule=_refusal(call))


def bad(name: str, call: Callable[[], object]) -> Case:
    """An invalid case: `call` must be refused."""
    return Case(name, good=False, rule=_refusal(call))


def skip(name: str, reason: str) -> Case:
    return Case(name, good=True, skipped=reason)


def _refusal(call: Callable[[], object]) -> str | None:
    """Any other exception than a refusal of ours is a failure, and so is a comparison that fails."""
    try:
        call()
    except FalconerError as refusal:
        return refusal.rule
    return None


def same(ours: object, theirs: object) -> None:
    """The result is the one that the vector states."""
    if ours != theirs:
        raise AssertionError(f"{ours!r} is not {theirs!r}")


def sort(part: Part, case: Case) -> tuple[str, str]:
    """Outcome, and rule or reason.

    Raises:
        AssertionError: a bad case was taken, or a good one refused for no reason that the part states.
    """
    if case.skipped is not None:
        if case.skipped not in part.skips:
            raise AssertionError(f"{part.file}, {case.name}: skipped for the unknown reason {case.skipped}")
        return SKIPPED, case.skipped
    if case.rule is None:
        if not case.good:
            raise AssertionError(f"{part.file}, {part.name}, {case.name}: AN INVALID CASE IS ACCEPTED")
        return ACCEPTED, "-"
    if not case.good:
        return REFUSED, case.rule
    if case.rule not in part.scope:
        raise AssertionError(f"{part.file}, {part.name}, {case.name}: A VALID CASE IS REFUSED as {case.rule}")
    return OUT_OF_SCOPE, case.rule
