"""A policy in sentences, for the people who are about to sign it.

Every rule that is set has its sentence, and every other is named at the end as having no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from falconer_shared.policy.destinations import REACH
from falconer_shared.policy.document import Policy
from falconer_shared.policy.spend import share_of
from falconer_shared.policy.values import RULES
from falconer_shared.units import btc, grouped

SUMS = (
    "human_approval_threshold_sats",
    "max_daily_spend_sats",
    "max_weekly_spend_sats",
    "max_destination_spend_sats",
)
"""The rules that are sums over a window, of which each signer enforces its share."""


def explain(policy: Policy, *, k: int | None = None, n: int | None = None) -> tuple[str, ...]:
    """What a policy allows, in sentences; with `k` of `n`, also what each signer of that wallet lets pass."""
    lines = [
        f"Policy version {policy.version} for wallet {policy.wallet_id} on {policy.network.label}.",
        f"Changing it takes {policy.admin_quorum} of {len(policy.admins)} administrators.",
    ]
    lines += _approval(policy)
    if policy.mandatory_signers:
        lines.append(
            f"Mandatory signers: {', '.join(policy.mandatory_signers)}. "
            "Each signs before any other does, and enforces the whole of every limit."
        )
    lines += [_SENTENCES[name](policy, name) for name in _SENTENCES if policy.rule(name) is not None]
    lines += _hours(policy)
    lines += [
        f"{entry.name} stands for the first {REACH:,} receive addresses of {entry.address}."
        for entry in policy.addresses
        if entry.descriptor is not None
    ]
    if k is not None and n is not None:
        lines += _shares(policy, k, n)
    lines.append("No limit: " + (", ".join(policy.unlimited) or "none; every rule is set") + ".")
    return tuple(lines)


def explain_together(policies: Sequence[Policy]) -> tuple[str, ...]:
    """What several wallets could spend in a day together: limits are each wallet's, not the house's."""
    limits = [policy.limit("max_daily_spend_sats") for policy in policies]
    if any(limit is None for limit in limits):
        return (f"{len(policies)} wallets together: no limit a day, since one of them has none.",)
    total = sum(limit for limit in limits if limit is not None)
    return (f"{len(policies)} wallets together can spend {grouped(total)} ({btc(total)}) in a day.",)


def _approval(policy: Policy) -> list[str]:
    lines = []
    threshold = policy.limit("human_approval_threshold_sats")
    if threshold is not None:
        lines.append(f"More than {grouped(threshold)} ({btc(threshold)}) in a day needs approval.")
    funding = policy.limit("funding_proposal_threshold_sats")
    if funding is not None:
        lines.append(
            f"More than {grouped(funding)} ({btc(funding)}) in one transaction needs approval, whatever the day's sum."
        )
    if policy.rule("auto_approve_new_strategies") is False:
        lines.append(
            "The first payment of every requester and strategy needs approval, as each side's history knows them."
        )
    if not lines:
        return ["No amount ever needs a person's approval."]
    for position, tier in enumerate(policy.tiers):
        whom = f"{tier.k} of group {tier.group} ({', '.join(sorted(policy.members(tier.group)))})"
        when = (
            "Approval is by"
            if position == 0
            else f"A transaction of more than {grouped(tier.above)} is approved by"
        )
        lines.append(f"{when} {whom}.")
    return lines


def _sats(behind: str = "") -> Callable[[Policy, str], str]:
    def sentence(policy: Policy, name: str) -> str:
        limit = policy.limit(name) or 0
        return f"{name}: at most {grouped(limit)} ({btc(limit)}){behind}."

    return sentence


def _number(form: str) -> Callable[[Policy, str], str]:
    return lambda policy, name: f"{name}: {form.format(policy.limit(name))}."


def _yes_no(yes: str, no: str) -> Callable[[Policy, str], str]:
    return lambda policy, name: f"{name}: {yes if policy.rule(name) is True else no}."


def _destinations(form: str) -> Callable[[Policy, str], str]:
    return lambda policy, name: form.format(
        ", ".join(entry.name for entry in policy.destinations(name) or ())
    )


_ONLINE = " (the coordinator sees this, and no signer does)"

_SENTENCES: Mapping[str, Callable[[Policy, str], str]] = {
    "max_single_tx_sats": _sats(),
    "max_daily_spend_sats": _sats(),
    "max_weekly_spend_sats": _sats(" in seven days"),
    "max_destination_spend_sats": _sats(" to one destination in seven days"),
    "max_daily_proposals": _number("at most {} payments in a day; those that replace each other are one"),
    "max_fee_sats": _sats(),
    "max_fee_rate_sats_per_vbyte": _number("at most {} sat/vB"),
    "max_fee_percent": _number(
        "a fee is at most {} % of what is paid, or of what is moved where nothing is paid"
    ),
    "min_change_value_sats": _number("nothing smaller than {} sats goes back to the wallet"),
    "consolidate_below_fee_rate": _number("coins are merged at {} sat/vB or less"),
    "allowed_destinations": _destinations("Money may go to {} and nowhere else."),
    "denied_destinations": _destinations("No money may go to {}."),
    "no_address_reuse": _yes_no(
        "no address is used twice, as far as each side's own history reaches", "addresses may be used again"
    ),
    "ai_decision_interval_seconds": _number("what one requester asks for lies {} seconds apart or more"),
    "auto_approve_new_strategies": _yes_no(
        "a new strategy needs no approval of its own", "a new strategy needs approval"
    ),
    "funding_proposal_expiry_hours": _number("an intent may be signed for at most {} hours"),
    "funding_proposal_max_pending": _number("at most {} proposals wait for approval or signature" + _ONLINE),
    "min_confirmations": _number("coins that are paid with have at least {} confirmations" + _ONLINE),
    "max_mempool_congestion_percent": _number(
        "payments wait while the memory pool is more than {} % full" + _ONLINE
    ),
}
"""A sentence for each rule that is set; the thresholds of approval and the hours have theirs elsewhere."""

ELSEWHERE = frozenset(
    {
        "allowed_hours_end",
        "allowed_hours_start",
        "allowed_timezone",
        "funding_proposal_threshold_sats",
        "human_approval_threshold_sats",
        "weekend_operations",
    }
)
"""The rules that `_approval` and `_hours` speak of."""

if frozenset(RULES) != _SENTENCES.keys() | ELSEWHERE:
    raise RuntimeError("a rule has no sentence")


def _hours(policy: Policy) -> list[str]:
    zone = policy.rule("allowed_timezone")
    start, end = policy.rule("allowed_hours_start"), policy.rule("allowed_hours_end")
    lines = []
    if start is not None:
        over = " of the next day" if str(start) > str(end) else ""
        lines.append(f"Signing is from {start} to {end}{over}, by the clocks of {zone}.")
    if policy.rule("weekend_operations") is False:
        lines.append(f"Nothing is signed on Saturday and Sunday in {zone}.")
    elif policy.rule("weekend_operations") is True:
        lines.append("Weekends are days like others.")
    if zone is not None and not lines:
        lines.append(f"allowed_timezone: {zone}, by which nothing is limited.")
    return lines


def _shares(policy: Policy, k: int, n: int) -> list[str]:
    share = share_of(policy, k, n)
    lines: list[str] = []
    if share.whole or share.k == share.n:
        lines.append(f"In a {k}-of-{n} wallet every sum over a day or a week is enforced whole.")
    else:
        for name in SUMS:
            limit = policy.limit(name)
            if limit is not None:
                lines.append(
                    f"{name}: each signer of a {k}-of-{n} wallet lets {grouped(share.of(limit))} pass "
                    f"({share.k}/{share.n} of {grouped(limit)}), so that all of them together sign no more than {grouped(limit)}."
                )
    if share.n > n:
        lines.append(
            f"More signers ({share.n}) than keys ({n}): some key is on two machines, and one may be all that signs."
        )
    elif share.n < n:
        lines.append(
            f"Fewer signers ({share.n}) than keys ({n}): what the other keys sign alone, no signer sees or limits."
        )
    return lines
