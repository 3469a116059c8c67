"""The official vectors of BIP 174, 370, 371, 373 and 375.

Each invalid PSBT is refused with the id that fits, each valid one comes back byte for byte.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from tests.support.psbts import vector_cases
from tests.support.refusal import refused

REFUSALS = {
    174: [
        "psbt-not-recognised",
        "psbt-truncated",
        "psbt-unsigned-tx-signed",
        "psbt-unsigned-tx-missing",
        "psbt-duplicate-key",
        *["psbt-key-size"] * 13,
        "psbt-unsigned-tx-signed",
        "trailing-bytes",
    ],
    370: [
        *["psbt-field-not-in-version"] * 14,
        *["psbt-field-missing"] * 7,
        *["psbt-locktime-range"] * 3,
    ],
    371: [
        *["psbt-value-size"] * 3,
        "psbt-key-size",
        "psbt-value-size",
        "psbt-key-size",
        "psbt-key-size",
        "psbt-value-size",
        "psbt-value-size",
        "psbt-key-size",
        "psbt-key-size",
    ],
    373: [
        "psbt-key-size",
        "psbt-pubkey-form",
        *["psbt-key-size"] * 4,
        "psbt-value-size",
        "psbt-key-size",
        "psbt-key-size",
        "psbt-value-size",
    ],
}
"""The refusal of each case that a BIP calls invalid, in the BIP's order."""

WELL_FORMED = {174: 24, 370: 23, 371: 6, 373: 14}
"""How many other cases of each BIP are PSBTs."""

FOR_THE_SIGNER = {
    "A Witness UTXO is provided for a non-witness input": "the proven script decides what an input is, not the field",
    "redeemScript with non-witness UTXO does not match the scriptPubKey": "the script is compared with the proven output",
    "redeemScript with witness UTXO does not match the scriptPubKey": "the script is compared with the proven output",
    "witnessScript with witness UTXO does not match the redeemScript": "the script is compared with the proven output",
}
"""Cases of BIP 174 that are well-formed and that only whoever signs must refuse: `verify.inputs` does."""


def reread(data: bytes) -> UntrustedPsbt:
    """Parse, read everything that is read late, and write it again from its maps."""
    psbt = UntrustedPsbt.parse(data)
    for view in psbt.inputs:
        previous = view.non_witness_utxo
        assert previous is None or previous.serialize() == view.fields[b"\x00"]
        utxo = view.witness_utxo
        assert utxo is None or utxo.serialize() == view.fields[b"\x01"]
        assert view.bip32_derivations is not None
        assert view.final_script_witness is None or view.final_script_witness
    assert psbt.serialize() == data
    assert from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps) == psbt
    return psbt


@pytest.mark.parametrize("bip", sorted(REFUSALS))
def test_invalid_psbts(vectors, bip):
    cases = [case for case in vector_cases(vectors, bip) if case["kind"] == "invalid"]
    assert len(cases) == len(REFUSALS[bip])
    for case, rule in zip(cases, REFUSALS[bip], strict=True):
        for data in (bytes.fromhex(case["hex"]), case["base64"].encode()):
            with refused(rule, Malformed):
                UntrustedPsbt.parse(data)


def is_psbt(case: dict[str, Any]) -> bool:
    return case["hex"].startswith("70736274ff")


@pytest.mark.parametrize("bip", sorted(WELL_FORMED))
def test_valid_psbts_come_back_byte_for_byte(vectors, bip):
    conflict = "Input 1 has PSBT_IN_REQUIRED_HEIGHT_LOCKTIME of 10000, Input 2 has PSBT_IN_REQUIRED_TIME_LOCKTIME of 1657048460"
    cases = [
        case
        for case in vector_cases(vectors, bip)
        if case["kind"] != "invalid" and is_psbt(case) and case["case"] != conflict
    ]
    assert len(cases) == WELL_FORMED[bip]
    for case in cases:
        psbt = reread(bytes.fromhex(case["hex"]))
        assert psbt.version == (2 if bip == 370 else 0)
        assert UntrustedPsbt.parse(case["base64"].encode()) == psbt
        assert psbt.base64() == case["base64"]


def test_cases_that_only_a_signer_refuses_are_these(vectors):
    cases = [case for case in vector_cases(vectors, 174) if case["kind"] == "signer_fail"]
    assert {case["case"] for case in cases} == set(FOR_THE_SIGNER)
    for case in cases:
        reread(bytes.fromhex(case["hex"]))


def test_lock_times(vectors):
    cases = [case for case in vector_cases(vectors, 370) if case["kind"] == "locktime"]
    expected = [0, 0, 10000, 10000, 10000, 10000, 1657048460, 1657048460, 1657048460]
    for case, locktime in zip(cases[:-1], expected, strict=True):
        assert UntrustedPsbt.parse(bytes.fromhex(case["hex"])).tx.locktime == locktime
    with refused("psbt-locktime-conflict", Malformed):
        UntrustedPsbt.parse(bytes.fromhex(cases[-1]["hex"]))


def test_modifiable_flags_of_bip370(vectors):
    for case in vector_cases(vectors, 370):
        if case["kind"] == "valid":
            named = "PSBT_GLOBAL_TX_MODIFIABLE" in case["case"] or "all PSBTv2 fields" in case["case"]
            assert UntrustedPsbt.parse(bytes.fromhex(case["hex"])).modifiable == named, case["case"]


def test_musig2_psbts_say_that_they_need_it(vectors):
    for case in vector_cases(vectors, 373):
        if case["kind"] != "invalid" and "Receiving" not in case["case"]:
            assert (UntrustedPsbt.parse(bytes.fromhex(case["hex"])).needs_unsupported() or "").startswith(
                "MUSIG2_"
            )


def test_the_transaction_that_bip174_extracts_is_no_psbt(vectors):
    extracted = [case for case in vector_cases(vectors, 174) if case["kind"] == "role" and not is_psbt(case)]
    assert len(extracted) == 1
    data = bytes.fromhex(extracted[0]["hex"])
    assert Transaction.parse(data).serialize() == data
    with refused("psbt-not-recognised", Malformed):
        UntrustedPsbt.parse(data)


def test_silent_payment_psbts_are_refused_or_name_what_they_need(vectors):
    """BIP 375, a draft: nothing of it is acted upon, so a valid case must be told from a plain payment just as an invalid one."""
    path = vectors / "vectors/raw/bitcoin_bips/bip-0375/bip375_test_vectors.json"
    cases = json.loads(path.read_text())
    malformed = []
    for case in (*cases["invalid"], *cases["valid"]):
        try:
            psbt = reread(base64.b64decode(case["psbt"]))
        except Malformed as refusal:
            malformed.append(refusal.rule)
        else:
            assert (psbt.needs_unsupported() or "").startswith("SP_")
    # three wrong widths; four outputs that have no script yet
    assert sorted(malformed) == ["psbt-field-missing"] * 4 + ["psbt-value-size"] * 3
    assert len(cases["invalid"]) + len(cases["valid"]) > 40
