"""Policies as people write them (TOML) and as they travel in one piece (a bundle of text and signatures)."""

from __future__ import annotations

import random

from falconer_shared.policy import bundle
from falconer_shared.policy.compile import compile_toml
from falconer_shared.policy.document import Policy
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt
from tests.support.policies import WALLET_ID, PolicyDraft, SshKey, signed
from tests.support.treasury import descriptor_of, stranger_address

MAX_LEN = 16_384


def seeds() -> dict[str, bytes]:
    key = {name: SshKey.of(name).public.text() for name in ("a", "b", "c", "d", "e")}
    toml = f"""version = 1
network = "regtest"
wallet = "{WALLET_ID}"
admin_quorum = 1
coordinator = "{key["e"]}"
mandatory_signers = ["vault"]

[admins]
ada = "{key["a"]} ada@home"
[approvers]
anna = "{key["b"]}"
bert = "{key["c"]}"
[groups]
desk = ["anna", "bert"]
[[approval_quorums]]
above_sats = 0
k = 1
group = "desk"
[[approval_quorums]]
above_sats = 500_000
k = 2
group = "desk"
[signers]
vault = "{key["d"]}"
[addresses]
exchange = "{stranger_address(1)}"
sister = "{descriptor_of("wpkh", seeds=(9,))}"
[rules]
human_approval_threshold_sats = 100_000
max_fee_percent = 3
allowed_destinations = ["exchange", "sister"]
allowed_hours_start = "09:30"
allowed_hours_end = "17:00"
allowed_timezone = "Europe/Berlin"
weekend_operations = false
max_fee_sats = "-"
"""
    text = PolicyDraft().text()
    return {
        "toml": toml.encode(),
        "bundle": bundle.join(signed(text, "admin-a", "admin-b")),
        "nested": b"a = " + b"[" * 200 + b"]" * 200,
        "tables": b"[a" + b".a" * 300 + b"]\n",
    }


def check(data: bytes) -> bool:
    parts = attempt(lambda: bundle.split(data))
    if parts is not None:
        assert bundle.join(parts) == data
        assert bundle.split(bundle.join(parts)) == parts
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return parts is not None
    compiled = attempt(lambda: compile_toml(text))
    if compiled is not None:
        assert Policy.parse(compiled.text) == compiled.policy
        assert compiled.policy.text == compiled.text
        assert compiled.policy.digest == compiled.digest
    return parts is not None or compiled is not None


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.lines(data, choose)
