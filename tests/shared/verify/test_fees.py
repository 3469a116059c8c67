"""Sums, worst-case weight and the caps that no policy lifts, each at its boundary."""

from __future__ import annotations

import pytest

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import VerificationError
from falconer_shared.units import MAX_MONEY, MAX_STANDARD_WEIGHT, Amount, Weight
from falconer_shared.verify.fees import MAX_FEE, MAX_FEE_RATE, cost, fee_cap, signed_weight, total
from tests.support.refusal import refused
from tests.support.treasury import wallet_of

LIGHT = Weight(400)
"""100 vB: a fee of so many satoshis is ten times as many for 1,000 vB."""


def outputs(*amounts: int) -> list[TxOutput]:
    return [TxOutput(Amount(each), b"\x51") for each in amounts]


def test_sums():
    assert total([], "inputs") == 0
    assert total([1, MAX_MONEY - 1], "inputs") == MAX_MONEY
    with refused("amount-sum-out-of-range", VerificationError):
        total([2, MAX_MONEY - 1], "inputs")
    with refused("amount-sum-out-of-range", VerificationError):
        # what is too much on the way stays too much
        total([MAX_MONEY, 1, -5], "inputs")


@pytest.mark.parametrize(
    ("proven", "paid", "what"), [([MAX_MONEY, 1], [1], "inputs"), ([1], [MAX_MONEY, 1], "outputs")]
)
def test_the_sentence_says_which_sum_it_is(proven: list[int], paid: list[int], what: str):
    with refused("amount-sum-out-of-range", VerificationError) as caught:
        cost(proven, outputs(*paid), LIGHT)
    assert caught.value.message.startswith(f"the {what} add up to more")


def test_outputs_may_hold_all_and_no_more():
    assert cost([70, 30], outputs(60, 40), LIGHT).fee == 0
    with refused("fee-negative", VerificationError):
        cost([70, 30], outputs(60, 41), LIGHT)


@pytest.mark.parametrize(
    ("fee", "inputs", "weight", "rule"),
    [
        (MAX_FEE, MAX_MONEY, MAX_STANDARD_WEIGHT, "fee-above-cap"),
        (MAX_FEE_RATE // 10, MAX_MONEY, LIGHT, "fee-rate-above-cap"),
        (25_000, 100_000, LIGHT, "fee-share-above-cap"),
    ],
)
def test_each_cap_is_reached_and_not_passed(fee: int, inputs: int, weight: int, rule: str):
    made = cost([inputs], outputs(inputs - fee), Weight(weight))
    assert (made.inputs, made.outputs, made.fee, made.weight) == (inputs, inputs - fee, fee, weight)
    with refused(rule, VerificationError):
        cost([inputs], outputs(inputs - fee - 1), Weight(weight))


@pytest.mark.parametrize(("value", "cap"), [(0, 0), (3, 0), (4, 1), (100_000, 25_000), (10**12, MAX_FEE)])
def test_the_cap_of_a_value_is_what_cost_lets_pass(value: int, cap: int):
    assert fee_cap(value) == cap


def test_the_heaviest_standard_transaction():
    node = wallet_of("pkh").descriptor

    def weighing(padding: int) -> Transaction:
        return Transaction(
            2,
            (TxInput(OutPoint(bytes(32), 0), b"", 0xFFFFFFFF),),
            (TxOutput(Amount(1), bytes(padding)),),
            0,
        )

    # a byte that is no witness weighs four units
    most = 90_000 + (MAX_STANDARD_WEIGHT - signed_weight(weighing(90_000), node)) // 4
    assert signed_weight(weighing(most), node) == MAX_STANDARD_WEIGHT
    with refused("weight-not-standard", VerificationError):
        signed_weight(weighing(most + 1), node)
