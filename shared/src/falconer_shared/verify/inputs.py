"""What every input must prove, in this order:

1. the outpoint is a real one, and no other input spends it (A006, A007);
2. the previous transaction is there in full, hashes to the outpoint's txid and has that output: amount and
   script come from it and from nowhere else (A001-A005; CVE-2020-14199: BIP 143 signs the amount of one
   input, not of all). Of a taproot wallet alone a witness UTXO will do, and the page says so: BIP 341 signs the
   amounts and scripts of all inputs, so that one lie makes every signature worthless (ADR 0009);
3. a witness UTXO, if given, is byte-equal to the proven output (A002), and no legacy coin has one (BIP 174);
4. the proven script is the one that our registered wallet derives at the claimed place (A015-A019, A023,
   A024); the place is a hint until derived again;
5. redeem script, witness script, internal key, if given, are the ones that the proven script commits to; the
   digest algorithm is that of the wallet whose script it is (A052, A053); no field tells of taproot scripts,
   which our keys do not commit to (A046, A059-A061);
6. the signature will cover everything: SIGHASH_ALL, or DEFAULT for taproot (A047-A050), and nothing is final
   already;
7. the sequence has a meaning that we can show (A057).
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT
from falconer_shared.bitcoin.transaction import NULL_TXID, OutPoint, TxOutput
from falconer_shared.descriptor.ast import InputKind, Scripts
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import PsbtInput
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace, locate_input
from falconer_shared.wallet.registration import RegisteredWallet

MAX_LEGACY_INPUTS = 200
"""The original digest hashes the transaction once for every input: 200 of them with the heaviest outputs are 20 MB."""

NULL_VOUT = 0xFFFFFFFF
"""The output index that only a coinbase input names."""

SEQUENCE_DISABLES_RELATIVE_LOCK = 1 << 31
"""BIP 68: with this bit clear, the sequence is a relative lock time."""

SEQUENCE_SIGNALS_REPLACEMENT_BELOW = 0xFFFFFFFE
"""BIP 125: a lower sequence says that the transaction may be replaced by one that pays more."""


@dataclass(frozen=True, slots=True)
class ProvenInput:
    """An input whose amount, script and place in the registered wallet are proven.

    `rests_on_signature`: there was no previous transaction, and only BIP 341 makes a false amount useless.
    """

    index: int
    outpoint: OutPoint
    spent: TxOutput
    place: OwnPlace
    scripts: Scripts
    sequence: int
    sighash: int
    from_coinbase: bool
    rests_on_signature: bool


@dataclass(frozen=True, slots=True)
class VerifiedInput:
    """One input: what it spends, where in our wallet it lies, and the digest that a signature on it signs.

    `kind` says how: ECDSA over the original or BIP 143's digest, or BIP 340 over BIP 341's.
    """

    index: int
    outpoint: OutPoint
    amount: Amount
    script_pubkey: bytes
    place: OwnPlace
    scripts: Scripts
    sequence: int
    kind: InputKind
    sighash: int
    digest: bytes


def prove_inputs(psbt: UntrustedPsbt, wallet: RegisteredWallet) -> tuple[ProvenInput, ...]:
    """All inputs, proven.

    Raises:
        VerificationError: the ids in this module's functions, for the first input that fails.
    """
    legacy = wallet.descriptor.input_kind is InputKind.LEGACY
    if legacy and len(psbt.tx.inputs) > MAX_LEGACY_INPUTS:
        raise VerificationError(
            "legacy-inputs-too-many",
            f"{len(psbt.tx.inputs)} inputs; of a wallet without segwit at most {MAX_LEGACY_INPUTS} are signed at once,"
            " since hashing them takes quadratic time",
            remedy="split the payment into several transactions",
            inputs=len(psbt.tx.inputs),
            limit=MAX_LEGACY_INPUTS,
        )
    seen: set[OutPoint] = set()
    for index, tx_input in enumerate(psbt.tx.inputs):
        outpoint = tx_input.outpoint
        if outpoint.vout == NULL_VOUT or outpoint.txid == NULL_TXID:
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
    kind = wallet.descriptor.input_kind
    spent, from_coinbase = _spent_output(psbt, index, kind)
    place = locate_input(wallet, spent.script, fields)
    if place is None:
        raise VerificationError(
            "input-not-ours",
            f"input {index} ({outpoint.text()}) does not belong to wallet '{wallet.name}' at the place that it names",
            input=index,
        )
    scripts = wallet.scripts(place.branch, place.index)
    _check_scripts(fields, scripts, kind)
    _check_taproot_fields(fields, scripts)
    sighash = _sighash(fields, kind)
    sequence = psbt.tx.inputs[index].sequence
    if not sequence & SEQUENCE_DISABLES_RELATIVE_LOCK:
        raise VerificationError(
            "sequence-relative-lock",
            f"input {index} has sequence {sequence:#010x}, a relative lock time that no wallet of ours needs",
            input=index,
        )
    return ProvenInput(
        index=index,
        outpoint=outpoint,
        spent=spent,
        place=place,
        scripts=scripts,
        sequence=sequence,
        sighash=sighash,
        from_coinbase=from_coinbase,
        rests_on_signature=fields.non_witness_utxo is None,
    )


def _spent_output(psbt: UntrustedPsbt, index: int, kind: InputKind) -> tuple[TxOutput, bool]:
    """What the input spends, and whether it was newly mined as far as the PSBT tells."""
    outpoint = psbt.tx.inputs[index].outpoint
    fields = psbt.inputs[index]
    previous = fields.non_witness_utxo
    if previous is None:
        claimed = fields.witness_utxo
        if kind is InputKind.TAPROOT and claimed is not None:
            # All inputs are of this one wallet, so every signature commits to this amount and this script, true or not.
            return claimed, False
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
    proven = previous.outputs[outpoint.vout]
    # an output has one spelling, so that unequal bytes are unequal outputs and equal bytes need not be read
    claimed = None if fields.raw_witness_utxo == proven.serialize() else fields.witness_utxo
    if claimed is not None:
        raise VerificationError(
            "input-witness-utxo-differs",
            f"input {index} claims {claimed.value} sats where its previous transaction proves {proven.value} sats"
            if claimed.value != proven.value
            else f"input {index} claims another script than its previous transaction proves",
            input=index,
            claimed=int(claimed.value),
            proven=int(proven.value),
        )
    first = previous.inputs[0].outpoint
    return proven, len(previous.inputs) == 1 and first.vout == NULL_VOUT and first.txid == NULL_TXID


def _check_scripts(fields: PsbtInput, scripts: Scripts, kind: InputKind) -> None:
    if kind is InputKind.LEGACY and fields.witness_utxo is not None:
        # BIP 174, Signer: "If a witness UTXO is provided, no non-witness signature may be created" (A052)
        raise VerificationError(
            "input-witness-utxo-of-legacy-coin",
            f"input {fields.index} brings a witness UTXO for a coin that is spent without a witness",
            input=fields.index,
        )
    # equality with the rebuilt script is stronger than the hash commitment that BIP 174 asks a signer to check
    for claimed, rebuilt, rule, name in (
        (fields.redeem_script, scripts.redeem_script, "input-redeem-script-mismatch", "redeem script"),
        (fields.witness_script, scripts.witness_script, "input-witness-script-mismatch", "witness script"),
        (
            fields.tap_internal_key,
            scripts.internal_key,
            "input-internal-key-mismatch",
            "taproot internal key",
        ),
    ):
        if claimed is not None and claimed != rebuilt:
            raise VerificationError(
                rule,
                f"input {fields.index} brings a {name} that is not the one of our wallet at that place",
                input=fields.index,
            )


def _check_taproot_fields(fields: PsbtInput, scripts: Scripts) -> None:
    """Our keys commit to no scripts (BIP 86): a signature for one could only serve elsewhere (A060, A061)."""
    derivations = fields.tap_bip32_derivations
    if fields.has_script_path or any(leaves for leaves, _, _ in derivations.values()):
        raise VerificationError(
            "input-taproot-script-path",
            f"input {fields.index} brings taproot scripts, and our coins there can be spent by no script",
            input=fields.index,
        )
    foreign = [key for key in derivations if key != scripts.internal_key]
    if foreign:
        raise VerificationError(
            "input-internal-key-mismatch",
            f"input {fields.index} names taproot key {foreign[0].hex()}, which is not the one of our wallet at that place",
            input=fields.index,
        )


def _sighash(fields: PsbtInput, kind: InputKind) -> int:
    """The type that a signature on this input has; also that the input is not final."""
    # compared as the full 32-bit value: 0x101 cut to a byte would pass for ALL (A050)
    taproot = kind is InputKind.TAPROOT
    wanted = fields.sighash_type
    if wanted is None:
        wanted = SIGHASH_DEFAULT if taproot else SIGHASH_ALL
    if wanted != SIGHASH_ALL and not (taproot and wanted == SIGHASH_DEFAULT):
        raise VerificationError(
            "sighash-not-all",
            f"input {fields.index} asks for sighash type {wanted:#x}; only ALL is signed (for taproot also DEFAULT, which"
            " means the same), since it alone fixes every input and output",
            input=fields.index,
            sighash=wanted,
        )
    if fields.final_script_sig is not None or fields.final_script_witness is not None:
        raise VerificationError(
            "input-already-final",
            f"input {fields.index} is already final, there is nothing to sign",
            input=fields.index,
        )
    return wanted
