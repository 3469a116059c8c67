"""What became of every case, kept in the repository (`ledger.tsv`) so that one that changes its outcome fails the test.

    python -m tests.official              compares, and prints the table
    python -m tests.official --write      writes ledger.tsv and docs/official-vectors.md anew

A line: file, part, outcome, rule or reason, how many, and which (the cases of a part are numbered in its order, from 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.official.cases import OUTCOMES, Part, sort

PATH = Path(__file__).with_name("ledger.tsv")


@dataclass(frozen=True, slots=True)
class Line:
    """The cases of one part with one outcome for one reason."""

    file: str
    part: str
    outcome: str
    reason: str
    count: int
    cases: str

    def text(self) -> str:
        return "\t".join((self.file, self.part, self.outcome, self.reason, str(self.count), self.cases))

    @classmethod
    def parse(cls, text: str) -> Self:
        file, part, outcome, reason, count, cases = text.split("\t")
        return cls(file, part, outcome, reason, int(count), cases)


def ranges(numbers: Sequence[int]) -> str:
    """`0-3,7` for 0, 1, 2, 3, 7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def measure(part: Part, folder: Path) -> list[Line]:
    """Run every case of a part through shipped code.

    Raises:
        AssertionError: what `sort` and the cases' own comparisons refuse.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for number, case in enumerate(part.run(folder)):
        found.setdefault(sort(part, case), []).append(number)
    order = sorted(found, key=lambda key: (OUTCOMES.index(key[0]), key[1]))
    return [
        Line(
            part.file, part.name, outcome, reason, len(found[outcome, reason]), ranges(found[outcome, reason])
        )
        for outcome, reason in order
    ]


def read() -> list[Line]:
    return [Line.parse(line) for line in PATH.read_text().splitlines()]


def write(lines: Iterable[Line]) -> None:
    PATH.write_text("".join(f"{line.text()}\n" for line in lines))
