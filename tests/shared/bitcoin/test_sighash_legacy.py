"""The original digest against Bitcoin Core's sighash.json, wallycore and embit; nothing but SIGHASH_ALL."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import wallycore
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.script import hash160, p2pkh
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Legacy
from falconer_shared.bitcoin.transaction import OutPoint, Transaction
from falconer_shared.errors import VerificationError
from tests.support.refusal import refused
from tests.support.transactions import TRANSACTIONS, payment
from tests.support.work import calls

OP_CODESEPARATOR = b"\xab"


def test_the_vectors_of_bitcoin_core(vectors: Path) -> None:
    """Those that sign all inputs and all outputs. Core hashes whatever number the type is, we hash 1 alone: so the type of the
    vector is put at the end here, after all that our code hashed."""
    folder = vectors / "vectors/raw/bitcoin-core_gui/src/test/data"
    cases = [case for case in json.loads((folder / "sighash.json").read_text()) if len(case) == 5]
    assert len(cases) == 500
    tried = 0
    for raw, script, index, sighash, expected in cases:
        if sighash & 0x80 or sighash & 0x1F in {2, 3}:
            continue
        # the scripts of the vectors hold opcodes and no pushes, so removing the separator is removing the byte
        code = bytes.fromhex(script).replace(OP_CODESEPARATOR, b"")
        hashed = Legacy(Transaction.parse(bytes.fromhex(raw)))._until_type(index, code)
        hashed.update((sighash & 0xFFFFFFFF).to_bytes(4, "little"))
        assert hashlib.sha256(hashed.digest()).digest()[::-1].hex() == expected
        tried += 1
    assert tried > 200


@given(TRANSACTIONS, st.binary(min_size=1, max_size=300), st.data())
def test_wallycore_agrees(transaction, script_code, data):
    if not transaction.outputs:
        return
    index = data.draw(st.integers(0, len(transaction.inputs) - 1))
    raw = wallycore.tx_from_bytes(transaction.serialize(), wallycore.WALLY_TX_FLAG_USE_WITNESS)
    theirs = wallycore.tx_get_btc_signature_hash(raw, index, script_code, 0, SIGHASH_ALL, 0)
    assert Legacy(transaction).digest(index, script_code) == theirs


@given(TRANSACTIONS, st.binary(max_size=300))
def test_embit_agrees(transaction, script_code):
    # embit writes version 0 as 2, and has no negative ones
    transaction = dataclasses.replace(transaction, version=abs(transaction.version) % 2**31 or 1)
    theirs = EmbitTransaction.parse(transaction.serialize())
    ours = Legacy(transaction)
    for index in range(len(transaction.inputs)):
        assert ours.digest(index, script_code) == theirs.sighash_legacy(index, Script(script_code))


@given(TRANSACTIONS)
def test_every_committed_part_changes_the_digest(transaction):
    code = p2pkh(hash160(b""))
    first = transaction.inputs[0]
    flipped = OutPoint(bytes(b ^ 1 for b in first.outpoint.txid), first.outpoint.vout)
    variants = [
        dataclasses.replace(transaction, version=transaction.version ^ 1),
        dataclasses.replace(transaction, locktime=transaction.locktime ^ 1),
        dataclasses.replace(transaction, outputs=(*transaction.outputs, *payment().outputs)),
        dataclasses.replace(transaction, inputs=(*transaction.inputs, *payment().inputs)),
        dataclasses.replace(
            transaction, inputs=(dataclasses.replace(first, outpoint=flipped), *transaction.inputs[1:])
        ),
        dataclasses.replace(
            transaction,
            inputs=(dataclasses.replace(first, sequence=first.sequence ^ 1), *transaction.inputs[1:]),
        ),
    ]
    digests = {Legacy(each).digest(0, code) for each in (transaction, *variants)}
    assert len(digests | {Legacy(transaction).digest(0, code + b"\x51")}) == len(variants) + 2


def test_what_is_not_committed_does_not_change_it():
    unsigned = payment(2, witness=())
    first, second = unsigned.inputs
    signed = dataclasses.replace(
        unsigned,
        inputs=(
            dataclasses.replace(first, script_sig=b"sig", witness=(b"witness",)),
            dataclasses.replace(second, script_sig=b"other"),
        ),
    )
    for index in (0, 1):
        assert Legacy(unsigned).digest(index, b"") == Legacy(signed).digest(index, b"")


@pytest.mark.parametrize("sighash", [SIGHASH_DEFAULT, 2, 3, 4, 0x41, 0x80, 0x81, 0x82, 0x83, 0x101, -1])
def test_other_types_are_refused(sighash):
    hashes = Legacy(payment())
    assert hashes.digest(0, b"", SIGHASH_ALL) == hashes.digest(0, b"")
    with refused("sighash-type-refused", VerificationError):
        hashes.digest(0, b"", sighash)


@pytest.mark.parametrize("index", [-1, 1])
def test_an_input_that_is_not_there_is_a_programmers_mistake(index):
    with pytest.raises(ValueError, match="input"):
        Legacy(payment()).digest(index, b"")


def test_the_most_that_is_ever_signed_takes_a_moment():
    """200 inputs over outputs that fill a standard transaction: 15 MB to hash."""
    transaction = payment(200, 2_000, witness=())
    hashes = Legacy(transaction)
    assert len({hashes.digest(index, p2pkh(bytes(20))) for index in range(200)}) == 200
    # the outputs are written once, and not again for each input
    assert calls(lambda: hashes.digest(7, p2pkh(bytes(20)))) < 100
