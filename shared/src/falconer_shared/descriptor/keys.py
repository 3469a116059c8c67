"""Key expressions of a registered wallet, and what several of them may not be to each other.

A key is `[fingerprint/origin]xpub/<0;1>/*` and nothing else:

1. no private key, in any form (A039);
2. an origin, so that its owner's device finds it and so that a person can tell whose it is; it must agree
   with what the extended key says of itself (depth, child number, and the fingerprint where the key carries
   or is it);
3. an extended key of the wallet's network (A042): a raw key would put every payment on one address;
4. `/<0;1>/*` (A040): receive and change of one wallet, the same for every key.

Among keys: one secret must not count twice (A031).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from falconer_shared.bitcoin.bip32 import HARDENED, ChildKeys, ExtendedPublicKey, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import BRANCHES, DescriptorKey
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.text import safe

COMPARED_INDEXES = 20
"""Addresses per branch on which the keys must differ: the usual gap limit. What keys further out share, their
origins tell.
"""

_SUFFIX = "/<0;1>/*"
_EXPRESSION = re.compile(r"\[([^\[\]]*)\]([^\[\]/]*)(/.*)?", re.ASCII)
_ORIGIN = re.compile(r"([0-9a-fA-F]{8})(?:/(.+))?", re.ASCII)
_RAW_KEY = re.compile(r"(?:0[2-7])?(?:[0-9a-fA-F]{64}){1,2}", re.ASCII)
# Wherever a word starts, so that a key in the wrong place is not quoted back either; but a checksum may spell "xprv". WIF has 51
# characters from 5 or 9, 52 from K, L or c.
_PRIVATE = re.compile(
    r"(?<![0-9A-Za-z#])(?:[A-Za-z]prv|(?:[59][1-9A-HJ-NP-Za-km-z]{50}|[KLc][1-9A-HJ-NP-Za-km-z]{51})(?![0-9A-Za-z]))",
    re.ASCII,
)


def refuse_private_keys(text: str) -> None:
    """Accept a descriptor text in which no private key stands. Nothing of the text is repeated.

    Looks only at where keys start and how they look, before the checksum is even computed: a secret in a text
    with a mistyped character is as exposed as one in a right text.

    Raises:
        Malformed: `private-key-in-public-data`.
    """
    if _PRIVATE.search(text):
        raise Malformed(
            "private-key-in-public-data",
            "the descriptor holds a private key; a wallet is registered with public keys only",
            remedy="If this text has left its safe place, move the coins: whoever saw it can spend them.",
        )


def parse_key(text: str, network: Network, where: str) -> DescriptorKey:
    """One key expression. `where` names it in errors: `key 2`.

    Raises:
        Malformed: `descriptor-key-form`, `descriptor-key-raw`, `descriptor-key-origin-missing`,
            `descriptor-key-origin-form`, `descriptor-single-path`, `descriptor-multipath`, and what
            `ExtendedPublicKey.parse` and `parse_path` raise.
        VerificationError: `descriptor-key-origin-mismatch`, `xpub-other-network`.
    """
    if "[" not in text:
        _refuse_raw(text, where)
        raise Malformed(
            "descriptor-key-origin-missing",
            f"{where} has no origin: it must begin with [fingerprint/path] of the master key that it comes from",
            remedy="Export the key with its origin; every signing device shows fingerprint and path beside the extended key.",
        )
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise Malformed("descriptor-key-form", f"{where} is not [fingerprint/path]xpub{_SUFFIX}")
    origin_text, key_text, derivation = match[1], match[2], match[3] or ""
    origin = _ORIGIN.fullmatch(origin_text)
    if origin is None:
        raise Malformed(
            "descriptor-key-origin-form",
            f"{where}: '[{safe(origin_text, 40)}]' is not eight hex digits and a path such as [d34db33f/84h/0h/0h]",
        )
    fingerprint, path = bytes.fromhex(origin[1]), parse_path(origin[2] or "")
    _refuse_raw(key_text, where)
    xpub = ExtendedPublicKey.parse(key_text, network, where)
    _check_derivation(derivation, where)
    _check_origin(fingerprint, path, xpub, where)
    return DescriptorKey(network, fingerprint, path, xpub)


def check_distinct(keys: Sequence[DescriptorKey]) -> None:
    """Accept keys none of which is, or derives, another: otherwise one holder counts as two (A031).

    Compared are the keys themselves (whatever origin they claim), their branches, and the first addresses,
    and, for relations further apart, the origins.

    Raises:
        VerificationError: `descriptor-key-duplicate`.
    """
    if len(keys) == 1:
        return
    owners: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        branches = [key.xpub.derive(branch) for branch in BRANCHES]
        family = {key.xpub.pubkey, *(branch.pubkey for branch in branches)}
        for children in map(ChildKeys, branches):
            family.update(children.pubkey(index) for index in range(COMPARED_INDEXES))
        for pubkey in family:
            other = owners.setdefault(pubkey, position)
            if other != position:
                raise _duplicate(other, position)
    for position, key in enumerate(keys):
        for other, ancestor in enumerate(keys):
            if other != position and _descends(key, ancestor):
                raise _duplicate(min(other, position), max(other, position))


def _descends(key: DescriptorKey, ancestor: DescriptorKey) -> bool:
    """Whether the origins say that `key` can be derived from `ancestor` in public."""
    steps = len(ancestor.origin)
    return (
        key.fingerprint == ancestor.fingerprint
        and key.origin[:steps] == ancestor.origin
        and all(step < HARDENED for step in key.origin[steps:])
    )


def _duplicate(first: int, second: int) -> VerificationError:
    return VerificationError(
        "descriptor-key-duplicate",
        f"keys {first + 1} and {second + 1} are one key, or one derives from the other: one holder would count twice",
        first=first + 1,
        second=second + 1,
    )


def _refuse_raw(text: str, where: str) -> None:
    if _RAW_KEY.fullmatch(text):
        raise Malformed(
            "descriptor-key-raw",
            f"{where} is a single public key; only extended keys are taken, which give every payment an address of its own",
        )


def _check_derivation(derivation: str, where: str) -> None:
    if derivation == _SUFFIX:
        return
    if "<" not in derivation and ">" not in derivation:
        raise Malformed(
            "descriptor-single-path",
            f"{where} names one branch ('{safe(derivation, 40)}'); a wallet needs receive and change in one descriptor",
            remedy=f"Put both branches into one text, ending every key in {_SUFFIX} (BIP 389), and compute its checksum anew.",
        )
    raise Malformed(
        "descriptor-multipath",
        f"{where} ends in '{safe(derivation, 40)}'; only {_SUFFIX} is taken, the same for every key",
        remedy="Use the account's extended key, whose branch 0 receives and whose branch 1 is change.",
    )


def _check_origin(fingerprint: bytes, path: tuple[int, ...], xpub: ExtendedPublicKey, where: str) -> None:
    """What the origin claims and what the extended key says of itself must be one story (BIP 380, BIP 32).

    A wrong origin loses no coins by itself, but it makes devices miss their own key, and a wallet that nobody
    can sign for holds coins for ransom.
    """
    if not any(fingerprint):
        problem = "the fingerprint 00000000 stands for 'unknown' (A023)"
    elif xpub.depth != len(path):
        problem = f"the path has {len(path)} steps, the extended key says {xpub.depth}"
    elif path and xpub.child_number != path[-1]:
        problem = "the last step of the path is not the child number of the extended key"
    elif len(path) == 1 and xpub.parent_fingerprint != fingerprint:
        problem = "the fingerprint is not that of the extended key's parent"
    elif not path and xpub.fingerprint() != fingerprint:
        problem = "the fingerprint is not that of the key itself, which claims to be the master key"
    else:
        return
    raise VerificationError(
        "descriptor-key-origin-mismatch",
        f"{where}: the origin does not fit the key: {problem}",
        remedy="Export fingerprint, path and extended key together from the signing device.",
    )
