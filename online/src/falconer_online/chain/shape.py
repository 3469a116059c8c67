"""Typed values out of a node's JSON. The node is not trusted: every field is asked for by name, kind and
bound.
"""

from __future__ import annotations

from decimal import Decimal

from falconer_shared.errors import DeviceError, Malformed
from falconer_shared.text import safe
from falconer_shared.units import COIN, Amount, FeeRate

Json = object
"""Anything that `json` gives, with Decimal for every number that has a point or an exponent."""


def wrong(where: str, problem: str) -> DeviceError:
    """The node answered something else than it must."""
    return DeviceError("node-answer", f"the node's answer to {where} {problem}")


def an_object(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise wrong(where, "is not an object")
    return value


def a_list(value: Json, where: str) -> list[Json]:
    if not isinstance(value, list):
        raise wrong(where, "is not a list")
    return value


def field(value: Json, key: str, where: str) -> Json:
    table = an_object(value, where)
    if key not in table:
        raise wrong(where, f"lacks '{key}'")
    return table[key]


def text(value: Json, key: str, where: str) -> str:
    found = field(value, key, where)
    if not isinstance(found, str):
        raise wrong(where, f"has no text in '{key}'")
    return found


def integer(value: Json, key: str, where: str, low: int = 0, high: int = 2**53) -> int:
    found = field(value, key, where)
    if type(found) is not int or not low <= found <= high:
        raise wrong(where, f"has no whole number from {low} to {high} in '{key}'")
    return found


def flag(value: Json, key: str, where: str) -> bool:
    found = field(value, key, where)
    if not isinstance(found, bool):
        raise wrong(where, f"has no true or false in '{key}'")
    return found


def from_hex(found: str, where: str) -> bytes:
    try:
        return bytes.fromhex(found)
    except ValueError:
        raise wrong(where, f"holds '{safe(found, 40)}' where hex must stand") from None


def sats(value: Json, key: str, where: str) -> Amount:
    """Bitcoins as the node writes them, to satoshis; nothing is rounded (A012)."""
    try:
        return Amount(_scaled(field(value, key, where), where))
    except Malformed:
        raise wrong(where, f"has an amount out of range in '{key}'") from None


def fee_rate(value: Json, key: str, where: str) -> FeeRate:
    """Bitcoins per 1,000 virtual bytes, to satoshis per 1,000 virtual bytes."""
    try:
        return FeeRate(_scaled(field(value, key, where), where))
    except Malformed:
        raise wrong(where, f"has a fee rate out of range in '{key}'") from None


def _scaled(found: Json, where: str) -> int:
    if type(found) is int:
        found = Decimal(found)
    if not isinstance(found, Decimal) or not found.is_finite():
        raise wrong(where, "has no number where an amount must stand")
    # comparing is exact for any exponent, unlike abs. After it scaleb is exact too, and int() builds no number
    # of a million digits
    if not -COIN <= found <= COIN or found.as_tuple().exponent < -8:  # type: ignore[operator]  # finite: an int
        raise wrong(where, "has an amount out of range or finer than a satoshi")
    return int(found.scaleb(8))
