"""Signing: what a person reviewed, after it was written down.

Takes a `ReviewedTransaction` (only `review` makes one) and a `Reservation` (only `journal.reserve` makes one)
for the same transaction. Signs the digests that verification computed from proven scripts and amounts, and
nothing else; every signature is deterministic (keys/private.py), no two share an r (A089), and all are
verified through the shared core before they are given out (A083).
"""

from __future__ import annotations

from collections.abc import Mapping

from falconer_offline.keys.private import PrivateNode
from falconer_offline.review import ReviewedTransaction
from falconer_offline.state.journal import Reservation
from falconer_shared.bitcoin.sighash import SIGHASH_DEFAULT
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.errors import VerificationError
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, verify_made


def sign(
    reviewed: ReviewedTransaction, reservation: Reservation, keys: Mapping[int, PrivateNode]
) -> SignatureVerifiedPsbt:
    """Sign every input with every key of `keys` (key position in the wallet → master key).

    Raises:
        VerificationError: `key-not-of-wallet` when a key does not derive to the wallet's, `nonce-repeated`,
        and what
            `verify_made` raises for our own signatures.
    """
    verified = reviewed.verified
    if (reservation.unsigned_hash, reservation.wallet_id) != (
        verified.unsigned_hash,
        verified.wallet.wallet_id,
    ):
        raise ValueError("the reservation is for another transaction")
    if not keys:
        raise ValueError("no key to sign with")
    signatures: list[dict[bytes, bytes]] = [{} for _ in verified.inputs]
    seen: set[bytes] = set()
    for position, master in keys.items():
        account = _account(reviewed, position, master)
        branches: dict[int, PrivateNode] = {}
        for item, found in zip(verified.inputs, signatures, strict=True):
            branch = branches.get(item.place.branch)
            if branch is None:
                branch = branches[item.place.branch] = account.derive(item.place.branch)
            signature, r = _signature(branch.derive(item.place.index), item)
            if r in seen:
                raise VerificationError(
                    "nonce-repeated", "two signatures share a nonce, which would give the key away"
                )
            seen.add(r)
            found[item.scripts.signing_keys[position]] = signature
    return verify_made(verified, signatures)


def _signature(key: PrivateNode, item: VerifiedInput) -> tuple[bytes, bytes]:
    """The signature as it goes into a PSBT, and its r as it stands there. Which kind it is, the proven script decided (A052)."""
    if item.kind is InputKind.TAPROOT:
        schnorr = key.sign_taproot(item.digest)
        # BIP 341: DEFAULT is written by leaving the byte out
        written = b"" if item.sighash == SIGHASH_DEFAULT else bytes((item.sighash,))
        return schnorr + written, schnorr[:32]
    der = key.sign(item.digest)
    # DER has one spelling for a number (BIP 66), so that equal r are equal bytes: 30 LL 02 <length> <r>
    return der + bytes((item.sighash,)), der[4 : 4 + der[3]]


def _account(reviewed: ReviewedTransaction, position: int, master: PrivateNode) -> PrivateNode:
    key = reviewed.verified.wallet.keys[position]
    account = master.derive_path(key.origin)
    if account.public() != key.xpub:
        raise VerificationError(
            "key-not-of-wallet",
            f"the key does not derive to key {position + 1} of the wallet, {key.origin_text()}",
        )
    return account
