"""Addresses of every network, and the encodings below them."""

from __future__ import annotations

import random

import wallycore

from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.encoding import base58, bech32
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.descriptors import xprv, xpub

MAX_LEN = 300
_WITNESS = {Network.MAINNET: "bc", Network.REGTEST: "bcrt"}
_SCRIPTS = (
    b"\0\x14" + bytes(20), b"\0\x20" + bytes(range(32)), b"\x51\x20" + bytes(range(32)),
    b"\x76\xa9\x14" + bytes(20) + b"\x88\xac",
    b"\xa9\x14" + bytes(20) + b"\x87", b"\x52\x02\x4e\x73", b"\x60\x28" + bytes(40),
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    found = {}
    for network in Network:
        for number, script in enumerate(_SCRIPTS):
            address = attempt(lambda script=script, network=network: address_of(script, network))
            if address is not None:
                found[f"{network.label} {number}"] = address.encode()
    found["upper"] = found["regtest 0"].upper()
    found["xpub"] = xpub(1).encode()
    found["xprv"] = xprv(1).encode()
    return found


def check(data: bytes) -> bool:
    # every character is a byte, so that none is lost on the way
    text = data.decode("latin-1")
    accepted = [network for network in Network if _check_address(text, network)]
    payload = attempt(lambda: base58.decode(text))
    if payload is not None:
        assert base58.encode(payload) == text
        assert base58.decode_check(base58.encode_check(payload[:100])) == payload[:100]
    checked = attempt(lambda: base58.decode_check(text))
    assert checked is None or base58.encode_check(checked) == text
    found = attempt(lambda: bech32.decode(text))
    if found is not None:
        assert bech32.encode(found.hrp, found.values, found.checksum) == text.lower()
        program = attempt(lambda: bech32.from_values(found.values))
        assert program is None or bech32.to_values(program) == found.values
    return bool(accepted) or payload is not None or found is not None


def _check_address(text: str, network: Network) -> bool:
    script = attempt(lambda: script_of(text, network))
    if script is None:
        return False
    written = address_of(script, network)
    assert written in {text, text.lower()}
    assert script_of(written, network) == script
    if script[0] in {0, *range(0x51, 0x61)} and network in _WITNESS and text.isascii():
        assert bytes(wallycore.addr_segwit_to_bytes(written, _WITNESS[network], 0)) == script
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    """Half of the changes put a right checksum behind a wrong content, which is where mistakes are made."""
    text = data.decode("latin-1")
    act = choose.randrange(4)
    if act == 0:
        payload = attempt(lambda: base58.decode_check(text))
        if payload is not None:
            return base58.encode_check(changes.raw(payload, choose)[:150]).encode()
    if act == 1:
        found = attempt(lambda: bech32.decode(text))
        if found is not None:
            values = bytes(value & 31 for value in changes.raw(found.values, choose))[:70]
            hrp = choose.choice((found.hrp, "bc", "tb", "bcrt", "a"))
            again = bech32.encode(hrp, values, choose.choice(list(bech32.Checksum)))
            return (again.upper() if choose.randrange(8) == 0 else again).encode()
    return changes.raw(data, choose)
