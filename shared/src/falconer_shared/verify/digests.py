"""What a signature on each input signs, computed twice.

The kind of digest is the wallet's, whose script each input was proven to have (A052): no field of a PSBT has a say in
it. One wallet a transaction, so all inputs are of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from falconer_shared.bitcoin.sighash import Bip143, Bip341, Legacy
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.descriptor.ast import InputKind, Node
from falconer_shared.verify.inputs import ProvenInput, VerifiedInput
from falconer_shared.verify.second_opinion import Question, must_agree


def with_digests(tx: Transaction, node: Node, proven: Sequence[ProvenInput]) -> tuple[VerifiedInput, ...]:
    """The inputs with their digests, on which a second library agrees.

    Raises:
        VerificationError: `second-opinion-differs`.
    """
    spent = [item.spent for item in proven]
    kind = node.input_kind
    codes = [b"" if kind is InputKind.TAPROOT else node.script_code(item.scripts) for item in proven]
    digests = _digests(tx, kind, proven, codes)
    must_agree(
        tx.serialize_stripped(),
        [
            Question(item.index, kind, code, item.sighash, digest)
            for item, code, digest in zip(proven, codes, digests, strict=True)
        ],
        spent,
    )
    return tuple(
        [
            VerifiedInput(
                index=item.index,
                outpoint=item.outpoint,
                amount=item.spent.value,
                script_pubkey=item.spent.script,
                place=item.place,
                scripts=item.scripts,
                sequence=item.sequence,
                kind=kind,
                sighash=item.sighash,
                digest=digest,
            )
            for item, digest in zip(proven, digests, strict=True)
        ]
    )


def _digests(
    tx: Transaction, kind: InputKind, proven: Sequence[ProvenInput], codes: Sequence[bytes]
) -> list[bytes]:
    match kind:
        case InputKind.LEGACY:
            legacy = Legacy(tx)
            return [
                legacy.digest(item.index, code, item.sighash)
                for item, code in zip(proven, codes, strict=True)
            ]
        case InputKind.SEGWIT_V0:
            bip143 = Bip143(tx)
            return [
                bip143.digest(item.index, code, item.spent.value, item.sighash)
                for item, code in zip(proven, codes, strict=True)
            ]
        case InputKind.TAPROOT:
            bip341 = Bip341(tx, [item.spent for item in proven])
            return [bip341.digest(item.index, item.sighash) for item in proven]
