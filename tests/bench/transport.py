"""Figures of UR across the gap: frames needed, time a part, time a code, memory.

    .venv/bin/python -m tests.bench.transport               all, some minutes
    .venv/bin/python -m tests.bench.transport --trials 20   quicker, rougher
    .venv/bin/python -m tests.bench.transport parts codes   some of: frames, parts, codes, payloads

Frames are counted against the two decoders: elimination, as shipped, and peeling, as the reference and most wallets decode
(written here, on sets, for comparison alone). Times are means over one run
(drawing and solving: medians). Payloads are random bytes. Prints the Markdown tables that docs/transport.md quotes.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice

from falconer_shared.qr.client import ENVIRONMENT, READERS, Scanner, command
from falconer_shared.qr.draw import characters, draw
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender
from tests.support.frames import psbt

SCHEDULES = {"standard": fountain.standard, "cyclic": fountain.cyclic, "dense": fountain.dense}
CONDITIONS = (("10 %", 0.1, False), ("30 %", 0.3, False), ("50 %", 0.5, False), ("join late", 0.0, True))


class Peeling:
    """Takes a known fragment out of every part that mixes it, and no more than that."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.known: set[int] = set()
        self.mixed: list[set[int]] = []

    def add(self, fragments: list[int]) -> bool:
        left = set(fragments) - self.known
        if len(left) > 1:
            if left not in self.mixed:
                self.mixed.append(left)
            return False
        queue = list(left)
        while queue:
            found = queue.pop()
            if found in self.known:
                continue
            self.known.add(found)
            keep = []
            for part in self.mixed:
                part.discard(found)
                if len(part) > 1:
                    keep.append(part)
                else:
                    queue += part
            self.mixed = keep
        return len(self.known) == self.n


def frames_needed(
    n: int, schedule: fountain.Schedule, loss: float, late: bool, trials: int, decoder: str
) -> list[int]:
    needed = []
    for trial in range(trials):
        luck = random.Random(trial)
        checksum = luck.getrandbits(32)
        start = luck.randrange(n, 3 * n) if late else 0
        equations, peeling = fountain.Elimination(n, 1), Peeling(n)
        received = 0
        for number in islice(schedule(n, checksum), start, start + 60 * n + 400):
            if luck.random() < loss:
                continue
            received += 1
            if decoder == "elimination":
                equations.add(number, b"\0", checksum)
                if equations.rank == n:
                    break
            elif peeling.add(fountain.choose_fragments(number, n, checksum)):
                break
        needed.append(received)
    return needed


def bench_frames(trials: int) -> None:
    print(
        "| n | loss | "
        + " | ".join(f"{name}, {decoder}" for name in SCHEDULES for decoder in ("elimination", "peeling"))
        + " |"
    )
    print("|---|---|" + "---|" * 6)
    for n in (3, 25, 250, 2500):
        tries = max(3, trials // 10) if n > 250 else trials
        for words, loss, late in CONDITIONS:
            cells = []
            for schedule in SCHEDULES.values():
                for decoder in ("elimination", "peeling"):
                    if decoder == "peeling" and (schedule is fountain.dense or n > 250):
                        cells.append("-")
                        continue
                    found = sorted(frames_needed(n, schedule, loss, late, tries, decoder))
                    high = found[min(len(found) - 1, int(len(found) * 0.95))]
                    cells.append(f"{statistics.mean(found) / n:.3f} ({high / n:.2f})")
            print(f"| {n} | {words} | " + " | ".join(cells) + " |", flush=True)


def median_ms(act: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def bench_parts(_trials: int) -> None:
    print(
        "| n | schedule | part made, ms | frame made, ms | part taken, ms | frame fed, ms | solved at the end, ms |"
    )
    print("|---|---|---|---|---|---|---|")
    for n in (25, 250, 2500):
        message = random.Random(n).randbytes(n * 200)
        for name, schedule in SCHEDULES.items():
            checksum = bytewords.checksum(message)
            encoder = fountain.Encoder(message, 200, checksum)
            numbers = list(islice(schedule(n, checksum), 2 * n))
            random.Random(1).shuffle(numbers)
            start = time.perf_counter()
            parts = [(number, encoder.part(number)) for number in numbers]
            made = (time.perf_counter() - start) / len(parts)
            equations = fountain.Elimination(n, 200)
            start = time.perf_counter()
            taken = 0
            for number, data in parts:
                equations.add(number, data, checksum)
                taken += 1
                if equations.rank == n:
                    break
            added = (time.perf_counter() - start) / taken
            solved = median_ms(equations.solve, 3)
            sender = Sender(psbt(n * 200 - 8), Kind.PSBT, 464, schedule=schedule)
            start = time.perf_counter()
            frames = list(islice(sender.frames(), 2 * sender.n))
            framed = (time.perf_counter() - start) / len(frames)
            random.Random(1).shuffle(frames)
            receiver = Receiver()
            start = time.perf_counter()
            fed = 0
            for frame in frames:
                fed += 1
                if receiver.feed(frame).complete:
                    break
            spent = (time.perf_counter() - start) / fed
            figures = (made, framed, added, spent)
            print(
                f"| {n} | {name} | "
                + " | ".join(f"{figure * 1000:.3f}" for figure in figures)
                + f" | {solved:.1f} |",
                flush=True,
            )


def bench_codes(_trials: int) -> None:
    from tests.support import pictures

    frame = Sender(psbt(20_000), Kind.PSBT, 500).frame(7)
    print(f"drawing {len(frame)} characters: matrix {median_ms(lambda: draw(frame), 20):.1f} ms, ", end="")
    code = draw(frame)
    print(
        f"PNG {median_ms(lambda: code.png(4), 20):.1f} ms, terminal {median_ms(code.terminal, 20):.1f} ms\n"
    )
    print("| picture | " + " | ".join(f"{name}: read, ms" for name in READERS) + " |")
    print("|---|" + "---|" * len(READERS))
    scanners = {
        name: Scanner(
            subprocess.Popen(
                command(sys.executable, name),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
            )
        )
        for name in READERS
    }
    for lines, text in ((720, frame), (480, Sender(psbt(20_000), Kind.PSBT, 1000).frame(7))):
        screen = pictures.on_screen(pictures.grey(draw(text).png(4)), lines, lines * 16 // 9)
        for damage, act in pictures.DAMAGES.items():
            picture = pictures.jpeg(act(screen))
            cells = []
            for scanner in scanners.values():
                try:
                    scanner.read(picture)
                    start = time.perf_counter()
                    read = [scanner.read(picture) for _ in range(5)]
                except Exception as error:  # noqa: BLE001 - a library that is not there is a figure too
                    cells.append(type(error).__name__)
                    continue
                right = read[-1] == [text.encode()]
                cells.append(f"{'yes' if right else 'no'}, {(time.perf_counter() - start) * 200:.1f}")
            print(
                f"| {lines} lines, {len(text)} characters, {damage} | " + " | ".join(cells) + " |", flush=True
            )
    for scanner in scanners.values():
        scanner.close()


def bench_payloads(_trials: int) -> None:
    print(
        "| payload | version | parts | frames at 30 % loss (dense) | seconds at 10 a second, losses included |"
    )
    print("|---|---|---|---|---|")
    for size in (700, 2_000, 35_000, 350_000):
        for version in (12, 20, 25):
            sender = Sender(psbt(size), Kind.PSBT, characters(version), schedule=fountain.dense)
            luck = random.Random(size)
            receiver = Receiver()
            shown = received = 0
            for frame in sender.frames() if sender.n > 1 else iter(lambda sender=sender: sender.frame(1), ""):
                shown += 1
                if luck.random() < 0.3:
                    continue
                received += 1
                if receiver.feed(frame).complete:
                    break
            print(f"| {size:,} bytes | {version} | {sender.n} | {received} | {shown / 10:.1f} |", flush=True)
    print(f"\npeak memory of this bench: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


BENCHES = {"frames": bench_frames, "parts": bench_parts, "codes": bench_codes, "payloads": bench_payloads}


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of UR across the gap.")
    parser.add_argument("which", nargs="*", choices=[[], *BENCHES])
    parser.add_argument("--trials", type=int, default=200)
    options = parser.parse_args()
    for name in options.which or BENCHES:
        print(f"\n## {name}\n")
        BENCHES[name](options.trials)


if __name__ == "__main__":
    main()
