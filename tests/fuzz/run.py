"""Run targets under atheris: libFuzzer in this process, led by the branches that the product takes.

    .venv/bin/python -m tests.fuzz.run psbt .fuzz/psbt -runs=1000 -seed=1     one target; arguments go to libFuzzer
    .venv/bin/python -m tests.fuzz.run psbt tests/fuzz/regressions/psbt/NAME   one input again
    .venv/bin/python -m tests.fuzz.run --each psbt,ur -runs=200 -seed=1      several, one after the other, without a corpus folder

Of what libFuzzer tries, half is changed by libFuzzer itself and half by the target, which knows the structure. An input that
takes more than `SECONDS` of processor time is a finding like any other.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import atheris

SECONDS = 3.0
"""Of processor time for one input of some kilobytes; the product under atheris is several times slower than by itself."""

with atheris.instrument_imports(include=["falconer_shared"], enable_loader_override=False):
    from tests.fuzz import mutate as changes
    from tests.fuzz.target import Target, load, write_corpus


TELL_EVERY = 5.0
"""Seconds between two lines that say how many executions there were; libFuzzer tells it only when it finds something new."""


class TooSlowError(AssertionError):
    """One input took too long."""


def fuzz(target: Target, folders: Sequence[str], arguments: Sequence[str]) -> None:
    """Never returns: libFuzzer ends the process."""

    done = 0
    told = time.monotonic()

    def one(data: bytes) -> None:
        nonlocal done, told
        done += 1
        if not done & 63 and time.monotonic() > told + TELL_EVERY:
            told = time.monotonic()
            print(f"executions {done}", file=sys.stderr, flush=True)
        start = time.process_time()
        target.check(data)
        took = time.process_time() - start
        if took > SECONDS:
            raise TooSlowError(f"{took:.1f} s for {len(data)} bytes")

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        choose = random.Random(seed)
        if choose.randrange(2):
            return bytes(atheris.Mutate(data, max_size))
        return (target.mutate or changes.raw)(data, choose)[:max_size]

    atheris.Setup(
        [
            sys.argv[0],
            f"-max_len={target.max_len}",
            "-timeout=20",
            "-rss_limit_mb=2048",
            *arguments,
            *folders,
        ],
        one,
        custom_mutator=mutated,
    )
    atheris.Fuzz()


def each(names: Sequence[str], arguments: Sequence[str]) -> int:
    """Every one in a child of its own, which has the imports done already; how many of them found something."""
    failed = 0
    for name in names:
        with atheris.instrument_imports(include=["falconer_shared"], enable_loader_override=False):
            target = load(name)
            target.seeds()
        with tempfile.TemporaryDirectory() as folder:
            write_corpus(target, Path(folder) / "corpus")
            child = os.fork()
            if not child:
                fuzz(target, [str(Path(folder) / "corpus")], [*arguments, f"-artifact_prefix={folder}/"])
                os._exit(70)
            _, status = os.waitpid(child, 0)
            print(f"target {name}: exit status {os.waitstatus_to_exitcode(status)}", flush=True)
            failed += status != 0
    return failed


def main(arguments: Sequence[str]) -> int:
    if arguments[0] == "--child":
        # Linux ends this process when its parent dies, however that came about: PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        arguments = arguments[1:]
    if arguments[0] == "--each":
        return min(each(arguments[1].split(","), arguments[2:]), 100)
    with atheris.instrument_imports(include=["falconer_shared"], enable_loader_override=False):
        target = load(arguments[0])
        target.seeds()
    folders = [argument for argument in arguments[1:] if not argument.startswith("-")]
    if folders and not Path(folders[0]).is_file():
        write_corpus(target, Path(folders[0]))
    fuzz(target, folders, [argument for argument in arguments[1:] if argument.startswith("-")])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
