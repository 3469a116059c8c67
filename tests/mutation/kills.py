"""The kill matrix: each refusal taken away at each of its sites, and a test that fails then.

`kills.txt` holds a line for each pair: id, site, test. What is in it is believed as long as the file of the site and the file of
the test have not changed (`.cache/`); all else is tried again. A run over some of the tests adds to the file what they kill.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.mutation.run import Pair, Run, say
from tests.mutation.sites import ROOT, check_rules, sites_of, sources

FOLDER = ROOT / "tests/mutation"
KILLS = FOLDER / "kills.txt"
PATHS = ("tests/shared", "tests/attacks", "tests/offline", "tests/online")
CACHE = FOLDER / ".cache/kills.json"
HEAD = "# id, site, and a test that fails when the refusal is taken away there\n"

MATRIX_HEAD = """
Each refusal was taken away, at each place that makes it in turn, and the test that is named here failed. `sites` counts the
places; `tests/mutation/kills.txt` names a test for each of them, with its parameters, and `tests/mutation/unkilled.txt` gives the
reason where none can fail. `python -m tests.mutation kills` makes both, and this table; `--id ID TESTS` does so for one id.

| id | sites | a test that fails without it |
|---|---|---|
"""


@cache
def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "-"


def module_of(site: str) -> str:
    """The longest name of a module that a site's name starts with."""
    name = site.partition("#")[0]
    while name not in sources():
        name, dot, _ = name.rpartition(".")
        if not dot:
            return ""
    return name


def file_of(test: str) -> Path:
    return ROOT / test.partition("::")[0]


def read() -> dict[Pair, str]:
    """(site, id) with the test that kills."""
    kills = {}
    if KILLS.exists():
        for line in KILLS.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                rule, site, test = line.split(" ", 2)
                kills[site, rule] = test
    return kills


def write(kills: dict[Pair, str]) -> None:
    lines = sorted(f"{rule} {site} {test}\n" for (site, rule), test in kills.items())
    KILLS.write_text(HEAD + "".join(lines), encoding="utf-8")


def stands(pairs: Iterable[Pair]) -> set[Pair]:
    """Those pairs whose site is still in the sources, with that id where the site names ids itself."""
    known = {site.name: site.rules for module in sources() for site in sites_of(module)}
    return {(site, rule) for site, rule in pairs if site in known and rule in (known[site] or (rule,))}


def wanted() -> set[Pair]:
    """Every pair that the sources show: a site with an id in it."""
    return {(site.name, rule) for module in sources() for site in sites_of(module) for rule in site.rules}


def _keep(kills: dict[Pair, str], hashes: dict[str, list[str]], tried: set[Pair]) -> None:
    """Add what was found to what other runs wrote meanwhile."""
    there = read()
    together = {**there, **{pair: kills[pair] for pair in tried}}
    kept = stands(together)
    write({pair: test for pair, test in together.items() if pair in kept})
    CACHE.parent.mkdir(exist_ok=True)
    old = json.loads(CACHE.read_text()) if CACHE.exists() else {}
    CACHE.write_text(json.dumps({**old, **{"|".join(pair): hashes["|".join(pair)] for pair in tried}}))


def _hashes(pair: Pair, test: str) -> list[str]:
    return [digest(sources()[module_of(pair[0])]), digest(file_of(test))]


def run(paths: list[str], expression: str, only: list[str]) -> int:
    """Try every pair that the tests reach and that is not known to be killed as things are.

    Without `paths` the tests are those that killed such a pair before, or that name its id.
    """
    kills = read()
    kept = stands(kills)
    kills = {pair: test for pair, test in kills.items() if pair in kept}
    hashes = json.loads(CACHE.read_text()) if CACHE.exists() else {}
    known = {pair for pair, test in kills.items() if hashes.get("|".join(pair)) == _hashes(pair, test)}
    chosen = paths or _telling_files(kills, known, only)
    if not chosen:
        say("nothing to try")
        write(kills)
        publish()
        return 0

    def work(done: Run) -> None:
        pairs = [pair for pair in sorted(done.facts.reached) if pair not in known]
        pairs = [pair for pair in pairs if not only or pair[1] in only]
        say(f"{len(pairs)} refusals to take away, {len(known)} known")
        tried: set[Pair] = set()
        for number, pair in enumerate(pairs, 1):
            tests = _telling(done, pair)
            before = kills.get(pair)
            result = done.without(
                pair, [*([before] if before in tests else []), *(t for t in tests if t != before)]
            )
            if result.test:
                kills[pair] = result.test
                hashes["|".join(pair)] = _hashes(pair, result.test)
                tried.add(pair)
            elif before is None:
                say(f"not noticed: {pair[1]} at {pair[0]} ({len(tests)} tests reach it)")
            if number % 50 == 0 or number == len(pairs):
                say(f"{number} of {len(pairs)}")
                _keep(kills, hashes, tried)

    status = Run(work, programs=True).main(chosen, expression)
    publish()
    return status


def _telling_files(kills: dict[Pair, str], known: set[Pair], only: list[str]) -> list[str]:
    """Files with tests that are likely to notice what is not known to be noticed."""
    excused = unkilled()
    silent = {
        site.name for module in sources() for site in sites_of(module) if site.refuses and not site.rules
    }
    silent -= {site for site, _ in {**kills, **excused}}
    missing = {pair for pair in (wanted() | set(kills)) - known - set(excused) if not only or pair[1] in only}
    chosen = {file_of(kills[pair]) for pair in missing if pair in kills}
    modules = {module_of(site) for site in silent if not only}
    chosen |= {file_of(test) for (site, _), test in kills.items() if module_of(site) in modules}
    rules = sorted({rule for pair in missing - set(kills) for rule in pair[1:]})
    if rules:
        named = re.compile(rf"[\"'](?:{'|'.join(map(re.escape, rules))})[\"']")
        files = (file for path in PATHS for file in sorted((ROOT / path).rglob("test_*.py")))
        chosen |= {file for file in files if named.search(file.read_text(encoding="utf-8"))}
    return sorted(str(file.relative_to(ROOT)) for file in chosen if file.is_file())


def _telling(done: Run, pair: Pair) -> list[str]:
    """Tests that reach a refusal: those first that name its id, then the quick ones."""
    rule = pair[1]
    plain = rule.replace("-", "_")

    def rank(test: str) -> int:
        if rule in test or plain in test:
            return 0
        return 1 if f'"{rule}"' in done.source_of(test) else 2

    return sorted(done.order(done.facts.reached[pair]), key=rank)


def publish() -> None:
    """Write the kill matrix of docs/rules.md: each id, at how many places it was taken away, and one of the tests."""
    rules = check_rules()
    path = ROOT / rules.CATALOGUE
    table = path.read_text(encoding="utf-8").partition(rules.MATRIX)[0]
    tests: dict[str, list[str]] = {rule: [] for rule, _ in rules.table_lines(table)}
    for (_, rule), test in sorted(read().items()):
        if rule in tests:
            # tests make readers with ids of their own
            tests[rule].append(test.partition("[")[0])
    excused = {rule: why for (_, rule), why in unkilled().items()}
    lines = []
    for rule, found in sorted(tests.items()):
        plain = rule.replace("-", "_")
        told = (
            f"`{min(found, key=lambda test: (plain not in test, len(test), test))}`"
            if found
            else excused.get(rule, "")
        )
        lines.append(f"| `{rule}` | {len(found)} | {told} |\n")
    path.write_text(table + rules.MATRIX + MATRIX_HEAD + "".join(lines), encoding="utf-8")


def problems() -> list[str]:
    """What of the committed matrix does not fit the sources and tests, without running anything."""
    kills, found = read(), []
    kept = stands(kills)
    excused = unkilled()
    for site, rule in sorted(wanted() - set(kills) - set(excused)):
        found.append(f"{rule} at {site}: no test is known to fail without it")
    at = {site for site, _ in {**kills, **excused}}
    for module in sources():
        # one id is enough where others decide under which id is refused: what the place does is the same for all
        found += [
            f"{site.name}: no test is known to fail without it"
            for site in sites_of(module)
            if site.refuses and not site.rules and site.name not in at
        ]
    for site, rule in sorted(set(kills) - kept):
        found.append(f"{rule} at {site}: is no refusal any more")
    for site, rule in sorted(set(excused) - stands(excused)):
        found.append(f"{rule} at {site}: is excused, and no refusal any more")
    found += [
        f"{test}: is no test any more"
        for test in sorted(set(kills.values()))
        if not check_rules().is_test(ROOT, test)
    ]
    return found


def unkilled() -> dict[Pair, str]:
    """Refusals that no test can miss, with the reason (`unkilled.txt`: id, site, reason)."""
    path = FOLDER / "unkilled.txt"
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line and not line.startswith("#"):
            rule, site, why = line.split(" ", 2)
            found[site, rule] = why
    return found
