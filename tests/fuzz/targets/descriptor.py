"""Descriptors with and without their checksum: one canonical spelling, and the scripts of libwally."""

from __future__ import annotations

import random
from functools import cache

import wallycore

from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import Node, worst_case_weight
from falconer_shared.descriptor.checksum import descriptor_checksum, with_checksum
from falconer_shared.descriptor.parse import parse_canonical, parse_descriptor
from falconer_shared.wallet.registration import RegisteredWallet
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.treasury import FORMS, descriptor_of

MAX_LEN = 4_096
_REGTEST = 0xFF
_WALLY_KEYS = 15


def seeds() -> dict[str, bytes]:
    found = {form: descriptor_of(form).encode() for form in FORMS}
    found["multi"] = descriptor_of("wsh", 1, (4, 5), "multi").encode()
    found["body"] = found["wsh"].split(b"#")[0]
    found["elsewhere"] = b"wsh(and_v(v:pk(A),or_d(pk(B),older(144))))"
    found["deep"] = b"sh(" * 40 + b")" * 40
    found["braces"] = b"tr(A,{pk(B),{pk(C),pk(D)}})"
    return found


def check(data: bytes) -> bool:
    text = data.decode("latin-1")
    if "#" not in text:
        whole = attempt(lambda: with_checksum(text))
        if whole is None:
            assert attempt(lambda: parse_descriptor(text, Network.REGTEST)) is None
            return False
        assert whole[:-9] == text
        text = whole
    node = attempt(lambda: parse_descriptor(text, Network.REGTEST))
    attempt(lambda: parse_descriptor(text, Network.MAINNET))
    if node is None:
        return False
    _check_node(node, text)
    return True


def _check_node(node: Node, text: str) -> None:
    canonical = node.text()
    assert parse_canonical(canonical, Network.REGTEST) == node
    again = parse_descriptor(with_checksum(canonical), Network.REGTEST)
    assert again == node
    assert again.text() == canonical
    # whatever the text that was read says, it says no more than the canonical one: only case and hardened marks may differ
    assert canonical.replace("'", "h").lower() == text.partition("#")[0].replace("'", "h").lower()
    assert text.endswith("#" + descriptor_checksum(text.partition("#")[0]))
    assert worst_case_weight(node, 100, 1) > 400
    assert node.summary().isascii()
    wallet = attempt(lambda: RegisteredWallet.register("fuzzed", Network.REGTEST, text))
    if wallet is not None and len(node.keys) <= _WALLY_KEYS:
        parsed = wallycore.descriptor_parse(with_checksum(canonical), None, _REGTEST, 0)
        for branch, index in ((0, 0), (1, 7)):
            script = node.script(branch, index).script_pubkey
            assert wallycore.descriptor_to_address(parsed, 0, branch, index, 0) == address_of(
                script, Network.REGTEST
            )


@cache
def _parts() -> tuple[str, ...]:
    keys = [
        piece
        for form in FORMS
        for piece in descriptor_of(form).partition("#")[0].replace(")", "").replace("(", ",").split(",")
    ]
    return (
        *sorted(set(keys)), "sh(", "wsh(", "wpkh(", "tr(", "multi(2,", "sortedmulti(0,", "pk(", ")", "{", "}", ",", "/<0;1>/*",
        "/<1;0>/*", "/*", "/0/*", "h", "'", "/2147483648", "[00000000]", "16", "21",
    )  # fmt: skip


def mutate(data: bytes, choose: random.Random) -> bytes:
    text = data.decode("latin-1").partition("#")[0]
    for _ in range(choose.choice((1, 1, 2))):
        at = choose.randrange(len(text) + 1)
        act = choose.randrange(4)
        if act == 0:
            text = text[:at] + choose.choice(_parts()) + text[at:]
        elif act == 1:
            pieces = text.split(",")
            pieces[choose.randrange(len(pieces))] = choose.choice(_parts())
            text = ",".join(pieces)
        elif act == 2:
            outer = choose.choice(("sh", "wsh", "wpkh", "pkh", "tr", "multi"))
            text = f"{outer}({text})"
        else:
            text = changes.raw(text.encode("latin-1"), choose).decode("latin-1")
    return text.encode("latin-1")
