"""The mempool as Bitcoin Core and Knots show it: how full it is, and what waits in it at which fee rate.

Knots counts by fee rate itself (`getmempoolinfo` with bounds). Core does not: there every waiting transaction
is read and counted, if they are few enough for one answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from falconer_online.chain import shape
from falconer_online.chain.node import Layer, Mempool
from falconer_online.chain.rpc import RpcRefusal
from falconer_shared.units import Amount, FeeRate

MAX_COUNTED: Final = 20_000
"""Transactions that are read one by one; their answer takes about 16 MB, half of what is read of any answer."""

_MAX_BYTES: Final = 2**50

Call = Callable[..., shape.Json]


def read(answer: shape.Json) -> Mempool:
    """The answer to `getmempoolinfo`."""
    where = "getmempoolinfo"
    return Mempool(
        transactions=shape.integer(answer, "size", where),
        virtual_bytes=shape.integer(answer, "bytes", where, high=_MAX_BYTES),
        usage=shape.integer(answer, "usage", where, high=_MAX_BYTES),
        maximum=shape.integer(answer, "maxmempool", where, low=1, high=_MAX_BYTES),
        minimum=shape.fee_rate(answer, "mempoolminfee", where),
        relay=shape.fee_rate(answer, "minrelaytxfee", where),
    )


def with_layers(call: Call, bounds: Sequence[FeeRate]) -> Mempool:
    """The pool with its layers; without them where neither way works."""
    found = read(call("getmempoolinfo"))
    layers = _counted_by_node(call, bounds)
    if layers is None and found.transactions <= MAX_COUNTED:
        layers = _counted_here(call, bounds)
    return replace(found, layers=layers)


def _counted_by_node(call: Call, bounds: Sequence[FeeRate]) -> tuple[Layer, ...] | None:
    # whole satoshis per virtual byte are what it takes
    if any(int(bound) % 1000 for bound in bounds):
        return None
    wanted = [int(bound) // 1000 for bound in bounds]
    where = "getmempoolinfo"
    try:
        answer = call("getmempoolinfo", wanted)
    except RpcRefusal:
        return None
    table = shape.an_object(answer, where).get("fee_histogram")
    if not isinstance(table, dict):
        return None
    layers = []
    for bound in wanted:
        layer = shape.field(table, str(bound), where)
        count, size = (
            shape.integer(layer, "count", where),
            shape.integer(layer, "sizes", where, high=_MAX_BYTES),
        )
        layers.append(Layer(FeeRate.from_sats_per_vbyte(bound), count, size))
    return tuple(layers)


def _counted_here(call: Call, bounds: Sequence[FeeRate]) -> tuple[Layer, ...]:
    where = "getrawmempool"
    numbers = [int(bound) for bound in bounds]
    counts, sizes = [0] * len(numbers), [0] * len(numbers)
    for entry in shape.an_object(call("getrawmempool", True), where).values():  # noqa: FBT003  # verbose
        size = shape.integer(entry, "vsize", where, low=1, high=4_000_000)
        fee: Amount = shape.sats(shape.field(entry, "fees", where), "base", where)
        place = bisect_right(numbers, int(fee) * 1000 // size) - 1
        counts[place] += 1
        sizes[place] += size
    return tuple(Layer(*each) for each in zip(bounds, counts, sizes, strict=True))
