"""The whole path with a device of yours:

    FALCONER_LIVE_DEVICE=73c5da0a          .venv/bin/python -m pytest tests/hardware/test_live.py -s
    FALCONER_LIVE_DEVICE=emulator:73c5da0a .venv/bin/python -m pytest tests/hardware/test_live.py -s

with the fingerprint that `hardware list` shows. On regtest, with a node of its own: no money is near. Without the variable the
walk is tried with a simulated device.
"""

from __future__ import annotations

import dataclasses
import os
import sys

import pytest

from falconer_offline.hardware.models import MODELS, Form
from tests.hardware.device_office import DeviceSigner, fingerprint
from tests.hardware.walk import Walk
from tests.support.ceremony import treasury
from tests.support.programs import Signer

LIVE = "FALCONER_LIVE_DEVICE"
FORMS = {"wpkh": Form.WPKH, "tr": Form.TAPROOT, "wsh": Form.SORTED}
PATIENCE = 600
"""Seconds for what a person does at a device."""


@dataclasses.dataclass(frozen=True)
class EmulatorSigner(Signer):
    """`falconer-offline --emulators` beside the emulator, in this machine's own network; for regtest that is allowed."""

    def command(self, *arguments: object) -> list[str]:
        return super().command("--emulators", "--allow-network-interfaces", *arguments)


def ask(question: str, expected: str) -> str:
    """The person at the device. Where nobody is there, as with an emulator in a script, what is expected is typed."""
    if not sys.stdin.isatty():
        print(f"    nobody is here to say {question}: typing {expected!r}", flush=True)
        return expected
    return input(f"    {question}: ").strip()


def tell(line: str) -> None:
    print(f"  {line}", flush=True)


@pytest.fixture
def live() -> str:
    """What the owner named."""
    named = os.environ.get(LIVE, "").strip().lower()
    if not named:
        pytest.skip(f"{LIVE} names no device: set it to a fingerprint, or to emulator:FINGERPRINT")
    return named


@pytest.mark.slow
def test_a_device_of_yours_from_its_first_key_to_confirmed_payments(live, regtest_node, tmp_path):
    fp = live.removeprefix("emulator:")
    house = treasury(tmp_path / "live", regtest_node, "live", ["north"], automated=True)
    (machine,) = house.signers
    facts = {"home": machine.home, "name": "north", "identity": machine.identity, "seconds": PATIENCE}
    device = EmulatorSigner(**facts, network_namespace=False) if live != fp else Signer(**facts)
    print(flush=True)
    walk = Walk(house, device, fp, ask, tell)
    walk.begin()
    for name, form in FORMS.items():
        if MODELS[walk.kind].cannot(form):
            tell(f"a {MODELS[walk.kind].title} signs for no wallet of the form {name}")
            continue
        made = walk.wallet(f"live-{name}", name)
        walk.pay(made, regtest_node.rpc("getnewaddress", wallet="miner"), 120_000)


@pytest.mark.slow
def test_the_walk_itself_with_a_simulated_device(regtest_node, tmp_path):
    """So that an owner who starts it finds it working: every command of it, with a device that embit plays."""
    house = treasury(tmp_path / "walk", regtest_node, "walk", ["north"], automated=True)
    (machine,) = house.signers
    device = DeviceSigner(machine.home, "north", identity=machine.identity, kind="ledger")
    steps: list[str] = []
    walk = Walk(house, device, fingerprint(), lambda _question, expected: expected, steps.append)
    walk.begin()
    made = walk.wallet("walk-wsh", "wsh")
    txid = walk.pay(made, regtest_node.rpc("getnewaddress", wallet="miner"), 120_000)
    assert steps[-1] == f"confirmed: {txid}"
    assert [step.split(":")[0] for step in steps] == [
        "hardware setup-check", "hardware list", "hardware xpub", "hardware register", "hardware address", "policy install",
        "sign", "confirmed",
    ]  # fmt: skip
