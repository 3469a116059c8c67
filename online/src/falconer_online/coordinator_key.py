"""The coordinator's own Ed25519 key, in OpenSSH format. It signs requests and audit heads, and can move no
coin.

It lies unencrypted, mode 0600, because the coordinator signs without a person; whoever steals it can send
signing requests, and each of them still meets policy, approvers and the person at the offline machine.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from falconer_online.config import Home
from falconer_online.files import check_private, write_file
from falconer_shared.errors import StateError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe

_MAX_KEY_BYTES = 16 * 1024


class CoordinatorKey:
    """The loaded key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = SshPublicKey.ed25519(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def create(cls, home: Home) -> CoordinatorKey:
        """Make a new key; one that is there is never replaced.

        Raises:
            StateError: `file-exists`, and what the disk says.
        """
        private = Ed25519PrivateKey.generate()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        write_file(home.key_file, text, mode=0o600, replace=False)
        key = cls(private)
        write_file(home.public_file, f"{key.public.text()} falconer-coordinator\n".encode("ascii"))
        return key

    @classmethod
    def load(cls, home: Home) -> CoordinatorKey:
        """Read the key.

        Raises:
            StateError: `coordinator-key`, `home-permissions`.
        """
        path = home.key_file
        check_private(path)
        try:
            with path.open("rb") as stream:
                private = load_ssh_private_key(stream.read(_MAX_KEY_BYTES), password=None)
        except OSError as error:
            raise StateError(
                "coordinator-key",
                f"the coordinator's key {safe(str(path))} cannot be read: {safe(error.strerror or '')}",
                remedy="restore it from a backup",
            ) from None
        except (ValueError, TypeError):
            raise _not_a_key(str(path)) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise _not_a_key(str(path))
        return cls(private)

    def sign_bytes(self, data: bytes) -> bytes:
        """The bare Ed25519 signature (RFC 8032), for those who wrap it as an SSHSIG."""
        return self._private.sign(data)


def _not_a_key(path: str) -> StateError:
    return StateError(
        "coordinator-key",
        f"{safe(path)} is not an unencrypted Ed25519 key in OpenSSH format",
        remedy="restore it from a backup",
    )
