"""SSHSIG (OpenSSH, PROTOCOL.sshsig): signatures over a message in a namespace.

    "SSHSIG"  u32 1  string key  string namespace  string reserved  string hash  string signature
    signed:   "SSHSIG"  string namespace  string reserved  string hash  string H(message)

In order: the form is read strictly (version 1, `reserved` empty, SHA-512 or SHA-256, nothing trailing, key and signature of one
algorithm); then the namespace and the key must be the ones that the caller asks for; then the signature is verified. The
namespace is what keeps an approval from being shown as a receipt, so no caller can leave it out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.wire import MAX_OBJECT, WireReader, strict_base64, string
from falconer_shared.text import safe

MAGIC = b"SSHSIG"
VERSION = 1
SIGNATURE_SIZE = 64
"""Bytes of a bare Ed25519 signature (RFC 8032)."""

_HASHES = ("sha512", "sha256")
"""The two that PROTOCOL.sshsig allows; ssh-keygen writes the first."""

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LINE = 70
"""Characters of base64 in a line, as ssh-keygen writes them."""


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A well-formed signature, which proves nothing before `verify`."""

    key: SshPublicKey
    namespace: str
    hash_name: str
    signature: bytes

    @classmethod
    def parse(cls, data: bytes) -> SshSignature:
        """Read a raw signature, or an armoured one as ssh-keygen writes it to a `.sig` file.

        Raises:
            Malformed: `ssh-signature-malformed`, `ssh-signature-unsupported`, and what `SshPublicKey` raises for its key.
        """
        if data.startswith(b"-----"):
            data = dearmour(data)
        reader = WireReader(data, "SSH signature", rule="ssh-signature-malformed")
        if reader.take(len(MAGIC)) != MAGIC:
            raise reader.error("does not start with SSHSIG")
        version = reader.u32()
        if version != VERSION:
            raise Malformed(
                "ssh-signature-unsupported", f"SSH signature: version {version}, only {VERSION} is known"
            )
        key = SshPublicKey.from_blob(reader.string())
        namespace = reader.name()
        if reader.string():
            raise reader.error("the reserved field is not empty")
        hash_name = reader.name()
        if hash_name not in _HASHES:
            raise Malformed(
                "ssh-signature-unsupported",
                f"SSH signature: hash '{safe(hash_name, 30)}', only sha512 and sha256 are known",
            )
        inner = WireReader(reader.string(), "SSH signature", rule="ssh-signature-malformed")
        reader.end()
        algorithm = inner.name()
        if algorithm != key.algorithm:
            raise inner.error(f"made with {safe(algorithm, 40)}, its key is {key.algorithm}")
        signature = inner.string()
        if len(signature) != SIGNATURE_SIZE:
            raise inner.error(f"{len(signature)} bytes where an Ed25519 signature has {SIGNATURE_SIZE}")
        inner.end()
        return cls(key, namespace, hash_name, signature)

    @property
    def raw(self) -> bytes:
        """The wire form without armour, as it rides in a PSBT. Exact inverse of `parse`."""
        return b"".join(
            (
                MAGIC,
                VERSION.to_bytes(4, "big"),
                string(self.key.blob),
                string(self.namespace.encode("ascii")),
                string(b""),
                string(self.hash_name.encode("ascii")),
                string(string(self.key.algorithm.encode("ascii")) + string(self.signature)),
            )
        )

    def armoured(self) -> bytes:
        """The text of a `.sig` file, byte for byte as ssh-keygen writes it."""
        return armour(self.raw)


def verify(signature: SshSignature, message: bytes, namespace: str, key: SshPublicKey) -> None:
    """Accept only a signature by `key`, in `namespace`, over exactly `message`.

    Raises:
        VerificationError: `ssh-signature-namespace`, `ssh-signature-other-key`, `ssh-signature-invalid`.
    """
    if signature.namespace != namespace:
        raise VerificationError(
            "ssh-signature-namespace",
            f"the signature was made for '{safe(signature.namespace, 60)}', not for '{namespace}'",
            remedy=f"sign with: ssh-keygen -Y sign -n {namespace} -f KEY",
        )
    if signature.key != key:
        raise VerificationError(
            "ssh-signature-other-key", f"the signature is by {signature.key.key_hash}, not by {key.key_hash}"
        )
    # Here and not at the top: it takes 45 ms, which a program that verifies nothing need not spend
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    signed = _signed_bytes(namespace, signature.hash_name, message)
    try:
        Ed25519PublicKey.from_public_bytes(key.point).verify(signature.signature, signed)
    except InvalidSignature:
        raise VerificationError(
            "ssh-signature-invalid", f"the signature by {key.key_hash} does not fit the signed text"
        ) from None


def make(sign: Callable[[bytes], bytes], public: SshPublicKey, message: bytes, namespace: str) -> bytes:
    """The raw SSHSIG over `message`; `sign` is the private key's Ed25519 operation on bytes.

    The result is verified before it is given out: a fault in computing must not travel.

    Raises:
        VerificationError: `ssh-signature-invalid` when `sign` belongs to another key or computed wrongly.
    """
    if not namespace or not all("!" <= character <= "~" for character in namespace):
        raise ValueError("a namespace is printable ASCII without spaces")
    made = SshSignature(public, namespace, _HASHES[0], sign(_signed_bytes(namespace, _HASHES[0], message)))
    verify(made, message, namespace, public)
    return made.raw


def armour(raw: bytes) -> bytes:
    """A raw signature as the text of a `.sig` file."""
    text = base64.b64encode(raw).decode("ascii")
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return ("\n".join([_BEGIN, *lines, _END]) + "\n").encode("ascii")


def dearmour(text: bytes) -> bytes:
    """The raw signature inside an armoured one. Line ends may be LF or CRLF and lines of any width: the armour is not signed.

    Raises:
        Malformed: `ssh-signature-malformed`.
    """
    if len(text) > 3 * MAX_OBJECT:
        raise Malformed(
            "ssh-signature-malformed",
            f"SSH signature: {len(text)} bytes, more than the {3 * MAX_OBJECT} that a file may have",
        )
    try:
        lines = text.decode("ascii").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise Malformed("ssh-signature-malformed", "SSH signature: the file is not ASCII text") from None
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Malformed(
            "ssh-signature-malformed", f"SSH signature: the file is not lines from '{_BEGIN}' to '{_END}'"
        )
    return strict_base64("".join(lines[1:-1]), "SSH signature", rule="ssh-signature-malformed")


def _signed_bytes(namespace: str, hash_name: str, message: bytes) -> bytes:
    hashed = hashlib.new(hash_name, message).digest()
    return (
        MAGIC
        + string(namespace.encode("ascii"))
        + string(b"")
        + string(hash_name.encode("ascii"))
        + string(hashed)
    )
