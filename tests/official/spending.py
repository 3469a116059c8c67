"""How a finished input is handed to shipped code: the digest by our sighash code, the script by our Finalizer's own check.

`roles.evaluate` follows the output script to redeem script, witness script and keys, and takes the templates of our wallets and
nothing else. What is made here for it is what `verify` makes: the digest of the kind that the output has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from falconer_shared.bitcoin.script import ScriptType, classify, p2pkh, push
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Bip143, Bip341, Legacy
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.verify.inputs import VerifiedInput

NOWHERE: Any = None
"""Stands for the place in a wallet, which `evaluate` does not look at."""

KEY_PATH_TYPES = {64: SIGHASH_DEFAULT, 65: SIGHASH_ALL}
"""BIP 341: a byte more says a type, and ALL is the one that we know."""


class Digests:
    """The digests of one transaction, each kind's common part hashed once and when first asked for."""

    def __init__(self, tx: Transaction, spent: Sequence[TxOutput]) -> None:
        self.tx, self.spent = tx, spent
        self._made: dict[type[Legacy | Bip143 | Bip341], Any] = {}

    def legacy(self, index: int, code: bytes) -> bytes:
        if Legacy not in self._made:
            self._made[Legacy] = Legacy(self.tx)
        return bytes(self._made[Legacy].digest(index, code))

    def bip143(self, index: int, code: bytes) -> bytes:
        if Bip143 not in self._made:
            self._made[Bip143] = Bip143(self.tx)
        return bytes(self._made[Bip143].digest(index, code, self.spent[index].value))

    def bip341(self, index: int, sighash: int) -> bytes:
        if Bip341 not in self._made:
            self._made[Bip341] = Bip341(self.tx, self.spent)
        return bytes(self._made[Bip341].digest(index, sighash))


def last_push(script_sig: bytes) -> bytes:
    """The last thing that a scriptSig pushes; empty where it does anything else."""
    position, item = 0, b""
    while position < len(script_sig):
        opcode = script_sig[position]
        width = {0x4C: 1, 0x4D: 2, 0x4E: 4}.get(opcode, 0)
        start = position + 1 + width
        size = int.from_bytes(script_sig[position + 1 : start], "little") if width else opcode
        if opcode > 0x4E:
            return b""
        item, position = script_sig[start : start + size], start + size
    return item


def program_code(script: bytes, witness: Sequence[bytes]) -> bytes:
    """BIP 143's script code of a witness program of version 0."""
    if classify(script) is ScriptType.P2WPKH:
        return p2pkh(script[2:])
    return witness[-1] if witness else b""


def item(digests: Digests, index: int) -> VerifiedInput:
    """The input as `verify` would describe it, its digest by the kind of output that it spends."""
    tx, spent = digests.tx, digests.spent[index]
    given = tx.inputs[index]
    kind, sighash = InputKind.LEGACY, SIGHASH_ALL
    redeem = last_push(given.script_sig) if classify(spent.script) is ScriptType.P2SH else b""
    match classify(spent.script), classify(redeem):
        case (ScriptType.P2TR, _):
            kind = InputKind.TAPROOT
            sighash = KEY_PATH_TYPES.get(len(given.witness[0]) if given.witness else 0, SIGHASH_ALL)
            digest = digests.bip341(index, sighash)
        case (ScriptType.P2WPKH | ScriptType.P2WSH, _):
            kind = InputKind.SEGWIT_V0
            digest = digests.bip143(index, program_code(spent.script, given.witness))
        case (ScriptType.P2SH, ScriptType.P2WPKH | ScriptType.P2WSH):
            kind = InputKind.SEGWIT_V0
            digest = digests.bip143(index, program_code(redeem, given.witness))
        case _:
            digest = digests.legacy(index, redeem or spent.script)
    return VerifiedInput(
        index=index,
        outpoint=given.outpoint,
        amount=spent.value,
        script_pubkey=spent.script,
        place=NOWHERE,
        scripts=NOWHERE,
        sequence=given.sequence,
        kind=kind,
        sighash=sighash,
        digest=digest,
    )


def spend(digests: Digests, index: int) -> None:
    """Accept one finished input, by shipped code; raises what `evaluate` raises."""
    given = digests.tx.inputs[index]
    evaluate(item(digests, index), given.script_sig, given.witness)


def spend_all(tx: Transaction, spent: Sequence[TxOutput]) -> None:
    """Accept every input, by shipped code."""
    digests = Digests(tx, spent)
    for index in range(len(tx.inputs)):
        spend(digests, index)


def pushes(*items: bytes) -> bytes:
    """A scriptSig that pushes these."""
    return b"".join([push(each) for each in items])
