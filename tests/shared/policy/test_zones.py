"""Local time out of the packaged database: changes to and from summer time, and that the system's is never asked."""

from __future__ import annotations

import os
import subprocess
import sys
from calendar import timegm

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.policy.zones import WEEKDAYS, WEEKEND, LocalTime, load, local_time, minutes


def at(year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    """Seconds since 1970 of a time in UTC."""
    return timegm((year, month, day, hour, minute, second))


@pytest.mark.parametrize(
    ("zone", "now", "clock", "day"),
    [
        ("UTC", 0, "00:00", "thursday"),
        ("UTC", at(2026, 12, 31, 23, 59, 59), "23:59", "thursday"),
        ("Europe/Berlin", at(2026, 7, 1, 12), "14:00", "wednesday"),
        ("Europe/Berlin", at(2026, 1, 1, 12), "13:00", "thursday"),
        # the day there is another than here
        ("Asia/Tokyo", at(2026, 1, 2, 15), "00:00", "saturday"),
        ("Pacific/Kiritimati", at(2026, 1, 2, 10), "00:00", "saturday"),
        ("America/Los_Angeles", at(2026, 1, 4, 7, 59), "23:59", "saturday"),
        # quarters of an hour, and signs that are the other way round than one thinks
        ("Asia/Kathmandu", at(2026, 1, 1, 0), "05:45", "thursday"),
        ("Etc/GMT+12", at(2026, 1, 1, 12), "00:00", "thursday"),
        # far beyond the table, where only the rule at its end speaks
        ("Europe/Berlin", at(2150, 7, 1, 12), "14:00", "wednesday"),
        ("Europe/Berlin", at(2150, 12, 1, 12), "13:00", "tuesday"),
    ],
)
def test_the_clock_on_the_wall(zone: str, now: int, clock: str, day: str):
    local = local_time(zone, now)
    assert (local.text, local.weekday) == (clock, day)
    assert local.minute == minutes(clock)


def test_the_hour_that_is_skipped_never_is():
    # Berlin, 29 March 2026: 01:59:59 is followed by 03:00:00
    change = at(2026, 3, 29, 1)
    assert local_time("Europe/Berlin", change - 1).text == "01:59"
    assert local_time("Europe/Berlin", change).text == "03:00"
    shown = {local_time("Europe/Berlin", change + second).text for second in range(-7200, 7200, 30)}
    assert not any(text.startswith("02:") for text in shown)


def test_the_hour_that_is_repeated_comes_twice():
    # Berlin, 25 October 2026: 02:59:59 is followed by 02:00:00
    change = at(2026, 10, 25, 1)
    for half_past in (change - 1800, change + 1800):
        assert local_time("Europe/Berlin", half_past).text == "02:30"
    assert local_time("Europe/Berlin", change - 1).text == "02:59"
    assert local_time("Europe/Berlin", change).text == "02:00"
    assert local_time("Europe/Berlin", change + 3600).text == "03:00"


def test_every_day_has_its_name():
    assert [local_time("UTC", at(2026, 6, day, 12)).weekday for day in range(1, 8)] == list(WEEKDAYS)
    assert {"saturday", "sunday"} == WEEKEND
    assert LocalTime(0, "monday").text == "00:00"
    assert LocalTime(1439, "monday").text == "23:59"


@pytest.mark.parametrize(
    "name",
    ["America", "Mars/Phobos", "", "../tzdata/zoneinfo/UTC", "./UTC", "/UTC", "UTC/", "tzdata.zi", "__init__", "Europe//Berlin",
     "europe/berlin", "\u0415urope/Berlin", "zone.tab", "A" * 33],
)  # fmt: skip
def test_what_is_no_zone_is_refused(name: str):
    with pytest.raises(Malformed) as caught:
        load(name)
    assert caught.value.rule == "policy-timezone-unknown"
    assert caught.value.remedy


def test_the_systems_database_is_never_asked(tmp_path):
    """A machine whose own Berlin lies in Tokyo, and whose environment says where that is."""
    lying = tmp_path / "Europe"
    lying.mkdir()
    program = "from falconer_shared.policy.zones import local_time; print(local_time('Europe/Berlin', 1800000000).text)"
    (tmp_path / "make.py").write_text(
        "from importlib.resources import files\n"
        "import sys\n"
        "open(sys.argv[1], 'wb').write(files('tzdata').joinpath('zoneinfo', 'Asia', 'Tokyo').read_bytes())\n"
    )
    subprocess.run([sys.executable, str(tmp_path / "make.py"), str(lying / "Berlin")], check=True)
    environment = {**os.environ, "PYTHONTZPATH": str(tmp_path), "TZ": "Asia/Tokyo", "TZDIR": str(tmp_path)}
    proof = (
        "from datetime import datetime; from zoneinfo import ZoneInfo;"
        "print(datetime.fromtimestamp(1800000000, ZoneInfo('Europe/Berlin')).hour)"
    )
    for source, said in ((proof, "17"), (program, "09:00")):
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.strip() == said
