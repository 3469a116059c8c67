"""What was mined needs a hundred confirmations: a coin is known for one by the one input of the transaction that made it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from falconer_shared.bitcoin.transaction import NULL_TXID, OutPoint, Transaction
from falconer_shared.verify.inputs import NULL_VOUT
from falconer_shared.verify.transaction import verify
from tests.support.treasury import NOTHING_KNOWN, Payment, wallet_of

MINED = "spends newly mined coins, which need 100 confirmations first"
COINBASE = OutPoint(NULL_TXID, NULL_VOUT)


@dataclass
class Mined(Payment):
    """A payment whose first coin was made by a transaction that spends these outpoints."""

    spent: tuple[OutPoint, ...] = ()

    def previous(self) -> list[Transaction]:
        first, *others = super().previous()
        inputs = tuple(dataclasses.replace(first.inputs[0], outpoint=each) for each in self.spent)
        return [dataclasses.replace(first, inputs=inputs), *others]


@pytest.mark.parametrize(
    ("spent", "mined"),
    [
        ((COINBASE,), True),
        ((OutPoint(NULL_TXID, 0),), False),
        ((OutPoint(NULL_TXID, NULL_VOUT - 1),), False),
        ((OutPoint(b"\x01" * 32, NULL_VOUT),), False),
        ((OutPoint(b"\x01" * 32, 0),), False),
        ((COINBASE, OutPoint(b"\x01" * 32, 0)), False),
    ],
)
def test_a_coinbase_has_one_input_that_names_no_coin(spent: tuple[OutPoint, ...], mined: bool):
    payment = Mined(wallet_of("wpkh"), spent=spent)
    verified = verify(payment.psbt(), payment.wallet, NOTHING_KNOWN)
    assert (MINED in verified.notes) is mined
