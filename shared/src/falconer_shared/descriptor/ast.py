"""The descriptor as a tree: what a wallet's keys become at one place, and what it takes to spend from there.

Callers (verification, roles, signing) know only `Node`, `Scripts` and `SpendingPlan`. A new form (a taproot
tree, miniscript) is a class such as those in `forms.py` and `single.py` and a line in the table of `parse.py`;
no caller branches on a class, they ask `input_kind`, `script_code` and `plan`.

A *position* is the index of a key in `Node.keys`, that is in the order of the descriptor text, and the same
on every place. A *place* is (branch, index): branch 0 receives, branch 1 is change, index counts from 0.

Not here: reading text (`parse.py`), caching (`derive.py`), verifying signatures (`verify/signatures.py`): a
plan arranges signatures that somebody else has verified.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.bitcoin.bip32 import ExtendedPublicKey, format_path
from falconer_shared.bitcoin.network import Network
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

MAX_SCHNORR_BYTES = 65
"""A BIP 340 signature and the sighash byte that ALL takes; DEFAULT leaves it out (BIP 341)."""

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

    `pubkeys` stand in the order of `Node.keys`, whatever order the script has them in. `internal_key` (x-only,
    32 bytes) is taproot's. Its leaves will stand here too, with a default.
    """

    script_pubkey: bytes
    redeem_script: bytes | None
    witness_script: bytes | None
    pubkeys: tuple[bytes, ...]
    internal_key: bytes | None = None

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """The keys that signatures verify under and are listed by, in the order of `pubkeys`.

        33 bytes: ECDSA by that very key. 32 bytes: BIP 340 by taproot's output key, which is not the key that
        the wallet derives.
        """
        return self.pubkeys if self.internal_key is None else (self.script_pubkey[2:],)


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
        """Make scriptSig and witness from `signatures` (signing key to signature with its sighash byte); those
        not in the plan are left out.

        Raises:
            VerificationError: `signature-missing`, a key of this plan has not signed.
        """
        chosen: dict[int, bytes] = {}
        for position in self.positions:
            signature = signatures.get(scripts.signing_keys[position])
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
    """What stands inside `wsh(...)` and `sh(...)`: a script and the stack that satisfies it."""

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
