"""What a signature of witness version 0 signs (BIP 143), for SIGHASH_ALL alone.

No other type can be computed here, so none can be signed or checked by mistake: a signature that leaves outputs or inputs open
is worth whatever somebody makes of it later. The three hashes over all inputs and outputs are computed once, so that the work
for a transaction is linear in its size.
"""

from __future__ import annotations

from falconer_shared.bitcoin.script import double_sha256
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.encoding.reader import prefixed
from falconer_shared.errors import VerificationError
from falconer_shared.units import Amount

SIGHASH_DEFAULT = 0
"""BIP 341: all inputs and outputs, written by leaving the byte out. Taproot only."""

SIGHASH_ALL = 1
"""All inputs and all outputs."""


class Bip143:
    """The signature hashes of one transaction."""

    __slots__ = ("_head", "_inputs", "_tail")

    def __init__(self, transaction: Transaction) -> None:
        outpoints = [i.outpoint.serialize() for i in transaction.inputs]
        sequences = [i.sequence.to_bytes(4, "little") for i in transaction.inputs]
        outputs = b"".join([o.serialize() for o in transaction.outputs])
        self._inputs = list(zip(outpoints, sequences, strict=True))
        self._head = (
            transaction.version.to_bytes(4, "little", signed=True)
            + double_sha256(b"".join(outpoints))
            + double_sha256(b"".join(sequences))
        )
        self._tail = double_sha256(outputs) + transaction.locktime.to_bytes(4, "little")

    def digest(self, index: int, script_code: bytes, amount: Amount, sighash: int = SIGHASH_ALL) -> bytes:
        """The 32 bytes that a signature for input `index` signs.

        `script_code` comes without its length: `script.p2pkh(key hash)` for P2WPKH, the witness script for P2WSH (one without
        OP_CODESEPARATOR). `amount` is what the spent output holds: proven, since the digest is wrong if it is not.

        Raises:
            VerificationError: `sighash-type-refused`.
        """
        if sighash != SIGHASH_ALL:
            raise VerificationError(
                "sighash-type-refused",
                f"signature hash type {sighash:#x}: only ALL ({SIGHASH_ALL}) fixes every input and output",
                sighash=sighash,
            )
        if not 0 <= index < len(self._inputs):
            raise ValueError("no such input")
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
                    SIGHASH_ALL.to_bytes(4, "little"),
                )
            )
        )
