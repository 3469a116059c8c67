"""SSH public keys in their one spelling.

`ssh-ed25519 <base64> [comment]` as ssh-keygen writes it. The algorithm must be named alike outside and inside, the
base64 and the blob inside it must be canonical and used up, and the point must be one that needs a secret to sign
(point.py). So equality of keys is equality of bytes, and a key counted once is a person counted once.

Security keys (`sk-ssh-ed25519@openssh.com`, application `ssh:`) have a place in `_PARSERS` and are refused by name
until what they sign (application hash, flags, counter) is verified too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falconer_shared.errors import Malformed
from falconer_shared.sshsig.point import KEY_SIZE, check_point
from falconer_shared.sshsig.wire import WireReader, strict_base64, string
from falconer_shared.text import safe

ED25519 = "ssh-ed25519"
"""RFC 8709."""


@dataclass(frozen=True, slots=True)
class SshPublicKey:
    """A key that can be judged: `algorithm` names it, `point` are its 32 bytes, `blob` is the SSH wire form."""

    algorithm: str
    point: bytes

    def __post_init__(self) -> None:
        _check_supported(self.algorithm)
        check_point(self.point)

    @classmethod
    def parse(cls, text: str) -> SshPublicKey:
        """Read one line of a `.pub` file: algorithm, base64, and a comment that is dropped. One line feed may end it.

        Raises:
            Malformed: `ssh-key-malformed`, `ssh-key-unsupported`, `ssh-key-invalid-point`.
        """
        line = text.removesuffix("\n").removesuffix("\r")
        outside, _, rest = line.partition(" ")
        encoded = rest.partition(" ")[0]
        if not outside or not encoded or "\n" in line or "\r" in line:
            raise Malformed(
                "ssh-key-malformed",
                f"'{safe(line, 40)}' is not one line 'ssh-ed25519 AAAA... comment'",
                remedy="give the content of a .pub file of ssh-keygen",
            )
        _check_supported(outside)
        key = cls.from_blob(strict_base64(encoded, "SSH key", rule="ssh-key-malformed"))
        if key.algorithm != outside:
            raise Malformed(
                "ssh-key-malformed",
                f"SSH key: named {safe(outside, 40)} outside and {safe(key.algorithm, 40)} inside",
            )
        return key

    @classmethod
    def from_blob(cls, blob: bytes) -> SshPublicKey:
        """Read the wire form (RFC 8709 section 4).

        Raises:
            Malformed: as `parse`.
        """
        reader = WireReader(blob, "SSH key", rule="ssh-key-malformed")
        algorithm = reader.name()
        _check_supported(algorithm)
        point = _PARSERS[algorithm](reader)
        reader.end()
        return cls(algorithm, point)

    @classmethod
    def ed25519(cls, point: bytes) -> SshPublicKey:
        """The key of a raw Ed25519 point, as a program that made the key has it.

        Raises:
            Malformed: `ssh-key-invalid-point`.
        """
        return cls(ED25519, point)

    @property
    def blob(self) -> bytes:
        """The wire form."""
        return string(self.algorithm.encode("ascii")) + string(self.point)

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the wire form, 32 bytes: what keys the proprietary fields."""
        return hashlib.sha256(self.blob).digest()

    @property
    def key_hash(self) -> str:
        """`SHA256:...`, as `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(self.key_id).decode("ascii").rstrip("=")

    def text(self) -> str:
        """`ssh-ed25519 AAAA...`, without a comment."""
        return f"{self.algorithm} {base64.b64encode(self.blob).decode('ascii')}"


def parse_key_hash(text: str) -> bytes:
    """The inverse of `key_hash`: 32 bytes.

    Raises:
        Malformed: `ssh-key-malformed`.
    """
    head, colon, encoded = text.partition(":")
    if head != "SHA256" or not colon or len(encoded) != 43:
        raise Malformed(
            "ssh-key-malformed", f"'{safe(text, 60)}' is not a key hash like SHA256:... of 43 characters"
        )
    return strict_base64(encoded + "=", "SSH key hash", rule="ssh-key-malformed")


def _check_supported(algorithm: str) -> None:
    if algorithm not in _PARSERS:
        raise Malformed(
            "ssh-key-unsupported",
            f"SSH keys of type '{safe(algorithm, 60)}' cannot be judged",
            remedy="use a key made by: ssh-keygen -t ed25519",
        )


def _ed25519(reader: WireReader) -> bytes:
    point = reader.string()
    if len(point) != KEY_SIZE:
        raise reader.error(f"{len(point)} bytes where an Ed25519 key has {KEY_SIZE}")
    return point


_PARSERS: Mapping[str, Callable[[WireReader], bytes]] = {ED25519: _ed25519}
"""Algorithm → what reads the key after its name. An algorithm that is not here is refused."""
