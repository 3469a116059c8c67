"""The mutation score of the modules that judge: `mutants.py` in turn, each with the tests that execute the changed statement.

A mutant of a function's body is tried in a forked child, by giving the live function other code, wherever it was imported to.
Constants, fields and defaults are made when a module is imported: these mutants run in a process of their own. A mutant is
killed when a test fails that passes without it, or when it runs out of time or memory.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest

from tests.mutation.importing import install
from tests.mutation.kills import FOLDER, digest, file_of
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.run import Result, Run, say
from tests.mutation.sites import ROOT, sources

PACKAGE = "falconer_shared."
SCORE, SURVIVORS = FOLDER / "score.txt", FOLDER / "survivors.txt"
CACHE = FOLDER / ".cache/score.json"
PATHS = (
    *(
        f"tests/shared/{name}"
        for name in ("approval", "exchange", "hostile", "policy", "psbt", "roles", "verify")
    ),
    "tests/shared/test_bounds.py",
    "tests/attacks",
)
SECONDS = 40.0
"""What the tests of one mutant may take together, as measured without it; slower ones beyond that are not asked."""
SLOW_SECONDS = 240
LEAST_PERCENT = 95


def modules() -> list[str]:
    """All of verify/ and approval/, psbt/parse.py and policy/engine.py."""
    return [
        name
        for name, path in sources().items()
        if name in {PACKAGE + "psbt.parse", PACKAGE + "policy.engine"}
        or (name.startswith((PACKAGE + "verify.", PACKAGE + "approval.")) and path.name != "__init__.py")
    ]


@dataclass
class Source:
    """A module's text as a tree, and its mutants."""

    module: str
    tree: ast.Module
    mutants: list[Mutant]

    @classmethod
    def read(cls, module: str) -> Source:
        tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
        return cls(module, tree, mutants_of(tree, module.removeprefix(PACKAGE)))

    def compiled(self, mutant: Mutant) -> CodeType:
        mutant.swap()
        try:
            return compile(self.tree, str(sources()[self.module]), "exec")
        finally:
            mutant.swap()


def run(names: list[str], paths: list[str], expression: str, *, everything: bool) -> int:
    """Try each mutant of the modules that is not known to be killed as things are, and write score.txt."""
    known: dict[str, dict[str, object]] = json.loads(CACHE.read_text()) if CACHE.exists() else {}
    chosen = [name for name in modules() if not names or name.removeprefix(PACKAGE) in names]
    todo = [Source.read(name) for name in chosen]

    def is_open(source: Source, mutant: Mutant) -> bool:
        entry = known.get(mutant.id)
        return (
            everything
            or entry is None
            or not entry["test"]
            or entry["hashes"] != _hashes(source, str(entry["test"]))
        )

    if any(is_open(source, mutant) for source in todo for mutant in source.mutants):

        def work(done: Run) -> None:
            for source in todo:
                _module(done, source, known, [each for each in source.mutants if is_open(source, each)])

        status = Run(work, chosen).main(paths or list(PATHS), expression)
        if status not in (0, 1):
            return status
    write(known)
    print(SCORE.read_text(encoding="utf-8"))
    return 0


def _hashes(source: Source, test: str) -> list[str]:
    return [digest(sources()[source.module]), digest(file_of(test)) if test else "-"]


def _module(done: Run, source: Source, known: dict[str, dict[str, object]], mutants: list[Mutant]) -> None:
    say(f"{source.module}: {len(mutants)} of {len(source.mutants)} mutants to try")
    for number, mutant in enumerate(mutants, 1):
        old = known.get(mutant.id, {}).get("test")
        result = _function(done, source, mutant, str(old or "")) if mutant.qualname else None
        if result is None:
            result = _alone(done, source, mutant)
        known[mutant.id] = {
            "test": result.test,
            "late": result.late,
            "hashes": _hashes(source, result.test or ""),
        }
        if not result.killed:
            say(f"lives, of {result.tried} tests: {mutant.id}")
        if number % 20 == 0 or number == len(mutants):
            CACHE.parent.mkdir(exist_ok=True)
            CACHE.write_text(json.dumps(known))
    say(f"{source.module}: done")


def _function(done: Run, source: Source, mutant: Mutant, old: str) -> Result | None:
    """In a forked child; None where the change does not fit a live function."""
    assert mutant.qualname is not None
    code = _find(source.compiled(mutant), mutant.qualname, mutant.first_line)
    functions = done.live(source.module).get((mutant.qualname, mutant.first_line), [])
    if (
        code is None
        or not functions
        or any(each.__code__.co_freevars != code.co_freevars for each in functions)
    ):
        return None

    def change() -> None:
        for each in functions:
            each.__code__ = code

    tests = _within(done, done.facts.lines.get((source.module, mutant.line), ()))
    if not tests:
        return Result(None)
    return done.changed(change, [*([old] if old in tests else []), *(test for test in tests if test != old)])


def _within(done: Run, tests: Iterable[str]) -> list[str]:
    """The quick ones, as many as fit into the time."""
    chosen, spent = [], 0.0
    for test in done.order(tests):
        spent += done.facts.seconds[test]
        if spent > SECONDS:
            break
        chosen.append(test)
    return chosen


def _find(code: CodeType, qualname: str, first_line: int) -> CodeType | None:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if (each.co_qualname, each.co_firstlineno) == (qualname, first_line):
                return each
            found = _find(each, qualname, first_line)
            if found is not None:
                return found
    return None


def _alone(done: Run, source: Source, mutant: Mutant) -> Result:
    """In a process of its own, where the module is imported with the change."""
    tests = _within(done, _around(done, source, mutant))
    if not tests:
        return Result(None)
    with tempfile.TemporaryDirectory() as folder:
        listed, told = Path(folder, "tests"), Path(folder, "told")
        listed.write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "tests.mutation.score",
            source.module,
            mutant.id,
            str(listed),
            str(told),
        ]
        try:
            subprocess.run(
                command,
                cwd=ROOT,
                check=False,
                timeout=SLOW_SECONDS,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
        except subprocess.TimeoutExpired:
            return Result(tests[0], late=True)
        said = told.read_text(encoding="utf-8") if told.exists() else ""
    if said == "passed":
        return Result(None, tried=len(tests))
    # a module that cannot even be imported is noticed by the first test that needs it
    return Result(said or tests[0])


def _around(done: Run, source: Source, mutant: Mutant) -> set[str]:
    """Tests that execute a function of the module that speaks of the changed name; of any function if none does."""
    statement = next(
        node for node in ast.walk(source.tree) if isinstance(node, ast.stmt) and node.lineno == mutant.line
    )
    names = {
        getattr(node, "id", None)
        for node in ast.walk(statement)
        if isinstance(getattr(node, "ctx", None), ast.Store)
    }
    if isinstance(statement, ast.FunctionDef):
        names = {statement.name}
    chosen: dict[bool, set[str]] = defaultdict(set)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef):
            words = {getattr(each, "id", getattr(each, "attr", None)) for each in ast.walk(node)}
            last = node.end_lineno or node.lineno
            for line in range(node.lineno, last + 1):
                chosen[bool(words & names) or node is statement] |= done.facts.lines.get(
                    (source.module, line), set()
                )
    spoken = re.compile(rf"\b({'|'.join(sorted(filter(None, names))) or '(?!)'})\b")
    speaking = {test for test in done.facts.seconds if spoken.search(done.source_of(test))}
    return (chosen[True] or chosen[False]) | speaking


# The process of its own


class _First:
    """Tells the first test that fails."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when != "teardown" and not self.name:
            self.name = report.nodeid

    def pytest_configure(self) -> None:
        Run.pytest_configure(None)  # type: ignore[arg-type]


def alone(module: str, name: str, listed: str, told: str) -> None:
    """Import the module with the mutant of that name and run the listed tests until one fails."""
    source = Source.read(module)
    mutant = next(each for each in source.mutants if each.id == name)
    code = source.compiled(mutant)
    install(lambda found, text, path: code if found == module else compile(text, path, "exec"))
    first = _First()
    options = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-x", "-q"]
    options += ["-o", "faulthandler_timeout=0", "--basetemp", f"{told}.tests"]
    status = pytest.main([*options, f"@{listed}"], plugins=[first])
    Path(told).write_text("passed" if status == 0 else first.name, encoding="utf-8")


# What is committed


def explained() -> dict[str, str]:
    """survivors.txt: a line with a mutant's name, and below it, indented, why no test can or should notice it."""
    found: dict[str, str] = {}
    name = ""
    for line in SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else ():
        if line.startswith("    "):
            found[name] = (found[name] + " " + line.strip()).strip()
        elif line and not line.startswith("#"):
            name = line
            found[name] = ""
    return found


GROUPS = {
    "approval/": "approval.",
    "policy/engine.py": "policy.engine",
    "psbt/parse.py": "psbt.parse",
    "verify/": "verify.",
}


def write(known: dict[str, dict[str, object]]) -> None:
    """score.txt from all that is known of the mutants as the sources have them now."""
    lines = ["# mutants, killed, of these by the time limit, survivors, percent; then the survivors"]
    rows: dict[str, tuple[int, int, int]] = {}
    living: list[str] = []
    for name in modules():
        entries = [(mutant.id, known.get(mutant.id)) for mutant in Source.read(name).mutants]
        killed = sum(bool(entry and entry["test"]) for _, entry in entries)
        late = sum(bool(entry and entry["late"]) for _, entry in entries)
        living += [each for each, entry in entries if not (entry and entry["test"])]
        rows[name.removeprefix(PACKAGE)] = (len(entries), killed, late)
    for group, start in GROUPS.items():
        inside = {name: row for name, row in rows.items() if name.startswith(start)}
        lines.append(_row(group, *map(sum, zip(*inside.values(), strict=True))))
        lines += [_row("  " + name, *row) for name, row in inside.items() if len(inside) > 1]
    lines += [_row("total", *map(sum, zip(*rows.values(), strict=True))), "", *living]
    SCORE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(name: str, count: int, killed: int, late: int) -> str:
    percent = 1000 * killed // count if count else 1000
    return f"{name:24} {count:5} {killed:5} {late:3} {count - killed:4}  {percent // 10}.{percent % 10}"


def problems() -> list[str]:
    """What of the committed score does not fit the sources, without running anything."""
    names = {mutant.id for module in modules() for mutant in Source.read(module).mutants}
    reasons = explained()
    found = [f"{name}: is explained, and no mutant any more" for name in sorted(set(reasons) - names)]
    found += [f"{name}: is not explained" for name, why in reasons.items() if not why]
    text = SCORE.read_text(encoding="utf-8") if SCORE.exists() else ""
    table, _, living = text.partition("\n\n")
    found += [
        f"{name}: survives, and is not in survivors.txt"
        for name in living.splitlines()
        if name not in reasons
    ]
    rows = [line.split() for line in table.splitlines()[1:] if not line.startswith(" ")]
    found += [
        f"{row[0]}: {row[5]} %, less than {LEAST_PERCENT}" for row in rows if float(row[5]) < LEAST_PERCENT
    ]
    return found


if __name__ == "__main__":
    alone(*sys.argv[1:])
