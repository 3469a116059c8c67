"""The options of both command lines for codes, once: what they are called, what they take, what they mean.

Each program makes click options of the flags (`attach`) and gets what was typed as `Scan` and `Show`. What
sends and receives is imported when it is used: every `--help` loads this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from falconer_shared.errors import UsageError

if TYPE_CHECKING:
    from falconer_shared.crossing.choice import Choice
    from falconer_shared.crossing.hands import Source

DECODERS: Final = ("zxing", "opencv", "pyzbar")
"""As `qr.client.READERS`."""

UR_TYPES: Final = (
    *("crypto-psbt", "psbt", "crypto-output", "output-descriptor", "crypto-account", "account-descriptor"),
    *("crypto-hdkey", "hdkey", "bytes"),
)

SIGNERS: Final = (
    *("falconer", "sparrow", "seedsigner", "krux", "coldcard", "jade", "keystone", "passport", "specter"),
    *("nunchuk", "electrum"),
)
"""As `transport.profiles.PROFILES`."""

SPELLINGS: Final = ("ur", "ur1", "bbqr", "pmofn", "base64", "hex", "base43", "text", "addwallet")
"""As `transport.send.Spelling`."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. It takes a text unless it says otherwise: the name of a file or folder, one of `choices`, a
    number from `low` to `high`, or nothing (`switch`).
    """

    name: str
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    switch: bool = False
    file: bool = False
    folder: bool = False
    default: str | None = None
    option: str | None = None
    """Where what is typed is no name of a variable."""


SCAN_FLAGS: Final = (
    Flag(
        "scan",
        "The files are pictures of QR codes (PNG or JPEG, in any order), a video, a folder that is being filled with pictures,"
        " or - for lines from a hand scanner.",
        switch=True,
    ),
    Flag("camera", "Read QR codes from camera /dev/videoN, without files.", metavar="N", low=0, high=63),
    Flag("decoder", "The library that reads codes.", choices=DECODERS, default=DECODERS[0]),
    Flag("timeout", "Give up when no message is whole by then.", metavar="SECONDS", low=1, high=86_400),
    Flag("preview", "Show what is seen, small, in this terminal.", switch=True),
)

SHOW_FLAGS: Final = (
    Flag(
        "qr",
        "Show it as QR codes in this terminal: + and - change the speed, [ and ] the density, any other key ends.",
        switch=True,
    ),
    Flag("qr_images", "Write the codes as numbered pictures into a new folder.", metavar="DIR", folder=True),
    Flag("gif", "Write the codes as an animated GIF.", metavar="FILE", file=True),
    Flag("html", "Write the codes as a page for a browser.", metavar="FILE", file=True),
    Flag(
        "signer",
        "Who reads the codes: chooses dialect, type, density and rate.",
        choices=SIGNERS,
        default=SIGNERS[0],
        option="for",
    ),
    Flag("density", "auto, low, medium, high, highest, or a version of QR codes (1 to 40).", default="auto"),
    Flag("fps", "auto, or codes a second (1 to 30).", metavar="N", default="auto"),
    Flag("dialect", "How the codes are spelled, whoever reads them.", choices=SPELLINGS),
    Flag("ur_type", "Name in the codes of UR.", choices=UR_TYPES),
)

WINDOW_FLAG: Final = Flag(
    "window", "Show the codes in a window of their own, until a key is pressed in it.", switch=True
)
"""Where no secret comes after it: a process is started."""


@dataclass(frozen=True, slots=True)
class Scan:
    """How codes are to be read, as it was typed."""

    scan: bool = False
    camera: int | None = None
    decoder: str = DECODERS[0]
    timeout: int | None = None
    preview: bool = False

    @property
    def wanted(self) -> bool:
        """Whether codes are to be read in the place of a file."""
        return self.scan or self.camera is not None

    def source(self, files: Sequence[str], preview: int = 0) -> Source:
        """Where the scan reads; `preview` is the most pixels along a side that can be shown.

        Raises:
            UsageError: `usage`.
        """
        from falconer_shared.crossing.hands import Source  # noqa: PLC0415

        if (self.camera is None) != bool(files):
            raise UsageError("usage", "--scan takes pictures, and --camera takes none")
        seconds = None if self.timeout is None else float(self.timeout)
        return Source(tuple(files), self.camera, self.decoder, seconds, preview if self.preview else 0)


@dataclass(frozen=True, slots=True)
class Show:
    """How codes are to be given, as it was typed."""

    qr: bool = False
    qr_images: str | None = None
    gif: str | None = None
    html: str | None = None
    signer: str = SIGNERS[0]
    density: str = "auto"
    fps: str = "auto"
    dialect: str | None = None
    ur_type: str | None = None
    window: bool = False

    @property
    def wanted(self) -> bool:
        """Whether codes are to be given at all."""
        return self.qr or self.window or bool(self.written)

    @property
    def written(self) -> tuple[str, ...]:
        """The files and folders that are to be made."""
        return tuple(name for name in (self.qr_images, self.gif, self.html) if name is not None)

    def choice_for(self, label: str = "") -> Choice:
        """How the codes are cut. `label` is the name of a wallet, for dialects that carry one.

        Raises:
            UsageError: `qr-density`, `qr-rate`.
        """
        from falconer_shared.crossing.choice import Choice, parse_density, parse_rate  # noqa: PLC0415
        from falconer_shared.transport.send import Spelling  # noqa: PLC0415

        return Choice(
            signer=self.signer,
            spelling=None if self.dialect is None else Spelling(self.dialect),
            density=parse_density(self.density),
            frames_per_second=parse_rate(self.fps),
            type_name=self.ur_type,
            label=label,
        )


def attach(
    click: Any,  # noqa: ANN401 - the module, which this package does not need itself
    function: Callable[..., object],
    flags: Sequence[Flag],
    name: str,
    gathered: Callable[..., object],
) -> Callable[..., object]:
    """The click command function with these flags as options; it gets them gathered as its argument `name`."""

    @wraps(function)
    def command(*arguments: object, **typed: Any) -> object:  # noqa: ANN401
        together = gathered(**{flag.name: typed.pop(flag.name) for flag in flags})
        return function(*arguments, **{name: together}, **typed)

    for flag in reversed(flags):
        settings: dict[str, Any] = {"help": flag.help}
        if flag.switch:
            settings["is_flag"] = True
        else:
            settings |= {"metavar": flag.metavar, "default": flag.default}
        if flag.choices:
            settings |= {"type": click.Choice(flag.choices), "show_default": flag.default is not None}
        elif flag.low is not None:
            settings["type"] = click.IntRange(flag.low, flag.high)
        elif flag.file or flag.folder:
            settings["type"] = click.Path(file_okay=flag.file)
        click.option(f"--{flag.option or flag.name.replace('_', '-')}", flag.name, **settings)(command)
    return command
