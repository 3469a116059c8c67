"""Scripts: templates, what a script is, dust."""

from __future__ import annotations

import hashlib
import json

import pytest
import wallycore
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.script import (
    MAX_SCRIPT_SIZE,
    ScriptType,
    classify,
    double_sha256,
    dust_limit,
    hash160,
    multi_script,
    p2pkh,
    p2sh,
    p2tr,
    p2wpkh,
    p2wsh,
    push,
    read_pushes,
    sha256,
    witness_program,
)
from falconer_shared.errors import Malformed
from tests.support.refusal import outcome, refused

KEYS = [bytes((2 + i % 2,)) + hashlib.sha256(bytes((i,))).digest() for i in range(21)]
H20, H32 = bytes(range(20)), bytes(range(32))

TEMPLATES = {
    ScriptType.P2PKH: p2pkh(H20),
    ScriptType.P2SH: p2sh(H20),
    ScriptType.P2WPKH: p2wpkh(H20),
    ScriptType.P2WSH: p2wsh(H32),
    ScriptType.P2TR: p2tr(H32),
    ScriptType.OP_RETURN: b"\x6a" + push(b"data"),
    ScriptType.WITNESS_UNKNOWN: b"\x51\x02\x4e\x73",
    ScriptType.P2PK: push(KEYS[0]) + b"\xac",
    ScriptType.BARE_MULTISIG: multi_script(1, KEYS[:3]),
    ScriptType.UNKNOWN: b"\x51",
}


def test_every_type_is_recognised():
    assert set(TEMPLATES) == set(ScriptType)
    assert {kind: classify(script) for kind, script in TEMPLATES.items()} == {
        kind: kind for kind in ScriptType
    }


@pytest.mark.parametrize(
    "kind", [k for k in TEMPLATES if k not in {ScriptType.OP_RETURN, ScriptType.UNKNOWN}]
)
def test_one_byte_more_or_less_is_another_script(kind):
    script = TEMPLATES[kind]
    for other in (script + b"\x51", script + b"\x00", script[:-1], script[1:], b"\x61" + script):
        assert classify(other) is not kind


WALLY_TYPES = {
    wallycore.WALLY_SCRIPT_TYPE_P2PKH: ScriptType.P2PKH,
    wallycore.WALLY_SCRIPT_TYPE_P2SH: ScriptType.P2SH,
    wallycore.WALLY_SCRIPT_TYPE_P2WPKH: ScriptType.P2WPKH,
    wallycore.WALLY_SCRIPT_TYPE_P2WSH: ScriptType.P2WSH,
    wallycore.WALLY_SCRIPT_TYPE_P2TR: ScriptType.P2TR,
}


@given(st.data())
def test_wallycore_recognises_the_same_templates(data):
    script = bytearray(data.draw(st.sampled_from(list(TEMPLATES.values()))))
    for _ in range(data.draw(st.integers(0, 2))):
        script[data.draw(st.integers(0, len(script) - 1))] = data.draw(st.integers(0, 255))
    ours = classify(bytes(script))
    theirs = WALLY_TYPES.get(wallycore.scriptpubkey_get_type(bytes(script)))
    assert theirs == (ours if ours in WALLY_TYPES.values() else None)


@given(st.binary(max_size=120))
def test_any_bytes_have_a_type(script):
    assert classify(script) in ScriptType
    assert 0 <= dust_limit(script)


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("0014" + "00" * 20, (0, bytes(20))),
        ("5102" + "0000", (1, bytes(2))),
        ("6028" + "00" * 40, (16, bytes(40))),
        ("0002" + "0000", (0, bytes(2))),
        ("5101" + "00", None),  # too short
        ("5129" + "00" * 41, None),  # too long
        ("4f14" + "00" * 20, None),  # OP_1NEGATE is no version
        ("6114" + "00" * 20, None),  # OP_NOP is no version
        ("510200", None),
        ("51020000" + "00", None),
        ("514c020000", None),  # not a direct push
        ("", None),
    ],
)
def test_witness_programs(script, program):
    assert witness_program(bytes.fromhex(script)) == program


@pytest.mark.parametrize("size", [2, 19, 21, 31, 33, 40])
def test_version_0_of_another_length_is_nothing_that_could_be_spent(size):
    assert classify(bytes((0, size)) + bytes(size)) is ScriptType.UNKNOWN


def test_bare_multisig_needs_keys_and_true_numbers():
    good = multi_script(2, KEYS[:3])
    assert classify(good) is ScriptType.BARE_MULTISIG
    assert classify(multi_script(16, KEYS[:16])) is ScriptType.BARE_MULTISIG
    for bad in (
        b"\x54" + good[1:],
        good[:-2] + b"\x54\xae",
        good[:-2] + b"\x52\xae",
        good.replace(KEYS[1], bytes(33)),
    ):
        assert classify(bad) is ScriptType.UNKNOWN
    # 17 keys need a pushed number, which Bitcoin Core calls nonstandard outside a witness script
    assert classify(multi_script(1, KEYS[:17])) is ScriptType.UNKNOWN
    assert classify(b"\x51\x51\xae") is ScriptType.UNKNOWN


def test_multisig_against_bip67(vectors):
    cases = json.loads((vectors / "vectors/json/bip67.json").read_text())
    for case in cases:
        keys = sorted(bytes.fromhex(key) for key in case["list"])
        assert [key.hex() for key in keys] == case["sorted"]
        assert multi_script(2, keys).hex() == case["script"][0]
    assert len(cases) == 4


@pytest.mark.parametrize(
    ("k", "n", "head", "tail"), [(1, 1, "51", "51"), (16, 16, "60", "60"), (17, 20, "0111", "0114")]
)
def test_multisig_numbers(k, n, head, tail):
    script = multi_script(k, KEYS[:n]).hex()
    assert script == head + "".join("21" + key.hex() for key in KEYS[:n]) + tail + "ae"


@pytest.mark.parametrize(("k", "n"), [(0, 1), (2, 1), (1, 0), (0, 0), (1, 21), (-1, 2)])
def test_impossible_multisigs_are_a_programmers_mistake(k, n):
    with pytest.raises(ValueError, match="multisig"):
        multi_script(k, KEYS[:n])


def test_builders_demand_exact_sizes():
    for build, size in ((p2pkh, 20), (p2sh, 20), (p2wpkh, 20), (p2wsh, 32), (p2tr, 32)):
        for wrong in (size - 1, size + 1, 0):
            with pytest.raises(ValueError, match="bytes expected"):
                build(bytes(wrong))
    with pytest.raises(ValueError, match="bytes expected"):
        multi_script(1, [bytes(65)])


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "00"), (75, "4b"), (76, "4c4c"), (255, "4cff"), (256, "4d0001"), (65536, "4e00000100")],
)
def test_pushes_are_the_shortest(size, head):
    assert push(bytes(size)) == bytes.fromhex(head) + bytes(size)


@pytest.mark.parametrize(
    ("script", "limit"),
    # Bitcoin Core's src/policy/policy.cpp spells out 546, 294; the rest follows from its formula
    [
        (p2pkh(H20), 546),
        (p2sh(H20), 540),
        (p2wpkh(H20), 294),
        (p2wsh(H32), 330),
        (p2tr(H32), 330),
        (b"\x51\x02\x4e\x73", 240),
        (push(KEYS[0]) + b"\xac", 576),
        (b"\x6a", 0),
        (b"", 471),
        (bytes(253), 3 * (8 + 3 + 253 + 148)),
        (bytes(MAX_SCRIPT_SIZE), 3 * (8 + 3 + MAX_SCRIPT_SIZE + 148)),
        (bytes(MAX_SCRIPT_SIZE + 1), 0),
    ],
)
def test_dust(script, limit):
    assert dust_limit(script) == limit


@given(st.binary(max_size=200))
def test_hashes_agree_with_wallycore(data):
    assert sha256(data) == wallycore.sha256(data)
    assert double_sha256(data) == wallycore.sha256d(data)
    assert hash160(data) == wallycore.hash160(data)


ITEMS = st.lists(st.binary(min_size=2, max_size=600) | st.just(b""), max_size=6)


@given(ITEMS)
def test_pushes_are_read_as_they_were_written(items):
    assert read_pushes(b"".join(push(item) for item in items)) == tuple(items)


@given(st.binary(max_size=80))
def test_whatever_is_read_has_one_spelling(script):
    items, rule = outcome(lambda: read_pushes(script))
    if rule is None:
        assert b"".join(push(item) for item in items) == script
    else:
        assert rule == "script-not-pushes"


@pytest.mark.parametrize(
    "script",
    ["02aabb", "00", "", "4b" + "aa" * 75, "4c4c" + "aa" * 76, "4cff" + "aa" * 255, "4d0001" + "aa" * 256],
)
def test_the_shortest_pushes(script):
    read_pushes(bytes.fromhex(script))


@pytest.mark.parametrize(
    "script",
    [
        *("01aa", "0101", "0110", "0181"),  # one byte: OP_1, OP_16 and OP_1NEGATE say three of them
        *(
            "4c00",
            "4c02aabb",
            "4c4b" + "aa" * 75,
            "4d4c00" + "aa" * 76,
            "4dff00" + "aa" * 255,
        ),  # longer than needed
        *("4e00010000" + "aa" * 256, "4e"),  # nothing that can be pushed needs four bytes of length
        *("02aa", "4c", "4c4c", "4d00", "4d0001aa"),  # cut short
        *("51", "4f", "60", "61", "ac", "02aabb75"),  # no push of bytes
    ],
)
def test_other_scripts_are_no_pushes(script):
    with refused("script-not-pushes", Malformed):
        read_pushes(bytes.fromhex(script))
