"""Networks, kept apart by what their encodings start with."""

from __future__ import annotations

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed
from tests.support.refusal import refused

# Bitcoin Core src/kernel/chainparams.cpp: name, human-readable part, P2PKH, P2SH, extended public key
CORE = {
    "mainnet": ("main", "bc", 0, 5, "0488b21e", 0),
    "testnet4": ("testnet4", "tb", 111, 196, "043587cf", 1),
    "signet": ("signet", "tb", 111, 196, "043587cf", 1),
    "regtest": ("regtest", "bcrt", 111, 196, "043587cf", 1),
}


def test_parameters():
    assert {
        n.label: (n.core_name, n.hrp, n.p2pkh_version, n.p2sh_version, n.xpub_version.hex(), n.coin_type)
        for n in Network
    } == CORE


def test_no_network_is_an_alias_of_another():
    assert len(Network) == 4


@pytest.mark.parametrize("label", CORE)
def test_labels(label):
    assert Network.parse(label).label == label
    with refused("network-unknown", Malformed):
        Network.parse(label.upper())


@pytest.mark.parametrize("label", ["", "main", "testnet", "testnet3", "bitcoin", "regtest ", "\x1b[2J"])
def test_unknown_networks(label):
    with refused("network-unknown", Malformed):
        Network.parse(label)
