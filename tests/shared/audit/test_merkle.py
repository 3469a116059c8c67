"""RFC 6962 trees: the vectors of another implementation, and a model that follows the RFC's recursive definition."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.audit.merkle import (
    EMPTY_ROOT,
    Accumulator,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from falconer_shared.errors import AuditError


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


STRICTER = "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"
"""The one valid vector whose roots are not hashes but the words "don't care": what is no hash is no root here."""


def _decode(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _cases(vectors: Path, kind: str) -> list[dict[str, Any]]:
    document = json.loads((vectors / "vectors/json/merkle_rfc6962_vectors.json").read_text())
    cases = [case for case in document if case["path"].startswith(kind + "/")]
    assert len(cases) > 50
    return cases


def test_inclusion_vectors(vectors: Path):
    outcomes = {True: 0, False: 0}
    for case in _cases(vectors, "inclusion"):
        data = case["data"]
        arguments = (
            _decode(data["leafHash"]),
            data["leafIdx"],
            data["treeSize"],
            [_decode(step) for step in data["proof"] or ()],
            _decode(data["root"]),
        )
        outcomes[data["wantErr"]] += 1
        if data["wantErr"]:
            with pytest.raises(AuditError) as caught:
                verify_inclusion(*arguments)
            assert caught.value.rule == "audit-inclusion-unproven", case["path"]
        else:
            verify_inclusion(*arguments)
    assert all(outcomes.values())


def test_consistency_vectors(vectors: Path):
    outcomes = {True: 0, False: 0}
    for case in _cases(vectors, "consistency"):
        data = case["data"]
        arguments = (
            data["size1"],
            data["size2"],
            _decode(data["root1"]),
            _decode(data["root2"]),
            [_decode(step) for step in data["proof"] or ()],
        )
        wrong = data["wantErr"] or case["path"] == STRICTER
        outcomes[wrong] += 1
        if wrong:
            with pytest.raises(AuditError) as caught:
                verify_consistency(*arguments)
            assert caught.value.rule == "audit-consistency-unproven", case["path"]
        else:
            verify_consistency(*arguments)
    assert all(outcomes.values())


def test_leaves_and_nodes_are_kept_apart():
    left, right = leaves_of(2)
    assert root_of([left, right]) == node_hash(left, right)
    assert leaf_hash(left + right) != node_hash(left, right)
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(ValueError, match="32 bytes"):
        Accumulator([b"short"])


@pytest.mark.parametrize("size", range(34))
def test_growing_roots_are_those_of_the_definition(size: int):
    leaves = leaves_of(size)
    grown = Accumulator(leaves)
    assert grown.root() == by_definition(leaves) == root_of(leaves)
    assert grown.size == size


@given(st.integers(1, 70), st.data())
def test_proofs_hold_for_what_they_prove_and_for_nothing_else(size: int, data: st.DataObject):
    leaves = leaves_of(size)
    root = by_definition(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    verify_inclusion(leaves[index], index, size, proof, root)
    other = data.draw(st.integers(0, size).filter(lambda number: number != index))
    for wrong in (
        (leaf_hash(b"other"), index, size, proof, root),
        (leaves[index], other, size, proof, root),
        (leaves[index], index, size, (*proof, root), root),
        (leaves[index], index, size, proof, leaf_hash(b"other root")),
        *([(leaves[index], index, size, proof[:-1], root)] if proof else []),
    ):
        with pytest.raises(AuditError):
            verify_inclusion(*wrong)


@given(st.integers(1, 70), st.data())
def test_a_log_grows_and_does_nothing_else(size: int, data: st.DataObject):
    leaves = leaves_of(size)
    old = data.draw(st.integers(1, size))
    old_root, root = by_definition(leaves[:old]), by_definition(leaves)
    proof = consistency_proof(leaves, old)
    verify_consistency(old, size, old_root, root, proof)
    rewritten = by_definition([leaf_hash(b"rewritten"), *leaves[1:]])
    for wrong in (
        (old, size, leaf_hash(b"other"), root, proof),
        (old, size, old_root, rewritten, proof),
        (old, size, old_root, root, (*proof, root)),
        (size + 1, size, old_root, root, proof),
        (0, size, EMPTY_ROOT, root, ()),
        *([(old, size, old_root, root, proof[1:])] if proof else []),
    ):
        with pytest.raises(AuditError):
            verify_consistency(*wrong)


def test_a_proof_is_asked_for_what_is_there():
    leaves = leaves_of(3)
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(leaves, 3)
    with pytest.raises(ValueError, match="earlier size"):
        consistency_proof(leaves, 0)
    with pytest.raises(AuditError):
        verify_inclusion(b"short", 0, 1, (), leaves[0])
