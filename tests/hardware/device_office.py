"""An offline home whose keys, or some of them, live in a simulated device, and the program with that device's driver."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falconer_offline.state import journal
from falconer_offline.state.store import change
from tests.conftest import PROJECT
from tests.hardware import liar
from tests.offline.office import Office
from tests.support.programs import Signer
from tests.support.treasury import root


@dataclass
class DeviceOffice(Office):
    """`Office.make` with the keys of these seeds in a device instead of sealed on the machine; odd seeds are, even ones not."""

    def add_keys(self, seeds: Sequence[int], now: int) -> None:
        super().add_keys([seed for seed in seeds if seed % 2 == 0], now)
        with change(self.state(), self.machine) as (transaction, _):
            transaction.know_devices()
            for seed in seeds:
                if seed % 2:
                    name = f"device-{seed}"
                    transaction.run(
                        "INSERT INTO keys VALUES (?, ?, ?, NULL)", name, root(seed).my_fingerprint.hex(), now
                    )
                    transaction.run("INSERT INTO devices VALUES (?, ?, ?)", name, liar.KIND, "trezor_1")
            journal.note(transaction, now, "device-recorded")


@dataclass(frozen=True)
class DeviceSigner(Signer):
    """`falconer-offline` whose driver process holds the simulated devices of `seeds`, which lie as `lie` says."""

    lie: str = "honest"
    seeds: tuple[int, ...] = (1,)
    kind: str = liar.KIND

    def command(self, *arguments: object) -> list[str]:
        words = super().command(*arguments)
        program = next(number for number, word in enumerate(words) if word.endswith("/falconer-offline"))
        driver = liar.DRIVER.format(
            project=str(PROJECT), lie=self.lie, seeds=list(self.seeds), kind=self.kind
        )
        return [
            *words[:program],
            sys.executable,
            "-I",
            "-c",
            liar.PROGRAM.format(driver=driver),
            *words[program + 1 :],
        ]

    def lying(self, lie: str) -> DeviceSigner:
        return dataclasses.replace(self, lie=lie)


def fingerprint(seed: int = 1) -> str:
    found: str = root(seed).my_fingerprint.hex()
    return found


def signer_of(office: Office, folder: Path, seeds: tuple[int, ...] = (1,)) -> DeviceSigner:
    """Opened by an identity, so that nothing waits for a passphrase."""
    identity = folder / "identity"
    identity.write_text(f"{office.identity.value}\n", encoding="ascii")
    return DeviceSigner(office.home, "north", identity=identity, seeds=seeds)
