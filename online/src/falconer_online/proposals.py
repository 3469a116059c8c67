"""Proposals: from a wish to a judged transaction whose coins are held, and its ends by a person or by time.

In the order in which `create` works, all of it alone with the coordinator:

1. what is due expires, and the node's locks are made what the store says;
2. the node chooses coins, our own core rebuilds and verifies (`build`);
3. the intent is drafted; it names the first coin, which every transaction for it must spend;
4. it is judged and kept, its coins locked at the node for good (`keeping`).

Whatever fails after 2 frees the coins again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from falconer_online.build import Payee, check_payments, choose, rebuild
from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.fees import usual_fee_rate
from falconer_online.keeping import Created, Draft, Setting, keep, new_id, recording, setting, written_intent
from falconer_online.states import MAY_EXPIRE, ProposalState
from falconer_online.store.rows import ProposalRow
from falconer_online.wallets import check_free
from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import format_time
from falconer_shared.errors import (
    DeviceError,
    UsageError,
)
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.text import is_token, safe
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.transaction import VerifiedTransaction

MAX_PURPOSE = 500
"""Characters of a purpose: a few sentences for people; it is no part of what is signed."""

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


def create(coordinator: Coordinator, wish: Wish) -> Created:
    """Make a proposal.

    Raises:
        UsageError, PolicyRefused, VerificationError, DeviceError, StateError: and nothing is held then.
    """
    check_payments(wish.payments)
    check_wish(wish)
    with coordinator.exclusive():
        expire_due(coordinator)
        start = setting(coordinator, wish.wallet)
        wanted = [f"{int(payee.amount)} {payee.address}" for payee in wish.payments]
        with recording(coordinator, wish.requester, wanted):
            return _create(coordinator, wish, start)


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


def _create(coordinator: Coordinator, wish: Wish, start: Setting) -> Created:
    node = coordinator.node
    rate = wish.fee_rate or usual_fee_rate(coordinator, wish.confirm_within)
    check_free(coordinator, start.row, wish.coins)
    before = node.locked(start.node_name)
    try:
        return keep(coordinator, _drafted(coordinator, wish, start, rate))
    except BaseException:
        # also when the person interrupts: coins that no proposal holds must not stay locked
        _free_new(coordinator, start.node_name, before)
        raise


def _drafted(coordinator: Coordinator, wish: Wish, start: Setting, rate: FeeRate) -> Draft:
    choice = choose(
        coordinator.node,
        start.wallet,
        wish.payments,
        start.index,
        rate,
        coins=wish.coins,
        subtract_fee=wish.subtract_fee,
        # so that the node does not choose what the policy then refuses
        min_confirmations=start.installed.policy.limit("min_confirmations") or 0,
    )
    verified = rebuild(coordinator.node, start.wallet, start.row, choice, start.index)
    own = {output.script for output in verified.own_outputs}
    if any(payee.script in own for payee in wish.payments):
        raise UsageError("payment-to-own-wallet", "a payment goes to an address of this very wallet")
    intent = written_intent(
        coordinator,
        start,
        wish,
        IntentKind.PAY,
        proposal=new_id(coordinator.clock()),
        spends=verified.inputs[0].outpoint,
        pays=tuple((payee.amount, payee.address) for payee in choice.payments),
        max_fee=wish.max_fee if wish.max_fee is not None else _usual_max_fee(start.installed, verified, rate),
    )
    return Draft(
        id=intent.proposal,
        setting=start,
        verified=verified,
        intent=intent,
        purpose=wish.purpose,
        take=choice.inputs,
        labels=wish.labels,
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
