"""Signatures and what they sign: BIP 143, 340, 341, Bitcoin Core's sighash.json, Wycheproof's ECDSA."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coincurve import PublicKey

from falconer_offline.keys.private import PrivateNode
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.curve import verify_ecdsa, verify_schnorr, xonly_tweak_add
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import double_sha256, p2tr
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Bip143, Bip341, Legacy
from falconer_shared.bitcoin.taproot import key_path_output_key, key_path_tweak
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxOutput
from falconer_shared.encoding.reader import ByteReader
from falconer_shared.units import Amount
from tests.official.cases import Case, Part, bad, good, same, skip

BIP340 = "raw/bitcoin_bips/bip-0340/test-vectors.csv"
BIP341 = "raw/bitcoin_bips/bip-0341/wallet-test-vectors.json"
CORE_341 = "raw/bitcoin-core_gui/src/test/data/bip341_wallet_vectors.json"
SIGHASH = "raw/bitcoin-core_gui/src/test/data/sighash.json"
WYCHEPROOF = "raw/C2SP_wycheproof/testvectors_v1"
CODE_SEPARATOR = b"\xab"


def bip340(folder: Path) -> Iterator[Case]:
    with (folder / BIP340).open(newline="") as file:
        for case in csv.DictReader(file):
            key, signature, message = (
                bytes.fromhex(case[column]) for column in ("public key", "signature", "message")
            )
            sorter = good if case["verification result"] == "TRUE" else bad
            yield sorter(
                f"verify {case['index']}", functools.partial(verify_schnorr, key, signature, message)
            )


def wycheproof(name: str, folder: Path) -> Iterator[Case]:
    for group in json.loads((folder / WYCHEPROOF / name).read_text())["testGroups"]:
        pubkey = PublicKey(bytes.fromhex(group["publicKey"]["uncompressed"])).format()
        for case in group["tests"]:
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            sorter = good if case["result"] == "valid" else bad
            yield sorter(
                f"{case['tcId']} {case['comment']}",
                functools.partial(verify_ecdsa, pubkey, bytes.fromhex(case["sig"]), digest),
            )


def bip143(folder: Path) -> Iterator[Case]:
    """Every preimage that the BIP spells out is taken apart, and our digest of its transaction compared with its hash."""
    for scenario in json.loads((folder / "json/bip143_sighash.json").read_text()):
        transactions = [Transaction.parse(bytes.fromhex(raw)) for raw in scenario["signed"]]
        places = {given.outpoint: (tx, n) for tx in transactions for n, given in enumerate(tx.inputs)}
        found = re.findall(r"preimage[^:\n]*:\s*([0-9a-f]{300,})", scenario["text"])
        for number, preimage in enumerate(map(bytes.fromhex, found)):
            name = f"{scenario['name']} {number}"
            outpoint, code, amount, sighash = taken_apart(preimage)
            if outpoint in places:
                yield good(
                    name, functools.partial(_bip143, places[outpoint], code, amount, sighash, preimage)
                )
            else:
                yield skip(name, ELSEWHERE)


def taken_apart(preimage: bytes) -> tuple[OutPoint, bytes, Amount, int]:
    """Outpoint, script code, amount and type of a preimage (BIP 143: items 4, 5, 6 and 10)."""
    reader = ByteReader(preimage, "preimage")
    reader.take(4 + 32 + 32)
    outpoint = OutPoint(reader.take(32), reader.u32())
    code, amount = reader.prefixed(), Amount(reader.u64())
    reader.take(4 + 32 + 4)
    return outpoint, code, amount, reader.u32()


def _bip143(
    place: tuple[Transaction, int], code: bytes, amount: Amount, sighash: int, preimage: bytes
) -> None:
    transaction, index = place
    same(Bip143(transaction).digest(index, code, amount, sighash), double_sha256(preimage))


def legacy(folder: Path) -> Iterator[Case]:
    cases = [case for case in json.loads((folder / SIGHASH).read_text()) if len(case) == 5]
    for number, case in enumerate(cases):
        yield good(f"{number} type {case[3] & 0xFFFFFFFF:#x}", functools.partial(_legacy, *case))
        yield good(f"{number} transaction", functools.partial(_round_trip, case[0]))


def _legacy(raw: str, script: str, index: int, sighash: int, expected: str) -> None:
    # the vectors' scripts are opcodes without pushes, so that removing the separator is removing its byte
    code = bytes.fromhex(script).replace(CODE_SEPARATOR, b"")
    digest = Legacy(Transaction.parse(bytes.fromhex(raw))).digest(index, code, sighash & 0xFFFFFFFF)
    same(digest[::-1].hex(), expected)


def _round_trip(raw: str) -> None:
    same(Transaction.parse(bytes.fromhex(raw)).serialize().hex(), raw)


ELSEWHERE = "not of a printed transaction"
SCRIPTS = "commits to scripts"


def bip341(file: str, folder: Path) -> Iterator[Case]:
    vectors = json.loads((folder / file).read_text())
    for number, case in enumerate(vectors["scriptPubKey"]):
        yield good(f"tweak {number}", functools.partial(_tweak, case))
        if case["given"]["scriptTree"] is None:
            yield good(f"output {number}", functools.partial(_output, case))
        else:
            yield skip(f"output {number}", SCRIPTS)
    for case in vectors["keyPathSpending"]:
        tx = Transaction.parse(bytes.fromhex(case["given"]["rawUnsignedTx"]))
        spent = [
            TxOutput(Amount(each["amountSats"]), bytes.fromhex(each["scriptPubKey"]))
            for each in case["given"]["utxosSpent"]
        ]
        for spending in case["inputSpending"]:
            name = f"input {spending['given']['txinIndex']}, type {spending['given']['hashType']}"
            yield good(f"{name}, digest", functools.partial(_digest, tx, spent, spending))
            if spending["given"]["merkleRoot"] is None:
                yield good(f"{name}, signature", functools.partial(_sign, tx, spent, spending))
            else:
                yield skip(f"{name}, signature", SCRIPTS)


def _tweak(case: dict[str, Any]) -> None:
    key, tweak = (
        bytes.fromhex(case[a][b]) for a, b in (("given", "internalPubkey"), ("intermediary", "tweak"))
    )
    tweaked = xonly_tweak_add(key, tweak)
    same(tweaked.hex(), case["intermediary"]["tweakedPubkey"])
    same(p2tr(tweaked).hex(), case["expected"]["scriptPubKey"])
    same(address_of(p2tr(tweaked), Network.MAINNET), case["expected"]["bip350Address"])
    # a key with scripts is another one, so no hidden tree can stand behind an output of ours (A046)
    same(key_path_output_key(key) == tweaked, case["given"]["scriptTree"] is None)


def _output(case: dict[str, Any]) -> None:
    key = bytes.fromhex(case["given"]["internalPubkey"])
    same(key_path_tweak(key).hex(), case["intermediary"]["tweak"])
    same(p2tr(key_path_output_key(key)).hex(), case["expected"]["scriptPubKey"])


def _digest(tx: Transaction, spent: list[TxOutput], case: dict[str, Any]) -> None:
    index, sighash = case["given"]["txinIndex"], case["given"]["hashType"]
    digest = Bip341(tx, spent).digest(index, sighash)
    same(digest.hex(), case["intermediary"]["sigHash"])
    signature = bytes.fromhex(case["expected"]["witness"][0])
    same(signature[64:], {SIGHASH_DEFAULT: b"", SIGHASH_ALL: b"\1"}[sighash])
    verify_schnorr(spent[index].script[2:], signature[:64], digest)


def _sign(tx: Transaction, spent: list[TxOutput], case: dict[str, Any]) -> None:
    """The one vector key without scripts: our signer makes the very signature of the BIP over our own digest."""
    digest = Bip341(tx, spent).digest(case["given"]["txinIndex"], case["given"]["hashType"])
    node = PrivateNode(bytes.fromhex(case["given"]["internalPrivkey"]), bytes(32), 0, bytes(4), 0)
    same(node.sign_taproot(digest).hex(), case["expected"]["witness"][0][:128])


OTHER_TYPES = {
    "sighash-type-refused": "another type than ALL (or DEFAULT): by design no such digest can be computed here, so that none can"
    " be signed"
}
TAPROOT_SKIPS = {
    SCRIPTS: "a key that commits to scripts: the tweak is compared, but no wallet of ours has such keys"
}

PARTS = (
    Part(BIP340, "verify", bip340),
    Part(
        f"{WYCHEPROOF}/ecdsa_secp256k1_sha256_bitcoin_test.json",
        "verify",
        functools.partial(wycheproof, "ecdsa_secp256k1_sha256_bitcoin_test.json"),
    ),
    Part(
        f"{WYCHEPROOF}/ecdsa_secp256k1_sha256_test.json",
        "verify",
        functools.partial(wycheproof, "ecdsa_secp256k1_sha256_test.json"),
        {
            "signature-high-s": "valid ECDSA whose s is in the upper half: nodes relay the lower one alone (BIP 146)"
        },
    ),
    Part(
        "json/bip143_sighash.json",
        "digests",
        bip143,
        OTHER_TYPES,
        {ELSEWHERE: "the preimage belongs to a transaction that the BIP does not print"},
    ),
    Part(SIGHASH, "digests", legacy, OTHER_TYPES),
    Part(BIP341, "taproot", functools.partial(bip341, BIP341), OTHER_TYPES, TAPROOT_SKIPS),
    Part(CORE_341, "taproot", functools.partial(bip341, CORE_341), OTHER_TYPES, TAPROOT_SKIPS),
)
