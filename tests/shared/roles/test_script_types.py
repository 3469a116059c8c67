"""Finalising every form: the same bytes as libwally and rust-bitcoin, and a wrong scriptSig or witness is noticed."""

from __future__ import annotations

from collections.abc import Callable

import bdkpython as bdk
import pytest
import wallycore
from coincurve import PrivateKey

from falconer_shared.bitcoin.script import hash160, p2wpkh, p2wsh, push, read_pushes, sha256
from falconer_shared.bitcoin.transaction import Transaction, unsigned_hash
from falconer_shared.descriptor import ast
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError
from falconer_shared.roles import finalize as module
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.roles.finalize import finalize
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from tests.support.treasury import FORMS, NOTHING_KNOWN, Payment, UntrustedPsbt, signed, wallet_of

SEVERAL = ["sh", "sh-wsh", "wsh"]
WALLETS = {form: wallet_of(form) for form in FORMS}
WALLETS |= {f"{form}-multi": wallet_of(form, script="multi") for form in SEVERAL}
WALLETS |= {f"{form}-1-of-1": wallet_of(form, 1, (1,)) for form in SEVERAL}
WALLETS |= {f"{form}-15-of-15": wallet_of(form, 15, tuple(range(1, 16))) for form in SEVERAL}
WITH_SCRIPT_SIG = {"pkh", "sh", "sh-wpkh", "sh-wsh"}

Satisfaction = tuple[bytes, tuple[bytes, ...]]


def ready(name: str, **changes: object) -> tuple[UntrustedPsbt, SignatureVerifiedPsbt]:
    """A PSBT with the signatures of a quorum, and what we make of them."""
    wallet = WALLETS[name]
    psbt = Payment(wallet, **changes).psbt()  # type: ignore[arg-type]
    verified = verify(psbt, wallet, NOTHING_KNOWN)
    seeds = [3, 1] if wallet.threshold == 2 else list(range(1, 16))[: wallet.threshold]
    answer = signed(psbt, verified, seeds)
    return answer, verify_signatures(verified, answer)


@pytest.mark.parametrize("psbt_version", [0, 2])
@pytest.mark.parametrize("name", WALLETS)
def test_same_bytes_as_libwally(name: str, psbt_version: int) -> None:
    if name == "sh-15-of-15":
        pytest.skip("libwally finalises no scriptSig above 520 bytes; consensus takes 10,000")
    answer, complete = ready(name, psbt_version=psbt_version)
    theirs = wallycore.psbt_from_bytes(answer.serialize(), 0)
    wallycore.psbt_finalize(theirs, 0)
    extracted = wallycore.psbt_extract(theirs, 0)
    expected = wallycore.tx_to_bytes(extracted, wallycore.WALLY_TX_FLAG_USE_WITNESS)
    assert finalize(complete).raw == bytes(expected)


@pytest.mark.parametrize("name", WALLETS)
def test_same_bytes_as_rust_bitcoin(name: str) -> None:
    """rust-miniscript also runs its interpreter over what it finalised."""
    answer, complete = ready(name)
    theirs = bdk.Psbt(answer.base64()).finalize()
    assert theirs.could_finalize, theirs.errors
    assert finalize(complete).raw == theirs.psbt.extract_tx_unchecked_fee_rate().serialize()


@pytest.mark.parametrize("name", WALLETS)
def test_names_weights_and_fees(name: str) -> None:
    _, complete = ready(name)
    verified, final = complete.verified, finalize(complete)
    # a scriptSig changes the txid; the name that request, policy and journal use stays
    assert unsigned_hash(final.tx) == verified.unsigned_hash
    with_script_sig = name.split("-1", maxsplit=1)[0].removesuffix("-multi") in WITH_SCRIPT_SIG
    assert (final.txid_hex == verified.unsigned_hash) is not with_script_sig
    assert all(bool(each.script_sig) is with_script_sig for each in final.tx.inputs)
    assert final.weight <= verified.weight
    assert final.fee_rate >= verified.fee_rate
    assert Transaction.parse(final.raw) == final.tx


@pytest.mark.parametrize("form", SEVERAL)
def test_too_few_signatures(form: str) -> None:
    psbt = Payment(WALLETS[form]).psbt()
    verified = verify(psbt, WALLETS[form], NOTHING_KNOWN)
    partial = verify_signatures(verified, signed(psbt, verified, [2]))
    assert not partial.complete
    with pytest.raises(VerificationError) as caught:
        finalize(partial)
    assert caught.value.rule == "quorum-incomplete"


def _pushed(
    change: Callable[[list[bytes]], list[bytes]],
) -> Callable[[bytes, tuple[bytes, ...]], Satisfaction]:
    """A change of what a scriptSig pushes."""
    return lambda sig, stack: (b"".join(push(item) for item in change(list(read_pushes(sig)))), stack)


def _raw(change: Callable[[bytes], bytes]) -> Callable[[bytes, tuple[bytes, ...]], Satisfaction]:
    return lambda sig, stack: (change(sig), stack)


def _witness(
    change: Callable[[list[bytes]], list[bytes]],
) -> Callable[[bytes, tuple[bytes, ...]], Satisfaction]:
    return lambda sig, stack: (sig, tuple(change(list(stack))))


TWISTS = {
    "pkh": {
        "swapped": _pushed(lambda items: items[::-1]),
        "no-key": _pushed(lambda items: items[:1]),
        "one-more": _pushed(lambda items: [b"", *items]),
        "empty": _raw(lambda sig: b""),
        "long-push": _raw(lambda sig: b"\x4c" + sig),
        "an-opcode": _raw(lambda sig: sig + b"\x61"),
        "a-witness": _witness(lambda stack: [b"\x01"]),
    },
    "sh": {
        "order": _pushed(lambda items: [items[0], items[2], items[1], items[3]]),
        "dummy": _raw(lambda sig: b"\x51" + sig[1:]),
        "long-dummy": _pushed(lambda items: [b"\x01\x01", *items[1:]]),
        "no-dummy": _pushed(lambda items: items[1:]),
        "one-missing": _pushed(lambda items: [items[0], items[1], items[3]]),
        "one-twice": _pushed(lambda items: [items[0], items[1], items[1], items[3]]),
        "one-more": _pushed(lambda items: [items[0], items[1], *items[1:]]),
        "script": _pushed(lambda items: [*items[:3], items[3][:-1]]),
        "only-script": _pushed(lambda items: items[3:]),
        "empty": _raw(lambda sig: b""),
        "long-push": _raw(lambda sig: b"\x00\x4c" + sig[1:]),
        "a-witness": _witness(lambda stack: [b""]),
    },
    "sh-wpkh": {
        "native": _raw(lambda sig: b""),
        "bare-program": _raw(lambda sig: sig[1:]),
        "other-program": _raw(lambda sig: sig[:-1] + bytes([sig[-1] ^ 1])),
        "one-more": _raw(lambda sig: b"\x00" + sig),
        "long-push": _raw(lambda sig: b"\x4c" + sig),
        "swapped": _witness(lambda stack: stack[::-1]),
        "no-witness": _witness(lambda stack: []),
        "annex": _witness(lambda stack: [*stack, b"\x50"]),
    },
    "sh-wsh": {
        "native": _raw(lambda sig: b""),
        "one-more": _raw(lambda sig: b"\x00" + sig),
        "order": _witness(lambda stack: [stack[0], stack[2], stack[1], stack[3]]),
        "script": _witness(lambda stack: [*stack[:3], stack[3][:-1]]),
        "no-witness": _witness(lambda stack: []),
    },
    "wpkh": {"script-sig": _raw(lambda sig: b"\x00"), "swapped": _witness(lambda stack: stack[::-1])},
    "tr": {
        "script-sig": _raw(lambda sig: b"\x00"),
        "no-witness": _witness(lambda stack: []),
        "annex": _witness(lambda stack: [*stack, b"\x50annex"]),
        "script-path": _witness(lambda stack: [*stack, b"\x51", b"\xc0" + bytes(32)]),
    },
}


class TestChecksItsOwnWork:
    """The plan is made to err, as a bug would: the evaluator notices, whatever the plan says."""

    @pytest.mark.parametrize(
        ("form", "twist"),
        [(form, twist) for form, twists in TWISTS.items() for twist in twists.values()],
        ids=[f"{form}-{name}" for form, twists in TWISTS.items() for name in twists],
    )
    def test_twisted(
        self,
        monkeypatch: pytest.MonkeyPatch,
        form: str,
        twist: Callable[[bytes, tuple[bytes, ...]], Satisfaction],
    ) -> None:
        _, complete = ready(form)
        finalize(complete)
        honest = ast.SpendingPlan.satisfy
        monkeypatch.setattr(
            ast.SpendingPlan,
            "satisfy",
            lambda plan, signatures, scripts: twist(*honest(plan, signatures, scripts)),
        )
        with pytest.raises(VerificationError) as caught:
            finalize(complete)
        assert caught.value.rule == "final-witness-invalid"

    @pytest.mark.parametrize("form", ["pkh", "tr"])
    def test_another_signature(self, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        _, complete = ready(form)
        first, second = (dict(found) for found in complete.signatures)
        honest = ast.SpendingPlan.satisfy

        def swapped(
            plan: ast.SpendingPlan, signatures: dict[bytes, bytes], scripts: ast.Scripts
        ) -> Satisfaction:
            # a valid signature, of the other input
            (other,) = (second if signatures == first else first).values()
            return honest(plan, dict.fromkeys(signatures, other), scripts)

        monkeypatch.setattr(ast.SpendingPlan, "satisfy", swapped)
        with pytest.raises(VerificationError) as caught:
            finalize(complete)
        assert caught.value.rule == "signature-invalid"

    @pytest.mark.parametrize("form", FORMS)
    def test_a_satisfaction_of_one_form_satisfies_no_other(self, form: str) -> None:
        def inputs(name: str) -> tuple[VerifiedTransaction, Transaction]:
            _, complete = ready(name)
            return complete.verified, finalize(complete).tx

        verified, tx = inputs(form)
        evaluate(verified.inputs[0], tx.inputs[0].script_sig, tx.inputs[0].witness)
        for other in FORMS:
            if other != form:
                foreign = inputs(other)[1].inputs[0]
                with pytest.raises(VerificationError):
                    evaluate(verified.inputs[0], foreign.script_sig, foreign.witness)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("kind", InputKind)
    def test_a_digest_of_another_kind(self, form: str, kind: InputKind) -> None:
        """The output decides how it is spent, so a digest that was made for another kind is noticed from it alone (A052)."""
        _, complete = ready(form)
        item, filled = complete.verified.inputs[0], finalize(complete).tx.inputs[0]
        if item.kind is kind:
            return
        object.__setattr__(item, "kind", kind)
        with pytest.raises(VerificationError) as caught:
            evaluate(item, filled.script_sig, filled.witness)
        assert caught.value.rule == "final-witness-invalid"

    @pytest.mark.parametrize("form", ["pkh", "sh", "sh-wpkh", "sh-wsh", "wpkh", "wsh"])
    def test_a_script_of_somebody_else_with_a_good_signature_by_its_key(self, form: str) -> None:
        """Scripts count by their hash alone: a stranger's key signs the very digest, and the coin is not the stranger's."""
        item = ready(form)[1].verified.inputs[0]
        stranger = PrivateKey(b"\x07" * 32)
        key = stranger.public_key.format()
        signature = stranger.sign(item.digest, None) + b"\x01"
        multi = b"\x51" + push(key) + b"\x51\xae"
        filled = {
            "pkh": (push(signature) + push(key), ()),
            "sh": (b"\x00" + push(signature) + push(multi), ()),
            "sh-wpkh": (push(p2wpkh(hash160(key))), (signature, key)),
            "sh-wsh": (push(p2wsh(sha256(multi))), (b"", signature, multi)),
            "wpkh": (b"", (signature, key)),
            "wsh": (b"", (b"", signature, multi)),
        }
        with pytest.raises(VerificationError) as caught:
            evaluate(item, *filled[form])
        assert caught.value.rule == "final-witness-invalid"

    def test_scripts_that_are_no_template(self) -> None:
        _, complete = ready("wsh")
        item = complete.verified.inputs[0]
        for script in (b"\x51", b"\x51\x02\x4e\x73", b"\x21" + item.scripts.pubkeys[0] + b"\xac", b""):
            object.__setattr__(item, "script_pubkey", script)
            with pytest.raises(VerificationError) as caught:
                evaluate(item, b"", ())
            assert caught.value.rule == "final-witness-invalid"

    @pytest.mark.parametrize(
        "change",
        [
            lambda script: script[:-1] + b"\xac",
            lambda script: script + b"\x75",
            lambda script: script[:-2] + b"\x52\xae",
            lambda script: b"\x54" + script[1:],
            lambda script: b"\x00" + script[1:],
            lambda script: b"",
        ],
    )
    def test_a_committed_script_that_is_no_multisig(self, change: Callable[[bytes], bytes]) -> None:
        _, complete = ready("wsh")
        item = complete.verified.inputs[0]
        *stack, script = finalize(complete).tx.inputs[0].witness
        other = change(script)
        object.__setattr__(item, "script_pubkey", p2wsh(sha256(other)))
        with pytest.raises(VerificationError) as caught:
            evaluate(item, b"", (*stack, other))
        assert caught.value.rule == "final-witness-invalid"

    def test_the_evaluator_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []
        monkeypatch.setattr(module, "evaluate", lambda item, script_sig, witness: asked.append(item.index))
        finalize(ready("sh")[1])
        assert asked == [0, 1]
