"""How every proposal begins and ends, whatever it is for.

It begins with the wallet, its policy, and the node's locks made what the store says (`setting`). It ends with a verified
transaction of our own making and its intent (`keep`): the transaction is held against intent and policy as every signer will
hold it, at a single signer's share, so that what passes here passes at whichever signers are asked; its coins are locked; and
proposal, coins, spend and audit record are written in one transaction. Whatever fails frees what was locked.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.judging import Judgement, judge
from falconer_online.outlook import outlook_of
from falconer_online.states import ProposalState
from falconer_online.store.rows import LabelRow, ProposalRow, WalletRow
from falconer_online.wallets import change_index, coins, reconcile_locks
from falconer_shared.approval.intent import Intent, IntentKind, check_intent
from falconer_shared.approval.quorum import Approval
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import format_time
from falconer_shared.errors import (
    ApprovalError,
    DeviceError,
    FalconerError,
    PolicyViolation,
    StateError,
    UsageError,
    VerificationError,
)
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.policy.rules.times import HOUR_SECONDS
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.transaction import VerifiedTransaction
from falconer_shared.wallet.registration import RegisteredWallet

INCREMENTAL_RATE = 1_000
"""Satoshis per 1,000 vB that a replacement pays for its own relay (BIP 125 rule 4), and the least that any transaction pays:
1 sat/vB, what most nodes ask for. One that asks for less takes it, too.
"""

_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for one another when read aloud."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new proposal with what was judged."""

    row: ProposalRow
    verified: VerifiedTransaction
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Setting:
    """What a new proposal of a wallet starts from; `index` is the change address that is next."""

    row: WalletRow
    wallet: RegisteredWallet
    installed: InstalledPolicy
    index: int

    @property
    def node_name(self) -> str:
        return node_wallet_name(self.wallet.wallet_id)


def setting(coordinator: Coordinator, wallet: str | None = None, *, wallet_id: str | None = None) -> Setting:
    """The wallet of that name or id, with the node's locks made what the store says. The caller is alone with the coordinator."""
    with coordinator.store.read() as view:
        row = view.wallet(wallet) if wallet_id is None else view.wallet_by_id(wallet_id)
        registered = coordinator.wallet(row)
        installed = coordinator.policy(view, row)
        reconcile_locks(coordinator, view, row)
        return Setting(row, registered, installed, change_index(coordinator, view, registered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A transaction with its intent. `take` are coins that nobody holds yet, `share` those of the family that it joins;
    `labels` are notes on addresses, for people.
    """

    id: str
    setting: Setting
    verified: VerifiedTransaction
    intent: Intent
    purpose: str
    take: Sequence[OutPoint]
    share: Sequence[OutPoint] = ()
    replaces: ProposalRow | None = None
    accelerates: ProposalRow | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The family that it joins or founds."""
        return self.id if self.replaces is None else self.replaces.family

    @property
    def bumps(self) -> ProposalRow | None:
        """The one that it replaces under the same intent: its approvals hold for this one, too."""
        old = self.replaces
        return old if old is not None and old.intent == self.intent.text else None


class Asked(Protocol):
    """Who asks for a proposal, under which strategy, and until when it may be signed (None: as usual)."""

    @property
    def requester(self) -> str: ...

    @property
    def strategy(self) -> str: ...

    @property
    def expires(self) -> int | None: ...


def written_intent(
    coordinator: Coordinator,
    start: Setting,
    asked: Asked,
    kind: IntentKind,
    *,
    proposal: str,
    spends: OutPoint,
    pays: tuple[tuple[Amount, str], ...] = (),
    max_fee: Amount,
) -> Intent:
    """The intent of a new proposal: from now on, under the policy in force.

    Raises:
        UsageError: `proposal-expires`. Malformed: what building an `Intent` refuses.
    """
    return Intent(
        kind=kind,
        network=start.wallet.network,
        wallet_id=start.wallet.wallet_id,
        proposal=proposal,
        requester=asked.requester,
        strategy=asked.strategy,
        policy_version=start.installed.policy.version,
        policy_digest=start.installed.digest,
        spends=spends,
        pays=pays,
        max_fee=max_fee,
        not_before=coordinator.clock(),
        expires=expiry(coordinator, start.installed, asked.expires),
    )


def keep(coordinator: Coordinator, draft: Draft) -> Created:
    """Judge a draft and keep it. The caller is alone with the coordinator.

    Raises:
        ApprovalError: it is not what its intent says. PolicyRefused: the policy forbids it. DeviceError, StateError:
            its coins cannot be held. Nothing is held then.
    """
    start, verified, intent = draft.setting, draft.verified, draft.intent
    policy, now = start.installed.policy, coordinator.clock()
    check_intent(
        intent, verified, policy_version=policy.version, policy_digest=start.installed.digest, now=now
    )
    with _locking(coordinator, start.node_name) as lock, coordinator.store.change(now) as change:
        given = [Approval.parse(raw) for raw in change.approvals(draft.bumps.id)] if draft.bumps else []
        judgement = judge(
            start.installed,
            verified,
            intent,
            given,
            change.history(start.row.wallet_id),
            outlook_of(coordinator.node, change, policy, verified, draft.family),
            now,
        )
        judgement.refuse_if_forbidden()
        for outpoint in draft.take:
            lock(outpoint)
        kept = change.add_proposal(
            {
                "id": draft.id,
                "family": draft.family,
                "replaces": None if draft.replaces is None else draft.replaces.id,
                "accelerates": None if draft.accelerates is None else draft.accelerates.id,
                "wallet_id": start.row.wallet_id,
                "expires_at": intent.expires,
                "purpose": draft.purpose,
                "unsigned_hash": verified.unsigned_hash,
                "intent": intent.text,
                "psbt": verified.psbt.serialize(),
                "verdicts": json.dumps(judgement.as_json()),
                "approvals_needed": judgement.needed,
            },
            ProposalState.APPROVED if judgement.enough else ProposalState.PENDING,
            draft.take,
            # one that needs approval counts as approved: it goes nowhere without
            judgement.spend.entry(approved=judgement.needed > 0),
            verified.highest_indexes,
        )
        change.share_coins(kept, draft.share)
        if draft.bumps is not None:
            change.take_over_approvals(kept, draft.bumps)
        for address, label in draft.labels.items():
            change.set_label(LabelRow("addr", address, label))
    return Created(kept, verified, judgement)


@contextmanager
def _locking(coordinator: Coordinator, name: str) -> Iterator[_Lock]:
    """Coins locked at the node stay locked if all went well, and are freed otherwise, also when a person interrupts."""
    lock = _Lock(coordinator, name)
    try:
        yield lock
    except BaseException:
        with suppress(DeviceError):
            coordinator.node.unlock(name, lock.taken)
        raise


class _Lock:
    def __init__(self, coordinator: Coordinator, name: str) -> None:
        self._coordinator = coordinator
        self._name = name
        self.taken: list[OutPoint] = []

    def __call__(self, outpoint: OutPoint) -> None:
        if not self._coordinator.node.lock(self._name, outpoint):
            raise DeviceError(
                "node-chose-otherwise",
                f"the node will not hold {outpoint.text()}, which it chose or listed as unspent",
            )
        self.taken.append(outpoint)


@contextmanager
def recording(coordinator: Coordinator, requester: str, what: Sequence[str]) -> Iterator[None]:
    """A refusal of what happens inside is written into the audit log: who asked, what for, and the rules."""
    try:
        yield
    except (PolicyViolation, VerificationError, ApprovalError, DeviceError) as refusal:
        reasons: Sequence[FalconerError] = (
            refusal.reasons if isinstance(refusal, PolicyRefused) else (refusal,)
        )
        with coordinator.store.change(coordinator.clock()) as change:
            change.refuse_proposal(requester, what, [reason.rule for reason in reasons])
        raise


def free_coins(coordinator: Coordinator, start: Setting) -> tuple[OutPoint, ...]:
    """The wallet's confirmed coins that nothing holds, by what the node says the most valuable first.

    Confirmed: a replacement may not add a coin that is not (BIP 125 rule 2), and what is moved in bulk has time.
    """
    free = [each.coin for each in coins(coordinator, start.row) if each.free and each.coin.confirmations > 0]
    return tuple(
        coin.outpoint for coin in sorted(free, key=lambda coin: (-int(coin.amount), coin.outpoint.text()))
    )


def fee_at(rate: FeeRate, virtual_bytes: int) -> int:
    """Satoshis, rounded down, so that a rate that is as high as the policy allows is not above it."""
    return int(rate) * virtual_bytes // 1000


def least_fee(virtual_bytes: int) -> int:
    """What relay of so many virtual bytes costs, rounded up."""
    return -(-INCREMENTAL_RATE * virtual_bytes // 1000)


def usual_max_fee(installed: InstalledPolicy, fee: int, most: int) -> Amount:
    """Twice the fee: room for one bump; no more than the policy allows, or than `most`."""
    limit = installed.policy.limit("max_fee_sats")
    usual = min(2 * fee + 1000, most)
    # a fee above the policy's limit is for the policy to refuse, which names the limit
    return Amount(max(fee, usual if limit is None else min(usual, limit)))


def new_id(now: int) -> str:
    """A proposal's id: the day, and six letters and digits."""
    day = format_time(now)[:10].replace("-", "")
    return f"p{day}-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(6))


def expiry(coordinator: Coordinator, installed: InstalledPolicy, wanted: int | None) -> int:
    """The wanted end of an intent; else the configured one, and no later than the policy allows.

    Raises:
        UsageError: `proposal-expires`.
    """
    now = coordinator.clock()
    usual = coordinator.config.expiry_seconds
    allowed = installed.policy.limit("funding_proposal_expiry_hours")
    if allowed is not None:
        usual = min(usual, allowed * HOUR_SECONDS)
    expires = wanted if wanted is not None else now + usual
    if expires <= now:
        raise UsageError("proposal-expires", f"{format_time(expires)} is not in the future")
    return expires


def insufficient(what: str) -> StateError:
    """There is too little to do it with."""
    return StateError(
        "funds-insufficient",
        f"the free confirmed coins of the wallet do not suffice for {what}",
        remedy="wallet coins shows what is free, frozen, and held by other proposals",
    )
