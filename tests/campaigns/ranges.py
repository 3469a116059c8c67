"""Which cases were run, as ranges: `0..99, 200..299`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Ranges = tuple[tuple[int, int], ...]
"""First and last case, both included; in order, apart."""


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def size(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)


def holes(done: Ranges) -> Iterator[tuple[int, int | None]]:
    """What is not in `done`, from case 0 on; the last hole is endless (None)."""
    at = 0
    for first, last in done:
        if at < first:
            yield at, first - 1
        at = last + 1
    yield at, None


def written(ranges: Ranges) -> str:
    return ", ".join(f"{first}..{last}" for first, last in ranges) or "-"


def read(text: str) -> Ranges:
    if text == "-":
        return ()
    pairs = [part.split("..") for part in text.split(", ")]
    return merged((int(first), int(last)) for first, last in pairs)
