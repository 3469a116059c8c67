"""The one launch that the walls let through, tried from inside a process of its own."""

from __future__ import annotations

import pytest

from tests.airgap.test_walls import run

READY = """
import subprocess, sys
from falconer_offline import worker
from falconer_shared.qr.client import ENVIRONMENT, command
from falconer_shared.qr.draw import draw
words = command(sys.executable)
def attempt(act):
    try:
        act().wait()
    except airgap.AirGapViolation as refused:
        print("refused:", refused)
    else:
        print("started")
"""


def test_the_worker_starts_and_reads():
    lines = run(
        READY + "with worker.scanner() as scanner:\n"
        "    print(scanner.read(draw('HELLO').png()))\n"
        "    print(scanner.read(draw('AGAIN').png()))\n"
    )
    assert lines == ["[b'HELLO']", "[b'AGAIN']"]


def test_the_worker_sits_in_the_namespace_without_interfaces():
    lines = run(
        READY + "with worker.scanner() as scanner:\n"
        "    number = scanner._process.pid\n"
        "    scanner.read(draw('A').png())\n"
        "    print(sorted(line.split(':')[0].strip() for line in open(f'/proc/{number}/net/dev') if ':' in line))\n"
        "print(airgap.has_own_namespace())\n"
    )
    if lines[1] != "True":
        pytest.skip("this kernel allows no namespace of one's own")
    assert lines[0] == "['lo']"


LAUNCHES = {
    "the same command": "subprocess.Popen(list(words), env=ENVIRONMENT)",
    "another program": "subprocess.Popen(['true'])",
}


@pytest.mark.parametrize("launch", LAUNCHES)
def test_nothing_starts_without_permission(launch):
    assert run(READY + f"attempt(lambda: {LAUNCHES[launch]})\n")[0].startswith(
        "refused: the offline program refuses"
    )


OTHERS = {
    "another program": "subprocess.Popen(['true'], env=ENVIRONMENT)",
    "another executable": "subprocess.Popen(list(words), executable='/bin/true', env=ENVIRONMENT)",
    "another module": "subprocess.Popen([*words[:3], 'this', *words[4:]], env=ENVIRONMENT)",
    "one word more": "subprocess.Popen([*words, 'x'], env=ENVIRONMENT)",
    "a shell": "subprocess.Popen(' '.join(words), shell=True, env=ENVIRONMENT)",
    "another environment": "subprocess.Popen(list(words), env={**ENVIRONMENT, 'LD_PRELOAD': 'x'})",
    "the inherited environment": "subprocess.Popen(list(words))",
    "another directory": "subprocess.Popen(list(words), env=ENVIRONMENT, cwd='/tmp')",
}


@pytest.mark.parametrize("other", OTHERS)
def test_permission_is_for_one_command_to_the_last_argument(other):
    lines = run(
        READY + "airgap.permit(words, ENVIRONMENT)\n"
        f"attempt(lambda: {OTHERS[other]})\n"
        "attempt(lambda: subprocess.Popen(list(words), env=ENVIRONMENT, stdin=subprocess.DEVNULL))\n"
    )
    assert lines[0].startswith("refused: the offline program refuses")
    assert lines[1] == "started"


def test_permission_does_not_cover_other_ways_to_start_a_process():
    lines = run(
        READY + "import os\nairgap.permit(words, ENVIRONMENT)\n"
        "for act in (lambda: os.system('true'), lambda: os.fork(), lambda: os.execv('/bin/true', ['true'])):\n"
        "    attempt(act)\n"
    )
    assert len(lines) == 3
    assert all(line.startswith("refused:") for line in lines)


def test_permission_ends_with_the_launch():
    lines = run(
        READY + "with worker.scanner() as scanner:\n"
        "    attempt(lambda: subprocess.Popen(list(words), env=ENVIRONMENT))\n"
        "attempt(lambda: subprocess.Popen(list(words), env=ENVIRONMENT))\n"
    )
    assert [line.split(":")[0] for line in lines] == ["refused", "refused"]


def test_no_worker_after_a_secret():
    lines = run(
        READY + "from falconer_shared.errors import DeviceError\n"
        "with worker.scanner() as scanner:\n"
        "    scanner.read(draw('A').png())\n"
        "worker.before_secrets()\n"
        "for attempt in range(2):\n"
        "    try:\n"
        "        with worker.scanner():\n"
        "            print('started')\n"
        "    except DeviceError as refused:\n"
        "        print(refused.rule)\n"
        "    airgap.permit(words, ENVIRONMENT)\n"
    )
    assert lines == ["qr-worker-failed", "qr-worker-failed"]


def test_no_secret_while_a_worker_lives():
    lines = run(
        READY + "with worker.scanner() as scanner:\n"
        "    try:\n"
        "        worker.before_secrets()\n"
        "    except RuntimeError as mistake:\n"
        "        print(mistake)\n"
        "worker.before_secrets()\n"
        "print('none left')\n"
    )
    assert lines == ["a worker is alive, and a secret was about to be read", "none left"]


def test_the_worker_is_gone_after_its_block():
    lines = run(
        READY + "import os\n"
        "with worker.scanner() as scanner:\n"
        "    number = scanner._process.pid\n"
        "print(os.path.exists(f'/proc/{number}'))\n"
    )
    assert lines == ["False"]


DEVICES = """
from falconer_offline.hardware import wire
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import DeviceError
devices = lambda emulators=False: worker.devices(Network.REGTEST, emulators=emulators, seconds=60, passphrase=None, notice=print)
hwi = wire.command(sys.executable, "usb")
"""


def test_the_driver_of_devices_starts_and_looks_on_usb():
    lines = run(READY + DEVICES + "with devices() as signer:\n    print(type(signer.list()).__name__)\n")
    assert lines == ["tuple"]


def test_the_driver_may_live_on_beside_a_secret_and_none_is_started_after_it():
    lines = run(
        READY + DEVICES + "import os\n"
        "with devices() as signer:\n"
        "    worker.before_secrets()\n"
        "    print(type(signer.list()).__name__)\n"
        "    number = signer._process.pid\n"
        "print(os.path.exists(f'/proc/{number}'))\n"
        "try:\n"
        "    with devices():\n"
        "        print('started')\n"
        "except DeviceError as refused:\n"
        "    print(refused.rule)\n"
        "airgap.permit(hwi, wire.ENVIRONMENT)\n"
        "attempt(lambda: subprocess.Popen(list(hwi), env=wire.ENVIRONMENT))\n"
    )
    assert lines[:3] == ["tuple", "False", "device-driver-failed"]
    assert lines[3].startswith("refused:")


def test_the_driver_starts_with_its_own_command_and_no_other():
    others = (
        "[*hwi[:-1], 'emulators']", "[*hwi, 'x']", "[hwi[0], '-m', *hwi[3:]]", "list(words)",
    )  # fmt: skip
    lines = run(
        READY
        + DEVICES
        + "airgap.permit(hwi, wire.ENVIRONMENT)\n"
        + "".join(f"attempt(lambda: subprocess.Popen({other}, env=wire.ENVIRONMENT))\n" for other in others)
        + "attempt(lambda: subprocess.Popen(list(hwi), env=wire.ENVIRONMENT, stdin=subprocess.DEVNULL))\n"
    )
    assert [line.split(":")[0] for line in lines] == ["refused"] * len(others) + ["started"]


def test_the_driver_sits_in_the_namespace_without_interfaces():
    lines = run(
        READY + DEVICES + "with devices() as signer:\n"
        "    signer.list()\n"
        "    number = signer._process.pid\n"
        "    print(sorted(line.split(':')[0].strip() for line in open(f'/proc/{number}/net/dev') if ':' in line))\n"
        "print(airgap.has_own_namespace())\n"
    )
    if lines[1] != "True":
        pytest.skip("this kernel allows no namespace of one's own")
    assert lines[0] == "['lo']"
