"""Rule lines, and the comparison of both sides' verdicts."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.canonical import Reader, Writer
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.exchange.lines import (
    MAX_RULES,
    MAX_WORD,
    RuleLine,
    check_verdicts,
    differing_rules,
    read_rules,
    write_rules,
)
from falconer_shared.policy.rules import STATELESS_RULES
from falconer_shared.policy.spend import Outcome, Verdict
from falconer_shared.policy.values import RULES
from tests.support.refusal import refused

VERDICTS = tuple(
    Verdict(name, Outcome.UNSEEN if name == "min_confirmations" else Outcome.PASS, "1", "2") for name in RULES
)
LINES = tuple(RuleLine.of(verdict) for verdict in VERDICTS)


def read(*lines: str) -> tuple[RuleLine, ...]:
    data = "\n".join(["test 1", *lines, ""]).encode()
    reader = Reader(data, "test", where="test", rule="test-malformed", max_bytes=100_000)
    rules = read_rules(reader)
    writer = Writer("test")
    write_rules(writer, rules)
    reader.end(writer.text())
    return rules


def test_a_line_is_spelt_as_the_verdict_says():
    assert read("rule a pass 1 2", "rule b fail - 2", "rule c unseen - -") == (
        RuleLine("a", Outcome.PASS, "1", "2"),
        RuleLine("b", Outcome.FAIL, None, "2"),
        RuleLine("c", Outcome.UNSEEN, None, None),
    )
    verdict = Verdict("max_fee_sats", Outcome.FAIL, "12.5", None)
    assert read("rule " + " ".join(verdict.words)) == (RuleLine.of(verdict),)
    assert read() == ()


@pytest.mark.parametrize(
    "lines",
    [
        ("rule a pass 1",),
        ("rule a pass 1 2 3",),
        ("rule a PASS 1 2",),
        ("rule a ok 1 2",),
        ("rule A pass 1 2",),
        ("rule a pass 1 2", "rule a pass 1 2"),
        ("rule b pass 1 2", "rule a pass 1 2"),
        ("rule a pass " + "1" * (MAX_WORD + 1) + " 2",),
        ("rule a pass 1 " + "2" * (MAX_WORD + 1),),
        tuple(f"rule r{n:02d} pass 1 2" for n in range(MAX_RULES + 1)),
    ],
)
def test_other_lines_are_malformed(lines):
    with refused("test-malformed", Malformed):
        read(*lines)


def test_the_bounds_themselves_are_taken():
    assert len(read(*(f"rule r{n:02d} pass {'1' * MAX_WORD} -" for n in range(MAX_RULES)))) == MAX_RULES
    assert len(RULES) < MAX_RULES


def changed(name: str, **changes: object) -> list[RuleLine]:
    return [dataclasses.replace(line, **changes) if line.name == name else line for line in LINES]


def test_equal_verdicts_do_not_differ():
    assert differing_rules(LINES, LINES) == ()
    check_verdicts(LINES, VERDICTS)


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize(
    "change", [{"outcome": Outcome.FAIL}, {"value": "3"}, {"value": None}, {"limit": "3"}, {"limit": None}]
)
def test_only_rules_without_state_must_be_equal(name, change):
    expected = (name,) if name in STATELESS_RULES else ()
    assert differing_rules(changed(name, **change), LINES) == expected
    assert differing_rules(LINES, changed(name, **change)) == expected


def test_both_sorts_of_rules_are_there():
    assert "max_fee_sats" in STATELESS_RULES
    assert "max_daily_spend_sats" not in STATELESS_RULES


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_that_one_side_leaves_out_differs_whatever_it_is(name):
    without = [line for line in LINES if line.name != name]
    assert differing_rules(without, LINES) == (name,)
    assert differing_rules(LINES, without) == (name,)


def test_a_mismatch_is_refused_and_says_which():
    with refused("verdict-mismatch", VerificationError) as caught:
        check_verdicts(changed("max_fee_sats", value="9"), VERDICTS)
    assert "max_fee_sats" in caught.value.message
    check_verdicts(changed("max_daily_spend_sats", value="9"), VERDICTS)
