"""Every form of a wallet: a valid payment verifies, and the same payment with one thing wrong is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import time

import pytest
import wallycore
from embit.ec import PrivateKey

from falconer_shared.bitcoin.script import hash160, p2sh, p2wpkh
from falconer_shared.bitcoin.sighash import Bip143, Bip341, Legacy
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import FalconerError, VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import build_psbt
from falconer_shared.units import Amount
from falconer_shared.verify import digests
from falconer_shared.verify.inputs import MAX_LEGACY_INPUTS
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.rawpsbt import RawPsbt, edited
from tests.support.treasury import (
    FORMS,
    NOTHING_KNOWN,
    Payment,
    ecdsa,
    private_key,
    root,
    schnorr,
    wallet_of,
)

WALLETS = {form: wallet_of(form) for form in FORMS}
KINDS = {
    "pkh": InputKind.LEGACY,
    "sh": InputKind.LEGACY,
    "sh-wpkh": InputKind.SEGWIT_V0,
    "wpkh": InputKind.SEGWIT_V0,
    "sh-wsh": InputKind.SEGWIT_V0,
    "wsh": InputKind.SEGWIT_V0,
    "tr": InputKind.TAPROOT,
}
LEGACY = [form for form in FORMS if KINDS[form] is InputKind.LEGACY]
OTHERS = [form for form in FORMS if KINDS[form] is not InputKind.TAPROOT]
TR = WALLETS["tr"]

NON_WITNESS_UTXO, WITNESS_UTXO, PARTIAL_SIG, SIGHASH_TYPE = b"\x00", b"\x01", b"\x02", b"\x03"
REDEEM_SCRIPT, WITNESS_SCRIPT = b"\x04", b"\x05"
TAP_KEY_SIG, TAP_SCRIPT_SIG, TAP_LEAF_SCRIPT = b"\x13", b"\x14", b"\x15"
TAP_DERIVATION, TAP_INTERNAL_KEY, TAP_MERKLE_ROOT = b"\x16", b"\x17", b"\x18"
OUT_TAP_INTERNAL_KEY, OUT_TAP_TREE, OUT_TAP_DERIVATION = b"\x05", b"\x06", b"\x07"

STRANGER = bytes(wallycore.ec_public_key_from_private_key(hashlib.sha256(b"stranger").digest()))[1:]


def data_of(form: str, **changes: object) -> bytes:
    return Payment(WALLETS[form], **changes).psbt().serialize()  # type: ignore[arg-type]


def check(data: bytes, wallet: RegisteredWallet) -> VerifiedTransaction:
    return verify(UntrustedPsbt.parse(data), wallet, NOTHING_KNOWN)


def refused(rule: str, data: bytes, wallet: RegisteredWallet) -> FalconerError:
    with pytest.raises(FalconerError) as caught:
        check(data, wallet)
    assert caught.value.rule == rule, caught.value
    return caught.value


def with_field(data: bytes, key: bytes, value: bytes | None, index: int = 0) -> bytes:
    return edited(data, lambda raw: raw.set(raw.input(index), key, value))


class TestValid:
    @pytest.mark.parametrize("psbt_version", [0, 2])
    @pytest.mark.parametrize("form", FORMS)
    def test_every_form(self, form: str, psbt_version: int) -> None:
        verified = check(data_of(form, psbt_version=psbt_version), WALLETS[form])
        assert (verified.paid, verified.fee, verified.spent) == (70_000, 1_000, 71_000)
        assert [item.kind for item in verified.inputs] == [KINDS[form]] * 2
        assert [item.place for item in verified.inputs] == [OwnPlace(0, 3), OwnPlace(0, 5)]
        assert verified.own_outputs[0].place == OwnPlace(1, 2)
        assert len({item.digest for item in verified.inputs}) == 2

    @pytest.mark.parametrize("form", FORMS)
    def test_the_kind_of_digest_is_that_of_the_proven_script(self, form: str) -> None:
        verified = check(data_of(form), WALLETS[form])
        spent = [TxOutput(item.amount, item.script_pubkey) for item in verified.inputs]
        for item in verified.inputs:
            scripts = item.scripts
            code = scripts.witness_script or b"\x76\xa9\x14" + hash160(scripts.pubkeys[0]) + b"\x88\xac"
            possible = {
                InputKind.LEGACY: Legacy(verified.tx).digest(item.index, scripts.redeem_script or code),
                InputKind.SEGWIT_V0: Bip143(verified.tx).digest(item.index, code, item.amount),
                InputKind.TAPROOT: Bip341(verified.tx, spent).digest(item.index),
            }
            assert len(set(possible.values())) == 3
            assert item.digest == possible[KINDS[form]]
            assert item.sighash == (0 if form == "tr" else 1)

    @pytest.mark.parametrize("form", FORMS)
    def test_what_the_creator_writes(self, form: str) -> None:
        psbt = Payment(WALLETS[form]).psbt()
        kinds = {key[0] for key in psbt.input_maps[0]}
        wanted = {0x00, 0x03, *({0x01} if KINDS[form] is not InputKind.LEGACY else ())}
        wanted |= {0x16, 0x17} if form == "tr" else {0x06}
        wanted |= {0x04} if form in {"sh", "sh-wpkh", "sh-wsh"} else set()
        wanted |= {0x05} if form in {"wsh", "sh-wsh"} else set()
        assert kinds == wanted
        outputs = {key[0] for key in psbt.output_maps[1]}
        assert outputs == {
            {0x04: 0x00, 0x05: 0x01, 0x06: 0x02, 0x16: 0x07, 0x17: 0x05}[kind] for kind in wanted - {0, 1, 3}
        }

    def test_libraries_read_our_taproot_fields(self) -> None:
        psbt = Payment(TR).psbt()
        scripts = TR.scripts(0, 3)
        theirs = wallycore.psbt_from_bytes(psbt.serialize(), wallycore.WALLY_PSBT_PARSE_FLAG_STRICT)
        assert bytes(wallycore.psbt_get_input_taproot_internal_key(theirs, 0)) == scripts.internal_key
        assert psbt.inputs[0].tap_bip32_derivations == {
            scripts.internal_key: ((), root(1).my_fingerprint, TR.keys[0].path(0, 3))
        }


class TestWalletsAreKeptApart:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("other", FORMS)
    def test_coins_of_one_wallet_are_none_of_another(self, form: str, other: str) -> None:
        if form != other:
            refused("input-not-ours", data_of(form), WALLETS[other])

    @pytest.mark.parametrize(
        ("wallet", "other"), [("wpkh", "sh-wpkh"), ("sh-wpkh", "wpkh"), ("wpkh", "tr"), ("pkh", "wpkh")]
    )
    def test_change_to_another_form_of_the_same_key(self, wallet: str, other: str) -> None:
        # A017: our key, our path, and an address that the registered wallet never looks at
        own = WALLETS[wallet]
        text = own.canonical.replace("sh(wpkh(", "wpkh(").replace("))", ")")
        inner = text[text.index("(") + 1 : -1]
        shape = {"wpkh": "wpkh({})", "sh-wpkh": "sh(wpkh({}))", "tr": "tr({})", "pkh": "pkh({})"}[other]
        twin = RegisteredWallet.restore("twin", own.network, shape.format(inner), 20)
        payment = Payment(own)
        honest = payment.psbt().serialize()

        def swap(raw: RawPsbt) -> None:
            tx = Transaction.parse_stripped(RawPsbt.get(raw.maps[0], b"\x00"))
            changed = TxOutput(tx.outputs[1].value, twin.scripts(1, 2).script_pubkey)
            tx = dataclasses.replace(tx, outputs=(tx.outputs[0], changed))
            RawPsbt.set(raw.maps[0], b"\x00", tx.serialize_stripped())

        refused("change-not-derived", edited(honest, swap), own)


class TestLegacy:
    def test_too_many_inputs(self) -> None:
        for form in LEGACY:
            wallet = WALLETS[form]
            # the bound counts inputs before it looks at any of them
            for count, rule in ((MAX_LEGACY_INPUTS + 1, "legacy-inputs-too-many"), (MAX_LEGACY_INPUTS, None)):
                coins = [(OwnPlace(0, number), 60_000) for number in range(count)]
                payment = Payment(
                    wallet, coins=coins, pay=[], change=[(OwnPlace(1, 0), 60_000 * count - 200_000)]
                )
                data = payment.psbt().serialize()
                if rule is not None:
                    error = refused(rule, data, wallet)
                    assert (error.details["inputs"], error.details["limit"]) == (201, 200)
                elif form == "pkh":
                    assert len(check(data, wallet).inputs) == MAX_LEGACY_INPUTS

    def test_segwit_wallets_have_no_such_bound(self) -> None:
        count = MAX_LEGACY_INPUTS + 1
        coins = [(OwnPlace(0, number), 60_000) for number in range(count)]
        for form in ("wpkh", "tr", "sh-wpkh"):
            payment = Payment(
                WALLETS[form], coins=coins, pay=[], change=[(OwnPlace(1, 0), 60_000 * count - 200_000)]
            )
            assert len(check(payment.psbt().serialize(), WALLETS[form]).inputs) == count

    def test_the_dearest_to_judge_is_judged_at_once(self) -> None:
        """DESIGN 7: within a second. 200 inputs over 2,000 outputs, hashed by us and by embit."""
        wallet = WALLETS["pkh"]
        coins = [(OwnPlace(0, number), 60_000) for number in range(MAX_LEGACY_INPUTS)]
        payment = Payment(wallet, coins=coins, pay=[], change=[])
        outputs = tuple(TxOutput(Amount(5_900), p2wpkh(bytes(20))) for _ in range(2_000))
        tx = dataclasses.replace(payment.transaction(), outputs=outputs)
        proven = [
            (place, each.serialize()) for (place, _), each in zip(coins, payment.previous(), strict=True)
        ]
        data = build_psbt(tx, wallet, proven, {}).serialize()
        check(data_of("pkh"), wallet)  # embit is loaded now
        # of the processor: others may be at the machine
        start = time.process_time()
        assert len(check(data, wallet).inputs) == MAX_LEGACY_INPUTS
        assert time.process_time() - start < 1

    @pytest.mark.parametrize("form", LEGACY)
    def test_a_witness_utxo_switches_no_digest(self, form: str) -> None:
        # A052, BIP 174: where a witness UTXO is, no legacy signature may be made
        data, wallet = data_of(form), WALLETS[form]
        proven = TxOutput(Amount(60_000), wallet.scripts(0, 3).script_pubkey)
        refused(
            "input-witness-utxo-of-legacy-coin", with_field(data, WITNESS_UTXO, proven.serialize()), wallet
        )
        # instead of the previous transaction it proves nothing
        without = with_field(with_field(data, WITNESS_UTXO, proven.serialize()), NON_WITNESS_UTXO, None)
        refused("input-amount-unproven", without, wallet)

    @pytest.mark.parametrize("form", LEGACY)
    def test_a_witness_script_switches_no_digest(self, form: str) -> None:
        refused(
            "input-witness-script-mismatch", with_field(data_of(form), WITNESS_SCRIPT, b"\x51"), WALLETS[form]
        )

    @pytest.mark.parametrize("form", OTHERS)
    def test_default_is_no_type_outside_taproot(self, form: str) -> None:
        refused(
            "sighash-not-all", with_field(data_of(form), SIGHASH_TYPE, struct.pack("<I", 0)), WALLETS[form]
        )

    @pytest.mark.parametrize("form", OTHERS)
    def test_amounts_need_previous_transactions(self, form: str) -> None:
        refused("input-amount-unproven", with_field(data_of(form), NON_WITNESS_UTXO, None, 1), WALLETS[form])


class TestScripts:
    @pytest.mark.parametrize("form", ["sh", "sh-wpkh", "sh-wsh"])
    def test_redeem_script_of_another_place(self, form: str) -> None:
        wallet, data = WALLETS[form], data_of(form)
        check(with_field(data, REDEEM_SCRIPT, None), wallet)
        other = wallet.scripts(0, 4).redeem_script
        refused("input-redeem-script-mismatch", with_field(data, REDEEM_SCRIPT, other), wallet)

    def test_redeem_script_with_a_lower_threshold(self) -> None:
        wallet, data = WALLETS["sh"], data_of("sh")
        weaker = bytearray(wallet.scripts(0, 3).redeem_script or b"")
        weaker[0] -= 1
        refused("input-redeem-script-mismatch", with_field(data, REDEEM_SCRIPT, bytes(weaker)), wallet)

    def test_witness_script_of_another_place_nested(self) -> None:
        wallet, data = WALLETS["sh-wsh"], data_of("sh-wsh")
        other = wallet.scripts(0, 4).witness_script
        refused("input-witness-script-mismatch", with_field(data, WITNESS_SCRIPT, other), wallet)

    def test_a_wrapped_program_on_a_legacy_script_hash(self) -> None:
        # a coin of sh(multi) whose redeem script is said to be a witness program: its digest would be another one
        wallet, data = WALLETS["sh"], data_of("sh")
        program = b"\x00\x20" + hashlib.sha256(wallet.scripts(0, 3).redeem_script or b"").digest()
        assert p2sh(hash160(program)) != wallet.scripts(0, 3).script_pubkey
        refused("input-redeem-script-mismatch", with_field(data, REDEEM_SCRIPT, program), wallet)


class TestTaprootFields:
    data = data_of("tr")

    def test_all_hints_but_one_may_be_missing(self) -> None:
        check(with_field(self.data, TAP_INTERNAL_KEY, None), TR)

        def only_the_old_kind(raw: RawPsbt) -> None:
            entries = raw.input(0)
            (hint,) = [value for key, value in entries if key[:1] == TAP_DERIVATION]
            entries[:] = [(key, value) for key, value in entries if key[:1] != TAP_DERIVATION]
            entries.append((b"\x06" + TR.scripts(0, 3).pubkeys[0], hint[1:]))

        check(edited(self.data, only_the_old_kind), TR)

        def forget(raw: RawPsbt) -> None:
            entries = raw.input(0)
            entries[:] = [(key, value) for key, value in entries if key[:1] != TAP_DERIVATION]

        refused("input-not-ours", edited(self.data, forget), TR)

    def test_internal_key_of_another_place(self) -> None:
        other = TR.scripts(0, 4).internal_key
        refused("input-internal-key-mismatch", with_field(self.data, TAP_INTERNAL_KEY, other), TR)
        output_key = TR.scripts(0, 3).signing_keys[0]
        refused("input-internal-key-mismatch", with_field(self.data, TAP_INTERNAL_KEY, output_key), TR)

    def test_a_key_beside_ours(self) -> None:
        def add(raw: RawPsbt) -> None:
            raw.set(raw.input(0), TAP_DERIVATION + STRANGER, b"\x00" + b"\xaa" * 4 + struct.pack("<I", 1))

        refused("input-internal-key-mismatch", edited(self.data, add), TR)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (TAP_MERKLE_ROOT, bytes(32)),
            (TAP_LEAF_SCRIPT + b"\xc0" + STRANGER, b"\x20" + STRANGER + b"\xac\xc0"),
            (TAP_LEAF_SCRIPT + b"\xc3" + STRANGER + bytes(32), b"\x51\xc2"),
            (TAP_SCRIPT_SIG + STRANGER + bytes(32), bytes(64)),
        ],
        ids=["root", "leaf", "other-version", "signature"],
    )
    @pytest.mark.parametrize("form", ["tr", "wpkh", "pkh"])
    def test_scripts(self, form: str, key: bytes, value: bytes) -> None:
        # A060, A061: what embit signs with every leaf it is shown
        refused("input-taproot-script-path", with_field(data_of(form), key, value), WALLETS[form])

    def test_our_key_said_to_stand_in_a_leaf(self) -> None:
        def leaf(raw: RawPsbt) -> None:
            for position, (key, value) in enumerate(raw.input(0)):
                if key[:1] == TAP_DERIVATION:
                    raw.input(0)[position] = (key, b"\x01" + bytes(32) + value[1:])

        refused("input-taproot-script-path", edited(self.data, leaf), TR)

    @pytest.mark.parametrize("form", OTHERS)
    def test_a_taproot_key_on_other_coins(self, form: str) -> None:
        own = WALLETS[form].scripts(0, 3).pubkeys[0][1:]
        refused(
            "input-internal-key-mismatch", with_field(data_of(form), TAP_INTERNAL_KEY, own), WALLETS[form]
        )

    @pytest.mark.parametrize("sighash", [2, 3, 0x80, 0x81, 0x82, 0x83, 0x100, 0x101, 0xFFFFFFFF])
    def test_other_types(self, sighash: int) -> None:
        refused("sighash-not-all", with_field(self.data, SIGHASH_TYPE, struct.pack("<I", sighash)), TR)

    def test_the_three_ways_to_ask_for_everything(self) -> None:
        both = [check(with_field(self.data, SIGHASH_TYPE, each), TR).inputs[0] for each in (None, bytes(4))]
        assert both[0] == both[1]
        named = check(with_field(self.data, SIGHASH_TYPE, struct.pack("<I", 1)), TR).inputs[0]
        assert (both[0].sighash, named.sighash) == (0, 1)
        assert named.digest != both[0].digest

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (OUT_TAP_INTERNAL_KEY, STRANGER),
            (OUT_TAP_TREE, b"\x00\xc0\x01\x51"),
            (OUT_TAP_DERIVATION + STRANGER, b"\x00" + b"\xaa" * 4),
        ],
        ids=["key", "tree", "derivation"],
    )
    @pytest.mark.parametrize("form", ["tr", "wsh"])
    def test_own_outputs_with_foreign_fields(self, form: str, key: bytes, value: bytes) -> None:
        data = data_of(form)
        refused(
            "output-taproot-fields-mismatch",
            edited(data, lambda raw: raw.set(raw.output(1), key, value)),
            WALLETS[form],
        )
        # what a payee's wallet says of its own output is its own business
        check(edited(data, lambda raw: raw.set(raw.output(0), key, value)), WALLETS[form])


class TestTaprootWithoutPreviousTransactions:
    """DESIGN 4: a PSBT from elsewhere may rest on witness UTXOs, which BIP 341 signs; the page says so."""

    data = data_of("tr")

    def without(self, data: bytes, *indexes: int) -> bytes:
        for index in indexes:
            data = with_field(data, NON_WITNESS_UTXO, None, index)
        return data

    def test_is_said_on_the_page(self) -> None:
        assert not any("previous transactions" in note for note in check(self.data, TR).notes)
        one = check(self.without(self.data, 1), TR)
        assert any("the amounts of input 1 are claims" in note for note in one.notes)
        two = check(self.without(self.data, 0, 1), TR)
        assert any("the amounts of inputs 0, 1 are claims" in note for note in two.notes)
        # who made the coin is not known either, and nothing is said of it
        assert not any("newly mined" in note for note in two.notes)
        assert [item.digest for item in two.inputs] == [item.digest for item in check(self.data, TR).inputs]

    def test_many_are_counted(self) -> None:
        coins = [(OwnPlace(0, number), 60_000) for number in range(20)]
        data = Payment(TR, coins=coins, change=[(OwnPlace(1, 0), 1_000_000)]).psbt().serialize()
        notes = check(self.without(data, *range(20)), TR).notes
        assert any("of inputs 0, 1, 2, 3, 4, 5, 6, 7 and 12 more are claims" in note for note in notes)

    def test_our_own_requests_always_bring_them(self) -> None:
        assert all(view.non_witness_utxo is not None for view in Payment(TR).psbt().inputs)

    def test_neither_is_no_proof(self) -> None:
        refused("input-amount-unproven", with_field(self.without(self.data, 0), WITNESS_UTXO, None), TR)

    def test_a_lie_makes_every_signature_worthless(self) -> None:
        """The reason why this is safe: a signature over a false amount verifies nowhere."""

        def lie(raw: RawPsbt) -> None:
            claimed = raw.get(raw.input(1), WITNESS_UTXO)
            raw.set(raw.input(1), WITNESS_UTXO, struct.pack("<Q", 55_000) + claimed[8:])

        false = check(edited(self.without(self.data, 1), lie), TR)
        true = check(self.data, TR)
        assert false.fee == true.fee + 5_000
        for lied, honest in zip(false.inputs, true.inputs, strict=True):
            assert lied.digest != honest.digest

    def test_a_lie_beside_a_previous_transaction_is_refused(self) -> None:
        def lie(raw: RawPsbt) -> None:
            claimed = raw.get(raw.input(1), WITNESS_UTXO)
            raw.set(raw.input(1), WITNESS_UTXO, struct.pack("<Q", 55_000) + claimed[8:])

        refused("input-witness-utxo-differs", edited(self.data, lie), TR)

    def test_a_claimed_script_must_be_ours(self) -> None:
        other = TxOutput(Amount(60_000), WALLETS["wpkh"].scripts(0, 3).script_pubkey)
        data = with_field(self.without(self.data, 0), WITNESS_UTXO, other.serialize())
        refused("input-not-ours", data, TR)

    @pytest.mark.parametrize("form", OTHERS)
    def test_for_no_other_form(self, form: str) -> None:
        wallet = WALLETS[form]
        utxo = TxOutput(Amount(60_000), wallet.scripts(0, 3).script_pubkey)
        data = with_field(self.without(data_of(form), 0), WITNESS_UTXO, utxo.serialize())
        refused("input-amount-unproven", data, wallet)


class TestSignaturesThatAreThereAlready:
    def test_a_taproot_signature(self) -> None:
        data = data_of("tr")
        item = check(data, TR).inputs[0]
        secret = private_key(1, TR.keys[0].origin, item.place)
        check(with_field(data, TAP_KEY_SIG, schnorr(secret, item.digest)), TR)
        refused("signature-invalid", with_field(data, TAP_KEY_SIG, schnorr(secret, bytes(32))), TR)
        # by the key of the wallet, which is not the key of the output
        untweaked = wallycore.ec_sig_from_bytes(secret, item.digest, wallycore.EC_FLAG_SCHNORR)
        refused("signature-invalid", with_field(data, TAP_KEY_SIG, bytes(untweaked)), TR)
        # BIP 341: the byte 00 is never written
        zero = schnorr(secret, item.digest) + b"\x00"
        refused("signature-sighash-not-all", with_field(data, TAP_KEY_SIG, zero), TR)
        refused("signature-sighash-not-all", with_field(data, TAP_KEY_SIG, zero[:-1] + b"\x01"), TR)

    def test_a_taproot_signature_with_the_type_that_was_asked_for(self) -> None:
        data = with_field(data_of("tr"), SIGHASH_TYPE, struct.pack("<I", 1))
        item = check(data, TR).inputs[0]
        secret = private_key(1, TR.keys[0].origin, item.place)
        check(with_field(data, TAP_KEY_SIG, schnorr(secret, item.digest, 1)), TR)
        for wrong in (schnorr(secret, item.digest), schnorr(secret, item.digest, 0x81)):
            refused("signature-sighash-not-all", with_field(data, TAP_KEY_SIG, wrong), TR)

    def test_an_ecdsa_signature_on_a_taproot_coin(self) -> None:
        data = data_of("tr")
        item = check(data, TR).inputs[0]
        secret = private_key(1, TR.keys[0].origin, item.place)
        for key in (item.scripts.pubkeys[0], b"\x02" + item.scripts.signing_keys[0]):
            forged = with_field(data, PARTIAL_SIG + key, ecdsa(secret, item.digest))
            refused("signature-key-foreign", forged, TR)

    @pytest.mark.parametrize("form", OTHERS)
    def test_a_taproot_signature_on_another_coin(self, form: str) -> None:
        data, wallet = data_of(form), WALLETS[form]
        item = check(data, wallet).inputs[0]
        secret = private_key(1, wallet.keys[0].origin, item.place)
        refused("signature-key-foreign", with_field(data, TAP_KEY_SIG, schnorr(secret, item.digest)), wallet)


class TestKilled:
    """Code that errs as a slip would: the second library notices before anything is signed."""

    @pytest.mark.parametrize("form", ["pkh", "sh", "wpkh", "sh-wsh", "tr"])
    @pytest.mark.parametrize("kind", InputKind)
    def test_a_digest_of_another_kind(
        self, monkeypatch: pytest.MonkeyPatch, form: str, kind: InputKind
    ) -> None:
        if kind is KINDS[form]:
            return
        psbt, wallet = Payment(WALLETS[form]).psbt(), WALLETS[form]
        honest = check(psbt.serialize(), wallet)
        spent = [TxOutput(item.amount, item.script_pubkey) for item in honest.inputs]
        code = b"\x51" if form == "tr" else wallet.descriptor.script_code(honest.inputs[0].scripts)
        wrong = {
            InputKind.LEGACY: Legacy(honest.tx).digest(0, code),
            InputKind.SEGWIT_V0: Bip143(honest.tx).digest(0, code, honest.inputs[0].amount),
            InputKind.TAPROOT: Bip341(honest.tx, spent).digest(0),
        }[kind]
        monkeypatch.setattr(digests, "_digests", lambda *_: [wrong, honest.inputs[1].digest])
        with pytest.raises(VerificationError) as caught:
            check(psbt.serialize(), wallet)
        assert caught.value.rule == "second-opinion-differs"


def test_embit_tweaks_the_key_that_signs_for_us() -> None:
    secret = private_key(1, TR.keys[0].origin, OwnPlace(0, 3))
    assert PrivateKey(secret).taproot_tweak().xonly() == TR.scripts(0, 3).signing_keys[0]


class TestScriptsOfOwnOutputs:
    """The script is ours byte for byte; a false redeem or witness script beside it is what other signers might show."""

    @pytest.mark.parametrize("form", sorted(WALLETS))
    @pytest.mark.parametrize("key", [b"\x00", b"\x01"], ids=["redeem", "witness"])
    def test_false_scripts_are_refused_and_true_ones_taken(self, form: str, key: bytes) -> None:
        data, wallet = data_of(form), WALLETS[form]
        place = check(data, wallet).outputs[1].place
        assert place is not None
        scripts = wallet.scripts(place.branch, place.index)
        true = scripts.redeem_script if key == b"\x00" else scripts.witness_script
        with_true = edited(data, lambda raw: raw.set(raw.output(1), key, true)) if true is not None else data
        without = edited(data, lambda raw: raw.set(raw.output(1), key, None))
        assert (
            check(with_true, wallet).outputs == check(without, wallet).outputs == check(data, wallet).outputs
        )
        for false in (b"\x51", b"", (true or b"\x00") + b"\x00"):
            refused(
                "output-scripts-mismatch",
                edited(data, lambda raw, false=false: raw.set(raw.output(1), key, false)),
                wallet,
            )
            # what a payee's wallet says of its own output is its own business
            check(edited(data, lambda raw, false=false: raw.set(raw.output(0), key, false)), wallet)
