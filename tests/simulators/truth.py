"""What is really so, whatever anybody says: the wallet, the coins, the policy, and who approved what.

The oracle knows this and nothing else. Keys and scripts are derived by libwally; nothing here imports the product.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import wallycore

from tests.simulators import wire

GAP = 20
"""The gap limit that every simulated wallet is registered with."""

FAR = (500, 5_000, 999_999, 1_000_000, 1_000_001, 2**31 - 1)
"""Indexes at which an attacker likes to hide change."""

_WIDTH = 60


@dataclass(frozen=True)
class Place:
    """One address of a wallet, with all that belongs to it. `pubkeys` are in the order of the descriptor."""

    branch: int
    index: int
    script: bytes
    pubkeys: tuple[bytes, ...]
    redeem: bytes | None = None
    witness: bytes | None = None
    internal: bytes | None = None
    code: bytes = b""
    """What the digest of a signature has in the place of the script (BIP 143), or the script that is run (original)."""


@dataclass(frozen=True)
class Key:
    """A key of a wallet: where it comes from, and its account's extended public key."""

    fingerprint: bytes
    origin: tuple[int, ...]
    xpub: str


class Wallet:
    """A wallet as people registered it: its form, its keys, its threshold."""

    def __init__(self, form: str, threshold: int, keys: tuple[Key, ...], *, in_order: bool = True) -> None:
        self.form, self.threshold, self.keys, self.in_order = form, threshold, keys, in_order
        self._accounts = [wallycore.bip32_key_from_base58(key.xpub) for key in keys]
        self._branches: dict[tuple[int, int], object] = {}
        self._places: dict[tuple[int, int], Place] = {}
        self._by_script: dict[bytes, Place] = {}
        self._wide = False

    def place(self, branch: int, index: int) -> Place:
        found = self._places.get((branch, index))
        if found is None:
            found = self._places[branch, index] = self._derive(branch, index)
            self._by_script[found.script] = found
        return found

    def find(self, script: bytes) -> Place | None:
        """Our place with that script: of the first few dozen, and of those that were ever asked for."""
        if not self._wide:
            for branch in (0, 1):
                for index in (*range(_WIDTH), *FAR):
                    self.place(branch, index)
            self._wide = True
        return self._by_script.get(script)

    def _derive(self, branch: int, index: int) -> Place:  # noqa: PLR0911 - one for each form
        pubkeys = tuple(self._pubkey(number, branch, index) for number in range(len(self.keys)))
        first = pubkeys[0]
        match self.form:
            case "pkh":
                script = p2pkh(first)
                return Place(branch, index, script, pubkeys, code=script)
            case "wpkh":
                return Place(branch, index, p2wpkh(first), pubkeys, code=p2pkh(first))
            case "sh-wpkh":
                redeem = p2wpkh(first)
                return Place(branch, index, p2sh(redeem), pubkeys, redeem=redeem, code=p2pkh(first))
            case "tr":
                return Place(branch, index, p2tr(first), pubkeys, internal=first[1:])
        multi = self._multi(pubkeys)
        if self.form == "sh":
            return Place(branch, index, p2sh(multi), pubkeys, redeem=multi, code=multi)
        if self.form == "wsh":
            return Place(branch, index, p2wsh(multi), pubkeys, witness=multi, code=multi)
        nested = p2wsh(multi)
        return Place(branch, index, p2sh(nested), pubkeys, redeem=nested, witness=multi, code=multi)

    def _multi(self, pubkeys: tuple[bytes, ...]) -> bytes:
        order = pubkeys if self.in_order else tuple(sorted(pubkeys))
        pushes = b"".join(b"\x21" + key for key in order)
        return bytes((0x50 + self.threshold,)) + pushes + bytes((0x50 + len(order), 0xAE))

    def _pubkey(self, number: int, branch: int, index: int) -> bytes:
        flags = wallycore.BIP32_FLAG_KEY_PUBLIC
        parent = self._branches.get((number, branch))
        if parent is None:
            parent = wallycore.bip32_key_from_parent(self._accounts[number], branch, flags)
            self._branches[number, branch] = parent
        return bytes(wallycore.bip32_key_get_pub_key(wallycore.bip32_key_from_parent(parent, index, flags)))

    def spend_weight(self) -> int:
        """Weight units that signatures add to one input, at the most (ECDSA: 72 bytes with the type)."""
        k, n = self.threshold, len(self.keys)
        multi = 3 + 34 * n
        match self.form:
            case "pkh":
                return 4 * (73 + 34)
            case "wpkh":
                return 1 + 73 + 34
            case "sh-wpkh":
                return 4 * 23 + 1 + 73 + 34
            case "tr":
                return 1 + 66
            case "sh":
                push = 1 if multi < 76 else 2 if multi < 256 else 3
                inside = 1 + 73 * k + push + multi
                return 4 * (inside + (2 if inside >= 253 else 0))
        prefix = 1 if multi < 253 else 3
        stack = 1 + 1 + 73 * k + prefix + multi
        return stack + (4 * 35 if self.form == "sh-wsh" else 0)

    def weight(self, stripped: int, inputs: int) -> int:
        """The heaviest that a transaction can be once signed."""
        frame = 0 if self.form in {"pkh", "sh"} else 2
        return 4 * stripped + frame + inputs * self.spend_weight()


def hash160(data: bytes) -> bytes:
    return bytes(wallycore.hash160(data))


def p2pkh(pubkey: bytes) -> bytes:
    return b"\x76\xa9\x14" + hash160(pubkey) + b"\x88\xac"


def p2wpkh(pubkey: bytes) -> bytes:
    return b"\x00\x14" + hash160(pubkey)


def p2sh(script: bytes) -> bytes:
    return b"\xa9\x14" + hash160(script) + b"\x87"


def p2wsh(script: bytes) -> bytes:
    return b"\x00\x20" + wire.sha256(script)


def p2tr(pubkey: bytes) -> bytes:
    return b"\x51\x20" + bytes(wallycore.ec_public_key_bip341_tweak(pubkey, None, 0))[1:]


@lru_cache(maxsize=4_096)
def script_of(address: str) -> bytes | None:
    """The script of a regtest address; None where libwally knows none."""
    try:
        if address.startswith("bcrt1"):
            return bytes(wallycore.addr_segwit_to_bytes(address, "bcrt", 0))
        return bytes(wallycore.address_to_scriptpubkey(address, wallycore.WALLY_NETWORK_BITCOIN_REGTEST))
    except ValueError:
        return None


@lru_cache(maxsize=4_096)
def address_of(script: bytes) -> str:
    if script[:1] in {b"\x00", b"\x51"}:
        return str(wallycore.addr_segwit_from_bytes(script, "bcrt", 0))
    return str(wallycore.scriptpubkey_to_address(script, wallycore.WALLY_NETWORK_BITCOIN_REGTEST))


@dataclass(frozen=True)
class Coin:
    """An output that really exists: how much, and to which script. `previous` is the transaction that made it."""

    txid: bytes
    vout: int
    sats: int
    script: bytes
    previous: bytes

    @property
    def outpoint(self) -> tuple[bytes, int]:
        return self.txid, self.vout

    @property
    def text(self) -> str:
        return f"{self.txid[::-1].hex()}:{self.vout}"


class Chain:
    """Every output that was made, or that somebody could make by publishing a transaction that he has."""

    def __init__(self) -> None:
        self.outputs: dict[tuple[bytes, int], tuple[int, bytes]] = {}

    def publish(self, previous: bytes, outputs: list[tuple[int, bytes]]) -> list[Coin]:
        txid = wire.double_sha256(previous)
        coins = [Coin(txid, n, sats, script, previous) for n, (sats, script) in enumerate(outputs)]
        for coin in coins:
            self.outputs[coin.outpoint] = (coin.sats, coin.script)
        return coins


@dataclass(frozen=True)
class Rules:
    """The policy as administrators meant it: names, keys (Ed25519 points), and every rule that is set."""

    version: int
    digest: str
    wallet_id: str
    rules: Mapping[str, object]
    approvers: Mapping[str, bytes]
    groups: Mapping[str, frozenset[str]]
    tiers: tuple[tuple[int, int, str], ...]
    signers: Mapping[str, bytes]
    mandatory: tuple[str, ...]
    coordinator: bytes
    addresses: Mapping[str, bytes]
    share: tuple[int, int]
    """What part of a sum over a window this machine may let pass: k of n."""


@dataclass
class Given:
    """What people and other machines really signed."""

    approvals: set[tuple[str, bytes]] = field(default_factory=set)
    """(name, text of the intent)"""
    mandatory: set[tuple[str, str]] = field(default_factory=set)
    """(signer, digest of the request that it signed)"""


def digest_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
