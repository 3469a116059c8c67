"""Merkle trees as RFC 6962 section 2 defines them (and RFC 9162 section 2.1 spells out), over leaf hashes.

A head (size and root) stands for every record before it; an inclusion proof shows that a record is under a head, a consistency
proof that a later head only added to an earlier one. Leaves and nodes are hashed with different first bytes, so that no node can
pass for a leaf. Functions and one small accumulator, no disk; numbers are counts of leaves, hashes are 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from falconer_shared.errors import AuditError

HASH_SIZE = 32
"""Bytes of SHA-256."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root over no leaves (RFC 6962 section 2.1)."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Accumulator:
    """The root over a growing list of leaves, in memory logarithmic in their number."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._size = 0
        self._peaks: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    @property
    def size(self) -> int:
        """How many leaves were added."""
        return self._size

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        if len(leaf) != HASH_SIZE:
            raise ValueError("a leaf hash has 32 bytes")
        carried = leaf
        # one peak per one-bit of the size: adding a leaf carries like adding one to a binary number
        size = self._size
        while size & 1:
            carried = node_hash(self._peaks.pop(), carried)
            size >>= 1
        self._peaks.append(carried)
        self._size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    return Accumulator(leaves).root()


def _split(size: int) -> int:
    """The largest power of two smaller than `size`, which is at least 2 (RFC 6962 section 2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of leaf `index` (from 0) under the root over all `leaves` (RFC 6962 section 2.1.1)."""
    if not 0 <= index < len(leaves):
        raise ValueError("no such leaf")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
    return tuple(reversed(path))


def consistency_proof(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """The proof that the root over the first `old` leaves grew into the root over all (RFC 6962 section 2.1.2)."""
    if not 0 < old <= len(leaves):
        raise ValueError("an earlier size is 1 to the present one")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    whole = True
    while old < high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
            whole = False
    # the verifier knows the old root; only a part of it must be told
    if not whole:
        path.append(root_of(leaves[low:high]))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Accept only a proof that `leaf` is number `index` (from 0) of the `size` leaves under `root` (RFC 9162 section 2.1.3.2).

    Raises:
        AuditError: `audit-inclusion-unproven`.
    """
    if not 0 <= index < size:
        raise AuditError("audit-inclusion-unproven", f"there is no record {index} among {size}")
    _check_hashes("audit-inclusion-unproven", (leaf, root, *proof))
    position, last = index, size - 1
    computed = leaf
    for step in proof:
        if last == 0:
            raise AuditError("audit-inclusion-unproven", "the proof is longer than the tree is high")
        if position & 1 or position == last:
            computed = node_hash(step, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, step)
        position, last = position >> 1, last >> 1
    if last != 0 or computed != root:
        raise AuditError(
            "audit-inclusion-unproven", f"the proof does not lead from record {index} to the root"
        )


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Accept only a proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 section 2.1.4.2).

    Raises:
        AuditError: `audit-consistency-unproven`.
    """
    _check_hashes("audit-consistency-unproven", (old_root, new_root, *proof))
    if not 0 < old <= new:
        # everything begins with the empty tree: a proof from it says nothing, so it is no proof
        raise AuditError(
            "audit-consistency-unproven", f"a log of {new} records cannot be shown to continue one of {old}"
        )
    if old == new:
        if proof or old_root != new_root:
            raise AuditError(
                "audit-consistency-unproven",
                f"two heads over {old} records differ, or a proof stands where none is due",
            )
        return
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    # where the old tree is a whole subtree of the new one, its root is known and left out of the proof
    path = list(proof) if position else [old_root, *proof]
    if not path:
        raise AuditError("audit-consistency-unproven", "the proof is empty")
    old_computed = new_computed = path[0]
    for step in path[1:]:
        if last == 0:
            raise AuditError("audit-consistency-unproven", "the proof is longer than the tree is high")
        if position & 1 or position == last:
            old_computed = node_hash(step, old_computed)
            new_computed = node_hash(step, new_computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_computed = node_hash(new_computed, step)
        position, last = position >> 1, last >> 1
    if last != 0 or old_computed != old_root or new_computed != new_root:
        raise AuditError(
            "audit-consistency-unproven", f"the log of {new} records does not begin with the one of {old}"
        )


def _check_hashes(rule: str, hashes: Iterable[bytes]) -> None:
    for item in hashes:
        if len(item) != HASH_SIZE:
            raise AuditError(rule, f"a hash of {len(item)} bytes where {HASH_SIZE} are due")
