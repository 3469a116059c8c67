"""The descriptor as a tree: what a wallet's keys become at one place, and what it takes to spend from there.

Callers (verification, roles, signing) know only `Node`, `Scripts` and `SpendingPlan`. A new form (pkh, sh,
tr, miniscript) is a new class here and a line in the table of `parse.py`; no caller branches on a class, they
ask `input_kind`, `script_code` and `plan`.

A *position* is the index of a key in `Node.keys`, that is in the order of the descriptor text, and the same
on every place. A *place* is (branch, index): branch 0 receives, branch 1 is change, index counts from 0.

Not here: reading text (`parse.py`), caching (`derive.py`), verifying signatures (`verify/signatures.py`): a
plan arranges signatures that somebody else has verified.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.bitcoin.bip32 import ExtendedPublicKey, format_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import hash160, multi_script, p2pkh, p2wpkh, p2wsh, sha256
from falconer_shared.encoding.reader import compact_size
from falconer_shared.errors import VerificationError
from falconer_shared.units import WITNESS_SCALE_FACTOR, Weight

RECEIVE = 0
"""The branch whose addresses are handed out (BIP 44 "external")."""

CHANGE = 1
"""The branch that change returns to (BIP 44 "internal")."""

BRANCHES = (RECEIVE, CHANGE)
"""The one multipath this program knows, `<0;1>` (A040): other numbers would make two wallets that look alike
in every list.
"""

MAX_INDEX = 2**31 - 1
"""The highest unhardened child number (BIP 32)."""

MAX_SIGNATURE_BYTES = 72
"""DER with a 33-byte R and, low-S being required, a 32-byte S, and the sighash byte. Other signers may not
grind for a low R.
"""

PUBKEY_BYTES = 33
"""A compressed public key: all that segwit relays (BIP 143)."""

Satisfaction = tuple[bytes, tuple[bytes, ...]]
"""scriptSig and witness stack of one input."""


class InputKind(enum.Enum):
    """Which digest a signature for an input commits to."""

    LEGACY = "legacy"
    """The original one: no amount, and hashing that is quadratic in the number of inputs."""
    SEGWIT_V0 = "segwit-v0"
    """BIP 143, nested in P2SH or not."""
    TAPROOT = "taproot"
    """BIP 341."""


@dataclass(frozen=True, slots=True)
class DescriptorKey:
    """One key expression `[fingerprint/origin]xpub/<0;1>/*`.

    `fingerprint`: 4 bytes, of the master key. `origin`: path from the master key to `xpub`, hardened steps
    with the top bit set. `network` decides the spelling of `xpub`.
    """

    network: Network
    fingerprint: bytes
    origin: tuple[int, ...]
    xpub: ExtendedPublicKey
    branches: tuple[int, int] = BRANCHES

    def path(self, branch: int, index: int) -> tuple[int, ...]:
        """The whole path from the master key to a place, as PSBT derivation fields carry it (BIP 174)."""
        return (*self.origin, branch, index)

    def child(self, branch: int, index: int) -> bytes:
        """The 33-byte public key at a place."""
        return self.xpub.derive(branch).derive(index).pubkey

    def origin_text(self) -> str:
        """`[d34db33f/84h/1h/0h]`, the part that names a key to its owner."""
        path = format_path(self.origin)
        return f"[{self.fingerprint.hex()}{'/' if path else ''}{path}]"

    def text(self) -> str:
        """The canonical spelling: lower-case hex, hardened steps as `h`."""
        return f"{self.origin_text()}{self.xpub.text(self.network)}/<{self.branches[0]};{self.branches[1]}>/*"


@dataclass(frozen=True, slots=True)
class Scripts:
    """What a descriptor becomes at one place.

    `pubkeys` stand in the order of `Node.keys`, whatever order the script has them in. Taproot will add its
    internal key and leaves here, with defaults.
    """

    script_pubkey: bytes
    redeem_script: bytes | None
    witness_script: bytes | None
    pubkeys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SpendingPlan:
    """One way to spend an input: which keys sign, and how their signatures become scriptSig and witness.

    `positions`: the keys that sign, ascending, no more and no fewer than needed. `weight`: weight units of
    the result in the worst case, counted like `Node.max_satisfaction_weight`. `fill` arranges signatures by
    position.
    """

    positions: tuple[int, ...]
    weight: int
    fill: Callable[[Mapping[int, bytes], Scripts], Satisfaction]

    def satisfy(self, signatures: Mapping[bytes, bytes], scripts: Scripts) -> Satisfaction:
        """Make scriptSig and witness from `signatures` (public key to signature with its sighash byte); those
        not in the plan are left out.

        Raises:
            VerificationError: `signature-missing`, a key of this plan has not signed.
        """
        chosen: dict[int, bytes] = {}
        for position in self.positions:
            signature = signatures.get(scripts.pubkeys[position])
            if signature is None:
                raise VerificationError(
                    "signature-missing",
                    f"key {position + 1} of the wallet has not signed this input",
                    key=position + 1,
                )
            chosen[position] = signature
        return self.fill(chosen, scripts)


class Node(Protocol):
    """A whole descriptor: everything that differs between script forms.

    `threshold` is the size of the smallest set of keys that can spend. `max_satisfaction_weight` counts the
    weight units that the dearest plan adds to an input whose scriptSig and witness are empty, where the empty
    input already counts one byte for the length of its scriptSig and, in a transaction with witnesses, one
    weight unit for the number of its witness items.
    """

    @property
    def keys(self) -> tuple[DescriptorKey, ...]: ...

    @property
    def input_kind(self) -> InputKind: ...

    @property
    def threshold(self) -> int: ...

    @property
    def max_satisfaction_weight(self) -> int: ...

    def assemble(self, pubkeys: Sequence[bytes]) -> Scripts:
        """The scripts of a place whose public keys are known, given in the order of `keys`."""
        ...

    def script(self, branch: int, index: int) -> Scripts:
        """The scripts of a place. `Deriver.scripts` is the same and quicker, since it remembers the branch
        keys.
        """
        ...

    def script_code(self, scripts: Scripts) -> bytes:
        """What the digest commits to as the script: BIP 143 scriptCode, or the script a legacy digest puts
        in.

        Without the length before it. A taproot node raises `ValueError`: BIP 341 has no such thing.
        """
        ...

    def plan(self, available: Collection[int], locktime: int, sequence: int) -> SpendingPlan:
        """The cheapest plan that the keys at the positions `available` can carry out in an input of that
        sequence.

        Of equal plans the one with the lowest positions. `locktime` and `sequence` are those of the
        transaction: forms with time locks may use a path only if they allow it.

        Raises:
            VerificationError: `quorum-incomplete`, no path is open to these keys.
        """
        ...

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]:
        """Every minimal set of positions out of `available` that can spend, at whatever time, in ascending
        order.
        """
        ...

    def summary(self) -> str:
        """One sentence for a person, made from this very tree (A034)."""
        ...

    def text(self) -> str:
        """The canonical descriptor without checksum."""
        ...


class ScriptExpression(Protocol):
    """What stands inside `wsh(...)` and, later, `sh(...)`: a script and the stack that satisfies it."""

    @property
    def keys(self) -> tuple[DescriptorKey, ...]: ...

    @property
    def threshold(self) -> int: ...

    @property
    def max_stack(self) -> tuple[int, ...]:
        """Byte lengths of the stack items of the dearest way to satisfy the script, without the script
        itself.
        """
        ...

    @property
    def script_bytes(self) -> int:
        """Byte length of the script, the same on every place."""
        ...

    def compile(self, pubkeys: Sequence[bytes]) -> bytes: ...

    def choose(self, available: Collection[int], locktime: int, sequence: int) -> tuple[int, ...]:
        """The positions that sign; raises as `Node.plan` does."""
        ...

    def stack(self, signatures: Mapping[int, bytes], pubkeys: Sequence[bytes]) -> tuple[bytes, ...]: ...

    def quorums(self, available: Collection[int]) -> Iterator[tuple[int, ...]]: ...

    def summary(self) -> str: ...

    def text(self) -> str: ...


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


def worst_case_weight(node: Node, stripped_bytes: int, input_count: int) -> Weight:
    """The weight of a transaction once signed, never less than what it will be.

    `stripped_bytes`: its length without witnesses and with empty scriptSigs. Every input is of `node`: one
    wallet a transaction.
    """
    # BIP 141: marker and flag are one weight unit each, and every input counts its witness items in at least one
    witness_frame = 0 if node.input_kind is InputKind.LEGACY else 2 + input_count
    return Weight(
        WITNESS_SCALE_FACTOR * stripped_bytes + witness_frame + input_count * node.max_satisfaction_weight
    )


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
