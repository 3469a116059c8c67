"""The lock files: complete, exact, hashed, and silent about where packages come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = ("build", "consensus", "dev", "hwi", "offline", "online")


def pins(name: str) -> dict[str, str]:
    text = (PROJECT / f"requirements/{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def wanted(distribution: str) -> set[str]:
    project = tomllib.loads((PROJECT / distribution / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in project["dependencies"]}
    return names - {"falconer-shared"}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_no_absolute_path(name: str) -> None:
    text = (PROJECT / f"requirements/{name}.txt").read_text()
    assert not re.search(r"://|--index|--find-links|@ |(?<![\w.])/", text)


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_exact_and_hashed(name: str) -> None:
    text = (PROJECT / f"requirements/{name}.txt").read_text()
    logical = text.replace("\\\n", " ")
    lines = [line for line in logical.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9-]+==\S+ ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize("name", ["build", "consensus", "hwi", "offline", "online"])
def test_every_lock_agrees_with_the_whole(name: str) -> None:
    whole = pins("dev")
    for package, version in pins(name).items():
        assert whole.get(package, version) == version


@pytest.mark.parametrize("program", ["online", "offline"])
def test_a_program_lock_covers_its_package_and_the_core(program: str) -> None:
    assert wanted(program) | wanted("shared") <= pins(program).keys()


@pytest.mark.parametrize("program", ["online", "offline", "dev"])
def test_every_lock_covers_drawing_and_reading_of_codes(program: str) -> None:
    project = tomllib.loads((PROJECT / "shared/pyproject.toml").read_text())["project"]
    extra = {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in project["optional-dependencies"]["qr"]}
    assert extra == {"segno", "zxing-cpp", "opencv-python-headless", "pyzbar"}
    assert extra <= pins(program).keys()


def test_the_lock_of_the_hardware_extra_is_the_offline_lock_and_what_hwi_drags_in() -> None:
    project = tomllib.loads((PROJECT / "offline/pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"] == {"hwi": ["hwi>=3.2,<3.3"]}
    offline, extra = pins("offline"), pins("hwi")
    assert offline.items() <= extra.items()
    assert extra.keys() - offline.keys() == {
        "ecdsa", "hidapi", "hwi", "libusb1", "mnemonic", "noiseprotocol", "protobuf", "pyaes", "pyserial", "semver", "six",
        "typing-extensions",
    }  # fmt: skip


def test_the_offline_lock_brings_nothing_for_the_network() -> None:
    assert not {"urllib3", "requests", "httpx", "aiohttp", "sqlalchemy", "alembic"} & pins("offline").keys()


def test_the_online_lock_brings_no_way_to_open_sealed_keys() -> None:
    assert "pyrage" not in pins("online")
