"""BIP 174 Finalizer and Extractor: from verified signatures to a transaction that the network accepts.

The Finalizer does not trust itself: what it built is taken apart again by `evaluate.py`, which shares nothing with the
plan that filled it (A084). A transaction keeps its name, the hash of its unsigned form; its txid is another one where a
scriptSig was filled.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, replace

from falconer_shared.bitcoin.transaction import Transaction, TxInput, unsigned_hash
from falconer_shared.errors import VerificationError
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.seal import Seal
from falconer_shared.units import Amount, FeeRate, Weight
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, signed_by

_SEAL = Seal(__name__)


@dataclass(frozen=True, slots=True)
class FinalTransaction:
    """A complete transaction, ready for the network. Only `finalize` makes one."""

    signed: SignatureVerifiedPsbt
    tx: Transaction
    raw: bytes
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def txid_hex(self) -> str:
        return self.tx.txid_hex()

    @property
    def fee(self) -> Amount:
        return self.signed.verified.fee

    @property
    def weight(self) -> Weight:
        """The real one, never above the worst case that was judged."""
        return self.tx.weight()

    @property
    def fee_rate(self) -> FeeRate:
        return FeeRate.of(self.fee, self.weight)


def finalize(signed: SignatureVerifiedPsbt) -> FinalTransaction:
    """Fill every input from its spending plan, and check the result.

    Raises:
        VerificationError: `quorum-incomplete`, `final-witness-invalid`, `final-transaction-differs`,
        `final-weight-above-worst-case`.
    """
    verified = signed.verified
    filled: list[TxInput] = []
    for item, signatures in zip(verified.inputs, signed.signatures, strict=True):
        available = signed_by(item, signatures)
        plan = verified.wallet.descriptor.plan(available, verified.tx.locktime, item.sequence)
        script_sig, witness = plan.satisfy(signatures, item.scripts)
        evaluate(item, script_sig, witness)
        filled.append(replace(verified.tx.inputs[item.index], script_sig=script_sig, witness=witness))
    tx = Transaction(verified.tx.version, tuple(filled), verified.tx.outputs, verified.tx.locktime)
    raw = tx.serialize()
    read_back = Transaction.parse(raw, "final transaction")
    if unsigned_hash(read_back) != verified.unsigned_hash or read_back != tx:
        raise VerificationError(
            "final-transaction-differs", "the finished transaction is not the one that was signed"
        )
    if read_back.weight() > verified.weight:
        # the fee rate and every limit on it were judged over the worst case: it must be one
        raise VerificationError(
            "final-weight-above-worst-case",
            f"the finished transaction weighs {read_back.weight()} WU, more than the {verified.weight} WU that were judged",
        )
    return FinalTransaction(signed, read_back, raw, _SEAL)
