"""Every published vector that concerns what we parse comes to the end that the ledger names, and no vector is forgotten."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from falconer_shared.errors import Malformed
from tests.official import ledger, page
from tests.official.cases import OUT_OF_SCOPE, OUTCOMES, SKIPPED, Case, Part, bad, good, skip, sort
from tests.official.parts import ELSEWHERE, PARTS, UNUSED

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.name}:{part.file.rpartition('/')[2]}")
def test_every_case_comes_to_its_end(vectors: Path, part: Part) -> None:
    """No invalid case accepted, no valid case refused but for a stated reason, none moved, none lost."""
    kept = [line for line in ledger.read() if (line.file, line.part) == (part.file, part.name)]
    assert ledger.measure(part, vectors / "vectors") == kept


def test_the_ledger_has_no_other_lines() -> None:
    assert {(line.file, line.part) for line in ledger.read()} == {(part.file, part.name) for part in PARTS}
    assert len({(part.file, part.name) for part in PARTS}) == len(PARTS)


def test_every_reason_is_used() -> None:
    """A reason that no case has any more is a promise to refuse something that nobody asks about."""
    used = {(line.file, line.part, line.outcome, line.reason) for line in ledger.read()}
    stated = Counter(
        (outcome, key)
        for part in PARTS
        for outcome, keys in ((OUT_OF_SCOPE, part.scope), (SKIPPED, part.skips))
        for key in keys
    )
    assert set(stated) == {
        (outcome, key) for _, _, outcome, key in used if outcome in {OUT_OF_SCOPE, SKIPPED}
    }


def test_every_file_of_the_collection_is_accounted_for(vectors: Path) -> None:
    listed = [entry["file"] for entry in json.loads((vectors / "vectors" / "MANIFEST.json").read_text())]
    run = {part.file for part in PARTS}
    assert not run & set(ELSEWHERE) and not run & set(UNUSED) and not set(ELSEWHERE) & set(UNUSED)  # noqa: PT018
    assert set(listed) == run | set(ELSEWHERE) | set(UNUSED)


@pytest.mark.parametrize(("file", "test"), ELSEWHERE.items(), ids=lambda text: text.rpartition("/")[2])
def test_what_another_test_reads_it_reads(file: str, test: str) -> None:
    text = (PROJECT / test).read_text()
    assert all(word in text for word in (Path(file).name.partition(".")[0],)), f"{test} does not read {file}"


def test_the_page_is_the_ledger() -> None:
    assert page.PATH.read_text() == page.page(ledger.read())


def test_the_figures_of_the_page_on_verification() -> None:
    text = (PROJECT / "docs" / "verification.md").read_text()
    lines = ledger.read()
    for outcome in OUTCOMES:
        total = sum(line.count for line in lines if line.outcome == outcome)
        assert f"| {outcome} | {total:,} |" in text
    assert (
        f"{sum(line.count for line in lines):,} cases out of {len({line.file for line in lines})} files"
        in text
    )


# the sorting itself -----------------------------------------------------------------------------------


def refuse() -> None:
    raise Malformed("base58-checksum", "no")


EMPTY = Part("file", "part", lambda _: iter(()))
KNOWING = Part("file", "part", lambda _: iter(()), {"base58-checksum": "why"}, {"because": "why"})


def test_sorting() -> None:
    assert sort(EMPTY, good("a", lambda: None)) == ("accepted", "-")
    assert sort(EMPTY, bad("a", refuse)) == ("refused", "base58-checksum")
    assert sort(KNOWING, good("a", refuse)) == ("out of scope", "base58-checksum")
    assert sort(KNOWING, skip("a", "because")) == ("skipped", "because")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (bad("a", lambda: None), "AN INVALID CASE IS ACCEPTED"),
        (good("a", refuse), "A VALID CASE IS REFUSED"),
        (skip("a", "because"), "unknown reason"),
    ],
)
def test_what_fails(case: Case, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        sort(EMPTY, case)


def test_another_error_than_a_refusal_is_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        bad("a", lambda: 1 / 0)


def test_ranges() -> None:
    assert ledger.ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert ledger.ranges([]) == ""
