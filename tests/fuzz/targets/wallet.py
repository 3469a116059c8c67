"""Wallet files: what a file says becomes a registered wallet whose own file says the same."""

from __future__ import annotations

import random

from falconer_shared.bitcoin.network import Network
from falconer_shared.wallet.formats import read_descriptor_file
from falconer_shared.wallet.registration import RegisteredWallet
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.fuzz.targets import descriptor
from tests.support.treasury import FORMS, descriptor_of

MAX_LEN = 4_096


def seeds() -> dict[str, bytes]:
    found = {form: descriptor_of(form).encode() + b"\n" for form in FORMS}
    found["crlf"] = descriptor_of("wpkh").encode() + b"\r\n"
    found["mark"] = b"\xef\xbb\xbf" + descriptor_of("wpkh").encode()
    return found


def check(data: bytes) -> bool:
    text = attempt(lambda: read_descriptor_file(data))
    if text is None:
        return False
    assert data.startswith(text.encode())
    wallet = attempt(lambda: RegisteredWallet.register("fuzzed", Network.REGTEST, text))
    if wallet is None:
        return False
    again = RegisteredWallet.register(
        "fuzzed", Network.REGTEST, read_descriptor_file(wallet.descriptor_text.encode())
    )
    assert again.wallet_id == wallet.wallet_id
    stored = RegisteredWallet.restore("fuzzed", Network.REGTEST, wallet.canonical, wallet.gap_limit)
    assert stored.wallet_id == wallet.wallet_id
    assert stored.address(1, 3) == wallet.address(1, 3)
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    if choose.randrange(2):
        body = attempt(
            lambda: descriptor.with_checksum(descriptor.mutate(data.strip(), choose).decode("latin-1"))
        )
        if body is not None:
            return body.encode() + choose.choice((b"", b"\n", b"\r\n", b" ", b"\n\n"))
    return changes.raw(data, choose)
