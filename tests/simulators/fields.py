"""The coins of a simulated wallet, and the PSBT fields that say what belongs to which address."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from functools import lru_cache

from tests.simulators import wire
from tests.simulators.houses import stranger
from tests.simulators.truth import Chain, Coin, Place, Wallet


@dataclass(frozen=True)
class Purse:
    """The coins of a wallet, made once a process."""

    coins: tuple[Coin, ...]
    places: dict[tuple[bytes, int], Place]
    chain: Chain


@lru_cache(maxsize=64)
def purse(form: str, wallet: Wallet) -> Purse:
    chance = random.Random(f"coins of {form}")
    chain, coins, places = Chain(), [], {}
    for number in range(36):
        # the last few lie at addresses of their own; the first ones share some
        place = wallet.place(number % 2, chance.randrange(12) if number < 30 else 17 + number % 3)
        made = funding(
            chance, place.script, chance.choice((21_000, 60_000, 150_000, 400_000, 1_000_000, 2_600_000))
        )
        for coin in chain.publish(*made):
            if coin.script == place.script:
                coins.append(coin)
                places[coin.outpoint] = place
    return Purse(tuple(coins), places, chain)


def funding(chance: random.Random, script: bytes, sats: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Somebody's transaction that pays `sats` (and a little) to `script`, between others."""
    outputs = [(chance.randrange(1_000, 90_000), stranger(50 + n)) for n in range(chance.randrange(3))]
    outputs.insert(chance.randrange(len(outputs) + 1), (sats + chance.randrange(500), script))
    spends = [(chance.randbytes(32), chance.randrange(3), 0xFFFFFFFE)]
    return wire.transaction(2, spends, outputs, 0), outputs


def path_bytes(origin: tuple[int, ...], *rest: int) -> bytes:
    return struct.pack(f"<{len(origin) + len(rest)}I", *origin, *rest)


def derivations(
    wallet: Wallet,
    place: Place,
    at: tuple[int, int] | None = None,
    taproot: bytes = b"\x16",
    plain: bytes = b"\x06",
) -> wire.Map:
    """The fields that say where a place lies; `at` is what they claim."""
    where = at or (place.branch, place.index)
    paths = [key.fingerprint + path_bytes(key.origin, *where) for key in wallet.keys]
    if wallet.form == "tr":
        return [(taproot + place.pubkeys[0][1:], b"\x00" + paths[0])]
    return [(plain + pubkey, path) for pubkey, path in zip(place.pubkeys, paths, strict=True)]


def input_fields(wallet: Wallet, coin: Coin, place: Place | None) -> wire.Map:
    fields = [(b"\x00", coin.previous)]
    if place is None:
        return fields
    if place.redeem is not None:
        fields.append((b"\x04", place.redeem))
    if place.witness is not None:
        fields.append((b"\x05", place.witness))
    if place.internal is not None:
        fields.append((b"\x17", place.internal))
    return fields + derivations(wallet, place)


def output_fields(wallet: Wallet, place: Place) -> wire.Map:
    fields: wire.Map = []
    if place.redeem is not None:
        fields.append((b"\x00", place.redeem))
    if place.witness is not None:
        fields.append((b"\x01", place.witness))
    if place.internal is not None:
        fields.append((b"\x05", place.internal))
    return fields + derivations(wallet, place, taproot=b"\x07", plain=b"\x02")
