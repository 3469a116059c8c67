"""A table of cases that an operator keeps beside the policy: what it must allow, and what it must not.

    policy = "policy.toml"            # or the canonical text; left out: the policy in force
    keys = "2-of-3"                   # of the wallet; left out: limits are judged whole

    [[case]]
    name = "payroll on a Friday"
    pay = { "@payroll" = 250_000 }    # addresses, or names of the address book
    at = 2027-01-15T09:00:00Z
    expect = "accepted"               # accepted, approval or refused

    [[case]]
    name = "a second large payment in a day"
    pay = { "@exchange" = 20_000_000 }
    at = 2027-01-15T09:00:00Z
    history = [{ ago = "23h", pay = { "@payroll" = 15_000_000 } }]
    expect = "refused"
    rules = ["policy-daily-limit"]    # the ids of all that fails; left out: whichever

Nothing here is trusted, and no real history is asked: a case comes out the same on every machine.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from falconer_online.build import Payee
from falconer_online.hypothetical import Question, spend_for
from falconer_online.paying import AddressBook, parse_payment
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import MAX_TIME
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import evaluate
from falconer_shared.policy.history import Recorded, SpendEntry
from falconer_shared.policy.spend import Outcome, Outlook, Share, share_of
from falconer_shared.policy.values import APPROVAL_RULES
from falconer_shared.text import is_token, safe
from falconer_shared.units import MAX_MONEY, Amount, FeeRate

ACCEPTED, APPROVAL, REFUSED = OUTCOMES = ("accepted", "approval", "refused")
"""What a case can come out as: it passes; it passes once its quorum has approved; nothing makes it pass."""

MAX_CASES = 10_000
"""Cases in one file: minutes of judging, and more than anybody reads."""

_TOP = {"policy", "keys", "case"}
_CASE = {
    "name", "pay", "back", "kind", "inputs", "fee", "fee_rate", "at", "valid", "requester", "strategy", "approvers",
    "replaces", "pending", "confirmations", "mempool_percent", "history", "expect", "rules",
}  # fmt: skip
_PAST = {"at", "ago", "pay", "fee", "approved", "requester", "strategy", "coin"}
_KEYS = re.compile(r"([1-9][0-9]?)-of-([1-9][0-9]?)\Z", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,7})([smhd])\Z", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Ran:
    """One case: what was expected, and what came out. `rules` are the ids of all that failed."""

    name: str
    expected: str
    expected_rules: tuple[str, ...] | None
    outcome: str
    rules: tuple[str, ...]
    messages: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it came out as expected."""
        return self.outcome == self.expected and self.expected_rules in {None, self.rules}


@dataclass(frozen=True, slots=True)
class Table:
    """A file of cases, read and not yet judged."""

    policy_file: str | None
    keys: tuple[int, int] | None
    cases: tuple[Mapping[str, object], ...]


def read_table(data: bytes) -> Table:
    """The table of a file.

    Raises:
        Malformed: `policy-cases-malformed`, with the key in `key`.
    """
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _malformed("", f"is not TOML: {safe(str(error), 200)}") from None
    _known(table, _TOP, "")
    cases = table.get("case")
    if not isinstance(cases, list) or not cases or not all(isinstance(case, dict) for case in cases):
        raise _malformed("case", "must be tables: [[case]]")
    if len(cases) > MAX_CASES:
        raise _malformed("case", f"there are {len(cases)} of it, more than {MAX_CASES}")
    match = _KEYS.match(_text(table, "keys", "")) if "keys" in table else None
    if "keys" in table and (match is None or int(match[1]) > int(match[2])):
        raise _malformed("keys", 'must be like "2-of-3"')
    return Table(
        policy_file=_text(table, "policy", "") if "policy" in table else None,
        keys=None if match is None else (int(match[1]), int(match[2])),
        cases=tuple(cases),
    )


def run(policy: Policy, table: Table) -> tuple[Ran, ...]:
    """Judge every case.

    Raises:
        Malformed: `policy-cases-malformed`. What reading an address raises, with the case's name before it.
    """
    share = Share(1, 1, whole=True) if table.keys is None else share_of(policy, *table.keys)
    book = AddressBook(policy.network, policy.addresses)
    names: set[str] = set()
    ran = []
    for number, case in enumerate(table.cases, 1):
        name = _text_or(case, "name", f"case {number}: ", f"case {number}")
        if name in names:
            raise _malformed(f"case {number}: name", "stands twice")
        names.add(name)
        ran.append(_run(policy, share, book, name, case))
    return tuple(ran)


def _run(policy: Policy, share: Share, book: AddressBook, name: str, case: Mapping[str, object]) -> Ran:
    where = f"case '{safe(name, 80)}': "
    _known(case, _CASE, where)
    question = _question(case, book, where)
    past = case.get("history", [])
    if not isinstance(past, list) or not all(isinstance(entry, dict) for entry in past):
        raise _malformed(where + "history", "must be a list of tables")
    history = [_entry(entry, number, book, question.at, where) for number, entry in enumerate(past, 1)]
    expected = _text(case, "expect", where)
    if expected not in OUTCOMES:
        raise _malformed(where + "expect", f"must be one of {', '.join(OUTCOMES)}")
    rules = case.get("rules")
    if rules is not None and (
        not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules)
    ):
        raise _malformed(where + "rules", "must be a list of ids")
    verdicts = evaluate(policy, spend_for(policy, question, Recorded.of(history), share, None))
    failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    outcome = ACCEPTED
    if failed:
        outcome = APPROVAL if all(verdict.rule in APPROVAL_RULES for verdict in failed) else REFUSED
    return Ran(
        name=name,
        expected=expected,
        expected_rules=None if rules is None else tuple(sorted(set(map(str, rules)))),
        outcome=outcome,
        rules=tuple(sorted({verdict.id for verdict in failed if verdict.id is not None})),
        messages=tuple(verdict.message for verdict in failed),
    )


def _question(case: Mapping[str, object], book: AddressBook, where: str) -> Question:
    back = case.get("back", [])
    if not isinstance(back, list):
        raise _malformed(where + "back", "must be a list of satoshis")
    approvers = case.get("approvers", [])
    if not isinstance(approvers, list) or not all(isinstance(each, str) for each in approvers):
        raise _malformed(where + "approvers", "must be a list of names")
    kind = _text_or(case, "kind", where, IntentKind.PAY.value)
    if kind not in {each.value for each in IntentKind}:
        raise _malformed(where + "kind", f"must be one of {', '.join(each.value for each in IntentKind)}")
    fee = _number(case, "fee", where)
    percent = _number(case, "mempool_percent", where)
    return Question(
        payments=_payments(case, book, where),
        at=_time(case, where),
        kind=IntentKind(kind),
        inputs=max(1, _number(case, "inputs", where, high=10_000) or 1),
        back=tuple(Amount(_whole(each, where + "back")) for each in back),
        fee=None if fee is None else Amount(fee),
        fee_rate=FeeRate(1000 * (_number(case, "fee_rate", where, high=1_000_000) or 0)),
        requester=_name(case, "requester", where, "operator"),
        strategy=_name(case, "strategy", where, "-"),
        approvers=frozenset(map(str, approvers)),
        valid_seconds=_span(_text_or(case, "valid", where, "1s"), where + "valid"),
        anchor=_coin(case, "replaces", 0, where),
        outlook=Outlook(
            pending=_number(case, "pending", where),
            confirmations=_number(case, "confirmations", where),
            mempool_bytes=percent,
            mempool_limit=None if percent is None else 100,
        ),
    )


def _entry(entry: Mapping[str, object], number: int, book: AddressBook, now: int, where: str) -> SpendEntry:
    where = f"{where}history[{number}]."
    _known(entry, _PAST, where)
    if ("at" in entry) == ("ago" in entry):
        raise _malformed(where + "at", "or 'ago' must say when it was, and not both")
    at = _time(entry, where) if "at" in entry else now - _span(_text(entry, "ago", where), where + "ago")
    payments = _payments(entry, book, where)
    approved = entry.get("approved", False)
    if not isinstance(approved, bool):
        raise _malformed(where + "approved", "must be true or false")
    return SpendEntry(
        anchor=_coin(entry, "coin", number, where),
        unsigned_hash=f"{number:064x}",
        spent=Amount(sum(int(each.amount) for each in payments) + (_number(entry, "fee", where) or 0)),
        paid={each.script: int(each.amount) for each in payments},
        own=frozenset(),
        approved=approved,
        requester=_name(entry, "requester", where, "operator"),
        strategy=_name(entry, "strategy", where, "-"),
        decided=at,
        at=at,
    )


def _coin(table: Mapping[str, object], key: str, number: int, where: str) -> OutPoint:
    """A coin of its own for each; those with one name are one, and what spends them replaces one another."""
    if key not in table:
        return OutPoint(number.to_bytes(32, "big"), 0)
    return OutPoint(hashlib.sha256(_text(table, key, where).encode("utf-8")).digest(), 1)


def _payments(table: Mapping[str, object], book: AddressBook, where: str) -> tuple[Payee, ...]:
    pay = table.get("pay", {})
    if not isinstance(pay, dict):
        raise _malformed(where + "pay", 'must be like { "@payroll" = 250_000 }')
    found = []
    for to, sats in pay.items():
        key = f"{where}pay.{safe(to, 100)}"
        try:
            found.append(parse_payment(f"{to}={_whole(sats, key)}", book))
        except FalconerError as error:
            raise type(error)(error.rule, f"{key}: {error.message}", remedy=error.remedy, key=key) from None
    return tuple(found)


def _time(table: Mapping[str, object], where: str) -> int:
    value = table.get("at")
    if not isinstance(value, datetime) or value.tzinfo is None or value.microsecond:
        raise _malformed(where + "at", "must be a time with its zone, like 2027-01-15T09:00:00Z")
    seconds = int(value.timestamp())
    if not 0 <= seconds <= MAX_TIME:
        raise _malformed(where + "at", "is out of range")
    return seconds


def _span(text: str, where: str) -> int:
    match = _SPAN.match(text)
    if match is None:
        raise _malformed(where, "must be like 30m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def _name(table: Mapping[str, object], key: str, where: str, default: str) -> str:
    value = _text_or(table, key, where, default)
    if not is_token(value):
        raise _malformed(where + key, "must be an id of 1 to 64 characters a-z 0-9 . _ -")
    return value


def _number(table: Mapping[str, object], key: str, where: str, high: int = MAX_MONEY) -> int | None:
    return _whole(table[key], where + key, high) if key in table else None


def _whole(value: object, where: str, high: int = MAX_MONEY) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        raise _malformed(where, f"must be a whole number from 0 to {high}")
    return value


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    if key not in table:
        raise _malformed(where + key, "is missing")
    value = table[key]
    if not isinstance(value, str):
        raise _malformed(where + key, "must be text in quotes")
    return value


def _text_or(table: Mapping[str, object], key: str, where: str, default: str) -> str:
    return _text(table, key, where) if key in table else default


def _known(table: Mapping[str, object], keys: set[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise _malformed(where + safe(key, 80), f"is no key here; the keys are {', '.join(sorted(keys))}")


def _malformed(key: str, problem: str) -> Malformed:
    return Malformed("policy-cases-malformed", f"{key} {problem}".strip(), key=key)
