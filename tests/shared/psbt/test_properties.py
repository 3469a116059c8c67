"""Properties: parsing and serialising are inverses; whatever the bytes, the answer is the same bytes or a refusal."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.combine import combine
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from tests.support import psbts
from tests.support.rawpsbt import RawPsbt

EXAMPLES = {
    where: [
        (bytes((kind,)) + data, value)
        for (place, kind), (data, value) in sorted(psbts.EXAMPLES.items())
        if place == where and (place, kind) not in psbts.ONLY_V2
    ]
    for where in ("global", "input", "output")
}


@st.composite
def fields(draw, where: str) -> list[tuple[bytes, bytes]]:
    """Some of the known fields and some unknown ones, in any order."""
    known = draw(st.lists(st.sampled_from(EXAMPLES[where]), unique=True, max_size=6))
    unknown = draw(
        st.dictionaries(
            st.binary(max_size=6).map(lambda tail: b"\xf0" + tail), st.binary(max_size=300), max_size=3
        )
    )
    return draw(st.permutations([*known, *unknown.items()]))


@st.composite
def samples(draw) -> bytes:
    make = draw(st.sampled_from([psbts.v0, psbts.v2]))
    raw = RawPsbt(
        make(
            inputs=draw(st.integers(1, 4)),
            outputs=draw(st.integers(1, 4)),
            locktime=draw(st.integers(0, 2**32 - 1)),
            added={"global": draw(fields("global"))},
        )
    )
    for index, entries in enumerate(raw.maps[1:]):
        entries.extend(draw(fields("input" if index < raw.inputs_count else "output")))
    return raw.bytes()


@settings(deadline=None)
@given(samples())
def test_serialising_is_the_inverse_of_parsing(data):
    psbt = UntrustedPsbt.parse(data)
    assert psbt.serialize() == data
    assert from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps).raw == data
    assert UntrustedPsbt.parse(base64.b64encode(data)) == psbt
    maps = RawPsbt(data).maps
    assert [list(each.items()) for each in (psbt.global_map, *psbt.input_maps, *psbt.output_maps)] == maps


@settings(deadline=None)
@given(samples())
def test_the_other_version_holds_the_same(data):
    psbt = UntrustedPsbt.parse(data)
    other = to_version(psbt, 2 - psbt.version)
    assert other.tx == psbt.tx
    back = to_version(other, psbt.version)
    assert [dict(each) for each in (back.global_map, *back.input_maps, *back.output_maps)] == [
        {key: value for key, value in each.items() if (key, value) != (b"\xfb", bytes(4))}
        for each in (psbt.global_map, *psbt.input_maps, *psbt.output_maps)
    ]


@settings(deadline=None)
@given(samples())
def test_combining_is_idempotent(data):
    psbt = UntrustedPsbt.parse(data)
    once = combine(psbt, psbt)
    assert once.input_maps == psbt.input_maps
    assert combine(once, psbt) == combine(psbt, once) == once


def check(data: bytes) -> None:
    """The same bytes back, or a refusal that is typed; nothing else, also when everything in it is read."""
    try:
        psbt = UntrustedPsbt.parse(data)
    except Malformed:
        return
    assert psbt.raw == (data if data.startswith(b"psbt") else base64.b64decode(data))
    assert from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps) == psbt
    for view in psbt.inputs:
        for read in (
            "witness_utxo",
            "partial_sigs",
            "sighash_type",
            "bip32_derivations",
            "final_script_witness",
        ):
            getattr(view, read)
        try:
            previous = view.non_witness_utxo
        except Malformed:
            continue
        assert previous is None or previous.serialize() == view.fields[b"\x00"]
    for out in psbt.outputs:
        assert out.bip32_derivations is not None
    assert isinstance(psbt.xpubs, dict)
    assert psbt.tx.serialize_stripped()


@settings(max_examples=500, deadline=None)
@given(samples(), st.data())
def test_any_mutation_of_a_psbt(data, choice):
    mutated = bytearray(data)
    for _ in range(choice.draw(st.integers(1, 3))):
        at = choice.draw(st.integers(0, len(mutated) - 1))
        act = choice.draw(st.sampled_from(["set", "delete", "insert", "cut", "repeat"]))
        if act == "set":
            mutated[at] = choice.draw(st.integers(0, 255))
        elif act == "delete" and len(mutated) > 1:
            del mutated[at : at + choice.draw(st.integers(1, 9))]
        elif act == "insert":
            mutated[at:at] = choice.draw(st.binary(min_size=1, max_size=9))
        elif act == "repeat":
            mutated[at:at] = mutated[at : at + 40]
        else:
            del mutated[at + 1 :]
        if not mutated:
            break
    check(bytes(mutated))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data):
    check(data)
    check(b"psbt\xff" + data)
    check(b"cHNidP8" + data)
    check(base64.b64encode(b"psbt\xff" + data))
