"""`falconer proposals bump | cancel | accelerate`: what to do about a transaction that does not confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from falconer_online.cli.complete import proposal_ids
from falconer_online.cli.options import json_option, parse_expiry
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import created, document
from falconer_shared.errors import UsageError

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.proposals import Wish

P = ParamSpec("P")
R = TypeVar("R")


def _wish_options(function: Callable[P, R]) -> Callable[P, R]:
    """What a proposal without payments can be told."""
    for option in (
        click.option("--purpose", default="", help="What it is for; for people, not signed."),
        click.option("--strategy", default="-", help="Under which strategy."),
        click.option("--requester", default="operator", show_default=True, help="Who asks."),
        click.option(
            "--expires",
            metavar="TIME",
            help="How long it may be signed: 30m, 24h, 7d, or a time (default 24h).",
        ),
        click.option("--max-fee", type=click.IntRange(min=1), metavar="SATS", help="What approvers allow."),
        click.option(
            "--confirm-within",
            type=int,
            metavar="BLOCKS",
            help="Fee by the node's estimate for so many blocks.",
        ),
    ):
        function = option(function)
    return function


def _wish(
    coordinator: Coordinator, fee_rate: str | None, confirm_within: int | None, max_fee: int | None,
    expires: str | None, requester: str, strategy: str, purpose: str,
) -> Wish:  # fmt: skip
    from falconer_online.build import parse_fee_rate
    from falconer_online.proposals import Wish
    from falconer_shared.units import Amount

    if fee_rate is not None and confirm_within is not None:
        raise UsageError("usage", "--fee-rate and --confirm-within both say what the fee is to be")
    return Wish(
        payments=(),
        fee_rate=parse_fee_rate(fee_rate) if fee_rate is not None else None,
        confirm_within=confirm_within,
        max_fee=Amount(max_fee) if max_fee is not None else None,
        expires=parse_expiry(expires, coordinator.clock()) if expires is not None else None,
        requester=requester,
        strategy=strategy,
        purpose=purpose,
    )


@click.command("bump")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option(
    "--fee-rate", required=True, metavar="SAT/VB", help="The new fee rate; within the intent's max-fee."
)
@json_option
@pass_session
def bump(session: Session, proposal_id: str, fee_rate: str) -> None:
    """Make a transaction that replaces the one of proposal ID with a higher fee (BIP 125): the same payments under the
    same intent, so that nobody has to approve again. It gets a signing request of its own.
    """
    from falconer_online.build import parse_fee_rate
    from falconer_online.replacing import bump as do_bump

    coordinator = session.open()
    with session.busy("choosing coins, verifying and judging"):
        made = do_bump(coordinator, proposal_id, parse_fee_rate(fee_rate))
    created(session, coordinator, made)


@click.command("cancel")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option(
    "--fee-rate", metavar="SAT/VB", help="Default: the node's estimate, or what outbids the payment."
)
@_wish_options
@json_option
@pass_session
def cancel(  # noqa: PLR0913, PLR0917  # one argument per option
    session: Session, proposal_id: str, fee_rate: str | None, confirm_within: int | None, max_fee: int | None,
    expires: str | None, requester: str, strategy: str, purpose: str,
) -> None:  # fmt: skip
    """Take the payment of proposal ID back. One that no signer has seen is rejected. For one that may be out, a transaction
    is proposed that spends its named coin home with a higher fee; whichever of the two confirms first wins.
    """
    from falconer_online.keeping import Created
    from falconer_online.replacing import cancel as do_cancel

    coordinator = session.open()
    wish = _wish(coordinator, fee_rate, confirm_within, max_fee, expires, requester, strategy, purpose)
    with session.busy("verifying and judging"):
        made = do_cancel(coordinator, proposal_id, wish)
    if isinstance(made, Created):
        session.warn("until this one is signed, sent and confirmed, the payment may still go through")
        created(session, coordinator, made)
        return
    session.say(f"proposal {made.id} is {made.state}: no signer had seen it, and its coins are free")
    session.result({"verdict": "accepted", "proposal": document(coordinator, made)})


@click.command("accelerate")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option(
    "--fee-rate", metavar="SAT/VB", help="For both transactions together. Default: the node's estimate."
)
@_wish_options
@json_option
@pass_session
def accelerate(  # noqa: PLR0913, PLR0917  # one argument per option
    session: Session, proposal_id: str, fee_rate: str | None, confirm_within: int | None, max_fee: int | None,
    expires: str | None, requester: str, strategy: str, purpose: str,
) -> None:  # fmt: skip
    """Propose a transaction that spends the change of proposal ID, which waits unconfirmed, back to the wallet with a fee
    that pays for both (CPFP).
    """
    from falconer_online.accelerating import accelerate as do_accelerate

    coordinator = session.open()
    wish = _wish(coordinator, fee_rate, confirm_within, max_fee, expires, requester, strategy, purpose)
    with session.busy("choosing coins, verifying and judging"):
        made = do_accelerate(coordinator, proposal_id, wish)
    created(session, coordinator, made)
