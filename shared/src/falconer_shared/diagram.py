"""A verified transaction as a picture in plain text: what flows in, what flows out, what is left to the fee.

    60,000 sats  receive 3 ──┐
    50,000 sats  receive 5 ──┤
                             ├─► 70,000 sats  pays supplier
                             │                bcrt1q...
                             ├─► 39,000 sats  back to change 2
                             └─►  1,000 sats  fee

The lines hold printable characters and the strokes below, nothing else: whatever was not made by ourselves is
escaped and cut (A117-A119). Every payment is drawn, with its whole address in one piece (A122, A125); only
coins and change of ours are summed up where there are many. No colour, no width: that is for whoever prints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from falconer_shared.text import safe
from falconer_shared.units import grouped
from falconer_shared.verify.transaction import VerifiedTransaction

MAX_OWN: Final = 12
"""Own coins, and own outputs, that are drawn one by one. Above it the last line sums up the rest: they are
listed whole elsewhere, and forty lines of our own coins would push the payments off the screen (A125).
"""

MAX_NAME: Final = 40
"""Characters of a name from an address book."""

_MAX_ADDRESS: Final = 120
"""Characters of an address; the longest real one has 90 (BIP 173)."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """The lines of a picture: `turn` first coin, `join` further ones, `arrow` to an output, `last` to the fee."""

    turn: str
    join: str
    arrow: str
    last: str
    bar: str


UNICODE: Final = Strokes(" ──┐", " ──┤", "├─► ", "└─► ", "│")
ASCII: Final = Strokes(" --+", " --+", "+-> ", "+-> ", "|")
"""For terminals that know no other letters."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One line of the picture: satoshis, and where they come from or go to. `address` only where it is shown."""

    sats: int
    what: str
    address: str | None = None


def diagram(
    verified: VerifiedTransaction, name_of: Callable[[str], str | None], strokes: Strokes = UNICODE
) -> tuple[str, ...]:
    """The picture of a verified transaction. `name_of` gives the address book's name of an address, or None."""
    sources = [Flow(int(item.amount), item.place.text()) for item in verified.inputs]
    payments, own = [], []
    for output in verified.outputs:
        if output.place is None:
            name = name_of(output.address)
            what = "pays an address without a name" if name is None else f"pays {safe(name, MAX_NAME)}"
            payments.append(Flow(int(output.amount), what, output.address))
        else:
            own.append(Flow(int(output.amount), f"back to {output.place.text()}"))
    return drawing(sources, payments, own, int(verified.fee), strokes)


def drawing(
    sources: Sequence[Flow],
    payments: Sequence[Flow],
    own: Sequence[Flow],
    fee: int,
    strokes: Strokes = UNICODE,
) -> tuple[str, ...]:
    """The picture of these flows, payments before what comes back.

    Raises:
        ValueError: nothing flows in, or what flows in is not what flows out: a picture that lies is not drawn.
    """
    targets = [*payments, *_summed(own, "outputs of our own"), Flow(fee, "fee")]
    if not sources or sum(each.sats for each in sources) != sum(each.sats for each in targets):
        raise ValueError("inputs and outputs with the fee do not add up")
    left = _lines(_summed(sources, "coins of our own"))
    wide = max(map(len, left))
    lines = [f"{line:<{wide}}{strokes.join if number else strokes.turn}" for number, line in enumerate(left)]
    # the bar stands under the last stroke of the coins
    indent = " " * (wide + len(strokes.turn) - 1)
    drawn = _lines(targets)
    amount = len(drawn[0]) - len(drawn[0].lstrip()) + len(grouped(targets[0].sats))
    for number, (target, line) in enumerate(zip(targets, drawn, strict=True)):
        final = number == len(targets) - 1
        lines.append(f"{indent}{strokes.last if final else strokes.arrow}{line}")
        if target.address is not None:
            gap = " " * (len(strokes.arrow) - 1 + amount + 2)
            lines.append(f"{indent}{' ' if final else strokes.bar}{gap}{safe(target.address, _MAX_ADDRESS)}")
    return tuple(lines)


def _summed(flows: Sequence[Flow], of: str) -> list[Flow]:
    if len(flows) <= MAX_OWN:
        return list(flows)
    rest = flows[MAX_OWN - 1 :]
    return [*flows[: MAX_OWN - 1], Flow(sum(each.sats for each in rest), f"{len(rest)} more {of}")]


def _lines(flows: Sequence[Flow]) -> list[str]:
    """Amounts under amounts, then the words, all padded on the left only."""
    wide = max(len(grouped(each.sats)) for each in flows)
    return [f"{grouped(each.sats):>{wide}}  {safe(each.what, 2 * MAX_NAME)}" for each in flows]
