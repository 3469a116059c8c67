"""Addresses: one text for one script on one network, both ways.

Base58Check for P2PKH and P2SH, Bech32 for witness version 0 (BIP 173), Bech32m for versions 1 to 16 (BIP 350).
An address of another network is refused by name (A094); scripts are compared as bytes, never addresses as text (A131).
"""

from __future__ import annotations

from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.private_data import refuse_private_key
from falconer_shared.bitcoin.script import OP_1, ScriptType, classify, p2pkh, p2sh, push, witness_program
from falconer_shared.encoding import base58, bech32
from falconer_shared.encoding.bech32 import Checksum
from falconer_shared.errors import Malformed, VerificationError

MAX_ADDRESS = bech32.MAX_BECH32
"""Characters of the longest address."""


def address_of(script: bytes, network: Network) -> str:
    """The address of an output script.

    Raises:
        VerificationError: `script-has-no-address`.
    """
    program = witness_program(script)
    kind = classify(script)
    if program is not None and kind is not ScriptType.UNKNOWN:
        version, data = program
        checksum = Checksum.BECH32 if version == 0 else Checksum.BECH32M
        return bech32.encode(network.hrp, bytes((version,)) + bech32.to_values(data), checksum)
    if kind is ScriptType.P2PKH:
        return base58.encode_check(bytes((network.p2pkh_version,)) + script[3:23])
    if kind is ScriptType.P2SH:
        return base58.encode_check(bytes((network.p2sh_version,)) + script[2:22])
    raise VerificationError(
        "script-has-no-address", f"a script of {len(script)} bytes ({kind.value}) has no address"
    )


def script_of(address: str, network: Network) -> bytes:
    """The output script of an address of this network.

    Raises:
        Malformed: `address-malformed`, `private-key-in-public-data`, and what Base58 and Bech32 raise.
        VerificationError: `address-other-network`.
    """
    if not 0 < len(address) <= MAX_ADDRESS:
        raise Malformed(
            "address-malformed", f"an address has 1 to {MAX_ADDRESS} characters, not {len(address)}"
        )
    if _looks_like_bech32(address):
        return _witness_script(address, network)
    payload = base58.decode_check(address, "address")
    refuse_private_key(payload, "address")
    if len(payload) != 21:
        raise Malformed("address-malformed", f"an address holds 21 bytes, this text holds {len(payload)}")
    version, digest = payload[0], payload[1:]
    if version == network.p2pkh_version:
        return p2pkh(digest)
    if version == network.p2sh_version:
        return p2sh(digest)
    raise _elsewhere([n for n in Network if version in (n.p2pkh_version, n.p2sh_version)], network)


def _looks_like_bech32(address: str) -> bool:
    """Whether a text wants to be a segwit address: by a first part that we know, or by characters that Base58 lacks."""
    lower = address.lower()
    return any(lower.startswith(n.hrp + "1") for n in Network) or "0" in address or "l" in address


def _witness_script(address: str, network: Network) -> bytes:
    decoded = bech32.decode(address, "address")
    if decoded.hrp != network.hrp:
        raise _elsewhere([n for n in Network if n.hrp == decoded.hrp], network)
    if not decoded.values or decoded.values[0] > 16:
        raise Malformed("address-malformed", "a segwit address without a witness version from 0 to 16")
    version = decoded.values[0]
    program = bech32.from_values(decoded.values[1:], "address")
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        raise Malformed(
            "address-malformed", f"a witness program of version {version} cannot have {len(program)} bytes"
        )
    wanted = Checksum.BECH32 if version == 0 else Checksum.BECH32M
    if decoded.checksum is not wanted:
        # BIP 350: with the other checksum an inserted or lost 'q' before a final 'p' would go unseen
        raise Malformed(
            "address-malformed",
            f"witness version {version} takes {wanted.name.lower()}, and this is the other one",
        )
    return bytes((0 if version == 0 else OP_1 - 1 + version,)) + push(program)


def _elsewhere(others: list[Network], network: Network) -> Malformed | VerificationError:
    if others:
        return VerificationError(
            "address-other-network",
            f"the address belongs to {' or '.join(n.label for n in others)}, not to {network.label}",
        )
    return Malformed("address-malformed", f"not a Bitcoin address of {network.label} or any other network")
