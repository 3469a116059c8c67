"""`falconer proposals create`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import FILE, json_option, parse_expiry
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import created
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.build import Payee
    from falconer_online.coordinator import Coordinator
    from falconer_online.paying import AddressBook


@click.command("create")
@click.option(
    "--pay", "payments", multiple=True, metavar="ADDRESS=SATS",
    help="A payment, to an address or to @NAME of the address book; again for each.",
)  # fmt: skip
@click.option(
    "--uri", "uris", multiple=True, metavar="URI", help="A payment URI (bitcoin:...); again for each."
)
@click.option(
    "--csv", "batch", type=FILE, metavar="FILE", help="Many payments: lines of address,sats[,label]."
)
@click.option(
    "--sweep", metavar="ADDRESS", help="Pay all of --coins, or of all free coins, to this address or @NAME."
)
@click.option(
    "--own", is_flag=True, help="Bring --coins, or all free coins, together; nothing leaves the wallet."
)
@click.option("--wallet", help="Which wallet pays (default: the only one).")
@click.option("--fee-rate", metavar="SAT/VB", help="Default: the node's estimate.")
@click.option(
    "--confirm-within", type=int, metavar="BLOCKS", help="Fee by the node's estimate for so many blocks."
)
@click.option(
    "--coins", multiple=True, metavar="OUTPOINT", help="Spend this coin (txid:n), and no unnamed one; again."
)
@click.option("--subtract-fee", is_flag=True, help="The payments bear the fee, in equal parts.")
@click.option(
    "--max-fee", type=click.IntRange(min=1), metavar="SATS",
    help="What approvers allow (default: room for one bump).",
)  # fmt: skip
@click.option(
    "--expires", metavar="TIME", help="How long it may be signed: 30m, 24h, 7d, or a time (default 24h)."
)
@click.option("--requester", default="operator", show_default=True, help="Who asks.")
@click.option("--strategy", default="-", help="Under which strategy.")
@click.option("--purpose", default="", help="What it is for; for people, not signed.")
@json_option
@pass_session
def create(  # noqa: PLR0913, PLR0917  # one argument per option
    session: Session, payments: tuple[str, ...], uris: tuple[str, ...], batch: Path | None, sweep: str | None,
    own: bool, wallet: str | None,  # noqa: FBT001
    fee_rate: str | None, confirm_within: int | None, coins: tuple[str, ...], subtract_fee: bool,  # noqa: FBT001
    max_fee: int | None, expires: str | None, requester: str, strategy: str, purpose: str,
) -> None:  # fmt: skip
    """Propose payments: coins are chosen and held, everything is verified and judged, and the intent is
    drafted. Whatever is wrong with any payment, nothing is proposed.
    """
    from falconer_online import moving
    from falconer_online.build import parse_fee_rate
    from falconer_online.proposals import Wish
    from falconer_online.proposals import create as do_create
    from falconer_shared.bitcoin.transaction import OutPoint
    from falconer_shared.units import Amount

    if not (payments or uris or batch or sweep or own):
        raise UsageError("payment-none", "nothing to pay", remedy="--pay ADDRESS=SATS, --uri, or --csv FILE")
    if (bool(payments or uris or batch), bool(sweep), own).count(True) > 1:
        raise UsageError("usage", "payments, --sweep and --own are three different proposals")
    if subtract_fee and (sweep or own):
        raise UsageError("usage", "--subtract-fee is for payments: without one the fee is subtracted anyway")
    if fee_rate is not None and confirm_within is not None:
        raise UsageError("usage", "--fee-rate and --confirm-within both say what the fee is to be")
    coordinator = session.open()
    wanted = _wanted(session, coordinator, wallet, payments, uris, batch)
    wish = Wish(
        payments=tuple(wanted.payees),
        wallet=wallet,
        fee_rate=parse_fee_rate(fee_rate) if fee_rate is not None else None,
        max_fee=Amount(max_fee) if max_fee is not None else None,
        expires=parse_expiry(expires, coordinator.clock()) if expires is not None else None,
        requester=requester,
        strategy=strategy,
        purpose=purpose or wanted.purpose,
        coins=tuple(map(OutPoint.parse_text, coins)),
        subtract_fee=subtract_fee,
        confirm_within=confirm_within,
        labels=wanted.labels,
    )
    with session.busy("choosing coins, verifying and judging"):
        if sweep is not None:
            book = _book(coordinator, wallet, named=sweep.startswith("@"))
            made = moving.sweep(coordinator, wish, book.destination(sweep)[1])
        elif own:
            made = moving.consolidate(coordinator, wish)
        else:
            made = do_create(coordinator, wish)
    created(session, coordinator, made)


class _Wanted:
    """Payments from all the ways that name them, with what was said about them."""

    def __init__(self) -> None:
        self.payees: list[Payee] = []
        self.labels: dict[str, str] = {}
        self.purpose = ""

    def add(self, payee: Payee, label: str = "") -> None:
        self.payees.append(payee)
        if label:
            self.labels[payee.address] = label


def _wanted(
    session: Session, coordinator: Coordinator, wallet: str | None, payments: tuple[str, ...],
    uris: tuple[str, ...], batch: Path | None,
) -> _Wanted:  # fmt: skip
    from falconer_online import batch as batches
    from falconer_online import bip21
    from falconer_online.files import read_file
    from falconer_online.labels import MAX_LABEL
    from falconer_online.paying import NAME_MARK, parse_payment
    from falconer_online.proposals import MAX_PURPOSE

    data = read_file(batch, batches.MAX_BATCH_FILE, "the batch") if batch is not None else b""
    named = NAME_MARK.encode() in data or any(text.startswith(NAME_MARK) for text in payments)
    book = _book(coordinator, wallet, named=named)
    found = _Wanted()
    for text in payments:
        found.add(parse_payment(text, book))
    for text in uris:
        uri = bip21.parse(text, book)
        found.add(uri.payee, uri.label[:MAX_LABEL])
        found.purpose = found.purpose or (uri.message or uri.label)[:MAX_PURPOSE]
        if uri.passed_over:
            names = ", ".join(safe(each, 40) for each in uri.passed_over[:10])
            session.warn(f"the URI also says {names}, which is passed over")
    for line in batches.parse(data, book) if batch is not None else ():
        found.add(line.payee, line.label)
    return found


def _book(coordinator: Coordinator, wallet: str | None, *, named: bool) -> AddressBook:
    """The address book of the wallet's policy; empty where no name is used, so that none is needed for addresses."""
    from falconer_online.coordinator import intent_of
    from falconer_online.paying import AddressBook
    from falconer_shared.bitcoin.address import script_of

    network = coordinator.config.network
    if not named:
        return AddressBook(network)
    with coordinator.store.read() as view:
        row = view.wallet(wallet)
        policy = coordinator.policy(view, row).policy
        paid = {
            script_of(address, network)
            for proposal in view.proposals(wallet_id=row.wallet_id)
            for _, address in intent_of(proposal).pays
        }
    return AddressBook(network, policy.addresses, frozenset(paid))
