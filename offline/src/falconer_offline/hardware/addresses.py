"""Addresses on two screens: devices know one test network, whose addresses begin with tb1."""

from __future__ import annotations

from falconer_offline.hardware.signer import AddressAt
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError
from falconer_shared.wallet.registration import RegisteredWallet


def place(registered: RegisteredWallet, branch: int, index: int) -> AddressAt:
    """One place of a wallet, as a device is asked for it."""
    return AddressAt(registered.canonical.replace("/<0;1>/*", f"/{branch}/{index}"))


def spelled(registered: RegisteredWallet, branch: int, index: int) -> str:
    """Our address as devices spell it: they know one test network, whose addresses begin with tb1."""
    network = registered.network
    spelling = network if network is Network.MAINNET else Network.TESTNET4
    return address_of(registered.scripts(branch, index).script_pubkey, spelling)


def script_shown(text: str, network: Network) -> bytes | None:
    """The script of an address that a device gave, in the spelling of this network or of the one test network; or None."""
    spellings = [network] if network is Network.MAINNET else [Network.TESTNET4, Network.REGTEST]
    for spelling in spellings:
        try:
            return script_of(text, spelling)
        except FalconerError:
            continue
    return None
