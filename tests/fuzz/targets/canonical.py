"""Canonical texts: intent, request, receipt, policy. What is accepted is written again as the same bytes."""

from __future__ import annotations

import random

from falconer_shared.approval.intent import Intent
from falconer_shared.canonical import format_time, parse_time
from falconer_shared.exchange.envelope import extract
from falconer_shared.exchange.receipt import Receipt
from falconer_shared.exchange.request import SigningRequest
from falconer_shared.policy.document import Policy
from falconer_shared.policy.explain import explain
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.shared.policy.test_engine import strictest
from tests.support.policies import PolicyDraft
from tests.support.requests import requests
from tests.support.treasury import descriptor_of, stranger_address

MAX_LEN = 16_384
_READERS = (Intent, SigningRequest, Receipt, Policy)


def seeds() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, raw in enumerate(requests("wsh")):
        envelope = extract(UntrustedPsbt.parse(raw))
        found[f"intent {number}"] = envelope.intent.text
        found[f"request {number}"] = envelope.request.text
        for receipt in envelope.receipts[:1]:
            found[f"receipt {number}"] = receipt.receipt.text
    found["refusal"] = found["receipt 1"].replace(
        b"verdict signed", b"verdict refused\nrefusal policy-fee-limit"
    )
    found["policy"] = PolicyDraft().text()
    found["strict policy"] = strictest().text()
    book = {"one": stranger_address(1), "sister": descriptor_of("wpkh", seeds=(9,))}
    found["book"] = PolicyDraft(addresses=book, mandatory=("machine-a",)).text()
    return found


def check(data: bytes) -> bool:
    found = [
        each
        for each in (attempt(lambda kind=kind: kind.parse(data)) for kind in _READERS)
        if each is not None
    ]
    # one text is one thing
    assert len(found) <= 1
    _check_time(data)
    for each in found:
        assert each.text == data
        assert type(each).parse(data) == each
        assert len(each.digest) == 64
        if isinstance(each, Policy):
            assert all(line.isascii() for line in explain(each, k=2, n=3))
    return bool(found)


def _check_time(data: bytes) -> None:
    text = data[:20].decode("latin-1")
    try:
        seconds = parse_time(text)
    except ValueError:
        return
    assert format_time(seconds) == text


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.lines(data, choose)
