"""A library that shares no code with ours must compute the same digests before anything is signed.

embit's `Transaction` and its sighash functions are fed bytes that our own parser has accepted, never its PSBT
class, which accepts illegal PSBTs (DESIGN: dependencies). A difference means that one of both is wrong about
what would be signed, and then nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falconer_shared.errors import VerificationError
from falconer_shared.units import Amount


@dataclass(frozen=True, slots=True)
class Question:
    """One input's digest as we computed it, and what it was computed from."""

    index: int
    script_code: bytes
    amount: Amount
    sighash: int
    digest: bytes


def must_agree(unsigned: bytes, questions: Sequence[Question]) -> None:
    """Compare every BIP 143 digest with embit's.

    Raises:
        VerificationError: `second-opinion-differs`.
    """
    from embit.script import Script  # noqa: PLC0415 - 50 ms of start-up that --help need not pay
    from embit.transaction import Transaction  # noqa: PLC0415

    transaction = Transaction.parse(unsigned)
    for question in questions:
        theirs = transaction.sighash_segwit(
            question.index, Script(question.script_code), int(question.amount), question.sighash
        )
        if theirs != question.digest:
            raise VerificationError(
                "second-opinion-differs",
                f"a second library computes another digest for input {question.index}: nothing is signed",
                input=question.index,
            )
