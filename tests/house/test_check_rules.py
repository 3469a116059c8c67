"""The script that holds the rule catalogue, the code and the tests together: it must see every kind of drift."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[2]

CODE = """
from falconer_shared.errors import Malformed, PolicyViolation

_FORM = "thing-malformed"


class Special(PolicyViolation):
    pass


class Verdict:
    pass


def refuse(what, rule):
    raise Malformed(rule, what)


def check(thing):
    if thing == 1:
        raise Malformed(_FORM, "a")
    if thing == 2:
        raise Special("thing-forbidden", "b")
    if thing == 3:
        refuse("c", "thing-passed-on")
    if thing == 4:
        return Verdict(id="thing-judged")
    return Reader(rule="thing-read", note="not-an-id-of-ours")
"""
IDS = {
    "thing-forbidden": "PolicyViolation",
    "thing-judged": "PolicyViolation",
    "thing-malformed": "Malformed",
    "thing-passed-on": "Malformed",
    "thing-read": "Malformed",
}


KILLER = "tests/test_thing.py::TestThing::test_it"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("check_rules", str(PROJECT / "scripts/check_rules"))
    spec = importlib.util.spec_from_loader("check_rules", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "check_rules", module)
        loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    package = tmp_path / "shared/src/falconer_shared"
    package.mkdir(parents=True)
    shutil.copy(PROJECT / "shared/src/falconer_shared/errors.py", package)
    (package / "thing.py").write_text(CODE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_thing.py").write_text(
        f"IDS = {sorted(IDS)}\n\n\nclass TestThing:\n    def test_it(self):\n        pass\n"
    )
    (tmp_path / "docs").mkdir()
    lines = "".join(f"| `{rule}` | {name} | Because. | DESIGN |\n" for rule, name in IDS.items())
    (tmp_path / "docs/rules.md").write_text(
        "| id | class | refused because | source |\n|---|---|---|---|\n"
        + lines
        + "\n## Kill matrix\n\n| id | sites | a test that fails without it |\n|---|---|---|\n"
        + "".join(f"| `{rule}` | 2 | `{KILLER}` |\n" for rule in IDS)
    )
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_agrees_passes(script: ModuleType, tree: Path):
    assert script.check(tree) == []
    assert script.main([], tree) == 0


@pytest.mark.parametrize("rule", sorted(IDS))
def test_every_way_of_raising_is_seen(script: ModuleType, tree: Path, rule: str):
    edit(tree / "docs/rules.md", f"| `{rule}` | {IDS[rule]} | Because. | DESIGN |\n", "")
    edit(tree / "docs/rules.md", f"| `{rule}` | 2 | `{KILLER}` |\n", "")
    assert [problem.split(":")[0] for problem in script.check(tree)] == [rule]
    assert script.main([], tree) == 1


@pytest.mark.parametrize("rule", sorted(IDS))
def test_an_id_that_no_test_names_is_seen(script: ModuleType, tree: Path, rule: str):
    edit(tree / "tests/test_thing.py", f"'{rule}'", f"'x{rule}x'")
    assert any(
        problem.startswith(rule + ": ") and "named by no test" in problem for problem in script.check(tree)
    )


def test_an_id_that_is_not_raised_any_more_is_seen(script: ModuleType, tree: Path):
    edit(tree / "shared/src/falconer_shared/thing.py", '"thing-forbidden"', '"thing-barred"')
    problems = script.check(tree)
    assert "thing-forbidden: in docs/rules.md, raised nowhere" in problems
    assert any(problem.startswith("thing-barred: raised at") for problem in problems)


@pytest.mark.parametrize("rule", sorted(IDS))
def test_each_id_needs_a_test_that_fails_without_it(script: ModuleType, tree: Path, rule: str):
    line = f"| `{rule}` | 2 | `{KILLER}` |"
    edit(tree / "docs/rules.md", line + "\n", "")
    (problem,) = script.check(tree)
    assert problem.startswith(f"{rule}: no test is known to fail without it")
    edit(
        tree / "docs/rules.md",
        "|---|---|---|\n| `",
        f"|---|---|---|\n| `{rule}` | 0 | It is looked for twice. |\n| `",
    )
    assert script.check(tree) == []
    edit(tree / "docs/rules.md", "It is looked for twice. ", "")
    assert script.check(tree) == [problem]


@pytest.mark.parametrize(
    "test",
    [
        "tests/test_thing.py::TestThing::test_that",
        "tests/test_thing.py::TestThat::test_it",
        "tests/test_that.py::TestThing::test_it",
        "tests/test_thing.py",
    ],
)
def test_the_named_test_must_be_there(script: ModuleType, tree: Path, test: str):
    edit(tree / "docs/rules.md", f"`thing-read` | 2 | `{KILLER}`", f"`thing-read` | 2 | `{KILLER}[a-1]`")
    assert script.check(tree) == []
    edit(tree / "docs/rules.md", f"`thing-read` | 2 | `{KILLER}[a-1]`", f"`thing-read` | 2 | `{test}`")
    assert script.check(tree) == [f"thing-read: the kill matrix names {test}, which is no test"]


def test_the_matrix_knows_no_other_ids(script: ModuleType, tree: Path):
    path = tree / "docs/rules.md"
    path.write_text(path.read_text() + f"| `thing-gone` | 1 | `{KILLER}` |\n| `thing-past` | 0 | Why. |\n")
    assert script.check(tree) == [
        f"{rule}: in the kill matrix, not in the table above it" for rule in ("thing-gone", "thing-past")
    ]


def test_another_class_is_another_exit_status(script: ModuleType, tree: Path):
    edit(tree / "docs/rules.md", "`thing-forbidden` | PolicyViolation", "`thing-forbidden` | Malformed")
    assert script.check(tree) == [
        "thing-forbidden: docs/rules.md says Malformed, the code raises PolicyViolation"
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("| `thing-read` | Malformed | Because. ", "| `thing-read` | Malformed |  ", "no sentence"),
        ("| `thing-judged`", "| `thing-zudged`", "not sorted"),
        ("| `thing-judged`", "| `thing-forbidden`", "twice"),
    ],
)
def test_the_table_is_in_order(script: ModuleType, tree: Path, old: str, new: str, problem: str):
    edit(tree / "docs/rules.md", old, new)
    assert any(problem in line for line in script.check(tree))


def test_lines_are_merged_and_sorted(script: ModuleType, tree: Path, tmp_path: Path):
    edit(tree / "docs/rules.md", "| `thing-judged` | PolicyViolation | Because. | DESIGN |\n", "")
    more = tmp_path / "more.md"
    more.write_text(
        "| thing-judged | PolicyViolation | It is judged. | A001 |\n| `thing-read` | X | Changed. | - |\n"
    )
    assert script.main(["--merge", str(more)], tree) == 0
    text = (tree / "docs/rules.md").read_text()
    assert "| `thing-judged` | PolicyViolation | It is judged. | A001 |" in text
    assert "Changed." not in text
    assert "`Malformed` 3" in text
    assert (
        f"\n## Kill matrix\n\n| id | sites | a test that fails without it |\n|---|---|---|\n| `{min(IDS)}` | 2 |"
        in text
    )
    again = text
    script.main(["--merge", str(tree / "docs/rules.md")], tree)
    assert (tree / "docs/rules.md").read_text() == again


def test_this_project_agrees(script: ModuleType):
    assert script.check(PROJECT) == []
