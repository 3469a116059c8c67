"""Collect the tests once, run them once to see what each reaches, then fork for every change and run the few tests that matter.

A forked child runs its tests exactly as pytest would in the parent, with fixtures of session scope that the parent made before
the change (which can hide a change, and never fakes a kill). Results of functions behind `functools.cache` are forgotten before
each test, so that what one test reached is not owed to an earlier one. Nothing here asks the network or the clock for a result.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutation import programs
from tests.mutation.importing import install
from tests.mutation.sites import HIT, ROOT, SEEN, VERDICT, instrumented, sources

MEMORY = 6 << 30
"""Bytes of address space for a child: a mutant that grows without end must die alone."""
LEAST_SECONDS = 10.0
TIMES_SLOWER = 8
TRIES = 60
"""So many tests that reach a refusal are asked to notice that it is gone; for mutants there is no such bound."""

Pair = tuple[str, str]

_TERMINAL = os.dup(2)


@dataclass
class Facts:
    """What one run of all tests told."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    reached: dict[Pair, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Refusals, as (site, id), with the tests that met them."""
    lines: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Statements of the modules of interest, as (module, line), with the tests that executed them."""


@dataclass(frozen=True)
class Result:
    """What became of one change: the test that failed, or none; `late` when the time limit ended it."""

    test: str | None
    late: bool = False
    tried: int = 0

    @property
    def killed(self) -> bool:
        return self.test is not None


class _Done:
    """Stands for the test that comes next: everything but the session is torn down."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        return [self._session]


class Run:
    """A pytest plugin that takes the place of its loop over tests, and calls `work(run)` after one pass over all."""

    def __init__(
        self, work: Callable[[Run], None], targets: Iterable[str] = (), *, programs: bool = False
    ) -> None:
        """`programs`: tests that start the two programs start them with switches, too."""
        self.facts = Facts()
        self._work = work
        self._targets = frozenset(targets)
        self._now = ""
        self._outside = programs
        self._folder: Path | None = None
        self._recording = True
        self._off: Pair | None = None
        self._outcome = ""
        self._why = ""
        self._items: dict[str, pytest.Item] = {}
        self._caches: list[Any] = []
        self._sound: dict[str, bool] = {}
        self._live: dict[tuple[str, str, int], list[FunctionType]] = {}

    # What the switched code calls

    def seen(self, site: str, error: Any) -> Any:
        rule = error if isinstance(error, str) else getattr(error, "rule", None)
        if isinstance(rule, str):
            if self._recording:
                self.facts.reached[site, rule].add(self._now)
            elif (site, rule) == self._off:
                return None
        return error

    def verdict(self, site: str, verdict: Any) -> Any:
        if verdict.id is not None and self.seen(site, verdict.id) is None:
            return replace(verdict, outcome=type(verdict.outcome).PASS, id=None, message="")
        return verdict

    def hit(self, module: str, line: int) -> None:
        if self._recording:
            self.facts.lines[module, line].add(self._now)

    # Start

    def main(self, paths: Sequence[str], expression: str = "") -> int:
        setattr(builtins, SEEN, self.seen)
        setattr(builtins, VERDICT, self.verdict)
        setattr(builtins, HIT, self.hit)
        install(self._compile)
        options = [
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-q",
            "--no-header",
            "--tb=no",
            "-r",
            "N",
        ]
        options += [
            "-o",
            "tmp_path_retention_policy=failed",
            "-o",
            "faulthandler_timeout=0",
            "--rootdir",
            str(ROOT),
        ]
        if expression:
            options += ["-m", expression]
        # a folder of its own: another pytest may clean the one that they share while children still need it
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
            if self._outside:
                self._folder = Path(folder)
            return int(pytest.main([*options, "--basetemp", f"{folder}/tests", *paths], plugins=[self]))

    def _compile(self, module: str, text: str, path: str) -> CodeType:
        return compile(instrumented(module, text, hits=module in self._targets), path, "exec")

    # pytest's hooks

    def pytest_configure(self) -> None:
        from hypothesis import HealthCheck, settings

        # the same examples in every run: a test that fails by chance has killed nothing
        settings.register_profile(
            "mutation",
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("some tests cannot be collected")
        self._items = {item.nodeid: item for item in session.items}
        self._session = session
        gc.collect()
        self._caches = [
            each
            for each in gc.get_objects()
            if isinstance(each, functools._lru_cache_wrapper)
            and str(each.__module__).startswith(("falconer_", "tests."))
        ]
        began = time.monotonic()
        if self._folder:
            self._wrap(self._folder)
        items = session.items
        for item, following in zip(items, [*items[1:], _Done(session)], strict=True):
            self._now = item.nodeid
            self._forget()
            start = time.monotonic()
            if self._run(item, following):
                self.facts.failed.add(item.nodeid)
                say(f"fails unchanged, and is left out: {item.nodeid}")
            self.facts.seconds[item.nodeid] = time.monotonic() - start
            self._seen_outside()
        self._recording = False
        say(f"{len(items)} tests in {time.monotonic() - began:.0f} s")
        self._work(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when != "teardown" and not self._outcome:
            self._outcome = report.nodeid
            self._why = str(getattr(report.longrepr, "reprcrash", ""))[-300:]

    def _run(self, item: pytest.Item, following: Any) -> bool:
        """Whether it fails."""
        self._outcome = ""
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return bool(self._outcome)

    def _wrap(self, folder: Path) -> None:
        """Let the tests find the programs with switches where they look for the programs."""
        code = {
            name: (str(path), self._compile(name, path.read_text(encoding="utf-8"), str(path)))
            for name, path in sources().items()
        }
        made = programs.make(folder / "programs", ROOT, code)
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("tests.") and isinstance(
                getattr(module, "BIN", None), Path
            ):
                module.BIN = made  # type: ignore[attr-defined]

    def _seen_outside(self) -> None:
        """What the programs met in the test that just ran."""
        if self._folder:
            seen = self._folder / "programs/seen"
            for line in seen.read_text().splitlines():
                site, rule = json.loads(line)
                self.facts.reached[site, rule].add(self._now)
            seen.write_text("")

    def _switch_outside(self, pair: Pair | None) -> None:
        if self._folder:
            (self._folder / "programs/off").write_text(json.dumps(pair))

    def _forget(self) -> None:
        for each in self._caches:
            each.cache_clear()

    # One change

    def order(self, tests: Iterable[str]) -> list[str]:
        """Quickest first, without those that fail anyway."""
        kept = [test for test in tests if test not in self.facts.failed and test in self._items]
        return sorted(kept, key=lambda test: (self.facts.seconds[test], test))

    def source_of(self, test: str) -> str:
        """The text of a test function."""
        import inspect

        try:
            return inspect.getsource(self._items[test].obj)  # type: ignore[attr-defined]
        except (OSError, TypeError, AttributeError):
            return ""

    def without(self, pair: Pair, tests: Sequence[str]) -> Result:
        """Take a refusal away and run the tests until one fails."""

        def change() -> None:
            self._off = pair
            self._switch_outside(pair)

        return self._try(change, tests[:TRIES])

    def changed(self, change: Callable[[], None], tests: Sequence[str]) -> Result:
        """Make a change in a child and run the tests until one fails."""
        return self._try(change, tests)

    def _try(self, change: Callable[[], None], tests: Sequence[str]) -> Result:
        """A test that fails with the change counts only if it passes in a child without it."""
        left = list(tests)
        tried = 0
        while left:
            name, late = self._child(change, left)
            if name is None:
                return Result(None, tried=tried + len(left))
            at = left.index(name)
            tried += at + 1
            if late or self._is_sound(name):
                return Result(name, late, tried)
            left = left[at + 1 :]
        return Result(None, tried=tried)

    def _is_sound(self, test: str) -> bool:
        if test not in self._sound:
            self._sound[test] = self._child(lambda: None, [test])[0] is None
            if not self._sound[test]:
                say(f"fails in a child without any change, and kills nothing: {test}")
        return self._sound[test]

    def _child(self, change: Callable[[], None], tests: Sequence[str]) -> tuple[str | None, bool]:
        """The first test that fails, and whether time ran out in it."""
        self._advance_seeds()
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._in_child(change, tests, writing)
        os.close(writing)
        try:
            return self._watch(child, reading, tests)
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._switch_outside(None)

    def _in_child(self, change: Callable[[], None], tests: Sequence[str], writing: int) -> None:
        status = 1
        try:
            os.setpgid(0, 0)
            silent = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silent, stream)
            reporter = self._session.config.pluginmanager.get_plugin("terminalreporter")
            reporter._tw._file = os.fdopen(silent, "w", encoding="utf-8")
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            change()
            for test in tests:
                self._now = test
                self._forget()
                os.write(writing, b"b" + json.dumps(test).encode() + b"\n")
                if self._run(self._items[test], _Done(self._session)):
                    os.write(writing, b"f" + json.dumps(test).encode() + b"\n")
                    break
            else:
                os.write(writing, b"p\n")
            status = 0
        finally:
            os._exit(status)

    def _watch(self, child: int, reading: int, tests: Sequence[str]) -> tuple[str | None, bool]:
        """Follow the child's report: begun, failed, passed. A child that dies in a test has failed it."""
        poll = select.poll()
        poll.register(reading, select.POLLIN | select.POLLHUP)
        buffer = b""
        current = tests[0]
        while True:
            limit = max(LEAST_SECONDS, TIMES_SLOWER * self.facts.seconds.get(current, 0.0))
            if not poll.poll(limit * 1000):
                return current, True
            data = os.read(reading, 1 << 16)
            if not data:
                return current, False
            buffer += data
            *whole, buffer = buffer.split(b"\n")
            for line in whole:
                if line[:1] == b"p":
                    return None, False
                current = json.loads(line[1:])
                if line[:1] == b"f":
                    return current, False

    def _advance_seeds(self) -> None:
        """Children share the parent's node: each takes wallets of its own."""
        for module in list(sys.modules.values()):
            seeds = getattr(module, "_SEEDS", None)
            if seeds is not None and hasattr(seeds, "__next__"):
                for _ in range(20):
                    next(seeds)

    # Functions that live in the parent

    def live(self, module: str) -> dict[tuple[str, int], list[FunctionType]]:
        """Functions of a module by qualified name and first line, wherever they are referred to."""
        if not self._live:
            for each in gc.get_objects():
                if isinstance(each, FunctionType) and each.__module__ in self._targets:
                    code = each.__code__
                    key = (each.__module__, code.co_qualname, code.co_firstlineno)
                    self._live.setdefault(key, []).append(each)
        return {key[1:]: value for key, value in self._live.items() if key[0] == module}


def say(line: str) -> None:
    """A line of progress, past what pytest captures."""
    os.write(_TERMINAL, line.encode() + b"\n")
