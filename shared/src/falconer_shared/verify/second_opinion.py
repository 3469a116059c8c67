"""A library that shares no code with ours must compute the same digests before anything is signed.

embit's `Transaction` and its sighash functions are fed bytes that our own parser has accepted, never its PSBT
class, which accepts illegal PSBTs (DESIGN: dependencies). A difference means that one of both is wrong about
what would be signed, and then nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from falconer_shared.bitcoin.transaction import TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError

if TYPE_CHECKING:
    from embit.script import Script
    from embit.transaction import Transaction, TransactionInput, TransactionOutput


@dataclass(frozen=True, slots=True)
class Question:
    """One input's digest as we computed it, and what it was computed from. Taproot has no script code."""

    index: int
    kind: InputKind
    script_code: bytes
    sighash: int
    digest: bytes


def must_agree(unsigned: bytes, questions: Sequence[Question], spent: Sequence[TxOutput]) -> None:
    """Compare every digest with embit's: one question about each input, in order; `spent` holds what each of them spends.

    Raises:
        ValueError: an input about which nothing is asked, a programmer's mistake. VerificationError: `second-opinion-differs`.
    """
    from embit.script import Script  # noqa: PLC0415 - 50 ms of start-up that --help need not pay
    from embit.transaction import Transaction  # noqa: PLC0415

    transaction = Transaction.parse(unsigned)
    if (
        not [question.index for question in questions]
        == [*range(len(spent))]
        == [*range(len(transaction.vin))]
    ):
        # an input that nobody asks about would be signed on our word alone
        raise ValueError("a second opinion is one on every input")
    if any(question.kind is InputKind.LEGACY for question in questions):
        _write_once(transaction)
    amounts = [int(output.value) for output in spent]
    scripts = [Script(output.script) for output in spent]
    for question in questions:
        if _digest(transaction, question, Script(question.script_code), amounts, scripts) != question.digest:
            raise VerificationError(
                "second-opinion-differs",
                f"a second library computes another digest for input {question.index}: nothing is signed",
                input=question.index,
            )


def _digest(
    transaction: Transaction,
    question: Question,
    script_code: Script,
    amounts: Sequence[int],
    scripts: Sequence[Script],
) -> bytes:
    index, sighash = question.index, question.sighash
    match question.kind:
        case InputKind.LEGACY:
            return bytes(transaction.sighash_legacy(index, script_code, sighash))
        case InputKind.SEGWIT_V0:
            return bytes(transaction.sighash_segwit(index, script_code, amounts[index], sighash))
        case InputKind.TAPROOT:
            return bytes(transaction.sighash_taproot(index, scripts, amounts, sighash))


class _WrittenOnce:
    """A part of embit's transaction that keeps what embit wrote for it."""

    def __init__(self, part: TransactionInput | TransactionOutput) -> None:
        self._part = part
        self._written: bytes | None = None

    def serialize(self, script: Script | None = None, sighash: int | None = None) -> bytes:
        """Of an output; or of an input, with the script that stands in for its scriptSig and the type where embit names it."""
        if script is not None and sighash is None:
            # the one input that is signed
            return bytes(self._part.serialize(script))
        if self._written is None:
            self._written = bytes(self._part.serialize(*(() if script is None else (script, sighash))))
        return self._written


def _write_once(transaction: Transaction) -> None:
    """Spare embit to write every input and output again for each input: seconds, where many inputs meet many outputs."""
    transaction.vin = [_WrittenOnce(part) for part in transaction.vin]
    transaction.vout = [_WrittenOnce(part) for part in transaction.vout]
