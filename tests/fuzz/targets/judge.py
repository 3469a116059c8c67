"""The whole judgement of a request, from its bytes to the page: it never takes money elsewhere than its intent says.

The first byte chooses the wallet, the rest is the request. What is accepted is added up again by embit, from the previous
transactions themselves; and a wallet that has judged nothing before judges it alike.
"""

from __future__ import annotations

import hashlib
import random

from embit.transaction import Transaction

from falconer_shared.bitcoin.address import script_of
from falconer_shared.errors import FalconerError
from falconer_shared.policy.engine import ApprovedTransaction
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.transaction import verify
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.fuzz.targets import envelope, psbt
from tests.support.requests import desks, judge, requests, verdict
from tests.support.treasury import FORMS, NOTHING_KNOWN

MAX_LEN = 16_384


def seeds() -> dict[str, bytes]:
    return {
        f"{form} {number}": bytes((position,)) + raw
        for position, form in enumerate(FORMS)
        for number, raw in enumerate(requests(form)[:2])
    }


def check(data: bytes) -> bool:
    desk = desks()[(data[0] if data else 0) % len(FORMS)]
    given = data[1:]
    approved = attempt(lambda: judge(given, desk))
    if approved is None:
        # the rest of the path is not reached behind a broken envelope
        untrusted = _parsed(given)
        if untrusted is not None:
            attempt(lambda: verify(untrusted, desk.wallet, NOTHING_KNOWN))
    else:
        _add_up_again(given, approved)
    if hashlib.sha256(data).digest()[0] == 0:
        assert verdict(given, desk.fresh()) == verdict(given, desk)
    return approved is not None


def _parsed(data: bytes) -> UntrustedPsbt | None:
    try:
        return UntrustedPsbt.parse(data)
    except FalconerError:
        return None


def _add_up_again(data: bytes, approved: ApprovedTransaction) -> None:
    """What goes in, what comes out and where it goes, without our parser."""
    given = UntrustedPsbt.parse(data)
    spent = 0
    unsigned = Transaction.parse(given.tx.serialize_stripped())
    for tx_input, view in zip(unsigned.vin, given.inputs, strict=True):
        raw = view.fields.get(b"\x00")
        if raw is None:
            # taproot alone: the signature is over this amount
            assert approved.verified.wallet.name == "tr"
            spent += int.from_bytes(view.fields[b"\x01"][:8], "little")
            continue
        previous = Transaction.parse(raw)
        assert previous.txid() == tx_input.txid
        spent += previous.vout[tx_input.vout].value
    leaving = sorted(
        (script_of(address, approved.verified.wallet.network), int(sats))
        for sats, address in approved.intent.pays
    )
    paid = [(bytes(output.script_pubkey.data), output.value) for output in unsigned.vout]
    for payment in leaving:
        paid.remove(payment)
    wallet = approved.verified.wallet
    ours = {wallet.scripts(branch, index).script_pubkey for branch in (0, 1) for index in range(40)}
    assert all(script in ours for script, _ in paid)
    fee = spent - sum(output.value for output in unsigned.vout)
    assert fee == approved.verified.fee
    assert 0 <= fee <= approved.intent.max_fee
    assert all(item.sighash in {0, 1} for item in approved.verified.inputs)


def mutate(data: bytes, choose: random.Random) -> bytes:
    change = envelope.mutate if choose.randrange(3) == 0 else psbt.mutate
    if choose.randrange(12) == 0:
        return changes.raw(data, choose)
    return data[:1] + change(data[1:], choose)
