"""Answers: signatures, one receipt, and no room for anything else."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.exchange.response import build_response, check_response, parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.signatures import verify_signatures
from tests.support.rawpsbt import RawPsbt
from tests.support.refusal import refused
from tests.support.treasury import Payment, signed, wsh_wallet


@pytest.fixture
def signatures(world):
    return [view.partial_sigs for view in signed(world.payment.psbt(), world.verified, [1]).inputs]


@pytest.fixture
def receipt(world):
    return world.receipt(request=world.request.digest, number=1)


@pytest.fixture
def answer(world, signatures, receipt):
    return build_response(world.verified.tx, signatures, receipt)


NONE = [{}, {}]


@pytest.mark.parametrize("version", [0, 2])
def test_an_answer_carries_what_was_signed_and_nothing_else(world, signatures, receipt, version):
    answer = build_response(world.verified.tx, signatures, receipt, version)
    assert answer.tx == world.verified.tx
    assert [{key[0] for key in view.fields} for view in answer.inputs] == (
        [{2}, {2}] if version == 0 else [{2, 0x0E, 0x0F, 0x10}] * 2
    )
    assert len(answer.raw) < 2_000
    response = parse_response(UntrustedPsbt.parse(answer.raw))
    assert response.receipt == receipt
    assert check_response(response, world.request, world.policy) == receipt.receipt
    proven = verify_signatures(world.verified, response.psbt)
    assert [dict(found) for found in proven.signatures] == signatures


def test_a_refusal_is_a_receipt_alone(world):
    no = world.receipt(request=world.request.digest, number=1, refusals=("policy-daily-limit",), total=None)
    response = parse_response(build_response(world.verified.tx, NONE, no))
    assert check_response(response, world.request, world.policy).refusals == ("policy-daily-limit",)
    assert all(not view.fields for view in response.psbt.inputs)


def test_receipt_and_signatures_must_say_the_same(world, signatures, receipt):
    no = world.receipt(request=world.request.digest, number=1, refusals=("policy-daily-limit",))
    for found, said in ((signatures, no), (NONE, receipt)):
        with refused("response-contradicts-receipt", VerificationError):
            build_response(world.verified.tx, found, said)


def test_a_signed_receipt_over_an_answer_without_signatures_is_refused(answer):
    raw = RawPsbt(answer.raw)
    for index in range(2):
        raw.maps[1 + index] = []
    with refused("response-contradicts-receipt", VerificationError):
        parse_response(UntrustedPsbt.parse(raw.bytes()))


def test_an_answer_has_exactly_one_receipt(world, answer, signatures):
    with refused("response-receipt-missing", VerificationError):
        parse_response(signed(world.payment.psbt(), world.verified, [1]))
    other = build_response(
        world.verified.tx, signatures, world.receipt("vault-2", request=world.request.digest, number=1)
    )
    extra = {key: value for key, value in other.global_map.items() if key[0] == 0xFC}
    with refused("response-receipt-missing", VerificationError):
        parse_response(answer.with_fields(global_add=extra))


@pytest.mark.parametrize(
    "place",
    [{"global_add": {b"\xfa": b"x"}}, {"input_add": {1: {b"\xfa": b"x"}}}, {"output_add": {0: {b"\xfa": b"x"}}},
     {"global_add": {b"\xfc\x05other\x00": b"x"}}, {"global_add": {b"\xfb": bytes(4)}},
     {"global_add": {b"\xfc\x08falconer\x05\x00\x00\x00\x00": bytes(80)}}, {"input_add": {0: {b"\x03": b"\x01\0\0\0"}}}],
)  # fmt: skip
def test_nothing_may_ride_out_with_it(answer, place):
    with refused("response-not-minimal", VerificationError):
        parse_response(answer.with_fields(**place))


def test_not_even_the_order_of_fields_may_carry_anything(world, receipt):
    both = [view.partial_sigs for view in signed(world.payment.psbt(), world.verified, [1, 2]).inputs]
    answer = build_response(world.verified.tx, both, receipt)
    parse_response(answer)
    assert answer == build_response(
        world.verified.tx, [dict(reversed(found.items())) for found in both], receipt
    )
    raw = RawPsbt(answer.raw)
    raw.maps[1].reverse()
    with refused("response-not-minimal", VerificationError):
        parse_response(UntrustedPsbt.parse(raw.bytes()))


def test_a_receipt_under_anothers_key_hash_is_malformed(answer):
    raw = RawPsbt(answer.raw)
    raw.maps[0] = [
        (key[:-1] + bytes((key[-1] ^ 1,)), value) if key[0] == 0xFC else (key, value)
        for key, value in raw.maps[0]
    ]
    with refused("receipt-other-key", Malformed):
        parse_response(UntrustedPsbt.parse(raw.bytes()))


def test_the_answer_must_be_for_what_was_asked(world, answer, receipt):
    other = Payment(wsh_wallet(), pay=list(world.payment.pay), locktime=7)
    no = world.receipt(request=world.request.digest, number=1, refusals=("policy-daily-limit",))
    with refused("response-other-transaction", VerificationError):
        check_response(
            parse_response(build_response(other.transaction(), NONE, no)), world.request, world.policy
        )
    changed = dataclasses.replace(world.request, id="rent-2")
    with refused("receipt-other-request", VerificationError):
        check_response(parse_response(answer), changed, world.policy)


def test_the_answer_must_be_by_a_signer_of_the_policy(world, signatures):
    for signer in ("stranger", "coordinator"):
        receipt = world.receipt(signer, request=world.request.digest, number=1)
        with refused("receipt-unknown-signer", VerificationError):
            check_response(
                parse_response(build_response(world.verified.tx, signatures, receipt)),
                world.request,
                world.policy,
            )


def test_a_forged_receipt_is_refused(world, signatures, receipt):
    forged = dataclasses.replace(receipt, receipt=dataclasses.replace(receipt.receipt, number=2))
    with refused("receipt-signature-invalid", VerificationError):
        check_response(
            parse_response(build_response(world.verified.tx, signatures, forged)), world.request, world.policy
        )
