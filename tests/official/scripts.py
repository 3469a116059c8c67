"""Bitcoin Core's transactions and scripts: tx_valid, tx_invalid, script_tests.

`parse`: whole transactions, byte for byte. `spend`: every input goes through the check that our Finalizer makes of its own work
(`roles.evaluate`), which knows the templates of our wallets and their digests. What it takes must be valid; what is valid under
another template is out of its scope.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.units import MAX_MONEY, Amount
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.ownership import OwnPlace
from tests.official.asm import script
from tests.official.cases import Case, Part, bad, good, same, skip
from tests.official.psbts import stranger
from tests.official.spending import spend_all
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address

DATA = "raw/bitcoin-core_gui/src/test/data"
BAD_TX = "BADTX"
SCRIPTS_ALONE = "invalid in its scripts alone"
COIN = 100_000_000


def _transactions(folder: Path, name: str) -> list[tuple[list[Any], bytes, str]]:
    return [
        (case[0], bytes.fromhex(case[1]), case[2])
        for case in json.loads((folder / DATA / name).read_text())
        if isinstance(case[0], list)
    ]


def _round_trip(raw: bytes) -> Transaction:
    tx = Transaction.parse(raw)
    same(tx.serialize(), raw)
    # written afresh from its parts, without the bytes that parsing kept
    same(Transaction(tx.version, tx.inputs, tx.outputs, tx.locktime).serialize(), raw)
    return tx


def _judge(raw: bytes) -> None:
    """What is wrong with the transaction as such: refused when it is read, for its inputs, or for its outputs.

    The inputs go to `verify` as they are. Where they are sound, so that only their proof is missing, the outputs' amounts are
    tried again as payments out of the largest coin that a wallet of ours could have.
    """
    tx = _round_trip(raw)
    bare = tuple(TxInput(given.outpoint, b"", given.sequence) for given in tx.inputs)
    wallet = stranger("wpkh")
    try:
        verify(new_psbt(Transaction(2, bare, tx.outputs, tx.locktime)), wallet, NOTHING_KNOWN)
    except VerificationError as refusal:
        if refusal.rule != "input-amount-unproven":
            raise
    payments = [(stranger_address(number), int(output.value)) for number, output in enumerate(tx.outputs)]
    verify(Payment(wallet, [(OwnPlace(0, 0), MAX_MONEY)], payments, []).psbt(), wallet, NOTHING_KNOWN)


def _spent(prevouts: list[Any], tx: Transaction) -> list[TxOutput]:
    known = {}
    for txid, vout, text, *amount in prevouts:
        outpoint = OutPoint(bytes.fromhex(txid)[::-1], vout & 0xFFFFFFFF)
        known[outpoint] = TxOutput(Amount(amount[0] if amount else 0), script(text))
    return [known[given.outpoint] for given in tx.inputs]


def _spend(prevouts: list[Any], raw: bytes) -> None:
    tx = _round_trip(raw)
    spend_all(tx, _spent(prevouts, tx))


def parse_valid(folder: Path) -> Iterator[Case]:
    for number, (_, raw, flags) in enumerate(_transactions(folder, "tx_valid.json")):
        yield good(f"{number} {flags}", functools.partial(_round_trip, raw))


def spend_valid(folder: Path) -> Iterator[Case]:
    for number, (prevouts, raw, flags) in enumerate(_transactions(folder, "tx_valid.json")):
        yield good(f"{number} {flags}", functools.partial(_spend, prevouts, raw))


def parse_invalid(folder: Path) -> Iterator[Case]:
    for number, (_, raw, flags) in enumerate(_transactions(folder, "tx_invalid.json")):
        if flags == BAD_TX:
            yield bad(f"{number} {flags}", functools.partial(_judge, raw))
        else:
            yield skip(f"{number} {flags}", SCRIPTS_ALONE)


def spend_invalid(folder: Path) -> Iterator[Case]:
    for number, (prevouts, raw, flags) in enumerate(_transactions(folder, "tx_invalid.json")):
        run = functools.partial(_judge, raw) if flags == BAD_TX else functools.partial(_spend, prevouts, raw)
        yield bad(f"{number} {flags}", run)


def _spending(witness: list[bytes], amount: int, script_sig: bytes, script_pubkey: bytes) -> None:
    """Core's two transactions around a pair of scripts: one that makes the coin, one that spends it."""
    coinbase = TxInput(OutPoint(bytes(32), 0xFFFFFFFF), b"\0\0", 0xFFFFFFFF)
    coin = TxOutput(Amount(amount), script_pubkey)
    credit = Transaction(1, (coinbase,), (coin,), 0)
    given = TxInput(OutPoint(credit.txid(), 0), script_sig, 0xFFFFFFFF, tuple(witness))
    spend_all(Transaction(1, (given,), (TxOutput(coin.value, b""),), 0), [coin])


TAPROOT_TREE = "needs a script tree"


def script_pairs(folder: Path) -> Iterator[Case]:
    cases = json.loads((folder / DATA / "script_tests.json").read_text(), parse_float=Decimal)
    for number, case in enumerate(case for case in cases if len(case) > 1):
        witness, amount = [], 0
        if isinstance(case[0], list):
            *witness, coins = case.pop(0)
            amount = int(Decimal(coins) * COIN)
        script_sig, script_pubkey, flags, expected = case[:4]
        name = f"{number} {expected} {flags}"
        if any(item.startswith("#") for item in witness) or "#" in script_pubkey:
            yield skip(name, TAPROOT_TREE)
            continue
        items = [bytes.fromhex(item) for item in witness]
        run = functools.partial(_spending, items, amount, script(script_sig), script(script_pubkey))
        yield good(name, run) if expected == "OK" else bad(name, run)


NO_TEMPLATE = "an output or a spending that is no template of our wallets, or is one only before today's rules of standardness"
STRICTER = {
    "final-witness-invalid": NO_TEMPLATE,
    "signature-sighash-not-all": "a signature of another type than ALL",
    "signature-not-der": "DER that was valid before BIP 66",
    "pubkey-uncompressed": "an uncompressed key, which no wallet of ours has",
}

PARTS = (
    Part(f"{DATA}/tx_valid.json", "parse", parse_valid),
    Part(f"{DATA}/tx_valid.json", "spend", spend_valid, STRICTER),
    Part(
        f"{DATA}/tx_invalid.json",
        "parse",
        parse_invalid,
        skips={
            SCRIPTS_ALONE: "well formed, and its scripts fail: no parser can see that; the next line runs the scripts"
        },
    ),
    Part(f"{DATA}/tx_invalid.json", "spend", spend_invalid),
    Part(
        f"{DATA}/script_tests.json",
        "spend",
        script_pairs,
        STRICTER,
        {TAPROOT_TREE: "Core builds the taproot tree of the case in its test program; we have no trees"},
    ),
)
