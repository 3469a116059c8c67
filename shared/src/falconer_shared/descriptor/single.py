"""The forms of one key: `pkh(KEY)`, `wpkh(KEY)` and `tr(KEY)`.

Each is an immutable class under the interface of `ast.py` and knows its own script, its worst-case weight and its one
spending plan, so that what is shown, compiled and satisfied comes from one object (A034).
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from falconer_shared.bitcoin.script import hash160, p2pkh, p2tr, p2wpkh, push
from falconer_shared.bitcoin.taproot import key_path_output_key
from falconer_shared.descriptor.ast import (
    MAX_SCHNORR_BYTES,
    MAX_SIGNATURE_BYTES,
    PUBKEY_BYTES,
    DescriptorKey,
    InputKind,
    Satisfaction,
    Scripts,
    SpendingPlan,
)
from falconer_shared.descriptor.counting import choose, positions_of, script_sig_weight, witness_weight


@dataclass(frozen=True, slots=True)
class SingleKey(ABC):
    """What forms of one key share: who signs is never in doubt."""

    key: DescriptorKey

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        return (self.key,)

    @property
    def threshold(self) -> int:
        return 1

    @property
    @abstractmethod
    def max_satisfaction_weight(self) -> int: ...

    @abstractmethod
    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts: ...

    def script(self, branch: int, index: int) -> Scripts:
        return self.assemble((self.key.child(branch, index),))

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:  # noqa: ARG002 - no time lock here
        return SpendingPlan(choose(1, 1, available), self.max_satisfaction_weight, self._fill)

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        return itertools.combinations(positions_of(1, available), 1)

    @staticmethod
    @abstractmethod
    def _fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction: ...


@dataclass(frozen=True, slots=True)
class Pkh(SingleKey):
    """`pkh(KEY)` (BIP 381): pay to the hash of one key, as in 2009."""

    @property
    def input_kind(self) -> InputKind:
        return InputKind.LEGACY

    @property
    def max_satisfaction_weight(self) -> int:
        return script_sig_weight((MAX_SIGNATURE_BYTES, PUBKEY_BYTES))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        (pubkey,) = pubkeys
        return Scripts(p2pkh(hash160(pubkey)), None, None, (pubkey,))

    def script_code(self, scripts: Scripts) -> bytes:
        return scripts.script_pubkey

    def summary(self) -> str:
        return "one key signs (P2PKH)"

    def text(self) -> str:
        return f"pkh({self.key.text()})"

    @staticmethod
    def _fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
        return push(signatures[0]) + push(scripts.pubkeys[0]), ()


@dataclass(frozen=True, slots=True)
class Wpkh(SingleKey):
    """`wpkh(KEY)` (BIP 382): pay to the hash of one key, segwit version 0."""

    @property
    def input_kind(self) -> InputKind:
        return InputKind.SEGWIT_V0

    @property
    def max_satisfaction_weight(self) -> int:
        return witness_weight((MAX_SIGNATURE_BYTES, PUBKEY_BYTES))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        (pubkey,) = pubkeys
        return Scripts(p2wpkh(hash160(pubkey)), None, None, (pubkey,))

    def script_code(self, scripts: Scripts) -> bytes:
        # BIP 143: the P2PKH script of the hash that the witness output names, which P2SH nests as redeem script
        return p2pkh((scripts.redeem_script or scripts.script_pubkey)[2:])

    def summary(self) -> str:
        return "one key signs (P2WPKH)"

    def text(self) -> str:
        return f"wpkh({self.key.text()})"

    @staticmethod
    def _fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:
        return b"", (signatures[0], scripts.pubkeys[0])


@dataclass(frozen=True, slots=True)
class Tr(SingleKey):
    """`tr(KEY)` (BIP 386): pay to a key that commits to no script (BIP 86), segwit version 1."""

    @property
    def input_kind(self) -> InputKind:
        return InputKind.TAPROOT

    @property
    def max_satisfaction_weight(self) -> int:
        return witness_weight((MAX_SCHNORR_BYTES,))

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        (pubkey,) = pubkeys
        # BIP 341 knows keys by their x; which of the two points was derived no longer matters
        internal_key = pubkey[1:]
        return Scripts(p2tr(key_path_output_key(internal_key)), None, None, (pubkey,), internal_key)

    def script_code(self, scripts: Scripts) -> bytes:  # noqa: ARG002 - there is none, whatever the scripts
        raise ValueError("BIP 341 signs the scripts of all spent outputs, and no script code")

    def summary(self) -> str:
        return "one key signs (P2TR, no scripts)"

    def text(self) -> str:
        return f"tr({self.key.text()})"

    @staticmethod
    def _fill(signatures: Mapping[int, bytes], scripts: Scripts) -> Satisfaction:  # noqa: ARG004 - the key stands in the output
        return b"", (signatures[0],)
