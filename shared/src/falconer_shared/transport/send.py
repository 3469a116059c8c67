"""One way to send: a payload in, texts of codes out, whatever the dialect.

    made = send(payload, Kind.PSBT, Way(Spelling.BBQR, version=20))
    for text in made.frames():        # without end, unless one code is enough
        draw(text)

What a signer takes, `profiles` knows; this module only spells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from falconer_shared.encoding.capacity import MAX_VERSION, Mode, capacity
from falconer_shared.errors import UsageError
from falconer_shared.transport import fountain
from falconer_shared.transport.bbqr import BbqrSender
from falconer_shared.transport.parts import MAX_PAYLOAD, Kind
from falconer_shared.transport.ur import Sender

DEFAULT_VERSION: Final = 20
"""570 bytes of payload in a code that every camera of 720 lines reads (BASELINES)."""


class Spelling(Enum):
    """A dialect as it is sent. The value is what a person types."""

    UR = "ur"
    UR1 = "ur1"
    BBQR = "bbqr"
    PMOFN = "pmofn"
    BASE64 = "base64"
    HEX = "hex"
    BASE43 = "base43"
    TEXT = "text"
    """The text itself, in one code: descriptors, keys, payment URIs."""

    ADDWALLET = "addwallet"
    """Specter's `addwallet NAME&DESCRIPTOR`, in one code."""


class Sending(Protocol):
    """A payload as texts of codes, all in one mode."""

    n: int
    """Codes that a receiver needs at least. One: it is shown still."""

    dialect: str
    type: str
    mode: Mode
    digest: str
    """SHA-256 of the payload, hex, as the receiver's side shows it too."""

    def frame(self, number: int) -> str:
        """The text of code `number`, from 1; numbers above `n` are further codes of a fountain, or begin again."""

    def frames(self) -> Iterator[str]:
        """The texts in the order of the schedule, without end; a single code once."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to spell a payload.

    `version` is the largest code (1 to 40) at error correction L. `type_name` is a name of the UR registry;
    None picks the one for the kind. `schedule` matters for UR alone.
    """

    spelling: Spelling = Spelling.UR
    version: int = DEFAULT_VERSION
    type_name: str | None = None
    schedule: fountain.Schedule = fountain.standard
    label: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.version <= MAX_VERSION:
            raise ValueError("versions of QR codes are 1 to 40")


def send(payload: bytes, kind: Kind, way: Way) -> Sending:
    """The payload as codes.

    Raises:
        UsageError: `qr-payload-too-large`, `send-kind-unsupported`.
    """
    if len(payload) > MAX_PAYLOAD:
        raise _too_large(len(payload))
    try:
        return _spell(payload, kind, way)
    except ValueError:
        # too many parts, or no room for data, in codes of this size
        raise _too_large(len(payload)) from None


def _spell(payload: bytes, kind: Kind, way: Way) -> Sending:
    characters = capacity(way.version, Mode.ALPHANUMERIC)
    match way.spelling:
        case Spelling.UR:
            return Sender(
                payload, kind, characters, schedule=way.schedule, type_name=way.type_name, label=way.label
            )
        case Spelling.BBQR:
            return BbqrSender(payload, kind, characters)
        case _:
            raise UsageError(
                "send-kind-unsupported",
                f"a payload of kind '{kind.value}' is not sent as {way.spelling.value}",
                remedy="choose another dialect, or carry it as a file",
            )


def _too_large(size: int) -> UsageError:
    return UsageError(
        "qr-payload-too-large",
        f"{size:,} bytes are too many for codes of this size",
        remedy="carry it as a file: --out FILE; or use larger codes",
        size=size,
        limit=MAX_PAYLOAD,
    )
