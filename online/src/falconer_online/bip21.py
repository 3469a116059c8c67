"""Payment URIs (BIP 21; upper case as in QR codes), read strictly (A121).

What a URI asks for and we do not do is refused where it says that it is required (`req-`), and named where it
is not. One spelling of an amount, nothing twice, nothing hidden in percent signs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from falconer_online.build import Payee
from falconer_online.paying import AddressBook
from falconer_shared.errors import UsageError
from falconer_shared.text import safe
from falconer_shared.units import COIN, MAX_MONEY, Amount

MAX_URI: Final = 2000
"""Characters of a URI; a QR code of the size that shops show holds fewer."""

_URI: Final = re.compile(r"bitcoin:([A-Za-z0-9]+)(?:\?(.*))?\Z", re.ASCII | re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(
    r"([A-Za-z0-9*_.~-]+)=((?:[A-Za-z0-9._~!$'()*+,;:@/?=-]|%[0-9A-Fa-f]{2})*)\Z", re.ASCII
)
_AMOUNT: Final = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,8}))?\Z", re.ASCII)
_KNOWN: Final = frozenset({"amount", "label", "message"})


@dataclass(frozen=True, slots=True)
class PaymentUri:
    """A payment with the sender's words, as untrusted as any text, and the names of what was passed over."""

    payee: Payee
    label: str
    message: str
    passed_over: tuple[str, ...]


def parse(text: str, book: AddressBook) -> PaymentUri:
    """Read a URI that names address and amount.

    Raises:
        UsageError: `uri-malformed`, `uri-parameter-repeated`, `uri-requires-unknown`, `uri-amount`. What
        reading the address raises.
    """
    match = _URI.match(text) if len(text) <= MAX_URI else None
    if match is None:
        raise UsageError(
            "uri-malformed",
            f"'{safe(text, 80)}' is not a payment URI of at most {MAX_URI} characters",
            remedy="one like bitcoin:ADDRESS?amount=0.001",
        )
    address, script = book.destination(match[1])
    values = _parameters(match[2] or "")
    required = [key for key in values if key.startswith("req-")]
    if required:
        raise UsageError(
            "uri-requires-unknown",
            f"the URI requires '{safe(required[0], 40)}', which is not known here (BIP 21)",
            remedy="ask the payee for a plain address",
        )
    return PaymentUri(
        Payee(address, script, _amount(values.get("amount"))),
        _unescape(values.get("label", "")),
        _unescape(values.get("message", "")),
        tuple(key for key in values if key not in _KNOWN),
    )


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in query.split("&") if query else ():
        match = _PARAMETER.match(piece)
        if match is None:
            raise UsageError("uri-malformed", f"'{safe(piece, 80)}' in the URI is not of the form name=value")
        # a URI in upper case, as QR codes carry it, has the names in upper case too
        key = match[1].lower()
        if key in found:
            raise UsageError("uri-parameter-repeated", f"the URI says '{safe(key, 40)}' twice")
        found[key] = match[2]
    return found


def _unescape(text: str) -> str:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode("ascii"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            "uri-malformed", f"'{safe(text, 80)}' in the URI is not UTF-8 behind its percent signs"
        ) from None


def _amount(text: str | None) -> Amount:
    """Bitcoins with a point and at most eight decimals; no sign, exponent, comma, bare point or escape."""
    match = _AMOUNT.match(text) if text is not None else None
    if match is None:
        raise UsageError(
            "uri-amount",
            "the URI names no amount"
            if text is None
            else f"'{safe(text, 40)}' is not an amount in BTC like 0.00125",
            remedy="write it out: --pay ADDRESS=SATS",
        )
    sats = int(match[1]) * COIN + int((match[2] or "").ljust(8, "0"))
    if not 0 < sats <= MAX_MONEY:
        raise UsageError("uri-amount", f"the URI's amount of {sats} sats cannot be paid")
    return Amount(sats)
