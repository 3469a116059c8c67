"""A PSBT is made only of coins that are there."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import VerificationError
from falconer_shared.roles.create import build_psbt
from tests.support.refusal import refused
from tests.support.treasury import FORMS, Payment, wallet_of


@pytest.mark.parametrize("form", FORMS)
def test_an_output_that_the_previous_transaction_does_not_have(form: str):
    wallet = wallet_of(form)
    payment = Payment(wallet)
    tx, previous = payment.transaction(), payment.previous()
    inputs = [(place, each.serialize()) for (place, _), each in zip(payment.coins, previous, strict=True)]
    assert build_psbt(tx, wallet, inputs, {}).tx == tx
    beyond = dataclasses.replace(
        tx.inputs[1], outpoint=OutPoint(tx.inputs[1].outpoint.txid, len(previous[1].outputs))
    )
    with refused("input-output-index-out-of-range", VerificationError) as caught:
        build_psbt(dataclasses.replace(tx, inputs=(tx.inputs[0], beyond)), wallet, inputs, {})
    assert caught.value.details["input"] == 1


def test_a_place_and_a_previous_transaction_for_each_input():
    wallet = wallet_of("wpkh")
    with pytest.raises(ValueError, match="for each input"):
        build_psbt(Payment(wallet).transaction(), wallet, [], {})
