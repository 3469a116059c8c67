"""Every field of every BIP: one good example, and what is wrong with each mutation of it (A069, A071, A072, A075)."""

from __future__ import annotations

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt.fields import (
    GLOBAL_FIELDS,
    INPUT_FIELDS,
    OUTPUT_FIELDS,
    GlobalType,
    InputType,
    OutputType,
    field_key,
)
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.psbts import (
    DERIVATION,
    EXAMPLES,
    ONLY_V2,
    PUBKEY,
    STRUCTURE,
    XONLY,
    XPUB,
    prefixed,
    u32,
    u64,
)
from tests.support.rawpsbt import edited, size
from tests.support.refusal import refused

TABLES = {"global": GLOBAL_FIELDS, "input": INPUT_FIELDS, "output": OUTPUT_FIELDS}
FREE_KEY = {("input", 0x15), ("global", 0xFC), ("input", 0xFC), ("output", 0xFC)}
FREE_VALUE = (
    {("input", kind) for kind in (0x00, 0x04, 0x05, 0x07, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x15, 0x19)}
    | {("output", 0x00), ("output", 0x01)}
    | {(where, 0xFC) for where in TABLES}
)
NESTED_VALUE = {
    ("global", 0x01): "psbt-derivation-malformed",
    ("input", 0x01): "psbt-nested-malformed",
    ("input", 0x06): "psbt-derivation-malformed",
    ("input", 0x08): "psbt-nested-malformed",
    ("input", 0x16): "psbt-derivation-malformed",
    ("input", 0x1A): "psbt-pubkey-form",
    ("output", 0x02): "psbt-derivation-malformed",
    ("output", 0x06): None,
    ("output", 0x07): "psbt-derivation-malformed",
    ("output", 0x08): "psbt-pubkey-form",
}
ALL = sorted(EXAMPLES)


def accept(data: bytes) -> UntrustedPsbt:
    psbt = UntrustedPsbt.parse(data)
    assert psbt.serialize() == data
    return psbt


def parse(where: str, key: bytes, value: bytes, version: int = 0) -> UntrustedPsbt:
    return accept(psbts.with_field(where, key, value, version))


def version_of(case: tuple[str, int]) -> int:
    return 2 if case in ONLY_V2 else 0


def test_there_is_an_example_of_every_field_that_the_tables_know():
    known = {(where, kind) for where, table in TABLES.items() for kind in table}
    assert known == set(EXAMPLES) | STRUCTURE
    for where, enum in (("global", GlobalType), ("input", InputType), ("output", OutputType)):
        assert {int(kind) for kind in enum} == set(TABLES[where])


@pytest.mark.parametrize("case", ALL)
def test_the_example_is_accepted_where_it_belongs(case):
    where, kind = case
    accept(psbts.with_example(where, kind, 2))
    if case not in ONLY_V2:
        accept(psbts.with_example(where, kind, 0))


@pytest.mark.parametrize("case", sorted(ONLY_V2))
def test_fields_of_version_2_have_no_place_in_version_0(case):
    with refused("psbt-field-not-in-version", Malformed):
        UntrustedPsbt.parse(psbts.with_example(*case, 0))


@pytest.mark.parametrize("case", [case for case in ALL if case not in FREE_KEY])
def test_key_data_has_its_size(case):
    where, kind = case
    data, value = EXAMPLES[case]
    with refused("psbt-key-size", Malformed):
        parse(where, bytes((kind,)) + data + b"\xaa", value, version_of(case))
    if data:
        with refused("psbt-key-size", Malformed):
            parse(where, bytes((kind,)) + data[:-1], value, version_of(case))


@pytest.mark.parametrize("case", [case for case in ALL if case not in FREE_VALUE | NESTED_VALUE.keys()])
def test_values_have_their_size(case):
    where, kind = case
    data, value = EXAMPLES[case]
    # the widest allowed and the narrowest, for the fields that have a range
    widest = {("input", 0x02): 73, ("input", 0x13): 65, ("input", 0x14): 65}.get(case, len(value))
    narrowest = {("input", 0x02): 9, ("input", 0x13): 64, ("input", 0x14): 64}.get(case, len(value))
    key = bytes((kind,)) + data
    padded = value + b"\x01" * 80
    parse(where, key, padded[:widest], version_of(case))
    parse(where, key, padded[:narrowest], version_of(case))
    for wrong in (padded[: widest + 1], padded[: narrowest - 1]):
        with refused("psbt-value-size", Malformed):
            parse(where, key, wrong, version_of(case))


@pytest.mark.parametrize("case", sorted(NESTED_VALUE))
def test_nested_values_are_used_up_exactly(case):
    where, kind = case
    data, value = EXAMPLES[case]
    for wrong in (value + b"\x00", value[:-1]):
        with pytest.raises(Malformed) as caught:
            parse(where, bytes((kind,)) + data, wrong)
        assert caught.value.rule == NESTED_VALUE[case] or (
            NESTED_VALUE[case] is None and "psbt-" in caught.value.rule
        )


@pytest.mark.parametrize("case", sorted(FREE_VALUE - {("input", 0x15)}))
def test_free_values_may_be_empty(case):
    where, kind = case
    if kind in {0x0A, 0x0B, 0x0C, 0x0D} and where == "input":
        with refused("psbt-preimage-mismatch", Malformed):
            parse(where, bytes((kind,)) + EXAMPLES[case][0], b"")
    else:
        parse(where, bytes((kind,)) + EXAMPLES[case][0], b"")


@pytest.mark.parametrize("kind", [0x0A, 0x0B, 0x0C, 0x0D])
def test_preimages_hash_to_their_keys(kind):
    data, value = EXAMPLES["input", kind]
    with refused("psbt-preimage-mismatch", Malformed):
        parse("input", bytes((kind,)) + data, value[:-1] + b"x")
    with refused("psbt-value-size", Malformed):
        parse("input", bytes((kind,)) + data, b"x" * 521)
    with refused("psbt-preimage-mismatch", Malformed):
        parse("input", bytes((kind,)) + data, b"x" * 520)


@pytest.mark.parametrize(("where", "kind"), [("input", 0x02), ("input", 0x06), ("output", 0x02)])
@pytest.mark.parametrize(
    "pubkey",
    [b"\x04" + XONLY, b"\x00" * 33, b"\x05" + XONLY],
    ids=["uncompressed-prefix", "zeros", "unknown-prefix"],
)
def test_public_keys_are_compressed(where, kind, pubkey):
    value = EXAMPLES[where, kind][1]
    parse(where, bytes((kind,)) + b"\x03" + XONLY, value)
    with refused("psbt-pubkey-form", Malformed):
        parse(where, bytes((kind,)) + pubkey, value)


@pytest.mark.parametrize(("where", "kind"), [("input", 0x02), ("input", 0x06), ("output", 0x02)])
def test_a_whole_uncompressed_key_is_refused_by_its_size(where, kind):
    with refused("psbt-key-size", Malformed):
        parse(where, bytes((kind,)) + b"\x04" + XONLY + XONLY, EXAMPLES[where, kind][1])


def test_musig2_keys_are_compressed():
    for kind in (0x1B, 0x1C):
        data, value = EXAMPLES["input", kind]
        with refused("psbt-pubkey-form", Malformed):
            parse("input", bytes((kind,)) + data[:33] + b"\x04" + data[34:], value)
    with refused("psbt-pubkey-form", Malformed):
        parse("input", b"\x1a" + PUBKEY, PUBKEY + b"\x01" + XONLY)
    parse("input", b"\x1a" + PUBKEY, b"")


@pytest.mark.parametrize(("where", "key"), [("input", b"\x06" + PUBKEY), ("output", b"\x02" + PUBKEY)])
def test_derivations_have_whole_steps_and_at_most_255(where, key):
    parse(where, key, bytes(4))
    parse(where, key, bytes(4 + 4 * 255))
    for wrong in (b"", bytes(3), bytes(5), bytes(4 + 4 * 256)):
        with refused("psbt-derivation-malformed", Malformed):
            parse(where, key, wrong)


def test_taproot_derivations_count_their_leaf_hashes():
    key = b"\x16" + XONLY
    parse("input", key, b"\x00" + DERIVATION)
    parse("input", key, b"\x02" + bytes(64) + DERIVATION)
    with refused("psbt-derivation-malformed", Malformed):
        parse("input", key, b"\x01" + bytes(32) + b"abc")
    with refused("psbt-nested-malformed", Malformed):
        parse("input", key, b"\x02" + bytes(63))


def test_millions_of_leaf_hashes_are_counted_and_never_allocated():
    """A079: 2^25 hashes claimed in a value of 9 bytes."""
    with refused("psbt-nested-malformed", Malformed):
        parse("input", b"\x16" + XONLY, size(2**25) + DERIVATION)


def test_xpub_depth_is_the_number_of_steps():
    parse("global", b"\x01" + XPUB, DERIVATION)
    parse("global", b"\x01" + XPUB[:4] + b"\x00" + XPUB[5:], bytes(4))
    with refused("psbt-derivation-malformed", Malformed):
        parse("global", b"\x01" + XPUB, DERIVATION[:-4])
    with refused("psbt-derivation-malformed", Malformed):
        parse("global", b"\x01" + XPUB[:4] + b"\x03" + XPUB[5:], DERIVATION)


def test_a_private_extended_key_is_refused():
    """A039: under its own version bytes, or 32 secret bytes under public ones."""
    for private in (bytes.fromhex("04358394") + XPUB[4:], XPUB[:45] + b"\x00" + XPUB[46:]):
        with refused("private-key-in-public-data", Malformed):
            parse("global", b"\x01" + private, DERIVATION)


def test_witness_utxo_amount_is_money():
    script = prefixed(psbts.P2WPKH)
    parse("input", b"\x01", u64(21 * 10**14) + script)
    parse("input", b"\x01", u64(0) + b"\x00")
    parse("input", b"\x01", u64(1) + prefixed(bytes(253)))
    for wrong in (21 * 10**14 + 1, 2**64 - 1):
        with refused("amount-out-of-range", Malformed):
            parse("input", b"\x01", u64(wrong) + script)
    with refused("compact-size-not-minimal", Malformed):
        parse("input", b"\x01", u64(1) + b"\xfd\x01\x00\x51")
    with refused("psbt-nested-malformed", Malformed):
        parse("input", b"\x01", u64(1) + prefixed(bytes(253)) + b"\x00")
    with refused("psbt-value-size", Malformed):
        parse("input", b"\x01", u64(1))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x01",
        b"\x02\x00",
        b"\x01\x01",
        b"\x01\x00\x00",
        b"\x00\x00",
        size(2**25) + bytes(100),
        b"\x01\xfd\xfd\x00" + bytes(252),
    ],
    ids=["empty", "no-item", "one-of-two", "short-item", "behind", "behind-none", "millions", "long-item"],
)
def test_final_witness_fills_its_value(value):
    with refused("psbt-nested-malformed", Malformed):
        parse("input", b"\x08", value)


def test_final_witness_forms():
    assert parse("input", b"\x08", b"\x00").inputs[0].final_script_witness == ()
    assert parse("input", b"\x08", b"\x02\x00\x01a").inputs[0].final_script_witness == (b"", b"a")
    assert parse("input", b"\x08", b"\x01\xfd\xfd\x00" + bytes(253)).inputs[0].final_script_witness == (
        bytes(253),
    )
    with refused("compact-size-not-minimal", Malformed):
        parse("input", b"\x08", b"\x01\xfd\x01\x00a")


def test_control_blocks():
    def leaf(hashes: int, control: int = 0xC0, version: int = 0xC0) -> UntrustedPsbt:
        return parse(
            "input", b"\x15" + bytes((control,)) + XONLY + bytes(32 * hashes), b"\x51" + bytes((version,))
        )

    leaf(0)
    leaf(128)
    leaf(1, control=0xC1)
    with refused("psbt-key-size", Malformed):
        leaf(129)
    for wrong in (b"\x15\xc0" + XONLY[:-1], b"\x15\xc0" + XONLY + bytes(31)):
        with refused("psbt-key-size", Malformed):
            parse("input", wrong, b"\xc0")
    with refused("psbt-taproot-leaf", Malformed):
        leaf(0, version=0xC2)
    with refused("psbt-value-size", Malformed):
        parse("input", b"\x15\xc0" + XONLY, b"")


def tree(*depths: int, version: int = 0xC0) -> UntrustedPsbt:
    return parse("output", b"\x06", b"".join(bytes((depth, version)) + b"\x01\x51" for depth in depths))


@pytest.mark.parametrize(
    "depths", [(0,), (1, 1), (1, 2, 2), (2, 2, 1), (2, 2, 2, 2), (3, 3, 2, 1), (*range(1, 129), 128)]
)
def test_whole_trees_in_depth_first_order_are_accepted(depths):
    tree(*depths)


@pytest.mark.parametrize(
    "depths",
    [(), (1,), (0, 0), (1, 1, 1), (2, 1, 2), (2, 2), (1, 2), (2, 1), (1, 2, 2, 0), (*range(1, 130), 129)],
)
def test_other_trees_are_refused(depths):
    with refused("psbt-taproot-tree", Malformed):
        tree(*depths)


def test_leaf_versions_of_a_tree_are_even():
    with refused("psbt-taproot-tree", Malformed):
        tree(0, version=0xC1)


def test_proprietary_keys_have_identifier_and_subtype():
    for where in TABLES:
        parse(where, b"\xfc\x00\x00", b"")
        for wrong in (b"\xfc", b"\xfc\x03ab", b"\xfc\x03abc"):
            with refused("psbt-proprietary-malformed", Malformed):
                parse(where, wrong, b"")
        with refused("compact-size-not-minimal", Malformed):
            parse(where, b"\xfc\x01a\xfd\x01\x00", b"")


def test_unknown_fields_are_carried_unread():
    """A078: also global 0x07, which two documents define in two ways."""
    for where in TABLES:
        parse(where, b"\xef" + bytes(40), bytes(1000))
        parse(where, b"\xff" + bytes((0, 0, 0, 0, 1, 0, 0, 0)), b"")
    parse("global", b"\x07" + PUBKEY, PUBKEY)
    parse("global", b"\x07", b"commitment")


def test_previous_transactions_are_read_when_they_are_asked_for():
    psbt = parse("input", b"\x00", b"no transaction")
    with pytest.raises(Malformed):
        _ = psbt.inputs[0].non_witness_utxo
    desync = parse("input", b"\x00", psbts.PREVIOUS + b"\x00")
    with refused("trailing-bytes", Malformed):
        _ = desync.inputs[0].non_witness_utxo


def test_structure_fields_of_version_2_have_their_widths():
    for where, kind, width in (
        ("global", 0x02, 4),
        ("global", 0x03, 4),
        ("global", 0xFB, 4),
        ("input", 0x0E, 32),
        ("input", 0x0F, 4),
        ("input", 0x10, 4),
        ("output", 0x03, 8),
    ):
        for wrong in (width - 1, width + 1):

            def change(raw, where=where, kind=kind, wrong=wrong):
                fields = {"global": raw.maps[0], "input": raw.input(0), "output": raw.output(0)}[where]
                key = bytes((kind,))
                raw.set(fields, key, (raw.get(fields, key) + b"\x00")[:wrong])

            with refused("psbt-value-size", Malformed):
                UntrustedPsbt.parse(edited(psbts.v2(), change))


def test_keys_are_made_of_type_and_data():
    assert field_key(InputType.PARTIAL_SIG, PUBKEY) == b"\x02" + PUBKEY
    assert field_key(OutputType.AMOUNT) == b"\x03"
    assert u32(1) == b"\x01\x00\x00\x00"
