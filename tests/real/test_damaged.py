"""Whole messages through damaged pictures: what is spoilt costs itself, and the rest makes the payload."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from falconer_shared.crossing.choice import DENSITIES, Choice
from falconer_shared.qr.client import Scanner
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.receive import Receiver
from tests.shared.qr.conftest import scanner
from tests.support import frames, pictures
from tests.support.film import drawn

__all__ = ["scanner"]

PSBT = frames.psbt(1200)
SIZES = {480: (640, "low"), 720: (1280, "high")}
"""Lines, columns, and the density that is named for such a camera."""


def filmed(height: int, signer: str, count: int) -> list[pictures.Picture]:
    """The first codes of a session, each as large as it fits into a picture of so many lines."""
    width, density = SIZES[height]
    plan = Choice(signer=signer, density=DENSITIES[density]).plan(PSBT, Kind.PSBT)
    texts = plan.make(plan.version).frames()
    codes = drawn(text for text, _ in zip(texts, range(count), strict=False))
    return [pictures.on_screen(pictures.grey(code.png(5)), height, width) for code in codes]


def received(scanner: Scanner, shown: Iterator[pictures.Picture] | list[pictures.Picture]) -> Received | None:
    receiver = Receiver()
    for picture in shown:
        for code in scanner.read(pictures.jpeg(picture)):
            progress = receiver.feed(code)
            assert progress.refusal is None
            if progress.received is not None:
                return progress.received
    return None


@pytest.mark.parametrize("signer", ["falconer", "coldcard"])
@pytest.mark.parametrize("height", SIZES)
@pytest.mark.parametrize("damage", pictures.DAMAGES)
def test_a_message_in_pictures_that_are_all_damaged_alike(
    damage: str, height: int, signer: str, scanner: Scanner
) -> None:
    shown = (pictures.DAMAGES[damage](picture) for picture in filmed(height, signer, 12))
    found = received(scanner, shown)
    assert found is not None
    assert found.data == PSBT


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("height", SIZES)
def test_torn_dropped_and_repeated_pictures_of_one_session(height: int, seed: int, scanner: Scanner) -> None:
    """Every picture may be torn against the next one, be missing, come again later, and be damaged in some way of its own."""
    chance = random.Random(seed)
    whole = filmed(height, "sparrow", 40)
    shown: list[pictures.Picture] = []
    for number, picture in enumerate(whole):
        fate, taken = chance.random(), picture.copy()
        if fate < 0.15:
            continue
        if fate < 0.35:
            line = chance.randrange(height // 4, height * 3 // 4)
            taken[line:] = whole[(number + 1) % len(whole)][line:]
        shown += [chance.choice(list(pictures.DAMAGES.values()))(taken)] * chance.choice((1, 1, 2))
    for _ in range(6):
        shown.insert(chance.randrange(len(shown)), chance.choice(shown))
    found = received(scanner, shown)
    assert found is not None
    assert found.data == PSBT


def test_a_picture_without_its_quiet_zone_or_half_of_it_costs_itself(scanner: Scanner) -> None:
    shown = filmed(720, "coldcard", 4)
    cut = [picture[:, : picture.shape[1] // 2] for picture in shown]
    assert [scanner.read(pictures.jpeg(picture)) for picture in cut] == [[]] * len(cut)
    found = received(scanner, [*cut, *map(pictures.torn, shown), *shown])
    assert found is not None
    assert found.data == PSBT
