"""The tables: the whole offline pass beside its peers and beside the bare curve library, all in one run.

    .venv/bin/python -m tests.bench                  all, about ten minutes on a quiet machine
    .venv/bin/python -m tests.bench --rounds 3       quicker, rougher
    .venv/bin/python -m tests.bench pass parse judge memory    some of the tables

The pass is what the offline program does between the bytes that come in and the bytes that go out, by its own functions: parse
and envelope, every previous transaction, derivation, scripts, digests, embit's second opinion, fee and policy, one software
key's signatures, the verification of each, the answer. The person is absent; the disk is not in the pass, and is in the session.
Every case runs in a process of its own; every signature is compared with libwally's before a figure is printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.cases import KINDS, MOST_INPUTS

SIZES = (1, 10, 100)
PARSED = (100, 1_000, 10_000)
PEERS = ("libwally", "libwally, cache", "BDK", "embit")
FLOOR_AIM = {"wpkh": 3.0, "wsh": 4.5, "tr": 3.0}
"""The pass at the largest case over the floor."""
PEER_AIM = 0.7
"""The pass over libwally's sign step."""


def run(module: str, *words: object) -> Any:
    """What a fresh process prints."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def passes(rounds: int) -> None:
    """Falconer at every size; then the peers at the largest."""
    rows, peers, absent = [], [], []
    for form, kind in KINDS.items():
        for inputs in (*SIZES, MOST_INPUTS[form]):
            found = run("worker", "times", form, inputs, rounds)
            seconds = found["seconds"]
            whole, floor, theirs = seconds["pass"], seconds["floor"], seconds["libwally: sign"]
            rows.append([
                kind, f"{inputs:,}", ms(seconds["parse"]), ms(seconds["judge"]), ms(whole), ms(seconds["session"]),
                f"{whole / inputs * 1e6:.0f}", ms(floor), f"{seconds['library'] / floor:.2f}", f"{whole / floor:.2f}",
                ms(theirs), f"{whole / theirs:.2f}", f"{whole / seconds['libwally, cache: sign']:.2f}",
            ])  # fmt: skip
            absent = found["absent"]
        peers.append(["Falconer, the whole pass", kind, "", ms(whole), "all of it", ""])
        for peer in PEERS:
            if f"{peer}: sign" in seconds:
                steps = [seconds.get(f"{peer}: {step}") for step in ("parse", "sign", "verify", "finalise")]
                peers.append([peer, kind, *["-" if each is None else ms(each) for each in steps]])
    print("\n## The whole offline pass (ms; per input in µs)")
    table(
        ("wallet", "inputs", "parse", "judge", "pass", "session with disk", "µs an input", "floor", "library/floor", "pass/floor",
         "libwally signs", "pass/libwally", "pass/libwally with cache"),
        rows,
    )  # fmt: skip
    print("\nAims at the largest: pass/floor at most", ", ".join(f"{KINDS[f]} {a}" for f, a in FLOOR_AIM.items()),
          f"; pass/libwally at most {PEER_AIM}; the time an input takes the same from 100 on.")  # fmt: skip
    print("\n## Peers at the largest case (ms, one key signs)")
    table(("program", "wallet", "parse", "sign", "verify", "finalise"), peers)
    print("\nNot measured:", "; ".join(absent))


def memory(_rounds: int) -> None:
    rows = []
    for form, kind in KINDS.items():
        for who in ("falconer", *PEERS):
            try:
                found = run("memory", who, form, MOST_INPUTS[form])
            except subprocess.CalledProcessError:
                continue
            peak = f"{found['peak']:.1f}" if who == "falconer" else "-"
            rows.append([who, kind, f"{MOST_INPUTS[form]:,}", f"{found['growth']:.1f}", peak])
    print("\n## Memory (MB; growth over one pass; aim: at most 15)")
    table(("program", "wallet", "inputs", "growth", "peak"), rows)


def parsing(rounds: int) -> None:
    rows = []
    for inputs in PARSED:
        for form, kind in KINDS.items():
            found = run("worker", "parse", form, inputs, rounds)
            seconds = found["seconds"]
            rows.append([
                kind, f"{inputs:,}", f"{found['bytes']:,}", ms(seconds["parse"]), ms(seconds["with previous"]),
                f"{seconds['with previous'] / inputs * 1e6:.1f}",
            ])  # fmt: skip
    print("\n## Parsing alone (ms; per input in µs, previous transactions read)")
    table(("wallet", "inputs", "bytes", "parse", "with previous transactions", "µs an input"), rows)


def judging(rounds: int) -> None:
    rows = []
    for form, kind in KINDS.items():
        found = run("worker", "judge", form, 2, rounds)["per second"]
        rows.append([kind, *[f"{each:,}" for each in found.values()]])
    print(
        "\n## Judging a PSBT of 2 inputs: how many a second on one core (aims: 5,000 of new coins, 15,000 remembered)"
    )
    table(("wallet", *found), rows)


TABLES: dict[str, Callable[[int], None]] = {
    "pass": passes,
    "memory": memory,
    "parse": parsing,
    "judge": judging,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"some of: {', '.join(TABLES)}")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    if not set(chosen.tables) <= set(TABLES):
        parser.error(f"tables are {', '.join(TABLES)}")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}; medians of {chosen.rounds}"
    )
    for name, show in TABLES.items():
        if not chosen.tables or name in chosen.tables:
            show(chosen.rounds)


if __name__ == "__main__":
    main()
