"""Sessions of the receiver in every dialect: what came whole is sent again in each way that takes it, and arrives."""

from __future__ import annotations

import base64
import random
import zlib
from functools import cache
from itertools import islice

from falconer_shared.errors import UsageError
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Spelling, Way, send
from tests.fuzz import mutate as changes
from tests.fuzz.targets import ur
from tests.support import psbts
from tests.support.frames import psbt
from tests.support.treasury import descriptor_of

MAX_LEN = 16_384
_PAYLOADS = {
    Kind.PSBT: psbt(300, 1),
    Kind.TRANSACTION: psbts.PREVIOUS,
    Kind.DESCRIPTOR: descriptor_of("wsh").encode(),
    Kind.KEY: descriptor_of("wpkh").partition("(")[2].partition("/<")[0].encode(),
    Kind.TEXT: b"hello, world",
    Kind.JSON: b'{"xfp": "0F056943"}',
    Kind.URI: b"bitcoin:bcrt1qexample?amount=0.001",
    Kind.BYTES: bytes(range(200)),
}


_TEXTUAL = {Spelling.PMOFN, Spelling.TEXT, Spelling.ADDWALLET}


@cache
def _all() -> dict[str, bytes]:
    found = {}
    for spelling in Spelling:
        for kind, payload in _PAYLOADS.items():
            for version in (5, 20):
                try:
                    sending = send(payload, kind, Way(spelling, version))
                except UsageError:
                    continue
                frames = [sending.frame(number) for number in range(1, sending.n + 1)]
                found[f"{spelling.value} {kind.value} {version}"] = "\n".join(frames).encode("latin-1")
    return found


def seeds() -> dict[str, bytes]:
    return {name: data for name, data in _all().items() if len(data) <= MAX_LEN}


def check(data: bytes) -> bool:
    if not ur.check(data):
        return False
    receiver = Receiver()
    received = None
    for line in data.split(b"\n"):
        received = receiver.feed(line).received
    assert received is not None
    for spelling in Spelling:
        _again(received, spelling)
    return True


def _again(received: Received, spelling: Spelling) -> None:
    try:
        sending = send(received.data, received.kind, Way(spelling, label=received.label))
    except (UsageError, ValueError):
        # nothing to send, or nothing that this dialect has a form for
        return
    receiver = Receiver()
    progress = receiver.feed("")
    for frame in islice(sending.frames(), sending.n):
        progress = receiver.feed(frame)
    found = progress.received
    if found is None:
        # a bare text may hold characters that are refused there, or begin as a part of another dialect does
        assert spelling in _TEXTUAL, f"{spelling.value} does not arrive"
    elif spelling in {Spelling.UR1, Spelling.BBQR, Spelling.BASE64}:
        assert found.data == received.data, f"{spelling.value} arrives as something else"
    elif spelling in {Spelling.HEX, Spelling.BASE43}:
        # which of its bytes are told from text by how they begin, as no version of a transaction does that nobody uses
        assert found.data == received.data or found.kind is Kind.TEXT, (
            f"{spelling.value} arrives as something else"
        )


def mutate(data: bytes, choose: random.Random) -> bytes:
    frames = data.split(b"\n")
    at = choose.randrange(len(frames))
    act = choose.randrange(5)
    if act == 0 and frames[at].startswith(b"B$"):
        packer = zlib.compressobj(9, zlib.DEFLATED, choose.choice((-9, -10, -15)))
        packed = (
            packer.compress(choose.choice(list(_PAYLOADS.values())) * choose.choice((1, 2, 40)))
            + packer.flush()
        )
        head = (
            b"B$Z"
            + choose.choice((b"P", b"T", b"J", b"U", b"C", b"B"))
            + choose.choice((b"0100", b"0201", b"ZZ00"))
        )
        frames[at] = head + base64.b32encode(
            changes.raw(packed, choose) if choose.randrange(2) else packed
        ).rstrip(b"=")
    elif act == 1:
        frames.append(choose.choice(choose.choice(list(_all().values())).split(b"\n")))
    else:
        return ur.mutate(data, choose)
    return b"\n".join(frames)
