"""The forms that a wallet can have: `wpkh(KEY)`, and `wsh` of `multi` or `sortedmulti`.

Each is one immutable class under the interface of `ast.py` and knows its own script, its worst-case weight
and its spending plans, so that what is shown, compiled and satisfied comes from one object (A034).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from falconer_shared.bitcoin.script import hash160, multi_script, p2pkh, p2wpkh, p2wsh, sha256
from falconer_shared.descriptor.ast import (
    MAX_SIGNATURE_BYTES,
    PUBKEY_BYTES,
    DescriptorKey,
    InputKind,
    Satisfaction,
    ScriptExpression,
    Scripts,
    SpendingPlan,
)
from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import VerificationError


@dataclass(frozen=True, slots=True)
class Wpkh:
    """`wpkh(KEY)` (BIP 382): pay to the hash of one key, segwit version 0."""

    key: DescriptorKey

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        return (self.key,)

    @property
    def input_kind(self) -> InputKind:
        return InputKind.SEGWIT_V0

    @property
    def threshold(self) -> int:
        return 1

    @property
    def max_satisfaction_weight(self) -> int:
        return _witness_weight((MAX_SIGNATURE_BYTES, PUBKEY_BYTES))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        (pubkey,) = pubkeys
        return Scripts(p2wpkh(hash160(pubkey)), None, None, (pubkey,))

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble((self.key.child(branch, index),))

    def script_code(self, scripts: Scripts) -> bytes:
        # BIP 143: the P2PKH script of the same hash, which stands after the version and its push in the program
        return p2pkh(scripts.script_pubkey[2:])

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:  # noqa: ARG002 - no time lock here
        positions = _choose(1, 1, available)
        return SpendingPlan(positions, self.max_satisfaction_weight, self._fill)

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return itertools.combinations(_positions(1, available), 1)

    def summary(self) -> str:
        return "one key signs (P2WPKH)"

    def text(self) -> str:
        return f"wpkh({self.key.text()})"

    @staticmethod
    def _fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
        return b"", (signatures[0], scripts.pubkeys[0])


@dataclass(frozen=True, slots=True)
class Multi:
    """`multi(k, KEY, ...)` or `sortedmulti(k, KEY, ...)` (BIP 383): any k of the keys. `sorted` orders them
    on every place (BIP 67).
    """

    k: int
    keys: tuple[DescriptorKey, ...]
    sorted: bool

    @property
    def threshold(self) -> int:
        return self.k

    @property
    def max_stack(self) -> tuple[int, ...]:
        # OP_CHECKMULTISIG takes one item more than it needs, which must be empty (BIP 147)
        return (0, *(MAX_SIGNATURE_BYTES,) * self.k)

    @property
    def script_bytes(self) -> int:
        return _number_bytes(self.k) + (1 + PUBKEY_BYTES) * len(self.keys) + _number_bytes(len(self.keys)) + 1

    def compile(self, pubkeys: Sequence[bytes]) -> bytes:
        return multi_script(self.k, [pubkeys[position] for position in self._order(pubkeys)])

    def choose(self, available: Collection[int], locktime: int, sequence: int) -> tuple[int, ...]:  # noqa: ARG002 - no time lock here
        return _choose(self.k, len(self.keys), available)

    def stack(self, signatures: Mapping[int, bytes], pubkeys: Sequence[bytes]) -> tuple[bytes, ...]:
        # OP_CHECKMULTISIG walks keys and signatures once, so signatures must follow the order of the script
        return (b"", *(signatures[position] for position in self._order(pubkeys) if position in signatures))

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return itertools.combinations(_positions(len(self.keys), available), self.k)

    def summary(self) -> str:
        order = "sorted on every address" if self.sorted else "in the order given"
        return f"any {self.k} of {len(self.keys)} keys sign, keys {order}"

    def text(self) -> str:
        name = "sortedmulti" if self.sorted else "multi"
        return f"{name}({','.join([str(self.k), *(key.text() for key in self.keys)])})"

    def _order(self, pubkeys: Sequence[bytes]) -> Sequence[int]:
        positions = range(len(self.keys))
        return sorted(positions, key=pubkeys.__getitem__) if self.sorted else positions


@dataclass(frozen=True, slots=True)
class Wsh:
    """`wsh(SCRIPT)` (BIP 382): pay to the hash of a script, segwit version 0."""

    inner: ScriptExpression

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        return self.inner.keys

    @property
    def input_kind(self) -> InputKind:
        return InputKind.SEGWIT_V0

    @property
    def threshold(self) -> int:
        return self.inner.threshold

    @property
    def max_satisfaction_weight(self) -> int:
        return _witness_weight((*self.inner.max_stack, self.inner.script_bytes))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        witness_script = self.inner.compile(pubkeys)
        return Scripts(p2wsh(sha256(witness_script)), None, witness_script, tuple(pubkeys))

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble([key.child(branch, index) for key in self.keys])

    def script_code(self, scripts: Scripts) -> bytes:
        if scripts.witness_script is None:
            raise ValueError("these scripts are not of a wsh descriptor")
        return scripts.witness_script

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:
        positions = self.inner.choose(available, locktime, sequence)
        return SpendingPlan(positions, self.max_satisfaction_weight, self._fill)

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return self.inner.quorums(available)

    def summary(self) -> str:
        return f"{self.inner.summary()} (P2WSH)"

    def text(self) -> str:
        return f"wsh({self.inner.text()})"

    def _fill(self, signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
        return b"", (*self.inner.stack(signatures, scripts.pubkeys), self.script_code(scripts))


def _witness_weight(items: Sequence[int]) -> int:
    """Weight units that a witness of items of these lengths adds to an empty one, whose count byte is there
    already.
    """
    return len(compact_size(len(items))) - 1 + sum(len(compact_size(size)) + size for size in items)


def _number_bytes(number: int) -> int:
    """Bytes of a small positive number in a script: one opcode up to 16, beyond it a push of one byte."""
    return 1 if number <= 16 else 2


def _positions(count: int, available: Collection[int]) -> list[int]:
    positions = sorted(set(available))
    if positions and not 0 <= positions[0] <= positions[-1] < count:
        raise ValueError(f"key positions run from 0 to {count - 1}")
    return positions


def _choose(k: int, count: int, available: Collection[int]) -> tuple[int, ...]:
    positions = _positions(count, available)
    if len(positions) < k:
        raise VerificationError(
            "quorum-incomplete",
            f"{k} of {count} keys must sign, {len(positions)} can or did",
            needed=k,
            keys=count,
            available=len(positions),
        )
    return tuple(positions[:k])
