"""QR codes, UR, BBQr and files: A095 to A116."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from falconer_offline import emit, ingest
from falconer_offline.session import sign_session
from falconer_online import files as online_files
from falconer_shared.encoding import cbor
from falconer_shared.exchange.response import parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.qr.draw import draw
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.bbqr import BbqrDialect, BbqrSender
from falconer_shared.transport.parts import MAX_PARTS, MAX_PAYLOAD, Kind, Received
from falconer_shared.transport.receive import INSISTENCE, MAX_SESSIONS, Progress, Receiver
from falconer_shared.transport.ur import Sender, UrDialect
from tests.attacks.mutations import bare, with_global, with_input, with_output
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial, outcome
from tests.conftest import PROJECT
from tests.offline.office import NOW, Ring, Willing, seed_bytes
from tests.shared.qr.conftest import start
from tests.support.frames import edited, fields, forged, psbt, rebuilt
from tests.support.rawpsbt import edited as edited_psbt
from tests.support.treasury import Payment, stranger_address

attack = Attacks()

PAYLOAD = psbt(3000)
SENDER = Sender(PAYLOAD, Kind.PSBT, 300)
FRAMES = list(islice(SENDER.frames(), 6 * SENDER.n))
FRAME = FRAMES[1]
SMALL = Sender(psbt(100), Kind.PSBT, 1000).frame(1)
BBQR = [BbqrSender(PAYLOAD, Kind.PSBT, 400, encodings="2").frame(number) for number in range(1, 14)]


def test_attack(case, request):
    case.run(request)


def read(frame: str) -> object:
    return UrDialect().read(frame)


def take(receiver: Receiver, frame: str) -> Progress:
    """What the receiver makes of a frame; its refusal is raised."""
    progress = receiver.feed(frame)
    if progress.refusal is not None:
        raise progress.refusal
    return progress


def through(frames: Iterable[str], receiver: Receiver | None = None) -> Received:
    """The payload that these frames give, whatever was fed before."""
    receiver = receiver or Receiver()
    for frame in frames:
        progress = receiver.feed(frame)
        if progress.received is not None:
            return progress.received
    raise AssertionError("the honest frames do not get through")


def honest(receiver: Receiver, frames: Iterable[str] = ()) -> None:
    assert through(frames or FRAMES, receiver).data == PAYLOAD


def sized(n: int, length: int, size: int) -> str:
    def change(values: list) -> None:
        values[1], values[2], values[4] = n, length, bytes(size)

    return edited(FRAME, change)


def allocated(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@attack("A095", "ur-too-many-parts", "ur-message-too-large", "ur-arithmetic")
def parts_by_the_million(trial: Trial) -> None:
    for frame, rule in (
        (sized(2**26, 2**26, 1), "ur-too-many-parts"),
        (sized(2**22, 2**22 * 100, 100), "ur-too-many-parts"),
        (sized(MAX_PARTS + 1, MAX_PARTS + 1, 1), "ur-too-many-parts"),
        (sized(1024, 10**9, 300), "ur-message-too-large"),
        (sized(2**13, 2**32 - 1, 200), "ur-message-too-large"),
        (sized(1_000, 3, 1), "ur-arithmetic"),
    ):
        receiver = Receiver()
        assert allocated(lambda f=frame, r=receiver: r.feed(f)) < 300_000
        trial.refused(rule, lambda frame=frame: take(Receiver(), frame))
        trial.passes(lambda receiver=receiver: honest(receiver))
    largest = sized(MAX_PARTS, MAX_PARTS * 200, 200)
    assert allocated(lambda: Receiver().feed(largest)) < 4_000_000


@attack(
    "A096",
    "ur-too-many-parts",
    prevented="the shuffle takes as many steps as there are parts, counted in calls",
)
def shuffle_without_end(trial: Trial) -> None:
    def mixed(n: int) -> str:
        values = [n + 5, n, n * 100, 7, bytes(100)]
        return f"ur:bytes/{n + 5}-{n}/{bytewords.encode(cbor.encode(values))}"

    for n in (MAX_PARTS + 1, 2**17, 2**22, 2**31):
        trial.refused("ur-too-many-parts", lambda n=n: take(Receiver(), mixed(n)))
    receiver = Receiver()
    trial.passes(lambda: take(receiver, mixed(MAX_PARTS)))
    trial.passes(lambda: honest(receiver))

    def steps(n: int) -> int:
        count = 0

        def tick(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += 1

        number = next(each for each in range(n + 1, n + 10_000) if fountain.degree_of(each, n, 7) > n // 2)
        sys.setprofile(tick)
        try:
            fountain.choose_fragments(number, n, 7)
        finally:
            sys.setprofile(None)
        return count

    assert steps(2_000) < 4.5 * steps(500) + 200


@attack(
    "A097",
    prevented="every announcement begins a session of its own, bounded in number, so that none binds another",
)
def first_frame_of_the_attacker(trial: Trial) -> None:
    lies: list[Callable[[list], object]] = [
        lambda v: v.__setitem__(3, v[3] ^ 1),
        lambda v: v.__setitem__(2, v[2] - 1),
        lambda v: v.__setitem__(slice(1, 3), [v[1] + 1, v[2] + len(v[4])]),
    ]
    for lie in lies:
        receiver = Receiver()
        receiver.feed(edited(FRAMES[0], lie))
        trial.passes(lambda r=receiver: honest(r))
    for frame in (FRAMES[0].replace("CRYPTO-PSBT", "BYTES"), BBQR[0], "p1of3 abc"):
        receiver = Receiver()
        receiver.feed(frame)
        trial.passes(lambda r=receiver: honest(r))
    receiver = Receiver()
    receiver.feed(FRAMES[0])
    trial.passes(lambda: honest(receiver, BBQR))
    # five forged ones for every honest one, all along
    receiver, number = Receiver(), 0
    for frame in FRAMES:
        progress = receiver.feed(frame)
        if progress.received is not None:
            break
        for _ in range(5):
            number += 1
            receiver.feed(edited(frame, lambda v, number=number: v.__setitem__(3, number)))
        assert progress.senders <= MAX_SESSIONS
    assert progress.received is not None
    assert progress.received.data == PAYLOAD


@attack(
    "A098",
    "ur-part-contradicts-path",
    prevented="contents of one part are counted against each other, and the honest one wins by being shown again",
)
def false_fragment_under_the_true_header(trial: Trial) -> None:
    for wrong in (1, 2, 4):
        frames = list(FRAMES)
        for place in random.Random(wrong).sample(range(SENDER.n), wrong):
            frames[place] = forged(frames[place])
        found = trial.passes(lambda frames=frames: through(frames))
        assert found.data == PAYLOAD
    loop = FRAMES[: SENDER.n]
    assert through([forged(loop[4]), *loop, *loop, *loop]).data == PAYLOAD
    receiver = Receiver()
    for frame in [forged(FRAMES[0]), *FRAMES[1 : SENDER.n]]:
        progress = receiver.feed(frame)
    assert progress.stuck is not None
    assert "misread or forged" in progress.stuck
    trial.refused(
        "ur-part-contradicts-path", lambda: read(rebuilt(FRAME, fields(FRAME), path=f"3-{SENDER.n}"))
    )


@attack("A099", "qr-single-during-parts")
def whole_message_in_the_middle(trial: Trial) -> None:
    """Once, twice, after every honest frame; and not for ever where it alone is held up."""
    trial.passes(lambda: through([SMALL]))
    receiver = Receiver()
    for frame in FRAMES[:5]:
        receiver.feed(frame)
    trial.refused("qr-single-during-parts", lambda: take(receiver, SMALL))
    trial.refused("qr-single-during-parts", lambda: take(receiver, "hello"))
    trial.passes(lambda: honest(receiver))
    receiver = Receiver()
    for frame in FRAMES:
        progress = receiver.feed(frame)
        if progress.received is not None:
            break
        for _ in range(INSISTENCE - 1):
            trial.refused("qr-single-during-parts", lambda: take(receiver, SMALL))
    assert progress.received is not None
    assert progress.received.data == PAYLOAD
    receiver = Receiver()
    receiver.feed(FRAMES[0])
    for _ in range(INSISTENCE - 1):
        receiver.feed(SMALL)
    assert through([SMALL], receiver).data == psbt(100)


@attack(
    "A100",
    "request-signature-invalid",
    prevented="a checksum is never taken for more: what arrives is named by its SHA-256, and judged",
)
def collision_of_checksums(trial: Trial) -> None:
    one = psbt(400)
    other = bytearray(one)
    # CRC-32 is linear: an exclusive or with its polynomial changes nothing
    polynomial = int(f"{0x104C11DB7:033b}"[::-1], 2)
    other[100:110] = (int.from_bytes(other[100:110], "little") ^ polynomial).to_bytes(10, "little")
    assert bytewords.checksum(cbor.encode(one)) == bytewords.checksum(cbor.encode(bytes(other)))
    found = [
        trial.passes(lambda data=data: through([Sender(bytes(data), Kind.PSBT, 2000).frame(1)]))
        for data in (one, other)
    ]
    assert found[0].digest != found[1].digest
    mixed = zip(
        *(islice(Sender(bytes(data), Kind.PSBT, 200).frames(), 60) for data in (one, other)), strict=True
    )
    receiver = Receiver()
    for frame in (frame for pair in mixed for frame in pair):
        progress = receiver.feed(frame)
    assert progress.received is None or progress.received.data in {one, bytes(other)}
    # a request that arrived with a good checksum and one bit of its signature changed
    office = trial.office()
    data = office.request()
    trial.passes(lambda: office.judge(through(Sender(data, Kind.PSBT, 1000).frames()).data))
    key = b"\xfc\x08falconer\x03"

    def bend(each) -> None:
        value = each.get(each.maps[0], key)
        each.set(each.maps[0], key, value[:-5] + bytes([value[-5] ^ 1]) + value[-4:])

    bent = edited_psbt(data, bend)
    arrived = through(islice(Sender(bent, Kind.PSBT, 1000).frames(), 200))
    trial.refused("request-signature-invalid", lambda: office.judge(arrived.data))


@attack(
    "A101",
    prevented="what parts have in common tells messages apart, and a second content for a part replaces nothing",
)
def fragments_of_two_messages(trial: Trial) -> None:
    other = psbt(3000, seed=7)
    theirs = list(islice(Sender(other, Kind.PSBT, 300).frames(), len(FRAMES)))
    for mixed in (
        [f for pair in zip(FRAMES, theirs, strict=True) for f in pair],
        theirs[:8] + FRAMES,
        FRAMES[:8] + theirs[3:9] + FRAMES[8:],
    ):
        found = trial.passes(lambda mixed=mixed: through(mixed))
        assert found.data in {PAYLOAD, other}
    # BBQr, whose head tells nothing apart
    twice = [BbqrSender(data, Kind.PSBT, 400, encodings="2") for data in (PAYLOAD, other)]
    loops = [[sender.frame(number) for number in range(1, sender.n + 1)] for sender in twice]
    receiver = Receiver()
    receiver.feed(loops[1][3])
    steps = [receiver.feed(frame) for frame in loops[0]]
    assert steps[-1].received is None
    assert steps[-1].stuck is not None
    assert "part 4 came with different contents" in steps[-1].stuck
    assert trial.passes(lambda: through(loops[0] * 2, receiver)).data == PAYLOAD


@attack("A102", "ur-arithmetic", "ur-message-too-large", "ur-padding-not-zero")
def length_that_lies(trial: Trial) -> None:
    for n, length, size in ((10, 901, 100), (10, 1000, 100), (1, 100, 100)):
        trial.passes(lambda n=n, le=length, s=size: read(sized(n, le, s)))
    for n, length, size in (
        (10, 900, 100),
        (10, 1001, 100),
        (10, 99, 100),
        (1, 101, 100),
        (10, 1, 100),
        (2, 100, 100),
    ):
        trial.refused("ur-arithmetic", lambda n=n, le=length, s=size: read(sized(n, le, s)))
    for length in (10**9, 2**32 - 1, MAX_PAYLOAD + 100):
        trial.refused("ur-message-too-large", lambda le=length: read(sized(10, le, 100)))
    true = cbor.encode(bytes(950))
    hidden = true + b"hidden".rjust(1000 - len(true), b"\0")

    def shown(message: bytes) -> list[str]:
        checksum = bytewords.checksum(true)
        encoder = fountain.Encoder(message, 100, checksum)
        return [
            f"ur:bytes/{i}-{encoder.n}/{bytewords.encode(cbor.encode([i, encoder.n, len(true), checksum, encoder.part(i)]))}"
            for i in range(1, encoder.n + 1)
        ]

    trial.passes(lambda: through(shown(true.ljust(1000, b"\0"))))

    def all_of(frames: list[str]) -> None:
        receiver = Receiver()
        for frame in frames:
            take(receiver, frame)

    trial.refused("ur-padding-not-zero", lambda: all_of(shown(hidden)))


@attack(
    "A103",
    "ur-path-malformed",
    "ur-number-malformed",
    "bbqr-head-malformed",
    "bbqr-number-out-of-range",
    "policy-malformed",
    "policy-rule-mistyped",
)
def lenient_numbers(trial: Trial) -> None:
    """Signs, leading zeros, spaces, underscores, digits of other scripts: in every dialect and text that holds numbers."""
    trial.passes(lambda: read(FRAME))
    n = SENDER.n
    for path in (
        f"+2-{n}",
        f"2-+{n}",
        f"2_0-{n}",
        f" 2-{n}",
        f"2 -{n}",
        f"\u0662-{n}",
        f"\uff12-{n}",
        f"2-{n}-",
        "2",
        "-2-3",
        f"0x2-{n}",
        f"2e0-{n}",
        f"2.0-{n}",
    ):
        trial.refused("ur-path-malformed", lambda path=path: read(rebuilt(FRAME, fields(FRAME), path=path)))
    for path in (f"02-{n}", f"2-0{n}", f"0-{n}", "2-0", "00-00"):
        trial.refused("ur-number-malformed", lambda path=path: read(rebuilt(FRAME, fields(FRAME), path=path)))
    trial.passes(lambda: BbqrDialect().read(BBQR[0]))
    for head in ("+1", "-1", " 1", "1 ", "\u0661\u0661", "\uff11\uff11", "1_", "0x", "1."):
        trial.refused("bbqr-head-malformed", lambda h=head: BbqrDialect().read(f"B$2P{h}00" + BBQR[0][8:]))
        trial.refused("bbqr-head-malformed", lambda h=head: BbqrDialect().read(f"B$2P0D{h}" + BBQR[0][8:]))
    for counts in ("0000", "0D0D", "0DZZ", "0001"):
        trial.refused(
            "bbqr-number-out-of-range", lambda c=counts: BbqrDialect().read(f"B$2P{c}" + BBQR[0][8:])
        )
    from falconer_shared.policy.document import Policy
    from tests.support.policies import PolicyDraft

    text = PolicyDraft().text()
    trial.passes(lambda: Policy.parse(text))
    for number in (
        b"+100000",
        b"0100000",
        b"1_00000",
        b"100000.0",
        b"1e5",
        "\u0661\u0660".encode(),
        b" 100000",
        b"0x186A0",
        b"9" * 30,
        b"-1",
    ):
        bent = text.replace(
            b"human_approval_threshold_sats 100000", b"human_approval_threshold_sats " + number
        )
        assert bent != text
        trial.refused_as({"policy-malformed", "policy-rule-mistyped"}, lambda bent=bent: Policy.parse(bent))


@attack(
    "A104",
    "cbor-not-deterministic",
    "cbor-trailing-bytes",
    "cbor-too-deep",
    "cbor-type-refused",
    "cbor-truncated",
    "cbor-too-many-items",
    "cbor-too-large",
)
def one_value_in_several_ways(trial: Trial) -> None:
    def decode(text: str) -> cbor.Cbor:
        return cbor.decode(bytes.fromhex(text), "it", max_bytes=100_000)

    for text in (
        "00",
        "17",
        "1818",
        "40",
        "60",
        "80",
        "a0",
        "a10001",
        "83010203",
        "f4",
        "f6",
        "20",
        "a2000101 02".replace(" ", ""),
    ):
        trial.passes(lambda text=text: decode(text))
    for rule, texts in {
        "cbor-not-deterministic": ("1800", "1900ff", "1a0000ffff", "1b00000000ffffffff", "5800", "9f01ff", "5f4101ff", "bfff",
                                   "7f6161ff", "a2000100 02".replace(" ", ""), "a201010002", "9800", "b800", "1817"),
        "cbor-trailing-bytes": ("0000", "4000", "a000", "8000", "00" * 50),
        "cbor-too-deep": ("81" * 9 + "00", "a100" * 9 + "00", "81" * 5_000 + "00"),
        "cbor-type-refused": ("f93c00", "fa3f800000", "fb3ff0000000000000", "f97e00", "f7", "c000", "d81c00", "d81d00", "d82360",
                              "c24100", "a1616101", "a1200a", "e0", "f820", "d9d9f700", "a1f400"),
        "cbor-truncated": ("41", "81", "18", "5affffffff", "9affffffff", "bb0000000100000000", "a100", "1b00000000",
                           "5bffffffffffffffff", ""),
    }.items():  # fmt: skip
        for text in texts:
            trial.refused(rule, lambda text=text: decode(text))
    trial.refused(
        "cbor-too-many-items", lambda: cbor.decode(b"\x99\x4e\x20" + bytes(20_000), "it", max_bytes=100_000)
    )
    trial.refused("cbor-too-large", lambda: cbor.decode(b"\x59\x00\x10" + bytes(16), "it", max_bytes=10))


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


def deflated(data: bytes, bits: int = -10) -> bytes:
    stream = zlib.compressobj(9, wbits=bits)
    return stream.compress(data) + stream.flush()


def z(data: bytes, letter: str = "P") -> str:
    return f"B$Z{letter}0100" + base32(data)


@attack("A105", "bbqr-too-large")
def bomb_in_bbqr(trial: Trial) -> None:
    """64 MiB out of some dozen parts, 2 MiB and one byte, and as much announced."""
    trial.passes(lambda: BbqrDialect().read(z(deflated(bytes(MAX_PAYLOAD)), "B")))
    trial.refused("bbqr-too-large", lambda: BbqrDialect().read(z(deflated(bytes(MAX_PAYLOAD + 1)), "B")))
    bomb = zlib.compressobj(9, wbits=-10)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    sender = BbqrSender(packed, Kind.BYTES, 4296, encodings="2")
    frames = [sender.frame(number).replace("B$2B", "B$ZB") for number in range(1, sender.n + 1)]
    receiver = Receiver()
    for frame in frames[:-1]:
        receiver.feed(frame)
    assert allocated(lambda: trial.refused("bbqr-too-large", lambda: take(receiver, frames[-1]))) < 8 << 20
    trial.refused("bbqr-too-large", lambda: BbqrDialect().read("B$HBZZ00" + "00" * 2000))
    trial.passes(lambda: honest(Receiver(), BBQR))


@attack("A106", "bbqr-deflate")
def stream_cut_off_or_continued(trial: Trial) -> None:
    good = deflated(PAYLOAD)
    trial.passes(lambda: BbqrDialect().read(z(good)))
    for bent in (
        good[:-1], good[: len(good) // 2], good[:1], good + b"\x00", good + good, good + b"psbt", good + deflated(psbt(30)),
        deflated(PAYLOAD, 15), zlib.compress(PAYLOAD), b"\xff" * 20, b"\x03\x00\x00",
    ):  # fmt: skip
        trial.refused("bbqr-deflate", lambda bent=bent: BbqrDialect().read(z(bent)))


@attack(
    "A107",
    "bbqr-head-malformed",
    prevented="no check is an assert, and the refusals are the same under python -O",
)
def checks_under_optimisation(trial: Trial) -> None:
    trial.fires(lambda: _no_asserts({"planted.py": ast.parse("assert size < 10")}))
    _no_asserts(shipped())
    script = (
        "import sys, json\n"
        "from falconer_shared.errors import FalconerError\n"
        "from falconer_shared.transport.bbqr import BbqrDialect\n"
        "from falconer_shared.psbt.parse import UntrustedPsbt\n"
        "from falconer_shared.encoding import cbor\n"
        "def rule(act):\n"
        "    try:\n"
        "        act()\n"
        "    except FalconerError as refused:\n"
        "        return refused.rule\n"
        "frames, files, values = json.load(sys.stdin)\n"
        "found = [rule(lambda f=f: BbqrDialect().read(f)) for f in frames]\n"
        "found += [rule(lambda f=f: UntrustedPsbt.parse(bytes.fromhex(f))) for f in files]\n"
        "found += [rule(lambda f=f: cbor.decode(bytes.fromhex(f), 'it', max_bytes=100)) for f in values]\n"
        "print(json.dumps([found, __debug__]))\n"
    )
    data = Payment(_wallet()).psbt().raw
    frames = [
        BBQR[0],
        "B$2P01",
        "B$2P0000" + BBQR[0][8:],
        "B$2Q0100AAAA",
        z(deflated(PAYLOAD)[:-3]),
        "B$HP0100707",
    ]
    files = [
        each.hex()
        for each in (
            data,
            data[:-1],
            data + b"\0",
            data.replace(b"psbt", b"pspt"),
            with_input(data, 0, b"\x03", b"\1"),
        )
    ]
    values = ["00", "1800", "9f01ff", "0000"]
    done = subprocess.run(
        [sys.executable, "-O", "-c", script],
        input=json.dumps([frames, files, values]),
        capture_output=True,
        text=True,
        check=True,
    )
    found, debug = json.loads(done.stdout)
    assert not debug
    with_asserts = [_rule(lambda f=f: BbqrDialect().read(f)) for f in frames]
    with_asserts += [_rule(lambda f=f: UntrustedPsbt.parse(bytes.fromhex(f))) for f in files]
    with_asserts += [_rule(lambda f=f: cbor.decode(bytes.fromhex(f), "it", max_bytes=100)) for f in values]
    assert found == with_asserts
    assert found.count(None) == 3
    trial.passes(lambda: BbqrDialect().read(frames[0]))
    trial.refused("bbqr-head-malformed", lambda: BbqrDialect().read(frames[1]))


def _rule(act: Callable[[], object]) -> str | None:
    refusal = outcome(act).refusal
    return None if refusal is None else refusal.rule


def _wallet():
    from tests.support.treasury import wpkh_wallet

    return wpkh_wallet()


def _no_asserts(sources: dict[str, ast.Module]) -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not found, found


@attack(
    "A108",
    "bbqr-padding",
    prevented="a part of another length than the others takes no part, and the person is told",
)
def parts_of_uneven_size(trial: Trial) -> None:
    trial.passes(lambda: honest(Receiver(), BBQR))
    for frame in (
        "B$2P0200" + base32(psbt(11)),
        "B$2P0100" + base32(psbt(10)) + "A",
        "B$2P0100" + base32(psbt(10)) + "AAA",
        "B$2P0100AAAAAAA1",
        "B$HP01007",
        "B$HP0100707g".upper(),
        "B$2B0100" + base32(b"\x00")[:-1] + "B",
    ):
        trial.refused("bbqr-padding", lambda frame=frame: BbqrDialect().read(frame))
    for size in (8, 80, 160, 800):
        receiver = Receiver()
        receiver.feed(BBQR[2][:8] + "A" * size)
        trial.passes(lambda r=receiver: honest(r, BBQR))
    receiver = Receiver()
    steps = [receiver.feed(frame) for frame in [*BBQR[:-1], BBQR[-1][:8] + "A" * 800]]
    assert steps[-1].received is None
    assert steps[-1].stuck is not None
    assert "another length" in steps[-1].stuck
    assert through([BBQR[-1]], receiver).data == PAYLOAD


@attack(
    "A109",
    "bbqr-payload-malformed",
    "bbqr-type-unknown",
    "transport-not-transaction",
    "secret-in-code",
    "ur-payload-malformed",
    "ur-type-unsupported",
    "qr-text-foreign",
)
def payload_of_another_type(trial: Trial) -> None:
    trial.passes(lambda: BbqrDialect().read("B$2P0100" + base32(psbt(20))))
    seed = b"abandon " * 11 + b"about"
    for letter, content, rule in (
        ("P", b'{"a":1}', "bbqr-payload-malformed"),
        ("P", b"hello", "bbqr-payload-malformed"),
        ("P", seed, "bbqr-payload-malformed"),
        ("J", psbt(20), "bbqr-payload-malformed"),
        ("J", b"hello", "bbqr-payload-malformed"),
        ("U", psbt(20), "bbqr-payload-malformed"),
        ("U", b"\xc3\x28", "bbqr-payload-malformed"),
        ("T", bytes(80), "transport-not-transaction"),
        ("T", psbt(80), "bbqr-payload-malformed"),
        ("U", seed, "secret-in-code"),
        ("S", psbt(20), "secret-in-code"),
        ("R", psbt(20), "secret-in-code"),
        ("Q", psbt(20), "bbqr-type-unknown"),
        ("0", psbt(20), "bbqr-type-unknown"),
    ):
        frame = f"B$2{letter}0100" + base32(content)
        trial.refused(rule, lambda frame=frame: BbqrDialect().read(frame))
    trial.passes(lambda: read(Sender(psbt(20), Kind.PSBT, 500).frame(1)))
    for value in (b"psb", b"PSBT\xff", "text", 5, [psbt(20)], {1: psbt(20)}):
        frame = f"ur:crypto-psbt/{bytewords.encode(cbor.encode(value))}"
        trial.refused("ur-payload-malformed", lambda frame=frame: read(frame))
    for name in ("x", "crypto-address", "envelope", "crypto-coin-info"):
        frame = f"ur:{name}/{bytewords.encode(cbor.encode(b'x'))}"
        trial.refused("ur-type-unsupported", lambda frame=frame: read(frame))
    trial.refused("qr-text-foreign", lambda: take(Receiver(), "B\u200b$2P0100"))


@attack(
    "A110",
    prevented="the codecs are our own; no lock, no module and no import has the names of those packages",
)
def package_of_that_name(trial: Trial) -> None:
    for name in ("ur", "bbqr", "ur2", "urtypes"):
        trial.passes(lambda name=name: _not_installed(name))
    trial.fires(lambda: _not_installed("json"))
    for lock in sorted((PROJECT / "requirements").glob("*.txt")):
        names = set(re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE))
        assert not names & {"ur", "bbqr", "ur2", "urtypes", "foundation-ur-py"}
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else each.name
        for tree in shipped().values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for each in node.names
    }
    assert not {name.split(".")[0] for name in imported} & {"ur", "bbqr"}


def _not_installed(name: str) -> None:
    assert importlib.util.find_spec(name) is None


@attack(
    "A111",
    prevented="sessions are told apart, the person is told of two senders, and the digest names what was taken",
)
def two_proposals_in_turn(trial: Trial) -> None:
    other = psbt(3000, seed=9)
    theirs = list(islice(Sender(other, Kind.PSBT, 300).frames(), len(FRAMES)))
    receiver = Receiver()
    receiver.feed(FRAMES[0])
    progress = receiver.feed(theirs[0])
    assert progress.senders == 2
    assert progress.stuck is not None
    assert "2 messages" in progress.stuck
    mixed = [frame for pair in zip(FRAMES, theirs, strict=True) for frame in pair]
    found = trial.passes(lambda: through(mixed, receiver))
    assert (found.data, found.digest) in {
        (PAYLOAD, SENDER.digest),
        (other, Sender(other, Kind.PSBT, 300).digest),
    }
    # BBQr cannot tell them apart: neither wins while both are shown
    loops = [
        [BbqrSender(data, Kind.PSBT, 400, encodings="2").frame(number) for number in range(1, 14)]
        for data in (PAYLOAD, other)
    ]
    receiver = Receiver()
    for one, two in [*zip(*loops, strict=True)] * 4:
        receiver.feed(one)
        progress = receiver.feed(two)
    assert progress.received is None
    assert trial.passes(lambda: through(loops[0] * 3, receiver)).data == PAYLOAD


NAMES = (
    "../../etc/passwd",
    "a\x00b",
    "\u202egnp.tbsp",
    "\x1b[2J.psbt",
    "x" * 300,
    "con",
    "-rf",
    " ",
    "\u212a",
    "a\nb",
    "..",
)


@attack("A112", "file-not-regular", "file-unreadable", "file-exists", "file-not-writable")
def names_that_lead_elsewhere(trial: Trial) -> None:
    """A name is only ever what the person typed; a link at its end is not followed in either program, nothing replaced."""
    secret = trial.folder / "secret"
    secret.write_bytes(b"secret")
    link, folder = trial.folder / "link", trial.folder / "folder"
    link.symlink_to(secret)
    folder.mkdir()
    loop = trial.folder / "loop"
    loop.symlink_to(loop)
    trial.passes(lambda: ingest.read_file(str(secret), 100, "PSBT"))
    trial.passes(lambda: online_files.read_file(secret, 100, "the PSBT"))
    for bad in (link, loop, folder, Path("/dev/zero"), Path("/dev/stdin")):
        if bad.exists() or bad.is_symlink():
            trial.refused("file-not-regular", lambda bad=bad: ingest.read_file(str(bad), 100, "PSBT"))
            trial.refused("file-not-regular", lambda bad=bad: online_files.read_file(bad, 100, "the PSBT"))
    for name in NAMES:
        path = os.path.join(trial.folder, "none", name)  # noqa: PTH118 - names that Path would tidy
        said = trial.refused("file-unreadable", lambda path=path: ingest.read_file(path, 100, "PSBT"))
        assert said.message.isprintable()
    for target in (link, secret, folder):
        trial.refused("file-exists", lambda target=target: emit.write_file(str(target), b"x"))
        trial.refused(
            "file-exists", lambda target=target: online_files.write_file(target, b"x", replace=False)
        )
    for name in ("a\x00b", "x" * 300, "none/x"):
        path = f"{trial.folder}/{name}"
        trial.refused("file-not-writable", lambda path=path: emit.write_file(path, b"x"))
    trial.passes(lambda: emit.write_file(str(trial.folder / "out"), b"x"))
    assert secret.read_bytes() == b"secret"


def png_header(width: int, height: int) -> bytes:
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + b"\1\0\0\0\0"


@attack("A113", "file-not-regular", "file-too-large", "file-empty", "image-too-large", "image-malformed")
def files_that_are_none(trial: Trial) -> None:
    good = trial.folder / "good"
    good.write_bytes(b"psbt\xff")
    readers: tuple[Callable[[Path], bytes], ...] = (
        lambda path: ingest.read_file(str(path), 100, "PSBT"),
        lambda path: online_files.read_file(path, 100, "the PSBT"),
    )
    pipe, hole, large, empty = (trial.folder / name for name in ("pipe", "hole", "large", "empty"))
    os.mkfifo(pipe)
    with hole.open("wb") as file:
        file.truncate(1 << 40)
    large.write_bytes(bytes(101))
    empty.touch()
    for reader in readers:
        trial.passes(lambda reader=reader: reader(good))
        trial.refused("file-not-regular", lambda reader=reader: reader(pipe))
        trial.refused("file-not-regular", lambda reader=reader: reader(Path("/dev/zero")))
        trial.refused("file-too-large", lambda reader=reader: reader(hole))
        trial.refused("file-too-large", lambda reader=reader: reader(large))
    trial.refused("file-empty", lambda: readers[0](empty))
    # a file that grows after its size was looked at
    honest_stat = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        found = honest_stat(descriptor)
        large.write_bytes(bytes(10_000))
        return found

    large.write_bytes(bytes(50))
    trial.monkeypatch.setattr(os, "fstat", grown)
    trial.refused("file-too-large", lambda: readers[0](large))
    trial.monkeypatch.setattr(os, "fstat", honest_stat)
    with start() as scanner:
        trial.passes(lambda: scanner.read(draw("A").png(4)))
        for data, rule in (
            (png_header(100_000, 100_000), "image-too-large"),
            (png_header(2**31 - 1, 1), "image-too-large"),
            (b"PK\x03\x04" + bytes(100), "image-malformed"),
            (b"GIF89a" + bytes(100), "image-malformed"),
            (b"\x89PNG\r\n\x1a\n" + bytes(50), "image-malformed"),
        ):
            trial.refused(rule, lambda data=data: scanner.read(data))


@attack(
    "A115", "response-not-minimal", "response-receipt-missing", "response-contradicts-receipt", "file-exists"
)
def secrets_that_leave_with_an_answer(trial: Trial) -> None:
    """The answer is rebuilt from what it says and compared, by the signer's own code and again by the coordinator."""
    office = trial.office()
    judged = office.judge(office.request())
    answer = sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    data = answer.psbt.raw
    trial.passes(lambda: parse_response(UntrustedPsbt.parse(data)))
    assert len(data) < 4_000
    seed = seed_bytes(1)
    assert not any(seed[at : at + 8] in data for at in range(len(seed) - 8))
    for put in (
        lambda key: with_global(data, key, b"leak"),
        lambda key: with_input(data, 0, key, b"leak"),
        lambda key: with_output(data, 0, key, b"leak"),
    ):
        for key in (b"\xc8", b"\xc8" + bytes(20), b"\xfc\x05other\x00", b"\xfc\x08falconer\x7f"):
            trial.refused(
                "response-not-minimal", lambda put=put, key=key: parse_response(UntrustedPsbt.parse(put(key)))
            )
    for key, value in ((b"\x01", None), (b"\x06", None), (b"\x00", None)):
        request = bare(office.request())
        kept = next((v for k, v in _input(request) if k[:1] == key), None)
        if kept is not None and value is None:
            name = next(k for k, _ in _input(request) if k[:1] == key)
            more = with_input(data, 0, name, kept)
            trial.refused("response-not-minimal", lambda more=more: parse_response(UntrustedPsbt.parse(more)))
    shuffled = edited_psbt(data, lambda each: each.maps[0].reverse())
    trial.refused("response-not-minimal", lambda: parse_response(UntrustedPsbt.parse(shuffled)))
    without = edited_psbt(data, lambda each: each.maps[0].pop())
    trial.refused("response-receipt-missing", lambda: parse_response(UntrustedPsbt.parse(without)))
    unsigned = edited_psbt(data, lambda each: (each.input(0).clear(), each.input(1).clear()))
    trial.refused("response-contradicts-receipt", lambda: parse_response(UntrustedPsbt.parse(unsigned)))
    out = trial.folder / "answer"
    trial.passes(lambda: emit.write_file(str(out), data))
    trial.refused("file-exists", lambda: emit.write_file(str(out), data))
    assert out.stat().st_mode & 0o077 == 0


def _input(data: bytes) -> list[tuple[bytes, bytes]]:
    from tests.support.rawpsbt import RawPsbt

    return RawPsbt(data).input(0)


@attack("A116", prevented="a file is opened once; the bytes that were judged are the bytes that are signed")
def medium_that_changes_its_mind(trial: Trial) -> None:
    """Whatever the second reading would give: there is none."""
    office = trial.office()
    good = office.request()
    evil = office.request(Payment(office.wallet, pay=[(stranger_address(66), 70_000)]))
    path = trial.folder / "request.psbt"
    path.write_bytes(good)
    opened = 0
    honest_open = os.open

    def switching(name, flags, *rest, **options):
        nonlocal opened
        found = honest_open(name, flags, *rest, **options)
        if str(name) == str(path):
            opened += 1
            # the next one to open it gets the other file
            fresh = path.with_suffix(".new")
            fresh.write_bytes(evil)
            fresh.replace(path)
        return found

    trial.monkeypatch.setattr(os, "open", switching)
    data = ingest.read_file(str(path), ingest.MAX_PSBT_FILE, "PSBT")
    judged = trial.passes(lambda: office.judge(data))
    answer = sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    assert opened == 1
    assert path.read_bytes() == evil
    assert answer.psbt.tx == UntrustedPsbt.parse(good).tx
    # a second reading would have been noticed by this test
    trial.fires(lambda: _same(ingest.read_file(str(path), ingest.MAX_PSBT_FILE, "PSBT"), data))


def _same(one: bytes, other: bytes) -> None:
    assert one == other
