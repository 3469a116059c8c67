"""The lines that requests and receipts have in common, and the comparison of both sides' verdicts.

    rule <name> pass|fail|unseen <value or -> <limit or ->

`value` is what the rule found and `limit` what the policy allows, in the rule's own unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from falconer_shared.canonical import Reader, Writer
from falconer_shared.errors import VerificationError
from falconer_shared.policy.rules import STATELESS_RULES
from falconer_shared.policy.spend import Outcome, Verdict
from falconer_shared.policy.values import NO_LIMIT

MAX_RULES = 40
"""Lines `rule` in one text: there are 25 rules, and a format version must be able to grow a little."""

MAX_WORD = 48
"""Characters of a value or a limit: the largest number has 19."""


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule as one side judged it. `value` and `limit` are single words, None where there is none."""

    name: str
    outcome: Outcome
    value: str | None
    limit: str | None

    @classmethod
    def of(cls, verdict: Verdict) -> RuleLine:
        """The line of a verdict."""
        return cls(verdict.rule, verdict.outcome, verdict.value, verdict.limit)


def write_rules(writer: Writer, rules: Iterable[RuleLine]) -> None:
    """Append the lines `rule`."""
    for rule in rules:
        writer.line("rule", rule.name, rule.outcome.value, rule.value or NO_LIMIT, rule.limit or NO_LIMIT)


def read_rules(reader: Reader) -> tuple[RuleLine, ...]:
    """Take the lines `rule`, names ascending and once each.

    Raises:
        Malformed: the reader's rule id.
    """
    lines: list[RuleLine] = []
    for text in reader.many("rule", MAX_RULES):
        name, outcome, value, limit = reader.split(text, 4)
        lines.append(
            RuleLine(
                reader.token(name), _outcome(reader, outcome), _word(reader, value), _word(reader, limit)
            )
        )
    check_ascending(reader, "rule", [line.name for line in lines])
    return tuple(lines)


def check_ascending(reader: Reader, what: str, names: Sequence[str]) -> None:
    """Each name once, in alphabetical order: one set of facts has one text.

    Raises:
        Malformed: the reader's rule id.
    """
    if list(names) != sorted(set(names)):
        raise reader.error(f"lines '{what}' that repeat a name or are not in alphabetical order")


def differing_rules(
    theirs: Iterable[RuleLine], ours: Iterable[RuleLine], stateless: frozenset[str] = STATELESS_RULES
) -> tuple[str, ...]:
    """The rules that both sides should have judged alike and did not, sorted.

    Compared whole (outcome, value, limit) are the rules that depend on nothing but transaction, policy and approvals.
    A rule that only one side lists always differs: leaving one out must not be a way round the comparison.
    """
    there = {line.name: line for line in theirs}
    here = {line.name: line for line in ours}
    both = there.keys() & here.keys()
    unequal = {name for name in both & stateless if there[name] != here[name]}
    return tuple(sorted(unequal | (there.keys() ^ here.keys())))


def check_verdicts(theirs: Iterable[RuleLine], ours: Iterable[Verdict]) -> None:
    """Refuse when the other side came to another result where there can be only one.

    Raises:
        VerificationError: `verdict-mismatch`, naming the rules.
    """
    names = differing_rules(theirs, [RuleLine.of(verdict) for verdict in ours])
    if names:
        raise VerificationError(
            "verdict-mismatch",
            f"the coordinator judged {', '.join(names)} differently: one of the two sides is wrong",
            rules=", ".join(names),
            remedy="compare the versions of both programs and the policy on both sides before you sign anything",
        )


def _outcome(reader: Reader, word: str) -> Outcome:
    for outcome in Outcome:
        if outcome.value == word:
            return outcome
    raise reader.error(f"an outcome that is none of {', '.join(outcome.value for outcome in Outcome)}")


def _word(reader: Reader, word: str) -> str | None:
    if len(word) > MAX_WORD:
        raise reader.error(f"a value or limit of {len(word)} characters, more than {MAX_WORD}")
    return None if word == NO_LIMIT else word
