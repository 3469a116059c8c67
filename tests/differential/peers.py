"""What libwally (`wallycore`) and rust-bitcoin (`bdkpython`) make of bytes and texts, in terms that can be compared with ours.

`None` or a sentence stands for "refused"; whatever else an extension module raises is let through, and is a finding.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache

import bdkpython as bdk
import wallycore as wally

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError
from falconer_shared.psbt.parse import UntrustedPsbt

Refused = str
"""Why one of them refuses, in its own words."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why we refuse."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """One party's reading of a PSBT: what it writes again, and its unsigned transaction without witness."""

    again: bytes
    unsigned: bytes


def ours(data: bytes) -> UntrustedPsbt | Refusal:
    """Our parser, previous transactions included: they are parsed when they are asked for."""
    try:
        psbt = UntrustedPsbt.parse(data)
        for view in psbt.inputs:
            view.non_witness_utxo  # noqa: B018
            view.witness_utxo  # noqa: B018
    except FalconerError as refusal:
        return Refusal(refusal.rule, refusal.message)
    return psbt


def libwally(data: bytes) -> Parsed | Refused:
    try:
        psbt = wally.psbt_from_bytes(data, wally.WALLY_PSBT_PARSE_FLAG_STRICT)
        again = bytes(wally.psbt_to_bytes(psbt, wally.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
        unsigned = wally.psbt_extract(psbt, wally.WALLY_PSBT_EXTRACT_NON_FINAL)
        return Parsed(again, bytes(wally.tx_to_bytes(unsigned, 0)))
    except ValueError as refusal:
        return f"libwally: {refusal}"


def rust(data: bytes) -> Parsed | Refused:
    """Version 0 alone: rust-bitcoin 0.32 knows no other."""
    try:
        psbt = bdk.Psbt(base64.b64encode(data).decode())
    except bdk.PsbtParseError as refusal:
        return repr(refusal)
    again = base64.b64decode(psbt.serialize())
    # the unsigned transaction is the first field of the global map that it writes
    return Parsed(again, b"")


def wally_transaction(data: bytes) -> tuple[bytes, bytes, bytes, int] | Refused:
    """(written again, txid, wtxid, weight)."""
    try:
        tx = wally.tx_from_bytes(data, wally.WALLY_TX_FLAG_USE_WITNESS)
        again = bytes(wally.tx_to_bytes(tx, wally.WALLY_TX_FLAG_USE_WITNESS))
        stripped = bytes(wally.tx_to_bytes(tx, 0))
        return again, bytes(wally.sha256d(stripped)), bytes(wally.sha256d(again)), wally.tx_get_weight(tx)
    except ValueError as refusal:
        return f"libwally: {refusal}"


def rust_transaction(data: bytes) -> tuple[bytes, bytes, bytes, int] | Refused:
    try:
        tx = bdk.Transaction(data)
    except bdk.TransactionError as refusal:
        return repr(refusal)
    again = bytes(tx.serialize())
    txid, wtxid = (bytes(each.serialize()) for each in (tx.compute_txid(), tx.compute_wtxid()))
    return again, txid, wtxid, tx.weight()


_WALLY_NETWORKS = {
    Network.MAINNET: (wally.WALLY_NETWORK_BITCOIN_MAINNET, "bc"),
    Network.TESTNET4: (wally.WALLY_NETWORK_BITCOIN_TESTNET, "tb"),
    Network.SIGNET: (wally.WALLY_NETWORK_BITCOIN_TESTNET, "tb"),
    Network.REGTEST: (wally.WALLY_NETWORK_BITCOIN_REGTEST, "bcrt"),
}

_RUST_NETWORKS = {
    Network.MAINNET: bdk.Network.BITCOIN,
    Network.TESTNET4: bdk.Network.TESTNET4,
    Network.SIGNET: bdk.Network.SIGNET,
    Network.REGTEST: bdk.Network.REGTEST,
}


def wally_address(address: str, network: Network) -> bytes | Refused:
    """The output script of an address."""
    number, prefix = _WALLY_NETWORKS[network]
    for read in (
        lambda: wally.addr_segwit_to_bytes(address, prefix, 0),
        lambda: wally.address_to_scriptpubkey(address, number),
    ):
        try:
            return bytes(read())
        except ValueError:
            continue
    return "libwally: no address"


def rust_address(address: str, network: Network) -> bytes | Refused:
    try:
        return bytes(bdk.Address(address, _RUST_NETWORKS[network]).script_pubkey().to_bytes())
    except bdk.AddressParseError as refusal:
        return repr(refusal)


@lru_cache(maxsize=512)
def _wally_descriptor(text: str, number: int) -> object:
    return wally.descriptor_parse(text, None, number, 0)


def wally_script(text: str, network: Network, branch: int, index: int) -> bytes | Refused:
    """The output script of a descriptor at a place."""
    try:
        parsed = _wally_descriptor(text, _WALLY_NETWORKS[network][0])
        return bytes(wally.descriptor_to_script(parsed, 0, 0, 0, branch, index, 0))
    except ValueError as refusal:
        return f"libwally: {refusal}"


@lru_cache(maxsize=512)
def _rust_descriptors(text: str, main: bool) -> list[bdk.Descriptor]:
    return bdk.Descriptor(
        text, bdk.NetworkKind.MAIN if main else bdk.NetworkKind.TEST
    ).to_single_descriptors()


def rust_script(text: str, network: Network, branch: int, index: int) -> bytes | Refused:
    try:
        single = _rust_descriptors(text, network is Network.MAINNET)[branch]
        address = single.derive_address(index, _RUST_NETWORKS[network])
    except (bdk.DescriptorError, bdk.MiniscriptError) as refusal:
        return repr(refusal)
    except IndexError:
        return "rust-miniscript: one branch alone"
    return bytes(address.script_pubkey().to_bytes())


def wally_xpub(text: str) -> object | Refused:
    """libwally's key of an xpub, to derive from."""
    try:
        return wally.bip32_key_from_base58(text)
    except ValueError as refusal:
        return f"libwally: {refusal}"


def rust_xpub(text: str) -> bdk.DescriptorPublicKey | Refused:
    try:
        return bdk.DescriptorPublicKey.from_string(text)
    except bdk.DescriptorKeyError as refusal:
        return repr(refusal)
