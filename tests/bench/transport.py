"""Figures of UR across the gap: frames needed, time a part, time a code, memory.

    .venv/bin/python -m tests.bench.transport               all, some minutes
    .venv/bin/python -m tests.bench.transport --trials 20   quicker, rougher
    .venv/bin/python -m tests.bench.transport parts codes   some of: frames, parts, codes, payloads

Frames are counted against the two decoders: elimination, as shipped, and peeling, as the reference and most wallets decode
(written here, on sets, for comparison alone). Times of parts are of this process alone (CPU), means over one run
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
from itertools import islice, repeat
from typing import Any

from falconer_shared.errors import UsageError
from falconer_shared.qr.client import ENVIRONMENT, READERS, Scanner, command
from falconer_shared.qr.draw import draw
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender
from tests.support.frames import psbt

SCHEDULES = {"standard": fountain.standard, "cyclic": fountain.cyclic, "dense": fountain.dense}
LOSSES = (0.0, 0.1, 0.3, 0.5)


class Parts:
    """The parts of one message as sets of fragments, worked out once for all trials."""

    def __init__(self, n: int, checksum: int = 0x5EED) -> None:
        self.n = n
        self.checksum = checksum
        self._masks: dict[int, int] = {}
        self._lists: dict[int, list[int]] = {}

    def mask(self, number: int) -> int:
        found = self._masks.get(number)
        if found is None:
            found = 0
            for index in fountain.choose_fragments(number, self.n, self.checksum):
                found |= 1 << index
            self._masks[number] = found
        return found

    def fragments(self, number: int) -> list[int]:
        found = self._lists.get(number)
        if found is None:
            found = self._lists[number] = fountain.choose_fragments(number, self.n, self.checksum)
        return found


class Eliminating:
    """Counts independent parts, as `fountain.Elimination` does, without their data."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._pivots: dict[int, int] = {}

    def add(self, number: int) -> bool:
        row = self._parts.mask(number)
        while row:
            top = row.bit_length()
            other = self._pivots.get(top)
            if other is None:
                self._pivots[top] = row
                break
            row ^= other
        return len(self._pivots) == self._parts.n


class Peeling:
    """The reference decoder: takes known fragments out of every part that mixes them, and no more than that."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: set[int] = set()
        self._mixed: dict[int, set[int]] = {}
        self._holding: dict[int, list[int]] = {}

    def add(self, number: int) -> bool:
        left = set(self._parts.fragments(number)) - self._known
        if len(left) > 1:
            if number not in self._mixed:
                self._mixed[number] = left
                for fragment in left:
                    self._holding.setdefault(fragment, []).append(number)
            return False
        queue = list(left)
        while queue:
            found = queue.pop()
            if found in self._known:
                continue
            self._known.add(found)
            for holder in self._holding.pop(found, ()):
                rest = self._mixed.get(holder)
                if rest is None:
                    continue
                rest.discard(found)
                if len(rest) <= 1:
                    del self._mixed[holder]
                    queue += rest
        return len(self._known) == self._parts.n


class Looping:
    """A receiver of BBQr: every part is needed."""

    def __init__(self, parts: Parts) -> None:
        self._n = parts.n
        self._seen: set[int] = set()

    def add(self, number: int) -> bool:
        self._seen.add((number - 1) % self._n)
        return len(self._seen) == self._n


COLUMNS = (
    ("standard, elimination", fountain.standard, Eliminating),
    ("standard, peeling", fountain.standard, Peeling),
    ("cyclic, elimination", fountain.cyclic, Eliminating),
    ("cyclic, peeling", fountain.cyclic, Peeling),
    ("dense, elimination", fountain.dense, Eliminating),
    ("BBQr", fountain.standard, Looping),
)


def frames_needed(
    messages: list[tuple[Parts, list[int]]],
    receiver: Callable[[Parts], object],
    loss: float,
    late: bool,
    trials: int,
) -> list[int]:
    """Frames received until the message is whole, in each trial; the messages, each with the numbers shown, take turns."""
    needed = []
    for trial in range(trials):
        luck = random.Random(trial)
        parts, shown = messages[trial % len(messages)]
        decoder: Any = receiver(parts)
        received = 0
        for number in islice(shown, luck.randrange(parts.n, 3 * parts.n) if late else 0, None):
            if luck.random() < loss:
                continue
            received += 1
            if decoder.add(number):
                break
        else:
            raise RuntimeError("it never ended: show more")
        needed.append(received)
    return needed


def bench_frames(trials: int) -> None:
    print("| n | loss | joins | " + " | ".join(name for name, _, _ in COLUMNS) + " |")
    print("|---|---|---|" + "---|" * len(COLUMNS))
    for n in (3, 25, 250, 2500):
        # what parts mix depends on the checksum: several messages, and one where working it out takes long
        all_parts = [Parts(n, 0x5EED + salt) for salt in range(20 if n < 2500 else 1)]
        messages = {
            schedule: [
                (parts, list(islice(schedule(n, parts.checksum), 45 * n + 400))) for parts in all_parts
            ]
            for schedule in SCHEDULES.values()
        }
        for loss in LOSSES:
            for late in (False, True):
                cells = []
                for _, schedule, receiver in COLUMNS:
                    tries = trials if n < 2500 or receiver is Looping else max(5, trials // 20)
                    found = sorted(frames_needed(messages[schedule], receiver, loss, late, tries))
                    high = found[min(len(found) - 1, int(len(found) * 0.95))]
                    cells.append(f"{statistics.mean(found) / n:.3f} ({high / n:.2f})")
                words = "late" if late else "at the start"
                print(f"| {n} | {loss:.0%} | {words} | " + " | ".join(cells) + " |", flush=True)


def median_ms(act: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.process_time()
        act()
        taken.append(time.process_time() - start)
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
            start = time.process_time()
            parts = [(number, encoder.part(number)) for number in numbers]
            made = (time.process_time() - start) / len(parts)
            equations = fountain.Elimination(n, 200)
            start = time.process_time()
            taken = 0
            for number, data in parts:
                equations.add(number, data, checksum)
                taken += 1
                if equations.rank == n:
                    break
            added = (time.process_time() - start) / taken
            solved = median_ms(equations.solve, 3)
            sender = Sender(psbt(n * 200 - 8), Kind.PSBT, 464, schedule=schedule)
            start = time.process_time()
            frames = list(islice(sender.frames(), 2 * sender.n))
            framed = (time.process_time() - start) / len(frames)
            random.Random(1).shuffle(frames)
            receiver = Receiver()
            start = time.process_time()
            fed = 0
            for frame in frames:
                fed += 1
                if receiver.feed(frame).complete:
                    break
            spent = (time.process_time() - start) / fed
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
    """Real PSBTs, with every previous transaction, in each dialect."""
    from falconer_shared.transport.send import Spelling, Way, send
    from tests.bench.cases import payment

    version = 20
    print(f"Codes of version {version}; a payment of a 2-of-3 wallet with all previous transactions.\n")
    print(
        "| inputs | bytes | dialect | codes | shown at 0 % | seconds at 10 / 20 | shown at 30 % | seconds at 10 / 20 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    ways = (
        ("UR, dense", Way(Spelling.UR, version, schedule=fountain.dense)),
        ("UR, cyclic", Way(Spelling.UR, version, schedule=fountain.cyclic)),
        ("BBQr", Way(Spelling.BBQR, version)),
        ("UR 1", Way(Spelling.UR1, version)),
        ("pMofN", Way(Spelling.PMOFN, version)),
        ("base 43, one code", Way(Spelling.BASE43, 40)),
    )
    for inputs in (2, 100, 1000):
        data = payment("wsh", inputs).psbt().serialize()
        for name, way in ways:
            try:
                made = send(data, Kind.PSBT, way)
            except UsageError:
                print(f"| {inputs} | {len(data):,} | {name} | - | - | - | - | - |")
                continue
            cells = []
            for loss in (0.0, 0.3):
                shown = shown_until_whole(made, loss)
                cells += [str(shown), f"{shown / 10:.1f} / {shown / 20:.1f}"]
            print(f"| {inputs} | {len(data):,} | {name} | {made.n} | " + " | ".join(cells) + " |", flush=True)
    print(f"\npeak memory of this bench: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def shown_until_whole(made: Any, loss: float) -> int:
    luck = random.Random(7)
    receiver = Receiver()
    frames = made.frames() if made.n > 1 else repeat(made.frame(1))
    for shown, frame in enumerate(islice(frames, 60 * made.n + 400), 1):
        if luck.random() >= loss and receiver.feed(frame).complete:
            return shown
    raise RuntimeError("it never ended")


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
