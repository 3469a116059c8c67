"""What the shell offers for arguments: ids and names of this coordinator. Whatever goes wrong, it offers nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from falconer_online.store.view import View


def _from_store(find: Callable[[View], list[str]]) -> Callable[..., list[str]]:
    def offer(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from falconer_online.config import find_home
        from falconer_online.store.store import Store
        from falconer_shared.errors import FalconerError

        try:
            with Store.open(find_home().database).read() as view:
                return [each for each in find(view) if each.startswith(incomplete)]
        except FalconerError:
            return []

    return offer


wallet_names = _from_store(lambda view: [row.name for row in view.wallets()])
proposal_ids = _from_store(lambda view: [row.id for row in reversed(view.proposals())])
frozen_coins = _from_store(
    lambda view: [each.text() for row in view.wallets() for each in view.frozen(row.wallet_id)]
)


def states(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The states of proposals."""
    from falconer_online.states import ProposalState

    return [each.value for each in ProposalState if each.value.startswith(incomplete)]
