"""The fast subset: every target over its seeds and regressions, some thousand mutations, and a short run of atheris itself."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.campaign import FreeCampaign, Limit, find
from tests.fuzz import mutate as changes
from tests.fuzz.target import NAMES, REGRESSIONS, corpus, load

PROJECT = Path(__file__).resolve().parents[2]
MUTATIONS = {"judge": 500, "private": 200, "descriptor": 400, "policy": 300, "envelope": 400, "codes": 400}
"""Of one run in the suite; 1,000 where not said otherwise."""

TAKES_NOTHING = {"private"}
"""Targets in which nothing is ever accepted."""


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_what_once_broke_something(name):
    target = load(name)
    taken = [target.check(data) for _, data in corpus(target)]
    assert any(taken) != (name in TAKES_NOTHING)
    assert all(len(data) <= target.max_len for data in target.seeds().values())
    assert target.seeds() == target.seeds()


def test_regressions_belong_to_a_target():
    assert {path.parent.name for path in REGRESSIONS.glob("*/*")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_mutations(name):
    """Always the same ones, with no atheris in it: this runs wherever the suite does."""
    target = load(name)
    choose = random.Random(f"mutations of {name}")
    pool = [data for _, data in corpus(target)]
    taken = 0
    count = MUTATIONS.get(name, 1_000)
    for _ in range(count):
        data = choose.choice(pool)
        for _ in range(choose.choice((1, 1, 2, 3))):
            data = (changes.raw if target.mutate is None or choose.randrange(3) == 0 else target.mutate)(
                data, choose
            )
        taken += target.check(data[: target.max_len])
    # mutations that were all refused, or all accepted, would try nothing
    assert taken < count
    assert (taken > 0) != (name in TAKES_NOTHING)


def test_atheris_runs_every_target():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", "--each", ",".join(NAMES), "-runs=100", "-seed=1"],
        cwd=PROJECT, capture_output=True, text=True, errors="replace", timeout=300, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3_000:]
    assert [
        name for name, status in re.findall(r"target (\w+): exit status (-?\d+)", told) if status == "0"
    ] == list(NAMES)
    covered = [int(number) for number in re.findall(r"#\d+\s+DONE\s+cov: (\d+)", told)]
    assert len(covered) == len(NAMES)
    # it is led by the product's own branches: without instrumentation there would be none
    assert min(covered) > 20


BROKEN = """
import sys
from tests.fuzz.run import fuzz
from tests.fuzz.target import Target
def check(data):
    assert data[:1] != b"x", "it begins with an x"
    return False
fuzz(Target("broken", check, dict, None, 8), [], ["-runs=200000", "-seed=1", "-artifact_prefix=" + sys.argv[1] + "/"])
"""


def test_atheris_finds_what_is_broken(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(tmp_path)],
        cwd=PROJECT, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "it begins with an x" in done.stdout + done.stderr
    assert next(tmp_path.glob("crash-*")).read_bytes()[:1] == b"x"


def test_a_campaign_counts_what_it_ran_and_goes_on_where_it_ended(tmp_path):
    found = find("fuzz-transaction")
    assert isinstance(found, FreeCampaign)
    executions = []
    for _ in range(2):
        reports = list(found.explore(7, Limit(cases=600, seconds=None), 1, tmp_path))
        executions.append(sum(report.executions for report in reports))
        assert not any(report.findings for report in reports)
    # the corpus of the first run is read by the second, and counted by neither
    assert all(500 < count <= 600 for count in executions), executions
    assert len(list((tmp_path / "corpus").iterdir())) > len(load("transaction").seeds())
    assert (tmp_path / "processes").read_text() == "1"


def test_a_campaign_is_of_a_target():
    with pytest.raises(KeyError, match="no target is called nothing"):
        find("fuzz-nothing")
