"""The whole PSBT: versions, counts, the one source of the transaction, what is kept and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.psbt.fields import InputType, ProprietaryType, field_key, proprietary_key
from falconer_shared.psbt.parse import MAX_OUTPUTS, UntrustedPsbt, from_maps
from falconer_shared.seal import Seal
from tests.support import psbts
from tests.support.psbts import (
    DERIVATION,
    PREVIOUS,
    PUBKEY,
    SIGNATURE,
    XPUB,
    joined,
    prefixed,
    transaction,
    txid,
    u32,
    u64,
)
from tests.support.rawpsbt import edited, size
from tests.support.refusal import refused

SAMPLES = [psbts.v0, psbts.v2]


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2), (300, 1), (1, 300)])
def test_bytes_come_back_and_the_transaction_is_read(sample, inputs, outputs):
    data = sample(inputs=inputs, outputs=outputs, locktime=800_000)
    psbt = UntrustedPsbt.parse(data)
    assert psbt.serialize() == psbt.raw == data
    assert from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps) == psbt
    assert psbt.version == (0 if sample is psbts.v0 else 2)
    assert psbt.tx == UntrustedPsbt.parse(psbts.v0(inputs=inputs, outputs=outputs, locktime=800_000)).tx
    assert psbt.tx.serialize_stripped() == transaction(
        [(txid(n), n, psbts.FINAL - 2) for n in range(inputs)],
        [(100_000 + n, psbts.P2WPKH) for n in range(outputs)],
        800_000,
    )
    assert (len(psbt.inputs), len(psbt.outputs)) == (inputs, outputs)
    assert [view.index for view in psbt.inputs] == list(range(inputs))


@pytest.mark.parametrize("sample", SAMPLES)
def test_order_of_fields_is_kept(sample):
    fields = [(b"\xf3", b"3"), (b"\xf1", b"1"), (b"\xf2", b"2"), (b"\x03", u32(1))]
    psbt = UntrustedPsbt.parse(sample(added={"input": fields}))
    assert list(psbt.inputs[0].fields.items())[-4:] == fields


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_may_follow(sample):
    """A076: a byte, a whole second PSBT, or one map too many."""
    data = sample()
    for behind in (b"\x00", b"\n", data):
        with refused("psbt-trailing-bytes", Malformed):
            UntrustedPsbt.parse(data + behind)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_cut_is_refused(sample):
    data = sample(inputs=2, outputs=2)
    for end in range(len(data)):
        with pytest.raises(Malformed):
            UntrustedPsbt.parse(data[:end])
    with refused("psbt-truncated", Malformed):
        UntrustedPsbt.parse(data[:-1])


def head(tx: bytes, *more: tuple[bytes, bytes]) -> bytes:
    return joined([[(b"\x00", tx), *more]])


def test_version_zero_may_be_written_out():
    psbt = UntrustedPsbt.parse(psbts.v0(added={"global": [(b"\xfb", u32(0))]}))
    assert psbt.version == 0


@pytest.mark.parametrize("version", [1, 3, 2**31, 2**32 - 1])
def test_other_versions_do_not_exist(version):
    with refused("psbt-version-unsupported", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={"global": [(b"\xfb", u32(version))]}))


@pytest.mark.parametrize("value", [b"", b"\x00", u32(2) + b"\x00", bytes(2_000_000)])
def test_the_version_has_four_bytes(value):
    with refused("psbt-value-size", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={"global": [(b"\xfb", value)]}))


def test_version_2_has_no_unsigned_transaction():
    with refused("psbt-field-not-in-version", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={"global": [(b"\xfb", u32(2))]}))


@pytest.mark.parametrize("kind", [0x02, 0x03, 0x04, 0x05, 0x06])
def test_version_0_has_no_global_field_of_version_2(kind):
    """A069: a second source for the transaction, in which two programs read two recipients."""
    with refused("psbt-field-not-in-version", Malformed):
        UntrustedPsbt.parse(psbts.v0(added={"global": [(bytes((kind,)), u32(1))]}))


@pytest.mark.parametrize(
    ("where", "kind"), [("input", 0x0E), ("input", 0x0F), ("input", 0x10), ("output", 0x03), ("output", 0x04)]
)
def test_version_0_has_no_transaction_field_in_its_maps(where, kind):
    with refused("psbt-field-not-in-version", Malformed):
        UntrustedPsbt.parse(psbts.with_field(where, bytes((kind,)), bytes(32)))


def test_unsigned_transaction_is_required():
    with refused("psbt-unsigned-tx-missing", Malformed):
        UntrustedPsbt.parse(joined([[(b"\xf0", b"")], [], []]))


def test_unsigned_transaction_has_no_script_sig():
    """A077: nothing is dropped in silence."""
    inputs = [(txid(0), 0, 0)]
    good = transaction(inputs, [(1, b"")])
    assert UntrustedPsbt.parse(head(good) + b"\0\0").tx.inputs[0].sequence == 0
    with refused("psbt-unsigned-tx-signed", Malformed):
        UntrustedPsbt.parse(head(transaction(inputs, [(1, b"")], script_sig=b"\x51")) + b"\0\0")


def test_unsigned_transaction_has_no_witness():
    tx = transaction([(txid(0), 0, 0)], [(1, b"")])
    with_witness = tx[:4] + b"\x00\x01" + tx[4:-4] + b"\x01\x01a" + tx[-4:]
    assert Transaction.parse(with_witness).inputs[0].witness == (b"a",)
    with refused("psbt-unsigned-tx-signed", Malformed):
        UntrustedPsbt.parse(head(with_witness) + b"\0\0")


def test_unsigned_transaction_fills_its_value():
    tx = transaction([(txid(0), 0, 0)], [(1, b"")])
    with refused("trailing-bytes", Malformed):
        UntrustedPsbt.parse(head(tx + b"\0") + b"\0\0")
    with refused("bytes-truncated", Malformed):
        UntrustedPsbt.parse(head(tx[:-1]) + b"\0\0")
    with refused("amount-out-of-range", Malformed):
        UntrustedPsbt.parse(head(transaction([(txid(0), 0, 0)], [(21 * 10**14 + 1, b"")])) + b"\0\0")


def test_unsigned_transaction_fits_in_a_block():
    script = bytes(999_936)
    largest = transaction([(txid(0), 0, 0)], [(1, script)])
    assert len(largest) == 1_000_000
    assert UntrustedPsbt.parse(head(largest) + b"\0\0").tx.outputs[0].script == script
    with refused("psbt-unsigned-tx-too-large", Malformed):
        UntrustedPsbt.parse(head(transaction([(txid(0), 0, 0)], [(1, script + b"\0")])) + b"\0\0")


def test_no_inputs_and_no_outputs_are_well_formed():
    """BIP 174 lists both as valid; `verify` refuses them."""
    assert UntrustedPsbt.parse(head(transaction([], []))).tx.outputs == ()
    psbt = UntrustedPsbt.parse(head(transaction([], [(5, b"\x51")])) + b"\0")
    assert psbt.inputs == ()
    assert psbt.tx.outputs[0].script == b"\x51"


@pytest.mark.parametrize("count", [2**22, 10_001])
def test_a_small_file_cannot_claim_many_inputs(count):
    """A079: four million inputs in 60 bytes."""
    data = head(u32(2) + size(count) + bytes(41))
    assert len(data) < 80
    with refused("bytes-truncated", Malformed):
        UntrustedPsbt.parse(data)


def v2_head(inputs: bytes, outputs: bytes) -> bytes:
    return joined([[(b"\x02", u32(2)), (b"\x04", inputs), (b"\x05", outputs), (b"\xfb", u32(2))]])


def test_a_small_version_2_file_cannot_claim_many_inputs():
    """A079: a million inputs in 32 bytes."""
    data = v2_head(size(1_000_000), size(1))
    assert len(data) == 32
    with refused("psbt-too-many-inputs", Malformed):
        UntrustedPsbt.parse(data)
    with refused("psbt-too-many-outputs", Malformed):
        UntrustedPsbt.parse(v2_head(size(1), size(2**32 - 1)))
    with refused("psbt-truncated", Malformed):
        UntrustedPsbt.parse(v2_head(size(10_000), size(10_000)))
    with refused("psbt-truncated", Malformed):
        UntrustedPsbt.parse(v2_head(size(1), size(1)) + b"\0")


def test_ten_thousand_inputs_and_outputs_are_parsed_and_not_one_more():
    for sample in SAMPLES:
        assert len(UntrustedPsbt.parse(sample(inputs=10_000)).inputs) == 10_000
        assert len(UntrustedPsbt.parse(sample(outputs=MAX_OUTPUTS)).outputs) == MAX_OUTPUTS
        with refused("psbt-too-many-outputs", Malformed):
            UntrustedPsbt.parse(sample(outputs=MAX_OUTPUTS + 1))
        with refused("psbt-too-many-inputs", Malformed):
            UntrustedPsbt.parse(sample(inputs=10_001))


@pytest.mark.parametrize("value", [b"", b"\x01\x00", b"\xfd\x01", b"\xfe\x00\x00\x01"])
@pytest.mark.parametrize("key", [b"\x04", b"\x05"])
def test_counts_of_version_2_fill_their_value(key, value):
    with refused("psbt-value-size", Malformed):
        UntrustedPsbt.parse(edited(psbts.v2(), lambda raw: raw.set(raw.maps[0], key, value)))


def test_counts_of_version_2_are_minimal():
    with refused("compact-size-not-minimal", Malformed):
        UntrustedPsbt.parse(edited(psbts.v2(), lambda raw: raw.set(raw.maps[0], b"\x04", b"\xfd\x01\x00")))


def test_only_parse_makes_a_psbt():
    psbt = UntrustedPsbt.parse(psbts.v0())
    with pytest.raises(TypeError, match=r"made by UntrustedPsbt\.parse alone"):
        UntrustedPsbt(psbt.raw, 0, psbt.tx, {}, (), (), seal=Seal("somebody"))
    with pytest.raises(ValueError, match="InitVar"):
        dataclasses.replace(psbt, version=2)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(
    ("number", "where"),
    [(0, "global map"), (1, "input 0"), (2, "input 1"), (3, "output 0"), (4, "output 1"), (5, "output 2")],
)
def test_the_sentence_names_the_map(sample, number, where):
    data = sample(inputs=2, outputs=3)
    # the type of VERSION, of a redeem script and of a redeem script, with key data that none of them has
    key = b"\xfbx" if number == 0 else b"\x04x" if number < 3 else b"\x00x"
    with refused("psbt-key-size", Malformed) as caught:
        UntrustedPsbt.parse(edited(data, lambda raw: raw.set(raw.maps[number], key, b"\0")))
    assert caught.value.message.startswith(where)


def test_what_is_printed_of_a_psbt_holds_nothing_of_it():
    assert repr(UntrustedPsbt.parse(psbts.v2())) == "UntrustedPsbt(version=2)"


def test_a_psbt_cannot_be_changed():
    psbt = UntrustedPsbt.parse(psbts.v0(added={"input": [(b"\xf0", b"1")]}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        psbt.version = 2  # type: ignore[misc]
    for fields in (psbt.global_map, psbt.inputs[0].fields, psbt.outputs[0].fields):
        with pytest.raises(TypeError):
            fields[b"\xf1"] = b"2"  # type: ignore[index]
    psbt.inputs[0].partial_sigs[PUBKEY] = SIGNATURE
    assert psbt.inputs[0].partial_sigs == {}


def test_two_psbts_share_nothing():
    """A086: a field added to one never shows in another."""
    first, second = UntrustedPsbt.parse(psbts.v0()), UntrustedPsbt.parse(psbts.v0())
    changed = first.with_fields({b"\xf0": b"1"}, {0: {b"\xf0": b"1"}}, {0: {b"\xf0": b"1"}})
    assert changed != first == second
    for psbt in (first, second, UntrustedPsbt.parse(psbts.v0())):
        assert b"\xf0" not in psbt.global_map
        assert not psbt.inputs[0].fields
        assert not psbt.outputs[0].fields
    assert first.inputs[0]._transactions is not second.inputs[0]._transactions


def test_equality_and_hash_are_those_of_the_bytes():
    first, second = UntrustedPsbt.parse(psbts.v0()), UntrustedPsbt.parse(psbts.v2())
    assert first == UntrustedPsbt.parse(first.raw)
    assert len({first, UntrustedPsbt.parse(first.raw), second}) == 2
    assert len(repr(first)) < 100


# what an input and an output say


def test_accessors_of_an_input():
    other = b"\x03" + PUBKEY[1:]
    psbt = UntrustedPsbt.parse(
        psbts.v0(
            added={
                "input": [
                    (b"\x00", PREVIOUS),
                    (b"\x01", u64(150_000) + prefixed(psbts.P2WPKH)),
                    (b"\x02" + other, SIGNATURE),
                    (b"\x02" + PUBKEY, SIGNATURE),
                    (b"\x03", u32(0x81)),
                    (b"\x04", b"redeem"),
                    (b"\x05", b"witness"),
                    (b"\x06" + PUBKEY, DERIVATION),
                    (b"\x07", b"\x51"),
                    (b"\x08", b"\x02\x00\x02ab"),
                ]
            }
        )
    )
    view = psbt.inputs[0]
    assert view.non_witness_utxo == Transaction.parse(PREVIOUS)
    assert view.witness_utxo == Transaction.parse(PREVIOUS).outputs[0]
    assert list(view.partial_sigs.items()) == [(other, SIGNATURE), (PUBKEY, SIGNATURE)]
    assert view.sighash_type == 0x81
    assert (view.redeem_script, view.witness_script) == (b"redeem", b"witness")
    assert view.bip32_derivations == {PUBKEY: (bytes.fromhex("aabbccdd"), (0x80000054, 7))}
    assert (view.final_script_sig, view.final_script_witness) == (b"\x51", (b"", b"ab"))


def test_accessors_of_an_empty_input_and_output():
    psbt = UntrustedPsbt.parse(psbts.v0())
    view, out = psbt.inputs[0], psbt.outputs[0]
    assert view.non_witness_utxo is view.witness_utxo is view.sighash_type is view.redeem_script is None
    assert view.witness_script is view.final_script_sig is view.final_script_witness is None
    assert view.partial_sigs == view.bip32_derivations == {}
    assert out.redeem_script is out.witness_script is None
    assert out.bip32_derivations == {}
    assert psbt.xpubs == {}


def test_accessors_of_an_output_and_of_the_global_map():
    psbt = UntrustedPsbt.parse(
        psbts.v0(
            added={
                "output": [(b"\x00", b"redeem"), (b"\x01", b"witness"), (b"\x02" + PUBKEY, bytes(4))],
                "global": [(b"\x01" + XPUB, DERIVATION)],
            }
        )
    )
    out = psbt.outputs[0]
    assert (out.redeem_script, out.witness_script) == (b"redeem", b"witness")
    assert out.bip32_derivations == {PUBKEY: (bytes(4), ())}
    assert psbt.xpubs == {XPUB: (bytes.fromhex("aabbccdd"), (0x80000054, 7))}


def test_a_previous_transaction_is_parsed_once_for_all_inputs(monkeypatch):
    def give_all(raw):
        for index in range(3):
            raw.input(index).append((b"\x00", PREVIOUS if index < 2 else PREVIOUS[:-4] + u32(9)))

    psbt = UntrustedPsbt.parse(edited(psbts.v0(inputs=3), give_all))
    first = psbt.inputs[0].non_witness_utxo
    assert psbt.inputs[1].non_witness_utxo is first
    assert psbt.inputs[0].non_witness_utxo is first
    assert psbt.inputs[2].non_witness_utxo != first


def test_modifiable_flags():
    assert not UntrustedPsbt.parse(psbts.v0()).modifiable
    assert not UntrustedPsbt.parse(psbts.v2()).modifiable
    for flags in range(256):
        psbt = UntrustedPsbt.parse(psbts.with_field("global", b"\x06", bytes((flags,)), 2))
        assert psbt.modifiable == (flags != 0)


@pytest.mark.parametrize(
    ("where", "kind", "name"),
    [
        ("global", 0x08, "SP_DLEQ"),
        ("input", 0x09, "POR_COMMITMENT"),
        ("input", 0x1A, "MUSIG2_PARTICIPANT_PUBKEYS"),
        ("input", 0x1B, "MUSIG2_PUB_NONCE"),
        ("input", 0x1C, "MUSIG2_PARTIAL_SIG"),
        ("input", 0x1D, "SP_ECDH_SHARE"),
        ("input", 0x1E, "SP_DLEQ"),
        ("output", 0x09, "SP_V0_INFO"),
        ("output", 0x0A, "SP_V0_LABEL"),
    ],
)
def test_what_falconer_does_not_do_is_named(where, kind, name):
    assert UntrustedPsbt.parse(psbts.with_example(where, kind, 2)).needs_unsupported() == name


def test_all_other_fields_ask_for_nothing_unsupported():
    named = {("global", 8), ("input", 9), ("output", 9), ("output", 10)} | {
        ("input", n) for n in range(0x1A, 0x1F)
    }
    for where, kind in psbts.EXAMPLES.keys() - named:
        assert UntrustedPsbt.parse(psbts.with_example(where, kind, 2)).needs_unsupported() is None
    assert UntrustedPsbt.parse(psbts.with_field("input", b"\xf0", b"")).needs_unsupported() is None


# adding and leaving out


@pytest.mark.parametrize("sample", SAMPLES)
def test_fields_are_added_behind_the_others_sorted_by_key(sample):
    psbt = UntrustedPsbt.parse(sample(inputs=2, added={"input": [(b"\xf5", b"old")]}))
    before = dict(psbt.inputs[0].fields)
    added = psbt.with_fields(
        {b"\xf2": b"g2", b"\xf1": b"g1"}, {0: [(b"\xf9", b"b"), (b"\xf0", b"a")], 1: {}}, {0: {b"\xf0": b"o"}}
    )
    assert list(added.global_map)[-2:] == [b"\xf1", b"\xf2"]
    assert list(added.inputs[0].fields.items()) == [*before.items(), (b"\xf0", b"a"), (b"\xf9", b"b")]
    assert added.inputs[1] == psbt.inputs[1]
    assert added.outputs[0].fields[b"\xf0"] == b"o"
    assert added.tx == psbt.tx
    assert UntrustedPsbt.parse(added.raw) == added
    assert psbt.with_fields() == psbt


@pytest.mark.parametrize("value", [b"old", b"new"])
def test_no_field_is_overwritten(value):
    psbt = UntrustedPsbt.parse(
        psbts.v0(added={where: [(b"\xf0", b"old")] for where in ("global", "input", "output")})
    )
    for arguments in (({b"\xf0": value},), ({}, {0: {b"\xf0": value}}), ({}, {}, {0: [(b"\xf0", value)]})):
        with refused("psbt-field-exists", VerificationError):
            psbt.with_fields(*arguments)
    with refused("psbt-field-exists", VerificationError):
        psbt.with_fields({}, {0: [(b"\xf1", b"1"), (b"\xf1", b"2")]})


def test_added_fields_are_checked_like_any_other():
    psbt = UntrustedPsbt.parse(psbts.v0())
    with refused("psbt-value-size", Malformed):
        psbt.with_fields({}, {0: {field_key(InputType.SIGHASH_TYPE): b"\x01"}})
    with refused("psbt-field-not-in-version", Malformed):
        psbt.with_fields({}, {0: {field_key(InputType.SEQUENCE): bytes(4)}})


def test_adding_cannot_change_the_transaction_or_miss_its_place():
    psbt = UntrustedPsbt.parse(edited(psbts.v2(), lambda raw: raw.set(raw.input(0), b"\x10", None)))
    assert psbt.tx.inputs[0].sequence == psbts.FINAL
    with pytest.raises(ValueError, match="must not change"):
        psbt.with_fields({}, {0: {field_key(InputType.SEQUENCE): bytes(4)}})
    for arguments in (({}, {1: {b"\xf0": b""}}), ({}, {-1: {b"\xf0": b""}}), ({}, {}, {1: {b"\xf0": b""}})):
        with pytest.raises(IndexError):
            psbt.with_fields(*arguments)


def test_proprietary_fields_can_be_left_out():
    ours = proprietary_key(ProprietaryType.REQUEST)
    fields = [(ours, b"request"), (b"\xf0", b"kept"), (b"\xfc\x01x\x00", b"of another")]
    psbt = UntrustedPsbt.parse(psbts.v0(added=dict.fromkeys(("global", "input", "output"), fields)))
    bare = psbt.without_proprietary()
    assert bare == UntrustedPsbt.parse(
        psbts.v0(added={where: [(b"\xf0", b"kept")] for where in ("global", "input", "output")})
    )
    assert bare.without_proprietary() == bare
