"""Sessions of the receiver: lines are the texts of codes in the order in which a camera saw them."""

from __future__ import annotations

import hashlib
import random
from itertools import islice

from falconer_shared.encoding import cbor
from falconer_shared.errors import FalconerError
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind, Received
from falconer_shared.transport.receive import MAX_MEMORY, MAX_SESSIONS, Receiver
from falconer_shared.transport.ur import Sender
from tests.fuzz import mutate as changes
from tests.fuzz.target import check_refusal
from tests.support.frames import psbt

MAX_LEN = 16_384


def seeds() -> dict[str, bytes]:
    found = {}
    for size, characters in ((40, 400), (300, 200), (900, 160)):
        sender = Sender(psbt(size, 1), Kind.PSBT, characters, schedule=fountain.dense)
        frames = list(islice(sender.frames(), sender.n + 4))
        found[f"{size} in turn"] = "\n".join(frames).encode()
        found[f"{size} backwards"] = "\n".join(reversed(frames)).lower().encode()
    found["two"] = b"\n".join(
        line
        for pair in zip(found["300 in turn"].split(b"\n"), found["900 in turn"].split(b"\n"), strict=False)
        for line in pair
    )
    found["plain"] = b"cHNidP8BAAA=\nB$2P0200AAAA\np1of3 abc\nhello\n70736274ff00"
    return found


def check(data: bytes) -> bool:
    receiver = Receiver()
    received: Received | None = None
    for line in data.split(b"\n"):
        progress = receiver.feed(line)
        assert received is None or progress.received is received
        received = progress.received
        if progress.refusal is not None:
            check_refusal(progress.refusal)
        assert progress.senders <= MAX_SESSIONS
        assert 0 <= progress.have <= progress.total
        assert progress.stuck is None or progress.stuck.isascii()
        assert len(receiver.missing()) <= progress.total
        assert sum(each.assembly.footprint for each in receiver._sessions.values()) <= MAX_MEMORY
    if received is None:
        return False
    assert len(received.data) <= MAX_PAYLOAD
    assert received.digest == hashlib.sha256(received.data).hexdigest()
    return True


def _refit(frame: str, choose: random.Random) -> str:
    """The frame with other content under checksums that fit."""
    head, _, body = frame.lower().rpartition("/")
    try:
        value = cbor.decode(bytewords.decode(body), "frame", max_bytes=20_000)
    except FalconerError:
        return frame
    changed = changes.value(value, choose)
    try:
        path = head.rpartition("/")[0]
        if isinstance(changed, list) and len(changed) > 1 and choose.randrange(4):
            head = f"{path}/{changed[0]}-{changed[1]}"
        return f"{head}/{bytewords.encode(cbor.encode(changed))}"  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return frame


def mutate(data: bytes, choose: random.Random) -> bytes:
    frames = data.split(b"\n")
    for _ in range(choose.choice((1, 2, 4))):
        at = choose.randrange(len(frames))
        act = choose.randrange(6)
        if act == 0 and len(frames) > 1:
            del frames[at]
        elif act == 1:
            frames.insert(at, choose.choice(frames))
        elif act == 2:
            choose.shuffle(frames)
        elif act == 3:
            frames[at] = changes.raw(frames[at], choose).replace(b"\n", b"")
        else:
            frames[at] = _refit(frames[at].decode("latin-1"), choose).encode("latin-1")
    return b"\n".join(frames)
