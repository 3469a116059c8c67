"""The one place where a PSBT becomes a `VerifiedTransaction`.

What it means, checked in this order (DESIGN section 4):

1. the structure is strict (parsing saw to it), nothing may still be added or taken away, and no field asks
   for a protocol that we do not speak;
2. version and lock time are understood, and the signed transaction will not be too heavy to be relayed (`fees.py`):
   this bounds all work that follows;
3. every input is proven (`inputs.py`);
4. every output is proven ours or payable (`outputs.py`);
5. sums, fee and fee rate are in bounds (`fees.py`);
6. the digests are computed from proven scripts and amounts, and a second library agrees
   (`digests.py`, `second_opinion.py`);
7. signatures that are already there are valid.

What it does not mean: that a policy allows it, that anybody approved it, or that a person saw it. Those are
`policy.engine` and the offline program's review. No disk, no clock, no key is touched here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime

from falconer_shared.bitcoin.transaction import Transaction, unsigned_hash
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.seal import Seal
from falconer_shared.units import LOCKTIME_THRESHOLD, Amount, FeeRate, Weight
from falconer_shared.verify.digests import with_digests
from falconer_shared.verify.fees import Cost, cost, signed_weight
from falconer_shared.verify.inputs import (
    SEQUENCE_SIGNALS_REPLACEMENT_BELOW,
    ProvenInput,
    VerifiedInput,
    prove_inputs,
)
from falconer_shared.verify.outputs import VerifiedOutput, prove_outputs
from falconer_shared.verify.partial import check_partial_signatures
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet

__all__ = ["VerifiedInput", "VerifiedOutput", "VerifiedTransaction", "verify"]

_SEAL = Seal(__name__)

VERSIONS = frozenset({1, 2})
"""Transaction versions with a meaning that we know: 1, and 2 of BIP 68. Version 3 (TRUC) limits what can be
spent next (A058).
"""

MAX_LISTED = 8
"""Inputs that a note names; it says how many more there are."""

FINAL_SEQUENCE = 0xFFFFFFFF
"""An input with this sequence switches the lock time off (BIP 65 context, consensus)."""


@dataclass(frozen=True, slots=True)
class VerifiedTransaction:
    """A transaction that is exactly what it says, proven from bytes alone. Only `verify` makes one."""

    psbt: UntrustedPsbt
    wallet: RegisteredWallet
    tx: Transaction
    unsigned_hash: str
    inputs: tuple[VerifiedInput, ...]
    outputs: tuple[VerifiedOutput, ...]
    cost: Cost
    notes: tuple[str, ...]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def fee(self) -> Amount:
        return self.cost.fee

    @property
    def weight(self) -> Weight:
        """Worst-case weight once signed."""
        return self.cost.weight

    @property
    def fee_rate(self) -> FeeRate:
        """Over the worst-case weight."""
        return self.cost.fee_rate

    @property
    def locktime(self) -> int:
        return self.tx.locktime

    @property
    def payments(self) -> tuple[VerifiedOutput, ...]:
        """The outputs that leave the wallet, in order."""
        return tuple(output for output in self.outputs if output.place is None)

    @property
    def own_outputs(self) -> tuple[VerifiedOutput, ...]:
        """The outputs that are proven ours, in order."""
        return tuple(output for output in self.outputs if output.place is not None)

    @property
    def paid(self) -> Amount:
        """Sum of the outputs that leave."""
        return Amount(sum(output.amount for output in self.payments))

    @property
    def spent(self) -> Amount:
        """What the wallet is poorer by: inputs minus own outputs, fee included."""
        return Amount(self.cost.inputs - sum(output.amount for output in self.own_outputs))

    @property
    def highest_indexes(self) -> Mapping[int, int]:
        """Highest index per branch that this transaction's proven inputs know, for the journal."""
        highest: dict[int, int] = {}
        for proven in self.inputs:
            highest[proven.place.branch] = max(highest.get(proven.place.branch, -1), proven.place.index)
        return highest


def verify(psbt: UntrustedPsbt, wallet: RegisteredWallet, known: KnownIndexes) -> VerifiedTransaction:
    """Prove a transaction against the one registered wallet.

    `known` says how far the journal has seen our addresses used; proven inputs extend it.

    Raises:
        VerificationError: with the id of the first check that fails.
    """
    _check_structure(psbt)
    # before any key is derived: ten thousand inputs of a wallet with twenty keys would take ten seconds (A079)
    weight = signed_weight(psbt.tx, wallet.descriptor)
    proven = prove_inputs(psbt, wallet)
    reached = known.extended(item.place for item in proven)
    outputs = prove_outputs(psbt, wallet, reached)
    sums = cost([item.spent.value for item in proven], psbt.tx.outputs, weight)
    inputs = with_digests(psbt.tx, wallet.descriptor, proven)
    check_partial_signatures(inputs, psbt)
    return VerifiedTransaction(
        psbt=psbt,
        wallet=wallet,
        tx=psbt.tx,
        unsigned_hash=unsigned_hash(psbt.tx),
        inputs=inputs,
        outputs=outputs,
        cost=sums,
        notes=tuple(_notes(psbt.tx, proven, outputs)),
        seal=_SEAL,
    )


def _check_structure(psbt: UntrustedPsbt) -> None:
    if psbt.modifiable:
        raise VerificationError(
            "psbt-modifiable",
            "the PSBT says that inputs or outputs may still change (BIP 370 modifiable flags)",
        )
    foreign = psbt.needs_unsupported()
    if foreign is not None:
        raise VerificationError(
            "psbt-needs-unsupported",
            f"the PSBT holds {foreign}, of a protocol that Falconer carries but does not act on (BIP 373, BIP 375)",
            field=foreign,
        )
    if not psbt.tx.inputs:
        raise VerificationError("input-none", "the transaction has no input")
    if psbt.tx.version not in VERSIONS:
        raise VerificationError(
            "transaction-version-unknown",
            f"transaction version {psbt.tx.version} is none of 1 and 2",
            version=psbt.tx.version,
        )


def _notes(
    tx: Transaction, proven: tuple[ProvenInput, ...], outputs: tuple[VerifiedOutput, ...]
) -> list[str]:
    """What a person should know beside the numbers, in sentences of our own making (no untrusted text)."""
    notes = []
    if tx.locktime:
        if all(item.sequence == FINAL_SEQUENCE for item in proven):
            notes.append(f"lock time {tx.locktime} is switched off by final sequences")
        elif tx.locktime < LOCKTIME_THRESHOLD:
            notes.append(f"cannot confirm before block {tx.locktime + 1}")
        else:
            when = datetime.fromtimestamp(tx.locktime, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            notes.append(f"cannot confirm before {when}")
    if any(item.sequence < SEQUENCE_SIGNALS_REPLACEMENT_BELOW for item in proven):
        notes.append("may be replaced by a transaction with a higher fee (BIP 125)")
    if any(item.from_coinbase for item in proven):
        notes.append("spends newly mined coins, which need 100 confirmations first")
    unproven = [str(item.index) for item in proven if item.rests_on_signature]
    if unproven:
        notes.append(
            f"without previous transactions: the amounts of {'inputs' if len(unproven) > 1 else 'input'} "
            f"{_listed(unproven)} are claims; if one is false, the signatures are worthless (BIP 341)"
        )
    if all(output.place is not None for output in outputs):
        notes.append("no payment leaves this wallet")
    if any(output.place is not None and output.place.branch == 0 for output in outputs):
        notes.append("pays one of our own receive addresses")
    return notes


def _listed(numbers: list[str]) -> str:
    """The first few of them."""
    return ", ".join(numbers[:MAX_LISTED]) + (
        f" and {len(numbers) - MAX_LISTED} more" if len(numbers) > MAX_LISTED else ""
    )
