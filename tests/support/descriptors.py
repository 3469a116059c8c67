"""Key expressions for descriptor tests, made by embit: a valid one, from which each test makes one thing wrong."""

from __future__ import annotations

from embit.bip32 import HDKey
from embit.networks import NETWORKS

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import DescriptorKey, Node
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.keys import parse_key
from falconer_shared.descriptor.parse import parse_descriptor
from tests.support.treasury import MULTI_PATH, key_expression, root

TAIL = "/<0;1>/*"


def full_key(seed: int, path: str = MULTI_PATH) -> str:
    return key_expression(seed, path) + TAIL


def keys(count: int) -> tuple[DescriptorKey, ...]:
    return tuple(parse_key(full_key(seed), Network.REGTEST, f"key {seed + 1}") for seed in range(count))


def xpub(seed: int, path: str = "", version: str = "xpub", network: str = "regtest") -> str:
    """The extended public key of a test master key at `path`, under any version bytes embit knows."""
    key: HDKey = root(seed).derive("m/" + path) if path else root(seed)
    return str(key.to_public().to_base58(NETWORKS[network][version]))


def xprv(seed: int, network: str = "regtest", version: str = "xprv") -> str:
    return str(root(seed).to_base58(NETWORKS[network][version]))


def fingerprint(seed: int) -> str:
    return str(root(seed).my_fingerprint.hex())


def parse(body: str, network: Network = Network.REGTEST) -> Node:
    """Parse a body whose checksum is right, so that a refusal is about the body."""
    return parse_descriptor(with_checksum(body), network)
