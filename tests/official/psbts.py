"""PSBT vectors: BIP 174, 370, 371, 373, 375, Bitcoin Core's rpc_psbt, and the files of two devices' makers.

`parse`: the strict parser takes the case and gives it back byte for byte. `judge`: what parses is handed to `verify` with a
wallet that has no part in it, and must be refused. `roles`: what BIP 174's roles must make of it.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.official.cases import Case, Part, bad, good, same
from tests.support.treasury import NOTHING_KNOWN, wallet_of

CORE = "raw/bitcoin-core_gui/test/functional/data/rpc_psbt.json"
SILENT = "raw/bitcoin_bips/bip-0375/bip375_test_vectors.json"
BBQR = "raw/coinkite_BBQr/test_data"
MAGIC = "70736274ff"

REFUSED_BY_VERIFY = {39: "input-previous-transaction-mismatch", 40: "input-output-index-out-of-range"}
"""Core's decoder compares an input with its previous transaction. Our parser does not ask whether what it reads is true; `verify`
does.
"""


@functools.cache
def stranger(form: str) -> RegisteredWallet:
    """A wallet of that form that no vector knows."""
    return wallet_of(form)


def take(data: bytes) -> UntrustedPsbt:
    """Parse, read all that is read late, write it again from its maps, and convert it to the other version."""
    psbt = UntrustedPsbt.parse(data)
    for view in psbt.inputs:
        previous, utxo = view.non_witness_utxo, view.witness_utxo
        if previous is not None:
            same(previous.serialize(), view.fields[b"\x00"])
        if utxo is not None:
            same(utxo.serialize(), view.fields[b"\x01"])
        # these are split when they are asked for, and whatever the parser let through they must be able to split
        repr((view.bip32_derivations, view.tap_bip32_derivations, view.final_script_witness))
    same(UntrustedPsbt.parse(psbt.base64().encode()), psbt)
    if data[:5].hex() == MAGIC:
        same(psbt.serialize(), data)
    else:
        same(psbt.base64(), data.decode())
    same(from_maps(psbt.global_map, psbt.input_maps, psbt.output_maps), psbt)
    if psbt.needs_unsupported() is None:
        converted = to_version(psbt, 2 - psbt.version)
        same(converted.tx, psbt.tx)
        same(to_version(converted, psbt.version).tx, psbt.tx)
    return psbt


def judge(data: bytes) -> None:
    """Give it to `verify`, with a wallet of ours that is as near to it as a wallet without its keys can be."""
    psbt = take(data)
    claims = [view.witness_utxo for view in psbt.inputs]
    taproot = any(claim is not None and claim.script[:2] == b"\x51\x20" for claim in claims)
    verify(psbt, stranger("tr" if taproot else "wpkh"), NOTHING_KNOWN)


def bip_cases(folder: Path, bip: int) -> list[dict[str, Any]]:
    """The cases of a BIP that hold bytes, in its order."""
    return [case for case in json.loads((folder / f"json/bip{bip}_psbt.json").read_text()) if "hex" in case]


def _name(number: int, case: dict[str, Any]) -> str:
    return f"{number} {case['kind']}: {case.get('case') or case['section']}"[:100]


def is_bad(case: dict[str, Any]) -> bool:
    return case["kind"] == "invalid" or "cannot be computed" in case["section"]


def _both_forms(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["hex"])
    if not case["hex"].startswith(MAGIC) and not is_bad(case):
        same(Transaction.parse(raw).serialize(), raw)
        return
    psbt = take(raw)
    same(take(case["base64"].encode()), psbt)
    stated = re.search(r"computed to be ([0-9]+)", case["section"])
    if stated:
        same(psbt.tx.locktime, int(stated[1]))


def parse_bip(bip: int, folder: Path) -> Iterator[Case]:
    for number, case in enumerate(bip_cases(folder, bip)):
        if is_bad(case):
            # twice: as bytes, and as the base64 that the BIP prints beside them
            yield bad(_name(number, case), functools.partial(take, bytes.fromhex(case["hex"])))
            yield bad(_name(number, case), functools.partial(take, case["base64"].encode()))
        else:
            yield good(_name(number, case), functools.partial(_both_forms, case))


def judge_bip(bip: int, folder: Path) -> Iterator[Case]:
    for number, case in enumerate(bip_cases(folder, bip)):
        if not is_bad(case) and case["hex"].startswith(MAGIC):
            yield bad(_name(number, case), functools.partial(judge, bytes.fromhex(case["hex"])))


def _core(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / CORE).read_text()))


def _core_invalid(number: int, text: str) -> None:
    if number in REFUSED_BY_VERIFY:
        judge(text.encode())
    else:
        take(text.encode())


def parse_core(folder: Path) -> Iterator[Case]:
    vectors = _core(folder)
    for number, text in enumerate(vectors["invalid"]):
        yield bad(f"invalid {number}", functools.partial(_core_invalid, number, text))
    for number, (text, message) in enumerate(vectors["invalid_with_msg"]):
        yield bad(f"invalid_with_msg {number}: {message}", functools.partial(take, text.encode()))
    for number, text in enumerate(vectors["valid"]):
        yield good(f"valid {number}", functools.partial(take, text.encode()))


def judge_core(folder: Path) -> Iterator[Case]:
    for number, text in enumerate(_core(folder)["valid"]):
        yield bad(f"valid {number}", functools.partial(judge, text.encode()))


def silent_payments(folder: Path) -> Iterator[Case]:
    """An invalid case may be well formed: then it must be refused for needing what we do not speak."""
    cases = json.loads((folder / SILENT).read_text())
    for kind in ("invalid", "valid"):
        for number, case in enumerate(cases[kind]):
            name, data = f"{kind} {number}: {case['description']}", base64.b64decode(case["psbt"])
            yield (
                bad(name, functools.partial(judge, data))
                if kind == "invalid"
                else good(name, functools.partial(take, data))
            )


def judge_silent_payments(folder: Path) -> Iterator[Case]:
    for number, case in enumerate(json.loads((folder / SILENT).read_text())["valid"]):
        yield bad(
            f"valid {number}: {case['description']}",
            functools.partial(judge, base64.b64decode(case["psbt"])),
        )


def bbqr_psbt(name: str, folder: Path) -> Iterator[Case]:
    data = (folder / BBQR / name).read_bytes()
    yield good(name, functools.partial(take, data))
    yield bad(f"{name}, judged", functools.partial(judge, data))


def bbqr_transaction(name: str, folder: Path) -> Iterator[Case]:
    data = (folder / BBQR / name).read_bytes()
    raw = data if data[:1] in b"\1\2" else bytes.fromhex(data.decode("ascii").strip())

    def run() -> None:
        same(Transaction.parse(raw).serialize(), raw)

    yield good(name, run)


NEEDS_FIELDS = {
    "psbt-field-missing": "an output without a script yet: BIP 375 lets the script follow later, and what has no script is no"
    " transaction that could be judged",
}

PARTS = (
    *(
        Part(f"json/bip{bip}_psbt.json", "parse", functools.partial(parse_bip, bip))
        for bip in (174, 370, 371, 373)
    ),
    *(
        Part(f"json/bip{bip}_psbt.json", "judge", functools.partial(judge_bip, bip))
        for bip in (174, 370, 371, 373)
    ),
    Part(CORE, "parse", parse_core),
    Part(CORE, "judge", judge_core),
    Part(SILENT, "parse", silent_payments, NEEDS_FIELDS),
    Part(SILENT, "judge", judge_silent_payments),
    *(
        Part(f"{BBQR}/{name}", "parse", functools.partial(bbqr_psbt, name))
        for name in ("1in2out.psbt", "1in10out.psbt", "1in20out.psbt", "1in100out.psbt", "1in1000out.psbt")
    ),
    *(
        Part(f"{BBQR}/{name}", "parse", functools.partial(bbqr_transaction, name))
        for name in ("devils-txn.txn", "finalized-by-ckcc.txn", "last.txn", "nfc-result.txn", "signed.txn")
    ),
)
