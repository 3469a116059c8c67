"""Two real blocks: byte for byte, and signature for signature.

Block 367,891 (August 2015) holds a transaction with 20,000 inputs, uncompressed keys and high s. Block 866,342 (October 2024) has
every kind of output that there is today. The counts are exact: an input that moves between them is a change of what we verify.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from falconer_shared.bitcoin.script import double_sha256
from falconer_shared.bitcoin.transaction import Transaction, TxInput, TxOutput, unsigned_hash
from falconer_shared.errors import FalconerError, VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.units import Amount
from tests.official import blocks
from tests.official.blocks import Block, Counts
from tests.official.spending import Digests, spend
from tests.support.refusal import refused

OLD, NEW = 367_891, 866_342
TRANSACTIONS = {OLD: 420, NEW: 4864}
LARGEST = 20_000
COMMITMENT = bytes.fromhex("6a24aa21a9ed")
"""How the output begins that commits to all witnesses (BIP 141)."""

HEIGHTS = pytest.mark.parametrize("height", [OLD, NEW])


@pytest.fixture(scope="module")
def block(vectors: Path) -> Callable[[int], Block]:
    return functools.cache(functools.partial(blocks.read, vectors))


@pytest.fixture(scope="module")
def counts(block: Callable[[int], Block]) -> Callable[[int], Counts]:
    return functools.cache(lambda height: blocks.count(block(height)))


@HEIGHTS
def test_it_is_that_block(block: Callable[[int], Block], height: int) -> None:
    """Enough work stands behind the header (no test could make that up), and the coinbase names the height (BIP 34)."""
    header = block(height).header
    bits = int.from_bytes(header[72:76], "little")
    target = (bits & 0x7FFFFF) << 8 * ((bits >> 24) - 3)
    assert int.from_bytes(double_sha256(header), "little") <= target < 2**192
    script = block(height).transactions[0].inputs[0].script_sig
    assert int.from_bytes(script[1 : 1 + script[0]], "little") == height


@HEIGHTS
def test_every_transaction_comes_back_byte_for_byte(block: Callable[[int], Block], height: int) -> None:
    read = block(height)
    assert len(read.transactions) == TRANSACTIONS[height]
    for raw, tx in zip(read.raw, read.transactions, strict=True):
        # replace() forgets the bytes that parsing kept, so that this writes them afresh
        assert dataclasses.replace(tx).serialize() == tx.serialize() == raw
        assert Transaction.parse_stripped(tx.serialize_stripped()).txid() == tx.txid()
        bare = Transaction(
            tx.version,
            tuple(TxInput(i.outpoint, b"", i.sequence) for i in tx.inputs),
            tx.outputs,
            tx.locktime,
        )
        assert unsigned_hash(tx) == bare.txid_hex()


@HEIGHTS
def test_txids_and_witness_hashes_are_the_ones_of_the_block(
    block: Callable[[int], Block], height: int
) -> None:
    read = block(height)
    assert blocks.merkle_root([tx.txid() for tx in read.transactions]) == read.header[36:68]
    coinbase = read.transactions[0]
    commitments = [out.script[6:38] for out in coinbase.outputs if out.script.startswith(COMMITMENT)]
    if height == OLD:
        assert not commitments
        return
    root = blocks.merkle_root([bytes(32), *(tx.wtxid() for tx in read.transactions[1:])])
    assert commitments[-1] == double_sha256(root + coinbase.inputs[0].witness[0])


def test_every_transaction_of_a_block_fits_into_a_psbt(block: Callable[[int], Block]) -> None:
    """Unsigned, in the version that takes more work; what a coordinator could ever be asked to build."""
    for tx in block(NEW).transactions[1:]:
        bare = tuple(TxInput(i.outpoint, b"", i.sequence) for i in tx.inputs)
        unsigned = Transaction(tx.version, bare, tx.outputs, tx.locktime)
        assert new_psbt(unsigned, 2).tx == unsigned


def test_a_transaction_with_twenty_thousand_inputs_is_read(block: Callable[[int], Block]) -> None:
    """It could be what made a coin of ours; as a PSBT it is refused."""
    (largest,) = [tx for tx in block(OLD).transactions if len(tx.inputs) == LARGEST]
    bare = tuple(TxInput(i.outpoint, b"", i.sequence) for i in largest.inputs)
    with refused("psbt-too-many-inputs"):
        new_psbt(Transaction(1, bare, largest.outputs, 0))


INPUTS = {
    OLD: {"anyone may spend": 20_000, "p2pkh": 810, "p2sh multisig": 7},
    NEW: {
        "p2pkh": 905,
        "p2sh-p2wpkh": 223,
        "p2sh-p2wsh multisig": 18,
        "p2sh-p2wsh of another script": 5,
        "p2tr key path": 2223,
        "p2tr script path": 150,
        "p2wpkh": 4374,
        "p2wsh multisig": 21,
        "p2wsh of another script": 53,
    },
}
"""Every input, by what it spends. Out of scope: empty scripts, which need no signature; script paths and other scripts, which no
wallet of ours has.
"""

SIGNATURES = {
    OLD: {
        ("p2pkh", "ALL", "verifies"): 641,
        ("p2pkh", "ALL", "pubkey-uncompressed"): 166,
        ("p2pkh", "ALL", "signature-high-s"): 3,
        ("p2sh multisig", "ALL", "verifies"): 14,
    },
    NEW: {
        ("p2pkh", "ALL", "verifies"): 306,
        ("p2pkh", "ALL", "pubkey-uncompressed"): 599,
        ("p2sh-p2wpkh", "ALL", "verifies"): 223,
        ("p2sh-p2wsh multisig", "ALL", "verifies"): 36,
        ("p2tr key path", "ALL", "verifies"): 52,
        ("p2tr key path", "DEFAULT", "verifies"): 2105,
        ("p2tr key path", "SINGLE|ANYONECANPAY", "other hash type"): 66,
        ("p2wpkh", "ALL", "verifies"): 4367,
        ("p2wpkh", "SINGLE|ANYONECANPAY", "other hash type"): 7,
        ("p2wsh multisig", "ALL", "verifies"): 42,
    },
}
"""Every signature under a template of ours. Those with an uncompressed key or a high s are refused as such, and verify once both
are in the form that ours have (`blocks.check` fails where they do not): the digest is right, the form is what we do not take.
"""

FINISHED = {
    OLD: {
        ("p2pkh", "accepted"): 641,
        ("p2pkh", "pubkey-uncompressed"): 166,
        ("p2pkh", "signature-invalid"): 3,
        ("p2sh multisig", "accepted"): 7,
    },
    NEW: {
        ("p2pkh", "accepted"): 306,
        ("p2pkh", "pubkey-uncompressed"): 599,
        ("p2sh-p2wpkh", "accepted"): 223,
        ("p2sh-p2wsh multisig", "accepted"): 18,
        ("p2tr key path", "accepted"): 2157,
        ("p2wpkh", "accepted"): 4367,
        ("p2wsh multisig", "accepted"): 21,
    },
}
"""What the Finalizer's own check says of every input whose signatures are all of a type that we know."""


@HEIGHTS
def test_every_input_is_counted(
    block: Callable[[int], Block], counts: Callable[[int], Counts], height: int
) -> None:
    assert counts(height).inputs == INPUTS[height]
    assert sum(INPUTS[height].values()) == sum(len(tx.inputs) for tx in block(height).transactions[1:])


@HEIGHTS
def test_every_signature_verifies(counts: Callable[[int], Counts], height: int) -> None:
    assert counts(height).signatures == SIGNATURES[height]


@HEIGHTS
def test_every_finished_input_passes_the_finalizers_check(
    counts: Callable[[int], Counts], height: int
) -> None:
    assert counts(height).finished == FINISHED[height]


def test_the_figures_of_the_page() -> None:
    """What docs/verification.md says about the blocks."""
    ends = dict.fromkeys(("verifies", "pubkey-uncompressed", "signature-high-s", "other hash type"), 0)
    for found in SIGNATURES.values():
        for (_, _, end), number in found.items():
            ends[end] += number
    assert ends == {
        "verifies": 7786,
        "pubkey-uncompressed": 765,
        "signature-high-s": 3,
        "other hash type": 73,
    }
    text = (Path(__file__).resolve().parents[2] / "docs" / "verification.md").read_text()
    assert all(f"{number:,}" in text for number in ends.values())


# that a check which accepts thousands can refuse -------------------------------------------------------


def inputs_of(read: Block, wanted: set[str]) -> dict[str, tuple[Transaction, tuple[TxOutput, ...], int]]:
    """One input of each of these kinds that the Finalizer's check takes."""
    found: dict[str, tuple[Transaction, tuple[TxOutput, ...], int]] = {}
    for tx, spent in zip(read.transactions[1:], read.spent[1:], strict=True):
        for index in range(len(tx.inputs)):
            kind, _ = blocks.signatures(Digests(tx, spent), index)
            if kind in wanted - found.keys() and taken(tx, spent, index):
                found[kind] = (tx, spent, index)
        if found.keys() == wanted:
            return found
    raise AssertionError("the block lacks a kind")


def taken(tx: Transaction, spent: tuple[TxOutput, ...], index: int) -> bool:
    try:
        spend(Digests(tx, spent), index)
    except FalconerError:
        return False
    return True


KINDS = {kind for kind, end in FINISHED[NEW] if end == "accepted"}


def test_one_satoshi_or_one_second_more_and_no_signature_verifies(block: Callable[[int], Block]) -> None:
    for kind, (tx, spent, index) in inputs_of(block(NEW), KINDS).items():
        later = dataclasses.replace(tx, locktime=tx.locktime ^ 1)
        with pytest.raises(VerificationError):
            spend(Digests(later, spent), index)
        richer = list(spent)
        richer[index] = TxOutput(Amount(spent[index].value + 1), spent[index].script)
        # the original digest alone does not sign the amount (A001)
        assert taken(tx, tuple(richer), index) is (kind == "p2pkh")
