"""`falconer fee-brief` and `falconer mempool-health`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import wallet_names
from falconer_online.cli.options import json_option
from falconer_online.cli.session import Session, pass_session
from falconer_shared.units import FeeRate, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from falconer_online.chain.node import Layer, Mempool
    from falconer_online.fees import Brief
    from falconer_online.jsontype import Json

_IN_WORDS = {
    1: "the next block", 3: "half an hour", 6: "an hour", 12: "two hours", 36: "six hours", 144: "a day", 1008: "a week",
}  # fmt: skip


@click.command("fee-brief")
@click.option(
    "--wallet", shell_complete=wallet_names, help="Whose next payment is counted (default: the only wallet)."
)
@json_option
@pass_session
def fee_brief(session: Session, wallet: str | None) -> None:
    """What a payment costs now: the node's estimates, what waits in its mempool, and the wallet's next payment."""
    from falconer_online.fees import brief, fee_of

    coordinator = session.open()
    with coordinator.store.read() as view:
        # without any wallet there still are fees
        row = view.wallet(wallet) if wallet is not None or len(view.wallets()) == 1 else None
    with session.busy("asking the node"):
        found = brief(
            coordinator.node, coordinator.config.network, None if row is None else coordinator.wallet(row)
        )
    session.table(
        (
            "within",
            "blocks",
            "sat/vB",
            *(f"{coins} coin{'s' if coins > 1 else ''}, sats" for coins, _ in found.sizes),
        ),
        [
            (
                _IN_WORDS[each.blocks],
                each.blocks,
                "unknown"
                if each.rate is None
                else each.rate.text() + ("" if each.from_node else " (fallback)"),
                *("-" if each.rate is None else f"{fee_of(each.rate, size):,}" for _, size in found.sizes),
            )
            for each in found.estimates
        ],
    )
    session.say()
    for line in _layers_in_words(found.mempool):
        session.say(line)
    session.result(_brief_json(found, None if row is None else row.name))


def _layers_in_words(mempool: Mempool) -> list[str]:
    """The histogram, dearest first: what stands before a payment is what is above its line."""
    lines = [f"{_transactions(mempool.transactions)} unconfirmed: {_blocks(mempool.virtual_bytes)}."]
    if mempool.layers is None:
        return [*lines, "This node does not say at which fee rates."]
    before = 0
    rows = list(zip(mempool.layers, [*(each.lowest for each in mempool.layers[1:]), None], strict=True))
    for layer, upper in reversed(rows):
        if layer.transactions:
            lines.append(
                f"{_range(layer, upper)}: {_transactions(layer.transactions)}, {_blocks(layer.virtual_bytes)}, "
                f"behind {_blocks(before)}"
            )
        before += layer.virtual_bytes
    return lines


def _range(layer: Layer, upper: FeeRate | None) -> str:
    if upper is None:
        return f"{layer.lowest.text()} sat/vB and more"
    return (
        f"{layer.lowest.text()} to {upper.text()} sat/vB"
        if layer.lowest
        else f"less than {upper.text()} sat/vB"
    )


def _transactions(count: int) -> str:
    return f"{count:,} transaction{'' if count == 1 else 's'}"


def _blocks(virtual_bytes: int) -> str:
    from falconer_online.fees import BLOCK_VBYTES

    if virtual_bytes == 0:
        return "nothing"
    tenths = -(-virtual_bytes * 10 // BLOCK_VBYTES)
    if tenths == 1:
        return "up to a tenth of a block"
    return f"{tenths // 10}.{tenths % 10} blocks"


def _brief_json(found: Brief, wallet: str | None) -> dict[str, Json]:
    from falconer_online.fees import fee_of

    return {
        "estimates": [
            {
                "blocks": each.blocks,
                "sat_per_vbyte": None if each.rate is None else each.rate.text(),
                "source": None if each.rate is None else "node" if each.from_node else "fallback",
            }
            for each in found.estimates
        ],
        "mempool": _mempool_json(found.mempool),
        "layers": None if found.mempool.layers is None else _layers_json(found.mempool.layers),
        "wallet": wallet,
        "next_payment": [
            {
                "coins": coins,
                "vbytes": size,
                "fees": [
                    {"blocks": each.blocks, "sats": fee_of(each.rate, size)}
                    for each in found.estimates
                    if each.rate is not None
                ],
            }
            for coins, size in found.sizes
        ],
    }


def _layers_json(layers: Sequence[Layer]) -> list[Json]:
    return [
        {
            "from_sat_per_vbyte": each.lowest.text(),
            "transactions": each.transactions,
            "vbytes": each.virtual_bytes,
        }
        for each in layers
    ]


def _mempool_json(mempool: Mempool) -> dict[str, Json]:
    return {
        "transactions": mempool.transactions,
        "vbytes": mempool.virtual_bytes,
        "usage_bytes": mempool.usage,
        "maximum_bytes": mempool.maximum,
        "congestion_percent": mempool.congestion_percent,
        "minimum_sat_per_vbyte": mempool.minimum.text(),
    }


@click.command("mempool-health")
@json_option
@pass_session
def mempool_health(session: Session) -> None:
    """How full the node's mempool is, what it takes, and what that means."""
    from falconer_online.fees import health

    mempool = session.open().node.pool()
    verdict = health(mempool)
    session.say(f"verdict      {verdict.verdict}: {verdict.sentence}")
    session.say(
        f"usage        {mempool.congestion_percent} % of the maximum "
        f"({mempool.usage:,} of {mempool.maximum:,} bytes of memory)"
    )
    session.say(
        f"minimum fee  {mempool.minimum.text()} sat/vB  (a payment of 200 vB: {grouped(_least(mempool))})"
    )
    session.say(f"unconfirmed  {_transactions(mempool.transactions)}, {_blocks(mempool.virtual_bytes)}")
    session.result(
        {"verdict": verdict.verdict, "sentence": verdict.sentence, "mempool": _mempool_json(mempool)}
    )


def _least(mempool: Mempool) -> int:
    from falconer_online.fees import fee_of

    return fee_of(mempool.minimum, 200)
