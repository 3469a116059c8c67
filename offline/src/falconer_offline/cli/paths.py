"""Derivation paths that a person types."""

from __future__ import annotations

from falconer_shared.bitcoin.bip32 import HARDENED, format_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import VerificationError

PURPOSES_WITH_COIN_TYPE = frozenset({44, 48, 49, 84, 86, 87})
"""First steps of BIP 44 style paths, whose second step names the coin."""


def check_coin_type(path: tuple[int, ...], network: Network) -> None:
    """Accept a path whose second step, where it names a coin, names this network's.

    Raises:
        VerificationError: `path-coin-type`.
    """
    if (
        len(path) > 1
        and path[0] - HARDENED in PURPOSES_WITH_COIN_TYPE
        and path[1] != HARDENED + network.coin_type
    ):
        raise VerificationError(
            "path-coin-type",
            f"{format_path(path)} is not a path of {network.label}: its second step must be {network.coin_type}h",
            remedy=f"write {format_path((path[0], HARDENED + network.coin_type, *path[2:]))}",
        )
