"""A valid payment verifies; the same payment with one thing wrong is refused by name."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import struct
from collections.abc import Callable

import pytest

from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import FalconerError, VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount, FeeRate, Weight
from falconer_shared.verify.fees import MAX_FEE, MAX_FEE_RATE, cost, total
from falconer_shared.verify.second_opinion import Question, must_agree
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import KnownIndexes, OwnPlace
from tests.support.rawpsbt import RawPsbt, edited, size
from tests.support.treasury import (
    NOTHING_KNOWN,
    Payment,
    ecdsa,
    funding,
    private_key,
    root,
    stranger_address,
    wpkh_wallet,
    wsh_wallet,
)

WALLET = wpkh_wallet()
VAULT = wsh_wallet()

NON_WITNESS_UTXO = b"\x00"
WITNESS_UTXO = b"\x01"
SIGHASH_TYPE = b"\x03"
REDEEM_SCRIPT = b"\x04"
WITNESS_SCRIPT = b"\x05"
FINAL_SCRIPTSIG = b"\x07"
FINAL_SCRIPTWITNESS = b"\x08"


def check(data: bytes, wallet=WALLET, known: KnownIndexes = NOTHING_KNOWN) -> VerifiedTransaction:
    return verify(UntrustedPsbt.parse(data), wallet, known)


def refused(rule: str, data: bytes, wallet=WALLET, known: KnownIndexes = NOTHING_KNOWN) -> FalconerError:
    with pytest.raises(FalconerError) as caught:
        check(data, wallet, known)
    assert caught.value.rule == rule, caught.value
    return caught.value


def rewrite_tx(raw: RawPsbt, change: Callable[[Transaction], Transaction]) -> None:
    tx = Transaction.parse_stripped(RawPsbt.get(raw.maps[0], b"\x00"))
    RawPsbt.set(raw.maps[0], b"\x00", change(tx).serialize_stripped())


class TestValid:
    def test_single_key(self):
        verified = check(Payment(WALLET).psbt().serialize())
        assert [output.address for output in verified.payments] == [stranger_address()]
        assert verified.paid == 70_000
        assert verified.fee == 1_000
        assert verified.spent == 71_000
        assert [(item.place, item.amount) for item in verified.inputs] == [
            (OwnPlace(0, 3), 60_000),
            (OwnPlace(0, 5), 50_000),
        ]
        assert verified.own_outputs[0].place == OwnPlace(1, 2)
        assert verified.highest_indexes == {0: 5}
        assert "may be replaced" in verified.notes[0]

    @pytest.mark.parametrize("psbt_version", [0, 2])
    @pytest.mark.parametrize("wallet", [WALLET, VAULT], ids=["wpkh", "wsh"])
    def test_both_psbt_versions_prove_the_same(self, wallet, psbt_version):
        verified = check(Payment(wallet, psbt_version=psbt_version).psbt().serialize(), wallet)
        other = check(Payment(wallet).psbt().serialize(), wallet)
        assert verified.unsigned_hash == other.unsigned_hash
        assert [item.digest for item in verified.inputs] == [item.digest for item in other.inputs]

    def test_transaction_version_1(self):
        assert check(Payment(WALLET, version=1).psbt().serialize()).tx.version == 1

    def test_witness_utxo_may_be_missing(self):
        data = edited(
            Payment(WALLET).psbt().serialize(), lambda raw: raw.set(raw.input(0), WITNESS_UTXO, None)
        )
        assert check(data).fee == 1_000

    def test_output_without_hints_counts_as_leaving(self):
        def forget(raw: RawPsbt) -> None:
            raw.output(1).clear()

        verified = check(edited(Payment(WALLET).psbt().serialize(), forget))
        # our own address, but nobody said so: counted as spent, which is the safe side (A132)
        assert len(verified.payments) in {1, 2}
        assert verified.spent >= 71_000

    def test_is_made_by_verify_alone(self):
        verified = check(Payment(WALLET).psbt().serialize())
        with pytest.raises((TypeError, ValueError)):
            dataclasses.replace(verified, notes=())
        with pytest.raises(TypeError):
            VerifiedTransaction(
                *(getattr(verified, f.name) for f in dataclasses.fields(verified)),
                seal=object(),  # type: ignore[arg-type]
            )
        with pytest.raises(dataclasses.FrozenInstanceError):
            verified.notes = ()  # type: ignore[misc]

    def test_judging_does_not_depend_on_what_was_judged_before(self):
        data = Payment(WALLET).psbt().serialize()
        first = check(data)
        refused(
            "input-amount-unproven", edited(data, lambda raw: raw.set(raw.input(0), NON_WITNESS_UTXO, None))
        )
        assert check(data) == first
        assert copy.copy(first) == first


class TestInputs:
    data = Payment(WALLET).psbt().serialize()

    def test_null_outpoint(self):
        def null(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                first = dataclasses.replace(
                    tx.inputs[0], outpoint=dataclasses.replace(tx.inputs[0].outpoint, txid=bytes(32))
                )
                return dataclasses.replace(tx, inputs=(first, *tx.inputs[1:]))

            rewrite_tx(raw, change)

        refused("input-null-outpoint", edited(self.data, null))

    def test_null_vout(self):
        def null(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                first = dataclasses.replace(
                    tx.inputs[0], outpoint=dataclasses.replace(tx.inputs[0].outpoint, vout=0xFFFFFFFF)
                )
                return dataclasses.replace(tx, inputs=(first, *tx.inputs[1:]))

            rewrite_tx(raw, change)

        refused("input-null-outpoint", edited(self.data, null))

    def test_coin_listed_twice(self):
        def double(raw: RawPsbt) -> None:
            rewrite_tx(raw, lambda tx: dataclasses.replace(tx, inputs=(tx.inputs[0], tx.inputs[0])))
            raw.maps[2] = list(raw.maps[1])

        refused("input-duplicate", edited(self.data, double))

    def test_no_previous_transaction(self):
        error = refused(
            "input-amount-unproven",
            edited(self.data, lambda raw: raw.set(raw.input(1), NON_WITNESS_UTXO, None)),
        )
        assert error.details["input"] == 1
        assert error.remedy

    def test_other_previous_transaction(self):
        other = funding(WALLET.scripts(0, 3).script_pubkey, 60_000, salt=77).serialize()
        refused(
            "input-previous-transaction-mismatch",
            edited(self.data, lambda raw: raw.set(raw.input(0), NON_WITNESS_UTXO, other)),
        )

    def test_previous_transaction_with_one_byte_changed(self):
        def flip(raw: RawPsbt) -> None:
            previous = bytearray(raw.get(raw.input(0), NON_WITNESS_UTXO))
            previous[-1] ^= 1
            raw.set(raw.input(0), NON_WITNESS_UTXO, bytes(previous))

        refused("input-previous-transaction-mismatch", edited(self.data, flip))

    @pytest.mark.parametrize("vout", [1, 2, 0xFFFFFFFE])
    def test_output_index_beyond_the_previous_transaction(self, vout):
        def beyond(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                first = dataclasses.replace(
                    tx.inputs[0], outpoint=dataclasses.replace(tx.inputs[0].outpoint, vout=vout)
                )
                return dataclasses.replace(tx, inputs=(first, *tx.inputs[1:]))

            rewrite_tx(raw, change)

        refused("input-output-index-out-of-range", edited(self.data, beyond))

    @pytest.mark.parametrize("difference", [-1, 1, 40_000])
    def test_witness_utxo_lies_about_the_amount(self, difference):
        def lie(raw: RawPsbt) -> None:
            utxo = raw.get(raw.input(0), WITNESS_UTXO)
            raw.set(raw.input(0), WITNESS_UTXO, struct.pack("<Q", 60_000 + difference) + utxo[8:])

        error = refused("input-witness-utxo-differs", edited(self.data, lie))
        assert error.details["proven"] == 60_000

    def test_witness_utxo_lies_about_the_script(self):
        def lie(raw: RawPsbt) -> None:
            utxo = raw.get(raw.input(0), WITNESS_UTXO)
            raw.set(raw.input(0), WITNESS_UTXO, utxo[:-1] + bytes([utxo[-1] ^ 1]))

        refused("input-witness-utxo-differs", edited(self.data, lie))

    def test_two_signings_attack(self):
        # CVE-2020-14199: two PSBTs, each with one lying amount, would give two good signatures over a huge fee
        for victim in (0, 1):

            def lie(raw: RawPsbt, victim: int = victim) -> None:
                utxo = raw.get(raw.input(victim), WITNESS_UTXO)
                raw.set(raw.input(victim), WITNESS_UTXO, struct.pack("<Q", 1) + utxo[8:])
                raw.set(raw.input(victim), NON_WITNESS_UTXO, None)

            refused("input-amount-unproven", edited(self.data, lie))

    def test_foreign_input(self):
        payment = Payment(WALLET)
        foreign = Payment(wpkh_wallet(seed=9), coins=payment.coins, change=[])
        refused("input-not-ours", foreign.psbt().serialize())

    def test_fingerprint_of_ours_on_a_foreign_key(self):
        foreign = Payment(wpkh_wallet(seed=9), change=[])

        def pretend(raw: RawPsbt) -> None:
            for index in range(2):
                entries = raw.input(index)
                for position, (key, value) in enumerate(entries):
                    if key[0] == 6:
                        entries[position] = (key, root(1).my_fingerprint + value[4:])

        refused("input-not-ours", edited(foreign.psbt().serialize(), pretend))

    def test_witness_script_of_another_place(self):
        data = Payment(VAULT).psbt().serialize()
        check(data, VAULT)
        other = VAULT.scripts(0, 4).witness_script
        refused(
            "input-witness-script-mismatch",
            edited(data, lambda raw: raw.set(raw.input(0), WITNESS_SCRIPT, other)),
            VAULT,
        )

    def test_witness_script_with_a_lower_threshold(self):
        data = Payment(VAULT).psbt().serialize()
        script = bytearray(VAULT.scripts(0, 3).witness_script)
        script[0] -= 1
        refused(
            "input-witness-script-mismatch",
            edited(data, lambda raw: raw.set(raw.input(0), WITNESS_SCRIPT, bytes(script))),
            VAULT,
        )

    def test_witness_script_on_a_single_key_coin(self):
        refused(
            "input-witness-script-mismatch",
            edited(self.data, lambda raw: raw.set(raw.input(0), WITNESS_SCRIPT, b"\x51")),
        )

    def test_redeem_script_on_a_native_coin(self):
        refused(
            "input-redeem-script-mismatch",
            edited(self.data, lambda raw: raw.set(raw.input(0), REDEEM_SCRIPT, b"\x00\x14" + bytes(20))),
        )

    @pytest.mark.parametrize("sighash", [0, 2, 3, 0x81, 0x82, 0x83, 0x41, 0x101, 0x80000001, 0xFFFFFFFF])
    def test_sighash_other_than_all(self, sighash):
        refused(
            "sighash-not-all",
            edited(self.data, lambda raw: raw.set(raw.input(1), SIGHASH_TYPE, struct.pack("<I", sighash))),
        )

    def test_sighash_may_be_left_out(self):
        assert (
            check(edited(self.data, lambda raw: raw.set(raw.input(1), SIGHASH_TYPE, None))).inputs[1].sighash
            == 1
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [(FINAL_SCRIPTSIG, b"\x51"), (FINAL_SCRIPTWITNESS, b"\x01\x01\x00")],
        ids=["sig", "witness"],
    )
    def test_already_final(self, field, value):
        refused("input-already-final", edited(self.data, lambda raw: raw.set(raw.input(0), field, value)))

    @pytest.mark.parametrize("sequence", [0, 1, 144, 0x400000, 0x7FFFFFFF])
    def test_relative_lock(self, sequence):
        refused("sequence-relative-lock", Payment(WALLET, sequence=sequence).psbt().serialize())

    @pytest.mark.parametrize("sequence", [0x80000000, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF])
    def test_sequences_without_a_relative_lock(self, sequence):
        verified = check(Payment(WALLET, sequence=sequence).psbt().serialize())
        assert any("may be replaced" in note for note in verified.notes) == (sequence < 0xFFFFFFFE)
        # what is signed is what came in: a library that rewrote sequence 0 signed another transaction (A057)
        assert verified.inputs[0].sequence == sequence == verified.tx.inputs[0].sequence


class TestStructure:
    def test_modifiable_flags(self):
        data = Payment(WALLET, psbt_version=2).psbt().serialize()
        check(edited(data, lambda raw: raw.set(raw.maps[0], b"\x06", b"\x00")))
        refused("psbt-modifiable", edited(data, lambda raw: raw.set(raw.maps[0], b"\x06", b"\x01")))

    def test_needs_musig2(self):
        nonce = b"\x1b" + 2 * WALLET.scripts(0, 0).pubkeys[0]
        refused(
            "psbt-needs-unsupported",
            edited(
                Payment(WALLET).psbt().serialize(), lambda raw: raw.set(raw.input(0), nonce, b"\x02" * 66)
            ),
        )

    def test_needs_silent_payments(self):
        data = Payment(WALLET, psbt_version=2).psbt().serialize()
        refused(
            "psbt-needs-unsupported",
            edited(data, lambda raw: raw.set(raw.output(0), b"\x0a", b"\x00\x00\x00\x00")),
        )

    def test_no_input(self):
        data = Payment(WALLET, psbt_version=2).psbt().serialize()

        def empty(raw: RawPsbt) -> None:
            raw.set(raw.maps[0], b"\x04", b"\x00")
            del raw.maps[1:3]

        refused("input-none", edited(data, empty))

    @pytest.mark.parametrize("version", [0, 3, -1, 2**31 - 1])
    def test_unknown_transaction_version(self, version):
        refused("transaction-version-unknown", Payment(WALLET, version=version).psbt().serialize())

    def test_unknown_fields_change_nothing(self):
        data = Payment(WALLET).psbt().serialize()
        more = edited(data, lambda raw: raw.set(raw.input(0), b"\xc8\x01", b"whatever"))
        assert check(more).unsigned_hash == check(data).unsigned_hash


class TestOutputs:
    def data(self, **changes: object) -> bytes:
        return Payment(WALLET, **changes).psbt().serialize()  # type: ignore[arg-type]

    def test_no_output(self):
        refused("output-none", self.data(pay=[], change=[]))

    def test_change_to_a_foreign_address(self):
        def steal(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                stolen = dataclasses.replace(tx.outputs[1], script=b"\x00\x14" + b"\x66" * 20)
                return dataclasses.replace(tx, outputs=(tx.outputs[0], stolen))

            rewrite_tx(raw, change)

        refused("change-not-derived", edited(self.data(), steal))

    def test_change_to_our_key_in_another_script_form(self):
        # same key, P2PKH instead of P2WPKH: invisible to a wallet restored from the descriptor (A017)
        def twist(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                program = tx.outputs[1].script[2:]
                twisted = dataclasses.replace(tx.outputs[1], script=b"\x76\xa9\x14" + program + b"\x88\xac")
                return dataclasses.replace(tx, outputs=(tx.outputs[0], twisted))

            rewrite_tx(raw, change)

        refused("change-not-derived", edited(self.data(), twist))

    def test_change_as_multisig_with_a_stranger(self):
        # the Trezor T attack: multisig metadata around our key make a foreign output look like change (A016)
        evil = wsh_wallet(1, (1, 66), name="evil")

        def twist(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                twisted = dataclasses.replace(tx.outputs[1], script=evil.scripts(1, 2).script_pubkey)
                return dataclasses.replace(tx, outputs=(tx.outputs[0], twisted))

            rewrite_tx(raw, change)
            raw.set(raw.output(1), b"\x01", evil.scripts(1, 2).witness_script)

        refused("change-not-derived", edited(self.data(), twist))

    def test_another_account_of_the_same_seed(self):
        def twist(raw: RawPsbt) -> None:
            key = root(1).derive("m/84h/1h/1h/1/2").key.get_public_key().sec()
            program = hashlib.new("ripemd160", hashlib.sha256(key).digest()).digest()

            def change(tx: Transaction) -> Transaction:
                twisted = dataclasses.replace(tx.outputs[1], script=b"\x00\x14" + program)
                return dataclasses.replace(tx, outputs=(tx.outputs[0], twisted))

            rewrite_tx(raw, change)
            raw.output(1)[:] = [(b"\x02" + key, raw.output(1)[0][1])]

        refused("change-not-derived", edited(self.data(), twist))

    @pytest.mark.parametrize("branch", [0, 1])
    def test_gap_limit(self, branch):
        # inputs prove index 5 of the receive branch; of the change branch the journal has seen index 7
        known = KnownIndexes({1: 7})
        reach = {0: 5, 1: 7}[branch] + WALLET.gap_limit
        at = self.data(change=[(OwnPlace(branch, reach), 39_000)])
        assert check(at, known=known).own_outputs[0].place == OwnPlace(branch, reach)
        refused(
            "output-own-beyond-gap", self.data(change=[(OwnPlace(branch, reach + 1), 39_000)]), known=known
        )

    def test_path_ransom(self):
        refused("output-own-beyond-gap", self.data(change=[(OwnPlace(1, 2**31 - 1), 39_000)]))

    def test_fan_out(self):
        def fan(count: int) -> bytes:
            return self.data(
                change=[(OwnPlace(1, number), 1_000) for number in range(count)],
                pay=[(stranger_address(), 70_000)],
                coins=[(OwnPlace(0, 3), 70_000 + 2_000 + 1_000 * count)],
            )

        assert len(check(fan(10)).own_outputs) == 10
        refused("output-own-too-many", fan(11))

    def test_receive_address_as_change_is_said(self):
        verified = check(self.data(change=[(OwnPlace(0, 2), 39_000)]))
        assert "pays one of our own receive addresses" in verified.notes

    def test_nothing_leaves_is_said(self):
        verified = check(self.data(pay=[], change=[(OwnPlace(1, 2), 109_000)]))
        assert "no payment leaves this wallet" in verified.notes

    def with_script(self, script: bytes, amount: int = 70_000) -> bytes:
        def twist(raw: RawPsbt) -> None:
            def change(tx: Transaction) -> Transaction:
                twisted = dataclasses.replace(tx.outputs[0], script=script, value=Amount(amount))
                return dataclasses.replace(tx, outputs=(twisted, *tx.outputs[1:]))

            rewrite_tx(raw, change)

        return edited(self.data(pay=[(stranger_address(), 70_000)]), twist)

    def test_op_return_with_money(self):
        refused("output-burns-value", self.with_script(b"\x6a\x04evil"))

    def test_op_return_without_money(self):
        refused("output-carries-data", edited(self.with_script(b"\x6a\x04data", 0), lambda raw: None))

    @pytest.mark.parametrize("script", [b"\x52\x20" + bytes(32), b"\x60\x02\x00\x00", b"\x51\x02\x4e\x73"])
    def test_unknown_witness_version(self, script):
        refused("output-witness-version-unknown", self.with_script(script))

    @pytest.mark.parametrize(
        "script",
        [b"", b"\x51", b"\xde\xad\xbe\xef", b"\x21" + b"\x02" * 33 + b"\xac", b"\x00\x13" + bytes(19)],
        ids=["empty", "true", "junk", "p2pk", "short-program"],
    )
    def test_script_without_an_address(self, script):
        refused("output-script-unknown", self.with_script(script))

    def test_taproot_key_that_is_no_point(self):
        good = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        assert check(self.with_script(b"\x51\x20" + good)).payments[0].address.startswith("bcrt1p")
        refused("output-taproot-key-invalid", self.with_script(b"\x51\x20" + b"\xff" * 32))

    @pytest.mark.parametrize(
        ("script", "limit"),
        [
            (b"\x00\x14" + b"\x07" * 20, 294),
            (b"\x00\x20" + b"\x07" * 32, 330),
            (b"\x76\xa9\x14" + b"\x07" * 20 + b"\x88\xac", 546),
            (b"\xa9\x14" + b"\x07" * 20 + b"\x87", 540),
        ],
        ids=["p2wpkh", "p2wsh", "p2pkh", "p2sh"],
    )
    def test_dust(self, script, limit):
        coins = [(OwnPlace(0, 3), 41_000)]

        def build(amount: int) -> bytes:
            def twist(raw: RawPsbt) -> None:
                def change(tx: Transaction) -> Transaction:
                    twisted = dataclasses.replace(tx.outputs[0], script=script, value=Amount(amount))
                    return dataclasses.replace(tx, outputs=(twisted, *tx.outputs[1:]))

                rewrite_tx(raw, change)

            return edited(self.data(coins=coins), twist)

        assert check(build(limit)).paid == limit
        refused("output-dust", build(limit - 1))


class TestFees:
    def fee(self, fee: int, coin: int = 100_000_000) -> bytes:
        return (
            Payment(
                WALLET,
                coins=[(OwnPlace(0, 0), coin)],
                pay=[(stranger_address(), 10_000)],
                change=[(OwnPlace(1, 0), coin - 10_000 - fee)],
            )
            .psbt()
            .serialize()
        )

    def test_zero_fee_is_no_business_of_verification(self):
        assert check(self.fee(0)).fee == 0

    def test_negative(self):
        refused("fee-negative", self.fee(-1))

    def test_rate_cap(self):
        vbytes = check(self.fee(0)).weight.virtual_size()
        limit = MAX_FEE_RATE * vbytes // 1000
        assert check(self.fee(limit)).fee_rate <= MAX_FEE_RATE
        refused("fee-rate-above-cap", self.fee(limit + 1))

    def test_share_cap(self):
        assert check(self.fee(50_000, coin=200_000)).fee == 50_000
        refused("fee-share-above-cap", self.fee(50_001, coin=200_000))

    def test_absolute_cap(self):
        # a real transaction meets the rate cap first unless it is large, so the cap itself is judged here
        weight = Weight(200_000)
        inputs = [10 * MAX_FEE]

        def outputs(fee: int) -> tuple:
            return (
                dataclasses.replace(
                    Payment(WALLET).transaction().outputs[0], value=Amount(10 * MAX_FEE - fee)
                ),
            )

        assert cost(inputs, outputs(MAX_FEE), weight).fee == MAX_FEE
        with pytest.raises(VerificationError) as caught:
            cost(inputs, outputs(MAX_FEE + 1), weight)
        assert caught.value.rule == "fee-above-cap"

    def test_sum_beyond_all_money(self):
        maximum = 21_000_000 * 100_000_000
        assert total([maximum - 1, 1], "inputs") == maximum
        with pytest.raises(VerificationError) as caught:
            total([maximum, 1], "inputs")
        assert caught.value.rule == "amount-sum-out-of-range"

    def test_sum_beyond_all_money_in_a_transaction(self):
        maximum = 21_000_000 * 100_000_000
        refused(
            "amount-sum-out-of-range",
            Payment(WALLET, pay=[(stranger_address(), maximum), (stranger_address(1), maximum)])
            .psbt()
            .serialize(),
        )

    def test_fee_rate_is_rounded_up(self):
        assert FeeRate.of(Amount(1), Weight(4_000_000)) == 1
        assert FeeRate.of(Amount(0), Weight(4)) == 0

    def test_too_heavy(self):
        pays = [(stranger_address(number), 1_000) for number in range(3_300)]
        coin = 3_300_000 + 100_000
        heavy = Payment(WALLET, coins=[(OwnPlace(0, 0), coin)], pay=pays, change=[])
        refused("weight-not-standard", heavy.psbt().serialize())
        light = Payment(WALLET, coins=[(OwnPlace(0, 0), coin - 200_000)], pay=pays[:3_100], change=[])
        assert check(light.psbt().serialize()).weight < 400_000


class TestLockTime:
    def test_height(self):
        verified = check(Payment(WALLET, locktime=499_999_999).psbt().serialize())
        assert "cannot confirm before block 500000000" in verified.notes

    def test_time(self):
        verified = check(Payment(WALLET, locktime=500_000_000).psbt().serialize())
        assert "cannot confirm before 1985-11-05 00:53:20 UTC" in verified.notes

    def test_switched_off(self):
        verified = check(Payment(WALLET, locktime=100, sequence=0xFFFFFFFF).psbt().serialize())
        assert verified.notes == ("lock time 100 is switched off by final sequences",)

    def test_none(self):
        assert not any("confirm" in note for note in check(Payment(WALLET).psbt().serialize()).notes)


class TestSecondOpinion:
    def test_agrees_for_every_input(self):
        verified = check(Payment(VAULT).psbt().serialize(), VAULT)
        assert len({item.digest for item in verified.inputs}) == 2

    def test_refuses_another_digest(self):
        verified = check(Payment(WALLET).psbt().serialize())
        unsigned = verified.tx.serialize_stripped()
        good, second = (
            Question(
                each.index, InputKind.SEGWIT_V0, WALLET.descriptor.script_code(each.scripts), 1, each.digest
            )
            for each in verified.inputs
        )
        spent = [TxOutput(each.amount, each.script_pubkey) for each in verified.inputs]
        dearer = [TxOutput(Amount(spent[0].value + 1), spent[0].script), spent[1]]
        must_agree(unsigned, [good, second], spent)
        for bad, amounts in (
            (dataclasses.replace(good, digest=bytes(32)), spent),
            (dataclasses.replace(good, digest=second.digest), spent),
            (dataclasses.replace(good, kind=InputKind.LEGACY), spent),
            (dataclasses.replace(good, kind=InputKind.TAPROOT), spent),
            (good, dearer),
        ):
            with pytest.raises(VerificationError) as caught:
                must_agree(unsigned, [bad, second], amounts)
            assert caught.value.rule == "second-opinion-differs"
        for questions in ([], [good], [second], [second, good], [good, good], [good, second, second]):
            with pytest.raises(ValueError, match="every input"):
                must_agree(unsigned, questions, spent)
        with pytest.raises(ValueError, match="every input"):
            must_agree(unsigned, [good], spent[:1])


class TestSignaturesThatAreThereAlready:
    def test_a_valid_one_passes_and_a_bad_one_refuses(self):
        psbt = Payment(VAULT).psbt()
        item = check(psbt.serialize(), VAULT).inputs[0]
        key = VAULT.keys[1]
        pubkey = item.scripts.pubkeys[1]
        good = ecdsa(private_key(2, key.origin, item.place), item.digest)
        check(edited(psbt.serialize(), lambda raw: raw.set(raw.input(0), b"\x02" + pubkey, good)), VAULT)
        other = ecdsa(private_key(2, key.origin, item.place), hashlib.sha256(b"other").digest())
        refused(
            "signature-invalid",
            edited(psbt.serialize(), lambda raw: raw.set(raw.input(0), b"\x02" + pubkey, other)),
            VAULT,
        )


def test_sizes_of_the_raw_helper():
    assert size(252) == b"\xfc"
    assert size(253) == b"\xfd\xfd\x00"
