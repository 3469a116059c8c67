"""Private keys where public data must stand: never taken, and never repeated, whatever stands around them."""

from __future__ import annotations

import hashlib
import random
import re

from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.private_data import refuse_private_key
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.keys import refuse_private_keys
from falconer_shared.descriptor.parse import parse_descriptor
from falconer_shared.encoding import base58
from falconer_shared.errors import FalconerError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.wallet.formats import read_descriptor_file
from falconer_shared.wallet.registration import RegisteredWallet
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt, check_refusal
from tests.support import psbts
from tests.support.descriptors import xprv
from tests.support.treasury import FORMS, descriptor_of, root

MAX_LEN = 2_048
MARK = b"@"
"""Where the secret is put."""

_SHOWN = 9
"""Characters in a row that give nothing away: the first ones are the same in every key of a kind."""


_SECRETS = (
    xprv(1, "main"),
    xprv(1),
    xprv(1, "main", "zprv"),
    base58.encode_check(b"\x80" + root(1).key.secret + b"\x01"),
    base58.encode_check(b"\xef" + root(1).key.secret + b"\x01"),
    base58.encode_check(b"\x80" + root(1).key.secret),
)


def seeds() -> dict[str, bytes]:
    found = {
        "bare": b"@",
        "in key": b"wpkh([d34db33f/84h/1h/0h]@/<0;1>/*)",
        "alone": b"wpkh(@)",
        "braces": b"tr(A,{pk(@),pk(B)})",
    }
    for form in FORMS:
        body = descriptor_of(form).partition("#")[0]
        found[form] = body.encode()
        found[f"{form} secret"] = body.replace("tpub", "@", 1).encode()
    return found


def check(data: bytes) -> bool:
    attempt(lambda: refuse_private_key(data, "payload"))
    # one of them each time, another for every input: a key takes a while to be refused in so many ways
    secret = _SECRETS[hashlib.sha256(data).digest()[0] % len(_SECRETS)]
    text = data.replace(MARK, secret.encode()).decode("latin-1")
    for given in (text, _whole(text)):
        _refused_in_silence(given, secret, whole=_stands_apart(data))
    return False


def _stands_apart(data: bytes) -> bool:
    """Whether the secret stands there as a word: one that runs into other letters is no key, nor recognised as one."""
    return MARK in data and not re.search(rb"[0-9A-Za-z#]@|@[0-9A-Za-z]", data) and b"@@" not in data


def _whole(text: str) -> str:
    return attempt(lambda: with_checksum(text)) or text


def _refused_in_silence(text: str, secret: str, *, whole: bool) -> None:
    raw = text.encode("latin-1")
    readers = (
        lambda: parse_descriptor(text, Network.REGTEST),
        lambda: parse_descriptor(text, Network.MAINNET),
        lambda: RegisteredWallet.register("fuzzed", Network.REGTEST, read_descriptor_file(raw)),
        lambda: refuse_private_keys(text),
        lambda: script_of(text, Network.REGTEST),
        lambda: UntrustedPsbt.parse(raw),
        lambda: (
            UntrustedPsbt.parse(psbts.with_field("global", b"\x01" + raw, psbts.DERIVATION)) if raw else None
        ),
        lambda: SshPublicKey.parse(text),
    )
    for number, read in enumerate(readers):
        try:
            read()
        except FalconerError as refusal:
            check_refusal(refusal)
            if number != 5 and number != 7 and whole:  # noqa: PLR1714
                _keeps_quiet(refusal, secret)
        else:
            assert not whole or number in {3, 6}, text


def _keeps_quiet(refusal: FalconerError, secret: str) -> None:
    told = f"{refusal.message} {refusal.remedy} {refusal.details}"
    assert not any(secret[at : at + _SHOWN] in told for at in range(4, len(secret) - _SHOWN)), told


def mutate(data: bytes, choose: random.Random) -> bytes:
    if choose.randrange(4) == 0:
        at = choose.randrange(len(data) + 1)
        return data[:at] + MARK + data[at:]
    return changes.raw(data, choose)
