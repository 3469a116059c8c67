"""Known answers, computed at start-up of `sign` and by `selfcheck`: a broken or swapped library must not sign
(A138).

Each check compares with a value published by others. All together take a few milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.words import seed_of
from falconer_shared.bitcoin import curve
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.bip32 import HARDENED
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.ripemd160 import ripemd160
from falconer_shared.bitcoin.script import hash160, p2wpkh
from falconer_shared.bitcoin.sighash import Bip143
from falconer_shared.bitcoin.taproot import key_path_output_key
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import Malformed, StateError, VerificationError
from falconer_shared.units import Amount


def run() -> tuple[str, ...]:
    """Compute every known answer; give the names of the checks.

    Raises:
        StateError: `selfcheck-failed`.
    """
    for name, check in _CHECKS.items():
        try:
            check(name)
        except (Malformed, VerificationError):
            # what the checked part itself refuses is its wrong answer, and no matter of what somebody wants to sign
            raise _failed(name) from None
    return tuple(_CHECKS)


def _demand(name: str, found: object, known: object) -> None:
    if found != known:
        raise _failed(name)


def _failed(name: str) -> StateError:
    return StateError(
        "selfcheck-failed",
        f"the self-check '{name}' gives a wrong answer",
        remedy="sign nothing; install the program again and verify it",
    )


def _hashes(name: str) -> None:
    _demand(
        name,
        hashlib.sha256(b"abc").hexdigest(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    _demand(name, ripemd160(b"abc").hex(), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc")


_VECTOR_1 = bytes(range(16))
"""Seed of BIP 32 test vector 1."""


def _derivation(name: str) -> None:
    node = PrivateNode.from_seed(_VECTOR_1).derive_path((HARDENED, 1, HARDENED + 2, 2, 1_000_000_000))
    _demand(
        name,
        node.public().text(Network.MAINNET),
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    )


def _mnemonic(name: str) -> None:
    words = ("abandon",) * 11 + ("about",)
    seed = seed_of(words, "TREZOR")
    _demand(
        name,
        seed.hex(),
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
    )
    # BIP 84: the same words without passphrase, first receive address
    node = PrivateNode.from_seed(seed_of(words, "")).derive_path((HARDENED + 84, HARDENED, HARDENED, 0, 0))
    _demand(
        name,
        address_of(p2wpkh(hash160(node.public().pubkey)), Network.MAINNET),
        "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
    )


_BIP143_UNSIGNED = (
    "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffff"
    "ef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a914"
    "8280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000"
)
"""BIP 143, example "Native P2WPKH"."""


def _sighash(name: str) -> None:
    tx = Transaction.parse(bytes.fromhex(_BIP143_UNSIGNED))
    code = bytes.fromhex("76a9141d0f172a0ecb48aee1be1f2687d2963ae33f71a188ac")
    _demand(
        name,
        Bip143(tx).digest(1, code, Amount(600_000_000), 1).hex(),
        _BIP143_DIGEST,
    )


_BIP143_PRIVATE = "619c335025c7f4012e556c2a58b2506e30b8511b53ade95ea316fd8c3286feb9"
_BIP143_DIGEST = "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670"
_BIP143_SIGNATURE = (
    "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a"
    "0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee"
)
"""The same example, signed there with the nonce of RFC 6979; its r is low, so Bitcoin Core's counter does not come in."""


def _signature(name: str) -> None:
    """The published signature, made again; one of ours verifies, is low in r, the same each time, and fits no other digest."""
    published = PrivateNode(bytes.fromhex(_BIP143_PRIVATE), bytes(32), 0, bytes(4), 0)
    _demand(name, published.sign(bytes.fromhex(_BIP143_DIGEST)).hex(), _BIP143_SIGNATURE)
    node = PrivateNode.from_seed(_VECTOR_1)
    digest = hashlib.sha256(b"falconer self-check").digest()
    made = node.sign(digest)
    _demand(name, node.sign(digest), made)
    curve.verify_ecdsa(node.public().pubkey, made, digest)
    _demand(name, curve.parse_der(made)[0] < 1 << 255, True)  # noqa: FBT003 - compared, not passed as a switch
    try:
        curve.verify_ecdsa(node.public().pubkey, made, hashlib.sha256(made).digest())
    except VerificationError:
        return
    _demand(name, "accepted", "refused")


_BIP341_PRIVATE = "6b973d88838f27366ed61c9ad6367663045cb456e28335c109e30717ae0c6baa"
_BIP341_DIGEST = "2514a6272f85cfa0f45eb907fcb0d121b808ed37c6ea160a5a9046ed5526d555"
_BIP341_OUTPUT_KEY = "53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343"
_BIP341_SIGNATURE = (
    "ed7c1647cb97379e76892be0cacff57ec4a7102aa24296ca39af7541246d8ff1"
    "4d38958d4cc1e2e478e4d4a764bbfd835b16d4e314b72937b29833060b87276c"
)
"""BIP 341, wallet test vectors: the first key path input, of a key without scripts, signed with auxiliary data of zeros."""


def _taproot(name: str) -> None:
    node = PrivateNode(bytes.fromhex(_BIP341_PRIVATE), bytes(32), 0, bytes(4), 0)
    output_key = key_path_output_key(node.public().pubkey[1:])
    _demand(name, output_key.hex(), _BIP341_OUTPUT_KEY)
    digest = bytes.fromhex(_BIP341_DIGEST)
    _demand(name, node.sign_taproot(digest).hex(), _BIP341_SIGNATURE)
    curve.verify_schnorr(output_key, bytes.fromhex(_BIP341_SIGNATURE), digest)
    try:
        curve.verify_schnorr(output_key, bytes.fromhex(_BIP341_SIGNATURE), hashlib.sha256(digest).digest())
    except VerificationError:
        return
    _demand(name, "accepted", "refused")


_CHECKS: dict[str, Callable[[str], None]] = {
    "hashes": _hashes,
    "derivation (BIP 32)": _derivation,
    "words (BIP 39, BIP 84)": _mnemonic,
    "digest (BIP 143)": _sighash,
    "signature (RFC 6979, low r)": _signature,
    "taproot (BIP 340, BIP 341)": _taproot,
}
