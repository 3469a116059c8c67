"""How codes are to be sent, as a person says it: a density, a rate, a dialect, or the name of a receiver."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from falconer_shared.encoding.capacity import MAX_VERSION
from falconer_shared.errors import UsageError
from falconer_shared.qr.show import FASTEST, FRAMES_PER_SECOND, SLOWEST
from falconer_shared.text import safe
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.profiles import Form, route
from falconer_shared.transport.send import Sending, Spelling, Way, check_carried, send

AUTO: Final = "auto"

OURSELVES: Final = "falconer"
"""The other side of the gap is the other program."""

DENSITIES: Final = {"low": 12, "medium": 20, "high": 25, "highest": 35}
"""Names for versions: what cameras of 480, 720 (with room to spare), 720 and 1080 lines read, at five camera
pixels a module (BASELINES).
"""

MANY_CODES: Final = 60
"""From here on, between two Falconers, codes are as dense as a camera of 720 lines reads: five seconds at twelve a second."""

_LARGER: Final = (25, 30, 35, MAX_VERSION)
"""What comes next where the usual version does not hold the payload at all: dialects of one code. A code that stands
still may have smaller modules than codes that change.
"""

_NUMBER: Final = re.compile(r"[1-9][0-9]?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show: `make` cuts the payload for codes of at most a version, `version` is the one to begin with."""

    make: Callable[[int], Sending]
    version: int
    frames_per_second: int


@dataclass(frozen=True, slots=True)
class Choice:
    """For which signer, and what of its usual ways is to be another: None leaves it. `label` is a wallet's name."""

    signer: str = OURSELVES
    spelling: Spelling | None = None
    density: int | None = None
    frames_per_second: int | None = None
    type_name: str | None = None
    label: str = ""

    def form(self) -> Form:
        """In which form the signer wants a wallet.

        Raises:
            UsageError: `signer-unknown`, `signer-cannot-take`.
        """
        return Form.DESCRIPTOR if self.spelling is not None else route(self.signer, Kind.DESCRIPTOR).form

    def plan(self, payload: bytes, kind: Kind) -> Plan:
        """How this payload goes.

        Raises:
            UsageError: `signer-unknown`, `signer-cannot-take`, `send-kind-unsupported`.
        """
        way, rate = self._way(kind)
        # no size of codes helps a dialect that has no form for it, and whoever asks early wants to know
        check_carried(kind, way)

        def make(version: int) -> Sending:
            return send(payload, kind, replace(way, version=version))

        version = self.density or self._automatic(way.version, make)
        return Plan(make, version, self.frames_per_second or rate)

    def _automatic(self, usual: int, make: Callable[[int], Sending]) -> int:
        """The receiver's usual version, as far as it holds the payload."""
        for version, larger in pairwise((usual, *(larger for larger in _LARGER if larger > usual))):
            try:
                sending = make(version)
            except UsageError:
                # at the last one it is said
                usual = larger
                continue
            if self.signer == OURSELVES and self.spelling is None and sending.n > 1:
                dense = DENSITIES["high"]
                if sending.n >= MANY_CODES or make(dense).n == 1:
                    return dense
            return version
        return usual

    def _way(self, kind: Kind) -> tuple[Way, int]:
        if self.spelling is None:
            usual = route(self.signer, kind)
            way, rate = usual.way, usual.frames_per_second
        else:
            # said in so many words: whoever reads it is the person's business
            way, rate = Way(self.spelling, schedule=fountain.cyclic), FRAMES_PER_SECOND
        type_name = self.type_name if way.spelling is Spelling.UR and self.type_name else way.type_name
        return replace(way, type_name=type_name, label=self.label), rate


def parse_density(text: str) -> int | None:
    """A version of QR codes: by its number, by a name, or None for `auto`.

    Raises:
        UsageError: `qr-density`.
    """
    if text == AUTO:
        return None
    if text in DENSITIES:
        return DENSITIES[text]
    if _NUMBER.match(text) and int(text) <= MAX_VERSION:
        return int(text)
    raise UsageError(
        "qr-density",
        f"'{safe(text, 20)}' is no density",
        remedy=f"auto, {', '.join(DENSITIES)}, or a version of QR codes from 1 to {MAX_VERSION}",
    )


def parse_rate(text: str) -> int | None:
    """Codes a second, or None for `auto`.

    Raises:
        UsageError: `qr-rate`.
    """
    if text == AUTO:
        return None
    if _NUMBER.match(text) and SLOWEST <= int(text) <= FASTEST:
        return int(text)
    raise UsageError(
        "qr-rate", f"'{safe(text, 20)}' is no rate", remedy=f"auto, or {SLOWEST} to {FASTEST} codes a second"
    )
