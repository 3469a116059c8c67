"""Times for people: in the operator's own zone, with UTC beside it. JSON, files and logs hold UTC alone."""

from __future__ import annotations

from datetime import UTC, datetime

from falconer_shared.canonical import parse_time


def local(seconds: int) -> str:
    """`2026-01-31 10:30:00 CET (09:30:00 UTC)`; in UTC only that."""
    utc = datetime.fromtimestamp(seconds, UTC)
    here = utc.astimezone()
    if here.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    other = f"{utc:%H:%M:%S}" if here.date() == utc.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
    return f"{here:%Y-%m-%d %H:%M:%S %Z} ({other} UTC)"


def short(seconds: int) -> str:
    """`01-31 10:30`, in the operator's zone, with the year where it is another than this one: for tables."""
    here = datetime.fromtimestamp(seconds, UTC).astimezone()
    this_year = datetime.now(UTC).astimezone().year
    return f"{here:%m-%d %H:%M}" if here.year == this_year else f"{here:%Y-%m-%d %H:%M}"


def local_of(text: str) -> str:
    """The same of a time as our own records spell it."""
    return local(parse_time(text))
