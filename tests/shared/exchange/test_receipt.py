"""Receipts: one spelling, real signatures, numbers that cannot be rewritten."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding.reader import prefixed
from falconer_shared.errors import AuditError, Malformed, VerificationError
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import (
    MAX_RECEIPT_BYTES,
    MAX_REFUSALS,
    NAMESPACE,
    Receipt,
    ReceiptMark,
    SignedReceipt,
    check_no_fork,
    check_own_past,
    sign_receipt,
    verify_receipt,
)
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.values import RULES
from falconer_shared.psbt.fields import PROPRIETARY_FIELDS, ProprietaryType
from falconer_shared.sshsig.signature import SshSignature
from falconer_shared.sshsig.wire import MAX_OBJECT
from falconer_shared.units import MAX_MONEY, Amount
from tests.shared.exchange.conftest import NOW
from tests.support.refusal import refused
from tests.support.ssh_keygen import accepts

PLAIN = Receipt(
    signer="vault-1", number=4, request="99" * 32, refusals=(), rules=(RuleLine("max_fee_sats", Outcome.PASS, "1000", "5000"),),
    total=Amount(70_000), policy_version=1, journal_size=9, journal_head="77" * 32, program="falconer-offline-0.1.0", judged=NOW,
)  # fmt: skip
REFUSED = dataclasses.replace(PLAIN, refusals=("input-amount-unproven", "policy-daily-limit"), total=None)

TEXT = (
    "falconer-receipt 1\n"
    "signer vault-1\n"
    "number 4\n"
    f"request {'99' * 32}\n"
    "verdict signed\n"
    "rule max_fee_sats pass 1000 5000\n"
    "total 70000\n"
    "policy 1\n"
    f"journal 9 {'77' * 32}\n"
    "program falconer-offline-0.1.0\n"
    "judged 2023-11-14T22:13:20Z\n"
)


def test_is_spelt_as_documented():
    assert PLAIN.text.decode() == TEXT
    assert PLAIN.signed
    assert PLAIN.digest == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (
        "verdict refused\nrefusal input-amount-unproven\nrefusal policy-daily-limit\nrule "
        in REFUSED.text.decode()
    )
    assert "\ntotal -\n" in REFUSED.text.decode()
    assert not REFUSED.signed
    for receipt in (PLAIN, REFUSED):
        assert Receipt.parse(receipt.text) == receipt


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("receipt 1", "receipt 2"),
        ("signer vault-1", "signer Vault-1"),
        ("number 4", "number 0"),
        ("number 4", "number 04"),
        ("number 4", "number 9007199254740993"),
        ("99\n", "9\n"),
        ("99\n", "99AA\n"),
        ("verdict signed", "verdict yes"),
        ("verdict signed", "verdict refused"),
        ("verdict signed\n", "verdict signed\nrefusal policy-daily-limit\n"),
        ("verdict signed\n", "verdict refused\nrefusal b\nrefusal a\n"),
        ("verdict signed\n", "verdict refused\nrefusal a\nrefusal a\n"),
        (
            "verdict signed\n",
            "verdict refused\n" + "".join(f"refusal r{n:02d}\n" for n in range(MAX_REFUSALS + 1)),
        ),
        ("verdict signed\n", ""),
        ("rule max_fee_sats pass 1000 5000", "rule max_fee_sats good 1000 5000"),
        ("total 70000", "total 070000"),
        ("total 70000", f"total {MAX_MONEY + 1}"),
        ("total 70000", "total none"),
        ("policy 1\n", "policy 0\n"),
        ("policy 1\n", "policy 1 abcd\n"),
        ("journal 9 ", "journal "),
        ("journal 9 ", "journal -9 "),
        ("program falconer-offline-0.1.0", "program Falconer 0.1"),
        ("judged 2023", "judged 1969"),
        ("20Z\n", "20Z"),
        ("20Z\n", "20Z\n\n"),
        ("20Z\n", "20Z\nnote hello\n"),
    ],
)
def test_one_fault_of_spelling_is_enough(old, new):
    assert TEXT.count(old) == 1
    with refused("receipt-malformed", Malformed):
        Receipt.parse(TEXT.replace(old, new).encode())


def test_the_bounds_themselves_are_taken():
    most = dataclasses.replace(
        PLAIN,
        number=2**53,
        refusals=tuple(f"r{n:02d}" for n in range(MAX_REFUSALS)),
        total=Amount(MAX_MONEY),
        rules=(),
    )
    assert Receipt.parse(most.text) == most


def test_the_longest_honest_receipt_fits_its_field():
    number = str(10**18)
    longest = dataclasses.replace(
        PLAIN, signer="s" * 64,
        refusals=tuple(f"{n:02d}-a-refusal-with-quite-a-long-name-of-its-own" for n in range(MAX_REFUSALS)),
        rules=tuple(RuleLine(name, Outcome.UNSEEN, number, number) for name in RULES),
    )  # fmt: skip
    assert len(longest.text) <= MAX_RECEIPT_BYTES
    assert 3 + MAX_RECEIPT_BYTES + MAX_OBJECT <= PROPRIETARY_FIELDS[ProprietaryType.RECEIPT].max_value


def test_too_long_a_text_is_refused():
    with refused("receipt-malformed", Malformed):
        Receipt.parse(TEXT.encode() + b"x" * MAX_RECEIPT_BYTES + b"\n")


@given(
    number=st.integers(1, 2**53),
    refusals=st.sets(st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=30), max_size=5),
    total=st.none() | st.integers(0, MAX_MONEY).map(Amount),
    size=st.integers(0, 2**53),
    judged=st.integers(0, 2**34),
)
def test_every_receipt_comes_back_from_its_text(number, refusals, total, size, judged):
    made = dataclasses.replace(
        PLAIN, number=number, refusals=tuple(sorted(refusals)), total=total, journal_size=size, judged=judged
    )
    assert Receipt.parse(made.text) == made


# Signatures


def test_a_signed_receipt_comes_back_from_its_field_and_verifies(world):
    signed = world.receipt()
    assert SignedReceipt.parse(signed.value) == signed
    assert signed.value == prefixed(signed.receipt.text) + signed.signature.raw
    assert verify_receipt(signed, world.holders["vault-1"].key) == signed.receipt


def test_anybody_can_check_a_receipt_with_stock_ssh_keygen(world, tmp_path):
    signed = world.receipt()
    line, armoured = world.holders["vault-1"].file.public_line, signed.signature.armoured()
    assert accepts(tmp_path, line, armoured, signed.receipt.text, NAMESPACE)
    assert not accepts(tmp_path, line, armoured, signed.receipt.text + b"\n", NAMESPACE)


def test_a_receipt_signed_by_ssh_keygen_verifies(world):
    armoured = world.holders["vault-1"].file.sign(PLAIN.text, NAMESPACE)
    assert (
        verify_receipt(SignedReceipt(PLAIN, SshSignature.parse(armoured)), world.holders["vault-1"].key)
        == PLAIN
    )


def test_any_other_text_key_or_namespace_is_refused(world):
    signed = world.receipt()
    own, other = world.holders["vault-1"], world.holders["vault-2"]
    changed = SignedReceipt(dataclasses.replace(signed.receipt, number=5), signed.signature)
    elsewhere = SignedReceipt(PLAIN, SshSignature.parse(own.file.sign(PLAIN.text, "falconer-approval@1")))
    for value, key in ((changed, own.key), (elsewhere, own.key), (signed, other.key)):
        with refused("receipt-signature-invalid", VerificationError):
            verify_receipt(value, key)


def test_nothing_is_signed_that_the_other_side_could_not_read(world):
    own = world.holders["vault-1"]
    for bad, rule in (({"number": 0}, "receipt-malformed"), ({"refusals": ("b", "a")}, "receipt-malformed")):
        with refused(rule, Malformed):
            sign_receipt(dataclasses.replace(PLAIN, **bad), own.sign, own.key)
    with refused("ssh-signature-invalid", VerificationError):
        sign_receipt(PLAIN, world.holders["vault-2"].sign, own.key)
    with pytest.raises(ValueError, match="come back"):
        sign_receipt(
            dataclasses.replace(PLAIN, rules=(RuleLine("a", Outcome.PASS, "-", None),)), own.sign, own.key
        )


def test_faults_of_the_field(world):
    signed = world.receipt()
    raw, text = signed.signature.raw, signed.receipt.text
    for value, rule in (
        (b"", "receipt-malformed"),
        (prefixed(text), "ssh-signature-malformed"),
        (prefixed(text)[:-1], "receipt-malformed"),
        (prefixed(text) + raw + b"\0", "ssh-signature-malformed"),
        (prefixed(text) + signed.signature.armoured(), "receipt-malformed"),
        (b"\xfe" + len(text).to_bytes(4, "little") + text + raw, "compact-size-not-minimal"),
        (b"\xff" + b"\xff" * 8 + text + raw, "receipt-malformed"),
    ):
        with refused(rule, Malformed):
            SignedReceipt.parse(value)


# Numbers


def test_two_receipts_under_one_number_are_a_fork():
    check_no_fork(PLAIN, PLAIN)
    check_no_fork(PLAIN, dataclasses.replace(PLAIN, number=5, total=None))
    check_no_fork(PLAIN, dataclasses.replace(PLAIN, signer="vault-2", total=None))
    with refused("receipt-fork", AuditError):
        check_no_fork(PLAIN, dataclasses.replace(PLAIN, judged=NOW + 1))


def past(last: int) -> tuple[int, object]:
    return last, lambda number: f"{number:064x}" if 1 <= number <= last else None


def mark(number: int, digest: str | None = None) -> ReceiptMark:
    return ReceiptMark("vault-1", number, digest or (f"{number:064x}" if number else None))


def test_what_the_coordinator_lacks_is_counted():
    assert check_own_past([mark(0)], *past(0)) == 0
    assert check_own_past([mark(0)], *past(3)) == 3
    assert check_own_past([mark(3)], *past(3)) == 0
    assert check_own_past([mark(1), mark(2)], *past(3)) == 1
    assert check_own_past([], *past(3)) == 3


def test_a_coordinator_that_remembers_more_shows_a_lost_state():
    with refused("receipt-ahead", AuditError):
        check_own_past([mark(4)], *past(3))
    with refused("receipt-ahead", AuditError):
        check_own_past([mark(0), mark(1)], *past(0))


def test_a_coordinator_that_remembers_otherwise_shows_a_fork():
    for number in (1, 3):
        with refused("receipt-fork", AuditError):
            check_own_past([mark(number, "ee" * 32)], *past(3))
    with refused("receipt-fork", AuditError):
        check_own_past([mark(2), mark(3, "ee" * 32)], *past(3))
