"""Where recordings are played: one at a time on this machine, since HWI has their addresses fixed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falconer_offline.hardware import wire
from falconer_offline.hardware.client import HwiSigner
from falconer_shared.bitcoin.network import Network

REPLAY = Path(__file__).with_name("replay.py")
_PATIENCE = 60
"""Seconds until a replay that does not end counts as lost."""

COLDCARD_DRIVER = (
    "import os\n"
    "os.urandom = lambda size: bytes([0x11]) * size\n"
    "from falconer_offline.hardware import driver\n"
    "raise SystemExit(driver.main())\n"
)
"""The driver, in a process whose chance is that of the recordings: the host draws the key of the link to a Coldcard."""


class OtherExchangeError(RuntimeError):
    """What was said is not what was recorded, or not all of it."""


@dataclass(frozen=True)
class Stage:
    """A place to play: `words` goes before a command that is to find the devices."""

    words: tuple[str, ...]
    _outcome: Path

    def outcome(self) -> dict[str, dict[str, Any]]:
        """What became of each device, once the command has ended."""
        end = time.monotonic() + _PATIENCE
        while not self._outcome.exists():
            if time.monotonic() > end:
                raise TimeoutError("the replay did not end")
            time.sleep(0.01)
        found: dict[str, dict[str, Any]] = json.loads(self._outcome.read_text(encoding="ascii"))
        return found

    def check_used_up(self) -> None:
        """Everything was said and heard, and nothing else."""
        for device, found in self.outcome().items():
            if found != {"left": 0, "mismatch": None}:
                raise OtherExchangeError(f"{device}: {found}")


@contextmanager
def stage(folder: Path, *names: str) -> Iterator[Stage]:
    """Play these recordings to one command."""
    unshare = shutil.which("unshare")
    if unshare is None:
        raise FileNotFoundError("unshare, from Debian's util-linux")
    with (
        tempfile.TemporaryDirectory(prefix="falconer-replay-") as place,
        (Path(tempfile.gettempdir()) / f"falconer-replay-{os.getuid()}.lock").open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = Path(place) / "outcome"
        words = (unshare, "-rn", sys.executable, "-I", REPLAY, "--outcome", outcome, folder, *names, "--")
        yield Stage(tuple(map(str, words)), outcome)


@contextmanager
def driver(
    folder: Path, *names: str, network: Network, seconds: float = _PATIENCE
) -> Iterator[tuple[HwiSigner, Stage]]:
    """Our client with the real driver process, and these recordings under it."""
    with stage(folder, *names) as place:
        command = wire.command(sys.executable, "emulators")
        if names[0].startswith("coldcard-"):
            command = (sys.executable, "-I", "-c", COLDCARD_DRIVER, "emulators")
        process = subprocess.Popen(
            [*place.words, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=wire.ENVIRONMENT,
        )
        with HwiSigner(process, network, seconds=seconds) as signer:
            yield signer, place


def played(folder: Path, names: Sequence[str]) -> bool:
    """Whether these recordings are there."""
    return all((folder / f"{name}.json").is_file() for name in names)
