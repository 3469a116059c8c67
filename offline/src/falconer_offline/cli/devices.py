"""The options and arguments that commands which speak to devices share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import click

from falconer_offline.hardware.client import MAX_SECONDS, MIN_SECONDS, SECONDS
from falconer_shared.text import safe

_FINGERPRINT = re.compile(r"[0-9a-f]{8}\Z")


@dataclass(frozen=True, slots=True)
class Asking:
    """How devices are asked: whether one wants a passphrase from here, how long it may take, whether it signs twice."""

    passphrase: bool
    seconds: int
    twice: bool


def device_options(function: Callable[..., object]) -> Callable[..., object]:
    """`--passphrase` and `--device-seconds`, as one argument `asking: Asking`."""

    @wraps(function)
    def command(
        *arguments: object, passphrase: bool, device_seconds: int, twice: bool = False, **options: object
    ) -> object:
        return function(*arguments, asking=Asking(passphrase, device_seconds, twice), **options)

    command = click.option(
        "--device-seconds",
        type=click.IntRange(MIN_SECONDS, MAX_SECONDS),
        default=int(SECONDS),
        show_default=True,
        help="How long a device may take for one answer.",
    )(command)
    return click.option(
        "--passphrase",
        is_flag=True,
        help="Ask for the passphrase of a device that takes it from the computer (Trezor One, KeepKey).",
    )(command)


def signing_options(function: Callable[..., object]) -> Callable[..., object]:
    """As `device_options`, and `--sign-twice`."""
    return click.option(
        "--sign-twice",
        "twice",
        is_flag=True,
        help="Have each device sign a second time, and say whether it signed alike.",
    )(device_options(function))


class _Fingerprint(click.types.StringParamType):
    """The fingerprint of a device's master key, with or without `hardware:` before it."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Eight hex digits."""
        text = str(value).removeprefix("hardware:").lower()
        if _FINGERPRINT.match(text) is None:
            self.fail(f"'{safe(str(value), 40)}' is no fingerprint: 8 hex digits", param, ctx)
        return text


FINGERPRINT = _Fingerprint()
