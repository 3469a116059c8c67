"""A payment with everything that crosses the gap: a policy, keys made by ssh-keygen, a request, receipts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from falconer_shared.approval import intent as intents
from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.approval.quorum import Approval
from falconer_shared.bitcoin.network import Network
from falconer_shared.exchange.envelope import RequestEnvelope, build_envelope
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import Receipt, ReceiptMark, SignedReceipt, sign_receipt
from falconer_shared.exchange.request import SigningRequest, sign_request
from falconer_shared.policy.document import Policy
from falconer_shared.policy.parts import ApprovalTier, Group, KeyHolder
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.values import RULES
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from tests.support.ssh_keygen import KeyFile
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wsh_wallet

NOW = 1_700_000_000


@dataclass(frozen=True)
class Holder:
    """A key pair that ssh-keygen made, and its two uses in our code."""

    file: KeyFile

    @property
    def key(self) -> SshPublicKey:
        return SshPublicKey.parse(self.file.public_line)

    def sign(self, data: bytes) -> bytes:
        return load_ssh_private_key(self.file.path.read_bytes(), None).sign(data)


@dataclass
class World:
    """Everything of one payment. Tests change one thing and put it together again."""

    holders: dict[str, Holder]
    payment: Payment
    verified: VerifiedTransaction
    policy: Policy
    intent: Intent
    approvals: list[Approval]
    request: SigningRequest

    def receipt(self, signer: str = "vault-1", **changes: object) -> SignedReceipt:
        facts = {
            "signer": signer, "number": 4, "request": "99" * 32, "refusals": (), "rules": self.request.rules,
            "total": Amount(70_000), "policy_version": 1, "journal_size": 9, "journal_head": "77" * 32,
            "program": "falconer-offline-0.1.0", "judged": NOW,
        }  # fmt: skip
        receipt = Receipt(**{**facts, **changes})
        return sign_receipt(receipt, self.holders[signer].sign, self.holders[signer].key)

    def envelope(
        self, shown: list[SignedReceipt] | None = None, by: str = "coordinator", **changes: object
    ) -> RequestEnvelope:
        request = dataclasses.replace(self.request, **changes)
        signature = sign_request(request, self.holders[by].sign, self.holders[by].key)
        return build_envelope(request, signature, self.intent, self.approvals, shown or [])


def rule_lines() -> tuple[RuleLine, ...]:
    judged = {"max_fee_sats": ("1000", "5000"), "max_daily_spend_sats": ("70000", "90000")}
    return tuple(RuleLine(name, Outcome.PASS, *judged.get(name, (None, None))) for name in RULES)


@pytest.fixture(scope="session")
def holders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    names = ("admin", "ann", "bob", "coordinator", "vault-1", "vault-2", "vault-3", "stranger")
    return {name: Holder(KeyFile.make(folder, name)) for name in names}


@pytest.fixture(scope="session")
def _proven():
    payment = Payment(wsh_wallet(), pay=[(stranger_address(0), 40_000), (stranger_address(1), 30_000)])
    return payment, verify(payment.psbt(), payment.wallet, NOTHING_KNOWN)


@pytest.fixture
def world(holders, _proven):
    payment, verified = _proven

    def of(*names: str) -> tuple[KeyHolder, ...]:
        return tuple(KeyHolder(name, holders[name].key) for name in names)

    policy = Policy(
        version=1, network=Network.REGTEST, wallet_id=verified.wallet.wallet_id, admin_quorum=1, admins=of("admin"),
        approvers=of("ann", "bob"), groups=(Group("ops", ("ann", "bob")),), tiers=(ApprovalTier(0, 1, "ops"),),
        signers=of("vault-1", "vault-2", "vault-3"), mandatory_signers=(), operators=(),
        coordinator=holders["coordinator"].key, addresses=(),
        rules=tuple((name, {"max_fee_sats": 5_000, "human_approval_threshold_sats": 0}.get(name)) for name in RULES),
    )  # fmt: skip
    intent = Intent(
        kind=IntentKind.PAY, network=Network.REGTEST, wallet_id=verified.wallet.wallet_id, proposal="rent",
        requester="agent-7", strategy="-", policy_version=1, policy_digest=policy.digest,
        spends=verified.inputs[0].outpoint,
        pays=((Amount(40_000), stranger_address(0)), (Amount(30_000), stranger_address(1))), max_fee=Amount(2_000),
        not_before=NOW, expires=NOW + 86_400,
    )  # fmt: skip
    request = SigningRequest(
        id="rent-1", created=NOW, network=Network.REGTEST, wallet_id=verified.wallet.wallet_id,
        unsigned_hash=verified.unsigned_hash, intent_digest=intent.digest, policy_version=1, policy_digest=policy.digest,
        coordinator=holders["coordinator"].key.key_hash, audit_size=12, audit_root="55" * 32,
        receipts=tuple(ReceiptMark(f"vault-{n}", 0, None) for n in (1, 2, 3)), rules=rule_lines(),
    )  # fmt: skip
    approvals = [
        Approval.parse(holders[name].file.sign(intent.text, intents.NAMESPACE)) for name in ("ann", "bob")
    ]
    return World(holders, payment, verified, policy, intent, approvals, request)
