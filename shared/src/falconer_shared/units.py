"""Quantities with bounds: integers only, so that no rounding can move money.

`Amount` and friends are `int` subclasses. Arithmetic on them gives plain `int`, which mypy does not accept
where a quantity is asked for: every sum has to pass through a constructor again, and so through its bound
(A008, A009, A012).
"""

from __future__ import annotations

from typing import ClassVar, Self

from falconer_shared.errors import Malformed

COIN = 100_000_000
"""Satoshis in one bitcoin."""

MAX_MONEY = 21_000_000 * COIN
"""Consensus: no amount and no sum of amounts may exceed it (Bitcoin Core `MAX_MONEY`)."""

WITNESS_SCALE_FACTOR = 4
"""BIP 141: weight units in one virtual byte."""

MAX_STANDARD_WEIGHT = 400_000
"""Weight units above which nodes do not relay a transaction (Bitcoin Core `MAX_STANDARD_TX_WEIGHT`, A064)."""

MAX_BLOCK_WEIGHT = 4_000_000
"""Weight units of a block (BIP 141): nothing larger can ever confirm."""

LOCKTIME_THRESHOLD = 500_000_000
"""Lock times below it are heights, from it on seconds since 1970 (consensus, A056)."""


_bare = int.__new__


class _Bounded(int):
    """An integer that proves its range."""

    _LOW = 0
    _HIGH = 0
    _RULE: ClassVar[str]
    _UNIT = ""

    def __new__(cls, value: int) -> Self:
        if type(value) is not int and (type(value) is bool or not isinstance(value, int)):
            raise TypeError(f"{cls.__name__} takes an int, not {type(value).__name__}")
        if cls._LOW <= value <= cls._HIGH:
            # not through super(): 200,000 amounts in a previous transaction must not cost a second (A079)
            return _bare(cls, value)
        raise Malformed(
            cls._RULE, f"{value} {cls._UNIT} is outside {cls._LOW} to {cls._HIGH}", value=int(value)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    def __str__(self) -> str:
        # without it an f-string shows the repr, and a sentence for a person reads "Amount(55000) sats"
        return int.__repr__(self)


class Amount(_Bounded):
    """Satoshis, 0 to 21,000,000 BTC."""

    _HIGH = MAX_MONEY
    _RULE = "amount-out-of-range"
    _UNIT = "sats"


class FeeRate(_Bounded):
    """Satoshis per 1,000 virtual bytes, the integer unit of Bitcoin Core's `CFeeRate`."""

    _HIGH = MAX_MONEY
    _RULE = "fee-rate-out-of-range"
    _UNIT = "sats per 1,000 vB"

    @classmethod
    def of(cls, fee: Amount, weight: Weight) -> Self:
        """The rate of `fee` over the virtual size of `weight`, rounded up: a cap compared with it is never
        exceeded unseen.
        """
        return cls(-(-int(fee) * 1000 // weight.virtual_size()))

    @classmethod
    def from_sats_per_vbyte(cls, rate: int) -> Self:
        """A whole number of satoshis per virtual byte."""
        return cls(rate * 1000)

    def text(self) -> str:
        """`12.345`, satoshis per virtual byte with three exact decimals, trailing zeros dropped."""
        whole, thousandths = divmod(int(self), 1000)
        return f"{whole}.{thousandths:03d}".rstrip("0").rstrip(".")


class Weight(_Bounded):
    """BIP 141 weight units."""

    _LOW = 1
    _HIGH = MAX_BLOCK_WEIGHT
    _RULE = "weight-out-of-range"
    _UNIT = "WU"

    def virtual_size(self) -> int:
        """Virtual bytes, rounded up (BIP 141)."""
        return -(-int(self) // WITNESS_SCALE_FACTOR)


class Height(_Bounded):
    """A block height."""

    _HIGH = LOCKTIME_THRESHOLD - 1
    _RULE = "height-out-of-range"
    _UNIT = "blocks"


def btc(sats: int) -> str:
    """`0.00012345 BTC`: the one formatter of amounts in bitcoin, exact to the satoshi (A012)."""
    sign = "-" if sats < 0 else ""
    whole, fraction = divmod(abs(int(sats)), COIN)
    return f"{sign}{whole}.{fraction:08d} BTC"


def grouped(sats: int) -> str:
    """`1,234,567 sats`: digits in groups of three, so that a person can count them."""
    return f"{int(sats):,} sats"
