"""Transactions for tests: one plain payment of any size, and every transaction that there can be."""

from __future__ import annotations

import hashlib

from hypothesis import strategies as st

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.units import MAX_MONEY, Amount

U32 = st.integers(0, 0xFFFFFFFF)
SCRIPTS = st.binary(max_size=300)
AMOUNTS = st.integers(0, MAX_MONEY).map(Amount)
OUTPOINTS = st.builds(OutPoint, st.binary(min_size=32, max_size=32), U32)
INPUTS = st.builds(TxInput, OUTPOINTS, SCRIPTS, U32, st.lists(SCRIPTS, max_size=3).map(tuple))
OUTPUTS = st.builds(TxOutput, AMOUNTS, SCRIPTS)
TRANSACTIONS = st.builds(
    Transaction,
    st.integers(-(2**31), 2**31 - 1),
    st.lists(INPUTS, min_size=1, max_size=4).map(tuple),
    st.lists(OUTPUTS, max_size=4).map(tuple),
    U32,
)


def payment(
    inputs: int = 1, outputs: int = 2, witness: tuple[bytes, ...] = (bytes(71), bytes(33))
) -> Transaction:
    """A transaction of so many P2WPKH inputs and outputs; every input has the same witness."""
    return Transaction(
        2,
        tuple(
            TxInput(OutPoint(hashlib.sha256(b"%d" % i).digest(), i), b"", 0xFFFFFFFD, witness)
            for i in range(inputs)
        ),
        tuple(TxOutput(Amount(1000 + i), b"\0\x14" + bytes(20)) for i in range(outputs)),
        0,
    )
