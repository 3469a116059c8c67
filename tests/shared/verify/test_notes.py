"""What a person is told beside the numbers: of one input of several as of all, in the right words and number."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.verify.transaction import MAX_LISTED, _listed, verify
from falconer_shared.wallet.ownership import OwnPlace
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wallet_of

FINAL, LOCKING, REPLACEABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
OFF = "lock time 500 is switched off by final sequences"
LATER = "cannot confirm before block 501"
BUMP = "may be replaced by a transaction with a higher fee (BIP 125)"
NOTHING_LEAVES = "no payment leaves this wallet"
RECEIVING = "pays one of our own receive addresses"


@dataclass
class Sequences(Payment):
    """A payment whose inputs have these sequences."""

    of: tuple[int, int] = (FINAL, FINAL)

    def transaction(self) -> Transaction:
        tx = super().transaction()
        inputs = [
            dataclasses.replace(each, sequence=new) for each, new in zip(tx.inputs, self.of, strict=True)
        ]
        return dataclasses.replace(tx, inputs=tuple(inputs))


def verified(payment: Payment):
    return verify(payment.psbt(), payment.wallet, NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("sequences", "notes"),
    [
        ((FINAL, FINAL), (OFF,)),
        ((FINAL, LOCKING), (LATER,)),
        ((LOCKING, FINAL), (LATER,)),
        ((LOCKING, REPLACEABLE), (LATER, BUMP)),
        ((REPLACEABLE, LOCKING), (LATER, BUMP)),
    ],
)
def test_one_sequence_of_several_is_enough(sequences: tuple[int, int], notes: tuple[str, ...]):
    made = verified(Sequences(wallet_of("wpkh"), locktime=500, of=sequences))
    assert made.notes == notes
    assert made.locktime == 500


@pytest.mark.parametrize(
    ("locktime", "note"),
    [
        (1, "cannot confirm before block 2"),
        (499_999_999, "cannot confirm before block 500000000"),
        (500_000_000, "cannot confirm before 1985-11-05 00:53:20 UTC"),
    ],
)
def test_a_lock_time_is_a_height_or_a_time(locktime: int, note: str):
    assert verified(Sequences(wallet_of("wpkh"), locktime=locktime, of=(LOCKING, LOCKING))).notes == (note,)


CHANGE, RECEIVE = OwnPlace(1, 2), OwnPlace(0, 6)


@pytest.mark.parametrize(
    ("pay", "own", "notes"),
    [
        ([(stranger_address(), 70_000)], [(CHANGE, 39_000)], ()),
        ([(stranger_address(), 70_000)], [(RECEIVE, 39_000)], (RECEIVING,)),
        ([(stranger_address(), 30_000)], [(CHANGE, 39_000), (RECEIVE, 40_000)], (RECEIVING,)),
        ([], [(CHANGE, 109_000)], (NOTHING_LEAVES,)),
        ([], [(CHANGE, 39_000), (RECEIVE, 70_000)], (NOTHING_LEAVES, RECEIVING)),
    ],
)
def test_what_stays_is_said(pay: list, own: list, notes: tuple[str, ...]):
    payment = Sequences(wallet_of("wpkh"), pay=pay, change=own)
    assert verified(payment).notes == notes


def test_many_numbers_are_cut_short():
    numbers = [str(number) for number in range(MAX_LISTED + 2)]
    assert _listed(numbers[:MAX_LISTED]) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert _listed(numbers[: MAX_LISTED + 1]) == "0, 1, 2, 3, 4, 5, 6, 7 and 1 more"
    assert _listed(numbers) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_the_highest_index_of_each_branch():
    def highest(*places: OwnPlace):
        coins = [(place, 60_000) for place in places]
        return verified(Payment(wallet_of("wpkh"), coins=coins, change=[(CHANGE, 40_000)])).highest_indexes

    assert highest(OwnPlace(0, 0), OwnPlace(1, 0)) == {0: 0, 1: 0}
    assert highest(OwnPlace(0, 7), OwnPlace(0, 3)) == {0: 7}
    assert highest(OwnPlace(0, 3), OwnPlace(0, 7)) == {0: 7}
