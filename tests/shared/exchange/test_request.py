"""The request's one spelling."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import ReceiptMark
from falconer_shared.exchange.request import MAX_REQUEST_BYTES, NAMESPACE, SigningRequest, sign_request
from falconer_shared.policy.parts import MAX_SIGNERS
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.values import RULES
from tests.shared.exchange.conftest import NOW
from tests.support.refusal import refused
from tests.support.ssh_keygen import accepts

COORDINATOR = "SHA256:" + "A" * 43

PLAIN = SigningRequest(
    id="rent-1", created=NOW, network=Network.REGTEST, wallet_id="11" * 32, unsigned_hash="22" * 32,
    intent_digest="33" * 32, policy_version=3, policy_digest="44" * 32, coordinator=COORDINATOR, audit_size=12,
    audit_root="55" * 32, receipts=(ReceiptMark("vault-1", 7, "66" * 32), ReceiptMark("vault-2", 0, None)),
    rules=(RuleLine("max_fee_sats", Outcome.PASS, "1000", "5000"), RuleLine("min_confirmations", Outcome.UNSEEN, None, "2")),
)  # fmt: skip

TEXT = (
    "falconer-request 1\n"
    "id rent-1\n"
    "created 2023-11-14T22:13:20Z\n"
    "network regtest\n"
    f"wallet {'11' * 32}\n"
    f"unsigned {'22' * 32}\n"
    f"intent {'33' * 32}\n"
    f"policy 3 {'44' * 32}\n"
    f"coordinator {COORDINATOR}\n"
    f"audit 12 {'55' * 32}\n"
    f"receipt vault-1 7 {'66' * 32}\n"
    "receipt vault-2 0 -\n"
    "rule max_fee_sats pass 1000 5000\n"
    "rule min_confirmations unseen - 2\n"
)


def test_is_spelt_as_documented():
    assert PLAIN.text.decode() == TEXT
    assert SigningRequest.parse(TEXT.encode()) == PLAIN
    assert PLAIN.digest == hashlib.sha256(TEXT.encode()).hexdigest()


def test_marks_are_found_by_name():
    assert PLAIN.mark("vault-1") == ReceiptMark("vault-1", 7, "66" * 32)
    assert PLAIN.mark("vault-9") == ReceiptMark("vault-9", 0, None)


@pytest.mark.parametrize("number", range(14))
def test_every_line_must_be_there_once_and_in_its_place(number):
    whole = TEXT.splitlines(keepends=True)
    changes = ["".join([*whole[: number + 1], whole[number], *whole[number + 1 :]])]
    if number < 10:
        changes.append("".join(whole[:number] + whole[number + 1 :]))
    if number:
        changes.append(
            "".join([*whole[: number - 1], whole[number], whole[number - 1], *whole[number + 1 :]])
        )
    for text in changes:
        with refused("request-malformed", Malformed):
            SigningRequest.parse(text.encode())


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("falconer-request 1", "falconer-request 2", "request-malformed"),
        ("id rent-1", "id Rent", "request-malformed"),
        ("created 2023", "created 23", "request-malformed"),
        ("network regtest", "network test", "network-unknown"),
        ("11\n", "1\n", "request-malformed"),
        ("22\n", "2G\n", "request-malformed"),
        ("33\n", "3333\n", "request-malformed"),
        ("policy 3", "policy 0", "request-malformed"),
        ("44\n", "4\n", "request-malformed"),
        ("SHA256:A", "SHA256:", "ssh-key-malformed"),
        ("SHA256:A", "MD5:A", "ssh-key-malformed"),
        ("audit 12", "audit -1", "request-malformed"),
        ("55\n", "5\n", "request-malformed"),
        ("vault-1 7", "vault-1 0", "request-malformed"),
        ("vault-2 0 -", "vault-2 1 -", "request-malformed"),
        ("vault-2 0 -", f"vault-2 0 {'66' * 32}", "request-malformed"),
        ("vault-2 0 -", "vault-1 0 -", "request-malformed"),
        ("vault-2 0 -", "vault-0 0 -", "request-malformed"),
        ("vault-2 0 -", "Vault 0 -", "request-malformed"),
        ("vault-2 0 -", "vault-2 0", "request-malformed"),
        (
            "receipt vault-2 0 -\n",
            "".join(f"receipt w{n:02d} 0 -\n" for n in range(MAX_SIGNERS)),
            "request-malformed",
        ),
        ("pass 1000", "passed 1000", "request-malformed"),
        ("unseen - 2\n", "unseen - 2", "request-malformed"),
        ("unseen - 2\n", "unseen - 2\nnote x\n", "request-malformed"),
    ],
)
def test_one_fault_of_spelling_is_enough(old, new, rule):
    assert TEXT.count(old) == 1
    with refused(rule, Malformed):
        SigningRequest.parse(TEXT.replace(old, new).encode())


def test_the_longest_honest_request_fits_its_field():
    number = str(10**18)
    longest = dataclasses.replace(
        PLAIN, id="i" * 64, receipts=tuple(ReceiptMark(f"{n:02d}" + "s" * 62, 2**53, "66" * 32) for n in range(MAX_SIGNERS)),
        rules=tuple(RuleLine(name, Outcome.UNSEEN, number, number) for name in RULES),
    )  # fmt: skip
    assert len(longest.text) <= MAX_REQUEST_BYTES
    assert SigningRequest.parse(longest.text) == longest
    with refused("request-malformed", Malformed):
        SigningRequest.parse(longest.text + b"rule " + b"x" * MAX_REQUEST_BYTES + b" pass - -\n")


def test_a_request_is_signed_so_that_stock_ssh_keygen_can_check_it(world, tmp_path):
    coordinator = world.holders["coordinator"]
    signature = sign_request(PLAIN, coordinator.sign, coordinator.key)
    assert accepts(tmp_path, coordinator.file.public_line, signature.armoured(), PLAIN.text, NAMESPACE)
    assert not accepts(
        tmp_path, coordinator.file.public_line, signature.armoured(), PLAIN.text[:-1], NAMESPACE
    )


def test_nothing_is_signed_that_the_other_side_could_not_read(world):
    own = world.holders["coordinator"]
    for bad in ({"receipts": PLAIN.receipts[::-1]}, {"policy_version": 0}, {"rules": PLAIN.rules[::-1]}):
        with refused("request-malformed", Malformed):
            sign_request(dataclasses.replace(PLAIN, **bad), own.sign, own.key)
    with refused("ssh-signature-invalid", VerificationError):
        sign_request(PLAIN, world.holders["stranger"].sign, own.key)
    with pytest.raises(ValueError, match="come back"):
        sign_request(
            dataclasses.replace(PLAIN, rules=(RuleLine("a", Outcome.PASS, "-", None),)), own.sign, own.key
        )
