"""Quantities: bounds, rounding, formatting."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import Malformed
from falconer_shared.units import (
    COIN,
    LOCKTIME_THRESHOLD,
    MAX_BLOCK_WEIGHT,
    MAX_MONEY,
    Amount,
    FeeRate,
    Height,
    Weight,
    btc,
    grouped,
)
from tests.support.refusal import refused

BOUNDS = [
    (Amount, 0, 2_100_000_000_000_000, "amount-out-of-range"),
    (FeeRate, 0, 2_100_000_000_000_000, "fee-rate-out-of-range"),
    (Weight, 1, 4_000_000, "weight-out-of-range"),
    (Height, 0, 499_999_999, "height-out-of-range"),
]


@pytest.mark.parametrize(("quantity", "low", "high", "rule"), BOUNDS)
def test_bounds_are_inclusive(quantity, low, high, rule):
    assert int(quantity(low)) == low
    assert int(quantity(high)) == high
    for outside in (low - 1, high + 1, 2**63, -(2**63), 2**64 - 1):
        with refused(rule, Malformed) as caught:
            quantity(outside)
        assert caught.value.details == {"value": outside}


@pytest.mark.parametrize(("quantity", "_low", "_high", "_rule"), BOUNDS)
@pytest.mark.parametrize("value", [1.0, True, "1", None, Decimal(1), Fraction(1)])
def test_only_integers(quantity, _low, _high, _rule, value):
    with pytest.raises(TypeError):
        quantity(value)


def test_arithmetic_leaves_the_type_so_that_a_sum_is_bounded_again():
    total = Amount(MAX_MONEY) + Amount(1)
    assert type(total) is int
    with refused("amount-out-of-range"):
        Amount(total)


def test_constants_agree():
    assert (COIN, MAX_MONEY, MAX_BLOCK_WEIGHT, LOCKTIME_THRESHOLD) == (
        10**8,
        21 * 10**14,
        4 * 10**6,
        5 * 10**8,
    )


@pytest.mark.parametrize(
    ("weight", "size"), [(1, 1), (4, 1), (5, 2), (561, 141), (562, 141), (564, 141), (565, 142)]
)
def test_virtual_size_rounds_up(weight, size):
    assert Weight(weight).virtual_size() == size


@given(st.integers(0, MAX_MONEY // 1000 // 1000), st.integers(4, MAX_BLOCK_WEIGHT))
def test_a_fee_rate_is_never_understated(fee, weight):
    rate = FeeRate.of(Amount(fee), Weight(weight))
    exact = Fraction(fee * 1000, Weight(weight).virtual_size())
    assert exact <= rate < exact + 1


def test_fee_rate_text():
    texts = {0: "0", 1: "0.001", 1000: "1", 1500: "1.5", 10_000: "10", 12_345: "12.345", 100_010: "100.01"}
    assert {rate: FeeRate(rate).text() for rate in texts} == texts
    assert FeeRate.from_sats_per_vbyte(7) == FeeRate(7000)


@given(st.integers(-(2**70), 2**70))
def test_amounts_in_bitcoin_are_exact(sats):
    text = btc(sats)
    assert text.endswith(" BTC")
    assert Decimal(text[:-4]) * COIN == sats
    assert len(text[:-4].split(".")[1]) == 8


def test_formatting_of_the_numbers_that_floats_get_wrong():
    assert btc(2_099_999_999_999_999) == "20999999.99999999 BTC"
    assert btc(1) == "0.00000001 BTC"
    assert btc(30_000_000) == "0.30000000 BTC"
    assert btc(-1) == "-0.00000001 BTC"
    assert grouped(2_099_999_999_999_999) == "2,099,999,999,999,999 sats"
    assert grouped(Amount(0)) == "0 sats"


def test_repr_names_the_unit():
    assert repr(Amount(5)) == "Amount(5)"


def test_a_quantity_in_a_sentence_is_its_number():
    assert f"{Amount(55_000)} sats" == "55000 sats"
    assert f"{FeeRate(1_500):,}" == "1,500"
    assert repr(Amount(55_000)) == "Amount(55000)"
