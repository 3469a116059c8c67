"""Scripts, spending plans and weights of every form."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from pathlib import Path

import bdkpython as bdk
import pytest
from embit.ec import PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.script import hash160, p2pkh, p2sh, read_pushes
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import (
    MAX_SCHNORR_BYTES,
    MAX_SIGNATURE_BYTES,
    InputKind,
    Node,
    Scripts,
    worst_case_weight,
)
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Pkh, Sh, Tr, Wpkh, Wsh
from falconer_shared.errors import VerificationError
from falconer_shared.units import Amount
from tests.support.descriptors import keys


def wsh(k: int, n: int, *, in_order: bool = True) -> Wsh:
    return Wsh(Multi(k, keys(n), in_order))


def sh(k: int, n: int, *, in_order: bool = True) -> Sh:
    return Sh(Multi(k, keys(n), in_order))


KEY = keys(1)[0]
EVERY_FORM = [
    Pkh(KEY), Wpkh(KEY), Tr(KEY), NestedSegwit(Wpkh(KEY)), sh(1, 1), sh(2, 3), sh(2, 3, in_order=False), sh(1, 15), sh(15, 15),
    NestedSegwit(wsh(2, 3)), NestedSegwit(wsh(20, 20)), NestedSegwit(wsh(1, 7, in_order=False)), wsh(1, 1), wsh(2, 3), wsh(3, 5),
    wsh(15, 16), wsh(17, 20), wsh(20, 20), wsh(1, 7), wsh(1, 8),
]  # fmt: skip
"""Every form; with sizes on both sides of the bounds of pushes (75, 255) and lengths (252)."""


def signature(pubkey: bytes, size: int = MAX_SIGNATURE_BYTES) -> bytes:
    """Bytes of a signature's length, different for every key: plans only arrange them."""
    return (pubkey[-8:] * 9)[:size]


def test_wpkh_scripts() -> None:
    node = Wpkh(keys(1)[0])
    scripts = node.script(1, 7)
    pubkey = node.key.child(1, 7)
    assert scripts == Scripts(b"\0\x14" + hash160(pubkey), None, None, (pubkey,))
    assert node.script_code(scripts) == p2pkh(hash160(pubkey))
    assert node.input_kind is InputKind.SEGWIT_V0
    assert node.assemble([pubkey]) == scripts


def test_wsh_scripts() -> None:
    node = wsh(2, 3, in_order=False)
    scripts = node.script(0, 0)
    pubkeys = [key.child(0, 0) for key in node.keys]
    witness_script = b"\x52" + b"".join(b"\x21" + pubkey for pubkey in pubkeys) + b"\x53\xae"
    assert scripts == Scripts(
        b"\0\x20" + hashlib.sha256(witness_script).digest(), None, witness_script, tuple(pubkeys)
    )
    assert node.script_code(scripts) == witness_script


def test_pkh_scripts() -> None:
    node = Pkh(KEY)
    scripts = node.script(1, 7)
    pubkey = KEY.child(1, 7)
    assert scripts == Scripts(p2pkh(hash160(pubkey)), None, None, (pubkey,))
    assert node.script_code(scripts) == scripts.script_pubkey
    assert scripts.signing_keys == (pubkey,)


def test_tr_scripts() -> None:
    node = Tr(KEY)
    scripts = node.script(0, 3)
    pubkey = KEY.child(0, 3)
    theirs = bytes(PublicKey.parse(pubkey).taproot_tweak(b"").xonly())
    assert scripts == Scripts(b"\x51\x20" + theirs, None, None, (pubkey,), pubkey[1:])
    assert scripts.signing_keys == (theirs,)
    with pytest.raises(ValueError, match="no script code"):
        node.script_code(scripts)


def test_tr_does_not_care_which_of_two_points_was_derived() -> None:
    pubkey = KEY.child(0, 3)
    other = bytes([pubkey[0] ^ 1]) + pubkey[1:]
    assert Tr(KEY).assemble([pubkey]).script_pubkey == Tr(KEY).assemble([other]).script_pubkey


def test_sh_scripts() -> None:
    node = sh(2, 3, in_order=False)
    scripts = node.script(0, 0)
    redeem_script = wsh(2, 3, in_order=False).script(0, 0).witness_script
    assert scripts == Scripts(p2sh(hash160(redeem_script or b"")), redeem_script, None, scripts.pubkeys)
    assert node.script_code(scripts) == redeem_script


@pytest.mark.parametrize("inner", [Wpkh(KEY), wsh(2, 3)])
def test_nested_scripts(inner: Wpkh | Wsh) -> None:
    native, scripts = inner.script(1, 2), NestedSegwit(inner).script(1, 2)
    assert scripts == Scripts(
        p2sh(hash160(native.script_pubkey)), native.script_pubkey, native.witness_script, native.pubkeys
    )
    # BIP 143: the digest is that of the native form
    assert NestedSegwit(inner).script_code(scripts) == inner.script_code(native)
    assert NestedSegwit(inner).input_kind is InputKind.SEGWIT_V0


@pytest.mark.parametrize("node", [wsh(1, 2), sh(1, 2)])
def test_the_scripts_of_another_form_are_refused(node: Wsh | Sh) -> None:
    with pytest.raises(ValueError, match=r"not of a w?sh descriptor"):
        node.script_code(Wpkh(KEY).script(0, 0))


def test_pubkeys_keep_the_order_of_the_descriptor_whatever_the_script_does() -> None:
    sorted_node, plain_node = wsh(2, 5), wsh(2, 5, in_order=False)
    differs = False
    for index in range(10):
        ordered, plain = sorted_node.script(0, index), plain_node.script(0, index)
        assert ordered.pubkeys == plain.pubkeys
        assert sorted_node.assemble(sorted(plain.pubkeys)).witness_script == ordered.witness_script
        differs |= ordered.witness_script != plain.witness_script
    assert differs


def test_bip67_vectors(vectors: Path) -> None:
    cases = json.loads((vectors / "vectors/json/bip67.json").read_text())
    assert len(cases) >= 4
    for case in cases:
        pubkeys = [bytes.fromhex(text) for text in case["list"]]
        script = Multi(2, keys(len(pubkeys)), sorted=True).compile(pubkeys)
        assert [script.hex()] == case["script"]
        for shuffled in itertools.islice(itertools.permutations(pubkeys), 24):
            assert Multi(2, keys(len(pubkeys)), sorted=True).compile(shuffled) == script


# plans ------------------------------------------------------------------------------------------------


def test_a_wpkh_witness() -> None:
    node = Wpkh(keys(1)[0])
    scripts = node.script(0, 0)
    (pubkey,) = scripts.pubkeys
    plan = node.plan([0], 0, 0xFFFFFFFD)
    assert plan.positions == (0,)
    assert plan.satisfy({pubkey: b"sig"}, scripts) == (b"", (b"sig", pubkey))


def test_a_pkh_script_sig() -> None:
    scripts = Pkh(KEY).script(0, 0)
    (pubkey,) = scripts.pubkeys
    plan = Pkh(KEY).plan([0], 0, 0xFFFFFFFD)
    assert plan.satisfy({pubkey: b"sig"}, scripts) == (b"\x03sig\x21" + pubkey, ())


def test_a_tr_witness_is_the_signature_of_the_output_key() -> None:
    scripts = Tr(KEY).script(0, 0)
    plan = Tr(KEY).plan([0], 0, 0xFFFFFFFD)
    assert plan.satisfy({scripts.script_pubkey[2:]: b"sig"}, scripts) == (b"", (b"sig",))
    with pytest.raises(VerificationError) as caught:
        plan.satisfy({scripts.pubkeys[0]: b"sig", scripts.internal_key or b"": b"sig"}, scripts)
    assert caught.value.rule == "signature-missing"


def test_an_sh_script_sig() -> None:
    node = sh(2, 3)
    scripts = node.script(0, 0)
    script_sig, witness = node.plan([0, 2], 0, 0).satisfy(
        {pubkey: signature(pubkey, 71) for pubkey in scripts.pubkeys}, scripts
    )
    dummy, *signatures, redeem_script = read_pushes(script_sig)
    assert (dummy, redeem_script, witness) == (b"", scripts.redeem_script, ())
    in_script = sorted((scripts.pubkeys[0], scripts.pubkeys[2]))
    assert signatures == [signature(pubkey, 71) for pubkey in in_script]


@pytest.mark.parametrize("inner", [Wpkh(KEY), wsh(2, 3)])
def test_a_nested_witness_is_the_native_one(inner: Wpkh | Wsh) -> None:
    native, scripts = inner.script(0, 0), NestedSegwit(inner).script(0, 0)
    signatures = {pubkey: signature(pubkey) for pubkey in native.pubkeys}
    everybody = range(len(inner.keys))
    script_sig, witness = NestedSegwit(inner).plan(everybody, 0, 0).satisfy(signatures, scripts)
    assert read_pushes(script_sig) == (native.script_pubkey,)
    assert witness == inner.plan(everybody, 0, 0).satisfy(signatures, native)[1]


@pytest.mark.parametrize("node", EVERY_FORM)
def test_a_plan_needs_enough_keys(node: Node) -> None:
    enough = range(node.threshold)
    assert node.plan(enough, 0, 0).positions == tuple(enough)
    with pytest.raises(VerificationError) as caught:
        node.plan(enough[:-1], 0, 0)
    assert caught.value.rule == "quorum-incomplete"
    # the same key named twice is one key
    with pytest.raises(VerificationError):
        node.plan([*enough[:-1], *enough[:-1]], 0, 0)


@pytest.mark.parametrize("positions", [[0, 1, 3], [-1, 0], [3]])
def test_positions_outside_the_descriptor_are_a_mistake_of_the_caller(positions: list[int]) -> None:
    with pytest.raises(ValueError, match="run from 0 to 2"):
        wsh(1, 3).plan(positions, 0, 0)
    with pytest.raises(ValueError, match="run from 0 to 2"):
        list(wsh(1, 3).quorums(positions))


@settings(deadline=None)
@given(st.integers(1, 20), st.booleans(), st.integers(0, 1), st.integers(0, 1000), st.data())
def test_signatures_stand_in_the_order_of_the_script(
    n: int, in_order: bool, branch: int, index: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, n))
    available = data.draw(st.lists(st.integers(0, n - 1), min_size=k, max_size=n, unique=True))
    node = wsh(k, n, in_order=in_order)
    scripts = node.script(branch, index)
    plan = node.plan(available, 0, 0)
    # more signatures than needed, in any order: those of the plan are used, each exactly once
    signatures = {scripts.pubkeys[position]: signature(scripts.pubkeys[position]) for position in available}
    script_sig, (dummy, *given_signatures, witness_script) = plan.satisfy(signatures, scripts)
    assert (script_sig, dummy, witness_script) == (b"", b"", scripts.witness_script)
    assert len(given_signatures) == k == len(plan.positions)
    assert set(plan.positions) <= set(available)
    in_script = sorted(
        (scripts.pubkeys[position] for position in plan.positions), key=(scripts.witness_script or b"").index
    )
    assert given_signatures == [signature(pubkey) for pubkey in in_script]


def test_a_plan_says_which_signature_is_missing() -> None:
    node = wsh(2, 3)
    scripts = node.script(0, 0)
    plan = node.plan([0, 2], 0, 0)
    signatures = {pubkey: signature(pubkey) for pubkey in scripts.pubkeys[:2]}
    with pytest.raises(VerificationError) as caught:
        plan.satisfy(signatures, scripts)
    assert (caught.value.rule, caught.value.details) == ("signature-missing", {"key": 3})
    signatures[scripts.pubkeys[2]] = signature(scripts.pubkeys[2])
    plan.satisfy(signatures, scripts)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 3), (3, 3), (3, 5), (5, 9)])
def test_quorums_are_all_and_only_the_minimal_sets(k: int, n: int) -> None:
    node = wsh(k, n)
    found = list(node.quorums(range(n)))
    assert len(found) == len(set(found)) == math.comb(n, k)
    assert all(node.plan(quorum, 0, 0).positions == quorum for quorum in found)
    assert list(node.quorums(range(k - 1))) == []


# weight -----------------------------------------------------------------------------------------------


def transaction(scripts: list[Scripts], satisfied: list[tuple[bytes, tuple[bytes, ...]]]) -> Transaction:
    inputs = tuple(
        TxInput(OutPoint(bytes([number + 1]) * 32, number), script_sig, 0xFFFFFFFD, witness)
        for number, (script_sig, witness) in enumerate(satisfied)
    )
    return Transaction(2, inputs, (TxOutput(Amount(1000), scripts[0].script_pubkey),), 0)


@pytest.mark.parametrize("input_count", [1, 2, 5])
@pytest.mark.parametrize(
    "node", EVERY_FORM, ids=lambda node: f"{node.text().partition('[')[0]}{len(node.keys)}"
)
def test_the_worst_case_weight_is_the_weight_with_the_longest_signatures(
    node: Node, input_count: int
) -> None:
    most = MAX_SCHNORR_BYTES if node.input_kind is InputKind.TAPROOT else MAX_SIGNATURE_BYTES
    places = [node.script(0, index) for index in range(input_count)]
    plan = node.plan(range(len(node.keys)), 0, 0)

    def signed(size: int) -> Transaction:
        return transaction(
            places,
            [
                plan.satisfy({key: signature(key, size) for key in scripts.signing_keys}, scripts)
                for scripts in places
            ],
        )

    longest = signed(most)
    bare = transaction(places, [(b"", ()) for _ in places])
    worst = worst_case_weight(node, len(bare.serialize_stripped()), input_count)
    assert worst == longest.weight()
    byte = 4 if node.input_kind is InputKind.LEGACY else 1
    saved = worst - signed(most - 1).weight() - input_count * node.threshold * byte
    # a shorter scriptSig may also take a shorter length before it
    assert saved in {0, input_count * 2 * 4} if byte == 4 else saved == 0
    assert plan.weight == node.max_satisfaction_weight


@pytest.mark.parametrize(
    "node", EVERY_FORM, ids=lambda node: f"{node.text().partition('[')[0]}{len(node.keys)}"
)
def test_rust_miniscript_counts_the_same_weight(node: Node) -> None:
    theirs = bdk.Descriptor(with_checksum(node.text()), bdk.NetworkKind.TEST).max_weight_to_satisfy()
    assert theirs == node.max_satisfaction_weight
