"""Secrets at rest: age files (age-encryption.org/v1), so that the `age` tool opens them too.

A file is sealed either with a passphrase (scrypt) or to one X25519 identity. Which of the two, and how much
work a passphrase file asks for, stands in its first lines; these are read and bounded before any work is done
(A136).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from falconer_shared.errors import Malformed, SecretError

if TYPE_CHECKING:
    from pyrage import x25519

MAX_SEALED = 16 * 1024
"""Bytes of a sealed file: a key text has some hundred."""

MAX_WORK_FACTOR = 22
"""log2 of scrypt's N. The library aims at one second: 18 to 20 on today's machines; 22 takes 4 GiB and some
seconds, more is an attack.
"""

_MAGIC = b"age-encryption.org/v1\n"
_SCRYPT = re.compile(rb"-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n")
_X25519 = re.compile(rb"-> X25519 [A-Za-z0-9+/]{43}\n")


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What a person types. Never shown."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """An age identity that automation hands over by file descriptor."""

    value: x25519.Identity = field(repr=False)

    @classmethod
    def parse(cls, text: bytes) -> Identity:
        """`AGE-SECRET-KEY-1...`.

        Raises:
            SecretError: `identity-malformed`.
        """
        from pyrage import IdentityError, x25519  # noqa: PLC0415 - 5 ms that judging need not spend

        try:
            return cls(x25519.Identity.from_str(text.decode("ascii").strip()))
        except (IdentityError, UnicodeDecodeError):
            raise SecretError(
                "identity-malformed", "what came by --identity-fd is no age X25519 identity"
            ) from None


Secret = Passphrase | Identity


def seal(data: bytes, secret: Secret) -> bytes:
    """`data` as an age file that `secret` opens. With a passphrase it takes one to five seconds."""
    import pyrage  # noqa: PLC0415

    if isinstance(secret, Identity):
        return bytes(pyrage.encrypt(data, [secret.value.to_public()]))
    made = bytes(pyrage.passphrase.encrypt(data, secret.text))
    needs_passphrase(made)  # what this machine seals, it must also accept
    return made


def needs_passphrase(sealed: bytes) -> bool:
    """Whether the file was sealed with a passphrase; otherwise to an identity.

    Raises:
        Malformed: `sealed-malformed`, `sealed-too-much-work`.
    """
    if len(sealed) > MAX_SEALED:
        raise Malformed(
            "sealed-malformed", f"the sealed secret has {len(sealed)} bytes, the limit is {MAX_SEALED}"
        )
    if sealed.startswith(_MAGIC):
        stanza = _SCRYPT.match(sealed, len(_MAGIC))
        if stanza:
            work = int(stanza[1])
            if work > MAX_WORK_FACTOR:
                raise Malformed(
                    "sealed-too-much-work",
                    f"the sealed secret asks for scrypt work 2^{work}, the limit is 2^{MAX_WORK_FACTOR}",
                    work=work,
                    limit=MAX_WORK_FACTOR,
                )
            return True
        if _X25519.match(sealed, len(_MAGIC)):
            return False
    raise Malformed(
        "sealed-malformed", "the sealed secret is no age file of a passphrase or an X25519 identity"
    )


def unseal(sealed: bytes, secret: Secret, what: str) -> bytes:
    """The content of an age file. `what` names it in errors.

    Raises:
        Malformed: what `needs_passphrase` raises.
        SecretError: `passphrase-wrong`, `identity-wrong`.
    """
    import pyrage  # noqa: PLC0415

    by_passphrase = needs_passphrase(sealed)
    try:
        if isinstance(secret, Passphrase) and by_passphrase:
            return bytes(pyrage.passphrase.decrypt(sealed, secret.text))
        if isinstance(secret, Identity) and not by_passphrase:
            return bytes(pyrage.decrypt(sealed, [secret.value]))
    except pyrage.DecryptError:
        pass
    if isinstance(secret, Identity):
        raise SecretError("identity-wrong", f"the identity does not open {what}")
    raise SecretError("passphrase-wrong", f"the passphrase does not open {what}")
