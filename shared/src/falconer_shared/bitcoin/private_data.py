"""Private keys recognised where public data must stand, in order to refuse them (A039).

The refusal repeats nothing of what it saw: it ends up on screens and in logs.
"""

from __future__ import annotations

from falconer_shared.errors import Malformed

EXTENDED_KEY_SIZE = 78
"""Bytes of a BIP 32 key: version 4, depth 1, fingerprint 4, child number 4, chain code 32, key 33."""

_KEY_PART = 45
_EXTENDED_VERSIONS = frozenset(
    bytes.fromhex(version)
    for version in (
        *("0488ade4", "04358394"),  # xprv, tprv
        *("049d7878", "04b2430c", "0295b005", "02aa7a99"),  # SLIP 132: yprv, zprv, Yprv, Zprv
        *("044a4e28", "045f18bc", "024285b5", "02575048"),  # SLIP 132: uprv, vprv, Uprv, Vprv
    )
)
_WIF_VERSIONS = (0x80, 0xEF)


def refuse_private_key(payload: bytes, where: str) -> None:
    """Accept a Base58Check payload that is neither an extended private key nor a key in wallet import format.

    Raises:
        Malformed: `private-key-in-public-data`.
    """
    extended = payload[:4] in _EXTENDED_VERSIONS
    # a public key starts with 02 or 03; zero there means 32 secret bytes under a public version
    mislabelled = len(payload) == EXTENDED_KEY_SIZE and payload[_KEY_PART] == 0
    imported = len(payload) in (33, 34) and payload[0] in _WIF_VERSIONS
    if extended or mislabelled or imported:
        raise Malformed(
            "private-key-in-public-data",
            f"{where}: a private key stands where public data must stand",
            remedy="If this text has left its safe place, move the coins: whoever saw it can spend them.",
        )
