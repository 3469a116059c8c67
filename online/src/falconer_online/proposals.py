"""Proposals: from a wish to a judged transaction whose coins are held, and its ends by a person or by time.

In the order in which `create` works, all of it alone with the coordinator:

1. what is due expires, and the node's locks are made what the store says;
2. the node chooses coins, our own core rebuilds and verifies (`build`);
3. the intent is drafted; it names the first coin, which every transaction for it must spend;
4. the transaction is held against intent and policy, with what was spent before, and the coordinator's
   history is judged against a single signer's share: what passes here passes at whichever signers are asked;
5. coins are locked at the node for good; proposal, coins, spend and audit record are written in one
   transaction.

Whatever fails after 2 frees the coins again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from falconer_online.build import Choice, Payee, check_payments, choose, rebuild
from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.fees import usual_fee_rate
from falconer_online.judging import Judgement, judge
from falconer_online.outlook import outlook_of
from falconer_online.states import MAY_EXPIRE, ProposalState
from falconer_online.store.rows import LabelRow, ProposalRow, WalletRow
from falconer_online.wallets import change_index, check_free, reconcile_locks
from falconer_shared.approval.intent import Intent, IntentKind, check_intent
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import format_time
from falconer_shared.errors import (
    ApprovalError,
    DeviceError,
    FalconerError,
    PolicyViolation,
    UsageError,
    VerificationError,
)
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.policy.rules.times import HOUR_SECONDS
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.text import is_token, safe
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.transaction import VerifiedTransaction
from falconer_shared.wallet.registration import RegisteredWallet

MAX_PURPOSE = 500
"""Characters of a purpose: a few sentences for people; it is no part of what is signed."""

_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for one another when read aloud."""

NO_STRATEGY = "-"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. Times are seconds; None leaves it to us.

    `coins` names the coins to spend, all of them and no others. With `subtract_fee` the payments bear the fee.
    `confirm_within` is in blocks, and stands in the place of a fee rate. `labels` are notes on addresses, for
    people.
    """

    payments: tuple[Payee, ...]
    wallet: str | None = None
    fee_rate: FeeRate | None = None
    max_fee: Amount | None = None
    expires: int | None = None
    requester: str = "operator"
    strategy: str = NO_STRATEGY
    purpose: str = ""
    coins: tuple[OutPoint, ...] = ()
    subtract_fee: bool = False
    confirm_within: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A new proposal with what was judged."""

    row: ProposalRow
    verified: VerifiedTransaction
    judgement: Judgement


def create(coordinator: Coordinator, wish: Wish) -> Created:
    """Make a proposal.

    Raises:
        UsageError, PolicyRefused, VerificationError, DeviceError, StateError: and nothing is held then.
    """
    check_payments(wish.payments)
    check_wish(wish)
    with coordinator.exclusive():
        expire_due(coordinator)
        with coordinator.store.read() as view:
            row = view.wallet(wish.wallet)
            installed = coordinator.policy(view, row)
            wallet = coordinator.wallet(row)
            reconcile_locks(coordinator, view, row)
            index = change_index(coordinator, view, wallet)
        try:
            return _create(coordinator, wish, row, wallet, installed, index)
        except (PolicyViolation, VerificationError, ApprovalError, DeviceError) as refusal:
            _record_refusal(coordinator, wish, refusal)
            raise


def check_wish(wish: Wish) -> None:
    """Accept the words of a wish.

    Raises:
        UsageError: `proposal-name`, `proposal-purpose`.
    """
    for what, name in (("requester", wish.requester), ("strategy", wish.strategy)):
        if not is_token(name):
            raise UsageError(
                "proposal-name", f"{what} '{safe(name)}' is not an id of 1 to 64 characters a-z 0-9 . _ -"
            )
    if len(wish.purpose) > MAX_PURPOSE:
        raise UsageError("proposal-purpose", f"the purpose has more than {MAX_PURPOSE} characters")


def _create(
    coordinator: Coordinator,
    wish: Wish,
    row: WalletRow,
    wallet: RegisteredWallet,
    installed: InstalledPolicy,
    index: int,
) -> Created:
    node, name = coordinator.node, node_wallet_name(wallet.wallet_id)
    rate = wish.fee_rate or usual_fee_rate(coordinator, wish.confirm_within)
    check_free(coordinator, row, wish.coins)
    before = node.locked(name)
    try:
        choice = choose(
            node,
            wallet,
            wish.payments,
            index,
            rate,
            coins=wish.coins,
            subtract_fee=wish.subtract_fee,
            # so that the node does not choose what the policy then refuses
            min_confirmations=installed.policy.limit("min_confirmations") or 0,
        )
        verified = rebuild(node, wallet, row, choice, index)
        return _judge_and_keep(coordinator, wish, row, installed, verified, choice, rate)
    except BaseException:
        # also when the person interrupts: coins that no proposal holds must not stay locked
        _free_new(coordinator, name, before)
        raise


def _judge_and_keep(
    coordinator: Coordinator, wish: Wish, row: WalletRow, installed: InstalledPolicy, verified: VerifiedTransaction,
    choice: Choice, rate: FeeRate,
) -> Created:  # fmt: skip
    own = {output.script for output in verified.own_outputs}
    if any(payee.script in own for payee in wish.payments):
        raise UsageError("payment-to-own-wallet", "a payment goes to an address of this very wallet")
    now = coordinator.clock()
    intent = _draft(coordinator, wish, choice.payments, installed, verified, rate, now)
    check_intent(
        intent, verified, policy_version=installed.policy.version, policy_digest=installed.digest, now=now
    )
    with coordinator.store.change(now) as change:
        judgement = judge(
            installed,
            verified,
            intent,
            (),
            change.history(row.wallet_id),
            outlook_of(coordinator.node, change, installed.policy, verified, intent.proposal),
            now,
        )
        judgement.refuse_if_forbidden()
        name = node_wallet_name(row.wallet_id)
        for outpoint in choice.inputs:
            if not coordinator.node.lock(name, outpoint):
                raise DeviceError(
                    "node-chose-otherwise", f"the node will not hold {outpoint.text()}, which it chose"
                )
        kept = change.add_proposal(
            {
                "id": intent.proposal,
                "family": intent.proposal,
                "wallet_id": row.wallet_id,
                "expires_at": intent.expires,
                "purpose": wish.purpose,
                "unsigned_hash": verified.unsigned_hash,
                "intent": intent.text,
                "psbt": verified.psbt.serialize(),
                "verdicts": json.dumps(judgement.as_json()),
                "approvals_needed": judgement.needed,
            },
            ProposalState.PENDING if judgement.needed else ProposalState.APPROVED,
            choice.inputs,
            # one that needs approval counts as approved: it goes nowhere without
            judgement.spend.entry(approved=judgement.needed > 0),
            verified.highest_indexes,
        )
        for address, label in wish.labels.items():
            change.set_label(LabelRow("addr", address, label))
    return Created(kept, verified, judgement)


def _draft(
    coordinator: Coordinator,
    wish: Wish,
    payments: Sequence[Payee],
    installed: InstalledPolicy,
    verified: VerifiedTransaction,
    rate: FeeRate,
    now: int,
) -> Intent:
    usual = coordinator.config.expiry_seconds
    allowed = installed.policy.limit("funding_proposal_expiry_hours")
    if allowed is not None:
        usual = min(usual, allowed * HOUR_SECONDS)
    expires = wish.expires if wish.expires is not None else now + usual
    if expires <= now:
        raise UsageError("proposal-expires", f"{format_time(expires)} is not in the future")
    return Intent(
        kind=IntentKind.PAY,
        network=coordinator.config.network,
        wallet_id=verified.wallet.wallet_id,
        proposal=_new_id(now),
        requester=wish.requester,
        strategy=wish.strategy,
        policy_version=installed.policy.version,
        policy_digest=installed.digest,
        spends=verified.inputs[0].outpoint,
        pays=tuple((payee.amount, payee.address) for payee in payments),
        max_fee=wish.max_fee if wish.max_fee is not None else _usual_max_fee(installed, verified, rate),
        not_before=now,
        expires=expires,
    )


def _usual_max_fee(installed: InstalledPolicy, verified: VerifiedTransaction, rate: FeeRate) -> Amount:
    """Twice the fee of the wanted rate: room for one bump, and no more than the policy allows.

    From the wanted rate, not from the fee that the node made: a node that takes more is refused by it.
    """
    wanted = -(-int(rate) * verified.weight.virtual_size() // 1000)
    # besides: change too small to be worth an output is given to the fee, whatever the rate
    usual = 2 * wanted + 1000
    limit = installed.policy.limit("max_fee_sats")
    if limit is None or verified.fee > usual:
        return Amount(usual)
    # a fee above the policy's limit is for the policy to refuse, which names the limit
    return Amount(max(min(usual, limit), int(verified.fee)))


def _new_id(now: int) -> str:
    day = format_time(now)[:10].replace("-", "")
    return f"p{day}-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(6))


def _record_refusal(coordinator: Coordinator, wish: Wish, refusal: FalconerError) -> None:
    reasons = refusal.reasons if isinstance(refusal, PolicyRefused) else (refusal,)
    rules = [reason.rule for reason in reasons]
    with coordinator.store.change(coordinator.clock()) as change:
        change.refuse_proposal(
            wish.requester, [f"{int(payee.amount)} {payee.address}" for payee in wish.payments], rules
        )


def reject(coordinator: Coordinator, proposal_id: str, reason: str) -> ProposalRow:
    """A person says no: the coins are free again.

    Raises:
        StateError: `proposal-state`. UsageError: `proposal-unknown`, `proposal-purpose`.
    """
    if len(reason) > MAX_PURPOSE:
        raise UsageError("proposal-purpose", f"the reason has more than {MAX_PURPOSE} characters")
    with coordinator.exclusive():
        with coordinator.store.change(coordinator.clock()) as change:
            row = change.proposal(proposal_id)
            before = change.held(row.wallet_id)
            row = change.move(row, ProposalState.REJECTED, reason=reason or "rejected")
            coins = sorted(before.keys() - change.held(row.wallet_id).keys(), key=OutPoint.text)
        _free(coordinator, node_wallet_name(row.wallet_id), coins)
    return row


def expire_due(coordinator: Coordinator) -> tuple[ProposalRow, ...]:
    """Whatever may expire and is past its time expires now. The caller holds the coordinator's lock."""
    now = coordinator.clock()
    with coordinator.store.read() as view:
        due = [row for row in view.proposals() if row.state in MAY_EXPIRE and row.expires_at <= now]
    for row in due:
        with coordinator.store.change(now) as change:
            before = change.held(row.wallet_id)
            change.move(row, ProposalState.EXPIRED, reason=f"not signed by {format_time(row.expires_at)}")
            coins = sorted(before.keys() - change.held(row.wallet_id).keys(), key=OutPoint.text)
        _free(coordinator, node_wallet_name(row.wallet_id), coins)
    return tuple(due)


def _free(coordinator: Coordinator, name: str, outpoints: Sequence[OutPoint]) -> None:
    """Unlock at the node, where it can be reached; `reconcile_locks` makes up for it otherwise."""
    with suppress(DeviceError):
        coordinator.node.unlock(name, outpoints)


def _free_new(coordinator: Coordinator, name: str, before: Collection[OutPoint]) -> None:
    with suppress(DeviceError):
        node = coordinator.node
        node.unlock(name, [each for each in node.locked(name) if each not in before])
