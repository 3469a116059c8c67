"""Where the money goes: every output is proven ours or counted as leaving, none is skipped (A125, A132).

An output is ours when the registered wallet derives its very script at the place that the PSBT hints at
(A015-A017, A131), and when a wallet restored from the descriptor would find it: at most the gap limit beyond
the highest index that the journal or a proven input knows. Further out the coins would be hidden behind a
number that an attacker can sell back (A018, "path ransom").

What leaves must go to a script that somebody can spend, in a form that we can show: no unknown witness
version, which anybody could spend until it gets a meaning (A062), no bare or odd script (A063), no dust
(A013), no burnt value (A014).
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.curve import check_xonly
from falconer_shared.bitcoin.script import ScriptType, classify, dust_limit
from falconer_shared.bitcoin.transaction import TxOutput
from falconer_shared.descriptor.ast import Scripts
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import PsbtOutput
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import KnownIndexes, OwnPlace, claims_ownership, locate_output
from falconer_shared.wallet.registration import RegisteredWallet

MAX_OWN_OUTPUTS = 10
"""More outputs to ourselves than any change or consolidation needs: a fan-out only makes later spending dear
(A021).
"""

_PAYABLE = frozenset(
    {ScriptType.P2PKH, ScriptType.P2SH, ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR}
)


@dataclass(frozen=True, slots=True)
class VerifiedOutput:
    """One output. `place` says where in our own wallet it goes; None means that it leaves."""

    index: int
    amount: Amount
    script: bytes
    address: str
    place: OwnPlace | None


def prove_outputs(
    psbt: UntrustedPsbt, wallet: RegisteredWallet, known: KnownIndexes
) -> tuple[VerifiedOutput, ...]:
    """All outputs, each proven ours or payable.

    Raises:
        VerificationError: `output-none`, `output-own-beyond-gap`, `output-own-too-many`,
        `output-burns-value`,
            `output-carries-data`, `output-witness-version-unknown`, `output-script-unknown`,
            `output-taproot-key-invalid`, `output-dust`, `change-not-derived`, `output-taproot-fields-mismatch`,
            `output-scripts-mismatch`.
    """
    if not psbt.tx.outputs:
        raise VerificationError("output-none", "the transaction has no output: all of it would be fee")
    outputs = tuple(
        _prove(psbt, wallet, known, index, output) for index, output in enumerate(psbt.tx.outputs)
    )
    own = sum(1 for output in outputs if output.place is not None)
    if own > MAX_OWN_OUTPUTS:
        raise VerificationError(
            "output-own-too-many",
            f"{own} outputs go back to the wallet, more than {MAX_OWN_OUTPUTS}",
            own=own,
            limit=MAX_OWN_OUTPUTS,
        )
    return outputs


def _prove(
    psbt: UntrustedPsbt, wallet: RegisteredWallet, known: KnownIndexes, index: int, output: TxOutput
) -> VerifiedOutput:
    place = locate_output(wallet, output.script, psbt.outputs[index], known)
    _check_payable(index, output)
    address = address_of(output.script, wallet.network)
    if place is None:
        if claims_ownership(wallet, psbt.outputs[index]):
            # Somebody claims this for our change, and it is not. Counting it as a payment would be safe, but the
            # claim itself is the sign of an attack or of a broken coordinator, and deserves its own name (A015).
            raise VerificationError(
                "change-not-derived",
                f"output {index} ({address}) is marked as ours, but wallet '{wallet.name}' does not derive it at that place",
                output=index,
                amount=int(output.value),
            )
        return VerifiedOutput(index, output.value, output.script, address, None)
    _check_claims(psbt.outputs[index], wallet.scripts(place.branch, place.index))
    reach = known.reach(place.branch, wallet.gap_limit)
    if place.index > reach:
        raise VerificationError(
            "output-own-beyond-gap",
            f"output {index} goes to our own address number {place.index}, which a restored wallet would"
            f" not look for: it looks as far as {reach}",
            output=index,
            place=f"{place.branch}/{place.index}",
            limit=reach,
        )
    return VerifiedOutput(index, output.value, output.script, address, place)


def _check_claims(fields: PsbtOutput, scripts: Scripts) -> None:
    # The script is ours byte for byte, so a lie in these fields changes nothing; but other signers show what they say (A046)
    claimed = (fields.tap_internal_key, *fields.tap_bip32_derivations)
    if fields.tap_tree is not None or any(key not in {None, scripts.internal_key} for key in claimed):
        raise VerificationError(
            "output-taproot-fields-mismatch",
            f"output {fields.index} is ours and brings a taproot key or scripts that are not",
            output=fields.index,
        )
    if fields.redeem_script not in {None, scripts.redeem_script} or fields.witness_script not in {
        None,
        scripts.witness_script,
    }:
        raise VerificationError(
            "output-scripts-mismatch",
            f"output {fields.index} is ours and brings a redeem or witness script that is not",
            output=fields.index,
        )


def _check_payable(index: int, output: TxOutput) -> None:
    kind = classify(output.script)
    if kind is ScriptType.OP_RETURN:
        if output.value:
            raise VerificationError(
                "output-burns-value",
                f"output {index} burns {output.value} sats in an OP_RETURN",
                output=index,
                amount=int(output.value),
            )
        raise VerificationError(
            "output-carries-data",
            f"output {index} is an OP_RETURN that carries data: {output.script.hex()[:160]}; no intent can name it",
            output=index,
        )
    if kind is ScriptType.WITNESS_UNKNOWN:
        raise VerificationError(
            "output-witness-version-unknown",
            f"output {index} pays a witness version without a meaning, which anybody may spend",
            output=index,
        )
    if kind not in _PAYABLE:
        raise VerificationError(
            "output-script-unknown",
            f"output {index} pays a script that has no address: {output.script.hex()[:160]}",
            output=index,
        )
    if kind is ScriptType.P2TR:
        try:
            check_xonly(output.script[2:])
        except Malformed:
            raise VerificationError(
                "output-taproot-key-invalid",
                f"output {index} pays a taproot key that is no point of the curve: nobody can spend it",
                output=index,
            ) from None
    limit = dust_limit(output.script)
    if output.value < limit:
        raise VerificationError(
            "output-dust",
            f"output {index} holds {output.value} sats, less than the {limit} sats that nodes relay",
            output=index,
            amount=int(output.value),
            limit=int(limit),
        )
