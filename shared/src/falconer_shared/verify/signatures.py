"""What comes back from a signer.

From an answer only signatures are taken: its transaction must be the one that we asked for, byte by byte;
everything else in it is ignored, since the original that we kept is what gets finalised (answers of
SeedSigner, Specter and Krux are trimmed anyway).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from types import MappingProxyType

from falconer_shared.errors import VerificationError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.seal import Seal
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.partial import Signatures, check_made, check_partial_signatures
from falconer_shared.verify.transaction import VerifiedTransaction

_SEAL = Seal(__name__)


def signed_by(item: VerifiedInput, signatures: Signatures) -> list[int]:
    """Positions in the descriptor of the keys that signed this input."""
    return [position for position, key in enumerate(item.scripts.signing_keys) if key in signatures]


@dataclass(frozen=True, slots=True)
class SignatureVerifiedPsbt:
    """A verified transaction with signatures, each of which verifies. Only this module makes one."""

    verified: VerifiedTransaction
    signatures: tuple[Signatures, ...]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def signers(self) -> frozenset[int]:
        """Positions in the descriptor of the keys that signed every input."""
        return frozenset.intersection(
            *(
                frozenset(signed_by(item, signatures))
                for item, signatures in zip(self.verified.inputs, self.signatures, strict=True)
            )
        )

    @property
    def complete(self) -> bool:
        """Whether every input has the signatures of some quorum."""
        node = self.verified.wallet.descriptor
        return all(
            next(node.quorums(signed_by(item, signatures)), None) is not None
            for item, signatures in zip(self.verified.inputs, self.signatures, strict=True)
        )


def verify_signatures(verified: VerifiedTransaction, answer: UntrustedPsbt) -> SignatureVerifiedPsbt:
    """Take the signatures out of an answer to the transaction that we asked for.

    Raises:
        VerificationError: `answer-other-transaction`, `answer-signed-nothing`, and the ids of
        `check_partial_signatures`.
    """
    if answer.tx.serialize_stripped() != verified.tx.serialize_stripped():
        raise VerificationError(
            "answer-other-transaction", "the answer is to another transaction than the one that was asked for"
        )
    return _minted(verified, check_partial_signatures(verified.inputs, answer))


def verify_made(verified: VerifiedTransaction, made: Sequence[Signatures]) -> SignatureVerifiedPsbt:
    """Take signatures that were made in this process over the digests of `verified`, one mapping for each input.

    Raises:
        VerificationError: `answer-signed-nothing`, and the ids of `check_made`.
    """
    return _minted(verified, check_made(verified.inputs, made))


def _minted(verified: VerifiedTransaction, signatures: tuple[Signatures, ...]) -> SignatureVerifiedPsbt:
    if not any(signatures):
        raise VerificationError("answer-signed-nothing", "the answer holds no signature")
    return SignatureVerifiedPsbt(verified, signatures, _SEAL)


def merge(*parts: SignatureVerifiedPsbt) -> SignatureVerifiedPsbt:
    """The signatures of several answers to one transaction together. Both a key's valid signatures stand; the
    first one is kept.

    Raises:
        VerificationError: `answer-other-transaction`.
    """
    first = parts[0]
    merged = [dict(signatures) for signatures in first.signatures]
    for part in parts[1:]:
        if part.verified.unsigned_hash != first.verified.unsigned_hash:
            raise VerificationError(
                "answer-other-transaction", "signatures of two different transactions cannot be merged"
            )
        for target, signatures in zip(merged, part.signatures, strict=True):
            for key, signature in signatures.items():
                target.setdefault(key, signature)
    return SignatureVerifiedPsbt(first.verified, tuple(MappingProxyType(item) for item in merged), _SEAL)
