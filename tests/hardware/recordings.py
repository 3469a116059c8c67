"""The recorded exchanges between HWI 3.2.0 and real firmware: data beside the project, read in place."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import Device
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.wallet.registration import RegisteredWallet

FOLDER = "hwi-recordings"
"""Beside `vectors`, in the folder that the fixture of that name gives."""

PROJECT = Path(__file__).resolve().parents[2]


def place() -> Path:
    """Where they lie, if they are there: as the fixture `vectors` looks for its own."""
    return Path(os.environ.get("FALCONER_VECTORS") or PROJECT.parent / "shared") / FOLDER


@dataclass(frozen=True)
class Recording:
    """One `hwi` command, what the device and HWI said, and how it ended."""

    document: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, name: str) -> Recording:
        return cls(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def kind(self) -> Kind:
        return Kind(self.document["device"])

    @property
    def words(self) -> list[str]:
        return list(self.document["argv"])

    def option(self, name: str) -> str | None:
        """What follows an option of the command."""
        return self.words[self.words.index(name) + 1] if name in self.words else None

    @cached_property
    def command(self) -> str:
        known = {"enumerate", "getxpub", "getmasterxpub", "getdescriptors", "displayaddress", "signtx"}
        return next(word for word in self.words if word in known)

    @property
    def network(self) -> Network:
        """HWI takes mainnet where it is told no chain."""
        return Network.TESTNET4 if self.option("--chain") == "test" else Network.MAINNET

    @property
    def finds_first(self) -> bool:
        """Whether HWI was given a fingerprint, and so looked for the device first."""
        return "-f" in self.words

    @property
    def device(self) -> Device:
        """The device at the path that HWI was given, as nobody asked it yet."""
        return Device(self.kind, self.option("-d") or "", self.kind.value, "", None, False, False, None, "")

    @property
    def fingerprint(self) -> str:
        return str(self.document["fingerprint"])

    @property
    def expected(self) -> Any:
        """The JSON that HWI printed."""
        return self.document["expected"]

    @property
    def psbt(self) -> UntrustedPsbt:
        return UntrustedPsbt.parse(base64.b64decode(self.document["psbt"]))

    @property
    def signatures(self) -> list[tuple[int, str]]:
        """Input and signature in hex, of those that the device added."""
        return sorted((each["input"], each["sig"]) for each in self.document.get("signatures") or ())

    def wallet(self, network: Network = Network.TESTNET4) -> RegisteredWallet:
        """The wallet that the recorded PSBT belongs to. All devices held testnet keys."""
        receive = self.document["descriptors"][0]
        return RegisteredWallet.register(
            "recorded", network, with_checksum(receive.replace("/0/*", "/<0;1>/*"))
        )

    def happened(self) -> str:
        """How it ended for HWI, in words."""
        if self.expected == {"hang": True}:
            return "no answer, for ever"
        if isinstance(self.expected, list):
            (found,) = self.expected
            return f"listed, with error {found['code']}: {found['error']}" if "error" in found else "listed"
        if "error" in self.expected:
            return f"error {self.expected['code']}: {self.expected['error']}"
        if self.command == "signtx":
            return (
                counted(len(self.signatures), "signature") if self.signatures else "nothing signed, no error"
            )
        if self.command == "displayaddress":
            return "address"
        return counted(len(self.expected.get("receive", "1")), "extended key")


def counted(number: int, what: str) -> str:
    """1 signature, 2 signatures."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def names(folder: Path) -> list[str]:
    """All of them, in order."""
    return sorted(path.stem for path in folder.glob("*.json"))
