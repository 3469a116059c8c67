"""Finalising: what comes out is what libwally would have made, and a wrong witness is noticed before it leaves."""

from __future__ import annotations

import dataclasses

import pytest
import wallycore

from falconer_shared.descriptor import ast
from falconer_shared.errors import VerificationError
from falconer_shared.roles import finalize as module
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.units import Amount
from falconer_shared.verify.signatures import merge, verify_signatures
from falconer_shared.verify.transaction import verify
from tests.support.treasury import NOTHING_KNOWN, Payment, signed, wpkh_wallet, wsh_wallet

WALLETS = {
    "wpkh": (wpkh_wallet(), [1]),
    "sortedmulti": (wsh_wallet(), [3, 1]),
    "multi": (wsh_wallet(form="multi"), [2, 3]),
    "3-of-3": (wsh_wallet(3), [1, 2, 3]),
    "1-of-2": (wsh_wallet(1, (1, 2)), [2]),
    "2-of-15": (wsh_wallet(2, tuple(range(1, 16))), [15, 1]),
}


def ready(wallet, seeds, **changes):
    psbt = Payment(wallet, **changes).psbt()
    verified = verify(psbt, wallet, NOTHING_KNOWN)
    return psbt, verified, verify_signatures(verified, signed(psbt, verified, seeds))


@pytest.mark.parametrize("psbt_version", [0, 2])
@pytest.mark.parametrize(("wallet", "seeds"), WALLETS.values(), ids=WALLETS)
def test_same_bytes_as_libwally(wallet, seeds, psbt_version):
    psbt, verified, complete = ready(wallet, seeds, psbt_version=psbt_version)
    final = finalize(complete)
    theirs = wallycore.psbt_from_bytes(signed(psbt, verified, seeds).serialize(), 0)
    wallycore.psbt_finalize(theirs, 0)
    expected = wallycore.tx_to_bytes(wallycore.psbt_extract(theirs, 0), wallycore.WALLY_TX_FLAG_USE_WITNESS)
    assert final.raw == bytes(expected)
    assert final.txid_hex == verified.unsigned_hash
    assert final.weight <= verified.weight
    assert final.fee == verified.fee
    assert final.fee_rate >= verified.fee_rate


def test_seventeen_of_twenty():
    # libwally finalises up to 16 keys only; beyond, numbers in the script are pushes and no opcodes
    _, _, complete = ready(wsh_wallet(17, tuple(range(1, 21))), list(range(2, 19)))
    witness = finalize(complete).tx.inputs[0].witness
    assert len(witness) == 1 + 17 + 1
    assert witness[-1][:2] == b"\x01\x11"
    assert witness[-1][-3:] == b"\x01\x14\xae"


def test_more_signatures_than_needed():
    _, _, complete = ready(wsh_wallet(), [1, 2, 3])
    assert len(finalize(complete).tx.inputs[0].witness) == 4


def test_too_few_signatures():
    _, _, partial = ready(wsh_wallet(), [1])
    with pytest.raises(VerificationError) as caught:
        finalize(partial)
    assert caught.value.rule == "quorum-incomplete"


def test_is_made_by_finalize_alone():
    _, _, complete = ready(wpkh_wallet(), [1])
    final = finalize(complete)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(final, raw=b"")
    with pytest.raises(TypeError):
        FinalTransaction(final.signed, final.tx, final.raw, object())  # type: ignore[arg-type]


class TestChecksItsOwnWork:
    """The plan is made to err, as a bug would: the evaluator notices, whatever the plan says."""

    def spoil(self, monkeypatch, wallet, seeds, twist) -> None:
        _, _, complete = ready(wallet, seeds)
        honest = ast.SpendingPlan.satisfy
        monkeypatch.setattr(
            ast.SpendingPlan,
            "satisfy",
            lambda plan, signatures, scripts: twist(*honest(plan, signatures, scripts)),
        )
        with pytest.raises(VerificationError) as caught:
            finalize(complete)
        assert caught.value.rule == "final-witness-invalid"

    @pytest.mark.parametrize(
        "twist",
        [
            lambda sig, stack: (b"\x00", stack),
            lambda sig, stack: (sig, (stack[0], stack[2], stack[1], stack[3])),
            lambda sig, stack: (sig, (b"\x00", *stack[1:])),
            lambda sig, stack: (sig, stack[1:]),
            lambda sig, stack: (sig, (stack[0], stack[1], stack[3])),
            lambda sig, stack: (sig, (*stack[:3], stack[3][:-1])),
            lambda sig, stack: (sig, ()),
        ],
        ids=["scriptsig", "order", "dummy", "no-dummy", "one-missing", "script", "empty"],
    )
    def test_multisig(self, monkeypatch, twist):
        self.spoil(monkeypatch, wsh_wallet(), [1, 2], twist)

    @pytest.mark.parametrize(
        "twist",
        [
            lambda sig, stack: (sig, stack[::-1]),
            lambda sig, stack: (sig, stack[:1]),
            lambda sig, stack: (sig, (*stack, b"P")),
        ],
        ids=["swapped", "no-key", "annex"],
    )
    def test_single_key(self, monkeypatch, twist):
        self.spoil(monkeypatch, wpkh_wallet(), [1], twist)

    def test_bad_signature(self, monkeypatch):
        def twist(sig, stack):
            return sig, (stack[0][:-2] + bytes([stack[0][-2] ^ 1]) + stack[0][-1:], stack[1])

        _, _, complete = ready(wpkh_wallet(), [1])
        honest = ast.SpendingPlan.satisfy
        monkeypatch.setattr(
            ast.SpendingPlan,
            "satisfy",
            lambda plan, signatures, scripts: twist(*honest(plan, signatures, scripts)),
        )
        with pytest.raises(VerificationError) as caught:
            finalize(complete)
        assert caught.value.rule == "signature-invalid"

    def test_other_outputs(self, monkeypatch):
        _, _, complete = ready(wpkh_wallet(), [1])

        class Twisted(module.Transaction):
            @classmethod
            def parse(cls, data: bytes, where: str = "transaction"):
                read = super().parse(data, where)
                first = dataclasses.replace(read.outputs[0], value=Amount(read.outputs[0].value - 1))
                return cls(read.version, read.inputs, (first, *read.outputs[1:]), read.locktime)

        monkeypatch.setattr(module, "Transaction", Twisted)
        with pytest.raises(VerificationError) as caught:
            finalize(complete)
        assert caught.value.rule == "final-transaction-differs"

    def test_heavier_than_judged(self, monkeypatch):
        psbt = Payment(wpkh_wallet()).psbt()
        wallet = wpkh_wallet()
        monkeypatch.setattr(type(wallet.descriptor), "max_satisfaction_weight", 50)
        verified = verify(psbt, wallet, NOTHING_KNOWN)
        complete = verify_signatures(verified, signed(psbt, verified, [1]))
        with pytest.raises(VerificationError) as caught:
            finalize(merge(complete))
        assert caught.value.rule == "final-weight-above-worst-case"
