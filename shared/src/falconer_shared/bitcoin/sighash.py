"""What a signature signs: the original digest, witness version 0 (BIP 143) and taproot's key path (BIP 341).

Each for signatures that fix every input and every output, and for nothing else: no other type can be computed here, so none can
be signed or checked by mistake. A signature that leaves outputs or inputs open is worth whatever somebody makes of it later.

What is common to all inputs is hashed once. BIP 143 and BIP 341 are then linear in the size of the transaction; the original
digest, which hashes the whole transaction again for every input, shares the part before the input and stays quadratic in what
follows, so that whoever verifies must bound the inputs (`verify/inputs.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from falconer_shared.bitcoin.script import double_sha256, sha256
from falconer_shared.bitcoin.taproot import tagged_hash
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.encoding.reader import compact_size, prefixed
from falconer_shared.errors import VerificationError
from falconer_shared.units import Amount

SIGHASH_DEFAULT = 0
"""BIP 341: all inputs and outputs, written by leaving the byte out. Taproot only."""

SIGHASH_ALL = 1
"""All inputs and all outputs."""

_ALL = SIGHASH_ALL.to_bytes(4, "little")
_TAP_SIGHASH = tagged_hash("TapSighash")


class Legacy:
    """The original signature hashes of one transaction: amounts are not signed."""

    __slots__ = ("_before", "_inputs", "_tail")

    def __init__(self, transaction: Transaction) -> None:
        self._inputs = _bare_inputs(transaction)
        self._tail = _outputs(transaction) + transaction.locktime.to_bytes(4, "little")
        hashed = hashlib.sha256(_version(transaction) + compact_size(len(self._inputs)))
        self._before: list[hashlib._Hash] = []
        for outpoint, sequence in self._inputs:
            self._before.append(hashed.copy())
            hashed.update(outpoint + b"\0" + sequence)

    def digest(self, index: int, script_code: bytes, sighash: int = SIGHASH_ALL) -> bytes:
        """The 32 bytes that a signature for input `index` signs.

        `script_code` comes without its length: the P2PKH output script, or the redeem script of P2SH (one without
        OP_CODESEPARATOR).

        Raises:
            VerificationError: `sighash-type-refused`.
        """
        _only_all(sighash)
        hashed = self._until_type(index, script_code)
        hashed.update(_ALL)
        return hashlib.sha256(hashed.digest()).digest()

    def _until_type(self, index: int, script_code: bytes) -> hashlib._Hash:
        _check_index(index, self._inputs)
        hashed = self._before[index].copy()
        outpoint, sequence = self._inputs[index]
        hashed.update(outpoint + prefixed(script_code) + sequence)
        hashed.update(
            b"".join([outpoint + b"\0" + sequence for outpoint, sequence in self._inputs[index + 1 :]])
        )
        hashed.update(self._tail)
        return hashed


class Bip143:
    """The signature hashes of witness version 0 of one transaction."""

    __slots__ = ("_head", "_inputs", "_tail")

    def __init__(self, transaction: Transaction) -> None:
        self._inputs = _bare_inputs(transaction)
        outpoints, sequences = _columns(self._inputs)
        outputs = b"".join([o.serialize() for o in transaction.outputs])
        self._head = _version(transaction) + double_sha256(outpoints) + double_sha256(sequences)
        self._tail = double_sha256(outputs) + transaction.locktime.to_bytes(4, "little") + _ALL

    def digest(self, index: int, script_code: bytes, amount: Amount, sighash: int = SIGHASH_ALL) -> bytes:
        """The 32 bytes that a signature for input `index` signs.

        `script_code` comes without its length: `script.p2pkh(key hash)` for P2WPKH, the witness script for P2WSH (one without
        OP_CODESEPARATOR). `amount` is what the spent output holds: proven, since the digest is wrong if it is not.

        Raises:
            VerificationError: `sighash-type-refused`.
        """
        _only_all(sighash)
        _check_index(index, self._inputs)
        outpoint, sequence = self._inputs[index]
        return double_sha256(
            b"".join(
                (
                    self._head,
                    outpoint,
                    prefixed(script_code),
                    amount.to_bytes(8, "little"),
                    sequence,
                    self._tail,
                )
            )
        )


class Bip341:
    """The signature hashes of taproot's key path, without annex, of one transaction.

    `spent` holds what every input spends, in order: all amounts and all scripts are signed, so that a false one makes the
    signature worthless instead of the fee unbounded.
    """

    __slots__ = ("_body", "_count")

    def __init__(self, transaction: Transaction, spent: Sequence[TxOutput]) -> None:
        if len(spent) != len(transaction.inputs):
            raise ValueError("one spent output for each input")
        outpoints, sequences = _columns(_bare_inputs(transaction))
        self._count = len(transaction.inputs)
        self._body = b"".join(
            (
                _version(transaction),
                transaction.locktime.to_bytes(4, "little"),
                sha256(outpoints),
                sha256(b"".join([o.value.to_bytes(8, "little") for o in spent])),
                sha256(b"".join([prefixed(o.script) for o in spent])),
                sha256(sequences),
                sha256(b"".join([o.serialize() for o in transaction.outputs])),
                # spend type: key path, no annex
                b"\0",
            )
        )

    def digest(self, index: int, sighash: int = SIGHASH_DEFAULT) -> bytes:
        """The 32 bytes that a signature for input `index` signs; the type is part of them.

        Raises:
            VerificationError: `sighash-type-refused`.
        """
        if sighash != SIGHASH_DEFAULT:
            _only_all(sighash)
        if not 0 <= index < self._count:
            raise ValueError("no such input")
        tagged = _TAP_SIGHASH.copy()
        # the first byte is the epoch
        tagged.update(bytes((0, sighash)) + self._body + index.to_bytes(4, "little"))
        return tagged.digest()


def _only_all(sighash: int) -> None:
    if sighash != SIGHASH_ALL:
        raise VerificationError(
            "sighash-type-refused",
            f"signature hash type {sighash:#x}: only ALL ({SIGHASH_ALL}) fixes every input and output",
            sighash=sighash,
        )


def _check_index(index: int, inputs: Sequence[object]) -> None:
    if not 0 <= index < len(inputs):
        raise ValueError("no such input")


def _version(transaction: Transaction) -> bytes:
    return transaction.version.to_bytes(4, "little", signed=True)


def _bare_inputs(transaction: Transaction) -> list[tuple[bytes, bytes]]:
    """Outpoint and sequence of each input as they are hashed."""
    return [(i.outpoint.serialize(), i.sequence.to_bytes(4, "little")) for i in transaction.inputs]


def _columns(inputs: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    return b"".join([outpoint for outpoint, _ in inputs]), b"".join([sequence for _, sequence in inputs])


def _outputs(transaction: Transaction) -> bytes:
    return compact_size(len(transaction.outputs)) + b"".join([o.serialize() for o in transaction.outputs])
