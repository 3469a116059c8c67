"""A signed policy as one text, for a channel that carries one payload: QR codes.

The policy's text, then each signature as ssh-keygen armours it. A policy's lines begin with one of its words
and never with a dash, so the first armour line ends the text, and taking a bundle apart gives exactly what was
put in. It proves no more than the parts do.
"""

from __future__ import annotations

import re
from typing import Final

from falconer_shared.errors import Malformed
from falconer_shared.policy.document import MAX_PEOPLE
from falconer_shared.policy.signed import SignedPolicy
from falconer_shared.sshsig.signature import SshSignature

MAX_BUNDLE_BYTES: Final = 256 * 1024
"""A policy text with 32 signatures takes a fraction of it."""

_ARMOURED: Final = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+-----END SSH SIGNATURE-----\n"
)
_FIRST: Final = b"\n-----"


def join(signed: SignedPolicy) -> bytes:
    """The bundle of a policy text and its signatures, raw or armoured."""
    return signed.text + b"".join(SshSignature.parse(each).armoured() for each in signed.signatures)


def split(bundle: bytes) -> SignedPolicy:
    """Take a bundle apart; the signatures come out raw. What they are worth is for `install` to say.

    Raises:
        Malformed: `policy-bundle-malformed`; what `SshSignature.parse` raises.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise _malformed(f"has more than {MAX_BUNDLE_BYTES} bytes")
    end = bundle.find(_FIRST)
    if end < 0:
        raise _malformed("holds no signature")
    text, rest = bundle[: end + 1], bundle[end + 1 :]
    found = _ARMOURED.findall(rest)
    if b"".join(found) != rest or not 0 < len(found) <= MAX_PEOPLE:
        raise _malformed(
            f"is not a policy followed by 1 to {MAX_PEOPLE} signatures as ssh-keygen writes them"
        )
    signed = SignedPolicy(text, tuple(SshSignature.parse(each).raw for each in found))
    # armour in lines of another width holds the same signature, and would be a second spelling of one bundle
    if join(signed) != bundle:
        raise _malformed("has signatures in other lines than ssh-keygen writes")
    return signed


def _malformed(problem: str) -> Malformed:
    return Malformed(
        "policy-bundle-malformed",
        f"the signed policy {problem}",
        remedy="show it again: falconer policy show --qr",
    )
