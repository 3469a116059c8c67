"""Numbered dialects beside BBQr: UR 1 in BC32, and Specter's pMofN."""

from __future__ import annotations

import hashlib
import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding import cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import bc32
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind, Received, Whole
from falconer_shared.transport.pmofn import PmofnDialect, PmofnSender
from falconer_shared.transport.receive import DIALECTS, Progress, Receiver
from falconer_shared.transport.ur1 import Ur1Dialect, Ur1Sender
from tests.support.frames import psbt
from tests.support.refusal import refused

PAYLOAD = psbt(3000)
Sender = Ur1Sender | PmofnSender


def loop(sender: Sender) -> list[str]:
    return [sender.frame(number) for number in range(1, sender.n + 1)]


def feed(frames: list[str]) -> Progress:
    receiver = Receiver()
    return [receiver.feed(frame) for frame in frames][-1]


# --- BC32 --------------------------------------------------------------------------------------------------------------------


def test_the_standards_own_vector() -> None:
    """BCR-2020-004"""
    assert bc32.encode(b"Hello world") == "fpjkcmr0ypmk7unvvsh4ra4j"
    assert bc32.decode("fpjkcmr0ypmk7unvvsh4ra4j") == b"Hello world"


@given(st.binary(max_size=100))
def test_bc32_there_and_back(data: bytes) -> None:
    assert bc32.decode(bc32.encode(data)) == data


@given(st.binary(min_size=1, max_size=40), st.data())
def test_one_wrong_letter_is_found(data: bytes, draw: st.DataObject) -> None:
    text = bc32.encode(data)
    place = draw.draw(st.integers(0, len(text) - 1))
    other = draw.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l").filter(lambda c: c != text[place]))
    with refused("bc32-checksum", Malformed):
        bc32.decode(text[:place] + other + text[place + 1 :])


def spelled(body: str) -> str:
    """Letters under a checksum that fits, whether they spell bytes or not."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    residue = bc32._residue(bytes(alphabet.index(c) for c in body) + bytes(6)) ^ 0x3FFFFFFF
    return body + "".join(alphabet[residue >> 5 * (5 - i) & 31] for i in range(6))


@pytest.mark.parametrize(
    "text", ["", "qqqqq", "b" * 20, "Q" * 20, "\u0661" * 20, spelled("q"), spelled("qqq"), spelled("qp")]
)
def test_malformed_bc32(text: str) -> None:
    with refused("bc32-malformed", Malformed):
        bc32.decode(text)


def test_the_empty_text() -> None:
    assert bc32.decode(spelled("")) == b""
    assert bc32.decode(spelled("qq")) == b"\0"


# --- there and back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("characters", [200, 500, 4296])
@pytest.mark.parametrize("make", [Ur1Sender, PmofnSender])
def test_there_and_back(make: type[Sender], characters: int) -> None:
    sender = make(PAYLOAD, Kind.PSBT, characters)
    frames = loop(sender)
    assert max(map(len, frames)) <= characters
    random.Random(1).shuffle(frames)
    received = feed(frames).received
    assert received is not None
    # one part of pMofN has no number, and is plain
    dialect = "plain" if isinstance(sender, PmofnSender) and sender.n == 1 else sender.dialect
    assert received == Received(Kind.PSBT, PAYLOAD, dialect, sender.type)
    assert received.digest == sender.digest
    if sender.n > 1:
        shown = list(islice(sender.frames(), 2 * sender.n))
        assert shown[: sender.n] == shown[sender.n :]
    else:
        assert list(sender.frames()) == frames


@given(st.binary(min_size=1, max_size=500), st.integers(100, 900))
def test_whatever_is_sent_as_ur_1_arrives(data: bytes, characters: int) -> None:
    payload = b"psbt\xff" + data
    received = feed(loop(Ur1Sender(payload, Kind.PSBT, characters))).received
    assert received == Received(Kind.PSBT, payload, "ur1", "bytes")


def test_texts_in_pieces() -> None:
    text = "wsh(sortedmulti(2," + "x" * 900 + "))"
    sender = PmofnSender(text.encode() + b"\n", Kind.DESCRIPTOR, 200)
    received = feed(loop(sender)).received
    assert received == Received(Kind.DESCRIPTOR, text.encode(), "pmofn", "text")
    assert received.digest == sender.digest


def test_single_codes_of_both_versions_are_told_apart() -> None:
    """Words of UR 2 have no digits; BC32 has one in every fourth letter."""
    single = Ur1Sender(psbt(100), Kind.PSBT, 4296).frame(1)
    assert any(letter.isdigit() for letter in single.split("/")[1])
    assert feed([single]).received == Received(Kind.PSBT, psbt(100), "ur1", "bytes")
    assert next(dialect.name for dialect in DIALECTS if dialect.recognises(single)) == "ur1"
    for frame in ("ur:bytes/aeadaolazmjendeoti", "ur:bytes/1-9/lpadascfadax", "ur:crypto-psbt/1of2/a/b"):
        assert not Ur1Dialect().recognises(frame)


def test_the_hash_may_stand_without_numbers() -> None:
    message = cbor.encode(psbt(60))
    digest = bc32.encode(hashlib.sha256(message).digest())
    text = f"ur:bytes/{digest}/{bc32.encode(message)}"
    assert feed([text]).received == Received(Kind.PSBT, psbt(60), "ur1", "bytes")
    assert feed([text.upper()]).received == Received(Kind.PSBT, psbt(60), "ur1", "bytes")
    other = bc32.encode(hashlib.sha256(b"").digest())
    assert rule(feed([f"ur:bytes/{other}/{bc32.encode(message)}"])) == "ur1-hash"


def test_what_cannot_be_sent() -> None:
    for make, payload, room in (
        (Ur1Sender, b"", 500),
        (Ur1Sender, PAYLOAD, 60),
        (Ur1Sender, bytes(20_000), 84),
        (PmofnSender, b"", 500),
        (PmofnSender, PAYLOAD, 5),
        (PmofnSender, bytes(1_000_000), 50),
        (PmofnSender, bytes(MAX_PAYLOAD + 1), 2953),
    ):
        with pytest.raises(ValueError, match=r"payload|room|parts"):
            make(payload, Kind.PSBT, room)


# --- malformed ---------------------------------------------------------------------------------------------------------------


def rule(progress: Progress) -> str | None:
    return progress.refusal and progress.refusal.rule


FRAMES = loop(Ur1Sender(PAYLOAD, Kind.PSBT, 500))
HASH = FRAMES[0].split("/")[2]

MALFORMED = {
    "no data": ("ur1-malformed", f"UR:BYTES/1OF12/{HASH}/"),
    "short hash": ("ur1-malformed", f"UR:BYTES/1OF12/{HASH[:-1]}/QQQQ"),
    "mixed case": ("ur1-malformed", f"UR:BYTES/1OF12/{HASH.lower()}/QQQQ"),
    "letters of bytewords": ("ur1-malformed", f"UR:BYTES/1OF12/{HASH}/BIO1"),
    "nothing behind the hash": ("ur1-malformed", f"ur:bytes/1of2/{'q' * 40}/qqqq"),
    "Arabic digits": ("ur-path-malformed", f"UR:BYTES/\u0661OF12/{HASH}/QQQQ"),
    "a sign": ("ur-path-malformed", f"UR:BYTES/+1OF12/{HASH}/QQQQ"),
    "part zero": ("transport-number-malformed", f"UR:BYTES/0OF12/{HASH}/QQQQ"),
    "part beyond the last": ("transport-number-malformed", f"UR:BYTES/13OF12/{HASH}/QQQQ"),
    "leading zero": ("transport-number-malformed", f"UR:BYTES/01OF12/{HASH}/QQQQ"),
    "too many": ("transport-number-malformed", f"UR:BYTES/1OF10001/{HASH}/QQQQ"),
    "too large": ("transport-too-large", f"UR:BYTES/1OF9999/{HASH}/{'Q' * 4000}"),
    "checksum": ("bc32-checksum", "ur:bytes/" + bc32.encode(cbor.encode(psbt(60)))[:-1] + "q"),
    "no CBOR bytes": ("ur-payload-malformed", "ur:bytes/" + bc32.encode(cbor.encode(["x" * 40]))),
    "trailing CBOR": ("cbor-trailing-bytes", "ur:bytes/" + bc32.encode(cbor.encode(psbt(60)) + b"\0")),
    "pMofN without data": ("pmofn-malformed", "p1of2 "),
    "pMofN with other letters": ("pmofn-malformed", "p1of2 \u202eabc"),
    "pMofN part zero": ("transport-number-malformed", "p0of2 abc"),
    "pMofN leading zero": ("transport-number-malformed", "p1of02 abc"),
    "pMofN beyond the last": ("transport-number-malformed", "p3of2 abc"),
    "pMofN too many": ("transport-number-malformed", "p1of1000 abc"),
    "pMofN too large": ("transport-too-large", "p1of999 " + "a" * 3000),
    "pMofN of a seed": ("secret-in-code", "p1of1 " + "abandon " * 11 + "about"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str) -> None:
    expected, frame = MALFORMED[case]
    assert rule(feed([frame])) == expected
    receiver = Receiver()
    receiver.feed(FRAMES[0])
    assert rule(receiver.feed(frame)) == expected
    assert [receiver.feed(part) for part in FRAMES][-1].received is not None


@pytest.mark.parametrize("frame", ["p\u0661of2 abc", "P1OF2 ABC", "p-1of2 abc", "p1 of2 abc", "pof2 abc"])
def test_what_is_not_pmofn_is_text_or_refused(frame: str) -> None:
    assert not PmofnDialect().recognises(frame)


# --- those who mean harm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Ur1Sender, PmofnSender])
def test_a_second_content_for_one_part(make: type[Sender]) -> None:
    """A101: kept beside the first, until one is clearly ahead."""
    honest = loop(make(PAYLOAD, Kind.PSBT, 500))
    wrong = honest[2][:-5] + ("QQQQQ" if make is Ur1Sender else "AAAAA")
    receiver = Receiver()
    receiver.feed(wrong)
    first = [receiver.feed(frame) for frame in honest][-1]
    assert first.received is None
    assert first.stuck is not None
    assert "part 3 came with different contents" in first.stuck
    last = [receiver.feed(frame) for frame in honest * 2][-1]
    assert last.received is not None
    assert last.received.data == PAYLOAD


def test_a_wrong_part_of_ur_1_is_noticed_by_the_checksum() -> None:
    receiver = Receiver()
    wrong = [*FRAMES[:-1], FRAMES[-1][:-7] + "QQQQQQQ"]
    steps = [receiver.feed(frame) for frame in wrong]
    assert rule(steps[-1]) == "bc32-checksum"
    assert steps[-1].stuck is not None
    assert "make no message" in steps[-1].stuck
    assert [receiver.feed(frame) for frame in FRAMES * 3][-1].received is not None


def test_two_senders_of_ur_1_in_turn() -> None:
    """A111: the hash tells them apart."""
    theirs = loop(Ur1Sender(psbt(3000, seed=5), Kind.PSBT, 500))
    progress = feed([frame for pair in zip(FRAMES, theirs, strict=True) for frame in pair][:-1])
    assert progress.received == Received(Kind.PSBT, PAYLOAD, "ur1", "bytes")


def test_all_dialects_in_turn() -> None:
    """Five senders, one camera: none disturbs another, and the first that is whole wins."""
    from falconer_shared.transport.bbqr import BbqrSender
    from falconer_shared.transport.ur import Sender as UrSender

    senders = [
        UrSender(psbt(3000, 1), Kind.PSBT, 500),
        BbqrSender(psbt(3000, 2), Kind.PSBT, 500),
        Ur1Sender(psbt(3000, 3), Kind.PSBT, 500),
        PmofnSender(psbt(3000, 4), Kind.PSBT, 500),
    ]
    receiver = Receiver()
    progress = None
    for number in range(1, 30):
        for sender in senders:
            progress = receiver.feed(sender.frame(number))
            assert progress.refusal is None
        if progress and progress.complete:
            break
        assert progress is not None
        assert progress.senders == 4
    assert progress is not None
    assert progress.received is not None
    fewest = min(senders, key=lambda sender: sender.n)
    assert progress.received.digest == fewest.digest


def test_a_part_of_another_dialect_is_a_mistake_of_the_programmer() -> None:
    part = PmofnDialect().read("p1of2 abc")
    assert not isinstance(part, Whole)
    with pytest.raises(TypeError):
        part.begin().add(Ur1Dialect().read(FRAMES[0]).begin())  # type: ignore[arg-type,union-attr]
