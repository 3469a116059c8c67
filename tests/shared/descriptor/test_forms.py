"""Scripts, spending plans and weights of the two forms."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from pathlib import Path

import bdkpython as bdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.script import hash160, p2pkh
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import MAX_SIGNATURE_BYTES, InputKind, Scripts, worst_case_weight
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.forms import Multi, Wpkh, Wsh
from falconer_shared.errors import VerificationError
from falconer_shared.units import Amount
from tests.support.descriptors import keys


def wsh(k: int, n: int, *, in_order: bool = True) -> Wsh:
    return Wsh(Multi(k, keys(n), in_order))


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


def test_wsh_refuses_the_scripts_of_another_form() -> None:
    with pytest.raises(ValueError, match="not of a wsh"):
        wsh(1, 2).script_code(Wpkh(keys(1)[0]).script(0, 0))


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


@pytest.mark.parametrize("node", [Wpkh(keys(1)[0]), wsh(2, 3), wsh(20, 20)])
def test_a_plan_needs_enough_keys(node: Wpkh | Wsh) -> None:
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
    "node",
    [
        Wpkh(keys(1)[0]),
        wsh(1, 1),
        wsh(2, 3),
        wsh(3, 5),
        wsh(15, 16),
        wsh(17, 20),
        wsh(20, 20),
        wsh(1, 7),
        wsh(1, 8),
    ],
)
def test_the_worst_case_weight_is_the_weight_with_the_longest_signatures(
    node: Wpkh | Wsh, input_count: int
) -> None:
    places = [node.script(0, index) for index in range(input_count)]
    plan = node.plan(range(len(node.keys)), 0, 0)

    def signed(size: int) -> Transaction:
        return transaction(
            places,
            [
                plan.satisfy({key: signature(key, size) for key in scripts.pubkeys}, scripts)
                for scripts in places
            ],
        )

    longest = signed(MAX_SIGNATURE_BYTES)
    worst = worst_case_weight(node, len(longest.serialize_stripped()), input_count)
    assert worst == longest.weight()
    assert signed(MAX_SIGNATURE_BYTES - 1).weight() == worst - input_count * node.threshold
    assert plan.weight == node.max_satisfaction_weight


@pytest.mark.parametrize(
    "node", [Wpkh(keys(1)[0]), wsh(1, 1), wsh(2, 3), wsh(5, 7), wsh(15, 16), wsh(20, 20)]
)
def test_rust_miniscript_counts_the_same_weight(node: Wpkh | Wsh) -> None:
    theirs = bdk.Descriptor(with_checksum(node.text()), bdk.NetworkKind.TEST).max_weight_to_satisfy()
    assert theirs == node.max_satisfaction_weight
