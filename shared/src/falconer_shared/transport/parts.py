"""What a dialect and the receiver say to each other.

A dialect turns the text of one code into a `Whole` payload or a `Part` of one. A part names the session it
belongs to and can begin the `Assembly` of that session. A dialect keeps no state, so one can be added without
touching the receiver.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

MAX_PAYLOAD: Final = 2 * 1024 * 1024
"""Bytes that may come by QR: at 10 kB a second, a person has held the camera for three minutes."""

MAX_FRAME: Final = 7089
"""Characters of one code: what the largest QR code holds in digits (ISO 18004); in other modes it holds less."""

MAX_PARTS: Final = 10_000
"""Parts of one message: 2 MiB in the smallest codes that a camera of 480 lines reads."""


class Kind(Enum):
    """What a payload claims to be, by its type name or its first bytes. The value is how reports spell it.

    A claim, and no more: whoever uses the bytes reads them strictly.
    """

    PSBT = "psbt"
    TRANSACTION = "transaction"
    """A network transaction, ready to be broadcast."""

    DESCRIPTOR = "descriptor"
    """One output descriptor as text, with or without its checksum."""

    ACCOUNT = "account"
    """Descriptors of one master key, a line each."""

    KEY = "key"
    """A key expression: `[fingerprint/path]xpub`, perhaps with children behind it."""

    WALLET = "wallet"
    """A wallet's file as text: Coldcard's multisig form, a policy, a setup file."""

    URI = "uri"
    """A payment URI (BIP 21)."""

    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"


TEXTS: Final = frozenset(
    (Kind.DESCRIPTOR, Kind.ACCOUNT, Kind.KEY, Kind.WALLET, Kind.URI, Kind.JSON, Kind.TEXT)
)
"""Kinds whose payload is text."""

TRANSACTIONS: Final = frozenset((Kind.PSBT, Kind.TRANSACTION))

WALLETS: Final = frozenset((Kind.DESCRIPTOR, Kind.WALLET, Kind.JSON, Kind.TEXT, Kind.BYTES))
"""Kinds in which a wallet's description may come: told apart by whoever reads it."""

PSBT_MAGIC: Final = b"psbt\xff"


@dataclass(frozen=True, slots=True)
class Received:
    """A whole payload. `type` is the name that the dialect gave it ("crypto-psbt", "base64").

    `label` is the name that the sender gave to a wallet, as untrusted as the rest.
    """

    kind: Kind
    data: bytes = field(repr=False)
    dialect: str
    type: str
    label: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, hex: to be shown on both sides, since no checksum of a transport proves
        anything (A100, A111).
        """
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Whole:
    """A payload that came in one code."""

    received: Received


class Assembly(Protocol):
    """What one session has collected. Memory is bounded by what its first part announced and the receiver
    allowed.
    """

    @property
    def have(self) -> int:
        """Parts that brought something new."""

    @property
    def footprint(self) -> int:
        """Bytes of memory, about."""

    @property
    def stuck(self) -> str | None:
        """One sentence on why it does not get on, where it knows one."""

    def missing(self) -> list[int]:
        """Numbers (from 1) of the fragments that are not there by themselves."""

    def add(self, part: Part) -> bool:
        """Take a part of this session; whether it brought anything new."""

    def finish(self) -> Received | None:
        """The payload, once it is whole.

        Raises:
            Malformed: it is whole and is not what it claims to be; the session begins again.
        """


class Part(Protocol):
    """A part of a longer payload."""

    @property
    def session(self) -> Hashable:
        """Everything that the parts of one message have in common, as announced by each."""

    @property
    def total(self) -> int:
        """Parts that the message needs at least."""

    def begin(self) -> Assembly:
        """An empty assembly for the session of this part."""


class Dialect(Protocol):
    """One way to spell payloads in codes."""

    @property
    def name(self) -> str:
        """The name in reports."""

    def recognises(self, frame: str) -> bool:
        """Whether the frame begins as this dialect does. Cheap, and never wrong about a well-formed frame."""

    def read(self, frame: str) -> Whole | Part:
        """What the frame holds.

        Raises:
            Malformed: with the id of what is wrong. Costs this frame alone.
        """
