"""Answers of other signers, for every form: embit, libwally and rust-bitcoin sign our PSBT, and we take what they made."""

from __future__ import annotations

import base64

import bdkpython as bdk
import pytest
import wallycore
from embit.networks import NETWORKS
from embit.psbt import PSBT

from falconer_shared.bitcoin.script import push
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import finalize
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from tests.support.rawpsbt import RawPsbt, edited, size
from tests.support.treasury import (
    FORMS,
    NOTHING_KNOWN,
    Payment,
    private_key,
    root,
    signature_of,
    signed,
    wallet_of,
)

WALLETS = {form: wallet_of(form) for form in FORMS}
FINAL_SCRIPTSIG, FINAL_SCRIPTWITNESS = b"\x07", b"\x08"


def prepared(form: str, **changes: object) -> tuple[UntrustedPsbt, VerifiedTransaction]:
    psbt = Payment(WALLETS[form], **changes).psbt()  # type: ignore[arg-type]
    return psbt, verify(psbt, WALLETS[form], NOTHING_KNOWN)


def seeds_of(form: str) -> list[int]:
    return [1, 3][: WALLETS[form].threshold]


def by_embit(psbt: UntrustedPsbt, seeds: list[int]) -> bytes:
    theirs = PSBT.parse(psbt.serialize())
    for seed in seeds:
        assert theirs.sign_with(root(seed)) == 2
    return bytes(theirs.serialize())


def by_libwally(psbt: UntrustedPsbt, seeds: list[int]) -> bytes:
    theirs = wallycore.psbt_from_bytes(psbt.serialize(), 0)
    for seed in seeds:
        key = wallycore.bip32_key_from_base58(root(seed).to_base58())
        wallycore.psbt_sign_bip32(theirs, key, wallycore.EC_FLAG_GRIND_R)
    return bytes(wallycore.psbt_to_bytes(theirs, 0))


def by_rust_bitcoin(form: str, psbt: UntrustedPsbt, seeds: list[int], *, finish: bool = False) -> bytes:
    """A bdk wallet for each signer, that holds one private key."""
    signing = bdk.Psbt(psbt.base64())
    for number, seed in enumerate(seeds, 1):
        wallet = WALLETS[form]
        private = wallet.canonical
        for key in wallet.keys:
            if key.fingerprint == root(seed).my_fingerprint:
                account = root(seed).derive(list(key.origin))
                private = private.replace(
                    key.xpub.text(wallet.network), account.to_base58(NETWORKS["regtest"]["xprv"])
                )
        # rust-miniscript takes no multipath of private keys
        receive, change = (
            bdk.Descriptor(private.replace("<0;1>", branch), bdk.NetworkKind.TEST) for branch in "01"
        )
        signer = bdk.Wallet(receive, change, bdk.Network.REGTEST, bdk.Persister.new_in_memory())
        signer.sign(
            signing,
            bdk.SignOptions(
                trust_witness_utxo=False,
                assume_height=None,
                allow_all_sighashes=False,
                try_finalize=finish and number == len(seeds),
                sign_with_tap_internal_key=True,
                allow_grinding=True,
            ),
        )
    return base64.b64decode(signing.serialize())


@pytest.mark.parametrize("form", FORMS)
def test_embit(form: str) -> None:
    psbt, verified = prepared(form)
    answer = verify_signatures(verified, UntrustedPsbt.parse(by_embit(psbt, seeds_of(form))))
    assert answer.complete
    finalize(answer)


@pytest.mark.parametrize("psbt_version", [0, 2])
@pytest.mark.parametrize("form", FORMS)
def test_libwally(form: str, psbt_version: int) -> None:
    psbt, verified = prepared(form, psbt_version=psbt_version)
    answer = verify_signatures(verified, UntrustedPsbt.parse(by_libwally(psbt, seeds_of(form))))
    assert answer.complete
    finalize(answer)


@pytest.mark.parametrize("form", FORMS)
def test_rust_bitcoin(form: str) -> None:
    psbt, verified = prepared(form)
    answer = verify_signatures(verified, UntrustedPsbt.parse(by_rust_bitcoin(form, psbt, seeds_of(form))))
    assert answer.complete
    finalize(answer)


@pytest.mark.parametrize("form", FORMS)
def test_rust_bitcoin_that_finalises_by_itself(form: str) -> None:
    psbt, verified = prepared(form)
    data = by_rust_bitcoin(form, psbt, seeds_of(form), finish=True)
    final = UntrustedPsbt.parse(data)
    assert not final.inputs[0].signature_fields
    assert verify_signatures(verified, final).complete
    finalize(verify_signatures(verified, final))


def completed(psbt: UntrustedPsbt, verified: VerifiedTransaction, seeds: list[int]) -> bytes:
    """The answer of a signer that finalises with libwally and leaves nothing else."""
    theirs = wallycore.psbt_from_bytes(signed(psbt, verified, seeds).serialize(), 0)
    wallycore.psbt_finalize(theirs, 0)
    return bytes(wallycore.psbt_to_bytes(theirs, 0))


def witness(*items: bytes) -> bytes:
    return size(len(items)) + b"".join(size(len(item)) + item for item in items)


class TestFinalisedAnswers:
    @pytest.mark.parametrize("form", FORMS)
    def test_every_form(self, form: str) -> None:
        psbt, verified = prepared(form)
        answer = UntrustedPsbt.parse(completed(psbt, verified, seeds_of(form)))
        taken = verify_signatures(verified, answer)
        partial = verify_signatures(verified, signed(psbt, verified, seeds_of(form)))
        assert taken.signatures == partial.signatures
        assert finalize(taken).raw == finalize(partial).raw

    @pytest.mark.parametrize("form", FORMS)
    def test_of_another_transaction(self, form: str) -> None:
        psbt, verified = prepared(form)
        other_psbt, other = prepared(form, locktime=1)
        answer = UntrustedPsbt.parse(completed(other_psbt, other, seeds_of(form)))

        def transplant(raw: RawPsbt) -> None:
            for index, view in enumerate(answer.inputs):
                for key, value in view.fields.items():
                    if key[:1] in {FINAL_SCRIPTSIG, FINAL_SCRIPTWITNESS}:
                        raw.set(raw.input(index), key, value)

        with pytest.raises(VerificationError) as caught:
            verify_signatures(verified, UntrustedPsbt.parse(edited(psbt.serialize(), transplant)))
        assert caught.value.rule == "signature-invalid"

    def refused(self, rule: str, form: str, key: bytes, value: bytes) -> None:
        psbt, verified = prepared(form)
        answer = edited(psbt.serialize(), lambda raw: raw.set(raw.input(0), key, value))
        with pytest.raises(VerificationError) as caught:
            verify_signatures(verified, UntrustedPsbt.parse(answer))
        assert caught.value.rule == rule

    @pytest.mark.parametrize("form", ["pkh", "sh"])
    def test_script_sigs_that_do_more_than_push(self, form: str) -> None:
        for script_sig in (b"\x61", b"\x4c\x02\xaa\xbb", b"\x02\xaa", b"\x51\xac"):
            self.refused("signature-witness-unreadable", form, FINAL_SCRIPTSIG, script_sig)

    @pytest.mark.parametrize("form", ["pkh", "sh"])
    def test_floods(self, form: str) -> None:
        self.refused("signature-witness-unreadable", form, FINAL_SCRIPTSIG, b"\x00" * 33)
        self.refused("answer-signed-nothing", form, FINAL_SCRIPTSIG, b"\x00" * 32)

    @pytest.mark.parametrize("form", ["pkh", "sh"])
    def test_garbage_in_a_script_sig(self, form: str) -> None:
        # one that does not even end like a signature, and one that does and is no DER
        for garbage in (b"\x30" * 71, b"\x30" * 70 + b"\x01"):
            self.refused("signature-invalid", form, FINAL_SCRIPTSIG, push(garbage))

    def test_one_key_cannot_count_twice(self) -> None:
        _, verified = prepared("sh")
        item = verified.inputs[0]
        signature = signature_of(private_key(1, WALLETS["sh"].keys[0].origin, item.place), item)
        script_sig = b"\x00" + push(signature) * 2 + push(item.scripts.redeem_script or b"")
        self.refused("signature-invalid", "sh", FINAL_SCRIPTSIG, script_sig)

    def test_a_witness_cannot_stand_in_for_a_script_sig(self) -> None:
        _, verified = prepared("pkh")
        item = verified.inputs[0]
        signature = signature_of(private_key(1, WALLETS["pkh"].keys[0].origin, item.place), item)
        self.refused(
            "answer-signed-nothing", "pkh", FINAL_SCRIPTWITNESS, witness(signature, item.scripts.pubkeys[0])
        )

    def test_an_annex(self) -> None:
        # A059: what it means is not decided yet, so nobody may add one to what was reviewed
        _, verified = prepared("tr")
        item = verified.inputs[0]
        signature = signature_of(private_key(1, WALLETS["tr"].keys[0].origin, item.place), item)
        self.refused("signature-invalid", "tr", FINAL_SCRIPTWITNESS, witness(signature, b"\x50annex"))

    def test_a_script_path(self) -> None:
        self.refused(
            "signature-invalid",
            "tr",
            FINAL_SCRIPTWITNESS,
            witness(b"\x51", b"\xc0" + WALLETS["tr"].scripts(0, 3).pubkeys[0][1:]),
        )


@pytest.mark.parametrize("form", FORMS)
def test_answers_trimmed_to_signatures(form: str) -> None:
    psbt, verified = prepared(form)
    whole = signed(psbt, verified, seeds_of(form))
    trimmed = new_psbt(verified.tx).with_fields(
        input_add={index: view.signature_fields for index, view in enumerate(whole.inputs)}
    )
    assert verify_signatures(verified, trimmed).complete
    assert verify_signatures(verified, trimmed).signers == {seed - 1 for seed in seeds_of(form)}
