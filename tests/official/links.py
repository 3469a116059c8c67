"""What people paste and exchange: payment links (BIP 21) and labels (BIP 329)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from falconer_online import bip21, labels
from falconer_online.paying import AddressBook
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import p2pkh
from falconer_shared.units import COIN
from tests.official.cases import Case, Part, bad, good, same

BOOK = AddressBook(Network.MAINNET, (), frozenset())
ADDRESS = address_of(p2pkh(bytes(range(20))), Network.MAINNET)


def uris(folder: Path) -> Iterator[Case]:
    """As they stand, and with an address that is one: the BIP's example fails its own checksum (libwally says so too)."""
    for number, text in enumerate(json.loads((folder / "json/bip21_examples.json").read_text())):
        sorter = bad if "req-" in text else good
        yield sorter(f"{number} as it stands", functools.partial(_uri, text))
        payable = re.sub(r"(?<=:)[^?]+", ADDRESS, text)
        yield sorter(f"{number} with a valid address", functools.partial(_uri, payable))


def _uri(text: str) -> None:
    found = bip21.parse(text, BOOK)
    same(found.payee.address, re.split("[:?]", text)[1])
    stated = re.search(r"amount=([0-9]+)\.?([0-9]*)", text)
    if stated:
        same(int(found.payee.amount), int(stated[1]) * COIN + int(stated[2].ljust(8, "0") or 0))
    same(found.label, "Luke-Jr" if "label=" in text else "")


def label_lines(folder: Path) -> Iterator[Case]:
    """The BIP's one file: each line alone, and all of it."""
    (whole,) = json.loads((folder / "json/bip329_blocks.json").read_text())["pre_blocks"]
    for number, line in enumerate(whole.splitlines()):
        yield good(f"line {number}", functools.partial(_label, line))
    yield good("the file", functools.partial(labels.read, whole.encode(), Network.MAINNET))


def _label(line: str) -> None:
    """Kept as it is; a type that we do not know is passed over, as the BIP asks."""
    stated = json.loads(line)
    rows, passed_over = labels.read(line.encode(), Network.MAINNET)
    same(passed_over, int(stated["type"] not in labels.TYPES))
    for row in rows:
        kept = (row.type, row.ref, row.label, row.origin, row.spendable)
        same(kept, tuple(stated.get(name) for name in ("type", "ref", "label", "origin", "spendable")))


PARTS = (
    Part(
        "json/bip21_examples.json",
        "links",
        uris,
        {
            "base58-checksum": "the BIP's example address fails its own checksum",
            "uri-amount": "a link without an amount: what is proposed names one, and nobody is asked to fill it in",
        },
    ),
    Part("json/bip329_blocks.json", "labels", label_lines),
)
