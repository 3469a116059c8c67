"""Wallets, coins, payments and signatures for tests: a valid case, from which each test makes one thing wrong.

Private keys are derived and used by embit and wallycore, never by the product's own code, so that a test does not
agree with a mistake of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import wallycore
from embit.bip32 import HDKey
from embit.ec import PrivateKey
from embit.networks import NETWORKS

from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.descriptor.parse import descriptor_checksum
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import build_psbt
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import KnownIndexes, OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet

NOTHING_KNOWN = KnownIndexes({})
"""A journal that has seen no address yet."""

SINGLE_PATH = "84h/1h/0h"
MULTI_PATH = "48h/1h/0h/2h"


def root(seed: int) -> HDKey:
    """A master key for tests from a small number."""
    return HDKey.from_seed(
        hashlib.sha512(b"falconer test key %d" % seed).digest(), NETWORKS["regtest"]["xprv"]
    )


def key_expression(seed: int, path: str = SINGLE_PATH) -> str:
    """`[fingerprint/path]tpub...` as a signer would give it."""
    account = root(seed).derive("m/" + path)
    fingerprint = root(seed).my_fingerprint.hex()
    return f"[{fingerprint}/{path}]{account.to_public().to_base58(NETWORKS['regtest']['xpub'])}"


def with_checksum(descriptor: str) -> str:
    return f"{descriptor}#{descriptor_checksum(descriptor)}"


def wpkh_descriptor(seed: int = 1) -> str:
    return with_checksum(f"wpkh({key_expression(seed)}/<0;1>/*)")


def wsh_descriptor(threshold: int = 2, seeds: Sequence[int] = (1, 2, 3), form: str = "sortedmulti") -> str:
    keys = ",".join(f"{key_expression(seed, MULTI_PATH)}/<0;1>/*" for seed in seeds)
    return with_checksum(f"wsh({form}({threshold},{keys}))")


FORMS = ("pkh", "sh-wpkh", "wpkh", "tr", "sh", "sh-wsh", "wsh")
"""Every form of a wallet, by the names that `wallet compose --form` takes."""

PATHS = {
    "pkh": "44h/1h/0h",
    "sh-wpkh": "49h/1h/0h",
    "wpkh": "84h/1h/0h",
    "tr": "86h/1h/0h",
    "sh": "45h",
    "sh-wsh": "48h/1h/0h/1h",
    "wsh": "48h/1h/0h/2h",
}
"""Where keys of that form come from by custom (BIP 44, 45, 48, 49, 84, 86)."""

_SHAPES = {
    "pkh": "pkh({})",
    "sh-wpkh": "sh(wpkh({}))",
    "wpkh": "wpkh({})",
    "tr": "tr({})",
    "sh": "sh({})",
    "sh-wsh": "sh(wsh({}))",
    "wsh": "wsh({})",
}


def descriptor_of(
    form: str, threshold: int = 2, seeds: Sequence[int] = (1, 2, 3), script: str = "sortedmulti"
) -> str:
    """The descriptor of a form: of the first seed, or of all where the form takes several keys."""
    keys = [f"{key_expression(seed, PATHS[form])}/<0;1>/*" for seed in seeds]
    several = form in {"sh", "sh-wsh", "wsh"}
    inner = f"{script}({threshold},{','.join(keys)})" if several else keys[0]
    return with_checksum(_SHAPES[form].format(inner))


def wallet_of(
    form: str, threshold: int = 2, seeds: Sequence[int] = (1, 2, 3), script: str = "sortedmulti"
) -> RegisteredWallet:
    return RegisteredWallet.register(form, Network.REGTEST, descriptor_of(form, threshold, seeds, script))


def wpkh_wallet(seed: int = 1, name: str = "treasury") -> RegisteredWallet:
    return RegisteredWallet.register(name, Network.REGTEST, wpkh_descriptor(seed))


def wsh_wallet(
    threshold: int = 2, seeds: Sequence[int] = (1, 2, 3), name: str = "vault", form: str = "sortedmulti"
) -> RegisteredWallet:
    return RegisteredWallet.register(name, Network.REGTEST, wsh_descriptor(threshold, seeds, form))


def stranger_address(number: int = 0) -> str:
    """A P2WPKH address of nobody's."""
    return str(
        wallycore.addr_segwit_from_bytes(
            b"\x00\x14" + hashlib.sha256(b"stranger %d" % number).digest()[:20], "bcrt", 0
        )
    )


def funding(script: bytes, amount: int, salt: int = 0, position: int = 0) -> Transaction:
    """A transaction of somebody else's that pays `amount` to `script` at output `position`."""
    decoys = tuple(TxOutput(Amount(1_000 + n), b"\x00\x14" + bytes([n]) * 20) for n in range(position))
    spent = OutPoint(hashlib.sha256(b"coin %d" % salt).digest(), 0)
    return Transaction(2, (TxInput(spent, b"", 0xFFFFFFFD),), (*decoys, TxOutput(Amount(amount), script)), 0)


@dataclass
class Payment:
    """A payment to build: every field may be changed before `psbt()` is called."""

    wallet: RegisteredWallet
    coins: list[tuple[OwnPlace, int]] = field(
        default_factory=lambda: [(OwnPlace(0, 3), 60_000), (OwnPlace(0, 5), 50_000)]
    )
    pay: list[tuple[str, int]] = field(default_factory=lambda: [(stranger_address(), 70_000)])
    change: list[tuple[OwnPlace, int]] = field(default_factory=lambda: [(OwnPlace(1, 2), 39_000)])
    version: int = 2
    locktime: int = 0
    sequence: int = 0xFFFFFFFD
    psbt_version: int = 0

    def previous(self) -> list[Transaction]:
        return [
            funding(
                self.wallet.scripts(place.branch, place.index).script_pubkey, amount, salt, position=salt % 3
            )
            for salt, (place, amount) in enumerate(self.coins)
        ]

    def transaction(self) -> Transaction:
        inputs = tuple(
            TxInput(OutPoint(previous.txid(), len(previous.outputs) - 1), b"", self.sequence)
            for previous in self.previous()
        )
        outputs = [
            TxOutput(Amount(amount), script_of(address, self.wallet.network)) for address, amount in self.pay
        ]
        outputs += [
            TxOutput(Amount(amount), self.wallet.scripts(place.branch, place.index).script_pubkey)
            for place, amount in self.change
        ]
        return Transaction(self.version, inputs, tuple(outputs), self.locktime)

    def psbt(self) -> UntrustedPsbt:
        places = [place for place, _ in self.coins]
        own = {len(self.pay) + number: place for number, (place, _) in enumerate(self.change)}
        return build_psbt(
            self.transaction(),
            self.wallet,
            [(place, previous.serialize()) for place, previous in zip(places, self.previous(), strict=True)],
            own,
            self.psbt_version,
        )


def private_key(seed: int, origin: Sequence[int], place: OwnPlace) -> bytes:
    """The 32 secret bytes behind a key of a test wallet, derived by embit."""
    return bytes(root(seed).derive([*origin, place.branch, place.index]).key.secret)


def ecdsa(secret: bytes, digest: bytes, sighash: int = 1) -> bytes:
    """A low-R, DER encoded signature with its sighash byte, made by libwally."""
    compact = wallycore.ec_sig_from_bytes(secret, digest, wallycore.EC_FLAG_ECDSA | wallycore.EC_FLAG_GRIND_R)
    return bytes(wallycore.ec_sig_to_der(compact)) + bytes((sighash,))


def schnorr(secret: bytes, digest: bytes, sighash: int = 0) -> bytes:
    """A signature by taproot's output key of `secret` without scripts, tweaked by embit, signed by libwally."""
    tweaked = PrivateKey(secret).taproot_tweak().secret
    signature = wallycore.ec_sig_from_bytes(tweaked, digest, wallycore.EC_FLAG_SCHNORR)
    return bytes(signature) + (bytes((sighash,)) if sighash else b"")


def signature_of(secret: bytes, item: object) -> bytes:
    """The signature that an input takes, of the kind that it takes."""
    sign = schnorr if item.kind is InputKind.TAPROOT else ecdsa  # type: ignore[attr-defined]
    return sign(secret, item.digest, item.sighash)  # type: ignore[attr-defined]


def signed(psbt: UntrustedPsbt, verified: object, seeds: Sequence[int]) -> UntrustedPsbt:
    """`psbt` with the signatures of those seeds on every input; `verified` gives the digests."""
    inputs = verified.inputs  # type: ignore[attr-defined]
    keys = verified.wallet.keys  # type: ignore[attr-defined]
    by_fingerprint = {root(seed).my_fingerprint: seed for seed in seeds}
    additions: dict[int, dict[bytes, bytes]] = {}
    for item in inputs:
        for key, pubkey in zip(keys, item.scripts.pubkeys, strict=True):
            seed = by_fingerprint.get(key.fingerprint)
            if seed is not None:
                secret = private_key(seed, key.origin, item.place)
                name = b"\x13" if item.kind is InputKind.TAPROOT else b"\x02" + pubkey
                additions.setdefault(item.index, {})[name] = signature_of(secret, item)
    return psbt.with_fields(input_add=additions)
