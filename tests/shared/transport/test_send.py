"""One way to send, whatever the dialect."""

from __future__ import annotations

from itertools import islice

import pytest

from falconer_shared.encoding.capacity import MAX_VERSION, Mode, capacity, version_for
from falconer_shared.errors import UsageError
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.registry.types import TYPES
from falconer_shared.transport.send import Spelling, Way, send
from tests.support.frames import psbt
from tests.support.refusal import outcome, refused

PAYLOAD = psbt(3000)


TRANSACTION = bytes.fromhex(
    "0200000001"
    + "11" * 32
    + "0000000000ffffffff"
    + "01"
    + "e803000000000000"
    + "160014"
    + "22" * 20
    + "00000000"
)
XPUB = "xpub6CnQkivUEH9bSbWVWfDLCtigKKgnSWGaVSRyCbN2QNBJzuvHT1vUQpgSpY1NiVvoeNEuVwk748Cn9G3NtbQB1aGGsEL7aYEnjVWgjj9tefu"
DESCRIPTOR = f"wpkh([37b5eed4/44h/0h/0h]{XPUB}/<0;1>/*)".encode()
PAYLOADS = {
    Kind.PSBT: PAYLOAD,
    Kind.TRANSACTION: TRANSACTION,
    Kind.DESCRIPTOR: DESCRIPTOR,
    Kind.ACCOUNT: f"wpkh([37b5eed4/44h/0h/0h]{XPUB})\n".encode(),
    Kind.KEY: f"[37b5eed4/44h/0h/0h]{XPUB}".encode(),
    Kind.WALLET: b"Name: a\nPolicy: 2 of 3\n",
    Kind.URI: b"bitcoin:bc1q?amount=1",
    Kind.JSON: b'{"label": "a"}',
    Kind.TEXT: b"falconer-policy 1\n",
    Kind.BYTES: b"\x00\xff" * 40,
}


@pytest.mark.parametrize("version", [12, 20, 40])
@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("spelling", Spelling)
def test_there_and_back(spelling: Spelling, kind: Kind, version: int) -> None:
    """Every payload in every dialect: it comes back with its digest, or is refused before anything is shown."""
    payload = PAYLOADS[kind]
    made, rule = outcome(lambda: send(payload, kind, Way(spelling, version)))
    if made is None:
        assert rule in ("send-kind-unsupported", "qr-payload-too-large")
        return
    frames = list(islice(made.frames(), made.n))
    assert max(map(len, frames)) <= capacity(version, made.mode)
    alphanumeric = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    assert (set().union(*frames) <= alphanumeric) == (made.mode is Mode.ALPHANUMERIC)
    receiver = Receiver()
    received = [receiver.feed(frame) for frame in frames][-1].received
    assert received is not None
    assert received.digest == made.digest
    assert received.data.strip() == payload.strip()
    if kind is not Kind.TRANSACTION or spelling not in (Spelling.UR, Spelling.UR1):
        assert received.kind in (kind, Kind.DESCRIPTOR if kind is Kind.ACCOUNT else kind)


@pytest.mark.parametrize("name", TYPES)
def test_no_type_is_said_of_what_it_does_not_carry(name: str) -> None:
    """A PSBT's name over a text, a descriptor's over a URI: whatever is sent is read back, as what its type says."""
    kinds = {}
    for kind, payload in PAYLOADS.items():
        made, rule = outcome(
            lambda kind=kind, payload=payload: send(payload, kind, Way(version=40, type_name=name))
        )
        if made is None:
            assert rule == "send-kind-unsupported"
            continue
        receiver = Receiver()
        received = [receiver.feed(made.frame(number)) for number in range(1, made.n + 1)][-1].received
        assert received is not None
        assert received.digest == made.digest
        kinds[kind] = received.kind
    says = {"psbt": Kind.PSBT, "output": Kind.DESCRIPTOR, "account": Kind.ACCOUNT, "hdkey": Kind.KEY}
    wanted = [kind for word, kind in says.items() if word in name]
    assert (set(kinds.values()) == set(wanted)) if wanted else (set(kinds) == set(Kind))


def test_a_wallet_of_two_lines_is_no_addwallet() -> None:
    assert send(DESCRIPTOR + b"\n", Kind.DESCRIPTOR, Way(Spelling.ADDWALLET, 40)).n == 1
    with refused("send-kind-unsupported", UsageError):
        send(DESCRIPTOR + b"\n" + DESCRIPTOR, Kind.DESCRIPTOR, Way(Spelling.ADDWALLET, 40))


def test_which_kinds_each_dialect_carries() -> None:
    def takes(spelling: Spelling, kind: Kind) -> bool:
        _, rule = outcome(lambda: send(PAYLOADS[kind], kind, Way(spelling, 40)))
        return rule != "send-kind-unsupported"

    carried = {spelling: {kind for kind in Kind if takes(spelling, kind)} for spelling in Spelling}
    texts = set(Kind) - {Kind.PSBT, Kind.TRANSACTION, Kind.BYTES}
    assert carried == {
        Spelling.UR: set(Kind),
        Spelling.UR1: set(Kind),
        Spelling.BBQR: set(Kind),
        Spelling.PMOFN: texts | {Kind.PSBT},
        Spelling.BASE64: {Kind.PSBT},
        Spelling.HEX: {Kind.PSBT, Kind.TRANSACTION},
        Spelling.BASE43: {Kind.PSBT, Kind.TRANSACTION},
        Spelling.TEXT: texts,
        Spelling.ADDWALLET: {Kind.DESCRIPTOR},
    }


def test_names_go_with_wallets() -> None:
    for way in (
        Way(Spelling.ADDWALLET, 40, label="vault"),
        Way(Spelling.UR, 40, "output-descriptor", label="vault"),
    ):
        received = Receiver().feed(send(DESCRIPTOR, Kind.DESCRIPTOR, way).frame(1)).received
        assert received is not None
        assert (received.label, received.data) == ("vault", DESCRIPTOR)


def test_what_a_name_cannot_spell() -> None:
    miniscript = DESCRIPTOR.replace(b"wpkh(", b"wsh(and_v(v:pk(").replace(b"*)", b"*),older(9)))")
    for payload, kind, name in (
        (miniscript, Kind.DESCRIPTOR, "crypto-output"),
        (b"nonsense", Kind.KEY, "hdkey"),
        (DESCRIPTOR, Kind.DESCRIPTOR, "no-such-type"),
    ):
        with refused("send-kind-unsupported", UsageError):
            send(payload, kind, Way(type_name=name))
    assert send(miniscript, Kind.DESCRIPTOR, Way(version=40, type_name="output-descriptor")).n == 1


def test_labels_that_would_say_something_else() -> None:
    """A name with the separator of `addwallet` in it, or a line of its own."""
    for label in ("a&wsh(evil)", "a\nb", "x" * 201, "\u202e"):
        with refused("send-kind-unsupported", UsageError):
            send(DESCRIPTOR, Kind.DESCRIPTOR, Way(Spelling.ADDWALLET, 40, label=label))


def test_too_large() -> None:
    for payload, version in ((bytes(MAX_PAYLOAD + 1), 40), (psbt(100_000), 1), (psbt(1_000_000), 2)):
        with refused("qr-payload-too-large", UsageError):
            send(payload, Kind.PSBT, Way(Spelling.BBQR, version))


def test_what_cannot_fit_into_one_code_is_not_spelled_out() -> None:
    """Base 43 takes quadratic time: half a megabyte would be minutes."""
    with refused("qr-payload-too-large", UsageError):
        send(psbt(2_000_000), Kind.PSBT, Way(Spelling.BASE43, 40))
    assert send(psbt(2_900), Kind.PSBT, Way(Spelling.BASE43, 40)).n == 1


def test_kinds_that_a_dialect_cannot_carry() -> None:
    with refused("send-kind-unsupported", UsageError):
        send(PAYLOAD, Kind.PSBT, Way(Spelling.ADDWALLET))


def test_a_text_of_nothing_but_spaces() -> None:
    for spelling in (Spelling.PMOFN, Spelling.TEXT):
        with refused("qr-payload-too-large", UsageError):
            send(b" \n", Kind.TEXT, Way(spelling))


def test_nothing_to_send() -> None:
    with pytest.raises(ValueError, match="nothing"):
        send(b"", Kind.PSBT, Way())


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
