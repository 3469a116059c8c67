"""The four networks, kept apart by construction: every wallet, policy, intent and request names one (A094)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from falconer_shared.errors import Malformed
from falconer_shared.text import safe


@dataclass(frozen=True, slots=True)
class _Parameters:
    core_name: str
    hrp: str
    p2pkh: int
    p2sh: int
    xpub: bytes
    coin_type: int


class Network(enum.Enum):
    """A Bitcoin network and what its encodings start with."""

    MAINNET = _Parameters("main", "bc", 0x00, 0x05, bytes.fromhex("0488b21e"), 0)
    TESTNET4 = _Parameters("testnet4", "tb", 0x6F, 0xC4, bytes.fromhex("043587cf"), 1)
    SIGNET = _Parameters("signet", "tb", 0x6F, 0xC4, bytes.fromhex("043587cf"), 1)
    REGTEST = _Parameters("regtest", "bcrt", 0x6F, 0xC4, bytes.fromhex("043587cf"), 1)

    @property
    def label(self) -> str:
        """The spelling in canonical texts and on screen: mainnet, testnet4, signet, regtest."""
        return self.name.lower()

    @property
    def core_name(self) -> str:
        """What a node calls it in `getblockchaininfo`."""
        return self.value.core_name

    @property
    def hrp(self) -> str:
        """BIP 173 human-readable part."""
        return self.value.hrp

    @property
    def p2pkh_version(self) -> int:
        """Base58check version byte of P2PKH addresses."""
        return self.value.p2pkh

    @property
    def p2sh_version(self) -> int:
        """Base58check version byte of P2SH addresses."""
        return self.value.p2sh

    @property
    def xpub_version(self) -> bytes:
        """BIP 32 version bytes of public keys; SLIP 132 variants are refused (A042)."""
        return self.value.xpub

    @property
    def coin_type(self) -> int:
        """BIP 44 coin type: 0 on mainnet, 1 elsewhere."""
        return self.value.coin_type

    @classmethod
    def parse(cls, text: str) -> Network:
        """The network of that label.

        Raises:
            Malformed: `network-unknown`.
        """
        for network in cls:
            if network.label == text:
                return network
        raise Malformed(
            "network-unknown", f"'{safe(text, 30)}' is none of mainnet, testnet4, signet, regtest"
        )
