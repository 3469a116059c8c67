"""Files and texts that a coordinator takes from people and wallets: batches, labels, payment URIs, old settings, policy cases."""

from __future__ import annotations

import random

from falconer_online import batch, bip21, cases, env_file, labels
from falconer_online.paying import AddressBook
from falconer_shared.bitcoin.network import Network
from falconer_shared.units import MAX_MONEY
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.treasury import stranger_address

MAX_LEN = 8_192
_NETWORK = Network.REGTEST
_BOOK = AddressBook(_NETWORK)


def seeds() -> dict[str, bytes]:
    one, two, tx = stranger_address(1), stranger_address(2), "ab" * 32
    return {
        "batch": f'address,sats,label\n{one},1000,"rent, May"\n{two},2500,\n'.encode(),
        "batch of two columns": f"{one},1\r\n{two},2100000000000000\r\n".encode(),
        "labels": (
            f'{{"type":"addr","ref":"{one}","label":"caf\\u00e9"}}\n{{"type":"tx","ref":"{tx}","label":"","origin":"wpkh([d]"}}\n'
            f'{{"type":"output","ref":"{tx}:1","spendable":false}}\n{{"type":"new","ref":"x"}}\n'
        ).encode(),
        "uri": f"bitcoin:{one}?amount=0.001&label=caf%C3%A9&message=a%26b&future=1".encode(),
        "upper uri": f"BITCOIN:{one.upper()}?AMOUNT=1".encode(),
        "required": f"bitcoin:{one}?amount=1&req-new=1".encode(),
        "settings": b'# old\nMAX_SINGLE_TX_SATS=100000\nexport MAX_FEE_SATS="5000"\nALLOWED_TIMEZONE=\'Europe/Berlin\'\nODD=\n',
        "cases": b'[[cases]]\nname = "rent"\nnow = "2027-01-15T08:00:00Z"\nexpect = "pass"\n',
    }  # fmt: skip


def check(data: bytes) -> bool:
    lines = attempt(lambda: batch.parse(data, _BOOK))
    if lines is not None:
        assert len({line.payee.script for line in lines}) == len(lines)
        assert all(0 < line.payee.amount <= MAX_MONEY and line.payee.address.isascii() for line in lines)
    taken = lines is not None
    read = attempt(lambda: labels.read(data, _NETWORK))
    if read is not None:
        written = labels.write(read[0])
        assert written.isascii()
        assert labels.read(written, _NETWORK) == (read[0], 0)
        taken = taken or bool(read[0])
    uri = attempt(lambda: bip21.parse(data.decode("latin-1"), _BOOK))
    assert uri is None or 0 < uri.payee.amount <= MAX_MONEY
    settings = attempt(lambda: env_file.read(data))
    if settings is not None:
        attempt(lambda: env_file.rules_of(settings, _NETWORK))
        attempt(lambda: env_file.settings_of(settings))
    attempt(lambda: cases.read_table(data))
    return taken or uri is not None or bool(settings)


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.lines(data, choose)
