"""A device made of embit, which signs what it is given unless it was told to lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import embit.psbt
from embit.networks import NETWORKS

from falconer_offline.hardware.models import Kind
from falconer_offline.hardware.signer import AddressAt, Device
from falconer_shared.bitcoin.bip32 import format_path
from falconer_shared.errors import FalconerError
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support.refusal import refused
from tests.support.treasury import root

Lie = Callable[[UntrustedPsbt, UntrustedPsbt], bytes]
"""From what was given and what an honest device would answer to what this one answers."""


def honest(given: UntrustedPsbt, *seeds: int) -> UntrustedPsbt:
    """The PSBT with the signatures of these seeds, and nothing else."""
    psbt = embit.psbt.PSBT.parse(given.raw)
    for seed in seeds:
        assert psbt.sign_with(root(seed)) == len(psbt.inputs)
    return given.with_fields(input_add={number: fields_of(scope) for number, scope in enumerate(psbt.inputs)})


def fields_of(scope) -> dict[bytes, bytes]:
    if scope.final_scriptwitness is not None:
        # embit finishes taproot inputs at once; devices give the signature in its field
        return {field_key(InputType.TAP_KEY_SIG): scope.final_scriptwitness.items[0]}
    return {field_key(InputType.PARTIAL_SIG, key.sec()): sig for key, sig in scope.partial_sigs.items()}


class Simulated:
    """A `HardwareSigner` with one device."""

    def __init__(self, *seeds: int, kind: Kind = Kind.TREZOR, lie: Lie | None = None) -> None:
        self.seeds = seeds
        self.kind = kind
        self.lie = lie
        self.given: list[UntrustedPsbt] = []
        self.closed = False
        self.asked: list[str] = []
        self.devices = tuple(self._device(seed) for seed in seeds)

    def _device(self, seed: int) -> Device:
        fingerprint = root(seed).my_fingerprint.hex()
        return Device(self.kind, f"usb:{seed}", self.kind.value, "", fingerprint, False, False, None, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seed(self, device: Device) -> int:
        return int(device.path.removeprefix("usb:"))

    def list(self) -> tuple[Device, ...]:
        self.asked.append("list")
        return self.devices

    def fingerprint(self, device: Device) -> str:
        return root(self._seed(device)).my_fingerprint.hex()

    def xpub(self, device: Device, path: tuple[int, ...]) -> str:
        self.asked.append("xpub")
        account = (
            root(self._seed(device)).derive("m/" + format_path(path)) if path else root(self._seed(device))
        )
        return account.to_public().to_base58(NETWORKS["regtest"]["xpub"])

    def show_address(self, device: Device, at: AddressAt) -> str:
        self.asked.append(at.descriptor)
        return self.shown

    shown = ""

    def register_wallet(self, device: Device, at: AddressAt) -> str:
        return self.show_address(device, at)

    def sign(self, device: Device, psbt: bytes) -> bytes:
        self.asked.append("sign")
        given = UntrustedPsbt.parse(psbt)
        self.given.append(given)
        answer = honest(given, self._seed(device))
        return answer.raw if self.lie is None else self.lie(given, answer)

    def prompt_pin(self, device: Device) -> None:
        self.asked.append("prompt")

    def send_pin(self, device: Device, positions: str) -> None:
        self.asked.append(positions)

    def close(self) -> None:
        self.closed = True


def refuses(
    rule: str, kind: type[FalconerError], call: Callable[..., object], *arguments: object
) -> FalconerError:
    """The refusal that a call ends in, which must be this one."""
    with refused(rule, kind) as caught:
        call(*arguments)
    return caught.value
