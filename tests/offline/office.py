"""An offline home that went through its ceremony, and a coordinator that asks it to sign: the valid case.

Everything is real but the person. Keys are sealed to an age identity, so that nothing waits for a passphrase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from falconer_offline.keys.keyfile import open_seed, seal_seed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.sealed import Identity
from falconer_offline.review import Judged, judge, read_request
from falconer_offline.state import home as homes
from falconer_offline.state import journal, records
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State, change
from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Declined
from falconer_shared.exchange.envelope import build_envelope, embed
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import ReceiptMark, SignedReceipt
from falconer_shared.exchange.request import SigningRequest, sign_request
from falconer_shared.policy.engine import evaluate, spend_of
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.parts import KeyHolder
from falconer_shared.policy.spend import NOTHING_SEEN, Outlook
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.policies import PolicyDraft, SshKey, approvals, signed
from tests.support.treasury import Payment, root, stranger_address

NOW = 1_800_000_000
ADMINS = ("admin-a", "admin-b")


def seed_bytes(number: int) -> bytes:
    """The seed behind `treasury.root(number)`."""
    return hashlib.sha512(b"falconer test key %d" % number).digest()


@dataclass
class Office:
    """A home with one wallet and its policy."""

    home: Path
    identity: Identity
    machine: MachineKey
    wallet: RegisteredWallet
    draft: PolicyDraft
    marks: dict[str, ReceiptMark] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        home: Path,
        wallet: RegisteredWallet,
        seeds: Sequence[int] = (1,),
        now: int = NOW,
        rules: dict[str, object] | None = None,
        identity: Identity | None = None,
    ) -> Office:
        identity = identity or Identity(pyrage.x25519.Identity.generate())
        admins = [SshKey.of(name).public for name in ADMINS]
        machine = homes.create(home, wallet.network, "north", admins, identity, now)
        office = cls(home, identity, machine, wallet, PolicyDraft())
        office.add_keys(seeds, now)
        office.register(wallet, now)
        office.draft = PolicyDraft(
            wallet_id=wallet.wallet_id,
            admins=tuple(KeyHolder(name, SshKey.of(name).public) for name in ADMINS),
            signers=(KeyHolder("north", machine.public),),
            rules=dict(
                rules if rules is not None else {"max_daily_spend_sats": 300_000, "max_fee_sats": 5_000}
            ),
            tiers=(),
        )
        if "human_approval_threshold_sats" in office.draft.rules:
            office.draft.tiers = PolicyDraft().tiers
        office.install(office.draft, now)
        return office

    def state(self) -> State:
        return State.open(self.home)

    def add_keys(self, seeds: Sequence[int], now: int) -> None:
        state = self.state()
        with change(state, self.machine) as (transaction, _):
            for seed in seeds:
                sealed = seal_seed(seed_bytes(seed), Network.REGTEST, self.machine.public, self.identity)
                fingerprint = root(seed).my_fingerprint.hex()
                transaction.run(
                    "INSERT INTO keys VALUES (?, ?, ?, ?)", f"key-{seed}", fingerprint, now, sealed
                )
            journal.note(transaction, now, "key-imported")

    def register(self, wallet: RegisteredWallet, now: int) -> None:
        state = self.state()
        ours = {record.fingerprint: record.name for record in records.keys(state)}
        with change(state, self.machine) as (transaction, _):
            transaction.run(
                "INSERT INTO wallets VALUES (?, ?, ?, ?)",
                wallet.name, wallet.wallet_id, wallet.canonical, wallet.gap_limit,
            )  # fmt: skip
            for position, key in enumerate(wallet.keys):
                mine = ours.get(key.fingerprint.hex())
                who = "this machine" if mine else "somebody"
                transaction.run(
                    "INSERT INTO holders VALUES (?, ?, ?, ?)", wallet.wallet_id, position, who, mine
                )
            journal.note(transaction, now, "wallet-registered", wallet=wallet.wallet_id)

    def install(self, draft: PolicyDraft, now: int, *names: str) -> None:
        candidate = signed(draft.text(), *(names or ADMINS))
        with change(self.state(), self.machine) as (transaction, _):
            transaction.run(
                "INSERT INTO policies VALUES (?, ?, ?, ?)",
                draft.wallet_id, draft.version, candidate.text, records.pack_signatures(candidate.signatures),
            )  # fmt: skip
            journal.note(transaction, now, "policy-installed")

    def request(
        self,
        payment: Payment | None = None,
        *,
        now: int = NOW,
        approvers: Sequence[str] = (),
        alter_intent: Callable[[Intent], Intent] = lambda intent: intent,
        alter_request: Callable[[SigningRequest], SigningRequest] = lambda request: request,
        receipts: Sequence[SignedReceipt] = (),
        coordinator: str = "coordinator",
        outlook: Outlook = NOTHING_SEEN,
    ) -> bytes:
        """A request as an honest coordinator makes it; the `alter`s are one mutation each, signed all the same."""
        payment = payment or Payment(self.wallet)
        psbt = payment.psbt()
        policy = self.draft.policy()
        verified = verify(psbt, self.wallet, records.known_indexes(self.state(), self.wallet.wallet_id))
        intent = alter_intent(
            Intent(
                kind=IntentKind.PAY if verified.payments else IntentKind.OWN,
                network=self.wallet.network, wallet_id=self.wallet.wallet_id, proposal="rent",
                requester="agent", strategy="-", policy_version=policy.version, policy_digest=policy.digest,
                spends=verified.inputs[0].outpoint,
                pays=tuple((output.amount, output.address) for output in verified.payments),
                max_fee=Amount(4_000), not_before=now - 60, expires=now + 86_400,
            )
        )  # fmt: skip
        shown = approvals(intent.text, *approvers)
        spend = spend_of(
            verified, intent, policy, Recorded(()), approvers=frozenset(approvers), outlook=outlook, now=now
        )
        request = alter_request(
            SigningRequest(
                id="rent-1", created=now, network=self.wallet.network, wallet_id=self.wallet.wallet_id,
                unsigned_hash=verified.unsigned_hash, intent_digest=intent.digest, policy_version=policy.version,
                policy_digest=policy.digest, coordinator=SshKey.of(coordinator).public.key_hash, audit_size=1,
                audit_root="55" * 32,
                receipts=tuple(
                    self.marks.get(holder.name, ReceiptMark(holder.name, 0, None)) for holder in policy.signers
                ),
                rules=tuple(RuleLine.of(verdict) for verdict in evaluate(policy, spend)),
            )
        )  # fmt: skip
        key = SshKey.of(coordinator)
        envelope = build_envelope(
            request, sign_request(request, key.private.sign, key.public), intent, shown, receipts
        )
        return embed(psbt, envelope).raw

    def judge(self, data: bytes, now: int = NOW) -> Judged:
        state = self.state()
        return judge(state, read_request(state, data), now)


class Willing:
    """A person who confirms what the page says, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def show(self, judged: Judged, state: State) -> None:
        self.asked.append(("page", judged.verified.unsigned_hash))

    def total(self, expected: Amount) -> None:
        self.asked.append(("total", str(int(expected))))

    def ending(self, of: str, expected: str) -> None:
        self.asked.append((of, expected[-4:]))


class Unwilling(Willing):
    """A person who types something else."""

    def total(self, expected: Amount) -> None:
        raise Declined("confirmation-wrong", "no")


@dataclass
class Ring:
    """The secrets of an office; `wrong` makes Bitcoin keys fail to open."""

    office: Office
    wrong: Exception | None = None

    def machine(self, state: State) -> MachineKey:
        return self.office.machine

    def prepare(self, record: records.KeyRecord) -> Callable[[], PrivateNode]:
        def unlock() -> PrivateNode:
            if self.wrong is not None:
                raise self.wrong
            assert record.sealed is not None
            return open_seed(
                record.sealed, Network.REGTEST, self.office.machine.public, record.fingerprint,
                self.office.identity, record.name,
            )  # fmt: skip

        return unlock


def small(wallet: RegisteredWallet, number: int = 0, sats: int = 70_000) -> Payment:
    """A payment of its own coins; `number` makes it another one."""
    payment = Payment(wallet, pay=[(stranger_address(number), sats)])
    payment.coins = [(place, amount + number) for place, amount in payment.coins]
    return payment
