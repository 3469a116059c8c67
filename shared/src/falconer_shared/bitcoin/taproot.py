"""Taproot keys for the key path (BIP 341, BIP 86): from the key that a wallet derives to the key that an output names.

Only keys without a script tree: the tweak commits to the internal key and to nothing else, so that nobody can have hidden
another way to spend in it (BIP 341, "Constructing and spending Taproot outputs"; A046). Cannot sign.
"""

from __future__ import annotations

import hashlib

from falconer_shared.bitcoin.curve import xonly_tweak_add

XONLY_SIZE = 32
"""Bytes of a key that is named by its x alone (BIP 340)."""


def tagged_hash(tag: str) -> hashlib._Hash:
    """SHA-256 that has taken in a tag (BIP 340): update a copy with the message."""
    name = hashlib.sha256(tag.encode("ascii")).digest()
    return hashlib.sha256(name + name)


_TAP_TWEAK = tagged_hash("TapTweak")


def key_path_tweak(internal_key: bytes) -> bytes:
    """The 32-byte tweak of an x-only key without a script tree."""
    if len(internal_key) != XONLY_SIZE:
        raise ValueError("an internal key has 32 bytes")
    tagged = _TAP_TWEAK.copy()
    tagged.update(internal_key)
    return tagged.digest()


def key_path_output_key(internal_key: bytes) -> bytes:
    """The x-only key that stands in the output, and that alone signs for it.

    Raises:
        Malformed: `xonly-key-malformed`. VerificationError: `curve-tweak-invalid`.
    """
    return xonly_tweak_add(internal_key, key_path_tweak(internal_key), "taproot internal key")
