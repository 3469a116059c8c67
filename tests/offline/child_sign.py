"""A signing session in a process of its own, which kills itself (-9) at the step it is told.

    python -m tests.offline.child_sign HOME IDENTITY REQUEST OUT STEP

STEP is the number of the step to die after, counted from 1; 0 lets it finish.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

from falconer_offline import emit
from falconer_offline.keys.sealed import Identity
from falconer_offline.review import judge, read_request
from falconer_offline.session import sign_session
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State
from tests.offline.office import NOW, Ring, Willing


def main() -> None:
    home, identity_text, request, out, fatal = sys.argv[1:]
    identity = Identity.parse(identity_text.encode())
    state = State.open(Path(home))
    machine = MachineKey.open((Path(home) / "machine.age").read_bytes(), identity, state.machine)
    count = 0

    def after_step(name: str) -> None:
        nonlocal count
        count += 1
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        if count == int(fatal):
            os.kill(os.getpid(), signal.SIGKILL)

    office = SimpleNamespace(machine=machine, identity=identity)
    judged = judge(state, read_request(state, Path(request).read_bytes()), NOW)
    answer = sign_session(state, judged, Willing(), Ring(office), lambda: NOW, after_step)  # type: ignore[arg-type]
    emit.write_file(out, answer.psbt.raw)
    after_step("written-out")


if __name__ == "__main__":
    main()
