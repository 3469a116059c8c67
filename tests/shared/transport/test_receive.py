"""The receiver against cameras that misread and senders who mean harm."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import FrozenInstanceError
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.encoding import cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import bytewords, fountain, receive
from falconer_shared.transport.parts import MAX_FRAME, MAX_PARTS, Kind, Received, Whole
from falconer_shared.transport.receive import Progress, Receiver
from falconer_shared.transport.ur import Sender
from tests.support.frames import edited, fields, forged, psbt, rebuilt
from tests.support.work import calls

PAYLOAD = psbt(3000)
SENDER = Sender(PAYLOAD, Kind.PSBT, 300)
FRAMES = list(islice(SENDER.frames(), 6 * SENDER.n))
SMALL = Sender(psbt(100), Kind.PSBT, 1000).frame(1)


def feed(frames: list[str], receiver: Receiver | None = None) -> Progress:
    """Until complete, or to the end."""
    receiver = receiver or Receiver()
    progress = None
    for frame in frames:
        progress = receiver.feed(frame)
        if progress.complete:
            break
    assert progress is not None
    return progress


def rule(progress: Progress) -> str | None:
    return progress.refusal and progress.refusal.rule


def test_parts_in_order() -> None:
    progress = feed(FRAMES)
    assert progress.received == Received(Kind.PSBT, PAYLOAD, "ur", "crypto-psbt")
    assert (progress.have, progress.total, progress.accepted, progress.refused) == (
        SENDER.n,
        SENDER.n,
        SENDER.n,
        0,
    )
    assert progress.remaining == 0


def test_a_single_code() -> None:
    progress = feed([SMALL])
    assert progress.received is not None
    assert progress.received.data == psbt(100)


def test_bytes_are_taken_too() -> None:
    assert Receiver().feed(psbt(100)).received == Received(Kind.PSBT, psbt(100), "plain", "binary")
    assert Receiver().feed(SMALL.encode()).complete


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_any_order_with_repeats_and_losses(seed: int) -> None:
    luck = random.Random(seed)
    frames = luck.choices(FRAMES, k=len(FRAMES))
    progress = feed(frames)
    if progress.complete:
        assert progress.received is not None
        assert progress.received.data == PAYLOAD


def test_one_sighting_counts_once() -> None:
    receiver = Receiver()
    for _ in range(10):
        progress = receiver.feed(FRAMES[0])
    assert (progress.accepted, progress.repeated, progress.have) == (1, 9, 1)


def test_after_the_end_nothing_changes() -> None:
    receiver = Receiver()
    first = feed([SMALL], receiver)
    second = receiver.feed(FRAMES[0])
    assert second == first


def test_progress_tells_what_is_missing() -> None:
    receiver = Receiver()
    assert receiver.missing() == []
    progress = feed([FRAMES[0], FRAMES[2]], receiver)
    assert (progress.dialect, progress.have, progress.total, progress.remaining) == (
        "ur",
        2,
        SENDER.n,
        SENDER.n - 2,
    )
    assert receiver.missing() == [2, *range(4, SENDER.n + 1)]
    assert progress.stuck is None
    with pytest.raises(FrozenInstanceError):
        progress.have = 5  # type: ignore[misc]


def test_progress_tells_how_fast_it_goes() -> None:
    """Five new parts a second, each seen twice by the camera."""
    seconds = iter(n / 5 for n in range(1000))
    receiver = Receiver(clock=lambda: next(seconds))
    steps = [receiver.feed(frame) for frame in FRAMES[:10] for _ in range(2)]
    assert [step.rate for step in steps[:4]] == [0.0] * 4
    assert steps[0].seconds_left is None
    assert steps[-1].rate == pytest.approx(5)
    assert steps[-1].seconds_left == pytest.approx((SENDER.n - 10) / 5)
    still = Receiver(clock=lambda: 7.0)
    assert [still.feed(frame).rate for frame in FRAMES[:5]] == [0.0] * 5


def test_a_sender_that_repeats_itself_is_noticed() -> None:
    receiver = Receiver()
    feed(FRAMES[:3] * (receive.STUCK_FRAMES // 3 + 2), receiver)
    progress = receiver.feed(FRAMES[1])
    assert progress.stuck is not None
    assert f"{SENDER.n - 3} are still wanted" in progress.stuck


# --- bad frames ---------------------------------------------------------------------------------------------------------------

BAD = {
    "ur-path-malformed": "ur:bytes",
    "ur-type-unsupported": "ur:crypto-coin-info/aeadaolazmjendeoti",
    "ur-number-malformed": rebuilt(FRAMES[0], fields(FRAMES[0]), path=f"01-{SENDER.n}"),
    "ur-part-contradicts-path": rebuilt(FRAMES[0], fields(FRAMES[0]), path=f"2-{SENDER.n}"),
    "ur-part-malformed": rebuilt(FRAMES[0], [1, 2]),
    "ur-too-many-parts": edited(FRAMES[0], lambda v: v.__setitem__(slice(1, 5), [2**26, 2**26, 1, b"x"])),
    "ur-message-too-large": edited(FRAMES[0], lambda v: v.__setitem__(2, 10**9)),
    "ur-arithmetic": edited(FRAMES[0], lambda v: v.__setitem__(2, 17)),
    "bytewords-checksum": FRAMES[0][:-2] + ("AE" if FRAMES[0][-2:] != "AE" else "AD"),
    "bytewords-unknown-word": FRAMES[0][:-1],
    "bytewords-too-short": "ur:bytes/aeaeaeae",
    "cbor-not-deterministic": f"ur:bytes/{bytewords.encode(bytes.fromhex('1817'))}",
    "cbor-truncated": f"ur:bytes/{bytewords.encode(bytes.fromhex('44'))}",
    "cbor-trailing-bytes": f"ur:bytes/{bytewords.encode(bytes.fromhex('4100ff'))}",
    "cbor-type-refused": f"ur:bytes/{bytewords.encode(bytes.fromhex('f97e00'))}",
    "cbor-too-deep": f"ur:bytes/{bytewords.encode(bytes.fromhex('81' * 20 + '00'))}",
    "ur-payload-malformed": f"ur:crypto-psbt/{bytewords.encode(cbor.encode(b'nothing'))}",
    "qr-base64-malformed": "cHNidP8=AAA",
    "qr-hex-malformed": "70736274ff0",
    "qr-text-foreign": "\u202e",
    "qr-empty": "",
    "qr-frame-too-long": "A" * (MAX_FRAME + 1),
}


@pytest.mark.parametrize("expected", BAD)
def test_a_bad_frame_costs_itself(expected: str) -> None:
    receiver = Receiver()
    feed(FRAMES[:4], receiver)
    progress = receiver.feed(BAD[expected])
    assert rule(progress) == expected
    assert (progress.refused, progress.have) == (1, 4)
    progress = feed(FRAMES[4:], receiver)
    assert progress.received is not None
    assert progress.received.data == PAYLOAD
    assert progress.accepted == SENDER.n


@pytest.mark.parametrize("expected", BAD)
def test_a_bad_first_frame_costs_itself(expected: str) -> None:
    receiver = Receiver()
    assert rule(receiver.feed(BAD[expected])) == expected
    assert feed(FRAMES, receiver).complete


def test_the_longest_frame_is_read() -> None:
    assert Receiver().feed("A" * MAX_FRAME).received == Received(Kind.TEXT, b"A" * MAX_FRAME, "plain", "text")


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_feeding_never_raises(frame: str | bytes) -> None:
    progress = Receiver().feed(frame)
    assert (progress.refusal is None) or isinstance(progress.refusal, Malformed)


class Deaf:
    name = "deaf"

    def recognises(self, frame: str) -> bool:
        return False

    def read(self, frame: str) -> Whole:
        raise NotImplementedError


def test_what_no_dialect_recognises_is_refused() -> None:
    assert rule(Receiver((Deaf(),)).feed("anything")) == "qr-dialect-unsupported"


# --- those who mean harm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.__setitem__(3, v[3] ^ 1),
        lambda v: v.__setitem__(2, v[2] - 1),
        lambda v: v.__setitem__(slice(1, 3), [v[1] + 1, v[2] + len(v[4])]),
    ],
)
def test_a_forged_first_frame(change) -> None:
    """A097: checksum, length or count of the first frame bind nobody else."""
    receiver = Receiver()
    assert rule(receiver.feed(edited(FRAMES[0], change))) is None
    progress = feed(FRAMES, receiver)
    assert progress.received is not None
    assert progress.received.data == PAYLOAD


def test_a_first_frame_of_another_type() -> None:
    """A097"""
    receiver = Receiver()
    receiver.feed(FRAMES[0].replace("CRYPTO-PSBT", "BYTES"))
    assert feed(FRAMES, receiver).complete


def test_a_stream_of_forged_first_frames_does_not_push_out_a_session_that_grows() -> None:
    """A097: five forged sessions for each honest frame, more than are kept at once."""
    receiver = Receiver()
    counter = iter(range(10**6))
    progress = None
    for frame in FRAMES:
        progress = receiver.feed(frame)
        if progress.complete:
            break
        for _ in range(5):
            checksum = next(counter)
            receiver.feed(edited(frame, lambda v, checksum=checksum: v.__setitem__(3, checksum)))
        assert len(receiver._sessions) <= receive.MAX_SESSIONS
    assert progress is not None
    assert progress.received is not None
    assert progress.received.data == PAYLOAD


@pytest.mark.parametrize("wrong", [1, 3])
@pytest.mark.parametrize("schedule", [fountain.standard, fountain.cyclic, fountain.dense])
def test_forged_parts_under_the_true_header(wrong: int, schedule: fountain.Schedule) -> None:
    """A098"""
    frames = list(islice(Sender(PAYLOAD, Kind.PSBT, 300, schedule=schedule).frames(), 200))
    for place in random.Random(wrong).sample(range(SENDER.n), wrong):
        frames[place] = forged(frames[place])
    receiver = Receiver()
    progress = feed(frames, receiver)
    assert progress.received is not None
    assert progress.received.data == PAYLOAD
    assert progress.accepted < SENDER.n + 40


def test_the_person_hears_of_a_part_that_does_not_fit() -> None:
    """A098"""
    frames = [forged(FRAMES[0]), *FRAMES[1 : SENDER.n]]
    progress = feed(frames)
    assert not progress.complete
    assert progress.have == SENDER.n
    assert progress.stuck is not None
    assert "misread or forged" in progress.stuck


def test_a_forged_part_of_a_sender_that_only_loops() -> None:
    """A098, A101: only the n simple parts come, again and again."""
    loop = FRAMES[: SENDER.n]
    progress = feed([forged(loop[4]), *loop, *loop])
    assert progress.received is not None
    assert progress.received.data == PAYLOAD


def test_a_single_code_does_not_end_a_session() -> None:
    """A099"""
    receiver = Receiver()
    feed(FRAMES[:5], receiver)
    assert rule(receiver.feed(SMALL)) == "qr-single-during-parts"
    progress = feed(FRAMES[5:], receiver)
    assert progress.received is not None
    assert progress.received.data == PAYLOAD


def test_a_single_code_that_is_held_up_is_meant() -> None:
    """A097, the other way round: two forged parts must not keep a single code out for ever."""
    receiver = Receiver()
    feed(FRAMES[:5], receiver)
    seen = [receiver.feed(SMALL) for _ in range(receive.INSISTENCE)]
    assert [rule(progress) for progress in seen] == ["qr-single-during-parts"] * (receive.INSISTENCE - 1) + [
        None
    ]
    assert seen[-1].received is not None
    assert seen[-1].received.data == psbt(100)


def test_a_single_code_between_parts_never_wins() -> None:
    """A099: shown after every honest frame, and never three times in a row."""
    receiver = Receiver()
    for frame in FRAMES:
        if receiver.feed(frame).complete:
            break
        receiver.feed(SMALL)
        receiver.feed(SMALL)
    assert receiver.feed("x").received == Received(Kind.PSBT, PAYLOAD, "ur", "crypto-psbt")


def test_checksums_prove_nothing_and_the_digest_tells() -> None:
    """A100: two messages of one length and one CRC-32; the receiver takes what adds up, and its digest differs."""
    one = bytearray(psbt(400))
    other = bytearray(one)
    # CRC-32 is linear: XOR with a multiple of its polynomial (33 bits) changes nothing
    polynomial = int(f"{0x104C11DB7:033b}"[::-1], 2)
    span = int.from_bytes(other[100:110], "little") ^ polynomial
    other[100:110] = span.to_bytes(10, "little")
    assert one != other
    assert bytewords.checksum(cbor.encode(bytes(one))) == bytewords.checksum(cbor.encode(bytes(other)))
    digests = {feed([Sender(bytes(p), Kind.PSBT, 2000).frame(1)]).received.digest for p in (one, other)}  # type: ignore[union-attr]
    assert len(digests) == 2
    # mixed in one session, they are at best one of the two: never a third message
    first, second = (list(islice(Sender(bytes(p), Kind.PSBT, 200).frames(), 60)) for p in (one, other))
    assert fields(first[0])[:4] == fields(second[0])[:4]
    mixed = [frame for pair in zip(first, second, strict=True) for frame in pair]
    progress = feed(mixed)
    assert progress.received is None or progress.received.data in (bytes(one), bytes(other))


def test_two_senders_in_turn() -> None:
    """A101, A111: frames of two PSBTs alternate; each is its own session, and the first that is whole is named by its digest."""
    other = psbt(3000, seed=7)
    theirs = list(islice(Sender(other, Kind.PSBT, 300).frames(), len(FRAMES)))
    receiver = Receiver()
    receiver.feed(FRAMES[0])
    progress = receiver.feed(theirs[0])
    assert progress.senders == 2
    assert progress.stuck is not None
    assert "2 messages" in progress.stuck
    progress = feed([frame for pair in zip(FRAMES, theirs, strict=True) for frame in pair], receiver)
    assert progress.received is not None
    assert progress.received.data in (PAYLOAD, other)
    assert progress.received.digest in (SENDER.digest, Sender(other, Kind.PSBT, 300).digest)


def resent(message: bytes, announced: int, checksum: int) -> list[str]:
    """Frames of a message under a length and a checksum of the sender's choice."""
    encoder = fountain.Encoder(message, 100, checksum)
    return [
        f"ur:bytes/{i}-{encoder.n}/{bytewords.encode(cbor.encode([i, encoder.n, announced, checksum, encoder.part(i)]))}"
        for i in range(1, encoder.n + 60)
    ]


def test_hidden_bytes_behind_the_message() -> None:
    """A102: the announced length is shorter than the fragments, and what is behind it is not zero."""
    true = cbor.encode(bytes(950))
    message = true + b"hidden".rjust(1000 - len(true), b"\0")
    honest = resent(true.ljust(1000, b"\0"), len(true), bytewords.checksum(true))
    assert feed(honest).complete
    receiver = Receiver()
    rules = [
        rule(receiver.feed(frame)) for frame in resent(message, len(true), bytewords.checksum(true))[:10]
    ]
    assert rules == [None] * 9 + ["ur-padding-not-zero"]
    assert not receiver.feed(honest[3]).complete
    assert feed(honest, receiver).complete


def test_a_message_that_no_checksum_fits() -> None:
    message = cbor.encode(bytes(900))
    receiver = Receiver()
    rules = [rule(receiver.feed(frame)) for frame in resent(message, len(message), 12345)]
    assert "ur-checksum" in rules
    assert set(rules) <= {None, "ur-checksum"}


def test_a_whole_message_that_is_not_what_it_claims_to_be() -> None:
    message = cbor.encode([bytes(900)])
    receiver = Receiver()
    rules = [
        rule(receiver.feed(frame)) for frame in resent(message, len(message), bytewords.checksum(message))
    ]
    assert "ur-payload-malformed" in rules
    assert feed(FRAMES, receiver).complete


def test_idle_sessions_make_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_SESSIONS", 2)
    monkeypatch.setattr(receive, "IDLE_FRAMES", 5)
    receiver = Receiver()
    feed(FRAMES[:9], receiver)
    others = [list(islice(Sender(psbt(2000, seed=s), Kind.PSBT, 300).frames(), 4)) for s in (1, 2)]
    for frame in others[0] * 3:
        receiver.feed(frame)
    receiver.feed(others[1][0])
    assert receiver._current is not None
    assert len(receiver._sessions) == 2
    # the first one came furthest, and slept too long
    assert receiver.feed(FRAMES[9]).have == 1


def test_memory_of_all_sessions_together() -> None:
    """Forged sessions of the largest size, all parts different: the receiver never takes more than 64 MiB."""
    luck = random.Random(1)
    receiver = Receiver()
    tracemalloc.start()
    try:
        for number in range(1, 3001):
            values = [number, MAX_PARTS, MAX_PARTS * 209, number % 12, luck.randbytes(209)]
            body = bytewords.encode(cbor.encode(values))
            receiver.feed(f"ur:bytes/{number}-{MAX_PARTS}/{body}")
        used = sum(session.assembly.footprint for session in receiver._sessions.values())
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
        assert used <= receive.MAX_MEMORY
    finally:
        tracemalloc.stop()


def test_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_MEMORY", 1_000_000)
    receiver = Receiver()
    for number in range(1, 400):
        body = bytewords.encode(
            cbor.encode([number, MAX_PARTS, MAX_PARTS * 209, number % 3, bytes(208) + b"x"])
        )
        receiver.feed(f"ur:bytes/{number}-{MAX_PARTS}/{body}")
        assert (
            len(receiver._sessions) == 1
            or sum(s.assembly.footprint for s in receiver._sessions.values()) <= 1_000_000
        )
    # sessions gave way: fewer parts are held than came
    assert sum(s.assembly.have for s in receiver._sessions.values()) < 390


def test_the_most_expensive_frame_is_cheap() -> None:
    """A096: the largest count, and parts that mix all fragments."""
    receiver = Receiver()
    checksum = 99
    numbers = [
        i
        for i in range(MAX_PARTS + 1, MAX_PARTS + 400)
        if fountain.degree_of(i, MAX_PARTS, checksum) > MAX_PARTS // 2
    ][:10]
    frames = [
        f"ur:bytes/{i}-{MAX_PARTS}/{bytewords.encode(cbor.encode([i, MAX_PARTS, MAX_PARTS * 209, checksum, bytes(209)]))}"
        for i in numbers
    ]
    # the numbers of all fragments are drawn once for a frame, and not again for each fragment (0.1 s at the most)
    assert max(calls(lambda frame=frame: receiver.feed(frame)) for frame in frames) < 40 * MAX_PARTS
