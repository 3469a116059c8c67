from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_offline.hardware import wire

FIELDS = [b"", b"x", b"TEST", bytes(300)]


def taking(data: bytes):
    stream = io.BytesIO(data)

    def take(size: int) -> bytes:
        found = stream.read(size)
        if len(found) != size:
            raise EOFError
        return found

    return take


def test_a_message_comes_back_as_it_was():
    assert wire.read(taking(wire.message(0x40, FIELDS))) == (0x40, tuple(FIELDS))


def test_a_request_is_an_operation_and_its_fields():
    data = wire.message(wire.Op.SIGN, [b"TEST", b"", b"ledger", b"path", b"psbt"])
    assert wire.request(taking(data))[0] is wire.Op.SIGN


NONSENSE = {
    "no byte": bytes(4),
    "too long": (wire.MAX_MESSAGE + 1).to_bytes(4, "big"),
    "a field that ends behind the message": (6).to_bytes(4, "big") + b"\x40" + (2).to_bytes(4, "big") + b"x",
    "half a length": (3).to_bytes(4, "big") + b"\x40\0\0",
    "too many fields": wire.message(0x40, [b""] * (wire.MAX_DEVICES * wire.DEVICE_FIELDS + 1)),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_what_is_no_message_is_nonsense(case):
    with pytest.raises(wire.Nonsense):
        wire.read(taking(NONSENSE[case]))


@pytest.mark.parametrize(
    ("op", "count"), [(99, 2), (wire.Op.LIST, 1), (wire.Op.LIST, 3), (wire.Op.SIGN, 4), (0x40, 0)]
)
def test_what_is_no_request_is_nonsense(op, count):
    with pytest.raises(wire.Nonsense):
        wire.request(taking(wire.message(op, [b""] * count)))


def test_a_cut_message_is_the_end():
    data = wire.message(0x40, FIELDS)
    for end in range(len(data)):
        with pytest.raises(EOFError):
            wire.read(taking(data[:end]))


def test_a_message_that_is_too_long_is_not_made():
    with pytest.raises(ValueError, match="too long"):
        wire.message(0x40, [bytes(wire.MAX_MESSAGE)])


def test_the_command_line_names_one_of_two_modes():
    assert wire.command("python", "usb")[1:] == ("-I", "-m", "falconer_offline.hardware.driver", "usb")
    with pytest.raises(ValueError, match="mode"):
        wire.command("python", "network")


@given(st.binary(max_size=200), st.integers(0, 255))
def test_whatever_comes_is_a_message_nonsense_or_the_end(body, code):
    framed = (len(body) + 1).to_bytes(4, "big") + bytes((code,)) + body
    for data in (body, framed):
        try:
            found, fields = wire.read(taking(data))
        except (wire.Nonsense, EOFError):
            continue
        assert wire.message(found, fields) == data[: len(wire.message(found, fields))]
