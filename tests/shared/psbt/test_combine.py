"""One PSBT out of several (A082)."""

from __future__ import annotations

import itertools

import pytest

from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.psbts import DERIVATION, PUBKEY, SIGNATURE, XPUB, u32, vector_cases
from tests.support.rawpsbt import edited
from tests.support.refusal import refused

OTHER = b"\x03" + PUBKEY[1:]


def psbt(version: int = 0, **added: list[tuple[bytes, bytes]]) -> UntrustedPsbt:
    return UntrustedPsbt.parse((psbts.v0 if version == 0 else psbts.v2)(added=added))


ORIGINAL = psbt(**{"input": [(b"\x03", u32(1))], "global": [(b"\x01" + XPUB, DERIVATION)]})
FIRST = psbt(input=[(b"\x02" + PUBKEY, SIGNATURE)])
SECOND = psbt(input=[(b"\x02" + OTHER, SIGNATURE), (b"\x03", u32(1))], output=[(b"\xf0", b"o")])


@pytest.mark.parametrize("version", [0, 2])
def test_signatures_are_gathered_and_nothing_of_the_original_is_lost(version):
    combined = combine(to_version(ORIGINAL, version), FIRST, SECOND)
    assert combined.version == version
    assert combined.tx == ORIGINAL.tx
    assert combined.inputs[0].partial_sigs == {PUBKEY: SIGNATURE, OTHER: SIGNATURE}
    assert combined.inputs[0].sighash_type == 1
    assert combined.outputs[0].fields[b"\xf0"] == b"o"
    assert combined.xpubs == ORIGINAL.xpubs


def test_the_order_of_answers_does_not_matter():
    answers = [FIRST, SECOND, to_version(SECOND, 2), FIRST]
    assert len({combine(ORIGINAL, *order) for order in itertools.permutations(answers)}) == 1


def test_combining_twice_changes_nothing():
    combined = combine(ORIGINAL, FIRST, SECOND)
    assert combine(combined) == combine(combined, FIRST) == combine(combined, combined) == combined


def test_keys_are_sorted():
    for fields in combine(ORIGINAL, SECOND).input_maps:
        assert list(fields) == sorted(fields)


@pytest.mark.parametrize("where", ["global", "input", "output"])
def test_two_values_for_one_key_are_refused(where):
    """A082: never the last, never the first."""
    one, two = psbt(**{where: [(b"\xf0", b"1")]}), psbt(**{where: [(b"\xf0", b"2")]})
    assert combine(one, one) == one
    for first, second in ((one, two), (two, one)):
        with refused("psbt-combine-conflict", VerificationError):
            combine(first, second)
        with refused("psbt-combine-conflict", VerificationError):
            combine(ORIGINAL, first, second)


def change_locktime(raw):
    tx = raw.get(raw.maps[0], b"\x00")
    raw.set(raw.maps[0], b"\x00", tx[:-4] + u32(1))


@pytest.mark.parametrize(
    "other",
    [
        edited(psbts.v0(), change_locktime),
        psbts.v0(inputs=2),
        psbts.v0(outputs=2),
        edited(psbts.v2(), lambda raw: raw.set(raw.output(0), b"\x04", b"\x51")),
        edited(psbts.v2(), lambda raw: raw.set(raw.input(0), b"\x10", u32(0))),
    ],
    ids=["locktime", "inputs", "outputs", "script", "sequence"],
)
def test_another_transaction_is_refused(other):
    with refused("psbt-combine-other-transaction", VerificationError):
        combine(ORIGINAL, FIRST, UntrustedPsbt.parse(other))


def test_modifiable_flags_come_from_the_original_alone():
    """BIP 370 has signers clear them, so an answer may differ there; it may not open the transaction again."""
    open_answer = psbt(2, **{"global": [(b"\x06", b"\x03")], "input": [(b"\x02" + PUBKEY, SIGNATURE)]})
    combined = combine(to_version(ORIGINAL, 2), open_answer)
    assert not combined.modifiable
    assert combined.inputs[0].partial_sigs


def test_bip174_combiner(vectors):
    cases = vector_cases(vectors, 174)
    at = next(
        n
        for n, case in enumerate(cases)
        if case["section"].startswith("Given both of the above PSBTs, a combiner")
    )
    both, expected = (
        [UntrustedPsbt.parse(bytes.fromhex(cases[n]["hex"])) for n in (at - 2, at - 1)],
        cases[at],
    )
    combined = combine(*both)
    # Core sorts signatures by the hash of their key; the fields are the same
    wanted = UntrustedPsbt.parse(bytes.fromhex(expected["hex"]))
    assert (combined.global_map, combined.input_maps, combined.output_maps) == (
        wanted.global_map,
        wanted.input_maps,
        wanted.output_maps,
    )


def test_bip174_combiner_of_unknown_fields(vectors):
    first, second, expected = (bytes.fromhex(case["hex"]) for case in vector_cases(vectors, 174)[-3:])
    assert combine(UntrustedPsbt.parse(first), UntrustedPsbt.parse(second)).raw == expected
    assert combine(UntrustedPsbt.parse(second), UntrustedPsbt.parse(first)).raw == expected


def test_bip174_updater_that_adds_a_sighash_type(vectors):
    cases = vector_cases(vectors, 174)
    at = next(
        n for n, case in enumerate(cases) if case["section"].startswith("An updater which adds SIGHASH_ALL")
    )
    before, after = (UntrustedPsbt.parse(bytes.fromhex(cases[n]["hex"])) for n in (at - 1, at))
    updated = before.with_fields({}, {index: {b"\x03": u32(1)} for index in range(len(before.inputs))})
    assert updated.input_maps == after.input_maps
    assert (updated.global_map, updated.output_maps) == (after.global_map, after.output_maps)
