"""What each signer takes."""

from __future__ import annotations

from itertools import islice

import pytest

from falconer_shared.encoding.capacity import Mode, capacity
from falconer_shared.errors import UsageError
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.profiles import PROFILES, Form, route
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Spelling, send
from tests.support.frames import psbt
from tests.support.refusal import outcome, refused

XPUB = "xpub6CnQkivUEH9bSbWVWfDLCtigKKgnSWGaVSRyCbN2QNBJzuvHT1vUQpgSpY1NiVvoeNEuVwk748Cn9G3NtbQB1aGGsEL7aYEnjVWgjj9tefu"
KEY = f"[37b5eed4/44h/0h/0h]{XPUB}"
PAYLOADS = {
    Kind.PSBT: psbt(1500),
    Kind.DESCRIPTOR: f"wpkh({KEY}/<0;1>/*)".encode(),
    Kind.KEY: KEY.encode(),
}


def test_every_signer_of_the_table() -> None:
    assert set(PROFILES) == {
        *("falconer", "sparrow", "seedsigner", "krux", "coldcard", "jade", "keystone", "passport", "specter"),
        *("nunchuk", "electrum"),
    }


@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("signer", PROFILES)
def test_what_is_shown_to_a_signer_can_be_read(signer: str, kind: Kind) -> None:
    found, rule = outcome(lambda: route(signer, kind))
    if found is None:
        assert rule == "signer-cannot-take"
        assert kind is not Kind.PSBT
        return
    made = send(PAYLOADS[kind], kind, found.way)
    receiver = Receiver()
    frames = list(islice(made.frames(), made.n))
    assert max(map(len, frames)) <= capacity(found.way.version, made.mode)
    received = [receiver.feed(frame) for frame in frames][-1].received
    assert received is not None
    assert (received.kind, received.data, received.digest) == (kind, PAYLOADS[kind], made.digest)
    assert 1 <= found.frames_per_second <= 20


def test_names_that_old_wallets_know() -> None:
    for signer, profile in PROFILES.items():
        for kind in PAYLOADS:
            try:
                way = route(signer, kind).way
            except UsageError:
                continue
            if way.spelling is Spelling.UR:
                assert way.type_name in (None, "bytes") or way.type_name.startswith("crypto-")
                # parts that strand a decoder which peels go to our own alone
                assert (way.schedule is fountain.dense) == (profile.title == "Falconer")


def test_some_routes() -> None:
    assert route("coldcard", Kind.PSBT).way.spelling is Spelling.BBQR
    assert route("coldcard", Kind.DESCRIPTOR).form is Form.JSON_DESC
    assert route("jade", Kind.WALLET).form is Form.MULTISIG_TEXT
    assert route("specter", Kind.DESCRIPTOR).way.spelling is Spelling.ADDWALLET
    assert route("electrum", Kind.TRANSACTION).way.spelling is Spelling.BASE43
    assert route("sparrow", Kind.TRANSACTION).way.spelling is Spelling.BBQR
    assert route("falconer", Kind.TEXT).way.type_name == "bytes"


def test_refusals() -> None:
    with refused("signer-unknown", UsageError):
        route("trezor", Kind.PSBT)
    for signer, kind in (
        ("jade", Kind.KEY),
        ("electrum", Kind.DESCRIPTOR),
        ("krux", Kind.TRANSACTION),
        ("sparrow", Kind.BYTES),
    ):
        with refused("signer-cannot-take", UsageError) as found:
            route(signer, kind)
        assert found.value.remedy


def test_what_does_not_fit_into_one_code() -> None:
    way = route("electrum", Kind.PSBT).way
    send(psbt(1_000), Kind.PSBT, way)
    with refused("qr-payload-too-large", UsageError):
        send(psbt(3_000), Kind.PSBT, way)
    assert capacity(way.version, Mode.ALPHANUMERIC) == 2520
