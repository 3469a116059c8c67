"""What comes back from a signer: only valid signatures of ours, over this transaction, are taken."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, merge, verify_made, verify_signatures
from falconer_shared.verify.transaction import verify
from tests.support.rawpsbt import edited, size
from tests.support.treasury import (
    NOTHING_KNOWN,
    Payment,
    ecdsa,
    private_key,
    signed,
    stranger_address,
    wpkh_wallet,
    wsh_wallet,
)

VAULT = wsh_wallet()
SINGLE = wpkh_wallet()


def prepared(wallet=VAULT, **changes):
    psbt = Payment(wallet, **changes).psbt()
    return psbt, verify(psbt, wallet, NOTHING_KNOWN)


def refused(rule: str, verified, answer) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_signatures(verified, answer)
    assert caught.value.rule == rule


class TestAnswers:
    def test_one_of_two(self):
        psbt, verified = prepared()
        part = verify_signatures(verified, signed(psbt, verified, [2]))
        assert part.signers == {1}
        assert not part.complete

    @pytest.mark.parametrize("wallet", [SINGLE, VAULT])
    def test_every_input_must_have_its_quorum(self, wallet):
        psbt, verified = prepared(wallet)
        seeds = [1, 2][: wallet.threshold]
        whole = signed(psbt, verified, seeds)
        assert verify_signatures(verified, whole).complete
        for index in (0, 1):
            half = psbt.with_fields(input_add={index: whole.inputs[index].signature_fields})
            assert not verify_signatures(verified, half).complete

    def test_merge_completes(self):
        psbt, verified = prepared()
        first = verify_signatures(verified, signed(psbt, verified, [1]))
        second = verify_signatures(verified, signed(psbt, verified, [3]))
        both = merge(first, second)
        assert both.signers == {0, 2}
        assert both.complete
        assert merge(both, first).signatures == both.signatures

    def test_merge_of_two_transactions(self):
        psbt, verified = prepared()
        other_psbt, other = prepared(pay=[(stranger_address(5), 70_000)])
        with pytest.raises(VerificationError) as caught:
            merge(
                verify_signatures(verified, signed(psbt, verified, [1])),
                verify_signatures(other, signed(other_psbt, other, [1])),
            )
        assert caught.value.rule == "answer-other-transaction"

    def test_answer_trimmed_to_signatures(self):
        psbt, verified = prepared()
        whole = signed(psbt, verified, [1])
        trimmed = new_psbt(verified.tx).with_fields(
            input_add={
                index: {key: value for key, value in fields.items() if key[0] == 2}
                for index, fields in enumerate(whole.input_maps)
            }
        )
        assert (
            verify_signatures(verified, trimmed).signatures == verify_signatures(verified, whole).signatures
        )

    def test_answer_in_version_2(self):
        psbt, verified = prepared(psbt_version=2)
        assert verify_signatures(verified, signed(psbt, verified, [1, 2])).complete

    def test_other_transaction(self):
        _, verified = prepared()
        other_psbt, other = prepared(pay=[(stranger_address(5), 70_000)])
        refused("answer-other-transaction", verified, signed(other_psbt, other, [1]))

    def test_nothing_signed(self):
        psbt, verified = prepared()
        refused("answer-signed-nothing", verified, psbt)

    def test_is_made_by_its_module_alone(self):
        psbt, verified = prepared()
        part = verify_signatures(verified, signed(psbt, verified, [1]))
        with pytest.raises(TypeError):
            SignatureVerifiedPsbt(part.verified, part.signatures, object())  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError)):
            dataclasses.replace(part, signatures=())
        with pytest.raises(TypeError):
            part.signatures[0][b""] = b""  # type: ignore[index]


class TestBadSignatures:
    def with_signature(self, pubkey: bytes, signature: bytes, index: int = 0) -> tuple:
        psbt, verified = prepared()
        answer = edited(psbt.serialize(), lambda raw: raw.set(raw.input(index), b"\x02" + pubkey, signature))
        return verified, UntrustedPsbt.parse(answer)

    def good(self, seed: int = 1) -> tuple[bytes, bytes, bytes]:
        _, verified = prepared()
        item = verified.inputs[0]
        secret = private_key(seed, VAULT.keys[seed - 1].origin, item.place)
        return secret, item.scripts.pubkeys[seed - 1], item.digest

    def test_good(self):
        secret, pubkey, digest = self.good()
        verify_signatures(*self.with_signature(pubkey, ecdsa(secret, digest)))

    def test_key_of_a_stranger(self):
        _, verified = prepared()
        secret = hashlib.sha256(b"stranger").digest()
        import wallycore

        pubkey = bytes(wallycore.ec_public_key_from_private_key(secret))
        refused(
            "signature-key-foreign", *self.with_signature(pubkey, ecdsa(secret, verified.inputs[0].digest))
        )

    def test_our_key_of_another_place(self):
        _, verified = prepared()
        item = verified.inputs[1]
        secret = private_key(1, VAULT.keys[0].origin, item.place)
        refused(
            "signature-key-foreign",
            *self.with_signature(item.scripts.pubkeys[0], ecdsa(secret, verified.inputs[0].digest)),
        )

    @pytest.mark.parametrize("sighash", [0x00, 0x02, 0x03, 0x81, 0x83])
    def test_other_sighash_byte(self, sighash):
        secret, pubkey, digest = self.good()
        refused("signature-sighash-not-all", *self.with_signature(pubkey, ecdsa(secret, digest, sighash)))

    def test_signature_over_something_else(self):
        secret, pubkey, _ = self.good()
        refused(
            "signature-invalid", *self.with_signature(pubkey, ecdsa(secret, hashlib.sha256(b"x").digest()))
        )

    def test_signature_of_another_cosigner_under_this_key(self):
        secret, _, digest = self.good(2)
        _, pubkey, _ = self.good(1)
        refused("signature-invalid", *self.with_signature(pubkey, ecdsa(secret, digest)))

    def test_high_s(self):
        secret, pubkey, digest = self.good()
        der = ecdsa(secret, digest)[:-1]
        r_size = der[3]
        r = der[4 : 4 + r_size]
        s = int.from_bytes(der[6 + r_size :], "big")
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        high = (order - s).to_bytes(33, "big").lstrip(b"\x00")
        if high[0] & 0x80:
            high = b"\x00" + high
        body = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(high)]) + high
        refused(
            "signature-invalid", *self.with_signature(pubkey, b"\x30" + bytes([len(body)]) + body + b"\x01")
        )


class TestFinalisedAnswers:
    """Some signers finalise by themselves: their signatures are taken out of the witness."""

    def witness(self, *items: bytes) -> bytes:
        return size(len(items)) + b"".join(size(len(item)) + item for item in items)

    def test_single_key(self):
        psbt, verified = prepared(SINGLE)

        def finish(raw) -> None:
            for item in verified.inputs:
                secret = private_key(1, SINGLE.keys[0].origin, item.place)
                pubkey = item.scripts.pubkeys[0]
                raw.set(raw.input(item.index), b"\x08", self.witness(ecdsa(secret, item.digest), pubkey))

        assert verify_signatures(verified, UntrustedPsbt.parse(edited(psbt.serialize(), finish))).complete

    def test_multisig(self):
        psbt, verified = prepared()
        ordered = sorted(range(3), key=lambda n: verified.inputs[0].scripts.pubkeys[n])

        def finish(raw) -> None:
            for item in verified.inputs:
                sigs = [
                    ecdsa(private_key(n + 1, VAULT.keys[n].origin, item.place), item.digest)
                    for n in ordered[:2]
                ]
                raw.set(raw.input(item.index), b"\x08", self.witness(b"", *sigs, item.scripts.witness_script))

        assert verify_signatures(verified, UntrustedPsbt.parse(edited(psbt.serialize(), finish))).complete

    def test_one_key_cannot_count_twice(self):
        psbt, verified = prepared()
        item = verified.inputs[0]
        signature = ecdsa(private_key(1, VAULT.keys[0].origin, item.place), item.digest)
        answer = edited(
            psbt.serialize(),
            lambda raw: raw.set(
                raw.input(0), b"\x08", self.witness(b"", signature, signature, item.scripts.witness_script)
            ),
        )
        refused("signature-invalid", verified, UntrustedPsbt.parse(answer))

    def test_a_final_script_sig_alone_finishes_no_segwit_coin(self):
        psbt, verified = prepared()
        refused("answer-signed-nothing", verified, psbt.with_fields(input_add={0: {b"\x07": b"\x01\x00"}}))

    def test_garbage(self):
        psbt, verified = prepared(SINGLE)
        answer = edited(
            psbt.serialize(),
            lambda raw: raw.set(raw.input(0), b"\x08", self.witness(b"\x30" * 71, b"\x02" * 33)),
        )
        refused("signature-invalid", verified, UntrustedPsbt.parse(answer))

    def test_annex_like_flood(self):
        psbt, verified = prepared(SINGLE)
        flood = self.witness(*[b"\x01"] * 33)
        answer = edited(psbt.serialize(), lambda raw: raw.set(raw.input(0), b"\x08", flood))
        refused("signature-witness-unreadable", verified, UntrustedPsbt.parse(answer))
        below = edited(
            psbt.serialize(), lambda raw: raw.set(raw.input(0), b"\x08", self.witness(*[b""] * 32))
        )
        refused("answer-signed-nothing", verified, UntrustedPsbt.parse(below))


class TestMade:
    """Signatures that this process made itself are verified as those of an answer are (A083)."""

    def made(self):
        psbt, verified = prepared()
        answer = signed(psbt, verified, [1])
        return verified, [dict(view.partial_sigs) for view in answer.inputs]

    def test_valid(self):
        verified, made = self.made()
        taken = verify_made(verified, made)
        assert [dict(signatures) for signatures in taken.signatures] == made
        assert taken.signers == {0}
        assert taken.verified is verified

    @pytest.mark.parametrize("index", [0, 1])
    def test_one_is_wrong(self, index):
        verified, made = self.made()
        ((_, signature),) = made[1 - index].items()
        made[index] = dict.fromkeys(made[index], signature)
        with pytest.raises(VerificationError) as caught:
            verify_made(verified, made)
        assert caught.value.rule == "signature-invalid"

    def test_key_of_another_place(self):
        verified, made = self.made()
        made.reverse()
        with pytest.raises(VerificationError) as caught:
            verify_made(verified, made)
        assert caught.value.rule == "signature-key-foreign"

    def test_nothing(self):
        verified, made = self.made()
        with pytest.raises(VerificationError) as caught:
            verify_made(verified, [{} for _ in made])
        assert caught.value.rule == "answer-signed-nothing"

    def test_one_mapping_for_each_input(self):
        verified, made = self.made()
        with pytest.raises(ValueError, match="zip"):
            verify_made(verified, made[:1])
