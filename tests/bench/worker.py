"""One measurement in one fresh process: prints a JSON object. Started by `tests.bench.signing`, or by hand:

    .venv/bin/python -m tests.bench.worker times wpkh 100
    .venv/bin/python -m tests.bench.worker parse wpkh 10000
    .venv/bin/python -m tests.bench.worker judge wpkh 2

Times are CPU seconds of this process, which has one thread: other people's load on the machine lengthens them far less than it
lengthens the time on the wall. What is compared is measured in turn, round by round, and the median taken.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from falconer_offline.review import Judged, judge, read_request, review
from falconer_offline.session import sign_session
from falconer_offline.sign import sign
from falconer_offline.state import journal, records
from falconer_shared.bitcoin.network import Network
from falconer_shared.exchange.receipt import SignedReceipt
from falconer_shared.exchange.response import build_response, parse_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet
from tests.bench.cases import Case, payment
from tests.bench.peers import Floor, Library, libwally_signed, peers
from tests.offline.office import NOW, Ring, Willing

clock = time.process_time

JUDGED = 300
"""Payments in a row."""


class Machine:
    """An offline machine with its state and key opened, and its place in the journal written."""

    def __init__(self, case: Case) -> None:
        self.case = case
        office = case.office
        self.state = office.state()
        # one whole session first, as the program runs it: its journal entry, its receipt
        judged = judge(self.state, read_request(self.state, case.request), NOW)
        answer = sign_session(self.state, judged, Willing(), Ring(office), lambda: NOW)
        self.receipt: SignedReceipt = answer.receipt
        self.reservation = journal.reserve(
            answer.state,
            office.machine,
            office.wallet.wallet_id,
            judged.approved.entry,
            judged.readable.digest,
        )
        self.state = self.reservation.state
        ring = Ring(office)
        self.keys = {0: ring.prepare(records.keys(self.state)[0])()}

    def judged(self) -> Judged:
        """Bytes in, judged: parsed, proven, second opinion heard, policy asked. The wallet is read anew: no key is remembered."""
        return judge(self.state, read_request(self.state, self.case.request), NOW)

    def run(self) -> bytes:
        """The whole pass: bytes in, answer out."""
        judged = self.judged()
        signed = sign(review(judged, self.state, Willing()), self.reservation, self.keys)
        return build_response(judged.verified.tx, signed.signatures, self.receipt).raw

    def session(self) -> bytes:
        """The same as the program does it: state read from disk, journal written before and after, keys unsealed."""
        office = self.case.office
        state = office.state()
        judged = judge(state, read_request(state, self.case.request), NOW)
        return sign_session(state, judged, Willing(), Ring(office), lambda: NOW).psbt.raw


def check_answer(answer: bytes, plain: bytes, floor: list[bytes]) -> int:
    """Hold every signature of ours to libwally's, byte for byte, and to the floor's; how many there are."""
    ours = [view.signature_fields for view in parse_response(UntrustedPsbt.parse(answer)).psbt.inputs]
    theirs = [view.signature_fields for view in UntrustedPsbt.parse(libwally_signed(plain)).inputs]
    if ours != theirs or not all(ours):
        raise SystemExit("our signatures are not libwally's")
    found = [signature for fields in ours for signature in fields.values()]
    if [signature[: len(bare)] for signature, bare in zip(found, floor, strict=True)] != floor:
        raise SystemExit("our signatures are not the floor's")
    return len(found)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    begun = clock()
    result = work()
    return clock() - begun, result


def times(folder: Path, form: str, inputs: int, rounds: int) -> dict[str, Any]:
    """Seconds of everything, in turn: the floor, our steps, our pass, the session, and each peer's steps."""
    case = Case.make(folder, form, inputs)
    machine = Machine(case)
    judged = machine.judged()
    proven = judged.verified.inputs
    places = [(item.place.branch, item.place.index) for item in proven]
    digests = [item.digest for item in proven]
    floor = Floor(form, places, digests)
    library = Library(form, places, digests, [item.scripts.signing_keys[0] for item in proven])
    others, absent = peers(form)
    # small cases are run many times in a round, so that the clock's grain does not count
    repeat = max(1, 20 // inputs)
    seen: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], Any]) -> Any:
        seconds, results = timed(lambda: [work() for _ in range(repeat)])
        seen.setdefault(name, []).append(seconds / repeat)
        return results[-1]

    answer = b""
    for number in range(rounds):
        note("floor", floor.run)
        note("library", library.run)
        readable = note("parse", lambda: read_request(machine.state, case.request))
        note("judge", lambda readable=readable: judge(machine.state, readable, NOW))
        answer = note("pass", machine.run)
        note("session", machine.session)
        for peer in others:
            if number >= peer.rounds:
                continue
            for name, step in peer.steps:
                # a step may change what it is given, so that it runs once on each
                if name == "parse":
                    made = [step(case.plain) for _ in range(repeat)]
                    note(f"{peer.name}: {name}", lambda step=step: step(case.plain))
                else:
                    seconds, made = timed(lambda step=step, made=made: [step(each) for each in made])
                    seen.setdefault(f"{peer.name}: {name}", []).append(seconds / repeat)
    return {
        "seconds": {name: statistics.median(values) for name, values in seen.items()},
        "rounds": rounds,
        "signatures": check_answer(answer, case.plain, floor.run()),
        "bytes": len(case.request),
        "absent": absent,
    }


def parse(_folder: Path, form: str, inputs: int, rounds: int) -> dict[str, Any]:
    """Seconds to read a PSBT, as strictly as always; and to have every previous transaction read too."""
    data = payment(form, inputs).psbt().raw

    def whole() -> UntrustedPsbt:
        psbt = UntrustedPsbt.parse(data)
        for view in psbt.inputs:
            view.non_witness_utxo  # noqa: B018 - read when asked for
        return psbt

    return {
        "bytes": len(data),
        "seconds": {
            "parse": statistics.median([timed(lambda: UntrustedPsbt.parse(data))[0] for _ in range(rounds)]),
            "with previous": statistics.median([timed(whole)[0] for _ in range(rounds)]),
        },
    }


def judging(folder: Path, form: str, inputs: int, rounds: int) -> dict[str, Any]:
    """How many PSBTs a second are read and proven, bytes to `VerifiedTransaction`, and how many whole requests are judged.

    A row of payments, each of other coins, is proven by a wallet that has derived none of their keys yet ("new coins"), then by
    the same wallet again ("remembered"). "New wallet": each by a wallet that has derived nothing at all, not even the 82
    places where it looks for outputs without hints.
    """
    row = [payment(form, inputs, number).psbt().raw for number in range(JUDGED)]
    known = [KnownIndexes({0: inputs * number, 1: number + 1}) for number in range(JUDGED)]
    text = payment(form, inputs).wallet.descriptor_text
    machine = Machine(Case.make(folder, form, inputs))
    readable = read_request(machine.state, machine.case.request)
    seconds: dict[str, list[float]] = {}

    def prove(wallets: Sequence[RegisteredWallet]) -> None:
        for data, indexes, wallet in zip(row, known, wallets, strict=True):
            verify(UntrustedPsbt.parse(data), wallet, indexes)

    for _ in range(rounds):
        many = [RegisteredWallet.register(form, Network.REGTEST, text) for _ in row]
        one = [RegisteredWallet.register(form, Network.REGTEST, text)] * len(row)
        # the window of the first payment is derived before the clock starts
        verify(UntrustedPsbt.parse(row[0]), one[0], known[0])
        for name, work in (
            ("new wallet", partial(prove, many)),
            ("new coins", partial(prove, one)),
            ("remembered", partial(prove, one)),
            ("whole request", lambda: [judge(machine.state, readable, NOW) for _ in row]),
        ):
            seconds.setdefault(name, []).append(timed(work)[0])
    return {"per second": {name: round(JUDGED / statistics.median(each)) for name, each in seconds.items()}}


def main() -> None:
    what, form, inputs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    with tempfile.TemporaryDirectory() as folder:
        found = {"times": times, "parse": parse, "judge": judging}[what](Path(folder), form, inputs, rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
