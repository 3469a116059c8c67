"""Times for people: in the zone of the person at the machine (`TZ`, or what the system is set to), with UTC beside."""

from __future__ import annotations

import time

from falconer_shared.canonical import format_time
from falconer_shared.text import safe


def when(seconds: int) -> str:
    """`2026-11-22 12:49:12 CET (11:49:12Z)`; the one spelling of UTC where that is the zone.

    The date stands in the brackets too where UTC has another one.
    """
    utc = format_time(seconds)
    local = time.localtime(seconds)
    if not local.tm_gmtoff:
        return utc
    shown = time.strftime("%Y-%m-%d %H:%M:%S", local)
    beside = utc if utc[:10] != shown[:10] else utc[11:]
    return f"{shown} {_zone(local)} ({beside})"


def _zone(local: time.struct_time) -> str:
    """Its name where it has one, else its distance."""
    name = safe(local.tm_zone or "", 12)
    if name.isalpha():
        return name
    hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
    return f"{'-' if local.tm_gmtoff < 0 else '+'}{hours:02d}:{minutes:02d}"
