"""One way to send, whatever the dialect."""

from __future__ import annotations

from itertools import islice

import pytest

from falconer_shared.encoding.capacity import MAX_VERSION, Mode, capacity, version_for
from falconer_shared.errors import UsageError
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Spelling, Way, send
from tests.support.frames import psbt
from tests.support.refusal import refused

PAYLOAD = psbt(3000)


@pytest.mark.parametrize("version", [4, 20, 40])
@pytest.mark.parametrize("spelling", [Spelling.UR, Spelling.BBQR])
def test_there_and_back(spelling: Spelling, version: int) -> None:
    made = send(PAYLOAD, Kind.PSBT, Way(spelling, version))
    frames = list(islice(made.frames(), made.n))
    assert max(map(len, frames)) <= capacity(version, made.mode)
    receiver = Receiver()
    received = [receiver.feed(frame) for frame in frames][-1].received
    assert received is not None
    assert (received.kind, received.data, received.digest) == (Kind.PSBT, PAYLOAD, made.digest)


def test_too_large() -> None:
    for payload, version in ((bytes(MAX_PAYLOAD + 1), 40), (psbt(100_000), 1), (psbt(1_000_000), 2)):
        with refused("qr-payload-too-large", UsageError):
            send(payload, Kind.PSBT, Way(Spelling.BBQR, version))


def test_kinds_that_a_dialect_cannot_carry() -> None:
    with refused("send-kind-unsupported", UsageError):
        send(PAYLOAD, Kind.PSBT, Way(Spelling.ADDWALLET))


def test_versions() -> None:
    for version in (0, 41):
        with pytest.raises(ValueError, match="versions"):
            Way(version=version)


def test_capacity() -> None:
    """Characters and bytes at level L, from the table of ISO 18004 as BBQr and others print it."""
    known = {1: 25, 11: 468, 23: 1588, 25: 1853, 27: 2132, 40: 4296}
    assert {version: capacity(version, Mode.ALPHANUMERIC) for version in known} == known
    assert [capacity(version, Mode.BYTE) for version in (1, 9, 10, 26, 27, 40)] == [
        17,
        230,
        271,
        1367,
        1465,
        2953,
    ]
    assert version_for(25, Mode.ALPHANUMERIC) == 1
    assert version_for(26, Mode.ALPHANUMERIC) == 2
    assert version_for(4296, Mode.ALPHANUMERIC) == MAX_VERSION
    assert version_for(4297, Mode.ALPHANUMERIC) is None
