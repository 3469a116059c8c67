"""What a case of an attack is, and what it must have shown when it is over.

A case declares what refuses the attack (rule ids) or what prevents it (a sentence). The runner holds it to that: what is
declared must have happened, nothing else may have, and a valid thing must have passed, so that no case can pass for the wrong
reason.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from falconer_shared.errors import FalconerError
from tests.offline.office import Office
from tests.online.desk import Desk
from tests.support.treasury import wpkh_wallet, wsh_wallet

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a call gave, or its refusal. Any other exception passes through: an attack must not end in a traceback."""

    value: object
    refusal: FalconerError | None


def outcome(call: Callable[[], object]) -> Outcome:
    try:
        return Outcome(call(), None)
    except FalconerError as refusal:
        return Outcome(None, refusal)


@dataclass
class Trial:
    """What one case showed so far."""

    request: pytest.FixtureRequest
    valid: int = 0
    fired: int = 0
    rules: set[str] = field(default_factory=set)

    def passes(self, call: Callable[[], T]) -> T:
        """The valid thing: it must be accepted."""
        found = call()
        self.valid += 1
        return found

    def refused(self, rule: str, call: Callable[[], object]) -> FalconerError:
        """The attack: it must be refused under exactly this id, in one printable sentence."""
        found = outcome(call)
        assert found.refusal is not None, (
            f"the attack succeeds where {rule} must refuse it: {found.value!r:.200}"
        )
        message = found.refusal.message
        assert found.refusal.rule == rule, f"refused as {found.refusal.rule} and not as {rule}: {message}"
        assert message.isascii()
        assert "\n" not in message
        self.rules.add(rule)
        return found.refusal

    def refused_as(self, rules: Collection[str], call: Callable[[], object]) -> FalconerError:
        """As `refused`, where several ids are right, one for each of many variants."""
        found = outcome(call).refusal
        assert found is not None, f"the attack succeeds where one of {sorted(rules)} must refuse it"
        assert found.rule in rules, f"refused as {found.rule}, none of {sorted(rules)}: {found.message}"
        return self.refused(found.rule, call)

    def fires(self, check: Callable[[], object]) -> None:
        """The check of a construction, on something that breaks the construction: it must find it."""
        try:
            check()
        except AssertionError:
            self.fired += 1
            return
        raise AssertionError("this check finds nothing even where there is something")

    # What many cases need

    @property
    def folder(self) -> Path:
        folder: Path = self.request.getfixturevalue("tmp_path")
        return folder

    @property
    def vectors(self) -> Path:
        """The folder of official vectors."""
        found: Path = self.request.getfixturevalue("vectors")
        return found / "vectors"

    @property
    def monkeypatch(self) -> pytest.MonkeyPatch:
        found: pytest.MonkeyPatch = self.request.getfixturevalue("monkeypatch")
        return found

    def office(self, name: str = "home", *, multisig: bool = False, **rules: object) -> Office:
        """An offline home of its own: P2WPKH, or P2WSH 2-of-3 with key 2; 300,000 sats a day where no rules are named."""
        founded: dict[str, Office] = self.request.getfixturevalue("founded")
        if rules:
            wallet, seeds = (wsh_wallet(), (2,)) if multisig else (wpkh_wallet(), (1,))
            return Office.make(self.folder / name, wallet, seeds=seeds, rules=rules)
        office = founded["multi" if multisig else "single"]
        shutil.copytree(office.home, self.folder / name)
        return dataclasses.replace(
            office, home=self.folder / name, marks={}, draft=dataclasses.replace(office.draft)
        )

    def desk(self, name: str = "desk", coins: tuple[int, ...] = (60_000, 50_000), **options: Any) -> Desk:
        """A coordinator of its own, with these coins."""
        (self.folder / name).mkdir()
        desk = Desk.make(self.folder / name, **options)
        for index, sats in enumerate(coins):
            desk.node.add_coin(index, sats)
        return desk


@dataclass(frozen=True)
class Case:
    """One case of one attack: `rules` refuse it; `prevented` says what makes it impossible; either or both."""

    attack: str
    name: str
    rules: tuple[str, ...]
    prevented: str | None
    act: Callable[[Trial], None]

    @property
    def id(self) -> str:
        """As pytest shows it."""
        return f"{self.attack}-{self.name}"

    def run(self, request: pytest.FixtureRequest) -> None:
        trial = Trial(request)
        self.act(trial)
        assert trial.rules == set(self.rules), (
            f"declared {sorted(self.rules)}, refused by {sorted(trial.rules)}"
        )
        if self.rules:
            assert trial.valid, "nothing valid passed, so that the refusals show nothing"
        if self.prevented:
            assert trial.valid or trial.fired, "nothing shows that this case could fail"


class Attacks:
    """The cases of one module, in order."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def __call__(
        self, attack: str, *rules: str, prevented: str | None = None
    ) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
        """Register the decorated function as a case of `attack`."""
        if not rules and not prevented:
            raise TypeError("what refuses it, or what prevents it?")

        def register(act: Callable[[Trial], None]) -> Callable[[Trial], None]:
            self.cases.append(Case(attack, act.__name__, rules, prevented, act))
            return act

        return register
