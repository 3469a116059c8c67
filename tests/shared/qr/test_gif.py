"""Animations: another program's reader must see every code, in order, for the time asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.errors import UsageError
from falconer_shared.qr import gif
from falconer_shared.qr.draw import Code, draw

TEXTS = [f"UR:BYTES/{number}-7/LPADAMCFAO{'AEHSKN' * (20 + number)}" for number in range(1, 8)]


def codes(texts: list[str]) -> list[Code]:
    version = max(draw(text).version for text in texts)
    return [draw(text, at_least=version) for text in texts]


def frames_of(data: bytes, folder: Path) -> tuple[list[cv2.typing.MatLike], float]:
    """Every frame and the frames a second, as FFmpeg's reader has them."""
    (folder / "a.gif").write_bytes(data)
    video = cv2.VideoCapture(str(folder / "a.gif"))
    frames = []
    while (got := video.read())[0]:
        frames.append(got[1])
    return frames, video.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("scale", [1, 3, gif.SCALE, 12])
def test_every_code_is_read_again_in_order(scale: int, tmp_path: Path) -> None:
    frames, _rate = frames_of(gif.animation(codes(TEXTS), 8, scale), tmp_path)
    if scale == 1:
        # one pixel a module is for a printer, not for a reader
        frames = [cv2.resize(frame, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST) for frame in frames]
    assert [zxingcpp.read_barcodes(frame)[0].text for frame in frames] == TEXTS


@pytest.mark.parametrize(("asked", "got"), [(1, 1.0), (8, 100 / 12), (20, 20.0), (50, 50.0), (100, 50.0)])
def test_frames_stand_for_the_time_asked_and_never_too_short(asked: int, got: float, tmp_path: Path) -> None:
    _frames, rate = frames_of(gif.animation(codes(TEXTS), asked), tmp_path)
    assert rate == pytest.approx(got, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 1), min_size=21, max_size=21), min_size=21, max_size=21))
def test_every_pattern_survives_the_compression(
    rows: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    code = Code(1, tuple(map(bytes, rows)))
    (frame,), _rate = frames_of(gif.animation([code], 5, 2), tmp_path_factory.mktemp("gif"))
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[::2, ::2]
    assert [bytes(row < 128) for row in grey] == code.bordered()


def test_the_table_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    """A picture of noise uses up the 4,096 codes more than once."""
    large = draw("X" * 3000)
    (frame,), _rate = frames_of(gif.animation([large], 5, 4), tmp_path)
    assert zxingcpp.read_barcodes(frame)[0].text == "X" * 3000


def test_an_animation_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        gif.animation([], 8)
    assert refused.value.rule == "qr-animation-empty"


def test_codes_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsageError) as refused:
        gif.animation([draw("A"), draw("A" * 200)], 8)
    assert refused.value.rule == "qr-animation-sizes"


def test_the_longest_animation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gif, "MAX_FRAMES", 3)
    assert gif.animation(codes(TEXTS[:3]), 8)
    with pytest.raises(UsageError) as refused:
        gif.animation(codes(TEXTS[:4]), 8)
    assert refused.value.rule == "qr-animation-too-long"
