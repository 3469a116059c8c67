"""Codes of many pictures, kept until all were looked at, within bounds."""

from __future__ import annotations

from typing import Final

from falconer_shared.errors import UsageError

MAX_GATHERED: Final = 16 * 1024 * 1024
"""Bytes of different codes of several messages: three of the longest that may be sent."""

MAX_SIGHTINGS: Final = 200_000
"""Codes of several messages, repeated ones too."""

Codes = list[bytes]
"""The texts of the codes in one picture."""


class Sightings:
    """The codes of many pictures in order. A video may claim hours of different ones."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._texts: dict[bytes, bytes] = {}
        self._size = 0
        self._last: Codes = []

    def add(self, codes: Codes) -> None:
        """Take the codes of the next picture. One that shows the same as the last is no further sighting.

        Raises:
            UsageError: `scan-too-many`.
        """
        if codes == self._last:
            return
        self._last = codes
        for code in codes:
            if code not in self._texts:
                self._texts[code] = code
                self._size += len(code)
            # the one object, however often it is seen
            self.frames.append(self._texts[code])
        if self._size > MAX_GATHERED or len(self.frames) > MAX_SIGHTINGS:
            raise UsageError(
                "scan-too-many",
                f"more than {MAX_GATHERED >> 20} MiB of codes, or {MAX_SIGHTINGS:,} of them, are too many for one scan",
                remedy="scan fewer pictures, or a shorter video",
            )
