"""BIP 174 Finalizer and Extractor: from verified signatures to a transaction that the network accepts.

The Finalizer does not trust itself: what it built is taken apart again by an evaluator of the two witness
templates that shares nothing with the plan that filled them (rust-miniscript's finaliser re-runs the
interpreter for the same reason; A084).
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, replace

from falconer_shared.bitcoin.script import hash160, p2wpkh, p2wsh, sha256
from falconer_shared.bitcoin.transaction import Transaction, TxInput, unsigned_hash
from falconer_shared.errors import VerificationError
from falconer_shared.seal import Seal
from falconer_shared.units import Amount, FeeRate, Weight
from falconer_shared.verify.inputs import VerifiedInput
from falconer_shared.verify.partial import check_signature
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, signed_by

_SEAL = Seal(__name__)

OP_1 = 0x51
OP_16 = 0x60
OP_CHECKMULTISIG = b"\xae"
PUSH_PUBKEY = b"\x21"


@dataclass(frozen=True, slots=True)
class FinalTransaction:
    """A complete transaction, ready for the network. Only `finalize` makes one."""

    signed: SignatureVerifiedPsbt
    tx: Transaction
    raw: bytes
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _SEAL.check(seal)

    @property
    def txid_hex(self) -> str:
        return self.tx.txid_hex()

    @property
    def fee(self) -> Amount:
        return self.signed.verified.fee

    @property
    def weight(self) -> Weight:
        """The real one, never above the worst case that was judged."""
        return self.tx.weight()

    @property
    def fee_rate(self) -> FeeRate:
        return FeeRate.of(self.fee, self.weight)


def finalize(signed: SignatureVerifiedPsbt) -> FinalTransaction:
    """Fill every input from its spending plan, and check the result.

    Raises:
        VerificationError: `quorum-incomplete`, `final-witness-invalid`, `final-transaction-differs`,
        `final-weight-above-worst-case`.
    """
    verified = signed.verified
    filled: list[TxInput] = []
    for item, signatures in zip(verified.inputs, signed.signatures, strict=True):
        available = signed_by(item, signatures)
        plan = verified.wallet.descriptor.plan(available, verified.tx.locktime, item.sequence)
        script_sig, witness = plan.satisfy(signatures, item.scripts)
        _check_witness(item, script_sig, witness)
        filled.append(replace(verified.tx.inputs[item.index], script_sig=script_sig, witness=witness))
    tx = Transaction(verified.tx.version, tuple(filled), verified.tx.outputs, verified.tx.locktime)
    raw = tx.serialize()
    read_back = Transaction.parse(raw, "final transaction")
    if unsigned_hash(read_back) != verified.unsigned_hash or read_back != tx:
        raise VerificationError(
            "final-transaction-differs", "the finished transaction is not the one that was signed"
        )
    if read_back.weight() > verified.weight:
        # the fee rate and every limit on it were judged over the worst case: it must be one
        raise VerificationError(
            "final-weight-above-worst-case",
            f"the finished transaction weighs {read_back.weight()} WU, more than the {verified.weight} WU that were judged",
        )
    return FinalTransaction(signed, read_back, raw, _SEAL)


def _check_witness(item: VerifiedInput, script_sig: bytes, witness: tuple[bytes, ...]) -> None:
    """BIP 141's rules for the two native templates, evaluated by reading the proven script and the stack,
    without the plan.
    """
    if script_sig:
        raise _invalid(item, "a native segwit input must have an empty scriptSig")
    if len(item.script_pubkey) == len(p2wpkh(bytes(20))):
        if len(witness) != 2 or p2wpkh(hash160(witness[1])) != item.script_pubkey:
            raise _invalid(item, "the witness does not match the key hash")
        check_signature(item, witness[1], witness[0])
        return
    if not witness or p2wsh(sha256(witness[-1])) != item.script_pubkey:
        raise _invalid(item, "the witness script does not match its hash")
    threshold, keys = _read_multisig(item, witness[-1])
    signatures = witness[1:-1]
    # BIP 147: CHECKMULTISIG takes one element too many, and it must be empty
    if witness[0] != b"" or len(signatures) != threshold:
        raise _invalid(item, f"{len(signatures)} signatures for a threshold of {threshold}")
    remaining = iter(keys)
    for signature in signatures:
        # consensus walks keys and signatures in one order: a signature whose key was passed already fails
        for key in remaining:
            try:
                check_signature(item, key, signature)
            except VerificationError:
                continue
            break
        else:
            raise _invalid(item, "the signatures are not in the order of the keys")


def _read_multisig(item: VerifiedInput, script: bytes) -> tuple[int, list[bytes]]:
    threshold, position = _read_number(script, 0)
    keys = []
    while script[position : position + 1] == PUSH_PUBKEY:
        keys.append(script[position + 1 : position + 34])
        position += 34
    size, position = _read_number(script, position)
    if script[position:] != OP_CHECKMULTISIG or size != len(keys) or not 1 <= threshold <= size:
        raise _invalid(item, "the witness script is not a multisig template")
    return threshold, keys


def _read_number(script: bytes, position: int) -> tuple[int, int]:
    """A small number and where it ends; 0 where there is none, which no template has."""
    opcode = script[position] if position < len(script) else 0
    if OP_1 <= opcode <= OP_16:
        return opcode - OP_1 + 1, position + 1
    if opcode == 1:
        # beyond 16 there is no opcode: a push of one byte (BIP 383 allows 20 keys)
        return int.from_bytes(script[position + 1 : position + 2], "little"), position + 2
    return 0, position


def _invalid(item: VerifiedInput, problem: str) -> VerificationError:
    return VerificationError("final-witness-invalid", f"input {item.index}: {problem}", input=item.index)
