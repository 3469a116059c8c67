"""The tools behind the kill matrix and the mutation score, and that the list of survivors fits the code."""

from __future__ import annotations

import ast
import builtins

import pytest

from falconer_shared.errors import FalconerError
from tests.mutation import score, sites
from tests.mutation.mutants import mutants_of

REFUSING = """
from falconer_shared.errors import FalconerError, Malformed


class Reader:
    def __init__(self, rule):
        self.rule = rule

    def error(self, problem):
        return Malformed(self.rule, problem)


def direct(number):
    if number > 1:
        raise Malformed("thing-above-one", "more")
    elif number < 0:
        raise Malformed("thing-below-none", "fewer") from None
    return number


def of_another(rule):
    raise Reader(rule).error("whatever")


def of_nobody(number):
    if number:
        raise ValueError(number)
    return number


def told(number):
    try:
        return direct(number)
    except FalconerError:
        return print(Malformed("thing-told", "told"))
"""


class Switches:
    """In the place of a run: remembers what was met, and leaves out one pair."""

    def __init__(self) -> None:
        self.met: list[tuple[str, str]] = []
        self.off: tuple[str, str] | None = None

    def seen(self, site: str, error: object) -> object:
        pair = (site, str(error if isinstance(error, str) else getattr(error, "rule", "")))
        self.met.append(pair)
        return None if pair == self.off else error


@pytest.fixture
def switched(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, object], Switches]:
    switches = Switches()
    monkeypatch.setattr(builtins, sites.SEEN, switches.seen, raising=False)
    space: dict[str, object] = {"__name__": "thing"}
    code = compile(sites.instrumented("thing", REFUSING, hits=False), "thing.py", "exec")
    exec(code, space)  # noqa: S102 - the text above
    return space, switches


def call(space: dict[str, object], name: str, argument: object) -> object:
    function = space[name]
    assert callable(function)
    try:
        return function(argument)
    except (FalconerError, ValueError) as error:
        return getattr(error, "rule", type(error).__name__)


def test_a_refusal_is_as_it_was_until_it_is_taken_away(switched):
    space, switches = switched
    assert [call(space, "direct", number) for number in (0, 1, 2, -1)] == [
        0,
        1,
        "thing-above-one",
        "thing-below-none",
    ]
    assert switches.met == [("thing.direct#1", "thing-above-one"), ("thing.direct#2", "thing-below-none")]
    switches.off = switches.met[0]
    assert [call(space, "direct", number) for number in (2, -1)] == [2, "thing-below-none"]


def test_one_place_may_refuse_under_several_ids(switched):
    space, switches = switched
    switches.off = ("thing.of_another#1", "thing-one")
    assert [call(space, "of_another", rule) for rule in ("thing-one", "thing-two")] == [None, "thing-two"]


def test_other_errors_are_no_refusals(switched):
    space, switches = switched
    assert call(space, "of_nobody", 1) == "ValueError"
    switches.off = ("thing.of_nobody#1", "")
    assert call(space, "of_nobody", 0) == 0


def test_what_is_told_goes_on_as_it_came(switched, capsys):
    space, switches = switched
    assert call(space, "told", 2) is None
    switches.off = ("thing.told#1", "thing-told")
    assert call(space, "told", 2) == "thing-above-one"


def test_every_site_is_found_and_no_other():
    marked = [site for _, site in sites._mark(ast.parse(REFUSING), "thing")]
    assert [(site.name, site.rules, site.refuses) for site in marked] == [
        ("thing.direct#1", ("thing-above-one",), True),
        ("thing.direct#2", ("thing-below-none",), True),
        ("thing.of_another#1", (), True),
        ("thing.of_nobody#1", (), False),
        ("thing.told#1", ("thing-told",), True),
    ]


JUDGING = '''
LIMIT = 3


def judge(values, most=1):
    """Nothing of this sentence changes."""
    for value in values:
        if value >= LIMIT and not value == 7:
            raise ValueError(f"{value} {most + 1}")
    return sum(values) + most
'''


def test_mutants_are_what_they_are_called_and_leave_no_trace():
    tree = ast.parse(JUDGING)
    before = ast.dump(tree)
    names = [mutant.id for mutant in mutants_of(tree, "thing")]
    assert names == [
        "thing: LIMIT = 3 => LIMIT = 4",
        "thing: LIMIT = 3 => LIMIT = 2",
        "thing.judge: most=1 => most=2",
        "thing.judge: most=1 => most=0",
        "thing.judge: for values => ()",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT or not value == 7",
        "thing.judge: value >= LIMIT and (not value == 7) => not value == 7",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT",
        "thing.judge: value >= LIMIT and (not value == 7) => value > LIMIT and (not value == 7)",
        "thing.judge: value >= LIMIT and (not value == 7) => value < LIMIT and (not value == 7)",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT and value == 7",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT and (not value != 7)",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT and (not value == 8)",
        "thing.judge: value >= LIMIT and (not value == 7) => value >= LIMIT and (not value == 6)",
        "thing.judge: raise ValueError(f'{value} {most + 1}') => nothing",
        "thing.judge: return sum(values) + most => return None",
        "thing.judge: return sum(values) + most => return sum(values) - most",
    ]
    assert ast.dump(tree) == before


@pytest.mark.parametrize("module", score.modules())
def test_every_mutant_is_code_and_differs(module: str):
    source = score.Source.read(module)
    plain = ast.dump(source.tree)
    for mutant in source.mutants:
        source.compiled(mutant)
        assert mutant.before != mutant.after
    assert ast.dump(source.tree) == plain
    assert len({mutant.id for mutant in source.mutants}) == len(source.mutants)


def test_the_modules_that_judge_are_scored():
    assert {name.removeprefix(score.PACKAGE) for name in score.modules()} >= {
        "approval.intent", "approval.quorum", "policy.engine", "psbt.parse", "verify.inputs", "verify.outputs",
        "verify.fees", "verify.transaction", "verify.signatures", "verify.second_opinion",
    }  # fmt: skip


def test_every_survivor_is_explained_and_is_one():
    assert score.problems() == []
