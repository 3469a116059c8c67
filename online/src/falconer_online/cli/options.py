"""What many commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from falconer_online.cli.session import Session
from falconer_shared.canonical import parse_time
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

P = ParamSpec("P")
R = TypeVar("R")

FILE = click.Path(path_type=Path)

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])\Z", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _set_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    session = ctx.find_object(Session)
    if session is not None:
        session.json = value


def json_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--json` for a command that reports."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_json,
        help="One JSON document on standard output.",
    )(function)


def parse_expiry(text: str, now: int) -> int:
    """`30m`, `24h`, `7d`, or a time like 2026-01-31T09:30:00Z, as seconds since 1970.

    Raises:
        UsageError: `proposal-expires`.
    """
    match = _DURATION.match(text)
    if match:
        return now + int(match[1]) * _SECONDS[match[2]]
    try:
        return parse_time(text)
    except ValueError:
        raise UsageError(
            "proposal-expires",
            f"'{safe(text, 40)}' is neither a duration like 24h nor a time like 2026-01-31T09:30:00Z",
        ) from None


def parse_moment(text: str, now: int) -> int:
    """A day `2026-01-31` (its beginning, UTC), a time, or `7d` for so long ago, as seconds since 1970.

    Raises:
        UsageError: `time-malformed`.
    """
    match = _DURATION.match(text)
    if match:
        return max(0, now - int(match[1]) * _SECONDS[match[2]])
    try:
        return parse_time(f"{text}T00:00:00Z" if _DAY.match(text) else text)
    except ValueError:
        raise UsageError(
            "time-malformed",
            f"'{safe(text, 40)}' is neither a day like 2026-01-31, a time like 2026-01-31T09:30:00Z, nor 7d for so long ago",
        ) from None


def shown(path: Path) -> str:
    """A file name as it is shown."""
    return safe(str(path))


def psbt_version_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--psbt-version` for a command that hands a PSBT out; None where nobody asked."""

    def number(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
        return None if value is None else int(value)

    return click.option(
        "--psbt-version",
        type=click.Choice(["0", "2"]),
        callback=number,
        help="Version of the PSBT: 0, which every signer reads (default), or 2 (BIP 370).",
    )(function)
