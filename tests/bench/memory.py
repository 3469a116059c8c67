"""Memory of one pass in one fresh process: prints a JSON object. Started by `tests.bench.signing`, or by hand:

    .venv/bin/python -m tests.bench.memory falconer wpkh 1000
    .venv/bin/python -m tests.bench.memory libwally wpkh 1000

Growth is the highest resident memory during the pass less what the process held before it read the PSBT, when a pass over one
input had loaded all code. Linux: the mark of the highest is set back by writing to `/proc/self/clear_refs`. What is measured is
prepared by another process, so that nothing of its making counts.
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REQUEST, PLAIN, IDENTITY = "request", "plain", "identity"
"""Files of a prepared case."""


def megabytes(field: str) -> float:
    """`VmRSS` or `VmHWM` of this process, in MB of 1,000,000 bytes."""
    match = re.search(rf"^{field}:\s+([0-9]+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"the kernel does not say {field}")
    return int(match[1]) * 1024 / 1e6


def grown(work: Callable[[], object]) -> tuple[float, float]:
    """Megabytes: by how much the process grew at the most, and its highest."""
    gc.collect()
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    work()
    highest = megabytes("VmHWM")
    return highest - before, highest


def prepare(folder: Path, form: str, inputs: int) -> None:
    from tests.bench.cases import Case

    folder.mkdir()
    case = Case.make(folder, form, inputs)
    (folder / REQUEST).write_bytes(case.request)
    (folder / PLAIN).write_bytes(case.plain)
    (folder / IDENTITY).write_text(str(case.office.identity.value))


def session(folder: Path) -> int:
    """One whole signing session of the shipped program, bytes to bytes, its journal on disk: the length of the answer."""
    from falconer_offline.keys.keyfile import open_seed
    from falconer_offline.keys.sealed import Identity
    from falconer_offline.review import judge, read_request
    from falconer_offline.session import sign_session
    from falconer_offline.state import records
    from falconer_offline.state.machine import MachineKey
    from falconer_offline.state.store import MACHINE_FILE, State

    home = folder / "home"
    identity = Identity.parse((folder / IDENTITY).read_bytes())
    now = 1_800_000_000

    class Ring:
        def machine(self, state: State) -> MachineKey:
            return MachineKey.open((home / MACHINE_FILE).read_bytes(), identity, state.machine)

        def prepare(self, record: records.KeyRecord) -> Callable[[], object]:
            return lambda: open_seed(
                record.sealed or b"",
                records.network(state),
                state.machine,
                record.fingerprint,
                identity,
                "key",
            )

    class Willing:
        def show(self, *_: object) -> None: ...
        def total(self, *_: object) -> None: ...
        def ending(self, *_: object) -> None: ...

    state = State.open(home)
    judged = judge(state, read_request(state, (folder / REQUEST).read_bytes()), now)
    return len(sign_session(state, judged, Willing(), Ring(), lambda: now).psbt.raw)


def peer(name: str, form: str, folder: Path) -> None:
    """A peer's steps on the same PSBT."""
    from tests.bench.peers import peers

    (steps,) = [each.steps for each in peers(form)[0] if each.name == name]
    made: object = (folder / PLAIN).read_bytes()
    for _, step in steps:
        made = step(made)


def measure(who: str, form: str, inputs: int) -> dict[str, float]:
    work: Callable[[Path], object] = session if who == "falconer" else lambda folder: peer(who, form, folder)
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        for folder, size in ((small, 1), (large, inputs)):
            subprocess.run(
                [sys.executable, "-m", "tests.bench.memory", "prepare", form, str(size), str(folder)],
                check=True,
            )
        work(small)
        growth, peak = grown(lambda: work(large))
    return {"growth": growth, "peak": peak}


def main() -> None:
    who, form, inputs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if who == "prepare":
        prepare(Path(sys.argv[4]), form, inputs)
    else:
        print(json.dumps(measure(who, form, inputs)))


if __name__ == "__main__":
    main()
