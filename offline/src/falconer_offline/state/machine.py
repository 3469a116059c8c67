"""The machine key: what makes this machine this machine.

An Ed25519 key in OpenSSH's own private format inside an age file, so that stock `age -d` and `ssh-keygen` can
use it. It signs the state's root and the receipts; it cannot spend anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falconer_offline.keys.sealed import Secret, seal, unseal
from falconer_shared.errors import SecretError
from falconer_shared.exchange.receipt import Receipt, SignedReceipt, sign_receipt
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import make

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_WHAT = "the machine key"


class MachineKey:
    """The opened machine key. `public` is its public half."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = SshPublicKey.ed25519(private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"MachineKey({self.public.key_hash})"

    @classmethod
    def generate(cls) -> MachineKey:
        """A new key from the system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        return cls(Ed25519PrivateKey.generate())

    def sealed(self, secret: Secret) -> bytes:
        """The age file of this key."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

        return seal(self._private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), secret)

    @classmethod
    def open(cls, sealed: bytes, secret: Secret, expected: SshPublicKey) -> MachineKey:
        """The key in an age file, which must be the one whose public half signs the state.

        Raises:
            SecretError: `passphrase-wrong`, `identity-wrong`, `machine-key-damaged`, `machine-key-other`.
            Malformed: `sealed-malformed`, `sealed-too-much-work`.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_ssh_private_key  # noqa: PLC0415

        text = unseal(sealed, secret, _WHAT)
        try:
            private = load_ssh_private_key(text, None)
        except ValueError:
            raise SecretError(
                "machine-key-damaged", "the machine key's file holds no OpenSSH private key"
            ) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise SecretError("machine-key-damaged", "the machine key is not an Ed25519 key")
        key = cls(private)
        if key.public != expected:
            raise SecretError(
                "machine-key-other",
                f"the machine key is {key.public.key_hash}, the state is signed by {expected.key_hash}",
            )
        return key

    def sign(self, message: bytes, namespace: str) -> bytes:
        """A raw SSHSIG over `message`."""
        return make(self._private.sign, self.public, message, namespace)

    def sign_receipt(self, receipt: Receipt) -> SignedReceipt:
        """A receipt with this machine's signature."""
        return sign_receipt(receipt, self._private.sign, self.public)
