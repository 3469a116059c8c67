"""A coordinator in the hands of an attacker: it has the coordinator's key, its store's knowledge and its node.

It never asks the coordinator's own code, which would refuse. What it writes is signed as a real request is, so that nothing but
what the signer itself proves, judges and asks a person stands in its way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.exchange.envelope import RequestEnvelope, build_envelope, embed, extract
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import ReceiptMark
from falconer_shared.exchange.request import SigningRequest, sign_request
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import Outcome
from falconer_shared.policy.rules import ALL_RULES
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import build_psbt
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet

IDENTIFIER = b"\xfc\x08falconer"


@dataclass(frozen=True)
class CompromisedCoordinator:
    """Writes any request it likes, signed by the coordinator's key."""

    key: Ed25519PrivateKey
    policy: Policy
    wallet: RegisteredWallet

    @classmethod
    def of(cls, home: Path, policy_text: bytes, wallet: RegisteredWallet) -> CompromisedCoordinator:
        key = load_ssh_private_key((home / "coordinator.key").read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("the coordinator's key is not Ed25519")
        return cls(key, Policy.parse(policy_text), wallet)

    @property
    def public(self) -> SshPublicKey:
        return SshPublicKey.ed25519(self.key.public_key().public_bytes_raw())

    def without_envelope(self, psbt: UntrustedPsbt) -> bytes:
        """The PSBT of a captured request, without what the coordinator put around it."""
        return psbt.without_proprietary().serialize()

    def captured(self, request: Path) -> tuple[UntrustedPsbt, RequestEnvelope]:
        psbt = UntrustedPsbt.parse(request.read_bytes())
        return psbt, extract(psbt)

    def intent(self, tx: Transaction, pays: Sequence[tuple[str, int]], max_fee: int) -> Intent:
        """An intent of the attacker's own, for whatever the transaction does."""
        now = int(time.time())
        return Intent(
            kind=IntentKind.PAY,
            network=self.wallet.network,
            wallet_id=self.wallet.wallet_id,
            proposal=f"evil-{now}",
            requester="agent",
            strategy="-",
            policy_version=self.policy.version,
            policy_digest=self.policy.digest,
            spends=tx.inputs[0].outpoint,
            pays=tuple((Amount(sats), address) for address, sats in pays),
            max_fee=Amount(max_fee),
            not_before=now - 60,
            expires=now + 3_600,
        )

    def sealed(
        self, psbt: UntrustedPsbt, intent: Intent, unsigned_hash: str, old: RequestEnvelope | None = None
    ) -> bytes:
        """The bytes of a request as an honest coordinator would sign it, claiming that every rule passes."""
        lines = (
            old.request.rules
            if old is not None
            else tuple(RuleLine(rule.name, Outcome.PASS, None, None) for rule in ALL_RULES)
        )
        request = SigningRequest(
            id=f"evil-{int(time.time())}",
            created=int(time.time()),
            network=self.wallet.network,
            wallet_id=self.wallet.wallet_id,
            unsigned_hash=unsigned_hash,
            intent_digest=intent.digest,
            policy_version=self.policy.version,
            policy_digest=self.policy.digest,
            coordinator=self.public.key_hash,
            audit_size=0 if old is None else old.request.audit_size,
            audit_root="00" * 32 if old is None else old.request.audit_root,
            receipts=tuple(ReceiptMark(signer.name, 0, None) for signer in self.policy.signers)
            if old is None
            else old.request.receipts,
            rules=lines,
        )
        signature = sign_request(request, self.key.sign, self.public)
        envelope = build_envelope(
            request,
            signature,
            intent,
            () if old is None else old.approvals,
            () if old is None else old.receipts,
        )
        return embed(psbt, envelope).serialize()

    def payment(
        self,
        coins: Sequence[tuple[OutPoint, OwnPlace, bytes]],
        pays: Sequence[tuple[str, int]],
        change: tuple[OwnPlace, int],
    ) -> UntrustedPsbt:
        """A well-formed PSBT: coins with their place and raw previous transaction, payments, change."""
        outputs = [TxOutput(Amount(sats), script_of(address, self.wallet.network)) for address, sats in pays]
        place, sats = change
        outputs.append(TxOutput(Amount(sats), self.wallet.scripts(place.branch, place.index).script_pubkey))
        tx = Transaction(
            2, tuple(TxInput(outpoint, b"", 0xFFFFFFFD) for outpoint, _, _ in coins), tuple(outputs), 0
        )
        return build_psbt(tx, self.wallet, [(at, raw) for _, at, raw in coins], {len(pays): place})


def with_output_script(psbt: bytes, number: int, script: bytes) -> bytes:
    """The PSBT with one output of its transaction paying elsewhere; the fields beside it stay as they were."""
    from tests.support.rawpsbt import RawPsbt

    raw = RawPsbt(psbt)
    tx = Transaction.parse_stripped(raw.get(raw.maps[0], b"\x00"))
    outputs = list(tx.outputs)
    outputs[number] = replace(outputs[number], script=script)
    changed = replace(tx, outputs=tuple(outputs))
    raw.set(raw.maps[0], b"\x00", changed.serialize_stripped())
    return raw.bytes()
