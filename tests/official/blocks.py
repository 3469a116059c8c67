"""Two blocks of the main network, and every signature in them.

A block is read in two independent ways: the transactions are cut out here, by a reader of its own, and parsed by shipped code.
The outputs that they spend lie beside the block (`spent_utxos.zst`: one for each input, in the order of the block, those made in
the same block too). Each signature is found by following the templates here, and checked by shipped digests and curve; each
input whose signatures are all in scope also goes whole through the Finalizer's check.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from coincurve import PublicKey

from falconer_shared.bitcoin.curve import ORDER, verify_ecdsa, verify_schnorr
from falconer_shared.bitcoin.script import ScriptType, classify, double_sha256, p2pkh, sha256
from falconer_shared.bitcoin.transaction import Transaction, TxOutput
from falconer_shared.errors import FalconerError
from falconer_shared.units import Amount
from tests.official.spending import Digests, last_push, spend

FOLDER = "vectors/raw/vinteumorg_Floresta"
HEADER_BYTES = 80

HASH_TYPES = {
    0x00: "DEFAULT", 0x01: "ALL", 0x02: "NONE", 0x03: "SINGLE",
    0x81: "ALL|ANYONECANPAY", 0x82: "NONE|ANYONECANPAY", 0x83: "SINGLE|ANYONECANPAY",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    header: bytes
    raw: tuple[bytes, ...]
    transactions: tuple[Transaction, ...]
    spent: tuple[tuple[TxOutput, ...], ...]
    """What each transaction spends; nothing for the first, which makes new coins."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an input: `where` names its script type, `digest` computes what it must sign."""

    where: str
    pubkey: bytes
    written: bytes
    digest: Callable[[], bytes]


def read(folder: Path, height: int) -> Block:
    place = folder / FOLDER / f"block_{height}"
    data = _unpacked(place / "raw.zst")
    cut = list(_cut(data))
    transactions = tuple(Transaction.parse(each) for each in cut)
    listed = iter(json.loads(_unpacked(place / "spent_utxos.zst")))
    spent: list[tuple[TxOutput, ...]] = [()]
    for tx in transactions[1:]:
        outputs = [next(listed)["txout"] for _ in tx.inputs]
        spent.append(
            tuple([TxOutput(Amount(each["value"]), bytes.fromhex(each["script_pubkey"])) for each in outputs])
        )
    if next(listed, None) is not None:
        raise AssertionError("more outputs than inputs")
    return Block(data[:HEADER_BYTES], tuple(cut), transactions, tuple(spent))


def _unpacked(path: Path) -> bytes:
    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()))


def _cut(data: bytes) -> Iterator[bytes]:
    """The bytes of each transaction, by a reader that shares nothing with ours."""
    count, position = _size(data, HEADER_BYTES)
    for _ in range(count):
        end = _behind(data, position)
        yield data[position:end]
        position = end
    if position != len(data):
        raise AssertionError("bytes behind the last transaction")


def _size(data: bytes, position: int) -> tuple[int, int]:
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(data[position], 0)
    end = position + 1 + width
    return (int.from_bytes(data[position + 1 : end], "little") if width else data[position]), end


def _behind(data: bytes, position: int) -> int:
    position += 4
    witness = data[position] == 0
    inputs, position = _size(data, position + 2 * witness)
    for _ in range(inputs):
        size, position = _size(data, position + 36)
        position += size + 4
    outputs, position = _size(data, position)
    for _ in range(outputs):
        size, position = _size(data, position + 8)
        position += size
    for _ in range(inputs if witness else 0):
        items, position = _size(data, position)
        for _ in range(items):
            size, position = _size(data, position)
            position += size
    return position + 4


# signatures -------------------------------------------------------------------------------------------


def signatures(digests: Digests, index: int) -> tuple[str, list[Signature]]:
    """The kind of the input, and the signatures that it has under a template of ours; none under another."""
    given, spent = digests.tx.inputs[index], digests.spent[index]
    kind = classify(spent.script)
    if kind is ScriptType.P2PKH:
        return kind.value, _single(
            kind.value, _pushed(given.script_sig), lambda: digests.legacy(index, spent.script)
        )
    if kind is ScriptType.P2SH:
        redeem = last_push(given.script_sig)
        inner = classify(redeem)
        if inner in {ScriptType.P2WPKH, ScriptType.P2WSH}:
            return _program(digests, index, redeem, f"p2sh-{inner.value}")
        stack = _pushed(given.script_sig)[:-1]
        return _multisig("p2sh", stack, redeem, lambda: digests.legacy(index, redeem))
    if kind in {ScriptType.P2WPKH, ScriptType.P2WSH}:
        return _program(digests, index, spent.script, kind.value)
    if kind is ScriptType.P2TR:
        return _taproot(digests, index, spent.script)
    return ("anyone may spend" if not spent.script else kind.value), []


def _program(digests: Digests, index: int, script: bytes, name: str) -> tuple[str, list[Signature]]:
    witness = digests.tx.inputs[index].witness
    if len(script) == 22:
        return name, _single(name, witness, lambda: digests.bip143(index, p2pkh(script[2:])))
    if sha256(witness[-1]) != script[2:]:
        raise AssertionError("a witness script of another output")
    return _multisig(name, witness[:-1], witness[-1], lambda: digests.bip143(index, witness[-1]))


def _taproot(digests: Digests, index: int, script: bytes) -> tuple[str, list[Signature]]:
    witness = digests.tx.inputs[index].witness
    if len(witness) > 1 and witness[-1][:1] == b"\x50":
        return "p2tr with an annex", []
    if len(witness) != 1:
        return "p2tr script path", []
    written = witness[0] if len(witness[0]) == 65 else witness[0] + b"\0"
    return "p2tr key path", [
        Signature("p2tr key path", script[2:], written, lambda: digests.bip341(index, written[64]))
    ]


def _single(name: str, stack: Sequence[bytes], digest: Callable[[], bytes]) -> list[Signature]:
    signature, pubkey = stack
    return [Signature(name, pubkey, signature, digest)]


def _multisig(
    name: str, stack: Sequence[bytes], script: bytes, digest: Callable[[], bytes]
) -> tuple[str, list[Signature]]:
    keys = multisig_keys(script)
    if keys is None:
        return f"{name} of another script", []
    name = f"{name} multisig"
    remaining = iter(keys)
    found = []
    for written in stack[1:]:
        # which key made it is not written: the first of those left for which it verifies, as consensus has it
        candidates = list(remaining)
        place = next((n for n, key in enumerate(candidates) if _made_by(key, written, digest)), 0)
        found.append(Signature(name, candidates[place], written, digest))
        remaining = iter(candidates[place + 1 :])
    return name, found


def _made_by(pubkey: bytes, written: bytes, digest: Callable[[], bytes]) -> bool:
    if written[-1:] != b"\1":
        return True
    try:
        verify_ecdsa(compressed(pubkey), low_s(written[:-1]), digest())
    except FalconerError:
        return False
    return True


def multisig_keys(script: bytes) -> list[bytes] | None:
    """The keys of `k KEY... n OP_CHECKMULTISIG`, uncompressed ones too; None for any other script."""
    if (
        len(script) < 4
        or script[-1] != 0xAE
        or not (0x51 <= script[0] <= 0x60 and 0x51 <= script[-2] <= 0x60)
    ):
        return None
    keys, position = [], 1
    while position < len(script) - 2:
        size = script[position]
        keys.append(script[position + 1 : position + 1 + size])
        position += 1 + size
    whole = position == len(script) - 2 and all(len(key) in {33, 65} for key in keys)
    return keys if whole and len(keys) == script[-2] - 0x50 else None


def _pushed(script_sig: bytes) -> list[bytes]:
    """What a scriptSig pushes, in whatever form."""
    items, position = [], 0
    while position < len(script_sig):
        opcode = script_sig[position]
        width = {0x4C: 1, 0x4D: 2}.get(opcode, 0)
        start = position + 1 + width
        size = int.from_bytes(script_sig[position + 1 : start], "little") if width else opcode
        if opcode > 0x4D:
            raise AssertionError("a scriptSig that does not only push")
        items.append(script_sig[start : start + size])
        position = start + size
    return items


def compressed(pubkey: bytes) -> bytes:
    """The same key in the form that ours take."""
    return bytes(PublicKey(pubkey).format())


def low_s(signature: bytes) -> bytes:
    """The same signature with the lower of its two s; strict DER is left as it is otherwise."""
    r_size = signature[3]
    r, s = signature[2 : 4 + r_size], int.from_bytes(signature[6 + r_size :], "big")
    if s <= ORDER // 2:
        return signature
    body = ORDER - s
    data = body.to_bytes(body.bit_length() // 8 + 1, "big")
    whole = r + bytes((2, len(data))) + data
    return bytes((0x30, len(whole))) + whole


# counting ---------------------------------------------------------------------------------------------


def check(signature: Signature) -> str:
    """`verifies`, or why it is out of scope. A signature in scope that does not verify fails the test.

    A signature that is refused for its form alone (a high s, an uncompressed key) is put into the form that ours have and must
    then verify: the digest is right, and the refusal is the strictness that is wanted.
    """
    hash_type = signature.written[-1]
    if hash_type not in {0, 1}:
        return "other hash type"
    if signature.where.startswith("p2tr"):
        verify_schnorr(signature.pubkey, signature.written[:64], signature.digest())
        return "verifies"
    digest = signature.digest()
    bare = signature.written[:-1]
    try:
        verify_ecdsa(signature.pubkey, bare, digest)
    except FalconerError as refusal:
        verify_ecdsa(compressed(signature.pubkey), low_s(bare), digest)
        return refusal.rule
    return "verifies"


@dataclass(frozen=True, slots=True)
class Counts:
    """Inputs by kind; signatures by kind, hash type and end; inputs that the Finalizer's check took or refused, by kind."""

    inputs: Counter[str]
    signatures: Counter[tuple[str, str, str]]
    finished: Counter[tuple[str, str]]


def count(block: Block) -> Counts:
    counts = Counts(Counter(), Counter(), Counter())
    for tx, spent in zip(block.transactions[1:], block.spent[1:], strict=True):
        digests = Digests(tx, spent)
        for index in range(len(tx.inputs)):
            kind, found = signatures(digests, index)
            counts.inputs[kind] += 1
            ends = []
            for signature in found:
                ends.append(check(signature))
                hash_type = HASH_TYPES.get(signature.written[-1], "undefined")
                counts.signatures[kind, hash_type, ends[-1]] += 1
            if ends and "other hash type" not in ends:
                counts.finished[kind, _finished(digests, index)] += 1
    return counts


def _finished(digests: Digests, index: int) -> str:
    try:
        spend(digests, index)
    except FalconerError as refusal:
        return refusal.rule
    return "accepted"


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Bitcoin's Merkle root, in which an odd node is paired with itself."""
    level = list(hashes)
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        level = [double_sha256(level[n] + level[n + 1]) for n in range(0, len(level), 2)]
    return level[0]
