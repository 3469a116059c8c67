"""SSH keys, key hashes and signatures, raw and in armour."""

from __future__ import annotations

import base64
import random

from falconer_shared.approval.quorum import Approval
from falconer_shared.errors import VerificationError
from falconer_shared.sshsig.key import SshPublicKey, parse_key_hash
from falconer_shared.sshsig.signature import SshSignature, armour, verify
from falconer_shared.sshsig.wire import string
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.policies import SshKey

MAX_LEN = 8_192
MESSAGE = b"falconer-intent 1\n"
NAMESPACE = "falconer-approval@1"


def seeds() -> dict[str, bytes]:
    key = SshKey.of("anna")
    raw = key.sign(MESSAGE, NAMESPACE)
    security = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"ssh:")
    return {
        "key": f"{key.public.text()} anna@home\n".encode(),
        "blob": key.public.blob,
        "hash": key.public.key_hash.encode(),
        "raw": raw,
        "armoured": armour(raw),
        "crlf": armour(raw).replace(b"\n", b"\r\n"),
        "security key": b"sk-ssh-ed25519@openssh.com " + base64.b64encode(security),
        "rsa": b"ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + string(b"\1\0\1") + string(bytes(256))),
    }


def check(data: bytes) -> bool:
    text = data.decode("latin-1")
    taken = False
    for key in (attempt(lambda: SshPublicKey.parse(text)), attempt(lambda: SshPublicKey.from_blob(data))):
        if key is not None:
            taken = True
            assert SshPublicKey.parse(key.text()) == key
            assert SshPublicKey.from_blob(key.blob) == key
            assert parse_key_hash(key.key_hash) == key.key_id
    digest = attempt(lambda: parse_key_hash(text))
    assert digest is None or base64.b64encode(digest).decode().rstrip("=") == text.removeprefix("SHA256:")
    signature = attempt(lambda: SshSignature.parse(data))
    if signature is not None:
        assert signature.raw == data or data.startswith(b"-----")
        assert SshSignature.parse(signature.raw) == signature
        assert SshSignature.parse(signature.armoured()) == signature
        _check_signature(signature)
    attempt(lambda: Approval.parse(data))
    return taken or digest is not None or signature is not None


def _check_signature(signature: SshSignature) -> None:
    """The one signature that was made is the only one that verifies."""
    anna = SshKey.of("anna")
    try:
        verify(signature, MESSAGE, NAMESPACE, anna.public)
    except VerificationError:
        return
    assert (signature.namespace, signature.key) == (NAMESPACE, anna.public)
    assert signature.raw == anna.sign(MESSAGE, NAMESPACE)


def mutate(data: bytes, choose: random.Random) -> bytes:
    """Below the armour as often as in it."""
    if data.startswith(b"-----") and choose.randrange(2):
        try:
            raw = base64.b64decode(b"".join(data.split(b"\n")[1:-2]))
        except ValueError:
            return changes.raw(data, choose)
        return armour(changes.raw(raw, choose))
    if data.startswith(b"ssh-") and choose.randrange(2):
        words = data.split(b" ")
        try:
            words[1] = base64.b64encode(changes.raw(base64.b64decode(words[1]), choose))
        except (ValueError, IndexError):
            return changes.raw(data, choose)
        return b" ".join(words)
    return changes.raw(data, choose)
