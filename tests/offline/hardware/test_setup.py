"""A system made of files, with devices plugged into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falconer_offline.hardware.models import MODELS, Kind
from falconer_offline.hardware.setup import Setup, commands, look


@pytest.fixture
def system(tmp_path) -> Path:
    (tmp_path / "sys/bus/usb/devices").mkdir(parents=True)
    return tmp_path


def plug(root: Path, vendor: str, product: str, *, hidraw: str | None = None, mode: int = 0o600) -> Path:
    place = root / "sys/bus/usb/devices" / f"1-{vendor}"
    place.mkdir()
    for name, value in {"idVendor": vendor, "idProduct": product, "busnum": "1", "devnum": "7"}.items():
        (place / name).write_text(f"{value}\n")
    node = root / "dev/bus/usb/001/007"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    node.chmod(mode)
    if hidraw is not None:
        (place / "1-1:1.0/0003:2C97.0001/hidraw" / hidraw).mkdir(parents=True)
        (root / "dev" / hidraw).touch()
        (root / "dev" / hidraw).chmod(mode)
    return place


def rules(root: Path, text: str, folder: str = "etc/udev/rules.d") -> None:
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "20-x.rules").write_text(text)


def test_an_empty_system_has_neither_devices_nor_rules(system):
    found = look(system)
    assert found.installed
    assert found.rules_from is not None
    assert Path(found.rules_from).is_dir()
    assert (found.plugged, found.without_rules) == ((), tuple(MODELS))
    assert not found.ready


def test_hwi_s_own_rules_name_every_kind(system):
    source = Path(str(look(system).rules_from))
    rules(
        system, "".join(path.read_text() for path in sorted(source.glob("*.rules"))), "usr/lib/udev/rules.d"
    )
    assert look(system).without_rules == ()
    assert look(system).ready


def test_a_rule_in_a_comment_is_none(system):
    rules(system, '# ATTRS{idVendor}=="2c97"\n  # 534c\n')
    assert Kind.LEDGER in look(system).without_rules
    rules(system, 'ATTRS{idVendor}=="2C97"\n')
    assert Kind.LEDGER not in look(system).without_rules


def test_devices_are_known_by_their_numbers(system):
    plug(system, "2c97", "4011", hidraw="hidraw3")
    plug(system, "534c", "0001")
    plug(system, "1209", "beef")  # somebody else's, of a shared vendor
    plug(system, "10c4", "0001")  # a serial line that is no Jade
    plug(system, "dead", "beef")
    assert [(device.kind, device.closed) for device in look(system).plugged] == [
        (Kind.LEDGER, ()),
        (Kind.TREZOR, ()),
    ]
    assert look(system).ready


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens everything")
def test_a_node_that_this_user_may_not_open_is_named(system):
    plug(system, "2c97", "4011", hidraw="hidraw3", mode=0)
    (device,) = look(system).plugged
    assert set(device.closed) == {"dev/bus/usb/001/007", "dev/hidraw3"}
    assert not look(system).ready


def test_a_closed_node_is_named_whoever_looks(system, monkeypatch):
    plug(system, "2c97", "4011", hidraw="hidraw3")
    monkeypatch.setattr(os, "access", lambda *_: False)
    (device,) = look(system).plugged
    assert set(device.closed) == {"dev/bus/usb/001/007", "dev/hidraw3"}


def test_files_that_hold_nonsense_are_passed_over(system):
    place = plug(system, "2c97", "4011")
    (place / "idVendor").write_text("zz")
    (system / "etc/udev/rules.d/20-x.rules").mkdir(parents=True)
    assert look(system).plugged == ()


def test_the_commands_copy_the_rules_that_are_there():
    lines = commands(Setup(True, "/opt/hwilib/udev", (), ()))
    assert lines[0] == "sudo cp /opt/hwilib/udev/*.rules /etc/udev/rules.d/"
    assert lines[-1] == "sudo udevadm trigger"
