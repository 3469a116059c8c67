"""Extended private keys (BIP 32), ECDSA and BIP 340 signatures, on libsecp256k1 through coincurve's C handle.

A signature is deterministic. ECDSA: RFC 6979, and where r comes out high, again with the counter that Bitcoin Core
feeds in as extra entropy (`CKey::Sign`), until r is low. BIP 340: auxiliary data of 32 zero bytes (ADR 0010). So
every signature can be computed again by another program and compared (A088, A089).

Python cannot wipe memory. Objects of this module are kept for as short as possible and never shown.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from falconer_shared.bitcoin.bip32 import HARDENED, ChildHash, ExtendedPublicKey
from falconer_shared.bitcoin.taproot import key_path_tweak
from falconer_shared.errors import VerificationError

SEED_SIZES = range(16, 65)
"""Bytes of a seed: BIP 32 asks for 128 to 512 bits; BIP 39 gives 512."""

MAX_LOW_R_TRIALS = 256
"""Each trial succeeds with probability 1/2: 256 failures in a row do not happen by chance."""

AUXILIARY_DATA = bytes(32)
"""What BIP 340 lets a signer mix into the nonce, which is a hash of key and message in any case. Zeros, as in the
vectors of BIP 341; said outright, because libraries differ in what they do without any.
"""

_CONTEXT = GLOBAL_CONTEXT.ctx
_PAIR_SIZE = ffi.sizeof("secp256k1_keypair")
_WIPED = bytes(_PAIR_SIZE)


class PrivateNode:
    """One private key of the tree, with what its children need. `parent`: its parent, or the fingerprint of that alone."""

    __slots__ = ("_chain_code", "_child_hash", "_child_number", "_depth", "_parent", "_public", "_secret")

    def __init__(
        self,
        secret: bytes,
        chain_code: bytes,
        depth: int,
        parent: ExtendedPublicKey | bytes,
        child_number: int,
    ) -> None:
        self._secret = secret
        self._chain_code = chain_code
        self._depth = depth
        self._parent = parent
        self._child_number = child_number
        self._public: ExtendedPublicKey | None = None
        self._child_hash: ChildHash | None = None

    def __repr__(self) -> str:
        return "PrivateNode(...)"

    def __reduce__(self) -> str:
        raise TypeError("a private key cannot be pickled or copied")

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateNode:
        """The master key of a seed (BIP 32, master key generation).

        Raises:
            VerificationError: `seed-unusable`, with a probability below 2^-127.
        """
        if len(seed) not in SEED_SIZES:
            raise ValueError("a seed has 16 to 64 bytes")
        both = hmac.digest(b"Bitcoin seed", seed, "sha512")
        if lib.secp256k1_ec_seckey_verify(_CONTEXT, both[:32]) != 1:
            raise VerificationError("seed-unusable", "this seed gives no key; use another one")
        return cls(both[:32], both[32:], 0, bytes(4), 0)

    def public(self) -> ExtendedPublicKey:
        """The public half (computed once)."""
        if self._public is None:
            point = ffi.new("secp256k1_pubkey *")
            output = ffi.new("unsigned char[33]")
            size = ffi.new("size_t *", 33)
            if lib.secp256k1_ec_pubkey_create(_CONTEXT, point, self._secret) != 1:
                raise RuntimeError("a checked private key has a public half")
            lib.secp256k1_ec_pubkey_serialize(_CONTEXT, output, size, point, lib.SECP256K1_EC_COMPRESSED)
            parent = self._parent if isinstance(self._parent, bytes) else self._parent.fingerprint()
            self._public = ExtendedPublicKey(
                self._depth, parent, self._child_number, self._chain_code, bytes(ffi.buffer(output))
            )
        return self._public

    def derive(self, index: int) -> PrivateNode:
        """The child with this number, hardened from 2^31 on (BIP 32 CKDpriv).

        Raises:
            VerificationError: `derivation-too-deep`, `curve-tweak-invalid`.
        """
        if not 0 <= index <= 0xFFFFFFFF:
            raise ValueError("a child number has 32 bits")
        if self._depth == 255:
            raise VerificationError("derivation-too-deep", "a key at depth 255 cannot have children")
        public = self.public()
        if index >= HARDENED:
            hashed = b"\x00" + self._secret + index.to_bytes(4, "big")
            both = hmac.digest(self._chain_code, hashed, "sha512")
        else:
            if self._child_hash is None:
                self._child_hash = ChildHash(self._chain_code, public.pubkey)
            both = self._child_hash(index)
        secret = ffi.new("unsigned char[32]", self._secret)
        if lib.secp256k1_ec_seckey_tweak_add(_CONTEXT, secret, both[:32]) != 1:
            raise VerificationError("curve-tweak-invalid", "no private key can be derived with this number")
        child = PrivateNode(bytes(ffi.buffer(secret)), both[32:], self._depth + 1, public, index)
        ffi.memmove(secret, _WIPED, 32)
        return child

    def derive_path(self, path: Iterable[int]) -> PrivateNode:
        """The descendant along `path`; raises what `derive` raises."""
        node = self
        for index in path:
            node = node.derive(index)
        return node

    def sign(self, digest: bytes) -> bytes:
        """An ECDSA signature over a 32-byte digest: strict DER, low S, low R, without sighash byte."""
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        signature = ffi.new("secp256k1_ecdsa_signature *")
        compact = ffi.new("unsigned char[64]")
        extra = ffi.NULL
        for counter in range(1, MAX_LOW_R_TRIALS):
            if lib.secp256k1_ecdsa_sign(_CONTEXT, signature, digest, self._secret, ffi.NULL, extra) != 1:
                raise RuntimeError("libsecp256k1 did not sign with a checked key")
            lib.secp256k1_ecdsa_signature_serialize_compact(_CONTEXT, compact, signature)
            if compact[0] < 0x80:
                break
            # As Bitcoin Core: the counter, little endian, in the first 4 of 32 bytes of extra entropy for RFC 6979
            extra = ffi.new("unsigned char[32]", counter.to_bytes(4, "little").ljust(32, b"\x00"))
        else:
            raise RuntimeError("no signature with a low r")
        output = ffi.new("unsigned char[72]")
        size = ffi.new("size_t *", 72)
        lib.secp256k1_ecdsa_signature_serialize_der(_CONTEXT, output, size, signature)
        return bytes(ffi.buffer(output, size[0]))

    def sign_taproot(self, digest: bytes) -> bytes:
        """A BIP 340 signature over a 32-byte digest by the output key of this key without scripts (BIP 86): 64 bytes.

        The tweak goes on the private key whose point has even y (BIP 341, `taproot_tweak_seckey`).
        """
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        pair = ffi.new("secp256k1_keypair *")
        point = ffi.new("secp256k1_xonly_pubkey *")
        internal_key = ffi.new("unsigned char[32]")
        signature = ffi.new("unsigned char[64]")
        try:
            # the pair holds the public half already: no second multiplication for the internal key
            if (
                lib.secp256k1_keypair_create(_CONTEXT, pair, self._secret) != 1
                or lib.secp256k1_keypair_xonly_pub(_CONTEXT, point, ffi.NULL, pair) != 1
                or lib.secp256k1_xonly_pubkey_serialize(_CONTEXT, internal_key, point) != 1
                or lib.secp256k1_keypair_xonly_tweak_add(
                    _CONTEXT, pair, key_path_tweak(bytes(ffi.buffer(internal_key)))
                )
                != 1
                or lib.secp256k1_schnorrsig_sign32(_CONTEXT, signature, digest, pair, AUXILIARY_DATA) != 1
            ):
                raise RuntimeError("libsecp256k1 did not sign with a checked key")
        finally:
            ffi.memmove(pair, _WIPED, _PAIR_SIZE)
        return bytes(ffi.buffer(signature))
