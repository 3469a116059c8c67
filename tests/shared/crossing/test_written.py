"""Codes as files, read back by another program's reader."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import cv2
import pytest
import zxingcpp

from falconer_shared.crossing import written
from falconer_shared.crossing.choice import Choice, Plan
from falconer_shared.errors import UsageError
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Spelling
from tests.support.pictures import grey
from tests.support.refusal import refused

PSBT = b"psbt\xff" + random.Random(1).randbytes(3000)


def plan(payload: bytes = PSBT, spelling: Spelling = Spelling.UR) -> Plan:
    return Choice(spelling=spelling).plan(payload, Kind.PSBT)


def received(texts: list[str]) -> bytes:
    receiver = Receiver()
    for text in texts:
        if (done := receiver.feed(text).received) is not None:
            return done.data
    raise AssertionError("not whole")


def test_pictures_have_one_size_and_numbers() -> None:
    sending = plan().make(10)
    told: list[tuple[int, int]] = []
    files = dict(written.pictures(sending, lambda *each: told.append(each)))
    assert list(files) == [f"frame-{number:03}.png" for number in range(1, sending.n + 1)]
    assert told == [(number, sending.n) for number in range(1, sending.n + 1)]
    pictures = [grey(data) for data in files.values()]
    assert len({picture.shape for picture in pictures}) == 1
    assert received([zxingcpp.read_barcodes(picture)[0].text for picture in pictures]) == PSBT


def test_vector_pictures_show_the_same_modules() -> None:
    sending = plan().make(10)
    files = dict(written.pictures(sending, vector=True))
    assert next(iter(files)) == "frame-001.svg"
    assert len(files) == sending.n
    sides = {re.search(rb'viewBox="0 0 (\d+) \1"', data)[1] for data in files.values()}  # type: ignore[index]
    assert len(sides) == 1


@pytest.mark.parametrize(("spelling", "extra"), [(Spelling.UR, True), (Spelling.BBQR, False)])
def test_an_animation_is_one_round_and_a_fountains_has_more(
    spelling: Spelling, extra: bool, tmp_path: Path
) -> None:
    sending = plan(spelling=spelling).make(10)
    (tmp_path / "a.gif").write_bytes(written.animation(sending, 10))
    video = cv2.VideoCapture(str(tmp_path / "a.gif"))
    texts = []
    while (got := video.read())[0]:
        texts.append(zxingcpp.read_barcodes(got[1])[0].text)
    assert len(texts) == sending.n + (-(-sending.n // 2) if extra else 0)
    assert received(texts) == PSBT
    if extra:
        # what a receiver missed comes from the further parts
        assert received(texts[2:]) == PSBT


def test_a_page_offers_densities_and_begins_with_the_one_asked_for() -> None:
    page = written.browser_page("pay-1", plan().make, 15, 8)
    data = json.loads(re.search(r'id="frames">(.*?)</script>', page)[1])  # type: ignore[index]
    counts = [len(density["frames"]) for density in data["densities"]]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == len(set(counts)) == 5
    sending = plan().make(15)
    assert counts[data["first"]] == sending.n + -(-sending.n // 2)


def test_a_page_of_one_code_offers_no_densities() -> None:
    page = written.browser_page("pay-1", plan(b"psbt\xff" + bytes(50)).make, 20, 8)
    assert page.count("<option") == 1


def test_a_page_leaves_out_densities_that_do_not_hold_it() -> None:
    made = []

    def make(version: int):
        if version < 20:
            raise UsageError("qr-payload-too-large", "too small")
        made.append(version)
        return plan(PSBT).make(version)

    assert written.browser_page("pay-1", make, 20, 8)
    assert made == [20, 25, 32]
    with refused("qr-payload-too-large", UsageError):
        written.browser_page("pay-1", make, 15, 8)
