"""The types of UR that are read and sent, by name.

The old names are what every wallet takes, so they are what is sent unless another one is asked for; both are
read (INTEROP, rule of thumb).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from falconer_shared.encoding import cbor
from falconer_shared.encoding.cbor import Cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import content
from falconer_shared.transport.parts import MAX_PAYLOAD, PSBT_MAGIC, Kind, Received
from falconer_shared.transport.registry import outputs
from falconer_shared.transport.registry.keys import V1, V2, Key, Version, read_hdkey, write_key

MAX_MESSAGE: Final = MAX_PAYLOAD + 9
"""The head of a CBOR byte string takes up to 9 bytes."""

MAX_STRUCTURE: Final = 65_536
"""Bytes of the CBOR of a wallet, an account or a key: twenty keys take 4,000."""

DIALECT: Final = "ur"


class UrType(Protocol):
    """A type of the registry: what stands in its CBOR, and what the payload is then."""

    @property
    def name(self) -> str:
        """The name in the path."""

    def unwrap(self, message: bytes) -> Received:
        """The payload in a whole message.

        Raises:
            Malformed: as `cbor.decode`; `ur-payload-malformed`, `ur-message-too-large`, `secret-in-code`, and what
            the readers of keys and descriptors raise.
        """

    def wrap(self, payload: bytes, label: str = "") -> bytes:
        """The message that carries a payload.

        Raises:
            ValueError: this type cannot carry it.
        """


class Bytes:
    """One byte string: a PSBT, or anything."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self._kind = kind

    def unwrap(self, message: bytes) -> Received:
        value = cbor.decode(message, f"ur:{self.name}", max_bytes=MAX_MESSAGE)
        if not isinstance(value, bytes):
            raise Malformed("ur-payload-malformed", f"ur:{self.name}: the CBOR is not one byte string")
        if len(value) > MAX_PAYLOAD:
            raise too_large(len(value))
        if self._kind is Kind.PSBT and not value.startswith(PSBT_MAGIC):
            raise Malformed("ur-payload-malformed", f"ur:{self.name}: the bytes do not begin as a PSBT does")
        # Some wallets send a PSBT or a wallet's file as ur:bytes (INTEROP D1): what it is, its beginning says.
        return Received(
            self._kind if self._kind is Kind.PSBT else content.kind_of(value), value, DIALECT, self.name
        )

    def wrap(self, payload: bytes, label: str = "") -> bytes:
        del label
        if not payload or len(payload) > MAX_PAYLOAD:
            raise ValueError("a payload has 1 byte to 2 MiB")
        return cbor.encode(payload)


class Output:
    """A wallet's descriptor, as text without checksum."""

    def __init__(self, name: str, version: Version) -> None:
        self.name = name
        self._version = version

    def unwrap(self, message: bytes) -> Received:
        value = _structure(message, self.name, self._version)
        text, label = (
            (outputs.read_output(value), "") if self._version is V1 else outputs.read_descriptor(value)
        )
        return Received(Kind.DESCRIPTOR, text.encode("ascii"), DIALECT, self.name, label)

    def wrap(self, payload: bytes, label: str = "") -> bytes:
        text = outputs.plain(payload)
        return cbor.encode(
            outputs.write_output(text) if self._version is V1 else outputs.write_descriptor(text, label)
        )


class Account:
    """Descriptors of one master key, one line each."""

    def __init__(self, name: str, version: Version) -> None:
        self.name = name
        self._version = version

    def unwrap(self, message: bytes) -> Received:
        text = outputs.read_account(_structure(message, self.name, self._version), self._version)
        return Received(Kind.ACCOUNT, text.encode("ascii"), DIALECT, self.name)

    def wrap(self, payload: bytes, label: str = "") -> bytes:
        del label
        return cbor.encode(outputs.write_account(payload.decode("ascii"), self._version))


class HdKey:
    """One extended public key, as a key expression."""

    def __init__(self, name: str, version: Version) -> None:
        self.name = name
        self._version = version

    def unwrap(self, message: bytes) -> Received:
        key = read_hdkey(_structure(message, self.name, self._version), self._version)
        return Received(Kind.KEY, key.text.encode("ascii"), DIALECT, self.name)

    def wrap(self, payload: bytes, label: str = "") -> bytes:
        del label
        inner: Cbor = write_key(Key.parse(payload.decode("ascii").strip()), self._version).value
        return cbor.encode(inner)


def _structure(message: bytes, name: str, version: Version) -> Cbor:
    tags = version.tags | (outputs.FUNCTION_TAGS if version is V1 else frozenset())
    return cbor.decode(message, f"ur:{name}", max_bytes=MAX_STRUCTURE, tags=tags)


def too_large(size: int) -> Malformed:
    """The refusal of a message that announces, or is, more than may come."""
    return Malformed(
        "ur-message-too-large", f"{size} bytes are more than may come by QR", size=size, limit=MAX_PAYLOAD
    )


TYPES: Final[Mapping[str, UrType]] = {
    kind.name: kind
    for kind in (
        Bytes("crypto-psbt", Kind.PSBT),
        Bytes("psbt", Kind.PSBT),
        Bytes("bytes", Kind.BYTES),
        Output("crypto-output", V1),
        Output("output-descriptor", V2),
        Account("crypto-account", V1),
        Account("account-descriptor", V2),
        HdKey("crypto-hdkey", V1),
        HdKey("hdkey", V2),
    )
}
"""What is read."""

SEND_TYPE: Final[Mapping[Kind, str]] = {
    Kind.PSBT: "crypto-psbt",
    Kind.DESCRIPTOR: "crypto-output",
    Kind.ACCOUNT: "crypto-account",
    Kind.KEY: "crypto-hdkey",
    Kind.BYTES: "bytes",
    Kind.TEXT: "bytes",
    Kind.JSON: "bytes",
    Kind.WALLET: "bytes",
    Kind.TRANSACTION: "bytes",
    Kind.URI: "bytes",
}
"""What each kind is sent as, where nobody asks for another name."""
