"""Time that passes where nobody looks: a page, a passphrase, a clock."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline.session import MAX_REVIEW_SECONDS, sign_session
from falconer_shared.errors import SecretError, StateError
from falconer_shared.policy.windows import DAY_SECONDS
from tests.offline.office import NOW, Ring, Willing, small
from tests.support.refusal import refused


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class SlowRing(Ring):
    """A person who mistypes a passphrase and finds the right one `seconds` later, after the spend was reserved."""

    def __init__(self, office, clock: Clock, seconds: int) -> None:
        super().__init__(office)
        self.clock, self.seconds = clock, seconds

    def prepare(self, record):
        unlock = super().prepare(record)

        def later():
            self.clock.now += self.seconds
            return unlock()

        return later


def sign(office, data, clock, ring=None):
    return sign_session(office.state(), office.judge(data, clock()), Willing(), ring or Ring(office), clock)


def outcomes(office) -> list[str]:
    return [row[-1] for row in office.state().rows["spends"]]


@pytest.mark.parametrize("late", [MAX_REVIEW_SECONDS + 1, DAY_SECONDS + 1])
def test_a_passphrase_found_a_day_later_signs_nothing(office, late):
    """Else the entry would leave its day as soon as its signature is made, and the limit could be used twice at once."""
    clock = Clock()
    with refused("review-too-old", StateError):
        sign(office, office.request(), clock, SlowRing(office, clock, late))
    assert outcomes(office) == ["released"]


def test_a_passphrase_found_in_time_signs(office):
    clock = Clock()
    sign(office, office.request(), clock, SlowRing(office, clock, MAX_REVIEW_SECONDS))
    assert outcomes(office) == ["signed"]


def test_an_intent_that_expires_while_the_passphrase_is_looked_for(office):
    clock = Clock()
    data = office.request(alter_intent=lambda intent: dataclasses.replace(intent, expires=NOW + 100))
    with refused("review-too-old", StateError):
        sign(office, data, clock, SlowRing(office, clock, 100))
    assert outcomes(office) == ["released"]


def test_a_clock_set_back_gives_nothing_back(office):
    """Four payments fill the day. Whatever the clock says afterwards, a fifth waits its whole day."""
    clock = Clock()
    for number in range(4):
        sign(office, office.request(small(office.wallet, number)), clock)
    for now in (NOW - 1, NOW - DAY_SECONDS, 0):
        with refused("clock-behind-journal", StateError):
            office.judge(office.request(small(office.wallet, 4), now=NOW), now)
    with refused("policy-daily-limit"):
        office.judge(office.request(small(office.wallet, 4)), NOW + DAY_SECONDS - 1)


def test_a_refused_key_after_the_clock_went_back_leaves_the_reservation(office):
    """It cannot be taken back at a time before it was made, and then it counts: the safe side."""
    clock = Clock()

    class Backwards(Ring):
        def prepare(self, record):
            def unlock():
                clock.now = NOW - 5
                raise SecretError("passphrase-wrong", "no")

            return unlock

    with refused("clock-behind-journal", StateError):
        sign(office, office.request(), clock, Backwards(office))
    assert outcomes(office) == ["reserved"]


def office_hours(office, now: int) -> None:
    """Nothing after 08:00 UTC: NOW is 08:00:00 exactly, so 59 seconds are left."""
    hours = {"allowed_hours_start": "06:00", "allowed_hours_end": "08:00", "allowed_timezone": "UTC"}
    draft = dataclasses.replace(office.draft, version=2, rules={**office.draft.rules, **hours})
    office.install(draft, now)
    office.draft = draft


@pytest.mark.parametrize(("late", "signs"), [(59, True), (60, False)])
@pytest.mark.parametrize("where", ["page", "passphrase"])
def test_hours_are_those_of_the_signature_and_not_of_the_page(office, late, signs, where):
    """A page opened before the end of the day was good for another hour."""
    office_hours(office, NOW)
    clock = Clock()
    judged = office.judge(office.request(), NOW)

    class Slow(Willing):
        def total(self, expected):
            clock.now += late

    person = Slow() if where == "page" else Willing()
    ring = Ring(office) if where == "page" else SlowRing(office, clock, late)
    if signs:
        sign_session(office.state(), judged, person, ring, clock)
        assert outcomes(office) == ["signed"]
        return
    with refused("policy-hours-after-end"):
        sign_session(office.state(), judged, person, ring, clock)
    assert outcomes(office) == ([] if where == "page" else ["released"])
