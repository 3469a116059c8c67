"""The decision does not depend on what was judged before it: no cache, no default and no leftover has a say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.judgements import Thing, judgement, pool
from tests.support.requests import desks, requests, verdict
from tests.support.treasury import FORMS

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fresh() -> dict[Thing, str]:
    """Every judgement by a process that has judged nothing before."""
    things = list(dict.fromkeys(pool()))
    done = subprocess.run(
        [sys.executable, "-m", "tests.properties.judgements"],
        cwd=PROJECT, input="".join(f"{kind} {data.hex()}\n" for kind, data in things),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(things, answers, strict=True))


def test_the_pool_holds_both(fresh):
    """Judgements that were all alike would compare nothing."""
    answers = [fresh[thing] for thing in fresh if thing[0] in FORMS]
    accepted = sum(answer.startswith("('accepted'") for answer in answers)
    assert accepted >= 2 * len(FORMS)
    assert len(answers) - accepted > 30
    assert len(set(fresh.values())) > 40


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=14))
def test_whatever_was_judged_before(fresh, places):
    things = list(fresh)
    order = [things[place % len(things)] for place in places]
    # the first one again at the end: A, B, ..., A
    for thing in (*order, order[0]):
        assert judgement(thing) == fresh[thing]


@pytest.mark.parametrize("form", FORMS)
def test_a_wallet_that_was_just_loaded_judges_alike(form):
    desk = desks()[FORMS.index(form)]
    for raw in requests(form):
        assert verdict(raw, desk.fresh()) == verdict(raw, desk)
