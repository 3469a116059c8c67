"""Envelopes: what was put in comes out, and every part must belong to every other."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.exchange.envelope import (
    CheckedRequest,
    build_envelope,
    check_request,
    embed,
    extract,
    receipts_in,
)
from falconer_shared.exchange.receipt import ReceiptMark, SignedReceipt
from falconer_shared.psbt.fields import ProprietaryType, proprietary_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import verify
from tests.support.rawpsbt import RawPsbt
from tests.support.refusal import refused
from tests.support.treasury import NOTHING_KNOWN, Payment, signed, wsh_wallet


def edited(psbt: UntrustedPsbt, subtype: ProprietaryType, change) -> UntrustedPsbt:
    """The PSBT with our global fields of that subtype changed: `change` maps (key data, value) to a pair or None."""
    raw = RawPsbt(psbt.raw)
    prefix = proprietary_key(subtype)
    entries = []
    for key, value in raw.maps[0]:
        if key.startswith(prefix):
            pair = change(key[len(prefix) :], value)
            entries += [] if pair is None else [(prefix + pair[0], pair[1])]
        else:
            entries.append((key, value))
    raw.maps[0] = entries
    return UntrustedPsbt.parse(raw.bytes())


@pytest.fixture
def full(world):
    return embed(
        world.payment.psbt(), world.envelope([world.receipt(request=world.request.digest, number=1)])
    )


def test_what_was_put_in_comes_out(world, full):
    envelope = extract(full)
    assert envelope == world.envelope([world.receipt(request=world.request.digest, number=1)])
    assert {approval.key for approval in envelope.approvals} == {
        world.holders[name].key for name in ("ann", "bob")
    }
    assert full.tx == world.payment.psbt().tx
    assert full.without_proprietary() == world.payment.psbt()
    # version 2 carries it just as well
    world.payment.psbt_version = 2
    try:
        assert extract(embed(world.payment.psbt(), envelope)) == envelope
    finally:
        world.payment.psbt_version = 0


def test_the_bytes_lie_where_the_documentation_says(world, full):
    fields = full.global_map
    prefix = b"\xfc\x08falconer"
    assert fields[prefix + b"\x00"] == world.request.text
    assert fields[prefix + b"\x01"] == world.intent.text
    assert fields[prefix + b"\x03"].startswith(b"SSHSIG\0\0\0\1")
    for approval in world.approvals:
        assert fields[prefix + b"\x02" + approval.key.key_id] == approval.raw
    assert prefix + b"\x10" + world.holders["vault-1"].key.key_id in fields


def test_an_envelope_is_embedded_once(world, full):
    with refused("psbt-field-exists", VerificationError):
        embed(full, world.envelope())


def test_two_approvals_by_one_key_have_no_place(world):
    world.approvals.append(world.approvals[0])
    with pytest.raises(ValueError, match="one key"):
        embed(world.payment.psbt(), world.envelope())


def test_an_ordinary_psbt_is_no_request(world):
    with refused("request-missing", VerificationError):
        extract(world.payment.psbt())


@pytest.mark.parametrize(
    ("subtype", "rule"),
    [
        (ProprietaryType.REQUEST, "request-missing"),
        (ProprietaryType.INTENT, "request-incomplete"),
        (ProprietaryType.COORDINATOR_SIGNATURE, "request-incomplete"),
    ],
)
def test_each_part_must_be_there(full, subtype, rule):
    with refused(rule, VerificationError):
        extract(edited(full, subtype, lambda _data, _value: None))


def test_approvals_and_receipts_may_be_absent(full):
    without = edited(full, ProprietaryType.APPROVAL, lambda _data, _value: None)
    assert extract(edited(without, ProprietaryType.RECEIPT, lambda _data, _value: None)).approvals == ()


@pytest.mark.parametrize(
    ("subtype", "rule"),
    [
        (ProprietaryType.REQUEST, "request-malformed"),
        (ProprietaryType.INTENT, "intent-malformed"),
        (ProprietaryType.COORDINATOR_SIGNATURE, "ssh-signature-malformed"),
        (ProprietaryType.APPROVAL, "ssh-signature-malformed"),
        (ProprietaryType.RECEIPT, "ssh-signature-malformed"),
    ],
)
def test_a_byte_too_many_in_any_part_is_malformed(full, subtype, rule):
    with refused(rule, Malformed):
        extract(edited(full, subtype, lambda data, value: (data, value + b"\0")))


@pytest.mark.parametrize(
    ("subtype", "rule"),
    [(ProprietaryType.APPROVAL, "approval-other-key"), (ProprietaryType.RECEIPT, "receipt-other-key")],
)
def test_a_part_must_ride_under_its_own_key_hash(full, subtype, rule):
    with refused(rule, Malformed):
        extract(edited(full, subtype, lambda data, value: (bytes((data[0] ^ 1,)) + data[1:], value)))


@pytest.mark.parametrize("subtype", [ProprietaryType.COORDINATOR_SIGNATURE, ProprietaryType.APPROVAL])
def test_signatures_ride_without_armour(world, full, subtype):
    armoured = {approval.raw: approval.signature.armoured() for approval in world.approvals}
    signature = extract(full).signature
    armoured[signature.raw] = signature.armoured()
    with refused("ssh-signature-malformed", Malformed):
        extract(edited(full, subtype, lambda data, value: (data, armoured[value])))


# What belongs together


def check(world, **changes) -> CheckedRequest:
    return check_request(world.envelope(**changes), world.verified, world.policy)


def test_a_whole_request_passes(world, full):
    verified = verify(full, world.payment.wallet, NOTHING_KNOWN)
    checked = check_request(extract(full), verified, world.policy)
    assert checked.request == world.request
    assert checked.intent == world.intent
    assert set(checked.approvals) == set(world.approvals)


def test_a_checked_request_is_made_by_the_check_alone(world):
    checked = check(world)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(checked, approvals=())
    with pytest.raises(TypeError, match="made by"):
        CheckedRequest(checked.request, checked.intent, (), {}, seal=object())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"network": Network.SIGNET}, "request-other-network"),
        ({"wallet_id": "00" * 32}, "request-other-wallet"),
        ({"policy_version": 2}, "request-other-policy"),
        ({"policy_digest": "00" * 32}, "request-other-policy"),
        ({"unsigned_hash": "00" * 32}, "request-other-transaction"),
        ({"intent_digest": "00" * 32}, "request-other-intent"),
        ({"coordinator": "SHA256:" + "A" * 43}, "request-other-coordinator"),
        ({"receipts": ()}, "request-other-signers"),
    ],
)
def test_every_fact_must_be_of_this_payment(world, change, rule):
    check(world)
    with refused(rule, VerificationError):
        check(world, **change)


def test_signers_may_be_neither_left_out_nor_added(world):
    marks = world.request.receipts
    for receipts in (marks[1:], marks[:-1], (*marks, ReceiptMark("vault-4", 0, None))):
        with refused("request-other-signers", VerificationError):
            check(world, receipts=receipts)


def test_only_the_coordinator_of_the_policy_signs(world):
    stranger = world.holders["stranger"]
    with refused("request-other-coordinator", VerificationError):
        check(world, by="stranger", coordinator=stranger.key.key_hash)
    with refused("request-signature-invalid", VerificationError):
        check(world, by="stranger")
    # nor does a person who may approve
    with refused("request-signature-invalid", VerificationError):
        check(world, by="ann")


def test_the_signature_covers_every_byte_of_the_request(world):
    envelope = world.envelope()
    changed = dataclasses.replace(envelope, request=dataclasses.replace(envelope.request, audit_size=13))
    with refused("request-signature-invalid", VerificationError):
        check_request(changed, world.verified, world.policy)


def test_another_transaction_under_the_same_intent_needs_its_own_request(world):
    other = Payment(wsh_wallet(), pay=list(world.payment.pay), locktime=7)
    with refused("request-other-transaction", VerificationError):
        check_request(world.envelope(), verify(other.psbt(), other.wallet, NOTHING_KNOWN), world.policy)


def test_another_intent_for_the_same_transaction_is_refused(world):
    envelope = world.envelope()
    swapped = dataclasses.replace(envelope, intent=dataclasses.replace(world.intent, max_fee=Amount(9_999)))
    with refused("request-other-intent", VerificationError):
        check_request(swapped, world.verified, world.policy)


# Receipts that ride along


def with_mark(world, receipt: SignedReceipt, shown: list[SignedReceipt]) -> CheckedRequest:
    own = receipt.receipt
    marks = tuple(
        ReceiptMark(own.signer, own.number, own.digest) if mark.signer == own.signer else mark
        for mark in world.request.receipts
    )
    world.request = dataclasses.replace(world.request, receipts=marks)
    return check_request(world.envelope(shown), world.verified, world.policy)


def test_the_marked_receipt_is_taken(world):
    past = world.receipt()
    checked = with_mark(world, past, [past])
    assert dict(checked.receipts) == {"vault-1": past.receipt}
    assert checked.signed_by == frozenset()
    assert set(checked.claims_about("vault-1")) == {ReceiptMark("vault-1", 4, past.receipt.digest)}
    assert checked.claims_about("vault-2") == (ReceiptMark("vault-2", 0, None),)


def test_a_receipt_that_is_marked_need_not_ride_along(world):
    assert dict(with_mark(world, world.receipt(), []).receipts) == {}


def test_who_signed_this_very_request_is_known(world):
    done = world.receipt("vault-2", request=world.request.digest, number=1)
    checked = check_request(world.envelope([done]), world.verified, world.policy)
    assert checked.signed_by == {"vault-2"}
    assert checked.claims_about("vault-2")[1] == ReceiptMark("vault-2", 1, done.receipt.digest)


def test_a_refusal_of_this_request_is_no_signature(world):
    no = world.receipt("vault-2", request=world.request.digest, number=1, refusals=("policy-daily-limit",))
    checked = check_request(world.envelope([no]), world.verified, world.policy)
    assert checked.receipts["vault-2"] == no.receipt
    assert checked.signed_by == frozenset()


@pytest.mark.parametrize("change", [{"number": 5}, {"number": 3}, {"judged": 1}, {"request": "98" * 32}])
def test_another_receipt_than_the_marked_one_is_refused(world, change):
    with refused("receipt-other-than-marked", VerificationError):
        with_mark(world, world.receipt(), [world.receipt(**change)])


def test_an_unmarked_receipt_of_another_request_is_refused(world):
    with refused("receipt-other-than-marked", VerificationError):
        check_request(world.envelope([world.receipt()]), world.verified, world.policy)


def test_receipts_are_by_signers_of_the_policy_under_their_names(world):
    digest = world.request.digest
    stranger = world.receipt("stranger", request=digest, number=1)
    borrowed = SignedReceipt(stranger.receipt, world.receipt("vault-2", request=digest, number=1).signature)
    for shown in (stranger, borrowed):
        with refused("receipt-unknown-signer", VerificationError):
            check_request(world.envelope([shown]), world.verified, world.policy)


def test_a_receipt_must_be_signed_by_its_machine(world):
    good = world.receipt("vault-2", request=world.request.digest, number=1, refusals=("policy-daily-limit",))
    forged = SignedReceipt(dataclasses.replace(good.receipt, refusals=()), good.signature)
    with refused("receipt-signature-invalid", VerificationError):
        check_request(world.envelope([forged]), world.verified, world.policy)


def test_an_envelope_has_one_order(world):
    one, two = world.receipt("vault-1"), world.receipt("vault-2")
    envelope = world.envelope([one, two])
    assert envelope == world.envelope([two, one])
    again = build_envelope(
        envelope.request, envelope.signature, envelope.intent, world.approvals[::-1], [two, one]
    )
    assert again == envelope


def test_signatures_of_other_signers_do_not_disturb(world, full):
    signed_once = signed(full, world.verified, [2])
    assert extract(signed_once) == extract(full)
    assert receipts_in(signed_once) == receipts_in(full)


def test_an_approval_with_stranger_key_data_width_is_out_of_bounds(full):
    with refused("psbt-approval-bounds", Malformed):
        extract(edited(full, ProprietaryType.APPROVAL, lambda data, value: (data[:-1], value)))
