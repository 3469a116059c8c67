"""Taproot keys and BIP 341 digests against the wallet vectors of the BIP, embit, wallycore and bdk's rust-bitcoin."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import wallycore
from embit.ec import PublicKey
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.curve import ORDER, verify_schnorr, xonly_tweak_add
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import p2tr
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Bip341
from falconer_shared.bitcoin.taproot import key_path_output_key, key_path_tweak, tagged_hash
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxOutput
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.units import Amount
from tests.support.refusal import refused
from tests.support.transactions import OUTPUTS, TRANSACTIONS, payment
from tests.support.work import calls

SECRETS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


def wallet_vectors(vectors: Path) -> dict[str, Any]:
    path = vectors / "vectors/raw/bitcoin_bips/bip-0341/wallet-test-vectors.json"
    return dict(json.loads(path.read_text()))


def spending(vectors: Path) -> tuple[Transaction, list[TxOutput], list[dict[str, Any]]]:
    """The one transaction of the vectors, what it spends, and its key path inputs."""
    (case,) = wallet_vectors(vectors)["keyPathSpending"]
    transaction = Transaction.parse(bytes.fromhex(case["given"]["rawUnsignedTx"]))
    spent = [
        TxOutput(Amount(utxo["amountSats"]), bytes.fromhex(utxo["scriptPubKey"]))
        for utxo in case["given"]["utxosSpent"]
    ]
    return transaction, spent, case["inputSpending"]


def test_output_keys_of_bip341(vectors: Path) -> None:
    tried = 0
    for case in wallet_vectors(vectors)["scriptPubKey"]:
        internal_key = bytes.fromhex(case["given"]["internalPubkey"])
        tweak = bytes.fromhex(case["intermediary"]["tweak"])
        tweaked = case["intermediary"]["tweakedPubkey"]
        assert xonly_tweak_add(internal_key, tweak).hex() == tweaked
        if case["given"]["scriptTree"] is None:
            assert key_path_tweak(internal_key) == tweak
            script = p2tr(key_path_output_key(internal_key))
            assert script.hex() == case["expected"]["scriptPubKey"]
            assert address_of(script, Network.MAINNET) == case["expected"]["bip350Address"]
            tried += 1
        else:
            # a key with scripts is another one, so a hidden tree cannot stand behind an output of ours (A046)
            assert key_path_output_key(internal_key).hex() != tweaked
    assert tried == 1


def test_digests_of_bip341(vectors: Path) -> None:
    transaction, spent, cases = spending(vectors)
    hashes = Bip341(transaction, spent)
    computed = set()
    for case in cases:
        index, sighash = case["given"]["txinIndex"], case["given"]["hashType"]
        if sighash not in {SIGHASH_DEFAULT, SIGHASH_ALL}:
            with refused("sighash-type-refused", VerificationError):
                hashes.digest(index, sighash)
            continue
        digest = hashes.digest(index, sighash)
        assert digest.hex() == case["intermediary"]["sigHash"]
        signature = bytes.fromhex(case["expected"]["witness"][0])
        verify_schnorr(spent[index].script[2:], signature[:64], digest)
        assert signature[64:] == (b"\x01" if sighash else b"")
        other = hashes.digest(index, 1 - sighash)
        with refused("signature-invalid", VerificationError):
            verify_schnorr(spent[index].script[2:], signature[:64], other)
        computed.add(sighash)
    assert computed == {SIGHASH_DEFAULT, SIGHASH_ALL}


@given(SECRETS)
def test_embit_tweaks_alike(secret: bytes) -> None:
    pubkey = bytes(wallycore.ec_public_key_from_private_key(secret))
    assert key_path_output_key(pubkey[1:]) == PublicKey.parse(pubkey).taproot_tweak(b"").xonly()


@given(SECRETS)
def test_wallycore_tweaks_alike(secret: bytes) -> None:
    pubkey = bytes(wallycore.ec_public_key_from_private_key(secret))
    theirs = bytes(wallycore.ec_public_key_bip341_tweak(pubkey, None, 0))
    assert key_path_output_key(pubkey[1:]) == theirs[1:]


def test_tweaks_that_are_none() -> None:
    """BIP 341: a tweak of the group's order or more fails, as does a sum that is no point."""
    (one,) = (bytes(wallycore.ec_public_key_from_private_key((1).to_bytes(32, "big")))[1:],)
    assert xonly_tweak_add(one, bytes(32)) == one
    for tweak in (ORDER, 2**256 - 1, ORDER - 1):
        with refused("curve-tweak-invalid", VerificationError):
            xonly_tweak_add(one, tweak.to_bytes(32, "big"))
    xonly_tweak_add(one, (ORDER - 2).to_bytes(32, "big"))
    with refused("xonly-key-malformed", Malformed):
        key_path_output_key(b"\xff" * 32)


def test_sizes_that_only_a_programmer_gets_wrong() -> None:
    with pytest.raises(ValueError, match="tweak"):
        xonly_tweak_add(bytes(32), bytes(31))
    with pytest.raises(ValueError, match="32 bytes"):
        key_path_tweak(b"\x02" + bytes(32))
    with pytest.raises(ValueError, match="one spent output"):
        Bip341(payment(2), [TxOutput(Amount(1), b"")])


def test_tagged_hash_is_that_of_bip340() -> None:
    hashed = tagged_hash("TapTweak")
    hashed.update(b"data")
    assert hashed.digest() == wallycore.bip340_tagged_hash(b"data", "TapTweak")


@given(TRANSACTIONS, st.data())
def test_embit_agrees(transaction: Transaction, data: st.DataObject) -> None:
    transaction = dataclasses.replace(transaction, version=abs(transaction.version) % 2**31 or 1)
    spent = [data.draw(OUTPUTS) for _ in transaction.inputs]
    theirs = EmbitTransaction.parse(transaction.serialize())
    scripts, amounts = [Script(o.script) for o in spent], [int(o.value) for o in spent]
    ours = Bip341(transaction, spent)
    for index in range(len(transaction.inputs)):
        for sighash in (SIGHASH_DEFAULT, SIGHASH_ALL):
            expected = theirs.sighash_taproot(index, scripts, amounts, sighash)
            assert ours.digest(index, sighash) == expected


@given(TRANSACTIONS, st.data())
def test_wallycore_agrees(transaction: Transaction, data: st.DataObject) -> None:
    if not transaction.outputs:
        return
    spent = [
        TxOutput(data.draw(OUTPUTS).value, p2tr(bytes(31) + bytes([n])))
        for n in range(len(transaction.inputs))
    ]
    index = data.draw(st.integers(0, len(spent) - 1))
    flags = wallycore.WALLY_TX_FLAG_USE_WITNESS
    raw = wallycore.tx_from_bytes(transaction.serialize(), flags)
    scripts = wallycore.map_init(len(spent), None)
    for number, output in enumerate(spent):
        wallycore.map_add_integer(scripts, number, output.script)
    theirs = wallycore.tx_get_btc_taproot_signature_hash(
        raw, index, scripts, [int(o.value) for o in spent], None, 0, 0xFFFFFFFF, None, SIGHASH_ALL, 0
    )
    assert Bip341(transaction, spent).digest(index, SIGHASH_ALL) == theirs


@given(TRANSACTIONS, st.data())
def test_every_committed_part_changes_the_digest(transaction: Transaction, data: st.DataObject) -> None:
    spent = [data.draw(OUTPUTS) for _ in transaction.inputs]
    first, last = transaction.inputs[0], spent[-1]
    flipped = OutPoint(bytes(b ^ 1 for b in first.outpoint.txid), first.outpoint.vout)
    variants = [
        dataclasses.replace(transaction, version=transaction.version ^ 1),
        dataclasses.replace(transaction, locktime=transaction.locktime ^ 1),
        dataclasses.replace(transaction, outputs=(*transaction.outputs, *payment().outputs)),
        dataclasses.replace(
            transaction, inputs=(dataclasses.replace(first, outpoint=flipped), *transaction.inputs[1:])
        ),
        dataclasses.replace(
            transaction,
            inputs=(dataclasses.replace(first, sequence=first.sequence ^ 1), *transaction.inputs[1:]),
        ),
    ]
    # what other inputs spend is signed too: a lie about any of them makes the signature worthless
    lies = [
        TxOutput(Amount(int(last.value) - 1 if last.value else 1), last.script),
        TxOutput(last.value, last.script + b"\x51"),
    ]
    digests = {Bip341(each, spent).digest(0) for each in (transaction, *variants)}
    digests |= {Bip341(transaction, [*spent[:-1], lie]).digest(0) for lie in lies}
    digests |= {Bip341(transaction, spent).digest(0, SIGHASH_ALL)}
    assert len(digests) == 1 + len(variants) + len(lies) + 1


def test_inputs_have_different_digests() -> None:
    spent = [TxOutput(Amount(1), b"")] * 5
    assert len({Bip341(payment(5), spent).digest(index) for index in range(5)}) == 5


@pytest.mark.parametrize("sighash", [2, 3, 4, 0x41, 0x80, 0x81, 0x82, 0x83, 0x100, 0x101, -1])
def test_other_types_are_refused(sighash: int) -> None:
    with refused("sighash-type-refused", VerificationError):
        Bip341(payment(), [TxOutput(Amount(1), b"")]).digest(0, sighash)


@pytest.mark.parametrize("index", [-1, 1])
def test_an_input_that_is_not_there_is_a_programmers_mistake(index: int) -> None:
    with pytest.raises(ValueError, match="input"):
        Bip341(payment(), [TxOutput(Amount(1), b"")]).digest(index)


def test_the_work_for_all_inputs_is_linear() -> None:
    def digests(count: int) -> None:
        hashes = Bip341(payment(count, witness=()), [TxOutput(Amount(1), b"\x51\x20" + bytes(32))] * count)
        assert len({hashes.digest(index) for index in range(count)}) == count

    assert calls(lambda: digests(10_000)) < 12 * calls(lambda: digests(1_000))
