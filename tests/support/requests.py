"""A whole signing request in memory, and the signer's judgement of bytes from the first to the last check, without its disk.

`judge` takes the same steps in the same order as `falconer_offline.review`; what that reads from its state is given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError
from falconer_shared.exchange.envelope import RequestEnvelope, build_envelope, check_request, embed, extract
from falconer_shared.exchange.lines import RuleLine, check_verdicts
from falconer_shared.exchange.receipt import Receipt, ReceiptMark, SignedReceipt, sign_receipt
from falconer_shared.exchange.request import SigningRequest, sign_request
from falconer_shared.policy.engine import ApprovedTransaction, approve, evaluate, spend_of
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.policy.spend import NOTHING_SEEN
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.policies import PolicyDraft, SshKey, approvals, holders
from tests.support.treasury import FORMS, NOTHING_KNOWN, Payment, wallet_of

NOW = 1_800_000_000
SIGNER = "machine-a"
NOTHING_SPENT = Recorded.of(())


@dataclass(frozen=True)
class Desk:
    """A wallet, the policy that governs it, and both as a machine that has just installed them."""

    wallet: RegisteredWallet
    installed: InstalledPolicy

    @classmethod
    def of(cls, form: str) -> Desk:
        wallet = wallet_of(form)
        return cls(wallet, draft_for(wallet).install())

    def fresh(self) -> Desk:
        """The same after a restart: nothing derived, nothing remembered."""
        wallet = RegisteredWallet.restore(
            self.wallet.name, self.wallet.network, self.wallet.canonical, self.wallet.gap_limit
        )
        return Desk(wallet, draft_for(wallet).install())


def draft_for(wallet: RegisteredWallet) -> PolicyDraft:
    """A policy that lets a plain payment pass once one of the desk approved it."""
    machines = tuple(f"machine-{letter}" for letter in "abc"[: wallet.size])
    return PolicyDraft(
        wallet_id=wallet.wallet_id,
        signers=holders(*machines),
        rules={
            "human_approval_threshold_sats": 10_000,
            "max_daily_spend_sats": 1_000_000_000,
            "max_fee_sats": 5_000_000,
            "max_single_tx_sats": 500_000_000,
        },
    )


def intent_for(verified: VerifiedTransaction, desk: Desk, *, max_fee: int | None = None) -> Intent:
    """The intent that this transaction fulfils."""
    pays = tuple((payment.amount, str(payment.address)) for payment in verified.payments)
    return Intent(
        kind=IntentKind.PAY if pays else IntentKind.OWN,
        network=Network.REGTEST,
        wallet_id=desk.wallet.wallet_id,
        proposal="rent",
        requester="agent",
        strategy="-",
        policy_version=1,
        policy_digest=desk.installed.digest,
        spends=verified.inputs[0].outpoint,
        pays=pays,
        max_fee=Amount(verified.fee if max_fee is None else max_fee),
        not_before=NOW - 60,
        expires=NOW + 3_600,
    )


def envelope_for(
    verified: VerifiedTransaction, desk: Desk, approvers: Sequence[str] = ("anna", "bert"), shown: int = 0
) -> RequestEnvelope:
    """What an honest coordinator puts around it; `shown`: how many machines' earlier receipts ride along."""
    intent = intent_for(verified, desk)
    policy = desk.installed.policy
    spend = spend_of(
        verified, intent, policy, NOTHING_SPENT, approvers=frozenset(approvers), outlook=NOTHING_SEEN, now=NOW
    )
    verdicts = evaluate(policy, spend)
    lines = tuple(RuleLine.of(verdict) for verdict in verdicts)
    names = [signer.name for signer in policy.signers]
    receipts = [_receipt(name, lines) for name in names[len(names) - shown :]]
    held = {each.receipt.signer: each.receipt for each in receipts}
    coordinator = SshKey.of("coordinator")
    request = SigningRequest(
        id="rent",
        created=NOW,
        network=Network.REGTEST,
        wallet_id=desk.wallet.wallet_id,
        unsigned_hash=verified.unsigned_hash,
        intent_digest=intent.digest,
        policy_version=1,
        policy_digest=desk.installed.digest,
        coordinator=coordinator.public.key_hash,
        audit_size=12,
        audit_root="55" * 32,
        receipts=tuple(
            ReceiptMark(name, held[name].number, held[name].digest)
            if name in held
            else ReceiptMark(name, 0, None)
            for name in names
        ),
        rules=lines,
    )
    signature = sign_request(request, coordinator.private.sign, coordinator.public)
    return build_envelope(request, signature, intent, approvals(intent.text, *approvers), receipts)


def _receipt(name: str, lines: tuple[RuleLine, ...]) -> SignedReceipt:
    key = SshKey.of(name)
    receipt = Receipt(
        signer=name, number=4, request="99" * 32, refusals=(), rules=lines, total=Amount(70_000), policy_version=1,
        journal_size=9, journal_head="77" * 32, program="falconer-offline-0.1.0", judged=NOW,
    )  # fmt: skip
    return sign_receipt(receipt, key.private.sign, key.public)


def sealed(
    psbt: UntrustedPsbt, desk: Desk, approvers: Sequence[str] = ("anna", "bert"), shown: int = 0
) -> UntrustedPsbt:
    """The request that an honest coordinator makes of a PSBT."""
    return embed(psbt, envelope_for(verify(psbt, desk.wallet, NOTHING_KNOWN), desk, approvers, shown))


def judge(data: bytes, desk: Desk) -> ApprovedTransaction:
    """All that the offline program decides about bytes, up to the page that it would show.

    Raises:
        FalconerError: the refusal.
    """
    psbt = UntrustedPsbt.parse(data)
    envelope = extract(psbt)
    verified = verify(psbt, desk.wallet, NOTHING_KNOWN)
    checked = check_request(envelope, verified, desk.installed.policy)
    approved = approve(
        verified,
        desk.installed,
        checked.intent,
        checked.approvals,
        NOTHING_SPENT,
        NOW,
        signer=SIGNER,
        mandatory_done=checked.signed_by,
        request_digest=checked.request.digest,
    )
    check_verdicts(checked.request.rules, approved.verdicts)
    return approved


def verdict(data: bytes, desk: Desk) -> tuple[str, ...]:
    """The judgement as facts that can be compared: the refusal, whole, or what is to be signed."""
    try:
        approved = judge(data, desk)
    except FalconerError as refusal:
        return (type(refusal).__name__, refusal.rule, refusal.message, repr(sorted(refusal.details.items())))
    verified = approved.verified
    return (
        "accepted",
        verified.unsigned_hash,
        approved.intent.digest,
        repr(approved.verdicts),
        repr([item.digest.hex() for item in verified.inputs]),
        repr([(output.amount, output.place) for output in verified.outputs]),
        repr((verified.cost, verified.notes)),
    )


@cache
def desks() -> tuple[Desk, ...]:
    """One of each form, in the order of `FORMS`."""
    return tuple(Desk.of(form) for form in FORMS)


@cache
def requests(form: str) -> tuple[bytes, ...]:
    """Valid requests for that desk: both PSBT versions, with and without receipts, one coin and several, all money going home."""
    desk = desks()[FORMS.index(form)]
    base = Payment(desk.wallet)
    one = replace(
        base, coins=base.coins[:1], pay=[(base.pay[0][0], 20_000)], change=[(base.change[0][0], 39_000)]
    )
    home = replace(base, pay=[], change=[(base.change[0][0], 109_000)])
    return (
        sealed(base.psbt(), desk).raw,
        sealed(replace(one, psbt_version=2).psbt(), desk, ("anna",), shown=1).raw,
        sealed(home.psbt(), desk, shown=desk.wallet.size).raw,
    )
