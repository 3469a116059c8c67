"""Extended public keys (BIP 32): read, written, derived in public. A private key met here is refused and never repeated.

Paths are tuples of child numbers; in text the hardened marker is `h`, and `'` is understood.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from falconer_shared.bitcoin import curve
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.private_data import EXTENDED_KEY_SIZE, refuse_private_key
from falconer_shared.bitcoin.script import hash160
from falconer_shared.encoding import base58
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.text import safe

HARDENED = 0x80000000
"""Child numbers from here on need the private key."""

MAX_DEPTH = 255
"""Depth is one byte."""

_SLIP132_PUBLIC_VERSIONS = {
    bytes.fromhex(version): name
    for version, name in (
        ("049d7cb2", "ypub"), ("04b24746", "zpub"), ("0295b43f", "Ypub"), ("02aa7ed3", "Zpub"),
        ("044a5262", "upub"), ("045f1cf6", "vpub"), ("024289ef", "Upub"), ("02575483", "Vpub"),
    )
}  # fmt: skip

_STEP = re.compile(r"(0|[1-9][0-9]{0,9})([h']?)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExtendedPublicKey:
    """A public key that can derive its children. It belongs to no network by itself; its text does."""

    depth: int
    parent_fingerprint: bytes
    child_number: int
    chain_code: bytes
    pubkey: bytes

    def __post_init__(self) -> None:
        if (
            len(self.parent_fingerprint) != 4
            or len(self.chain_code) != 32
            or len(self.pubkey) != curve.PUBKEY_SIZE
        ):
            raise ValueError(
                "an extended key has a fingerprint of 4, a chain code of 32 and a key of 33 bytes"
            )
        if not 0 <= self.depth <= MAX_DEPTH or not 0 <= self.child_number <= 0xFFFFFFFF:
            raise ValueError("depth or child number out of range")

    @classmethod
    def parse(cls, text: str, network: Network, where: str = "extended key") -> Self:
        """Read an `xpub` or `tpub` of this network (BIP 32 serialisation format).

        Raises:
            Malformed: `private-key-in-public-data` (A039), `xpub-slip132` (A042), `xpub-malformed`, `xpub-version-unknown`,
                and what Base58 and the key check raise (A043).
            VerificationError: `xpub-other-network`.
        """
        data = base58.decode_check(text, where)
        version = data[:4]
        refuse_private_key(data, where)
        if version in _SLIP132_PUBLIC_VERSIONS:
            raise Malformed(
                "xpub-slip132",
                f"{where}: a {_SLIP132_PUBLIC_VERSIONS[version]} (SLIP 132); only xpub and tpub are read, "
                "because the descriptor alone says what kind of wallet it is",
                remedy="Export the same key as xpub (tpub on test networks) and write the script type in the descriptor.",
            )
        if version != network.xpub_version:
            raise _other_version(version, network, where)
        if len(data) != EXTENDED_KEY_SIZE:
            raise Malformed("xpub-malformed", f"{where}: {len(data)} bytes instead of {EXTENDED_KEY_SIZE}")
        key = cls(
            depth=data[4],
            parent_fingerprint=data[5:9],
            child_number=int.from_bytes(data[9:13], "big"),
            chain_code=data[13:45],
            pubkey=data[45:],
        )
        if key.depth == 0 and (key.child_number or any(key.parent_fingerprint)):
            raise Malformed(
                "xpub-malformed", f"{where}: a master key (depth 0) that names a parent or a child number"
            )
        curve.check_pubkey(key.pubkey, where)
        return key

    def text(self, network: Network) -> str:
        """The `xpub` (mainnet) or `tpub` (elsewhere)."""
        return base58.encode_check(
            network.xpub_version
            + bytes((self.depth,))
            + self.parent_fingerprint
            + self.child_number.to_bytes(4, "big")
            + self.chain_code
            + self.pubkey
        )

    def fingerprint(self) -> bytes:
        """The four bytes by which children and key origins name this key: a hint, never evidence (A023)."""
        return hash160(self.pubkey)[:4]

    def derive(self, index: int) -> ExtendedPublicKey:
        """The child with this number (BIP 32 CKDpub).

        Raises:
            VerificationError: `derivation-hardened`, `derivation-too-deep`, `curve-tweak-invalid`.
        """
        _check_can_derive(self, index)
        left_right = hmac.digest(self.chain_code, self.pubkey + index.to_bytes(4, "big"), "sha512")
        return ExtendedPublicKey(
            depth=self.depth + 1,
            parent_fingerprint=self.fingerprint(),
            child_number=index,
            chain_code=left_right[32:],
            pubkey=curve.tweak_add(self.pubkey, left_right[:32], "extended key"),
        )

    def derive_branch(self, path: Iterable[int]) -> ExtendedPublicKey:
        """The descendant along `path`; raises what `derive` raises."""
        key = self
        for index in path:
            key = key.derive(index)
        return key


class ChildKeys:
    """The public keys of one key's children, for whoever needs many and not their children: says what `derive` says."""

    __slots__ = ("_hashed", "_parent", "_point")

    def __init__(self, parent: ExtendedPublicKey) -> None:
        self._parent = parent
        self._point = curve.Point(parent.pubkey, "extended key")
        self._hashed = ChildHash(parent.chain_code, parent.pubkey)

    def pubkey(self, index: int) -> bytes:
        """The 33-byte key of the child with this number; raises what `ExtendedPublicKey.derive` raises."""
        if not 0 <= index < HARDENED or self._parent.depth == MAX_DEPTH:
            _check_can_derive(self._parent, index)
        return self._point.plus(self._hashed(index)[:32])


class ChildHash:
    """HMAC-SHA512 of BIP 32 for the unhardened children of one key: by the chain code, over the key and the child's number.

    What HMAC makes of its key (RFC 2104) is hashed once: each child then takes a third of the time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, chain_code: bytes, pubkey: bytes) -> None:
        block = chain_code.ljust(128, b"\0")
        self._inner = hashlib.sha512(bytes([byte ^ 0x36 for byte in block]) + pubkey)
        self._outer = hashlib.sha512(bytes([byte ^ 0x5C for byte in block]))

    def __call__(self, index: int) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(index.to_bytes(4, "big"))
        outer.update(inner.digest())
        return outer.digest()


def _check_can_derive(parent: ExtendedPublicKey, index: int) -> None:
    if not 0 <= index <= 0xFFFFFFFF:
        raise ValueError("a child number has 32 bits")
    if index >= HARDENED:
        raise VerificationError(
            "derivation-hardened",
            f"child {index - HARDENED}h is hardened, and only the private key can derive it",
        )
    if parent.depth == MAX_DEPTH:
        raise VerificationError("derivation-too-deep", f"a key at depth {MAX_DEPTH} cannot have children")


def parse_path(text: str) -> tuple[int, ...]:
    """`84h/1h/0h` as child numbers; the empty text is the empty path. A leading `m/` is not part of a path.

    Raises:
        Malformed: `derivation-path-malformed`.
    """
    if not text:
        return ()
    steps = text.split("/", MAX_DEPTH)
    if len(steps) > MAX_DEPTH:
        raise Malformed("derivation-path-malformed", f"a derivation path has more than {MAX_DEPTH} steps")
    path: list[int] = []
    for step in steps:
        match = _STEP.match(step)
        number = int(match[1]) if match else HARDENED
        if not match or number >= HARDENED:
            raise Malformed(
                "derivation-path-malformed",
                f"'{safe(step, 20)}' is no step of a derivation path: a number below 2147483648, with h where hardened",
            )
        path.append(number + HARDENED if match[2] else number)
    return tuple(path)


def format_path(path: Iterable[int]) -> str:
    """Child numbers as `84h/1h/0h`."""
    return "/".join(f"{index - HARDENED}h" if index >= HARDENED else str(index) for index in path)


def _other_version(version: bytes, network: Network, where: str) -> Malformed | VerificationError:
    others = [other.label for other in Network if other.xpub_version == version]
    if others:
        return VerificationError(
            "xpub-other-network", f"{where}: belongs to {' or '.join(others)}, not to {network.label}"
        )
    return Malformed(
        "xpub-version-unknown", f"{where}: not an extended public key (version bytes {version.hex()})"
    )
