"""What crosses the gap in a PSBT: requests with their parts, and answers. Taken apart and put together, all is as it was."""

from __future__ import annotations

import random
from functools import cache

from falconer_shared.exchange.envelope import embed, extract, receipts_in
from falconer_shared.exchange.response import build_response, parse_response
from falconer_shared.psbt.fields import IDENTIFIER, ProprietaryType
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.requests import desks, judge, requests
from tests.support.treasury import FORMS

MAX_LEN = 16_384
_OURS = b"\xfc" + bytes((len(IDENTIFIER),)) + IDENTIFIER
_ENVELOPE = tuple(
    bytes((kind,))
    for kind in (
        ProprietaryType.REQUEST,
        ProprietaryType.INTENT,
        ProprietaryType.APPROVAL,
        ProprietaryType.COORDINATOR_SIGNATURE,
        ProprietaryType.RECEIPT,
    )
)


def seeds() -> dict[str, bytes]:
    found = {f"request {number}": raw for number, raw in enumerate(requests("wpkh"))}
    approved = judge(requests("wpkh")[1], desks()[FORMS.index("wpkh")])
    receipt = receipts_in(UntrustedPsbt.parse(requests("wpkh")[1]))[0]
    found["refusal"] = build_response(
        approved.verified.tx, [{}] * len(approved.verified.inputs), _refused(receipt), 0
    ).raw
    return found


def _refused(receipt: object) -> object:
    from dataclasses import replace

    from falconer_shared.exchange.receipt import sign_receipt
    from tests.support.policies import SshKey

    key = SshKey.of("machine-a")
    refusal = replace(receipt.receipt, refusals=("policy-fee-limit",), total=None)  # type: ignore[attr-defined]
    return sign_receipt(refusal, key.private.sign, key.public)


def check(data: bytes) -> bool:
    psbt = attempt(lambda: UntrustedPsbt.parse(data))
    if psbt is None:
        return False
    attempt(lambda: receipts_in(psbt))
    response = attempt(lambda: parse_response(psbt))
    if response is not None:
        assert response.psbt == psbt
    envelope = attempt(lambda: extract(psbt))
    if envelope is None:
        return response is not None
    bare = from_maps(
        {key: value for key, value in psbt.global_map.items() if not _carries(key)},
        psbt.input_maps,
        psbt.output_maps,
    )
    again = embed(bare, envelope)
    assert dict(again.global_map) == dict(psbt.global_map)
    assert extract(again) == envelope
    return True


def _carries(key: bytes) -> bool:
    """Whether this is a field of the envelope, in the one spelling in which it is read."""
    return key.startswith(_OURS) and key[len(_OURS) : len(_OURS) + 1] in _ENVELOPE


@cache
def _library() -> tuple[tuple[bytes, bytes], ...]:
    found: dict[bytes, bytes] = {}
    for raw in (*requests("wpkh"), *requests("wsh")):
        found |= {key: value for key, value in UntrustedPsbt.parse(raw).global_map.items() if key[0] == 0xFC}
    return tuple(found.items())


def _value(old: bytes, choose: random.Random) -> bytes:
    return (
        changes.lines(old, choose)
        if old.startswith(b"falconer-") and choose.randrange(3)
        else changes.raw(old, choose)
    )


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.psbt(data, choose, _library(), _value)
