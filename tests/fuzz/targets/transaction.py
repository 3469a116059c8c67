"""Transactions of the network, and the form without witness that a PSBT carries."""

from __future__ import annotations

import random

import embit.transaction
import wallycore

from falconer_shared.bitcoin.transaction import Transaction, TxOutput, unsigned_hash
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support import psbts
from tests.support.transactions import payment

MAX_LEN = 4_096


def seeds() -> dict[str, bytes]:
    coinbase = psbts.transaction([(bytes(32), 0xFFFFFFFF, 0)], [(50, psbts.P2WPKH)], script_sig=b"\3abc")
    return {
        "legacy": psbts.PREVIOUS,
        "coinbase": coinbase,
        "witness": payment().serialize(),
        "mixed": payment(3, 1, (b"", bytes(300), b"\x01")).serialize(),
        "no inputs": psbts.transaction([], [(1, b"")]),
        "no outputs": psbts.transaction([(bytes(32), 0, 0)], []),
    }


def check(data: bytes) -> bool:
    bare = attempt(lambda: Transaction.parse_stripped(data))
    if bare is not None:
        assert bare.serialize_stripped() == data
        assert _written(bare) == data
    found = attempt(lambda: Transaction.parse(data))
    if found is None:
        return bare is not None
    assert found.serialize() == data
    assert Transaction(found.version, found.inputs, found.outputs, found.locktime).serialize() == data
    assert found.weight() == 3 * len(found.serialize_stripped()) + len(data)
    assert all(TxOutput.parse(output.serialize()) == output for output in found.outputs)
    assert len(unsigned_hash(found)) == 64
    theirs = embit.transaction.Transaction.parse(data)
    assert theirs.txid()[::-1] == found.txid()
    _compare_with_wally(data, found)
    return True


def _written(found: Transaction) -> bytes:
    """Written from its parts, not from the bytes that were read."""
    return Transaction(found.version, found.inputs, found.outputs, found.locktime).serialize_stripped()


def _compare_with_wally(data: bytes, found: Transaction) -> None:
    if not found.outputs or any(each.outpoint.vout >> 30 for each in found.inputs):
        # it wants outputs, and takes the two highest bits of an output's number for flags of another chain
        return
    flags = wallycore.WALLY_TX_FLAG_USE_WITNESS
    theirs = wallycore.tx_from_bytes(data, flags)
    assert bytes(wallycore.tx_to_bytes(theirs, flags)) == data
    assert bytes(wallycore.tx_get_txid(theirs)) == found.txid()


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.raw(data, choose)
