"""What the store gives back: plain facts. Keys, policies, intents and PSBTs are bytes here, and are parsed
and verified by whoever uses them.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconer_online.states import ProposalState
from falconer_shared.bitcoin.transaction import OutPoint


@dataclass(frozen=True, slots=True)
class WalletRow:
    """`highest_*` is -1 where no index is known to be used."""

    wallet_id: str
    name: str
    descriptor: str
    next_receive: int
    highest_receive: int
    highest_change: int


@dataclass(frozen=True, slots=True)
class PolicyRow:
    version: int
    digest: str
    text: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """`psbt` is the unsigned transaction as we built it, `request_psbt` with the signed request in it,
    `final` what is broadcast. `family`, `replaces`, `replaced_by` and `accelerates` are ids of proposals.
    """

    number: int
    id: str
    wallet_id: str
    family: str
    replaces: str | None
    replaced_by: str | None
    accelerates: str | None
    state: ProposalState
    created_at: int
    expires_at: int
    purpose: str
    unsigned_hash: str
    intent: bytes
    psbt: bytes
    verdicts: str
    approvals_needed: int
    request_digest: str | None
    request_psbt: bytes | None
    txid: str | None
    final: bytes | None
    confirmations: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A note of BIP 329 on a thing of that type (`addr`, `tx`, ...). For people: nothing is judged by it (A120)."""

    type: str
    ref: str
    label: str
    origin: str | None = None
    spendable: bool | None = None


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """A coin that a person keeps out of proposals."""

    outpoint: OutPoint
    wallet_id: str
    reason: str
    frozen_at: int


@dataclass(frozen=True, slots=True)
class SignatureRow:
    input: int
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    signer: str
    wallet_id: str
    number: int
    digest: str
    text: bytes
    signature: bytes
    proposal_id: str | None
    received_at: int
