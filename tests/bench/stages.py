"""Where the processor's time of a pass goes, stage by stage, beside what libsecp256k1 and embit alone take of each:

    .venv/bin/python -m tests.bench.stages wpkh 900

Microseconds of the processor for each input, the best of several rounds. What stands for the libraries is the very calls of that
stage in a loop of their own, on the same keys and digests.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from coincurve._libsecp256k1 import ffi, lib
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction

from falconer_offline.review import judge, read_request, review
from falconer_offline.sign import sign
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.exchange.response import build_response
from falconer_shared.verify.digests import with_digests
from falconer_shared.verify.inputs import VerifiedInput, prove_inputs
from falconer_shared.verify.signatures import verify_made
from falconer_shared.verify.transaction import VerifiedTransaction
from tests.bench.cases import KINDS, Case
from tests.bench.peers import STATIC, Floor, Library
from tests.bench.worker import Machine, timed
from tests.offline.office import NOW, Willing


def second_opinion(verified: VerifiedTransaction) -> None:
    """embit's own part of it: its transaction read, its digest of every input."""
    theirs = EmbitTransaction.parse(verified.tx.serialize_stripped())
    node, inputs = verified.wallet.descriptor, verified.inputs
    if node.input_kind is InputKind.TAPROOT:
        amounts, scripts = (
            [int(item.amount) for item in inputs],
            [Script(item.script_pubkey) for item in inputs],
        )
        for item in inputs:
            theirs.sighash_taproot(item.index, scripts, amounts, item.sighash)
    else:
        for item in inputs:
            theirs.sighash_segwit(
                item.index, Script(node.script_code(item.scripts)), item.amount, item.sighash
            )


def derivations(inputs: tuple[VerifiedInput, ...], taproot: bool) -> None:
    """Every public key derived, and of taproot tweaked too, from points that are read already."""
    keys = [ffi.new("secp256k1_pubkey *") for _ in inputs[0].scripts.pubkeys]
    for point, key in zip(keys, inputs[0].scripts.pubkeys, strict=True):
        lib.secp256k1_ec_pubkey_parse(STATIC, point, key, 33)
    internal = ffi.new("secp256k1_xonly_pubkey *")
    lib.secp256k1_xonly_pubkey_from_pubkey(STATIC, internal, ffi.NULL, keys[0])
    for item in inputs:
        for point in keys:
            # any digest will do as a tweak
            lib.secp256k1_ec_pubkey_tweak_add(STATIC, ffi.new("secp256k1_pubkey *", point[0]), item.digest)
        if taproot:
            lib.secp256k1_xonly_pubkey_tweak_add(STATIC, ffi.new("secp256k1_pubkey *"), internal, item.digest)


def measure(folder: Path, form: str, inputs: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Each stage: seconds of ours, and of the libraries alone."""
    case = Case.make(folder, form, inputs)
    machine = Machine(case)
    proven = machine.judged().verified.inputs
    places, digests = (
        [(item.place.branch, item.place.index) for item in proven],
        [item.digest for item in proven],
    )
    floor = Floor(form, places, digests)
    library = Library(form, places, digests, [item.scripts.signing_keys[0] for item in proven])
    ours: dict[str, list[float]] = {}
    alone: dict[str, list[float]] = {}

    def note(into: dict[str, list[float]], name: str, work: Callable[..., Any], *given: Any) -> Any:
        seconds, result = timed(partial(work, *given))
        into.setdefault(name, []).append(seconds)
        return result

    node, taproot = machine.judged().verified.wallet.descriptor, form == "tr"
    for _ in range(rounds):
        readable = note(ours, "read", read_request, machine.state, case.request)
        items = note(ours, "prove the inputs", prove_inputs, readable.psbt, readable.wallet)
        note(ours, "digests, second opinion", with_digests, readable.psbt.tx, node, items)
        # the wallet is read anew: its keys are derived again
        judged = note(ours, "judge", judge, machine.state, read_request(machine.state, case.request), NOW)
        reviewed, verified = review(judged, machine.state, Willing()), judged.verified
        signed = note(ours, "sign", sign, reviewed, machine.reservation, machine.keys)
        note(ours, "verify the signatures", verify_made, verified, signed.signatures)
        note(ours, "answer", build_response, verified.tx, signed.signatures, machine.receipt)
        note(ours, "pass", machine.run)
        note(alone, "sign", floor.run)
        note(alone, "library", library.run)
        note(alone, "prove the inputs", derivations, proven, taproot)
        note(alone, "digests, second opinion", second_opinion, verified)
    mine = {name: min(each) for name, each in ours.items()}
    theirs = {name: min(each) for name, each in alone.items()}
    mine["outputs, fees, policy"] = (
        mine.pop("judge") - mine["prove the inputs"] - mine["digests, second opinion"]
    )
    mine["sign"] -= mine["verify the signatures"]
    theirs["verify the signatures"] = theirs.pop("library") - theirs["sign"] - theirs["prove the inputs"]
    order = ("read", "prove the inputs", "digests, second opinion", "outputs, fees, policy", "sign",
             "verify the signatures", "answer", "pass")  # fmt: skip
    theirs["pass"] = sum(theirs.values())
    return {name: (mine[name], theirs.get(name, 0.0)) for name in order}


def main() -> None:
    form, inputs = sys.argv[1], int(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), form, inputs, rounds)
    print(
        f"| {KINDS[form]}, {inputs} inputs (µs an input) | ours | libraries alone | between |\n|---|---|---|---|"
    )
    for name, (mine, theirs) in found.items():
        print(
            f"| {name} | {mine / inputs * 1e6:.1f} | {theirs / inputs * 1e6:.1f} | {(mine - theirs) / inputs * 1e6:.1f} |"
        )


if __name__ == "__main__":
    main()
