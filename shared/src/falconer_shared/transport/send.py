"""One way to send: a payload in, texts of codes out, whatever the dialect.

    made = send(payload, Kind.PSBT, Way(Spelling.BBQR, version=20))
    for text in made.frames():        # without end, unless one code is enough
        draw(text)

What a signer takes, `profiles` knows; this module only spells.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from falconer_shared.encoding.capacity import MAX_VERSION, Mode, capacity
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.transport import fountain
from falconer_shared.transport.bbqr import BbqrSender
from falconer_shared.transport.parts import MAX_PAYLOAD, TEXTS, TRANSACTIONS, Kind
from falconer_shared.transport.plain import PlainSender, to_base43
from falconer_shared.transport.pmofn import PmofnSender
from falconer_shared.transport.registry.types import SEND_TYPE, TYPES
from falconer_shared.transport.ur import Sender
from falconer_shared.transport.ur1 import Ur1Sender

DEFAULT_VERSION: Final = 20
"""570 bytes of payload in a code that every camera of 720 lines reads (BASELINES)."""


_CARRIED: Final = {
    **dict.fromkeys(("crypto-psbt", "psbt"), (Kind.PSBT,)),
    **dict.fromkeys(("crypto-output", "output-descriptor"), (Kind.DESCRIPTOR,)),
    **dict.fromkeys(("crypto-account", "account-descriptor"), (Kind.ACCOUNT, Kind.DESCRIPTOR)),
    **dict.fromkeys(("crypto-hdkey", "hdkey"), (Kind.KEY,)),
}
"""What a type of UR says that it carries; `bytes` says nothing."""

_LABEL: Final = re.compile(r"[ -%'-~]{1,200}\Z", re.ASCII)
"""Printable ASCII without the sign that ends a name in `addwallet`."""


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


_TEXTS_OR_PSBT: Final = TEXTS | {Kind.PSBT}
_CARRIES: Final[Mapping[Spelling, Collection[Kind]]] = {
    **dict.fromkeys((Spelling.UR, Spelling.UR1, Spelling.BBQR), frozenset(Kind)),
    Spelling.PMOFN: _TEXTS_OR_PSBT,
    Spelling.BASE64: (Kind.PSBT,),
    Spelling.HEX: TRANSACTIONS,
    Spelling.BASE43: TRANSACTIONS,
    Spelling.TEXT: TEXTS,
    Spelling.ADDWALLET: (Kind.DESCRIPTOR,),
}
"""What a dialect has a form for at all."""


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
    None picks the one for the kind. `schedule` matters for UR alone. `label` names a wallet, where the dialect
    has room for a name.
    """

    spelling: Spelling = Spelling.UR
    version: int = DEFAULT_VERSION
    type_name: str | None = None
    schedule: fountain.Schedule = fountain.standard
    label: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.version <= MAX_VERSION:
            raise ValueError("versions of QR codes are 1 to 40")


def check_carried(kind: Kind, way: Way) -> None:
    """Accept a way that has a form for payloads of this kind, whatever their bytes are: to be asked before there
    is a payload.

    Raises:
        UsageError: `send-kind-unsupported`.
    """
    if kind not in _CARRIES[way.spelling]:
        raise _unsupported(kind, way.spelling)
    name = way.type_name or SEND_TYPE[kind]
    if way.spelling is Spelling.UR and (name not in TYPES or kind not in _CARRIED.get(name, Kind)):
        raise _not_as(kind, name)


def send(payload: bytes, kind: Kind, way: Way) -> Sending:
    """The payload as codes.

    Raises:
        UsageError: `qr-payload-too-large`, `send-kind-unsupported`.
    """
    if not payload:
        raise ValueError("nothing to send")
    if len(payload) > MAX_PAYLOAD:
        raise _too_large(len(payload))
    check_carried(kind, way)
    try:
        return _spell(payload, kind, way)
    except ValueError:
        # too many parts, or no room for data, in codes of this size
        raise _too_large(len(payload)) from None


def _spell(payload: bytes, kind: Kind, way: Way) -> Sending:
    characters = capacity(way.version, Mode.ALPHANUMERIC)
    match way.spelling:
        case Spelling.UR:
            return _ur(payload, kind, way, characters)
        case Spelling.UR1:
            return Ur1Sender(payload, kind, characters)
        case Spelling.BBQR:
            return BbqrSender(payload, kind, characters)
        case Spelling.PMOFN:
            return PmofnSender(payload, kind, capacity(way.version, Mode.BYTE))
        case Spelling.BASE64:
            text = base64.b64encode(payload).decode("ascii")
        case Spelling.HEX:
            text = payload.hex().upper()
        case Spelling.BASE43:
            if len(payload) * 8 > characters * 6:
                # a digit is less than six bits; and spelling out what cannot fit would take minutes
                raise ValueError("it does not fit into one code of this size")
            text = to_base43(payload)
        case Spelling.TEXT:
            text = _ascii(payload, kind, way)
        case _:  # ADDWALLET alone is left
            label = way.label or "wallet"
            descriptor = _ascii(payload, kind, way)
            if not _LABEL.match(label) or "\n" in descriptor:
                raise _unsupported(kind, way.spelling)
            text = f"addwallet {label}&{descriptor}"
    room = {mode: capacity(way.version, mode) for mode in Mode}
    carried = payload.strip() if kind in TEXTS else payload
    return PlainSender(carried, kind, text, way.spelling.value, room)


def _ur(payload: bytes, kind: Kind, way: Way, characters: int) -> Sender:
    name = way.type_name or SEND_TYPE[kind]
    try:
        wrapped = TYPES[name].wrap(payload, way.label)
        if name in _CARRIED:
            TYPES[name].unwrap(wrapped)  # what is not read back here is read nowhere
    except (ValueError, Malformed):
        raise _not_as(kind, name) from None
    return Sender(payload, kind, characters, schedule=way.schedule, type_name=name, label=way.label)


def _not_as(kind: Kind, name: str) -> UsageError:
    return UsageError(
        "send-kind-unsupported",
        f"a payload of kind '{kind.value}' cannot be spelled as ur:{name}",
        remedy="choose another name (output-descriptor spells every wallet), or carry it as a file",
    )


def _ascii(payload: bytes, kind: Kind, way: Way) -> str:
    try:
        return payload.decode("ascii").strip()
    except UnicodeDecodeError:
        raise _unsupported(kind, way.spelling) from None


def _unsupported(kind: Kind, spelling: Spelling) -> UsageError:
    return UsageError(
        "send-kind-unsupported",
        f"a payload of kind '{kind.value}' is not sent as {spelling.value}",
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
