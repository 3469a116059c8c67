"""Messages of the UR registry: the first byte chooses the type. What is read is written in one way, and read so again."""

from __future__ import annotations

import random
from functools import cache

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.parse import parse_descriptor
from falconer_shared.errors import Malformed
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.registry.types import TYPES
from tests.fuzz.target import attempt
from tests.fuzz.targets import cbor
from tests.support.frames import psbt
from tests.support.treasury import FORMS, descriptor_of

MAX_LEN = 4_096
_NAMES = tuple(sorted(TYPES))


@cache
def _payloads() -> tuple[bytes, ...]:
    wallets = tuple(descriptor_of(form).partition("#")[0].encode() for form in FORMS)
    accounts = tuple(b"\n".join(wallets[at : at + 2]) for at in (1, 2))
    keys = tuple(wallet.partition(b"(")[2].partition(b"/<")[0] for wallet in wallets[:1])
    return (psbt(60), b"bytes", *wallets, *accounts, *keys)


def seeds() -> dict[str, bytes]:
    found = {}
    for number, name in enumerate(_NAMES):
        for payload in _payloads():
            try:
                message = TYPES[name].wrap(payload)
            except (ValueError, Malformed):
                continue
            found[f"{name} {len(found)}"] = bytes((number,)) + message
    return found


def check(data: bytes) -> bool:
    kind = TYPES[_NAMES[data[0] % len(_NAMES)]] if data else TYPES["bytes"]
    received = attempt(lambda: kind.unwrap(data[1:]))
    if received is None:
        return False
    if received.kind is Kind.DESCRIPTOR:
        text = received.data.decode("ascii")
        # whatever it says, what judges it is the one reader of descriptors
        attempt(lambda: parse_descriptor(text if "#" in text else with_checksum(text), Network.REGTEST))
    try:
        message = kind.wrap(received.data, received.label)
    except (ValueError, Malformed):
        # read and not written: a name or a form that is taken from others and never sent
        return True
    again = kind.unwrap(message)
    assert (again.kind, again.data, again.label) == (received.kind, received.data, received.label)
    assert kind.wrap(again.data, again.label) == message
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    if choose.randrange(10) == 0:
        return bytes((choose.randrange(len(_NAMES)),)) + data[1:]
    return data[:1] + cbor.mutate(data[1:], choose)
