"""What others take for the same PSBT with the same key: embit, libwally, BDK; and the library under all of them, alone.

Every peer is a list of named steps, each a function of what the step before gave. One that is not installed says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from tests.bench.cases import SEED
from tests.offline.office import seed_bytes
from tests.support.treasury import PATHS, key_expression, root

CONTEXT = GLOBAL_CONTEXT.ctx
STATIC = lib.secp256k1_context_static
_TAG = hashlib.sha256(b"TapTweak").digest()
TAP_TWEAK = hashlib.sha256(_TAG + _TAG)

Step = tuple[str, Callable[[Any], Any]]

NOT_INSTALLED = ("bitcoinjs-lib", "python-bitcointx")
"""Peers of other benches that are not among the dependencies of our tests: not measured here."""


@dataclass(frozen=True)
class Peer:
    """`rounds` at most: some take seconds."""

    name: str
    steps: tuple[Step, ...]
    rounds: int = 100


def _libwally(*, cache: bool) -> tuple[Step, ...]:
    import wallycore as wally

    key = wally.bip32_key_from_seed(seed_bytes(SEED), wally.BIP32_VER_TEST_PRIVATE, 0)

    def sign(psbt: Any) -> Any:
        if cache:
            wally.psbt_signing_cache_enable(psbt, 0)
        wally.psbt_sign_bip32(psbt, key, wally.EC_FLAG_GRIND_R)
        return psbt

    def finalize(psbt: Any) -> Any:
        wally.psbt_finalize(psbt, 0)
        return psbt

    return (
        ("parse", lambda plain: wally.psbt_from_bytes(plain, 0)),
        ("sign", sign),
        ("finalise", finalize),
    )


def libwally_signed(plain: bytes) -> bytes:
    """The PSBT as libwally signs it: what ours is compared with."""
    import wallycore as wally

    steps = dict(_libwally(cache=False))
    return bytes(wally.psbt_to_bytes(steps["sign"](steps["parse"](plain)), 0))


def _bdk(form: str) -> tuple[Step, ...]:
    import bdkpython as bdk

    account = root(SEED).derive("m/" + PATHS[form]).to_base58(bytes.fromhex("04358394"))
    mine = f"[{root(SEED).my_fingerprint.hex()}/{PATHS[form]}]{account}"

    def descriptor(branch: int) -> Any:
        keys = [f"{mine}/{branch}/*"]
        if form == "wsh":
            keys += [f"{key_expression(seed, PATHS[form])}/{branch}/*" for seed in (2, 3)]
            return bdk.Descriptor(f"wsh(sortedmulti(2,{','.join(keys)}))", bdk.NetworkKind.TEST)
        return bdk.Descriptor(f"{form}({keys[0]})", bdk.NetworkKind.TEST)

    wallet = bdk.Wallet(
        descriptor(0), descriptor(1), bdk.Network.REGTEST, bdk.Persister.new_in_memory(), lookahead=25
    )
    options = bdk.SignOptions(
        trust_witness_utxo=False, assume_height=None, allow_all_sighashes=False, try_finalize=False,
        sign_with_tap_internal_key=True, allow_grinding=True,
    )  # fmt: skip

    def sign(psbt: Any) -> Any:
        wallet.sign(psbt, options)
        return psbt

    return (
        ("parse", lambda plain: bdk.Psbt(base64.b64encode(plain).decode("ascii"))),
        ("sign", sign),
        ("finalise", lambda psbt: psbt.finalize()),
    )


def _embit() -> tuple[Step, ...]:
    from embit.finalizer import finalize_psbt
    from embit.psbt import PSBT

    master = root(SEED)

    def sign(psbt: Any) -> Any:
        psbt.sign_with(master)
        return psbt

    def verify(psbt: Any) -> Any:
        psbt.verify(ignore_missing=True)
        return psbt

    return (
        ("parse", PSBT.parse),
        ("verify", verify),
        ("sign", sign),
        ("finalise", finalize_psbt),
    )


def peers(form: str) -> tuple[list[Peer], list[str]]:
    """Those that are there, and for each of the others why not."""
    found: list[Peer] = []
    absent = [f"{name}: not installed" for name in NOT_INSTALLED]
    for name, make, rounds in (
        ("libwally", lambda: _libwally(cache=False), 100),
        ("libwally, cache", lambda: _libwally(cache=True), 100),
        ("BDK", lambda: _bdk(form), 3),
        ("embit", _embit, 1),
    ):
        try:
            found.append(Peer(name, make(), rounds))
        except ImportError as fault:
            absent.append(f"{name}: {fault}")
    return found, absent


class Floor:
    """libsecp256k1 alone: from the branch key derive each child and sign its digest once, and nothing else.

    ECDSA: the private child (BIP 32), RFC 6979 signatures until r is low, DER. Taproot: the child, its key pair, the tweak
    without which the signature spends nothing (BIP 341), the signature.
    """

    def __init__(self, form: str, places: Sequence[tuple[int, int]], digests: Sequence[bytes]) -> None:
        account = root(SEED).derive("m/" + PATHS[form])
        branches = {branch: account.derive([branch]) for branch, _ in places}
        self._work = [
            (branches[branch].chain_code, branches[branch].key.get_public_key().sec(),
             branches[branch].key.secret, index.to_bytes(4, "big"), digest)
            for (branch, index), digest in zip(places, digests, strict=True)
        ]  # fmt: skip
        self._taproot = form == "tr"

    def run(self) -> list[bytes]:
        """The signatures, without sighash byte."""
        return [self._schnorr(*each) if self._taproot else self._ecdsa(*each) for each in self._work]

    @staticmethod
    def _ecdsa(chain_code: bytes, public: bytes, secret: bytes, index: bytes, digest: bytes) -> bytes:
        child = ffi.new("unsigned char[32]", secret)
        tweak = hmac.digest(chain_code, public + index, "sha512")[:32]
        lib.secp256k1_ec_seckey_tweak_add(CONTEXT, child, tweak)
        signature = ffi.new("secp256k1_ecdsa_signature *")
        compact = ffi.new("unsigned char[64]")
        extra = ffi.NULL
        counter = 0
        while True:
            lib.secp256k1_ecdsa_sign(CONTEXT, signature, digest, child, ffi.NULL, extra)
            lib.secp256k1_ecdsa_signature_serialize_compact(CONTEXT, compact, signature)
            if compact[0] < 0x80:
                break
            counter += 1
            extra = ffi.new("unsigned char[32]", counter.to_bytes(4, "little").ljust(32, b"\0"))
        der = ffi.new("unsigned char[72]")
        size = ffi.new("size_t *", 72)
        lib.secp256k1_ecdsa_signature_serialize_der(CONTEXT, der, size, signature)
        return bytes(ffi.buffer(der, size[0]))

    @staticmethod
    def _schnorr(chain_code: bytes, public: bytes, secret: bytes, index: bytes, digest: bytes) -> bytes:
        child = ffi.new("unsigned char[32]", secret)
        tweak = hmac.digest(chain_code, public + index, "sha512")[:32]
        lib.secp256k1_ec_seckey_tweak_add(CONTEXT, child, tweak)
        pair = ffi.new("secp256k1_keypair *")
        lib.secp256k1_keypair_create(CONTEXT, pair, child)
        point = ffi.new("secp256k1_xonly_pubkey *")
        xonly = ffi.new("unsigned char[32]")
        lib.secp256k1_keypair_xonly_pub(CONTEXT, point, ffi.NULL, pair)
        lib.secp256k1_xonly_pubkey_serialize(CONTEXT, xonly, point)
        hashed = TAP_TWEAK.copy()
        hashed.update(bytes(ffi.buffer(xonly)))
        lib.secp256k1_keypair_xonly_tweak_add(CONTEXT, pair, hashed.digest())
        signature = ffi.new("unsigned char[64]")
        lib.secp256k1_schnorrsig_sign32(CONTEXT, signature, digest, pair, bytes(32))
        return bytes(ffi.buffer(signature))


class Library(Floor):
    """What the pass cannot do without either, in the library alone: the floor, each public key derived, each signature verified.

    Of points that are read already, and with the context that cannot sign (`bitcoin/curve.py`): what no Python in between can
    make less.
    """

    def __init__(
        self, form: str, places: Sequence[tuple[int, int]], digests: Sequence[bytes], keys: Sequence[bytes]
    ) -> None:
        super().__init__(form, places, digests)
        self._keys = 3 if form == "wsh" else 1
        self._branch = ffi.new("secp256k1_pubkey *")
        lib.secp256k1_ec_pubkey_parse(STATIC, self._branch, self._work[0][1], 33)
        self._signed = [self._parsed(*each) for each in zip(keys, digests, super().run(), strict=True)]

    def _parsed(self, key: bytes, digest: bytes, signature: bytes) -> tuple[Any, Any, bytes]:
        if self._taproot:
            point = ffi.new("secp256k1_xonly_pubkey *")
            lib.secp256k1_xonly_pubkey_parse(STATIC, point, key)
            return point, signature, digest
        point, parsed = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_ecdsa_signature *")
        lib.secp256k1_ec_pubkey_parse(STATIC, point, key, 33)
        lib.secp256k1_ecdsa_signature_parse_der(STATIC, parsed, signature, len(signature))
        return point, parsed, digest

    def run(self) -> list[bytes]:
        for _ in range(self._keys):
            for each in self._work:
                # any digest will do as a tweak
                lib.secp256k1_ec_pubkey_tweak_add(
                    STATIC, ffi.new("secp256k1_pubkey *", self._branch[0]), each[4]
                )
        good = 0
        for point, signature, digest in self._signed:
            if self._taproot:
                tweaked = ffi.new("secp256k1_pubkey *")
                lib.secp256k1_xonly_pubkey_tweak_add(STATIC, tweaked, point, digest)
                good += lib.secp256k1_schnorrsig_verify(STATIC, signature, digest, 32, point)
            else:
                good += lib.secp256k1_ecdsa_verify(STATIC, signature, digest, point)
        if good != len(self._signed):
            raise SystemExit("the library does not verify what it signed")
        return super().run()
