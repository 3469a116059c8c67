"""Empty PSBTs and the step between versions (A087)."""

from __future__ import annotations

import dataclasses
import json

import pytest

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.psbt import build
from falconer_shared.psbt.build import new_psbt, to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from tests.support import psbts
from tests.support.psbts import u32, vector_cases
from tests.support.rawpsbt import edited
from tests.support.refusal import refused

TX = Transaction(
    2,
    (TxInput(OutPoint(b"\x01" * 32, 7), b"", 0xFFFFFFFD), TxInput(OutPoint(b"\x02" * 32, 0), b"", 0)),
    (TxOutput(Amount(5), b"\x51"), TxOutput(Amount(21 * 10**14), b"")),
    800_000,
)


@pytest.mark.parametrize("version", [0, 2])
def test_a_new_psbt_holds_the_transaction_and_nothing_else(version):
    psbt = new_psbt(TX, version)
    assert psbt.version == version
    assert psbt.tx == TX
    assert not psbt.modifiable
    assert psbt == UntrustedPsbt.parse(psbt.raw)
    assert to_version(new_psbt(TX, 2 - version), version) == psbt
    if version == 0:
        assert list(psbt.global_map) == [b"\x00"]
        assert psbt.input_maps == ({}, {})
        assert psbt.output_maps == ({}, {})


def test_samples_are_what_is_built():
    assert new_psbt(UntrustedPsbt.parse(psbts.v0()).tx, 2).raw == psbts.v2()
    assert new_psbt(UntrustedPsbt.parse(psbts.v2()).tx, 0).raw == psbts.v0()


def test_a_signed_transaction_is_no_beginning():
    for part in (TxInput(TX.inputs[0].outpoint, b"\x51", 0), TxInput(TX.inputs[0].outpoint, b"", 0, (b"a",))):
        for version in (0, 2):
            with pytest.raises(ValueError, match="unsigned"):
                new_psbt(dataclasses.replace(TX, inputs=(part,)), version)
    with pytest.raises(ValueError, match="version"):
        new_psbt(TX, 1)


def test_conversion_keeps_every_field():
    everything = {
        where: [
            (bytes((kind,)) + data, value)
            for (place, kind), (data, value) in psbts.EXAMPLES.items()
            if place == where and (place, kind) not in psbts.ONLY_V2
        ]
        for where in ("global", "input", "output")
    }
    old = UntrustedPsbt.parse(psbts.v0(added=everything))
    new = to_version(old, 2)
    assert new.tx == old.tx
    assert set(everything["global"]) <= set(new.global_map.items())
    assert set(everything["input"]) <= set(new.inputs[0].fields.items())
    assert set(everything["output"]) <= set(new.outputs[0].fields.items())
    assert to_version(new, 0) == old
    assert to_version(new, 2) is new


@pytest.mark.parametrize(
    "requirement", [{0x11: 1_700_000_000}, {0x12: 700_000}, {0x11: 1_700_000_000, 0x12: 700_000}, {}]
)
def test_a_required_lock_time_survives_the_step_to_version_0(requirement):
    """A087."""

    def require(raw):
        raw.input(1).extend((bytes((kind,)), u32(value)) for kind, value in requirement.items())

    psbt = UntrustedPsbt.parse(edited(psbts.v2(inputs=2, locktime=5), require))
    converted = to_version(psbt, 0)
    assert converted.tx == psbt.tx
    assert converted.tx.locktime == (requirement.get(0x12) or requirement.get(0x11) or 5)
    assert to_version(converted, 2).tx == psbt.tx


def test_silent_payment_fields_cannot_go_to_version_0():
    with refused("psbt-field-not-in-version", Malformed):
        to_version(UntrustedPsbt.parse(psbts.with_example("output", 0x09, 2)), 0)


def test_a_conversion_that_changed_the_transaction_would_be_refused(monkeypatch):
    psbt = new_psbt(TX, 2)
    honest = build._structure
    monkeypatch.setattr(
        build, "_structure", lambda tx, version: honest(dataclasses.replace(tx, locktime=1), version)
    )
    with refused("psbt-conversion-changes-transaction", VerificationError):
        to_version(psbt, 0)


def test_bip174_creator(vectors):
    case = next(
        case for case in vector_cases(vectors, 174) if case["section"].startswith("must create this PSBT")
    )
    psbt = UntrustedPsbt.parse(bytes.fromhex(case["hex"]))
    # the transaction that the BIP describes in words beside the case
    words = json.dumps(json.loads((vectors / "vectors/json/bip174_psbt.json").read_text())[34:40])
    for each in psbt.tx.inputs:
        assert each.outpoint.txid[::-1].hex() in words
    for out in psbt.tx.outputs:
        assert out.script.hex() in words
        assert f"{int(out.value) / 1e8:.8f}" in words
    assert new_psbt(psbt.tx) == psbt
