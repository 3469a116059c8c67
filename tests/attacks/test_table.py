"""Every attack of the catalogue is tried or pending with a reason, and the page about them is true."""

from __future__ import annotations

import re

import pytest

from falconer_shared.errors import FalconerError
from tests.attacks.catalogue import GROUPS, PENDING, TITLES
from tests.attacks.table import PAGE, cases, render
from tests.attacks.trial import Case
from tests.conftest import PROJECT

NUMBER_PENDING = 1


def test_the_catalogue_is_whole(vectors):
    """Against the specification itself, which lies beside the vectors."""
    specification = vectors / "ATTACKS.md"
    if not specification.exists():
        pytest.skip(f"no {specification}")
    numbers = re.findall(r"^### (A\d{3}) ", specification.read_text(), re.MULTILINE)
    assert numbers == list(TITLES) == [f"A{number:03}" for number in range(1, 139)]
    assert set(GROUPS) <= set(TITLES)


def test_every_attack_is_tried_or_pending_with_a_reason():
    tried = cases()
    assert set(tried) | set(PENDING) == set(TITLES)
    assert not set(tried) & set(PENDING)
    assert len(PENDING) == NUMBER_PENDING
    for component, reason in PENDING.values():
        assert component
        assert len(reason) > 30


def test_every_case_has_a_name_of_its_own_and_known_rules():
    rules = set(
        re.findall(r"^\| `([a-z0-9-]+)` \|", (PROJECT / "docs" / "rules.md").read_text(), re.MULTILINE)
    )
    every = [case for found in cases().values() for _, case in found]
    assert len({case.id for case in every}) == len(every)
    assert {rule for case in every for rule in case.rules} <= rules


def test_the_page_is_what_the_cases_say():
    assert PAGE.read_text() == render(), "run: python -m tests.attacks.table"


class TestTheRunner:
    """A case that shows nothing fails."""

    def run(self, act, *rules: str, prevented: str | None = None) -> None:
        Case("A001", "case", rules, prevented, act).run(None)  # type: ignore[arg-type]

    @staticmethod
    def refuse(rule: str = "input-duplicate"):
        raise FalconerError(rule, "no")

    def test_a_true_case(self):
        def act(trial):
            trial.passes(lambda: None)
            trial.refused("input-duplicate", self.refuse)

        self.run(act, "input-duplicate")

    def test_nothing_valid_passed(self):
        with pytest.raises(AssertionError, match="nothing valid"):
            self.run(lambda trial: trial.refused("input-duplicate", self.refuse), "input-duplicate")

    def test_refused_by_another_rule(self):
        def act(trial):
            trial.passes(lambda: None)
            trial.refused("input-duplicate", lambda: self.refuse("fee-negative"))

        with pytest.raises(AssertionError, match="refused as fee-negative"):
            self.run(act, "input-duplicate")

    def test_not_refused(self):
        with pytest.raises(AssertionError, match="the attack succeeds"):
            self.run(lambda trial: trial.refused("input-duplicate", lambda: 7), "input-duplicate")

    def test_declared_and_never_shown(self):
        def act(trial):
            trial.passes(lambda: None)
            trial.refused("input-duplicate", self.refuse)

        with pytest.raises(AssertionError, match="declared"):
            self.run(act, "input-duplicate", "fee-negative")

    def test_a_traceback_is_no_refusal(self):
        with pytest.raises(ZeroDivisionError):
            self.run(lambda trial: trial.refused("input-duplicate", lambda: 1 // 0), "input-duplicate")

    def test_a_check_that_finds_nothing(self):
        with pytest.raises(AssertionError, match="finds nothing"):
            self.run(lambda trial: trial.fires(lambda: None), prevented="so")

    def test_a_construction_without_a_control(self):
        with pytest.raises(AssertionError, match="could fail"):
            self.run(lambda trial: None, prevented="so")
