"""What a hardware wallet needs of this system: looked at, and never changed. Files of /sys, /dev and udev's rules are
read; nothing is opened that belongs to a device.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from falconer_offline.hardware.models import MODELS, Kind

RULE_FOLDERS: Final = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
"""Where udev reads rules (udev(7))."""

MAX_RULES: Final = 1 << 20
"""Bytes read of one file of rules."""

SERIAL_BRIDGES: Final = frozenset({(0x10C4, 0xEA60), (0x1A86, 0x55D4), (0x303A, 0x4001)})
"""Jade answers behind these chips, which other things have too."""

TREZOR: Final = frozenset({(0x1209, 0x53C0), (0x1209, 0x53C1)})
"""Vendor 1209 is shared by many makers."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A device on USB that is, by its numbers, one of the kinds known here. `closed`: its nodes that this user may not open."""

    kind: Kind
    vendor: int
    product: int
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setup:
    """What was found. `without_rules`: kinds for which no udev rule names the vendor."""

    installed: bool
    rules_from: str | None
    plugged: tuple[Plugged, ...]
    without_rules: tuple[Kind, ...]

    @property
    def ready(self) -> bool:
        """Whether every device that is plugged in can be spoken to, as far as the system goes."""
        kinds = {device.kind for device in self.plugged}
        return (
            self.installed
            and not any(device.closed for device in self.plugged)
            and (bool(kinds) or len(self.without_rules) < len(MODELS))
        )


def look(root: Path = Path("/")) -> Setup:
    """See what is installed, plugged in and allowed on the system under `root`."""
    found = importlib.util.find_spec("hwilib")
    places = None if found is None else found.submodule_search_locations
    rules = f"{places[0]}/udev" if places else None
    text = "".join(_rules(root)).lower()
    without = tuple(
        kind for kind, model in MODELS.items() if not any(f"{vendor:04x}" in text for vendor in model.vendors)
    )
    return Setup(found is not None, rules, tuple(_plugged(root)), without)


def commands(setup: Setup) -> tuple[str, ...]:
    """What a person types to let this user open the devices, as HWI's own manual has it."""
    return (
        f"sudo cp {setup.rules_from or 'hwilib/udev'}/*.rules /etc/udev/rules.d/",
        "sudo groupadd --force plugdev",
        'sudo usermod --append --groups plugdev "$USER"',
        "sudo udevadm control --reload-rules",
        "sudo udevadm trigger",
    )


def _rules(root: Path) -> Iterator[str]:
    for folder in RULE_FOLDERS:
        for path in sorted((root / folder).glob("*.rules")):
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    lines = file.read(MAX_RULES).splitlines()
            except OSError:
                continue
            yield from (line for line in lines if not line.lstrip().startswith("#"))


def _plugged(root: Path) -> Iterator[Plugged]:
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        vendor, product = _number(device / "idVendor"), _number(device / "idProduct")
        if vendor is None or product is None:
            continue
        kind = _kind(vendor, product)
        if kind is None:
            continue
        nodes = [node for node in _nodes(root, device) if node.exists()]
        closed = tuple(
            str(node.relative_to(root)) for node in nodes if not os.access(node, os.R_OK | os.W_OK)
        )
        yield Plugged(kind, vendor, product, closed)


def _kind(vendor: int, product: int) -> Kind | None:
    for kind, model in MODELS.items():
        if vendor in model.vendors:
            if kind is Kind.JADE and (vendor, product) not in SERIAL_BRIDGES:
                return None
            if vendor == 0x1209 and (vendor, product) not in TREZOR:
                return None
            return kind
    return None


def _nodes(root: Path, device: Path) -> Iterator[Path]:
    """The device's nodes under /dev: USB itself, hidraw and serial lines below it."""
    bus, number = _decimal(device / "busnum"), _decimal(device / "devnum")
    if bus is not None and number is not None:
        yield root / "dev/bus/usb" / f"{bus:03d}" / f"{number:03d}"
    for pattern in ("*/*/hidraw/hidraw*", "*/tty/tty*", "*/tty*"):
        for node in device.glob(pattern):
            if node.name.startswith(("hidraw", "ttyUSB", "ttyACM")):
                yield root / "dev" / node.name


def _number(path: Path) -> int | None:
    return _read(path, 16)


def _decimal(path: Path) -> int | None:
    return _read(path, 10)


def _read(path: Path, base: int) -> int | None:
    try:
        return int(path.read_text(encoding="ascii")[:16].strip(), base)
    except (OSError, ValueError):
        return None
