"""Bounds that documents, other machines and older files rely on: a changed one is a decision, never an accident."""

from __future__ import annotations

from falconer_shared.approval import intent, quorum
from falconer_shared.psbt import parse
from falconer_shared.verify import fees, inputs, outputs, partial, transaction


def test_of_intents_and_approvals():
    assert intent.MAX_INTENT_BYTES == 16_384
    assert intent.MAX_PAYMENTS == 150
    assert intent.NO_STRATEGY == "-"
    assert intent.NAMESPACE == "falconer-approval@1"
    assert quorum.MAX_APPROVALS == 32


def test_of_psbts():
    assert parse.MAX_INPUTS == parse.MAX_OUTPUTS == 10_000
    assert parse.MAX_UNSIGNED_TX_BYTES == 1_000_000


def test_of_fees():
    assert fees.MAX_FEE == 10_000_000
    assert fees.MAX_FEE_RATE == 2_500_000
    assert fees.MAX_FEE_SHARE_PERCENT == 25


def test_of_what_is_verified():
    assert inputs.MAX_LEGACY_INPUTS == 200
    assert inputs.NULL_VOUT == transaction.FINAL_SEQUENCE == 0xFFFFFFFF
    assert inputs.SEQUENCE_DISABLES_RELATIVE_LOCK == 0x80000000
    assert inputs.SEQUENCE_SIGNALS_REPLACEMENT_BELOW == 0xFFFFFFFE
    assert outputs.MAX_OWN_OUTPUTS == 10
    assert partial.MAX_WITNESS_ITEMS == 32
    assert partial.SCHNORR_BYTES == 64
    assert transaction.VERSIONS == {1, 2}
    assert transaction.MAX_LISTED == 8
