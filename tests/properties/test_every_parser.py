"""Any bytes, any text, and anything near what is valid is taken by its parser and comes back, or is refused by an error of ours.

What comes back, and what else holds of it, stands in each fuzz target's `check`; here Hypothesis chooses inputs and shrinks them.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import mutate as changes
from tests.fuzz.target import NAMES, Target, load

EXAMPLES = {
    "judge": 40,
    "private": 15,
    "descriptor": 40,
    "policy": 40,
    "envelope": 40,
    "ur": 60,
    "codes": 50,
    "wallet": 50,
    "canonical": 60,
}
"""Of one run; 120 where not said otherwise."""


@st.composite
def near(draw: st.DrawFn, target: Target) -> bytes:
    """A seed and some changes, each of which can be left out when the example is shrunk."""
    data = draw(st.sampled_from(sorted(target.seeds().values(), key=len)))
    for kind, seed in draw(st.lists(st.tuples(st.booleans(), st.integers(0, 2**32 - 1)), max_size=4)):
        change = changes.raw if kind or target.mutate is None else target.mutate
        data = change(data, random.Random(seed))
    return data[: target.max_len]


@pytest.mark.parametrize("name", NAMES)
def test_near_what_is_valid(name):
    target = load(name)

    @settings(max_examples=EXAMPLES.get(name, 120), deadline=None, database=None)
    @given(near(target))
    def hold(data: bytes) -> None:
        target.check(data)

    hold()


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_and_any_text(name):
    target = load(name)

    @settings(max_examples=EXAMPLES.get(name, 120), deadline=None, database=None)
    @given(
        st.binary(max_size=600)
        | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    def hold(data: bytes) -> None:
        target.check(data)

    hold()
