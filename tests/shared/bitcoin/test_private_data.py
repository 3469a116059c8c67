"""Private keys in the wrong place: recognised, refused, never repeated."""

from __future__ import annotations

import json

import pytest

from falconer_shared.bitcoin.private_data import EXTENDED_KEY_SIZE, refuse_private_key
from falconer_shared.encoding import base58
from falconer_shared.errors import Malformed
from tests.support.refusal import refused

SECRET = bytes(range(100, 132))
# SLIP 132 and BIP 32, the names that the text begins with
PRIVATE = [
    "0488ade4",
    "04358394",
    "049d7878",
    "04b2430c",
    "0295b005",
    "02aa7a99",
    "044a4e28",
    "045f18bc",
    "024285b5",
    "02575048",
]
PREFIXES = ["xprv", "tprv", "yprv", "zprv", "Yprv", "Zprv", "uprv", "vprv", "Uprv", "Vprv"]
PUBLIC_KEY = b"\2" + SECRET


def extended(version: str, key: bytes) -> bytes:
    return bytes.fromhex(version) + bytes(41) + key


@pytest.mark.parametrize(("version", "prefix"), list(zip(PRIVATE, PREFIXES, strict=True)))
def test_extended_private_keys(version, prefix):
    payload = extended(version, b"\0" + SECRET)
    assert base58.encode_check(payload).startswith(prefix)
    for data in (payload, payload[:40], extended(version, PUBLIC_KEY)):
        with refused("private-key-in-public-data", Malformed):
            refuse_private_key(data, "key")


@pytest.mark.parametrize(
    "payload", [b"\x80" + SECRET, b"\xef" + SECRET, b"\x80" + SECRET + b"\1", b"\xef" + SECRET + b"\1"]
)
def test_wallet_import_format(payload):
    with refused("private-key-in-public-data", Malformed) as caught:
        refuse_private_key(payload, "key")
    shown = json.dumps(caught.value.as_json())
    text = base58.encode_check(payload)
    assert not any(text[i : i + 5] in shown for i in range(len(text) - 5))
    assert SECRET.hex()[:10] not in shown


def test_a_private_key_under_a_public_version():
    assert len(extended("0488b21e", PUBLIC_KEY)) == EXTENDED_KEY_SIZE
    with refused("private-key-in-public-data"):
        refuse_private_key(extended("0488b21e", b"\0" + SECRET), "key")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x80",
        b"\0" + bytes(20),
        b"\xef" + bytes(20),
        extended("0488b21e", PUBLIC_KEY),
        extended("04b24746", PUBLIC_KEY),
    ],
)
def test_public_data_pass(payload):
    refuse_private_key(payload, "key")
