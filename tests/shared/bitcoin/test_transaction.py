"""Transactions: parse and serialise are exact inverses, bounded, and agree with wallycore and Bitcoin Core's vectors."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc

import pytest
import wallycore
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.transaction import (
    MAX_INPUTS,
    OutPoint,
    Transaction,
    TxInput,
    TxOutput,
    unsigned_hash,
)
from falconer_shared.errors import Malformed
from falconer_shared.units import MAX_BLOCK_WEIGHT, MAX_MONEY, Amount
from tests.support.refusal import outcome, refused
from tests.support.transactions import OUTPOINTS, OUTPUTS, TRANSACTIONS, payment
from tests.support.work import calls

REFUSALS = {
    "amount-out-of-range",
    "bytes-truncated",
    "compact-size-not-minimal",
    "trailing-bytes",
    "transaction-too-large",
    "transaction-too-many-inputs",
    "transaction-witness-flag",
    "transaction-witness-superfluous",
    "transaction-without-inputs",
}


@given(TRANSACTIONS)
def test_round_trip(transaction):
    raw = transaction.serialize()
    again = Transaction.parse(raw)
    assert again == transaction
    assert hash(again) == hash(transaction)
    assert again.serialize() == raw
    # written afresh from its parts, without the bytes that parse kept
    assert dataclasses.replace(again).serialize() == raw
    assert dataclasses.replace(again).serialize_stripped() == again.serialize_stripped()
    assert (again.txid(), again.wtxid(), again.weight()) == (
        transaction.txid(),
        transaction.wtxid(),
        transaction.weight(),
    )


@given(TRANSACTIONS)
def test_the_form_without_witness(transaction):
    stripped = transaction.serialize_stripped()
    again = Transaction.parse_stripped(stripped)
    assert again.serialize() == again.serialize_stripped() == stripped
    assert again.txid() == transaction.txid()
    bare = tuple(dataclasses.replace(i, witness=()) for i in transaction.inputs)
    assert again == dataclasses.replace(transaction, inputs=bare)


@given(TRANSACTIONS)
def test_wallycore_agrees(transaction):
    if not transaction.outputs:
        return
    raw = transaction.serialize()
    theirs = wallycore.tx_from_bytes(raw, wallycore.WALLY_TX_FLAG_USE_WITNESS)
    assert wallycore.tx_get_txid(theirs) == transaction.txid()
    assert wallycore.tx_get_weight(theirs) == transaction.weight()
    assert wallycore.tx_to_bytes(theirs, wallycore.WALLY_TX_FLAG_USE_WITNESS) == raw


@given(TRANSACTIONS, st.data())
def test_whatever_is_accepted_comes_back_unchanged(transaction, data):
    raw = bytearray(transaction.serialize())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    changed = bytes(raw)
    for parse in (Transaction.parse, Transaction.parse_stripped):
        again, rule = outcome(lambda parse=parse: parse(changed))
        if again is None:
            assert rule in REFUSALS
        else:
            assert dataclasses.replace(again).serialize() == again.serialize() == changed


@given(st.binary(max_size=200))
def test_any_bytes_are_read_exactly_or_refused(data):
    for parse in (Transaction.parse, Transaction.parse_stripped):
        transaction, rule = outcome(lambda parse=parse: parse(data))
        if transaction is None:
            assert rule in REFUSALS
        else:
            assert dataclasses.replace(transaction).serialize() == data


@given(TRANSACTIONS)
def test_every_truncation_is_refused(transaction):
    raw = transaction.serialize()
    for cut in range(0, len(raw), max(1, len(raw) // 40)):
        assert outcome(lambda cut=cut: Transaction.parse(raw[:cut]))[0] is None


CORE = "vectors/raw/bitcoin-core_gui/src/test/data"


def test_core_transactions(vectors):
    """All of tx_valid.json round-trips; of tx_invalid.json, what parses does."""
    accepted = 0
    for name in ("tx_valid", "tx_invalid"):
        for case in json.loads((vectors / CORE / f"{name}.json").read_text()):
            if not isinstance(case[0], list):
                continue
            raw = bytes.fromhex(case[1])
            transaction, rule = outcome(lambda raw=raw: Transaction.parse(raw))
            if transaction is None:
                assert name == "tx_invalid"
                assert rule in {"amount-out-of-range", "transaction-without-inputs"}
                continue
            accepted += 1
            assert dataclasses.replace(transaction).serialize() == raw
            if transaction.outputs:
                flags = wallycore.WALLY_TX_FLAG_USE_WITNESS
                assert wallycore.tx_get_txid(wallycore.tx_from_bytes(raw, flags)) == transaction.txid()
    assert accepted > 150


def test_core_random_transactions(vectors):
    """The transactions of sighash.json have random versions, sequences and scripts."""
    versions = set()
    for case in json.loads((vectors / CORE / "sighash.json").read_text())[1:]:
        raw = bytes.fromhex(case[0])
        transaction = Transaction.parse(raw)
        versions.add(transaction.version < 0)
        assert dataclasses.replace(transaction).serialize() == raw
    assert versions == {True, False}


@pytest.mark.parametrize("version", [-(2**31), -1, 0, 1, 2, 3, 2**31 - 1])
def test_every_version_is_kept(version):
    transaction = dataclasses.replace(payment(), version=version)
    assert Transaction.parse(transaction.serialize()).version == version


RAW = payment().serialize()
BARE = payment(witness=()).serialize()


def with_items(*items: bytes) -> bytes:
    return payment(witness=items).serialize()


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (RAW + b"\0", "trailing-bytes"),
        (BARE + b"\0", "trailing-bytes"),
        (b"", "bytes-truncated"),
        (RAW[:4], "bytes-truncated"),
        (RAW[:5], "bytes-truncated"),
        (RAW[:-1], "bytes-truncated"),
        (RAW[:5] + b"\2" + RAW[6:], "transaction-witness-flag"),
        (RAW[:5] + b"\x81" + RAW[6:], "transaction-witness-flag"),
        (RAW[:5] + b"\0" + RAW[6:], "transaction-without-inputs"),
        (RAW[:4] + b"\0\1\0\0" + RAW[-4:], "transaction-without-inputs"),
        (BARE[:4] + b"\0\1" + BARE[4:-4] + b"\0" + BARE[-4:], "transaction-witness-superfluous"),
        (BARE[:4] + b"\xfd\1\0" + BARE[5:], "compact-size-not-minimal"),
        (BARE[:41] + b"\xfd\0\0" + BARE[42:], "compact-size-not-minimal"),
        (with_items(b"x").replace(b"\1\1x", b"\xfd\1\0\1x"), "compact-size-not-minimal"),
        (with_items(b"x").replace(b"\1\1x", b"\1\xfd\1\0x"), "compact-size-not-minimal"),
        (with_items(b"x").replace(b"\1\1x", b"\2\1x"), "bytes-truncated"),
        (BARE[:4] + b"\xfe\xff\xff\xff\xff" + BARE[5:], "bytes-truncated"),
        (BARE[:4] + b"\xff" + b"\xff" * 8 + BARE[5:], "bytes-truncated"),
        (
            BARE.replace((1000).to_bytes(8, "little"), (MAX_MONEY + 1).to_bytes(8, "little")),
            "amount-out-of-range",
        ),
        (BARE.replace((1000).to_bytes(8, "little"), b"\xff" * 8), "amount-out-of-range"),
    ],
)
def test_each_refusal(raw, rule):
    assert Transaction.parse(RAW).serialize() == RAW
    assert Transaction.parse(BARE).serialize() == BARE
    assert Transaction.parse(with_items(b"x")).inputs[0].witness == (b"x",)
    with refused(rule, Malformed):
        Transaction.parse(raw)


def test_the_largest_amount_passes():
    raw = BARE.replace((1000).to_bytes(8, "little"), MAX_MONEY.to_bytes(8, "little"))
    assert Transaction.parse(raw).outputs[0].value == MAX_MONEY


def test_no_inputs_and_one_output_is_not_taken_for_a_witness_form():
    """Count 0, count 1 look like marker and flag (BIP 144): the two forms are told apart by who asks."""
    raw = Transaction(2, (), (TxOutput(Amount(5), b"\x51"),), 0).serialize()
    assert raw[4:6] == b"\0\1"
    again = Transaction.parse_stripped(raw)
    assert (again.inputs, len(again.outputs)) == ((), 1)
    assert again.serialize_stripped() == raw
    with refused("bytes-truncated"):
        Transaction.parse(raw)
    empty = Transaction(2, (), (), 0).serialize()
    assert Transaction.parse_stripped(empty).serialize() == empty
    with refused("transaction-without-inputs"):
        Transaction.parse(empty)


def test_the_stripped_reader_knows_no_witness():
    assert Transaction.parse(RAW).inputs[0].witness
    assert outcome(lambda: Transaction.parse_stripped(RAW))[0] is None


def test_size_boundary():
    spare = MAX_BLOCK_WEIGHT - payment(witness=(b"",)).weight()
    # an item of more than 65,535 bytes has a length of 5 bytes instead of 1
    largest = payment(witness=(bytes(spare - 4),))
    assert largest.weight() == MAX_BLOCK_WEIGHT
    assert Transaction.parse(largest.serialize()).weight() == MAX_BLOCK_WEIGHT
    with refused("transaction-too-large", Malformed):
        Transaction.parse(payment(witness=(bytes(spare - 3),)).serialize())
    with refused("transaction-too-large", Malformed):
        Transaction.parse_stripped(bytes(MAX_BLOCK_WEIGHT + 1))
    with refused("weight-out-of-range", Malformed):
        payment(witness=(bytes(spare - 3),)).weight()


def test_input_boundary():
    """No count below it is refused for itself: with the smallest inputs, a block just holds that many."""
    most = payment(MAX_INPUTS, 1, witness=())
    assert len(Transaction.parse(most.serialize()).inputs) == MAX_INPUTS
    with refused("transaction-too-many-inputs", Malformed):
        Transaction.parse(payment(MAX_INPUTS + 1, 1, witness=()).serialize())


def test_a_promise_of_many_inputs_costs_nothing():
    """A078, A079: 25 bytes that announce 200,000 inputs cost another library seconds."""
    raw = b"\2\0\0\0" + b"\xfe" + (200_000).to_bytes(4, "little") + bytes(16)
    tracemalloc.start()
    with refused("bytes-truncated"):
        Transaction.parse(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def work(transaction: Transaction) -> int:
    raw = transaction.serialize()
    return calls(lambda: Transaction.parse(raw))


def test_the_work_is_linear():
    """Ten times the inputs may cost ten times the work; quadratic work would cost a hundred times."""
    assert work(payment(10_000)) < 12 * work(payment(1000))


def test_a_witness_of_millions_of_items_is_read():
    raw = payment(witness=(b"",) * 3_900_000).serialize()
    assert len(Transaction.parse(raw).inputs[0].witness) == 3_900_000


def test_names_before_and_after_signing():
    unsigned = payment(witness=())
    signed = dataclasses.replace(
        unsigned,
        inputs=tuple(
            dataclasses.replace(i, script_sig=b"\x16\0\x14", witness=(b"x",)) for i in unsigned.inputs
        ),
    )
    assert unsigned.txid() != signed.txid()
    assert unsigned_hash(unsigned) == unsigned_hash(signed) == unsigned.txid_hex()
    assert unsigned.wtxid() == unsigned.txid()
    assert signed.wtxid() != signed.txid()
    assert unsigned_hash(unsigned) != unsigned_hash(dataclasses.replace(unsigned, locktime=1))


def test_the_first_payment_ever_made():
    """Block 170: a txid that everybody can look up."""
    raw = bytes.fromhex(
        "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402204e45e16932b8af51"
        "4961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4acdd12909d831cc56cbbac462208222"
        "1a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397"
        "f554a7df5f142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb68a"
        "382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000"
    )
    assert (
        Transaction.parse(raw).txid_hex()
        == "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16"
    )


@given(OUTPOINTS)
def test_outpoint_text(outpoint):
    assert OutPoint.parse_text(outpoint.text()) == outpoint
    assert outpoint.serialize() == outpoint.txid + outpoint.vout.to_bytes(4, "little")


TXID = "0f" * 31 + "a0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TXID,
        TXID + ":",
        TXID + ":-1",
        TXID + ":+1",
        TXID + ":00",
        TXID + ":4294967296",
        TXID + ":1\n",
        TXID + ":\u0661",
        TXID.upper() + ":1",
        TXID[1:] + ":1",
        "0" + TXID + ":1",
        " " + TXID + ":1",
        "g" + TXID[1:] + ":1",
    ],
)
def test_outpoints_have_one_spelling(text):
    assert OutPoint.parse_text(TXID + ":4294967295").text() == TXID + ":4294967295"
    with refused("outpoint-malformed", Malformed):
        OutPoint.parse_text(text)


@given(OUTPUTS)
def test_outputs_alone(output):
    assert TxOutput.parse(output.serialize()) == output
    with refused("trailing-bytes"):
        TxOutput.parse(output.serialize() + b"\0")
    with refused("bytes-truncated"):
        TxOutput.parse(output.serialize()[:-1])


@pytest.mark.parametrize(
    "build",
    [
        lambda: OutPoint(bytes(31), 0),
        lambda: OutPoint(bytes(32), 2**32),
        lambda: OutPoint(bytes(32), -1),
        lambda: TxInput(OutPoint(bytes(32), 0), b"", 2**32),
        lambda: Transaction(2**31, (), (), 0),
        lambda: Transaction(-(2**31) - 1, (), (), 0),
        lambda: Transaction(2, (), (), 2**32),
    ],
)
def test_parts_that_do_not_fit_are_a_programmers_mistake(build):
    with pytest.raises(ValueError, match=r"bytes|32-bit|32 bits"):
        build()


def test_a_transaction_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        payment().locktime = 5
