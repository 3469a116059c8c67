"""Keys and wallets for generated cases: private halves are derived by libwally, and each is derived once."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

import wallycore as wally

from falconer_shared.descriptor.ast import InputKind
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.treasury import FORMS, ecdsa, wallet_of

WALLETS = 160
"""So many different ones: each costs a few ms to make, and a case uses one of them."""

MAX_KEYS = 15
"""libwally takes no multisig of more keys."""


def wallet_number(number: int) -> RegisteredWallet:
    return _wallet(number % WALLETS)[0]


def seeds_of(number: int) -> tuple[int, ...]:
    """The seeds of its keys, in the order of the descriptor."""
    return _wallet(number % WALLETS)[1]


@lru_cache(maxsize=WALLETS)
def _wallet(number: int) -> tuple[RegisteredWallet, tuple[int, ...]]:
    chance = random.Random(f"differential wallet {number}")
    form = FORMS[number % len(FORMS)]
    size = chance.choice((1, 2, 3, 3, 3, 5, 7, MAX_KEYS)) if form in {"sh", "sh-wsh", "wsh"} else 1
    seeds = tuple(chance.sample(range(40), size))
    threshold = chance.randint(1, size)
    script = chance.choice(("sortedmulti", "sortedmulti", "multi"))
    return wallet_of(form, threshold, seeds, script), seeds


@lru_cache(maxsize=4096)
def _branch(seed: int, path: tuple[int, ...]) -> object:
    if path:
        return wally.bip32_key_from_parent(_branch(seed, path[:-1]), path[-1], wally.BIP32_FLAG_KEY_PRIVATE)
    data = hashlib.sha512(b"falconer test key %d" % seed).digest()
    return wally.bip32_key_from_seed(data, wally.BIP32_VER_TEST_PRIVATE, 0)


def secret(seed: int, path: Sequence[int]) -> bytes:
    """The 32 secret bytes at a path, by libwally."""
    node = wally.bip32_key_from_parent(
        _branch(seed, tuple(path[:-1])), path[-1], wally.BIP32_FLAG_KEY_PRIVATE
    )
    return bytes(wally.bip32_key_get_priv_key(node))


def signature(
    wallet: RegisteredWallet, seeds: Sequence[int], position: int, item: VerifiedInput
) -> tuple[bytes, bytes]:
    """(raw key of the PSBT field, signature) by the key at that position of the descriptor; the digest is the caller's."""
    private = secret(seeds[position], (*wallet.keys[position].origin, item.place.branch, item.place.index))
    if item.kind is InputKind.TAPROOT:
        tweaked = wally.ec_private_key_bip341_tweak(private, None, 0)
        return b"\x13", bytes(wally.ec_sig_from_bytes(tweaked, item.digest, wally.EC_FLAG_SCHNORR))
    return b"\x02" + item.scripts.pubkeys[position], ecdsa(private, item.digest, item.sighash)
