"""The rules by name, and the one spelling of each value.

A rule's value is typed, so that a text can be refused before anything is judged by it: a limit that a program reads differently
from the administrator who signed it is worse than none. `-` is the value None: no limit.

The table holds every rule from the first format version on, and `rules` judges every one of them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from falconer_shared.text import is_token
from falconer_shared.units import MAX_MONEY

RuleValue = int | bool | str | tuple[str, ...] | None
"""What a rule may be set to; None is no limit."""

NO_LIMIT = "-"
"""The spelling of None."""

MAX_RATE = MAX_MONEY // 1000
"""Whole satoshis per virtual byte that a `FeeRate` can hold."""

MAX_COUNT = 1_000_000
"""Counts of proposals and confirmations: more is a slip of the pen."""

MAX_SECONDS = 366 * 86_400
"""Intervals: a year."""

MAX_HOURS = 366 * 24
"""Intervals in hours: a year."""

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_HOUR = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z", re.ASCII)
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}\Z", re.ASCII)


class Kind(enum.Enum):
    """How a value is typed. The value of the member is how it is described to a person."""

    SATS = "a whole number of satoshis"
    RATE = "a whole number of satoshis per virtual byte"
    COUNT = "a whole number"
    SECONDS = "a whole number of seconds, at most a year"
    HOURS = "a whole number of hours, at most a year"
    PERCENT = "a whole number from 0 to 100"
    HOUR = "a time of day like 09:30"
    ZONE = "a time zone like Europe/Berlin"
    YES_NO = "yes or no"
    NAMES = "names of addresses, sorted and separated by commas"


RULES: Mapping[str, Kind] = {
    "ai_decision_interval_seconds": Kind.SECONDS,
    "allowed_destinations": Kind.NAMES,
    "allowed_hours_end": Kind.HOUR,
    "allowed_hours_start": Kind.HOUR,
    "allowed_timezone": Kind.ZONE,
    "auto_approve_new_strategies": Kind.YES_NO,
    "consolidate_below_fee_rate": Kind.RATE,
    "denied_destinations": Kind.NAMES,
    "funding_proposal_expiry_hours": Kind.HOURS,
    "funding_proposal_max_pending": Kind.COUNT,
    "funding_proposal_threshold_sats": Kind.SATS,
    "human_approval_threshold_sats": Kind.SATS,
    "max_daily_proposals": Kind.COUNT,
    "max_daily_spend_sats": Kind.SATS,
    "max_destination_spend_sats": Kind.SATS,
    "max_fee_percent": Kind.PERCENT,
    "max_fee_rate_sats_per_vbyte": Kind.RATE,
    "max_fee_sats": Kind.SATS,
    "max_mempool_congestion_percent": Kind.PERCENT,
    "max_single_tx_sats": Kind.SATS,
    "max_weekly_spend_sats": Kind.SATS,
    "min_change_value_sats": Kind.SATS,
    "min_confirmations": Kind.COUNT,
    "no_address_reuse": Kind.YES_NO,
    "weekend_operations": Kind.YES_NO,
}
"""Every rule in alphabetical order, which is the order of the canonical text, of verdicts and of receipts."""


APPROVAL_RULES = frozenset(
    {"auto_approve_new_strategies", "funding_proposal_threshold_sats", "human_approval_threshold_sats"}
)
"""The rules that a quorum's approval satisfies; all others stand whoever approves."""

_HIGHEST: Mapping[Kind, int] = {
    Kind.SATS: MAX_MONEY,
    Kind.RATE: MAX_RATE,
    Kind.COUNT: MAX_COUNT,
    Kind.SECONDS: MAX_SECONDS,
    Kind.HOURS: MAX_HOURS,
    Kind.PERCENT: 100,
}
"""The kinds that are numbers, with their inclusive upper bounds; all start at 0."""

_PATTERNS: Mapping[Kind, re.Pattern[str]] = {Kind.HOUR: _HOUR, Kind.ZONE: _ZONE}
"""The kinds that are text of one form."""


def write_value(value: RuleValue) -> str:
    """The spelling of a value that `check_value` accepted."""
    if value is None:
        return NO_LIMIT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def read_value(kind: Kind, text: str) -> RuleValue:
    """The inverse of `write_value`.

    Raises:
        ValueError: any other spelling; the message says what was expected.
    """
    if text == NO_LIMIT:
        return None
    value: object = text
    # what is not in the one spelling stays text, which check_value then refuses for this kind
    if kind in _HIGHEST and _DECIMAL.match(text):
        value = int(text)
    elif kind is Kind.YES_NO:
        value = {"yes": True, "no": False}.get(text, text)
    elif kind is Kind.NAMES:
        value = tuple(text.split(","))
    return check_value(kind, value)


def check_value(kind: Kind, value: object) -> RuleValue:
    """The value, if it is of the right type and in range; None is no limit.

    Raises:
        ValueError: it is not; the message says what was expected.
    """
    match value:
        case None:
            return None
        case bool() if kind is Kind.YES_NO:
            return value
        # bool is a subclass of int: True must not pass for 1
        case int() if kind in _HIGHEST and not isinstance(value, bool) and 0 <= value <= _HIGHEST[kind]:
            return value
        case str() if kind in _PATTERNS and _PATTERNS[kind].match(value):
            return value
        case tuple() if kind is Kind.NAMES:
            return _check_names(value)
    raise ValueError(f"must be {kind.value}")


def _check_names(value: tuple[object, ...]) -> tuple[str, ...]:
    names = tuple(name for name in value if isinstance(name, str) and is_name(name))
    # an empty list would be an allow-list that allows nothing or a slip of the pen: say it in another way
    if not names or names != value or names != tuple(sorted(set(names))):
        raise ValueError(f"must be {Kind.NAMES.value}, at least one")
    return names


def is_name(text: str) -> bool:
    """Whether `text` can name a person, group, machine or address: a token, and not the sign for no limit."""
    return is_token(text) and text != NO_LIMIT
