"""What is written is read as what it was, for every object that crosses the gap, whatever stands in its fields."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.audit.record import AuditRecord
from falconer_shared.canonical import MAX_TIME
from falconer_shared.exchange.envelope import build_envelope, embed, extract
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import MAX_NUMBER, Receipt, ReceiptMark, SignedReceipt, sign_receipt
from falconer_shared.exchange.request import MAX_AUDIT, SigningRequest, sign_request
from falconer_shared.exchange.response import build_response, parse_response
from falconer_shared.policy import bundle
from falconer_shared.policy.parts import MAX_VERSION
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.values import RULES
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender
from falconer_shared.units import MAX_MONEY, Amount
from tests.support import psbts
from tests.support.policies import PolicyDraft, SshKey, signed
from tests.support.requests import requests

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=64)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
TIMES = st.integers(0, MAX_TIME)
WORDS = st.none() | st.integers(0, MAX_MONEY).map(str)
RULE_LINES = st.tuples(
    *[st.builds(RuleLine, st.just(name), st.sampled_from(Outcome), WORDS, WORDS) for name in RULES]
)
VERSIONS = st.integers(1, MAX_VERSION)
MARKS = st.dictionaries(TOKENS, st.none() | st.tuples(st.integers(1, MAX_NUMBER), DIGESTS), max_size=5).map(
    lambda held: tuple(ReceiptMark(name, *(mark or (0, None))) for name, mark in sorted(held.items()))
)


def original() -> SigningRequest:
    return extract(UntrustedPsbt.parse(requests("wsh")[0])).request


@st.composite
def signing_requests(draw: st.DrawFn) -> SigningRequest:
    return dataclasses.replace(
        original(), id=draw(TOKENS), created=draw(TIMES), wallet_id=draw(DIGESTS), unsigned_hash=draw(DIGESTS),
        intent_digest=draw(DIGESTS), policy_version=draw(VERSIONS), policy_digest=draw(DIGESTS),
        audit_size=draw(st.integers(0, MAX_AUDIT)), audit_root=draw(DIGESTS), receipts=draw(MARKS), rules=draw(RULE_LINES),
    )  # fmt: skip


@st.composite
def receipts(draw: st.DrawFn) -> SignedReceipt:
    receipt = Receipt(
        signer=draw(TOKENS), number=draw(st.integers(1, MAX_NUMBER)), request=draw(DIGESTS),
        refusals=tuple(sorted(draw(st.sets(TOKENS, max_size=3)))), rules=draw(RULE_LINES),
        total=draw(st.none() | st.integers(0, MAX_MONEY).map(Amount)), policy_version=draw(VERSIONS),
        journal_size=draw(st.integers(0, MAX_AUDIT)), journal_head=draw(DIGESTS), program="falconer-offline-0.1.0",
        judged=draw(TIMES),
    )  # fmt: skip
    key = SshKey.of(draw(st.sampled_from(["machine-a", "machine-b"])))
    return sign_receipt(receipt, key.private.sign, key.public)


@settings(max_examples=60, deadline=None)
@given(signing_requests(), st.lists(receipts(), max_size=2, unique_by=lambda signed: signed.key.key_id))
def test_an_envelope(request, shown):
    assert SigningRequest.parse(request.text) == request
    key = SshKey.of("coordinator")
    psbt = UntrustedPsbt.parse(requests("wsh")[0])
    old = extract(psbt)
    envelope = build_envelope(
        request, sign_request(request, key.private.sign, key.public), old.intent, old.approvals, shown
    )
    assert extract(embed(psbt.without_proprietary(), envelope)) == envelope


@settings(max_examples=60, deadline=None)
@given(receipts(), st.sampled_from([0, 2]))
def test_an_answer(receipt, version):
    assert SignedReceipt.parse(receipt.value) == receipt
    tx = UntrustedPsbt.parse(requests("wsh")[0]).tx
    signatures = {psbts.PUBKEY: psbts.SIGNATURE} if receipt.receipt.signed else {}
    answer = build_response(tx, [signatures for _ in tx.inputs], receipt, version)
    assert parse_response(UntrustedPsbt.parse(answer.raw)).receipt == receipt


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**63 - 1), TIMES, TOKENS,
    st.dictionaries(TOKENS, st.text(max_size=40) | st.integers(-(2**63) + 1, 2**63 - 1), max_size=8),
)  # fmt: skip
def test_a_record(n, at, event, facts):
    record = AuditRecord(n, at, event, facts)
    assert AuditRecord.parse(record.line) == record


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(["admin-a", "admin-b", "admin-c", "anna"]), min_size=1), VERSIONS)
def test_a_policy_and_its_signatures(names, version):
    policy = signed(PolicyDraft(version=version).text(), *sorted(names))
    assert bundle.split(bundle.join(policy)) == policy


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=1, max_size=1_500), st.integers(120, 400),
    st.sampled_from([fountain.standard, fountain.dense, fountain.cyclic]),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_payload_in_codes_that_come_in_any_order(payload, characters, schedule, choose):
    sender = Sender(b"psbt\xff" + payload, Kind.PSBT, characters, schedule=schedule)
    numbers = list(range(1, 3 * sender.n + 20))
    choose.shuffle(numbers)
    receiver = Receiver()
    progress = receiver.feed(sender.frame(numbers[0]))
    for number in numbers[1:]:
        progress = receiver.feed(sender.frame(number))
    assert progress.received is not None
    assert progress.received.data == b"psbt\xff" + payload
