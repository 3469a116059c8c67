"""One mutation each, of bytes that were valid: at the level of PSBT fields and of the transaction inside."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput, unsigned_hash
from falconer_shared.exchange.envelope import build_envelope, embed, extract
from falconer_shared.exchange.request import sign_request
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.policies import SshKey
from tests.support.rawpsbt import RawPsbt, edited, size
from tests.support.treasury import NOTHING_KNOWN, Payment

UNSIGNED_TX = b"\x00"
NON_WITNESS_UTXO = b"\x00"
WITNESS_UTXO = b"\x01"
SIGHASH_TYPE = b"\x03"
REDEEM_SCRIPT = b"\x04"
WITNESS_SCRIPT = b"\x05"


def proven(
    psbt: bytes | Payment, wallet: RegisteredWallet | None = None, known: KnownIndexes = NOTHING_KNOWN
) -> VerifiedTransaction:
    """Parsed and verified, as every request is."""
    if isinstance(psbt, Payment):
        wallet, psbt = wallet or psbt.wallet, psbt.psbt().serialize()
    assert wallet is not None
    return verify(UntrustedPsbt.parse(psbt), wallet, known)


def raw(payment: Payment) -> bytes:
    return payment.psbt().serialize()


def with_input(data: bytes, index: int, key: bytes, value: bytes | None) -> bytes:
    """One field of an input set, or taken away."""
    return edited(data, lambda each: each.set(each.input(index), key, value))


def with_output(data: bytes, index: int, key: bytes, value: bytes | None) -> bytes:
    return edited(data, lambda each: each.set(each.output(index), key, value))


def with_global(data: bytes, key: bytes, value: bytes | None) -> bytes:
    return edited(data, lambda each: each.set(each.maps[0], key, value))


def input_field(data: bytes, index: int, key: bytes) -> bytes:
    each = RawPsbt(data)
    return each.get(each.input(index), key)


def transaction_of(data: bytes) -> Transaction:
    return Transaction.parse_stripped(RawPsbt.get(RawPsbt(data).maps[0], UNSIGNED_TX))


def with_transaction(data: bytes, change: Callable[[Transaction], Transaction]) -> bytes:
    """Another unsigned transaction under the same fields (version 0)."""
    return with_global(data, UNSIGNED_TX, change(transaction_of(data)).serialize_stripped())


def with_tx_input(data: bytes, index: int, **changes: Any) -> bytes:
    def change(tx: Transaction) -> Transaction:
        inputs = list(tx.inputs)
        inputs[index] = replace(inputs[index], **changes)
        return replace(tx, inputs=tuple(inputs))

    return with_transaction(data, change)


def with_tx_output(data: bytes, index: int, **changes: Any) -> bytes:
    def change(tx: Transaction) -> Transaction:
        outputs = list(tx.outputs)
        outputs[index] = replace(outputs[index], **changes)
        return replace(tx, outputs=tuple(outputs))

    return with_transaction(data, change)


def claimed_utxo(amount: int, script: bytes) -> bytes:
    """A witness UTXO as a PSBT holds it."""
    return struct.pack("<Q", amount) + size(len(script)) + script


def transaction(
    inputs: list[tuple[OutPoint, int]], outputs: list[tuple[int, bytes]], version: int = 2
) -> Transaction:
    """From outpoints with sequences, and amounts with scripts."""
    return Transaction(
        version,
        tuple(TxInput(outpoint, b"", sequence) for outpoint, sequence in inputs),
        tuple(TxOutput(Amount(sats), script) for sats, script in outputs),
        0,
    )


COORDINATOR = SshKey.of("coordinator")


def resealed(
    data: bytes, psbt: UntrustedPsbt | None = None, *, by: SshKey = COORDINATOR, **changes: Any
) -> bytes:
    """An honest request with another transaction, or other parts, in its envelope, signed again as the coordinator signs.

    What the request says of its transaction and its intent is made to fit; `request` in `changes` is a function of it.
    """
    old = UntrustedPsbt.parse(data)
    envelope = extract(old)
    psbt = psbt or UntrustedPsbt.parse(old.without_proprietary().raw)
    intent = changes.get("intent", envelope.intent)
    request = replace(envelope.request, unsigned_hash=unsigned_hash(psbt.tx), intent_digest=intent.digest)
    request = changes.get("request", lambda each: each)(request)
    signature = sign_request(request, by.private.sign, by.public)
    approvals, receipts = (changes.get(name, getattr(envelope, name)) for name in ("approvals", "receipts"))
    return embed(psbt, build_envelope(request, signature, intent, approvals, receipts)).raw


def bare(data: bytes) -> bytes:
    """The PSBT of a request, without its envelope."""
    return UntrustedPsbt.parse(data).without_proprietary().raw
