"""BIP 143 against its own vectors, wallycore and embit; nothing but SIGHASH_ALL."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
import wallycore
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.curve import verify_ecdsa
from falconer_shared.bitcoin.script import double_sha256, hash160, p2pkh
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Bip143
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.errors import VerificationError
from falconer_shared.units import MAX_MONEY, Amount
from tests.support.refusal import refused
from tests.support.transactions import AMOUNTS, TRANSACTIONS, payment
from tests.support.work import calls


def scenarios(vectors) -> list[dict]:
    return json.loads((vectors / "vectors/json/bip143_sighash.json").read_text())


def preimages(text: str) -> list[bytes]:
    """Every preimage that the BIP spells out."""
    return [bytes.fromhex(found) for found in re.findall(r"preimage[^:\n]*:\s*([0-9a-f]{300,})", text)]


def taken_apart(preimage: bytes) -> tuple[OutPoint, bytes, Amount, int]:
    """Outpoint, script code, amount and type of a preimage (BIP 143: items 4, 5, 6 and 10)."""
    reader = ByteReader(preimage, "preimage")
    reader.take(4 + 32 + 32)
    outpoint = OutPoint(reader.take(32), reader.u32())
    script_code, amount = reader.prefixed(), Amount(reader.u64())
    reader.take(4 + 32 + 4)
    return outpoint, script_code, amount, reader.u32()


def test_bip143(vectors):
    """Each digest for ALL comes out; each other type is refused."""
    computed: set[str] = set()
    others = 0
    for scenario in scenarios(vectors):
        transactions = [Transaction.parse(bytes.fromhex(raw)) for raw in scenario["signed"]]
        places = {i.outpoint: (t, n) for t in transactions for n, i in enumerate(t.inputs)}
        for preimage in preimages(scenario["text"]):
            outpoint, script_code, amount, sighash = taken_apart(preimage)
            if outpoint not in places:
                continue
            transaction, index = places[outpoint]
            if sighash == SIGHASH_ALL:
                digest = Bip143(transaction).digest(index, script_code, amount)
                assert digest == double_sha256(preimage)
                computed.add(digest.hex())
            else:
                others += 1
                with refused("sighash-type-refused", VerificationError):
                    Bip143(transaction).digest(index, script_code, amount, sighash)
    assert computed == {
        "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670",
        "64f3b0f4dd2bb3aa1ce8566d220cc74dda9df97d8490cc81d89d735c92e59fb6",
        "185c0be5263dce5b4bb50a047973c1b6272bfbd0103a89444597dc40b248ee7c",
        "71c9cd9b2869b9c70b01b1f0360c148f42dee72297db312638df136f43311f23",
    }
    assert others == 9


def test_the_signatures_in_the_bip_verify(vectors):
    native, nested = scenarios(vectors)[:2]
    for scenario, index, sats in ((native, 1, 600_000_000), (nested, 0, 1_000_000_000)):
        transaction = Transaction.parse(bytes.fromhex(scenario["signed"][0]))
        signature, pubkey = transaction.inputs[index].witness
        digest = Bip143(transaction).digest(index, p2pkh(hash160(pubkey)), Amount(sats))
        verify_ecdsa(pubkey, signature[:-1], digest)
        wrong = Bip143(transaction).digest(index, p2pkh(hash160(pubkey)), Amount(sats + 1))
        with refused("signature-invalid", VerificationError):
            verify_ecdsa(pubkey, signature[:-1], wrong)


@given(TRANSACTIONS, AMOUNTS, st.binary(min_size=1, max_size=300), st.data())
def test_wallycore_agrees(transaction, amount, script_code, data):
    if not transaction.outputs:
        return
    index = data.draw(st.integers(0, len(transaction.inputs) - 1))
    flags = wallycore.WALLY_TX_FLAG_USE_WITNESS
    theirs = wallycore.tx_get_btc_signature_hash(
        wallycore.tx_from_bytes(transaction.serialize(), flags),
        index,
        script_code,
        amount,
        SIGHASH_ALL,
        flags,
    )
    assert Bip143(transaction).digest(index, script_code, amount, SIGHASH_ALL) == theirs


@given(TRANSACTIONS, AMOUNTS, st.binary(max_size=300))
def test_embit_agrees(transaction, amount, script_code):
    # embit writes version 0 as 2, and has no negative ones
    transaction = dataclasses.replace(transaction, version=abs(transaction.version) % 2**31 or 1)
    theirs = EmbitTransaction.parse(transaction.serialize())
    ours = Bip143(transaction)
    for index in range(len(transaction.inputs)):
        assert ours.digest(index, script_code, amount) == theirs.sighash_segwit(
            index, Script(script_code), int(amount)
        )


@given(TRANSACTIONS, AMOUNTS)
def test_every_committed_part_changes_the_digest(transaction, amount):
    """BIP 143 item by item: what a signature with ALL fixes."""
    code = b"\x51"
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
    digests = {Bip143(t).digest(0, code, amount) for t in (transaction, *variants)}
    digests |= {Bip143(transaction).digest(0, b"\x52", amount)}
    digests |= {
        Bip143(transaction).digest(0, code, Amount(int(amount) ^ 1 if amount < MAX_MONEY else amount - 1))
    }
    assert len(digests) == len(variants) + 3


def test_what_is_not_committed_does_not_change_it():
    unsigned = payment(witness=())
    signed = dataclasses.replace(
        unsigned,
        inputs=(TxInput(unsigned.inputs[0].outpoint, b"sig", unsigned.inputs[0].sequence, (b"witness",)),),
    )
    assert Bip143(unsigned).digest(0, b"", Amount(1)) == Bip143(signed).digest(0, b"", Amount(1))


@pytest.mark.parametrize("sighash", [SIGHASH_DEFAULT, 2, 3, 4, 0x41, 0x80, 0x81, 0x82, 0x83, 0x101, -1])
def test_other_types_are_refused(sighash):
    hashes = Bip143(payment())
    assert hashes.digest(0, b"", Amount(0), SIGHASH_ALL) == hashes.digest(0, b"", Amount(0))
    with refused("sighash-type-refused", VerificationError):
        hashes.digest(0, b"", Amount(0), sighash)


@pytest.mark.parametrize("index", [-1, 1])
def test_an_input_that_is_not_there_is_a_programmers_mistake(index):
    with pytest.raises(ValueError, match="input"):
        Bip143(payment()).digest(index, b"", Amount(0))


def test_the_work_for_all_inputs_is_linear():
    """Hashing all inputs again for each of 10,000 would take minutes."""

    def digests(count: int) -> None:
        hashes = Bip143(payment(count, witness=()))
        assert len({hashes.digest(i, b"\x51", Amount(1)) for i in range(count)}) == count

    assert calls(lambda: digests(10_000)) < 12 * calls(lambda: digests(1_000))
