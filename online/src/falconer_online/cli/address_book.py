"""`falconer address-book`: the names of the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import wallet_names
from falconer_online.cli.options import json_option
from falconer_online.cli.session import Session, pass_session
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.jsontype import Json


@click.command("list")
@click.argument("wallet", required=False, shell_complete=wallet_names)
@json_option
@pass_session
def list_(session: Session, wallet: str | None) -> None:
    """The addresses that the administrators signed under a name; --pay @NAME=SATS pays one."""
    coordinator = session.open()
    with coordinator.store.read() as view:
        row = view.wallet(wallet)
        installed = coordinator.policy(view, row)
    entries: list[Json] = [
        {"name": each.name, "address": each.address, "descriptor": each.descriptor is not None}
        for each in installed.policy.addresses
    ]
    session.table(
        ("name", "address"), [(each.name, safe(each.address, 1000)) for each in installed.policy.addresses]
    )
    session.say(
        f"signed with policy version {installed.policy.version} by {', '.join(installed.signed_by)}; "
        f"digest {installed.digest}"
    )
    session.result(
        {
            "wallet": row.name,
            "policy": {"version": installed.policy.version, "digest": installed.digest},
            "signed_by": list(installed.signed_by),
            "addresses": entries,
        }
    )
