"""The transaction of version 2: required fields (A073) and lock times (BIP 370)."""

from __future__ import annotations

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.psbts import u32
from tests.support.rawpsbt import edited
from tests.support.refusal import refused


@pytest.mark.parametrize(
    ("where", "key"),
    [
        ("global", 0x02),
        ("global", 0x04),
        ("global", 0x05),
        ("input", 0x0E),
        ("input", 0x0F),
        ("output", 0x03),
        ("output", 0x04),
    ],
)
def test_required_fields(where, key):
    def leave_out(raw):
        fields = {"global": raw.maps[0], "input": raw.input(0), "output": raw.output(0)}[where]
        raw.set(fields, bytes((key,)), None)

    assert UntrustedPsbt.parse(psbts.v2())
    with refused("psbt-field-missing", Malformed):
        UntrustedPsbt.parse(edited(psbts.v2(), leave_out))


def test_defaults_of_optional_fields():
    def leave_out(raw):
        raw.set(raw.maps[0], b"\x03", None)
        raw.set(raw.input(0), b"\x10", None)

    tx = UntrustedPsbt.parse(edited(psbts.v2(locktime=5), leave_out)).tx
    assert tx.locktime == 0
    assert tx.inputs[0].sequence == 0xFFFFFFFF


def test_a_version_of_the_transaction_is_signed():
    def negative(raw):
        raw.set(raw.maps[0], b"\x02", b"\xff" * 4)

    assert UntrustedPsbt.parse(edited(psbts.v2(), negative)).tx.version == -1


@pytest.mark.parametrize("amount", [21 * 10**14 + 1, 2**63 - 1, 2**64 - 1])
def test_amounts_are_money(amount):
    with refused("amount-out-of-range", Malformed):
        UntrustedPsbt.parse(
            edited(psbts.v2(), lambda raw: raw.set(raw.output(0), b"\x03", psbts.u64(amount)))
        )


def locktime(*requirements: dict[int, int], fallback: int = 77) -> int:
    """The lock time where the inputs require {field type: value}."""

    def require(raw):
        for index, fields in enumerate(requirements):
            raw.input(index).extend((bytes((kind,)), u32(value)) for kind, value in fields.items())

    return UntrustedPsbt.parse(
        edited(psbts.v2(inputs=len(requirements), locktime=fallback), require)
    ).tx.locktime


TIME, HEIGHT = 0x11, 0x12


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([{}, {}], 77),
        ([{HEIGHT: 5}, {}], 5),
        ([{HEIGHT: 5}, {HEIGHT: 9}], 9),
        ([{TIME: 500_000_000}, {}], 500_000_000),
        ([{TIME: 500_000_001}, {TIME: 500_000_000}, {}], 500_000_001),
        ([{HEIGHT: 5, TIME: 600_000_000}, {}], 5),
        ([{HEIGHT: 5, TIME: 600_000_000}, {TIME: 500_000_005}], 600_000_000),
        ([{HEIGHT: 5, TIME: 600_000_000}, {HEIGHT: 3, TIME: 500_000_005}], 5),
    ],
)
def test_lock_time(requirements, expected):
    assert locktime(*requirements) == expected


def test_no_lock_time_satisfies_a_height_and_a_time():
    with refused("psbt-locktime-conflict", Malformed):
        locktime({HEIGHT: 5}, {TIME: 500_000_000})
    with refused("psbt-locktime-conflict", Malformed):
        locktime({HEIGHT: 5}, {TIME: 500_000_000}, {HEIGHT: 5, TIME: 500_000_000})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [(HEIGHT, [1, 499_999_999], [0, 500_000_000]), (TIME, [500_000_000, 2**32 - 1], [0, 499_999_999])],
)
def test_ranges_of_lock_times(kind, good, bad):
    for value in good:
        assert locktime({kind: value}) == value
    for value in bad:
        with refused("psbt-locktime-range", Malformed):
            locktime({kind: value})
