"""What a payload is when its dialect does not say: told by how it begins, and never by trying readers in turn.

And what it must never be: a seed. A code that holds one is refused before anything keeps it, in both programs
(`offline key import --scan` reads SeedQR by a way of its own, without a receiver). The refusal repeats
nothing (A039, A093).
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.encoding import base58
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.transport.parts import PSBT_MAGIC, Kind

RULE: Final = "secret-in-code"
"""The id of that refusal."""

_SEEDQR: Final = re.compile(r"[0-9]+\Z", re.ASCII)
_SEEDQR_DIGITS: Final = frozenset({48, 60, 72, 84, 96})
_COMPACT_SIZES: Final = frozenset({16, 32})
_WORDS: Final = re.compile(r"(?:[a-z]{3,8} ){11,23}[a-z]{3,8}\Z", re.ASCII)
_WORD_COUNTS: Final = frozenset({12, 15, 18, 21, 24})
_PRIVATE_KEY: Final = re.compile(
    r"(?:^|[^0-9A-Za-z])(?:[xyztuvYZUV]prv[1-9A-HJ-NP-Za-km-z]{20}|ms1[02-9ac-hj-np-z]{40}|MS1[02-9AC-HJ-NP-Z]{40})",
    re.ASCII,
)
_WIF: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[59][1-9A-HJ-NP-Za-km-z]{50}|[KLc][1-9A-HJ-NP-Za-km-z]{51})(?![0-9A-Za-z])", re.ASCII
)
_SECRET_UR: Final = re.compile(
    r"ur:(?:crypto-)?(?:seed|bip39|sskr|eckey|slip39|share|private-?key|encrypted)[a-z0-9-]*/",
    re.ASCII | re.IGNORECASE,
)

_CONTROL: Final = re.compile(rb"[^\t\n\r -~]")

_DESCRIPTOR: Final = re.compile(
    r"(?:wsh|sh|wpkh|pkh|tr|combo|multi|sortedmulti|pk|raw|rawtr|addr)\(", re.ASCII
)
_KEY: Final = re.compile(
    r"(?:\[[0-9a-fA-F]{8}[0-9h'/]*\])?[xyztuvYZUV]pub[1-9A-HJ-NP-Za-km-z]{100,112}[0-9h'/*<>;]*\Z", re.ASCII
)
_MULTISIG: Final = re.compile(r"^(?:Name|Policy|Format|Derivation):[ \t]", re.ASCII | re.MULTILINE)
_URI: Final = re.compile(r"bitcoin:", re.ASCII | re.IGNORECASE)


def refuse_secret(frame: str) -> None:
    """Accept the text of a code that does not look like a seed or a private key.

    `frame` holds one character for each byte where the code was binary.

    Raises:
        Malformed: `secret-in-code`.
    """
    if _SECRET_UR.match(frame):
        refuse_as_secret()
    if frame[:3].lower() == "ur:" or frame[:2] == "B$":
        return  # spelled in letters of their own: what they hold is looked at when it is whole
    text = frame.strip(" \t\r\n")
    compact = len(frame) in _COMPACT_SIZES and not (frame.isascii() and frame.isprintable())
    digits = len(text) in _SEEDQR_DIGITS and _SEEDQR.match(text) is not None
    folded = text.lower()
    words = _WORDS.match(folded) is not None and folded.count(" ") + 1 in _WORD_COUNTS
    if compact or digits or words or _PRIVATE_KEY.search(text) or _holds_wif(text):
        refuse_as_secret()


def _holds_wif(text: str) -> bool:
    """Whether a key in wallet import format stands there. By its checksum: base64 looks the same now and then."""
    for candidate in _WIF.findall(text):
        try:
            base58.decode_check(candidate, "code")
        except Malformed:
            continue
        return True
    return False


def refuse_as_secret() -> NoReturn:
    """Refuse a seed or private key. Nothing of it is repeated.

    Raises:
        Malformed: `secret-in-code`.
    """
    raise Malformed(
        "secret-in-code",
        "this code holds a seed or a private key; it was dropped, and nothing of it is kept",
        remedy="Show it to no camera of a connected machine. If one saw it, move the coins: treat the key as known.",
    )


def kind_of(data: bytes) -> Kind:
    """What bytes without a type name are.

    Raises:
        Malformed: `secret-in-code`.
    """
    if data.startswith(PSBT_MAGIC):
        return Kind.PSBT
    if not data.isascii() or _CONTROL.search(data):
        # what no person could read is no text, whatever its bytes
        return Kind.BYTES
    return kind_of_text(data.decode("ascii"))


def kind_of_text(text: str) -> Kind:
    """What a text is, by how it begins.

    Raises:
        Malformed: `secret-in-code`.
    """
    refuse_secret(text)
    start = text.strip()
    if _DESCRIPTOR.match(start):
        return Kind.DESCRIPTOR
    if _KEY.match(start):
        return Kind.KEY
    if _URI.match(start):
        return Kind.URI
    if start[:1] in ("{", "["):
        return Kind.JSON
    if _MULTISIG.search(text):
        return Kind.WALLET
    return Kind.TEXT


def check_transaction(data: bytes, where: str) -> None:
    """Accept bytes that are one network transaction, to the last byte.

    Raises:
        Malformed: `transport-not-transaction`.
    """
    try:
        Transaction.parse(data)
    except FalconerError as problem:
        raise Malformed(
            "transport-not-transaction", f"{where} is no transaction: {problem.message}"
        ) from None
