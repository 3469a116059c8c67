"""Our own fields and their bounds (DESIGN: what crosses the gap)."""

from __future__ import annotations

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt.fields import PROPRIETARY_FIELDS, ProprietaryType, proprietary_key
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.refusal import refused

HASH = b"\xab" * 32
BOUNDS = [
    (ProprietaryType.REQUEST, b"", 8192, "psbt-request-bounds"),
    (ProprietaryType.INTENT, b"", 16384, "psbt-intent-bounds"),
    (ProprietaryType.APPROVAL, HASH, 2048, "psbt-approval-bounds"),
    (ProprietaryType.COORDINATOR_SIGNATURE, b"", 2048, "psbt-coordinator-signature-bounds"),
    (ProprietaryType.BLOCK_HEADERS, bytes(4), 200_000, "psbt-headers-bounds"),
    (ProprietaryType.RECEIPT, HASH, 8192, "psbt-receipt-bounds"),
    (ProprietaryType.MERKLE_PROOF, b"", 8192, "psbt-merkle-proof-bounds"),
]


def with_ours(subtype: ProprietaryType, *entries: tuple[bytes, bytes]) -> UntrustedPsbt:
    fields = [(b"\xfc\x08falconer" + bytes((subtype,)) + data, value) for data, value in entries]
    return UntrustedPsbt.parse(psbts.v0(added={"global": fields, "input": fields, "output": fields}))


def test_every_field_has_a_row_here():
    assert {row[0] for row in BOUNDS} == set(ProprietaryType) == set(PROPRIETARY_FIELDS)


@pytest.mark.parametrize(("subtype", "data", "largest", "rule"), BOUNDS)
def test_bounds(subtype, data, largest, rule):
    step = 80 if subtype is ProprietaryType.BLOCK_HEADERS else 1
    for length in (step, largest):
        found = with_ours(subtype, (data, b"v" * length))
        for place in (found, found.inputs[0], found.outputs[0]):
            assert place.proprietary(subtype) == {data: b"v" * length}
    wrong = [
        (data, b""),
        (data, b"v" * (largest + step)),
        (data + b"x", b"v" * step),
        *([(data[1:], b"v" * step)] if data else []),
    ]
    for entry in wrong:
        psbt = with_ours(subtype, entry)
        assert UntrustedPsbt.parse(psbt.raw) == psbt
        for place in (psbt, psbt.inputs[0], psbt.outputs[0]):
            with refused(rule, Malformed):
                place.proprietary(subtype)


def test_headers_are_whole():
    for length in (79, 81):
        with refused("psbt-headers-bounds", Malformed):
            with_ours(ProprietaryType.BLOCK_HEADERS, (bytes(4), bytes(length))).proprietary(
                ProprietaryType.BLOCK_HEADERS
            )


@pytest.mark.parametrize("subtype", [ProprietaryType.APPROVAL, ProprietaryType.RECEIPT])
def test_at_most_32_approvals_and_receipts(subtype):
    entries = [(bytes((n,)) * 32, b"v") for n in range(33)]
    assert list(with_ours(subtype, *entries[:32]).proprietary(subtype)) == [data for data, _ in entries[:32]]
    with refused(PROPRIETARY_FIELDS[subtype].rule, Malformed):
        with_ours(subtype, *entries).proprietary(subtype)


def test_one_field_of_headers():
    two = [(bytes(4), bytes(80)), (b"\x01" + bytes(3), bytes(80))]
    with refused("psbt-headers-bounds", Malformed):
        with_ours(ProprietaryType.BLOCK_HEADERS, *two).proprietary(ProprietaryType.BLOCK_HEADERS)


def test_others_fields_are_not_ours():
    fields = [
        (b"\xfc\x07falcone\x00", b"1"),
        (b"\xfc\x09falconers\x00", b"2"),
        (b"\xfc\x08Falconer\x00", b"3"),
        (b"\xf0\x08falconer\x00", b"4"),
        (b"\xfc\x08falconer\x7f", b"5"),
        (b"\xfc\x08falconer\xfd\x00\x01", b"6"),
    ]
    psbt = UntrustedPsbt.parse(psbts.v0(added={"global": fields}))
    for subtype in ProprietaryType:
        assert psbt.proprietary(subtype) == {}
    assert psbt.with_fields({proprietary_key(ProprietaryType.REQUEST): b"r"}).proprietary(
        ProprietaryType.REQUEST
    ) == {b"": b"r"}


def test_a_key_is_spelt_as_the_bip_says():
    assert proprietary_key(ProprietaryType.APPROVAL, HASH) == b"\xfc\x08falconer\x02" + HASH
