"""The curve, to check with: the only module of the shared core that imports the curve library. It cannot sign.

All calls go to libsecp256k1 through the C handle that coincurve carries, with the library's static context, which has no
tables for making keys or signatures: a signing call with it stops the process, so this module could not sign by mistake.
A check raises; none returns a bool.
"""

from __future__ import annotations

from coincurve._libsecp256k1 import ffi, lib

from falconer_shared.errors import Malformed, VerificationError

PUBKEY_SIZE = 33
"""Bytes of a compressed public key; no other form may hold money here (A038)."""

UNCOMPRESSED_SIZE = 65
"""Bytes of an uncompressed or hybrid public key, recognised to be refused by name."""

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Number of points of secp256k1 (SEC 2)."""

MAX_LOW_S = ORDER // 2
"""Largest s that nodes relay (BIP 146 LOW_S)."""

MAX_REMEMBERED = 4096
"""Points of derived keys that are remembered: those of any standard transaction's inputs, in 2 MB."""

_CONTEXT = lib.secp256k1_context_static
_tweak_add, _serialize = lib.secp256k1_ec_pubkey_tweak_add, lib.secp256k1_ec_pubkey_serialize
_COMPRESSED = lib.SECP256K1_EC_COMPRESSED
# type names that cffi need not look up for every call
_PUBKEY = ffi.typeof("secp256k1_pubkey *")
_XONLY = ffi.typeof("secp256k1_xonly_pubkey *")
_SIGNATURE = ffi.typeof("secp256k1_ecdsa_signature *")
_KEY_BYTES = ffi.typeof("unsigned char[33]")
_SIZE = ffi.typeof("size_t *")
_new, _buffer = ffi.new, ffi.buffer


class _Remembered:
    """Points by the bytes that stand for them, of keys that this module computed itself: reading them again takes a square root.

    It says the same as reading (A086), no byte from outside gets in, and nothing changes a point that is in it.
    """

    __slots__ = ("_points", "get")

    def __init__(self) -> None:
        self._points: dict[bytes, ffi.CData] = {}
        self.get = self._points.get

    def keep(self, key: bytes, point: ffi.CData) -> None:
        if len(self._points) >= MAX_REMEMBERED:
            self._points.clear()
        self._points[key] = point


_POINTS = _Remembered()
_XONLY_POINTS = _Remembered()


def check_pubkey(pubkey: bytes, where: str = "public key") -> None:
    """Accept a compressed key that is a point of the curve.

    Raises:
        Malformed: `pubkey-uncompressed`, `pubkey-malformed`, `pubkey-not-on-curve`.
    """
    _point(pubkey, where)


def check_xonly(key: bytes, where: str = "x-only key") -> None:
    """Accept a 32-byte key that is the x of a point (BIP 340).

    Raises:
        Malformed: `xonly-key-malformed`.
    """
    _xonly(key, where)


class Point:
    """A compressed key that was read once, to derive many children of it. Making one raises what `check_pubkey` raises."""

    __slots__ = ("_point", "_start", "_where")

    def __init__(self, pubkey: bytes, where: str = "public key") -> None:
        # what `_start` refers to lives as long as `_point`
        self._point = _point(pubkey, where)
        self._start = self._point[0]
        self._where = where

    def plus(self, tweak: bytes) -> bytes:
        """The compressed key `self + tweak * G` (BIP 32 public derivation); `tweak` has 32 bytes.

        Raises:
            VerificationError: `curve-tweak-invalid`: the tweak is no scalar or the sum is no key, which chance does not do.
        """
        if len(tweak) != 32:
            raise ValueError("a tweak has 32 bytes")
        # the library adds in place: to a copy
        point = _new(_PUBKEY, self._start)
        if _tweak_add(_CONTEXT, point, tweak) != 1:
            raise VerificationError(
                "curve-tweak-invalid", f"{self._where}: no key can be derived with this tweak"
            )
        pubkey = _serialized(point)
        _POINTS.keep(pubkey, point)
        return pubkey


def tweak_add(pubkey: bytes, tweak: bytes, where: str = "public key") -> bytes:
    """`Point(pubkey, where).plus(tweak)`, and what both raise."""
    return Point(pubkey, where).plus(tweak)


def xonly_tweak_add(key: bytes, tweak: bytes, where: str = "x-only key") -> bytes:
    """The x of `key + tweak * G`, where `key` is the point with even y (BIP 341); `tweak` has 32 bytes.

    Raises:
        Malformed: `xonly-key-malformed`.
        VerificationError: `curve-tweak-invalid`.
    """
    if len(tweak) != 32:
        raise ValueError("a tweak has 32 bytes")
    tweaked = ffi.new(_PUBKEY)
    if lib.secp256k1_xonly_pubkey_tweak_add(_CONTEXT, tweaked, _xonly(key, where), tweak) != 1:
        raise VerificationError("curve-tweak-invalid", f"{where}: no key can be derived with this tweak")
    output_key = _serialized(tweaked)[1:]
    point = ffi.new(_XONLY)
    if lib.secp256k1_xonly_pubkey_from_pubkey(_CONTEXT, point, ffi.NULL, tweaked) == 1:
        _XONLY_POINTS.keep(output_key, point)
    return output_key


def parse_der(signature: bytes, where: str = "signature") -> tuple[int, int]:
    """The r and s of an ECDSA signature in strict DER (BIP 66), without the sighash byte, s in its lower half (BIP 146).

    Raises:
        Malformed: `signature-not-der`.
        VerificationError: `signature-high-s`.
    """
    size = len(signature)
    # 0x30 length 0x02 length-r r 0x02 length-s s, and not a byte more: BIP 66 allows lengths of one byte only
    if not 8 <= size <= 72 or signature[0] != 0x30 or signature[1] != size - 2:
        raise _not_der(where, "no sequence that fills the bytes")
    r, position = _der_integer(signature, 2, where)
    s, position = _der_integer(signature, position, where)
    if position != size:
        raise _not_der(where, "something follows s")
    if s > MAX_LOW_S:
        raise VerificationError(
            "signature-high-s", f"{where}: s is in its upper half, which nodes do not relay"
        )
    return r, s


def verify_ecdsa(pubkey: bytes, signature: bytes, digest: bytes, where: str = "signature") -> None:
    """Accept a strict, low-S DER signature (without sighash byte) by `pubkey` over a 32-byte digest.

    Raises:
        Malformed: what `check_pubkey` and `parse_der` raise.
        VerificationError: `signature-high-s`, `signature-invalid`.
    """
    if len(digest) != 32:
        raise ValueError("a digest has 32 bytes")
    r, s = parse_der(signature, where)
    point = _POINTS.get(pubkey) or _point(pubkey, where)
    parsed = ffi.new(_SIGNATURE)
    # r and s go in as numbers, so that ours is the only DER parser whose opinion counts
    if r >= ORDER or lib.secp256k1_ecdsa_signature_parse_compact(_CONTEXT, parsed, _scalars(r, s)) != 1:
        raise _invalid(where)
    if lib.secp256k1_ecdsa_verify(_CONTEXT, parsed, digest, point) != 1:
        raise _invalid(where)


def verify_schnorr(key: bytes, signature: bytes, message: bytes, where: str = "signature") -> None:
    """Accept a 64-byte BIP 340 signature by an x-only key over a message.

    Raises:
        Malformed: `xonly-key-malformed`.
        VerificationError: `signature-invalid`.
    """
    point = _xonly(key, where)
    if len(signature) != 64:
        raise _invalid(where)
    if lib.secp256k1_schnorrsig_verify(_CONTEXT, signature, message, len(message), point) != 1:
        raise _invalid(where)


def _point(pubkey: bytes, where: str) -> ffi.CData:
    known = _POINTS.get(pubkey)
    if known is not None:
        return known
    if len(pubkey) != PUBKEY_SIZE or pubkey[0] not in (2, 3):
        if len(pubkey) == UNCOMPRESSED_SIZE and pubkey[0] in (4, 6, 7):
            raise Malformed(
                "pubkey-uncompressed", f"{where}: an uncompressed key, which segwit cannot spend with"
            )
        raise Malformed("pubkey-malformed", f"{where}: not 33 bytes that start with 02 or 03")
    point = ffi.new(_PUBKEY)
    if lib.secp256k1_ec_pubkey_parse(_CONTEXT, point, pubkey, PUBKEY_SIZE) != 1:
        raise Malformed("pubkey-not-on-curve", f"{where}: no point of the curve has this x")
    return point


def _serialized(point: ffi.CData) -> bytes:
    output = _new(_KEY_BYTES)
    _serialize(_CONTEXT, output, _new(_SIZE, PUBKEY_SIZE), point, _COMPRESSED)
    pubkey: bytes = _buffer(output)[:]
    return pubkey


def _xonly(key: bytes, where: str) -> ffi.CData:
    known = _XONLY_POINTS.get(key)
    if known is not None:
        return known
    point = _new(_XONLY)
    # either point of a derived key with this x spares the square root: both are of one x-only key
    derived = _POINTS.get(b"\2" + key) or _POINTS.get(b"\3" + key)
    if (
        derived is not None
        and lib.secp256k1_xonly_pubkey_from_pubkey(_CONTEXT, point, ffi.NULL, derived) == 1
    ):
        return point
    if len(key) != 32 or lib.secp256k1_xonly_pubkey_parse(_CONTEXT, point, key) != 1:
        raise Malformed("xonly-key-malformed", f"{where}: not 32 bytes that are the x of a point")
    return point


def _der_integer(signature: bytes, position: int, where: str) -> tuple[int, int]:
    """A positive integer in its shortest DER form, and the position after it."""
    header = signature[position : position + 2]
    if len(header) != 2 or header[0] != 0x02:
        raise _not_der(where, "an integer is missing")
    body = signature[position + 2 : position + 2 + header[1]]
    if not body or len(body) != header[1]:
        raise _not_der(where, "an integer is empty or cut short")
    if body[0] & 0x80:
        raise _not_der(where, "an integer is negative")
    if body[0] == 0 and len(body) > 1 and not body[1] & 0x80:
        raise _not_der(where, "an integer has a needless leading zero")
    return int.from_bytes(body, "big"), position + 2 + header[1]


def _scalars(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _not_der(where: str, problem: str) -> Malformed:
    return Malformed("signature-not-der", f"{where}: not strict DER: {problem}")


def _invalid(where: str) -> VerificationError:
    return VerificationError("signature-invalid", f"{where}: not made by this key over this transaction")
