"""One frame of UR at a time: what is read, and what is refused with which id."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.encoding import cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import bytewords
from falconer_shared.transport.parts import MAX_PARTS, MAX_PAYLOAD, Kind, Whole
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.registry.types import TYPES
from falconer_shared.transport.ur import Sender, UrDialect, UrPart
from tests.support.frames import Fields, edited, fields, psbt, rebuilt
from tests.support.refusal import outcome, refused

PAYLOAD = psbt(1000)
SENDER = Sender(PAYLOAD, Kind.PSBT, 200)
FRAME = SENDER.frame(2)


def single(value: cbor.Cbor, type_name: str = "crypto-psbt") -> str:
    return f"UR:{type_name}/{bytewords.encode(cbor.encode(value))}".upper()


def read(frame: str) -> object:
    return UrDialect().read(frame)


def test_a_part_says_what_it_is() -> None:
    part = read(FRAME)
    assert isinstance(part, UrPart)
    assert (part.number, part.total, part.length) == (2, SENDER.n, len(cbor.encode(PAYLOAD)))
    assert part.session == UrDialect().read(SENDER.frame(99)).session  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_case_does_not_matter(change: Callable[[str], str]) -> None:
    assert read(change(FRAME)) == read(FRAME)


@pytest.mark.parametrize("type_name", ["crypto-psbt", "psbt"])
def test_both_names_of_a_psbt(type_name: str) -> None:
    found = read(Sender(PAYLOAD, Kind.PSBT, 4000, type_name=type_name).frame(1))
    assert isinstance(found, Whole)
    assert (found.received.kind, found.received.data, found.received.type) == (Kind.PSBT, PAYLOAD, type_name)


def test_bytes_are_bytes_unless_they_are_a_psbt() -> None:
    for payload, kind in ((b"\x80hello", Kind.BYTES), (b"hello", Kind.TEXT), (PAYLOAD, Kind.PSBT)):
        found = read(single(payload, "bytes"))
        assert isinstance(found, Whole)
        assert (found.received.kind, found.received.data) == (kind, payload)


@given(st.binary(min_size=1, max_size=3000), st.integers(100, 900))
def test_what_is_sent_arrives(payload: bytes, characters: int) -> None:
    sender = Sender(payload, Kind.BYTES, characters)
    receiver = Receiver()
    for frame in islice(sender.frames(), sender.n):
        assert len(frame) <= characters
        progress = receiver.feed(frame)
    assert progress.received is not None
    assert (progress.received.data, progress.received.digest) == (payload, sender.digest)


@given(st.text(max_size=80))
def test_nothing_but_refusals(text: str) -> None:
    outcome(lambda: UrDialect().read("ur:" + text))


# --- one mutation each ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        "ur:",
        "ur:bytes",
        "ur:bytes/",
        "ur:bytes/1-9",
        "ur:bytes/1-9/",
        "ur:by_tes/aeadaolazmjendeoti",
        "ur://aeadaolazmjendeoti",
        "ur:bytes/1/aeadaolazmjendeoti",
        "ur:bytes/+1-9/aeadaolazmjendeoti",  # A103: what int() would take
        "ur:bytes/ 1-9/aeadaolazmjendeoti",
        "ur:bytes/1_0-9/aeadaolazmjendeoti",
        "ur:bytes/\u0661-9/aeadaolazmjendeoti",
        "ur:bytes/1-9/1-9/aeadaolazmjendeoti",
        "ur:bytes/aeadaolazmjendeoti\n",
        "ur:bytes/1234567890123-9/aeadaolazmjendeoti",
        "ur:crypto-p\u017fbt/aeadaolazmjendeoti",  # letters that become ASCII when they change case
        "ur:bytes/aeadaola\u212amjendeoti",
    ],
)
def test_path(frame: str) -> None:
    with refused("ur-path-malformed", Malformed):
        read(frame)


@pytest.mark.parametrize("name", ["crypto-eckey", "crypto-address", "envelope", "x"])
def test_type(name: str) -> None:
    with refused("ur-type-unsupported", Malformed):
        read(single(b"x", name))


@pytest.mark.parametrize("path", ["0-{n}", "02-{n}", "2-0{n}", "2-0"])
def test_numbers_have_one_spelling(path: str) -> None:
    """A103"""
    with refused("ur-number-malformed", Malformed):
        read(rebuilt(FRAME, fields(FRAME), path=path.format(n=SENDER.n)))


@pytest.mark.parametrize("path", ["3-{n}", "2-{m}"])
def test_path_and_content_agree(path: str) -> None:
    with refused("ur-part-contradicts-path", Malformed):
        read(rebuilt(FRAME, fields(FRAME), path=path.format(n=SENDER.n, m=SENDER.n + 1)))


@pytest.mark.parametrize(
    "value",
    [
        [],
        [2, SENDER.n, 1003, 5],
        [2, SENDER.n, 1003, 5, b"x", 0],
        [2, SENDER.n, 1003, 5, "x"],
        [2, SENDER.n, 1003, b"x", b"x"],
        [True, SENDER.n, 1003, 5, b"x"],
        [2, SENDER.n, 1003, 5, b""],
        [2, SENDER.n, 0, 5, b"x"],
        [2, SENDER.n, 1003, -1, b"x"],
        [2, SENDER.n, 1003, 2**32, b"x"],
        [2**32, SENDER.n, 1003, 5, b"x"],
        {1: 2},
        7,
    ],
)
def test_shape_of_a_part(value: cbor.Cbor) -> None:
    with refused("ur-part-malformed", Malformed):
        read(rebuilt(FRAME, value))


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("9f02181d", "cbor-not-deterministic"),  # A104: no length
        ("85021818190000", "cbor-truncated"),
        ("850218181903eb05410000", "cbor-trailing-bytes"),
        ("850218181903ebfa0000000041ff", "cbor-type-refused"),
        ("8502181819 03eb 5801ff".replace(" ", ""), "cbor-truncated"),
    ],
)
def test_cbor_of_a_part(body: str, rule: str) -> None:
    frame = f"UR:BYTES/2-24/{bytewords.encode(bytes.fromhex(body))}".upper()
    with refused(rule, Malformed):
        read(frame)


def test_checksum_of_a_frame() -> None:
    last = FRAME[-1]
    with refused("bytewords-checksum", Malformed):
        read(FRAME.replace(FRAME[40:42], "AE" if FRAME[40:42] != "AE" else "AD", 1))
    with refused("bytewords-unknown-word", Malformed):
        read(FRAME[:-1])
    assert last


def resize(n: int, length: int, size: int) -> Callable[[Fields], None]:
    def change(values: Fields) -> None:
        values[1], values[2], values[4] = n, length, bytes(size)

    return change


def test_number_of_parts() -> None:
    """A095, A096"""
    assert read(edited(FRAME, resize(MAX_PARTS, MAX_PARTS * 100, 100)))
    for n in (MAX_PARTS + 1, 2**22, 2**26):
        with refused("ur-too-many-parts", Malformed):
            read(edited(FRAME, resize(n, n, 1)))


def test_length_of_the_message() -> None:
    """A095, A102"""
    at_most = MAX_PAYLOAD + 9
    size = -(-at_most // MAX_PARTS)
    assert read(edited(FRAME, resize(-(-at_most // size), at_most, size)))
    for length in (at_most + 1, 10**9):
        with refused("ur-message-too-large", Malformed):
            read(edited(FRAME, resize(10, length, size)))


@pytest.mark.parametrize(("n", "length", "size"), [(10, 901, 100), (10, 1000, 100)])
def test_exact_arithmetic(n: int, length: int, size: int) -> None:
    """A102"""
    assert read(edited(FRAME, resize(n, length, size)))


@pytest.mark.parametrize(
    ("n", "length", "size"), [(10, 900, 100), (10, 1001, 100), (10, 99, 100), (1, 101, 100), (10_000, 3, 1)]
)
def test_wrong_arithmetic(n: int, length: int, size: int) -> None:
    """A102"""
    with refused("ur-arithmetic", Malformed):
        read(edited(FRAME, resize(n, length, size)))


@pytest.mark.parametrize("value", ["text", [PAYLOAD], {1: PAYLOAD}, 5, b"psb", b"PSBT\xff", b""])
def test_what_a_psbt_holds(value: cbor.Cbor) -> None:
    with refused("ur-payload-malformed", Malformed):
        read(single(value))


def test_a_tagged_payload_is_refused() -> None:
    tagged = bytes.fromhex("d90136") + cbor.encode(PAYLOAD)
    with refused("cbor-type-refused", Malformed):
        read(f"ur:crypto-psbt/{bytewords.encode(tagged)}")


def test_no_memory_before_a_frame_is_believed() -> None:
    """A095: the largest session that may begin, and one that may not."""
    largest = edited(FRAME, resize(MAX_PARTS, MAX_PARTS * 209, 209))
    bomb = edited(FRAME, resize(2**26, 2**26, 1))
    tracemalloc.start()
    try:
        receiver = Receiver()
        receiver.feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 200_000
        receiver.feed(largest)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


# --- sending ----------------------------------------------------------------------------------------------------------------


def test_a_payload_that_fits_is_one_code() -> None:
    length = len(single(PAYLOAD))
    assert Sender(PAYLOAD, Kind.PSBT, length).n == 1
    assert list(Sender(PAYLOAD, Kind.PSBT, length).frames()) == [single(PAYLOAD)]
    assert Sender(PAYLOAD, Kind.PSBT, length - 1).n > 1


@pytest.mark.parametrize("characters", [120, 383, 4296])
def test_no_frame_is_longer_than_its_code(characters: int) -> None:
    sender = Sender(psbt(20_000), Kind.PSBT, characters)
    assert max(len(sender.frame(number)) for number in (1, sender.n, 999_999)) <= characters
    # and little room is wasted
    assert len(sender.frame(999_999)) > characters * 0.85


def test_limits_of_sending() -> None:
    with pytest.raises(ValueError, match="no room"):
        Sender(PAYLOAD, Kind.PSBT, 60)
    with pytest.raises(ValueError, match="2 MiB"):
        Sender(bytes(MAX_PAYLOAD + 1), Kind.BYTES, 1000)
    with pytest.raises(ValueError, match="2 MiB"):
        Sender(b"", Kind.BYTES, 1000)
    with pytest.raises(ValueError, match="any receiver"):
        Sender(bytes(MAX_PAYLOAD), Kind.BYTES, 130)


def test_types_that_are_read() -> None:
    assert set(TYPES) == {
        *("crypto-psbt", "crypto-output", "crypto-account", "crypto-hdkey"),
        *("psbt", "output-descriptor", "account-descriptor", "hdkey", "bytes"),
    }
