"""`falconer coin`: coins that are kept out of proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import frozen_coins, wallet_names
from falconer_online.cli.options import json_option
from falconer_online.cli.session import Session, pass_session

if TYPE_CHECKING:
    from falconer_online.jsontype import Json

_WALLET = click.option(
    "--wallet", shell_complete=wallet_names, help="Whose coin it is (default: the only wallet)."
)


@click.command("freeze")
@click.argument("outpoint", metavar="OUTPOINT")
@click.option("--reason", default="", help="Why; for people.")
@_WALLET
@json_option
@pass_session
def freeze(session: Session, outpoint: str, reason: str, wallet: str | None) -> None:
    """Keep the coin OUTPOINT (txid:n) out of proposals, until it is unfrozen. Audited."""
    from falconer_online.frozen import freeze as do_freeze
    from falconer_shared.bitcoin.transaction import OutPoint

    coordinator = session.open()
    coin = OutPoint.parse_text(outpoint)
    with coordinator.store.read() as view:
        row = view.wallet(wallet)
    do_freeze(coordinator, row, coin, reason)
    session.say(f"{coin.text()} is frozen")
    session.next(f"falconer coin unfreeze {coin.text()}")
    session.result(_state(row.name, coin.text(), frozen=True, reason=reason))


@click.command("unfreeze")
@click.argument("outpoint", metavar="OUTPOINT", shell_complete=frozen_coins)
@_WALLET
@json_option
@pass_session
def unfreeze(session: Session, outpoint: str, wallet: str | None) -> None:
    """Let proposals take the coin OUTPOINT again. Audited."""
    from falconer_online.frozen import unfreeze as do_unfreeze
    from falconer_shared.bitcoin.transaction import OutPoint

    coordinator = session.open()
    coin = OutPoint.parse_text(outpoint)
    with coordinator.store.read() as view:
        row = view.wallet(wallet)
    do_unfreeze(coordinator, row, coin)
    session.say(f"{coin.text()} may be spent again")
    session.result(_state(row.name, coin.text(), frozen=False, reason=None))


def _state(wallet: str, outpoint: str, *, frozen: bool, reason: str | None) -> dict[str, Json]:
    return {"wallet": wallet, "outpoint": outpoint, "frozen": frozen, "reason": reason}
