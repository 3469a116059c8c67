"""The forms that hold others: `multi` and `sortedmulti`, `wsh(SCRIPT)`, and `sh(...)` in its two kinds.

Each is one immutable class under the interface of `ast.py` and knows its own script, its worst-case weight and its
spending plans, so that what is shown, compiled and satisfied comes from one object (A034). The forms of one key are in
`single.py` and can be had from here too.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from falconer_shared.bitcoin.script import hash160, multi_script, p2sh, p2wsh, push, sha256
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
from falconer_shared.descriptor.counting import (
    choose,
    number_bytes,
    positions_of,
    script_sig_weight,
    witness_weight,
)
from falconer_shared.descriptor.single import Pkh, Tr, Wpkh

P2WPKH_BYTES = 22
P2WSH_BYTES = 34
"""Bytes of the output scripts of witness version 0 (BIP 141)."""

__all__ = ["Multi", "NestedSegwit", "Pkh", "Sh", "Tr", "Wpkh", "Wsh"]


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
        return number_bytes(self.k) + (1 + PUBKEY_BYTES) * len(self.keys) + number_bytes(len(self.keys)) + 1

    def compile(self, pubkeys: Sequence[bytes]) -> bytes:
        return multi_script(self.k, [pubkeys[position] for position in self._order(pubkeys)])

    def choose(self, available: Collection[int], locktime: int, sequence: int) -> tuple[int, ...]:  # noqa: ARG002 - no time lock here
        return choose(self.k, len(self.keys), available)

    def stack(self, signatures: Mapping[int, bytes], pubkeys: Sequence[bytes]) -> tuple[bytes, ...]:
        # OP_CHECKMULTISIG walks keys and signatures once, so signatures must follow the order of the script
        return (b"", *(signatures[position] for position in self._order(pubkeys) if position in signatures))

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return itertools.combinations(positions_of(len(self.keys), available), self.k)

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
        return witness_weight((*self.inner.max_stack, self.inner.script_bytes))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        witness_script = self.inner.compile(pubkeys)
        return Scripts(p2wsh(sha256(witness_script)), None, witness_script, tuple(pubkeys))

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble([key.child(branch, index) for key in self.keys])

    def script_code(self, scripts: Scripts) -> bytes:
        return _required(scripts.witness_script, "wsh")

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


@dataclass(frozen=True, slots=True)
class Sh:
    """`sh(SCRIPT)` (BIP 381, BIP 16): pay to the hash of a script, which is signed with the original digest."""

    inner: ScriptExpression

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        return self.inner.keys

    @property
    def input_kind(self) -> InputKind:
        return InputKind.LEGACY

    @property
    def threshold(self) -> int:
        return self.inner.threshold

    @property
    def max_satisfaction_weight(self) -> int:
        return script_sig_weight((*self.inner.max_stack, self.inner.script_bytes))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        redeem_script = self.inner.compile(pubkeys)
        return Scripts(p2sh(hash160(redeem_script)), redeem_script, None, tuple(pubkeys))

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble([key.child(branch, index) for key in self.keys])

    def script_code(self, scripts: Scripts) -> bytes:
        return _required(scripts.redeem_script, "sh")

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:
        positions = self.inner.choose(available, locktime, sequence)
        return SpendingPlan(positions, self.max_satisfaction_weight, self._fill)

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return self.inner.quorums(available)

    def summary(self) -> str:
        return f"{self.inner.summary()} (P2SH)"

    def text(self) -> str:
        return f"sh({self.inner.text()})"

    def _fill(self, signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
        items = (*self.inner.stack(signatures, scripts.pubkeys), self.script_code(scripts))
        return b"".join([push(item) for item in items]), ()


@dataclass(frozen=True, slots=True)
class NestedSegwit:
    """`sh(wpkh(KEY))` or `sh(wsh(SCRIPT))` (BIP 141, P2SH-P2WPKH and P2SH-P2WSH): a witness output as redeem script.

    Signed like `inner`, whose output script becomes the redeem script that the scriptSig pushes.
    """

    inner: Wpkh | Wsh

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        return self.inner.keys

    @property
    def input_kind(self) -> InputKind:
        return self.inner.input_kind

    @property
    def threshold(self) -> int:
        return self.inner.threshold

    @property
    def max_satisfaction_weight(self) -> int:
        redeem_script = P2WPKH_BYTES if isinstance(self.inner, Wpkh) else P2WSH_BYTES
        return script_sig_weight((redeem_script,)) + self.inner.max_satisfaction_weight

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        native = self.inner.assemble(pubkeys)
        return replace(
            native, script_pubkey=p2sh(hash160(native.script_pubkey)), redeem_script=native.script_pubkey
        )

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble([key.child(branch, index) for key in self.keys])

    def script_code(self, scripts: Scripts) -> bytes:
        return self.inner.script_code(scripts)

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:
        native = self.inner.plan(available, locktime, sequence)

        def fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
            return push(_required(scripts.redeem_script, "sh")), native.fill(signatures, scripts)[1]

        return SpendingPlan(native.positions, self.max_satisfaction_weight, fill)

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return self.inner.quorums(available)

    def summary(self) -> str:
        return f"{self.inner.summary()} nested in P2SH"

    def text(self) -> str:
        return f"sh({self.inner.text()})"


def _required(script: bytes | None, form: str) -> bytes:
    if script is None:
        raise ValueError(f"these scripts are not of a {form} descriptor")
    return script
