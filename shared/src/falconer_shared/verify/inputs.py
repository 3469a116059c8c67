"""What every input must prove, in this order:

1. the outpoint is a real one, and no other input spends it (A006, A007);
2. the previous transaction is there in full, hashes to the outpoint's txid and has that output: amount and
   script come from it and from nowhere else (A001-A005; CVE-2020-14199: BIP 143 signs the amount of one
   input, not of all);
3. a witness UTXO, if given, is byte-equal to the proven output (A002);
4. the proven script is the one that our registered wallet derives at the claimed place (A015-A019, A023,
   A024); the place is a hint until derived again;
5. redeem and witness scripts, if given, are the ones that the proven script commits to; the digest algorithm
   is decided by the proven script alone (A052, A053);
6. the signature will cover everything: SIGHASH_ALL only (A047-A050), and nothing is final already;
7. the sequence has a meaning that we can show (A057).
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.bitcoin.transaction import OutPoint, TxOutput
from falconer_shared.descriptor.ast import Scripts
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace, locate_input
from falconer_shared.wallet.registration import RegisteredWallet

SIGHASH_ALL = 1
"""The only sighash type that is signed with ECDSA: it covers all inputs and all outputs."""

NULL_VOUT = 0xFFFFFFFF
"""The output index that only a coinbase input names."""

SEQUENCE_DISABLES_RELATIVE_LOCK = 1 << 31
"""BIP 68: with this bit clear, the sequence is a relative lock time."""

SEQUENCE_SIGNALS_REPLACEMENT_BELOW = 0xFFFFFFFE
"""BIP 125: a lower sequence says that the transaction may be replaced by one that pays more."""


@dataclass(frozen=True, slots=True)
class ProvenInput:
    """An input whose amount, script and place in the registered wallet are proven."""

    index: int
    outpoint: OutPoint
    amount: Amount
    script_pubkey: bytes
    place: OwnPlace
    scripts: Scripts
    sequence: int
    from_coinbase: bool


@dataclass(frozen=True, slots=True)
class VerifiedInput:
    """One input: what it spends, where in our wallet it lies, and the digest that a signature on it signs."""

    index: int
    outpoint: OutPoint
    amount: Amount
    script_pubkey: bytes
    place: OwnPlace
    scripts: Scripts
    sequence: int
    sighash: int
    digest: bytes


def prove_inputs(psbt: UntrustedPsbt, wallet: RegisteredWallet) -> tuple[ProvenInput, ...]:
    """All inputs, proven.

    Raises:
        VerificationError: the ids in this module's functions, for the first input that fails.
    """
    seen: set[OutPoint] = set()
    for index, tx_input in enumerate(psbt.tx.inputs):
        outpoint = tx_input.outpoint
        if outpoint.vout == NULL_VOUT or not any(outpoint.txid):
            raise VerificationError(
                "input-null-outpoint", f"input {index} spends no output at all", input=index
            )
        # before any sum: a coin listed twice would be counted twice (A007)
        if outpoint in seen:
            raise VerificationError(
                "input-duplicate", f"input {index} spends {outpoint.text()} a second time", input=index
            )
        seen.add(outpoint)
    return tuple(_prove(psbt, wallet, index) for index in range(len(psbt.tx.inputs)))


def _prove(psbt: UntrustedPsbt, wallet: RegisteredWallet, index: int) -> ProvenInput:
    outpoint = psbt.tx.inputs[index].outpoint
    fields = psbt.inputs[index]
    proven, from_coinbase = _previous_output(psbt, index)
    witness_utxo = fields.witness_utxo
    if witness_utxo is not None and witness_utxo != proven:
        raise VerificationError(
            "input-witness-utxo-differs",
            f"input {index} claims {witness_utxo.value} sats where its previous transaction proves {proven.value} sats"
            if witness_utxo.value != proven.value
            else f"input {index} claims another script than its previous transaction proves",
            input=index,
            claimed=int(witness_utxo.value),
            proven=int(proven.value),
        )
    place = locate_input(wallet, proven.script, fields)
    if place is None:
        raise VerificationError(
            "input-not-ours",
            f"input {index} ({outpoint.text()}) does not belong to wallet '{wallet.name}' at the place that it names",
            input=index,
        )
    scripts = wallet.scripts(place.branch, place.index)
    _check_scripts(psbt, index, scripts)
    _check_sighash(psbt, index)
    sequence = psbt.tx.inputs[index].sequence
    if not sequence & SEQUENCE_DISABLES_RELATIVE_LOCK:
        raise VerificationError(
            "sequence-relative-lock",
            f"input {index} has sequence {sequence:#010x}, a relative lock time that no wallet of ours needs",
            input=index,
        )
    return ProvenInput(index, outpoint, proven.value, proven.script, place, scripts, sequence, from_coinbase)


def _previous_output(psbt: UntrustedPsbt, index: int) -> tuple[TxOutput, bool]:
    outpoint = psbt.tx.inputs[index].outpoint
    previous = psbt.inputs[index].non_witness_utxo
    if previous is None:
        raise VerificationError(
            "input-amount-unproven",
            f"input {index} comes without the transaction that made its coin, so its amount is a claim and no proof",
            remedy="have the coordinator put every previous transaction into the PSBT",
            input=index,
        )
    if previous.txid() != outpoint.txid:
        raise VerificationError(
            "input-previous-transaction-mismatch",
            f"input {index} spends {outpoint.text()} but brings transaction {previous.txid_hex()} as its proof",
            input=index,
        )
    if outpoint.vout >= len(previous.outputs):
        raise VerificationError(
            "input-output-index-out-of-range",
            f"input {index} spends output {outpoint.vout} of a transaction that has {len(previous.outputs)}",
            input=index,
        )
    first = previous.inputs[0].outpoint
    return previous.outputs[outpoint.vout], len(previous.inputs) == 1 and first.vout == NULL_VOUT and not any(
        first.txid
    )


def _check_scripts(psbt: UntrustedPsbt, index: int, scripts: Scripts) -> None:
    fields = psbt.inputs[index]
    # equality with the rebuilt script is stronger than the hash commitment that BIP 174 asks a signer to check
    for claimed, rebuilt, rule, name in (
        (fields.redeem_script, scripts.redeem_script, "input-redeem-script-mismatch", "redeem script"),
        (fields.witness_script, scripts.witness_script, "input-witness-script-mismatch", "witness script"),
    ):
        if claimed is not None and claimed != rebuilt:
            raise VerificationError(
                rule,
                f"input {index} brings a {name} that is not the one of our wallet at that place",
                input=index,
            )


def _check_sighash(psbt: UntrustedPsbt, index: int) -> None:
    fields = psbt.inputs[index]
    if fields.sighash_type not in (None, SIGHASH_ALL):
        # compared as the full 32-bit value: 0x101 cut to a byte would pass for ALL (A050)
        raise VerificationError(
            "sighash-not-all",
            f"input {index} asks for sighash type {fields.sighash_type:#x}; only ALL is signed,"
            " since it alone fixes every input and output",
            input=index,
            sighash=fields.sighash_type,
        )
    if fields.final_script_sig is not None or fields.final_script_witness is not None:
        raise VerificationError(
            "input-already-final", f"input {index} is already final, there is nothing to sign", input=index
        )
