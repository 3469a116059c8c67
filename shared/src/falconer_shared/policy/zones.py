"""Local time of the policy's zone, from the time zone database that is installed with this program.

The system's own database is never asked: both sides must come to one answer, and an amnesic laptop may have none, or one from
years ago. From UTC to local time there is exactly one answer at every second, in the hour that a change to summer time skips and
in the hour that the change back repeats: nothing here has to guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from falconer_shared.errors import Malformed
from falconer_shared.text import safe

_PART = re.compile(r"[A-Za-z0-9_+-]{1,32}\Z", re.ASCII)
"""One part of a name. No dot: it cannot climb out of the database, and none of its files that are no zone has such a name."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKEND = frozenset({"saturday", "sunday"})


@dataclass(frozen=True, slots=True)
class LocalTime:
    """What a clock on the wall shows: minutes since midnight, 0 to 1439, and the day of the week."""

    minute: int
    weekday: str

    @property
    def text(self) -> str:
        """`09:30`."""
        return f"{self.minute // 60:02d}:{self.minute % 60:02d}"


def local_time(name: str, now: int) -> LocalTime:
    """The local time of a zone at `now`, seconds since 1970.

    Raises:
        Malformed: `policy-timezone-unknown`.
    """
    local = datetime.fromtimestamp(now, UTC).astimezone(load(name))
    return LocalTime(local.hour * 60 + local.minute, WEEKDAYS[local.weekday()])


@lru_cache(maxsize=16)
def load(name: str) -> tzinfo:
    """The zone of that name.

    Raises:
        Malformed: `policy-timezone-unknown`.
    """
    # 15 ms, and only a policy with hours or weekends needs them
    from importlib.resources import files  # noqa: PLC0415
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    parts = name.split("/")
    try:
        if not all(_PART.match(part) for part in parts):
            raise FileNotFoundError(name)
        with files("tzdata").joinpath("zoneinfo", *parts).open("rb") as file:
            # from the opened file: by name, ZoneInfo would look at the system's database first
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        raise Malformed(
            "policy-timezone-unknown",
            f"no time zone is called '{safe(name, 120)}'",
            remedy="write it as in Europe/Berlin, America/New_York or UTC",
        ) from None


def minutes(text: str) -> int:
    """Minutes since midnight of a time of day that `values` accepted, such as `09:30`."""
    return int(text[:2]) * 60 + int(text[3:])
