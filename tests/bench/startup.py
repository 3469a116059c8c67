"""How long a person waits before a command answers: process start included.

    .venv/bin/python -m tests.bench.startup [RUNS]

Prints the median and the slowest of several runs. The aims: `--help` of both programs within 0.25 s, `inspect` of a PSBT with
two inputs within 0.40 s.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.programs import BIN, clean_environment


def measure(
    words: list[str], environment: dict[str, str], runs: int, status: int = 0
) -> tuple[float, float, float]:
    """Seconds: median and slowest on the wall, median of the processor's, after one run that is not counted."""
    seconds, worked = [], []
    for _ in range(runs + 1):
        before = processor()
        begun = time.perf_counter()
        done = subprocess.run(
            words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        seconds.append(time.perf_counter() - begun)
        worked.append(processor() - before)
        if done.returncode != status:
            raise SystemExit(f"{words}: status {done.returncode}\n{done.stderr.decode()}")
    return statistics.median(seconds[1:]), max(seconds[1:]), statistics.median(worked[1:])


def processor() -> float:
    """Seconds that child processes took of the processor: what is left of a time when nobody else is at the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rows = [
        (f"{name} --help", [str(BIN / name), "--help"], 0.25, {}) for name in ("falconer", "falconer-offline")
    ]
    with tempfile.TemporaryDirectory() as folder:
        home, request = founded(Path(folder))
        rows.append(
            (
                "falconer-offline inspect, 2 inputs",
                [
                    "unshare",
                    "--map-current-user",
                    "--net",
                    str(BIN / "falconer-offline"),
                    "inspect",
                    str(request),
                ],
                0.40,
                {"FALCONER_OFFLINE_HOME": str(home)},
            )
        )
        print(f"{'command':<40}{'median s':>10}{'slowest s':>11}{'processor s':>13}{'aim s':>8}")
        for name, words, aim, extra in rows:
            median, slowest, worked = measure(words, clean_environment(**extra), runs)
            print(f"{name:<40}{median:>10.3f}{slowest:>11.3f}{worked:>13.3f}{aim:>8.2f}")


def founded(folder: Path) -> tuple[Path, Path]:
    """An offline home and a request with two inputs that it accepts, made on a real node."""
    from tests.support.ceremony import treasury
    from tests.support.node import RegtestNode

    with RegtestNode(folder / "node") as node:
        node.mine(101)
        house = treasury(folder / "house", node, "treasury", automated=True)
        house.found({}, {"max_daily_spend_sats": 10_000_000, "human_approval_threshold_sats": 1_000_000})
        house.fund(60_000, 50_000)
        supplier = node.rpc("getnewaddress", wallet="miner")
        proposal = house.propose((supplier, 90_000))["proposal"]
        return house.signers[0].home, house.export(proposal["id"])


if __name__ == "__main__":
    main()
