"""A payload's codes as files: numbered pictures, an animated GIF, a page for a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from falconer_shared.errors import UsageError
from falconer_shared.qr import gif
from falconer_shared.qr.draw import Code, draw
from falconer_shared.qr.page import Density, page
from falconer_shared.transport.send import Sending

PICTURE_SCALE: Final = 8
"""Pixels of a module in a written picture."""

PAGE_VERSIONS: Final = (10, 15, 20, 25, 32)
"""The densities that a page offers, as far as the payload fits them."""

EXTRA: Final = 2
"""A loop of a fountain holds one part in so many besides the parts needed, so that a receiver who missed some
need not wait for the same ones to come round again.
"""

Tell = Callable[[int, int], object]
"""Told how many codes of how many are drawn."""


def _untold(_done: int, _total: int) -> None:
    """Nobody is waiting."""


def pictures(
    sending: Sending, tell: Tell = _untold, *, vector: bool = False, scale: int = PICTURE_SCALE
) -> Iterator[tuple[str, bytes]]:
    """Every part that is needed, as the name and content of a PNG or SVG file, in order."""
    digits = max(3, len(str(sending.n)))
    for number, code in enumerate(_codes(sending, sending.n, tell), 1):
        if vector:
            yield f"frame-{number:0{digits}}.svg", code.svg().encode("ascii")
        else:
            yield f"frame-{number:0{digits}}.png", code.png(scale)


def animation(
    sending: Sending, frames_per_second: int, tell: Tell = _untold, scale: int = gif.SCALE
) -> bytes:
    """One round of the codes as an animated GIF, which begins again for ever.

    Raises:
        UsageError: `qr-animation-too-long`.
    """
    return gif.animation(list(_codes(sending, _round(sending), tell)), frames_per_second, scale)


def browser_page(
    title: str, make: Callable[[int], Sending], version: int, frames_per_second: int, tell: Tell = _untold
) -> str:
    """A page with the codes in several densities; it begins with the one of `version`.

    Raises:
        UsageError: `qr-animation-too-long`, `qr-payload-too-large`.
    """
    densities: list[Density] = []
    first = 0
    for choice in sorted({*PAGE_VERSIONS, version}):
        try:
            sending = make(choice)
        except UsageError:
            if choice == version:
                raise
            continue
        if densities and sending.n == len(densities[-1].codes) == 1:
            # one code is one code, however large it may be
            continue
        if choice == version:
            first = len(densities)
        name = f"{sending.n} codes of version {choice}" if sending.n > 1 else "one code"
        densities.append(Density(name, list(_codes(sending, _round(sending), tell))))
    return page(title, densities, frames_per_second, first)


def _round(sending: Sending) -> int:
    if sending.n == 1 or sending.dialect != "ur":
        return sending.n
    return min(sending.n + -(-sending.n // EXTRA), gif.MAX_FRAMES)


def _codes(sending: Sending, count: int, tell: Tell) -> Sequence[Code]:
    """The first codes, all of one size."""
    texts = list(islice(sending.frames(), count))
    codes: list[Code] = []
    version = 1
    for number, text in enumerate(texts, 1):
        code = draw(text, at_least=version)
        if code.version > version:
            # the sizes of parts differ by a digit of their number
            codes = [draw(earlier, at_least=code.version) for earlier in texts[: number - 1]]
            version = code.version
        codes.append(code)
        tell(number, count)
    return codes
