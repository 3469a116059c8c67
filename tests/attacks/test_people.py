"""People, labels, logs and the policy: A117 to A138."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pyrage
import pytest
from embit import script as embit_script
from embit.networks import NETWORKS

from falconer_offline import emit, screen, selfcheck
from falconer_offline.keys import sealed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.words import Mix, check_words
from falconer_offline.review import judge, read_request, review
from falconer_offline.session import sign_session
from falconer_offline.state import records
from falconer_offline.state.journal import reserve
from falconer_online import bip21, labels
from falconer_online.build import parse_fee_rate
from falconer_online.paying import AddressBook, parse_payment
from falconer_online.store.rows import LabelRow
from falconer_shared import canonical
from falconer_shared.approval.intent import Intent
from falconer_shared.audit.log import AuditHead, AuditLog
from falconer_shared.audit.merkle import verify_consistency, verify_inclusion
from falconer_shared.audit.record import AuditRecord
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.bip32 import parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import Declined, FalconerError
from falconer_shared.exchange.envelope import extract
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.exchange.receipt import Receipt, ReceiptMark
from falconer_shared.exchange.request import SigningRequest
from falconer_shared.policy.compile import compile_toml
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import Outcome, evaluate
from falconer_shared.policy.signed import PinnedAdmins, install
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import finalize
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature
from falconer_shared.text import safe
from falconer_shared.transport.receive import Receiver
from falconer_shared.units import Amount
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.attacks.commands import options
from tests.attacks.mutations import bare, proven, resealed, with_global
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial, outcome
from tests.conftest import PROJECT
from tests.offline.office import NOW, Office, Ring, Unwilling, Willing, seed_bytes, small
from tests.online.office import Office as OnlineOffice
from tests.support.policies import PolicyDraft, SshKey, signed
from tests.support.rawpsbt import edited
from tests.support.spends import entry, policy, spend, verdict
from tests.support.treasury import (
    Payment,
    descriptor_of,
    root,
    stranger_address,
    wpkh_descriptor,
    wpkh_wallet,
    wsh_wallet,
)
from tests.support.treasury import signed as treasury_signed

attack = Attacks()

DAY = 86_400


def test_attack(case, request):
    case.run(request)


def sign(office: Office, data: bytes, now: int = NOW) -> Any:
    return sign_session(office.state(), office.judge(data, now), Willing(), Ring(office), lambda: now)


def page_of(office: Office, data: bytes) -> str:
    return "\n".join(line.plain for line in screen.page(office.judge(data), office.state()))


ESCAPES = (
    "\x1b[2J",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x07",
    "a\rb",
    "a\bb",
    "\x9b31m",
    "\x90payload\x9c",
    "\x00",
    "\x7f",
    "\x1b[8m",
    "\x0b",
    "\x0c",
)
LOOKALIKES = (
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "p\u0430y",
    "e\u0301",
    "\u00ad",
    "\U000e0041",
    "\u2028",
    "\uff21",
    "\ud800",
    "\u3164",
)


def _printable(text: str) -> None:
    assert all(" " <= each <= "~" or each == "\n" for each in text), ascii(text)


def words_of_others(trial: Trial, tricks: tuple[str, ...], rules: dict[str, str]) -> None:
    """Each place where the other side writes a word, with each trick in it."""
    office = trial.office()
    data = office.request()
    honest = extract(UntrustedPsbt.parse(data))
    texts: dict[str, tuple[bytes, Callable[[bytes], object], tuple[bytes, ...]]] = {
        "intent": (honest.intent.text, Intent.parse, (b"agent", b"rent")),
        "request": (honest.request.text, SigningRequest.parse, (b"rent-1", b"north")),
        "policy": (office.draft.text(), Policy.parse, (b"north", b"admin-a")),
        "wallet": (
            b"vault",
            lambda name: RegisteredWallet.register(
                name.decode("utf-8", "surrogatepass"), Network.REGTEST, wpkh_descriptor()
            ),
            (b"vault",),
        ),
    }
    for place, (text, read, names) in texts.items():
        trial.passes(lambda read=read, text=text: read(text))
        for name in names:
            assert name in text
            for trick in tricks:
                bent = text.replace(name, name + trick.encode("utf-8", "surrogatepass"))
                refusal = trial.refused(rules[place], lambda read=read, bent=bent: read(bent))
                _printable(refusal.message)
    # a label, which may hold anything, and the person's own screen
    for trick in tricks:
        _printable(safe(trick))
        row = LabelRow("addr", stranger_address(), f"mine {trick}", None, None)
        if trick != "\ud800":
            line = labels.write([row])
            _printable(line.decode("ascii"))
            assert line.count(b"\n") == 1
    trial.fires(lambda: _printable("\x1b[2J"))
    trial.fires(lambda: _printable("\u202e"))
    _printable(page_of(office, data).replace("\u2500", "-").encode("ascii", "ignore").decode())


PLACES = {
    "intent": "intent-malformed",
    "request": "request-malformed",
    "policy": "policy-malformed",
    "wallet": "wallet-name-malformed",
}


@attack("A117", *PLACES.values())
def terminal_escapes(trial: Trial) -> None:
    words_of_others(trial, ESCAPES, PLACES)


@attack(
    "A117",
    prevented="every text of others is spelt out before it reaches a terminal, at the coordinator as at the signer",
)
def labels_on_the_screen(trial: Trial) -> None:
    """A label file and a purpose full of escapes, through the coordinator's own commands."""
    desk = OnlineOffice(trial.folder, trial.monkeypatch)
    desk.init()
    everything = "".join((*ESCAPES, *(each for each in LOOKALIKES if each != "\ud800")))
    lines = [
        {"type": "addr", "ref": stranger_address(number), "label": f"{number} {everything}"}
        for number in range(3)
    ]
    file = desk.path("labels.jsonl", "\n".join(map(json.dumps, lines)))
    trial.passes(lambda: desk.run("labels", "import", file))
    for arguments in (
        ("labels", "export"),
        ("labels", "set", "addr", stranger_address(), f"x{everything}"),
        ("audit", "export"),
    ):
        done = desk.run(*arguments, expect=None)
        _printable(done.stdout)
        _printable(done.stderr)
    trial.fires(lambda: _printable(everything))


@attack("A118", *PLACES.values())
def direction_and_look_alikes(trial: Trial) -> None:
    words_of_others(trial, LOOKALIKES, PLACES)


@attack("A118", "bech32-character", "descriptor-character", "qr-text-foreign")
def letters_that_look_like_others(trial: Trial) -> None:
    address = stranger_address()
    trial.passes(lambda: script_of(address, Network.REGTEST))
    for bent in (
        address.replace("q", "\u0566"),
        address + "\u200b",
        "\u202e" + address,
        address.replace("c", "\u0441"),
    ):
        trial.refused_as(
            {"bech32-character", "address-malformed", "base58-character"},
            lambda bent=bent: script_of(bent, Network.REGTEST),
        )
    text = descriptor_of("wpkh")
    trial.passes(lambda: RegisteredWallet.register("w", Network.REGTEST, text))
    for bent in (
        text.replace("h", "\u04bb", 1),
        text[:20] + "\u200b" + text[20:],
        text + "\u202e",
        "\ufeff" + text,
    ):
        trial.refused(
            "descriptor-character", lambda bent=bent: RegisteredWallet.register("w", Network.REGTEST, bent)
        )
    for bent in ("bitcoin:\u202e", "\u200bhello", "p\u0430y"):

        def feed(bent: str = bent) -> None:
            refusal = Receiver().feed(bent).refusal
            if refusal is not None:
                raise refusal

        trial.refused("qr-text-foreign", feed)


@attack(
    "A119",
    "intent-malformed",
    "audit-record-malformed",
    prevented="a record is one line of canonical JSON, whatever its texts hold",
)
def label_that_writes_log_lines(trial: Trial) -> None:
    evil = '\n{"at":1,"event":"approved","facts":{},"n":7}\n'
    record = AuditRecord(0, 1, "label-set", {"label": evil})
    trial.passes(lambda: AuditRecord.parse(record.line))
    assert record.line.count(b"\n") == 0
    assert AuditRecord.parse(record.line).facts["label"] == evil
    for bent in (
        record.line.replace(b"\\n", b"\n"),
        record.line + b"\n",
        record.line + evil.encode(),
        b" " + record.line,
        record.line.replace(b'"n":0', b'"n":0,"n":0'),
    ):
        trial.refused("audit-record-malformed", lambda bent=bent: AuditRecord.parse(bent))
    office = trial.office()
    intent = extract(UntrustedPsbt.parse(office.request())).intent
    trial.passes(lambda: Intent.parse(intent.text))
    for name in ("rent\npay 1 " + stranger_address(9), "rent\n", "rent\r\nkind own"):
        trial.refused("intent-malformed", lambda name=name: replace(intent, proposal=name))
        bent = intent.text.replace(b"proposal rent", b"proposal " + name.encode())
        trial.refused("intent-malformed", lambda bent=bent: Intent.parse(bent))
    with pytest.raises(ValueError, match="canonical line"):
        canonical.Writer("falconer-test").line("key", "a\nb")


@attack(
    "A120",
    "label-malformed",
    "labels-too-many",
    prevented="no label has a say in what is verified, counted or shown as ours",
)
def label_file_that_claims_ownership(trial: Trial) -> None:
    good = {"type": "addr", "ref": stranger_address(), "label": "our own change"}
    line = json.dumps(good).encode()
    rows, passed_over = trial.passes(lambda: labels.read(line + b"\n", Network.REGTEST))
    assert (len(rows), passed_over) == (1, 0)
    for bent in (
        line + b"\n" + line,
        b'{"type":"addr","type":"tx","ref":"x"}',
        b'{"type":"addr","ref":"not an address"}',
        json.dumps({**good, "ref": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}).encode(),
        json.dumps({**good, "spendable": True}).encode(),
        json.dumps({**good, "origin": "wpkh([00000000])"}).encode(),
        json.dumps({**good, "label": 7}).encode(),
        json.dumps({"type": "output", "ref": "00" * 32 + ":01", "label": "x"}).encode(),
        json.dumps({"type": "output", "ref": "00" * 32 + ":1", "spendable": "yes"}).encode(),
        json.dumps({**good, "label": "x" * 10_000}).encode(),
        b"[" * 3_000,
        b'{"type":"addr","ref":' + b"9" * 4_000 + b"}",
        b"\xff\xfe",
        b"null",
    ):
        trial.refused("label-malformed", lambda bent=bent: labels.read(bent, Network.REGTEST))
    trial.monkeypatch.setattr(labels, "MAX_LABELS", 3)
    many = b"\n".join(json.dumps({**good, "ref": stranger_address(number)}).encode() for number in range(4))
    trial.refused("labels-too-many", lambda: labels.read(many, Network.REGTEST))
    # the same proposal with and without such a label on the payee
    desk = trial.desk(coins=(90_000,))
    labels.take(desk.coordinator, json.dumps({**good, "ref": stranger_address(40_000)}).encode())
    made = trial.passes(lambda: desk.create(40_000))
    assert [output.address for output in made.verified.payments] == [stranger_address(40_000)]
    assert made.verified.spent == 40_000 + made.verified.fee


@attack(
    "A121",
    "uri-requires-unknown",
    "uri-amount",
    "uri-parameter-repeated",
    "uri-malformed",
    "base58-checksum",
    "bech32-mixed-case",
)
def something_hidden_in_a_link(trial: Trial) -> None:
    to = stranger_address()
    book = AddressBook(Network.REGTEST, (), frozenset())

    def parse(text: str) -> bip21.PaymentUri:
        return bip21.parse(text, book)

    found = trial.passes(
        lambda: parse(f"bitcoin:{to}?amount=20.3&label=Luke-Jr&message=Donation%20for%20project%20xyz")
    )
    assert (found.payee.amount, found.label, found.message) == (
        2_030_000_000,
        "Luke-Jr",
        "Donation for project xyz",
    )
    assert (
        trial.passes(lambda: parse(f"BITCOIN:{to.upper()}?AMOUNT=1")).payee
        == parse(f"bitcoin:{to}?amount=1").payee
    )
    assert parse(f"bitcoin:{to}?amount=1&somethingelse=2").passed_over == ("somethingelse",)
    for rule, ends in {
        "uri-requires-unknown": ("?amount=1&req-pay=2", "?req-amount=1&amount=1", "?amount=1&REQ-x=1", "?amount=1&req-=1"),
        "uri-amount": ("", "?", "?label=x", "?amount=", "?amount=0", "?amount=-1", "?amount=1e-3", "?amount=0x1", "?amount=1.",
                       "?amount=.5", "?amount=1.123456789", "?amount=21000001", "?amount=1?amount=2", "?amount=1%2e5",
                       "?amount=%31", "?amount=1,5", "?amount=+1", "?amount=inf"),
        "uri-parameter-repeated": ("?amount=1&amount=2", "?amount=1&AMOUNT=2", "?amount=1&label=a&Label=b"),
        "uri-malformed": ("?amount=1&", "?&amount=1", "?amount", "?amount=1#x", "?amount=1&label=%zz", "?amount=1&label=%ff",
                          "?amount=1&la%62el=x", "?amount=1 ", "?amount=1&label=a\nb", "?amount=1&label=\u202e",
                          "?amount=1" + "&x=y" * 5_000),
    }.items():  # fmt: skip
        for end in ends:
            trial.refused(rule, lambda end=end: parse(f"bitcoin:{to}{end}"))
    for text in (
        f"bitcoin://{to}?amount=1",
        f"{to}?amount=1",
        f" bitcoin:{to}?amount=1",
        f"bitcoin:{to}/?amount=1",
        f"javascript:{to}",
        f"bitcoin:%62{to}?amount=1",
    ):
        trial.refused_as({"uri-malformed"}, lambda text=text: parse(text))
    trial.refused(
        "bech32-mixed-case",
        lambda: parse(f"bitcoin:{to[:-1]}{to[-1].upper() if to[-1].isalpha() else to[-1]}Q?amount=1"),
    )
    # the examples of the BIP name an address whose checksum is wrong; they are tried with it, and with ours in its place
    listed = json.loads((trial.vectors / "json" / "bip21_examples.json").read_text())
    outcomes = []
    for text in listed:
        trial.refused("base58-checksum", lambda text=text: parse(text))
        ours = re.sub(r"bitcoin:[^?]*", f"bitcoin:{to}", text)
        found = outcome(lambda ours=ours: int(parse(ours).payee.amount))
        outcomes.append(found.value if found.refusal is None else found.refusal.rule)
    assert outcomes == [
        "uri-amount",
        "uri-amount",
        2_030_000_000,
        5_000_000_000,
        "uri-requires-unknown",
        "uri-amount",
    ]


@attack(
    "A122",
    "policy-destination-not-allowed",
    "approval-invalid",
    "intent-payments-differ",
    "confirmation-wrong",
)
def recipient_replaced_before_the_proposal(trial: Trial) -> None:
    """The clipboard lies: the signed address book, the approvers' text and the paper each say no."""
    by = policy(allowed_destinations=("s0",))
    assert verdict("allowed_destinations", by, spend()).outcome is Outcome.PASS
    office = trial.office()
    draft = replace(
        office.draft,
        version=2,
        addresses={"landlord": stranger_address()},
        rules={**office.draft.rules, "allowed_destinations": ("landlord",)},
    )
    office.install(draft, NOW)
    office.draft = draft
    trial.passes(lambda: office.judge(office.request()))
    replaced = Payment(office.wallet, pay=[(stranger_address(66), 70_000)])
    trial.refused("policy-destination-not-allowed", lambda: office.judge(office.request(replaced)))
    # after the approval: another payment under it, and another text under its signature
    asked = trial.office("asked", human_approval_threshold_sats=50_000)
    data = asked.request(approvers=("anna",))
    judged = trial.passes(lambda: asked.judge(data))
    evil = Payment(asked.wallet, pay=[(stranger_address(66), 70_000)]).psbt()
    trial.refused("intent-payments-differ", lambda: asked.judge(resealed(data, evil)))
    intent = replace(judged.approved.intent, pays=((Amount(70_000), stranger_address(66)),))
    trial.refused("approval-invalid", lambda: asked.judge(resealed(data, evil, intent=intent)))
    # and the person who types the ending of the paper's address
    plain = trial.office("plain")
    evil_judged = plain.judge(plain.request(Payment(plain.wallet, pay=[(stranger_address(66), 70_000)])))
    trial.passes(
        lambda: review(plain.judge(plain.request()), plain.state(), Paper(70_000, stranger_address()))
    )
    trial.refused(
        "confirmation-wrong", lambda: review(evil_judged, plain.state(), Paper(70_000, stranger_address()))
    )


class Paper(Willing):
    """A person who types what stands on the approvers' paper, whatever the page says."""

    def __init__(self, sats: int, *addresses: str) -> None:
        super().__init__()
        self.sats = sats
        self.addresses = list(addresses)

    def total(self, expected: Amount) -> None:
        if self.sats != expected:
            raise Declined("confirmation-wrong", "the total on the paper is another one")

    def ending(self, of: str, expected: str) -> None:
        if self.addresses.pop(0)[-4:] != expected[-4:]:
            raise Declined("confirmation-wrong", "the address on the paper ends otherwise")


@attack(
    "A123",
    "policy-destination-not-allowed",
    "approval-invalid",
    prevented="the page has every address whole, in one piece, with its name from the policy or without any",
)
def address_with_the_same_ends(trial: Trial) -> None:
    """Equal in its first nine and last three characters: where only ends are compared, it passes."""
    honest = stranger_address()
    alike = next(
        each
        for each in map(stranger_address, range(1, 200_000))
        if each[-3:] == honest[-3:] and each[:6] == honest[:6]
    )
    assert alike != honest
    office = trial.office()
    draft = replace(
        office.draft,
        version=2,
        addresses={"landlord": honest},
        rules={**office.draft.rules, "allowed_destinations": ("landlord",)},
    )
    open_draft = replace(draft, rules=office.draft.rules)
    for name, chosen in (("closed", draft), ("open", open_draft)):
        place = trial.office(name)
        place.install(chosen, NOW)
        place.draft = chosen
        good = trial.passes(lambda place=place: place.judge(place.request()))
        shown = "\n".join(line.plain for line in screen.page(good, place.state()))
        assert honest in shown
        assert "landlord" in shown
        poisoned = Payment(place.wallet, pay=[(alike, 70_000)])
        if name == "closed":
            trial.refused(
                "policy-destination-not-allowed",
                lambda place=place, p=poisoned: place.judge(place.request(p)),
            )
        else:
            shown = page_of(place, place.request(poisoned))
            assert alike in shown
            assert honest not in shown
            assert "no name in the policy" in shown
    asked = trial.office("asked", human_approval_threshold_sats=50_000)
    data = asked.request(approvers=("anna",))
    judged = asked.judge(data)
    intent = replace(judged.approved.intent, pays=((Amount(70_000), alike),))
    evil = Payment(asked.wallet, pay=[(alike, 70_000)]).psbt()
    trial.refused("approval-invalid", lambda: asked.judge(resealed(data, evil, intent=intent)))


@attack(
    "A124",
    "request-other-transaction",
    "request-other-intent",
    "request-other-policy",
    "verdict-mismatch",
    "wallet-not-registered",
    "intent-payments-differ",
    "intent-fee-exceeded",
    "request-signature-invalid",
    "request-other-coordinator",
)
def summary_that_lies_in_every_field(trial: Trial) -> None:
    office = trial.office()
    data = office.request()
    judged = trial.passes(lambda: office.judge(data))
    page = page_of(office, data)
    request, intent = judged.checked.request, judged.approved.intent

    def lying(**changes: Any) -> bytes:
        return resealed(data, request=lambda each: replace(each, **changes))

    trial.refused("request-other-transaction", lambda: office.judge(lying(unsigned_hash="11" * 32)))
    trial.refused("request-other-intent", lambda: office.judge(lying(intent_digest="11" * 32)))
    trial.refused("request-other-policy", lambda: office.judge(lying(policy_version=2)))
    trial.refused("request-other-policy", lambda: office.judge(lying(policy_digest="11" * 32)))
    trial.refused("wallet-not-registered", lambda: office.judge(lying(wallet_id="11" * 32)))
    trial.refused(
        "request-other-coordinator",
        lambda: office.judge(lying(coordinator=SshKey.of("evil").public.key_hash)),
    )
    trial.refused(
        "request-signature-invalid", lambda: office.judge(with_byte(data, b"\xfc\x08falconer\x03", -5))
    )
    for position, line in enumerate(request.rules):
        if line.name == "max_fee_sats":
            for lie in (
                RuleLine(line.name, Outcome.PASS, "1", line.limit),
                RuleLine(line.name, Outcome.FAIL, line.value, line.limit),
            ):
                rules = (*request.rules[:position], lie, *request.rules[position + 1 :])
                trial.refused("verdict-mismatch", lambda rules=rules: office.judge(lying(rules=rules)))
    trial.refused(
        "intent-payments-differ",
        lambda: office.judge(resealed(data, intent=replace(intent, pays=((Amount(1), stranger_address()),)))),
    )
    trial.refused(
        "intent-fee-exceeded",
        lambda: office.judge(resealed(data, intent=replace(intent, max_fee=Amount(999)))),
    )
    # what cannot be refused, because this side knows no better, changes nothing of what is computed from bytes
    softer = lying(id="another-name", audit_size=10**9)
    shown = page_of(office, softer)
    for fact in (stranger_address(), "70,000 sats", "1,000 sats", judged.verified.unsigned_hash):
        assert fact in shown
        assert fact in page


def with_byte(data: bytes, key: bytes, at: int) -> bytes:
    def bend(each: Any) -> None:
        value = bytearray(each.get(each.maps[0], key))
        value[at] ^= 1
        each.set(each.maps[0], key, bytes(value))

    return edited(data, bend)


@attack(
    "A125",
    "confirmation-wrong",
    "intent-payments-differ",
    "intent-address-repeated",
    prevented="every output is on the page, in order; no option of any command confirms anything",
)
def evil_output_among_sixty(trial: Trial) -> None:
    office = trial.office()
    draft = replace(office.draft, version=2, rules={})
    office.install(draft, NOW)
    office.draft = draft
    pay = [(stranger_address(number), 1_000 + number) for number in range(59)] + [
        (stranger_address(666), 1_000)
    ]
    payment = Payment(
        office.wallet, pay=pay, coins=[(OwnPlace(0, 3), 110_000)], change=[(OwnPlace(1, 2), 45_000)]
    )
    data = office.request(payment, alter_intent=lambda intent: replace(intent, max_fee=Amount(10_000)))
    judged = trial.passes(lambda: office.judge(data))
    shown = "\n".join(line.plain for line in screen.page(judged, office.state()))
    places = [shown.index(address) for address, _ in pay]
    assert places == sorted(places)
    # more than three: the digest of the intent that the approvers signed stands for all of them
    intent = replace(judged.approved.intent, pays=judged.approved.intent.pays[:-1])

    class Approved(Willing):
        def ending(self, of: str, expected: str) -> None:
            if intent.digest[-4:] != expected[-4:]:
                raise Declined("confirmation-wrong", "the digest on the paper ends otherwise")

    trial.refused("confirmation-wrong", lambda: review(judged, office.state(), Approved()))
    trial.refused("confirmation-wrong", lambda: review(judged, office.state(), Unwilling()))
    trial.passes(lambda: review(judged, office.state(), Willing()))
    trial.refused("intent-payments-differ", lambda: office.judge(resealed(data, intent=intent)))
    trial.refused(
        "intent-address-repeated",
        lambda: replace(
            judged.approved.intent, pays=(*judged.approved.intent.pays, judged.approved.intent.pays[0])
        ),
    )
    trial.fires(lambda: _confirms_nothing([("falconer-offline sign", "assume_yes")]))
    _confirms_nothing([(command, option.name or "") for command, option in options()])


def _confirms_nothing(named: list[tuple[str, str]]) -> None:
    found = [
        each
        for each in named
        if re.search(r"yes|confirm|assume|no_review|skip|batch_mode|unattended|quiet_warn", each[1])
    ]
    assert not [each for each in found if each[0].startswith("falconer-offline")], found


@attack(
    "A126",
    "clock-behind-journal",
    "intent-expired",
    "intent-not-yet-valid",
    "policy-daily-limit",
    "review-too-old",
)
def clock_set_back_and_forth(trial: Trial) -> None:
    office = trial.office()
    data = [office.request(small(office.wallet, number)) for number in range(5)]
    for each in data[:4]:
        trial.passes(lambda each=each: sign(office, each))
    trial.refused("policy-daily-limit", lambda: sign(office, data[4]))
    for now in (NOW - 1, NOW - DAY, 0):
        trial.refused("clock-behind-journal", lambda now=now: office.judge(data[4], now))
    # forward: the intents are over, and a fresh one leaves a mark behind which the clock never returns
    trial.refused("intent-expired", lambda: office.judge(data[4], NOW + DAY))
    trial.refused(
        "policy-daily-limit",
        lambda: office.judge(office.request(small(office.wallet, 4), now=NOW + DAY - 1), NOW + DAY - 1),
    )
    later = NOW + 10 * 365 * DAY
    fresh = office.request(small(office.wallet, 4), now=later)
    trial.refused("intent-not-yet-valid", lambda: office.judge(fresh, NOW))
    trial.passes(lambda: sign(office, fresh, later))
    trial.refused("clock-behind-journal", lambda: office.judge(data[4], NOW))
    # between page and signature
    other = trial.office("other")
    times = iter([NOW - 1, NOW - 1, NOW - 1])
    judged = other.judge(other.request())
    trial.refused(
        "review-too-old",
        lambda: sign_session(other.state(), judged, Willing(), Ring(other), lambda: next(times)),
    )


@attack("A127", "policy-daily-limit", "approval-missing", "policy-weekly-limit", "state-changed")
def limits_in_small_steps(trial: Trial) -> None:
    """Ten proposals judged before the first is signed: the sum is looked at again when it is written down. Fees count."""
    office = trial.office()
    judged = [
        trial.passes(lambda n=n: office.judge(office.request(small(office.wallet, n)))) for n in range(10)
    ]
    passed = 0
    for each in judged:
        if passed < 4:
            sign_session(office.state(), each, Willing(), Ring(office), lambda: NOW)
            passed += 1
        else:
            trial.refused(
                "policy-daily-limit",
                lambda each=each: sign_session(office.state(), each, Willing(), Ring(office), lambda: NOW),
            )
    # two processes with one snapshot: the second has to look again
    twin = trial.office("twin")
    state = twin.state()
    first = judge(state, read_request(state, twin.request()), NOW)
    reserve(state, twin.machine, twin.wallet.wallet_id, first.approved.entry, first.readable.digest)
    trial.refused(
        "state-changed",
        lambda: reserve(
            state, twin.machine, twin.wallet.wallet_id, first.approved.entry, first.readable.digest
        ),
    )
    by = policy(human_approval_threshold_sats=100_000, max_weekly_spend_sats=400_000)
    assert (
        verdict("max_weekly_spend_sats", by, spend(entries=(entry(2, 329_000, age=6 * DAY),))).outcome
        is Outcome.PASS
    )
    assert (
        verdict("max_weekly_spend_sats", by, spend(entries=(entry(2, 329_001, age=6 * DAY),))).id
        == "policy-weekly-limit"
    )
    trial.rules.add("policy-weekly-limit")
    # below the threshold each, above it together
    asked = trial.office("asked", human_approval_threshold_sats=100_000, max_daily_spend_sats=10**9)
    trial.passes(lambda: sign(asked, asked.request(small(asked.wallet, 1))))
    again = asked.request(small(asked.wallet, 2))
    trial.refused("approval-missing", lambda: asked.judge(again))


@attack(
    "A128",
    "receipt-ahead",
    "receipt-fork",
    "key-other-machine",
    prevented="the journal's head is on every page, to be compared with the last one on paper",
)
def older_state_put_back(trial: Trial) -> None:
    office = trial.office()
    shutil.copytree(office.home, trial.folder / "old")
    answer = trial.passes(lambda: sign(office, office.request()))
    mark = ReceiptMark("north", 1, answer.receipt.receipt.digest)
    office.marks = {"north": mark}
    request = office.request(small(office.wallet, 3), receipts=(answer.receipt,))
    now = trial.passes(lambda: office.judge(request))
    restored = replace(office, home=trial.folder / "old")
    trial.refused("receipt-ahead", lambda: restored.judge(request))
    # the restored one signs something else under the same number: two pasts
    restored.marks = {}
    other = sign(restored, restored.request(small(office.wallet, 5)))
    forked = replace(office, marks={"north": ReceiptMark("north", 1, other.receipt.receipt.digest)})
    trial.refused("receipt-fork", lambda: office.judge(forked.request(small(office.wallet, 7))))
    shown = "\n".join(line.plain for line in screen.page(now, office.state()))
    assert office.state().head[1] in shown
    assert restored.state().head[1] not in shown
    # its keys in a machine that remembers nothing
    fresh = Office.make(trial.folder / "fresh", wpkh_wallet(), identity=office.identity)
    with sqlite3.connect(office.home / "state.sqlite") as database:
        (stolen,) = database.execute("SELECT sealed FROM keys").fetchone()
    database.close()
    from falconer_offline.keys.keyfile import open_seed

    arguments = (root(1).my_fingerprint.hex(), office.identity, "key 1")
    trial.passes(lambda: open_seed(stolen, Network.REGTEST, office.machine.public, *arguments))
    trial.refused(
        "key-other-machine", lambda: open_seed(stolen, Network.REGTEST, fresh.machine.public, *arguments)
    )


@attack(
    "A129",
    "state-tampered",
    "journal-gap",
    "audit-log-truncated",
    "audit-log-rewritten",
    "audit-record-gap",
    "audit-inclusion-unproven",
    "audit-consistency-unproven",
)
def records_removed_or_changed(trial: Trial) -> None:
    office = trial.office()
    sign(office, office.request())
    whole = trial.passes(office.state)
    size = whole.head[0]
    assert size > 4
    for name, statements, rule in (
        ("last", ["DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)"], "state-tampered"),
        ("middle", ["DELETE FROM journal WHERE number = 2"], "journal-gap"),
        (
            "line",
            ["UPDATE journal SET line = CAST(replace(CAST(line AS TEXT), 'reserved', 'released') AS BLOB)"],
            "state-tampered",
        ),
        ("spend", ["DELETE FROM spends"], "state-tampered"),
        ("sum", ["UPDATE spends SET spent = 1"], "state-tampered"),
        ("receipt", ["DELETE FROM receipts"], "state-tampered"),
        ("mark", ["UPDATE facts SET value = '1' WHERE name = 'time-mark'"], "state-tampered"),
    ):
        shutil.copytree(office.home, trial.folder / name)
        with sqlite3.connect(trial.folder / name / "state.sqlite") as database:
            for statement in statements:
                assert database.execute(statement).rowcount
        database.close()
        bent = replace(office, home=trial.folder / name)
        trial.refused(rule, lambda bent=bent: bent.judge(bent.request()))
    log = [AuditRecord(number, number, "event", {"n": number}) for number in range(10)]
    head = AuditLog(log).head
    trial.passes(lambda: AuditLog(log).check_continues(head))
    trial.passes(lambda: AuditLog([*log, AuditRecord(10, 10, "event", {})]).check_continues(head))
    for cut in range(1, 10):
        trial.refused("audit-log-truncated", lambda cut=cut: AuditLog(log[:cut]).check_continues(head))
    for place in range(10):
        other = [*log[:place], AuditRecord(place, place, "event", {"n": 99}), *log[place + 1 :]]
        trial.refused("audit-log-rewritten", lambda other=other: AuditLog(other).check_continues(head))
        trial.refused(
            "audit-record-gap",
            lambda p=place: AuditLog([*log[:p], *log[p + 1 :], AuditRecord(12, 1, "event", {})]),
        )
    trial.refused("audit-log-rewritten", lambda: AuditLog(log).check_continues(AuditHead(10, bytes(32))))
    merkle_vectors(trial)


def merkle_vectors(trial: Trial) -> None:
    """Those of another implementation, valid and not."""
    document = json.loads((trial.vectors / "json" / "merkle_rfc6962_vectors.json").read_text())
    tried = {"inclusion": 0, "consistency": 0}
    for each in document:
        name, case = each["path"], each["data"]
        proof = tuple(_decoded(step) for step in case["proof"] or ())
        kind = name.split("/")[0]
        if kind not in tried:
            # proofs about subtrees, which nothing here makes or reads
            continue
        tried[kind] += 1
        if kind == "inclusion":
            leaf, root = _decoded(case["leafHash"]), _decoded(case["root"])
            check = partial(verify_inclusion, leaf, case["leafIdx"], case["treeSize"], proof, root)
        else:
            first, second = _decoded(case["root1"]), _decoded(case["root2"])
            check = partial(verify_consistency, case["size1"], case["size2"], first, second, proof)
        # the one valid vector whose roots are no hashes, but words
        if case["wantErr"] or name.endswith("sizes-are-equal-one-and-proof-is-empty.json"):
            trial.refused(f"audit-{kind}-unproven", check)
        else:
            trial.passes(check)
    assert min(tried.values()) > 50


def _decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@attack(
    "A130",
    "request-other-policy",
    "policy-signature-unknown-key",
    "policy-signature-missing",
    "policy-signature-invalid",
    "policy-admins-not-pinned",
)
def proposal_with_a_policy(trial: Trial) -> None:
    """A policy in every field that could carry one: none is looked at; and none is installed without its quorum."""
    office = trial.office()
    data = office.request()
    before = trial.passes(lambda: office.judge(data))
    looser = replace(office.draft, version=2, rules={})
    texts = [looser.text(), *signed(looser.text(), "admin-a", "admin-b").signatures]
    carried = bare(data)
    for number, text in enumerate(texts):
        carried = with_global(carried, b"\xfc\x08falconer" + bytes([0x40 + number]), text)
        carried = with_global(carried, b"\xf0" + bytes([number]), text)
    after = trial.passes(lambda: office.judge(resealed(data, UntrustedPsbt.parse(carried))))
    assert after.approved.policy_digest == before.approved.policy_digest == office.draft.policy().digest
    assert records.policy(office.state(), office.wallet).policy.version == 1
    named = resealed(
        data, request=lambda each: replace(each, policy_version=2, policy_digest=looser.policy().digest)
    )
    trial.refused("request-other-policy", lambda: office.judge(named))
    installed = office.draft.install()
    arguments = {"network": Network.REGTEST, "wallet_id": office.draft.wallet_id}
    trial.passes(lambda: install(signed(looser.text(), "admin-a", "admin-b"), installed, **arguments))
    for rule, candidate in {
        "policy-signature-missing": signed(looser.text(), "admin-a"),
        "policy-signature-unknown-key": signed(looser.text(), "admin-a", "coordinator"),
        "policy-signature-invalid": signed(
            looser.text(), "admin-a", "admin-b", namespace="falconer-approval@1"
        ),
    }.items():
        trial.refused(rule, lambda candidate=candidate: install(candidate, installed, **arguments))
    twice = signed(looser.text(), "admin-a", "admin-a")
    trial.refused("policy-signature-missing", lambda: install(twice, installed, **arguments))
    strangers = PinnedAdmins((SshKey.of("evil-a").public, SshKey.of("evil-b").public))
    first = signed(office.draft.text(), "admin-a", "admin-b")
    trial.passes(lambda: install(first, office.draft.pinned(), **arguments))
    trial.refused("policy-admins-not-pinned", lambda: install(first, strangers, **arguments))


@attack(
    "A131",
    "policy-destination-not-allowed",
    "policy-address-spelling",
    "policy-address-twice",
    "intent-malformed",
    prevented="destinations are compared as scripts",
)
def same_address_in_another_dress(trial: Trial) -> None:
    key = root(5).derive("m/84h/1h/0h/0/0").key.get_public_key()
    address = embit_script.p2wpkh(key).address(NETWORKS["regtest"])
    draft = PolicyDraft(
        addresses={"landlord": address}, rules={"allowed_destinations": ("landlord",)}, tiers=()
    )
    trial.passes(draft.policy)
    trial.refused(
        "policy-address-spelling", lambda: replace(draft, addresses={"landlord": address.upper()}).policy()
    )
    trial.refused(
        "policy-address-twice",
        lambda: replace(draft, addresses={"landlord": address, "other": address}).policy(),
    )
    office = trial.office()
    chosen = replace(
        office.draft,
        version=2,
        addresses={"landlord": address},
        rules={"allowed_destinations": ("landlord",)},
    )
    office.install(chosen, NOW)
    office.draft = chosen
    trial.passes(lambda: office.judge(office.request(Payment(office.wallet, pay=[(address, 70_000)]))))
    assert script_of(address, Network.REGTEST) == script_of(address.upper(), Network.REGTEST)
    for other in (
        embit_script.p2pkh(key),
        embit_script.p2sh(embit_script.p2wpkh(key)),
        embit_script.p2tr(key),
        embit_script.p2wsh(embit_script.p2pkh(key)),
    ):
        dressed = Payment(office.wallet, pay=[(other.address(NETWORKS["regtest"]), 70_000)])
        trial.refused(
            "policy-destination-not-allowed", lambda dressed=dressed: office.judge(office.request(dressed))
        )
    data = office.request(Payment(office.wallet, pay=[(address, 70_000)]))
    intent = extract(UntrustedPsbt.parse(data)).intent
    trial.passes(lambda: Intent.parse(intent.text))
    shouted = intent.text.replace(address.encode(), address.upper().encode())
    trial.refused("intent-malformed", lambda: Intent.parse(shouted))


@attack("A132", "policy-destination-not-allowed", "policy-single-limit", "policy-daily-limit")
def outputs_that_no_limit_counts(trial: Trial) -> None:
    """The second, third and last output; change that is not proven ours; fee."""
    office = trial.office()
    draft = replace(
        office.draft,
        version=2,
        addresses={f"s{number}": stranger_address(number) for number in range(3)},
        rules={"allowed_destinations": ("s0", "s1", "s2"), "max_single_tx_sats": 71_000},
    )
    office.install(draft, NOW)
    office.draft = draft
    pays = [(stranger_address(number), 20_000) for number in range(3)]
    trial.passes(
        lambda: office.judge(
            office.request(Payment(office.wallet, pay=pays, change=[(OwnPlace(1, 2), 49_000)]))
        )
    )
    for place in range(3):
        evil = [*pays[:place], (stranger_address(66), 20_000), *pays[place + 1 :]]
        request = office.request(Payment(office.wallet, pay=evil, change=[(OwnPlace(1, 2), 49_000)]))
        trial.refused("policy-destination-not-allowed", lambda request=request: office.judge(request))
    for fee, fits in ((1_000, True), (1_001, False)):
        request = office.request(Payment(office.wallet, change=[(OwnPlace(1, 2), 40_000 - fee)]))
        if fits:
            trial.passes(lambda request=request: office.judge(request))
        else:
            trial.refused("policy-single-limit", lambda request=request: office.judge(request))
    # change so far out, and without a word about it, that nobody can tell it is ours: it counts as leaving
    plain = trial.office("plain", max_daily_spend_sats=109_999)
    far = plain.wallet.address(1, 5_000)
    hidden = Payment(plain.wallet, pay=[(stranger_address(), 70_000), (far, 39_000)], change=[])
    trial.passes(lambda: plain.judge(plain.request()))
    trial.refused("policy-daily-limit", lambda: plain.judge(plain.request(hidden)))


@attack(
    "A133",
    "words-checksum",
    "passphrase-wrong",
    "identity-wrong",
    prevented="no secret shows itself in a message, a name, a pickle or a file",
)
def messages_that_tell_too_much(trial: Trial) -> None:
    phrase = " ".join(["abandon"] * 11 + ["about"])
    seed = seed_bytes(1)
    identity = sealed.Identity(pyrage.x25519.Identity.generate())
    node = PrivateNode.from_seed(seed)
    passphrase = sealed.Passphrase("correct horse battery")
    office = trial.office()
    secrets = [
        seed.hex(),
        node._secret.hex(),
        node._chain_code.hex(),
        str(identity.value),
        "correct horse battery",
    ]
    shown = [
        repr(each) + str(each)
        for each in (node, passphrase, identity, office.machine, Mix.start(), office.identity)
    ]
    for each in (node, office.machine):
        with pytest.raises(TypeError):
            pickle.dumps(each)
    opened = sealed.seal(b"content", identity)
    for rule, act in (
        ("words-checksum", lambda: check_words(" ".join(["abandon"] * 12))),
        (
            "identity-wrong",
            lambda: sealed.unseal(opened, sealed.Identity(pyrage.x25519.Identity.generate()), "it"),
        ),
        ("passphrase-wrong", lambda: sealed.unseal(opened, passphrase, "it")),
    ):
        refusal = trial.refused(rule, act)
        shown += [refusal.message, json.dumps(refusal.as_json()), repr(refusal), str(refusal.__context__)]
    trial.passes(lambda: check_words(phrase))
    trial.passes(lambda: sealed.unseal(opened, identity, "it"))
    sign(office, office.request())
    files = [path.read_bytes() for path in office.home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    trial.fires(lambda: _without(secrets, [*shown, f"seed {seed.hex()}"], files))
    _without(secrets, shown, files)
    assert seed not in b"".join(files)


def _without(secrets: list[str], shown: list[str], files: list[bytes]) -> None:
    for secret in secrets:
        assert not any(secret in each or secret[:16] in each for each in shown)
        assert not any(secret.encode() in each for each in files)


class Killed(BaseException):
    """The process is gone: nothing of ours catches it."""


@attack(
    "A134",
    prevented="a spend stands in the journal before a key is opened: a crash leaves nothing, or an entry that counts",
)
def crash_at_every_step(trial: Trial) -> None:
    steps: list[str] = []
    whole = trial.office()
    judged = whole.judge(whole.request())
    sign_session(whole.state(), judged, Willing(), Ring(whole), lambda: NOW, steps.append)
    assert len(steps) > 8
    for fatal in range(1, len(steps) + 1):
        office = trial.office(f"crash-{fatal}")
        count = 0

        def die(_name: str, fatal: int = fatal) -> None:
            nonlocal count
            count += 1
            if count == fatal:
                raise Killed

        judged = office.judge(office.request())
        with pytest.raises(Killed):
            sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW, die)
        found = [
            (each.spent, outcome) for each, outcome in records.spends(office.state(), office.wallet.wallet_id)
        ]
        after_reservation = "reserved" in steps[:fatal]
        assert found in ([], [(71_000, records.RESERVED)], [(71_000, records.SIGNED)])
        if after_reservation:
            assert found
        if not found:
            assert "unlocked" not in steps[:fatal]
        # and the machine goes on, with the entry counted
        again = trial.passes(lambda office=office: sign(office, office.request()))
        assert again.psbt.inputs[0].partial_sigs
        other = office.judge(office.request(small(office.wallet, 3)))
        daily = {v.rule: v.value for v in other.approved.verdicts}["max_daily_spend_sats"]
        assert daily == "142006"


CUT = ("state-tampered", "state-format-unknown")
ANY_STATE_REFUSAL = {"state-unreadable", "state-tampered", "state-format-unknown", "journal-gap"}


@attack("A135", "state-not-writable", "disk-full", *CUT, "audit-record-malformed")
def disk_that_is_full_or_fails(trial: Trial) -> None:
    """A state cut at any length is no shorter state; a full disk leaves the old one; half a line is no record."""
    office = trial.office()
    sign(office, office.request())
    before = trial.passes(office.state).root
    database = office.home / "state.sqlite"
    data = database.read_bytes()
    for cut in (0, 1, 100, len(data) // 4, len(data) // 2, len(data) - 4_096):
        database.write_bytes(data[:cut])
        trial.refused_as(CUT, office.state)
    for place in range(0, len(data), len(data) // 23):
        bent = bytearray(data)
        bent[place : place + 64] = bytes(64) if bent[place : place + 64] != bytes(64) else b"\xff" * 64
        database.write_bytes(bytes(bent))
        refusal = outcome(office.state).refusal
        assert refusal is None or refusal.rule in ANY_STATE_REFUSAL
        if refusal is None:
            assert office.state().root == before
    database.write_bytes(data)
    assert office.state().root == before
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from falconer_offline.keys.sealed import Identity\n"
        "from falconer_offline.state import journal\n"
        "from falconer_offline.state.machine import MachineKey\n"
        "from falconer_offline.state.store import State, change\n"
        "from falconer_shared.errors import StateError\n"
        "home = Path(sys.argv[1])\n"
        "state = State.open(home)\n"
        "machine = MachineKey.open((home / 'machine.age').read_bytes(), Identity.parse(sys.argv[2].encode()), state.machine)\n"
        "room = (home / 'state.sqlite').stat().st_size + 4096\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))\n"
        "try:\n"
        "    with change(state, machine) as (transaction, _):\n"
        "        for number in range(100):\n"
        "            journal.note(transaction, 1_800_000_000, 'filling', text='x' * 2000)\n"
        "except StateError as refused:\n"
        "    print(refused.rule)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(office.home), str(office.identity.value)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "state-not-writable\n", done.stderr
    trial.rules.add("state-not-writable")
    assert office.state().root == before
    # the answer's file
    honest = os.fsync

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    trial.monkeypatch.setattr(os, "fsync", full)
    trial.refused("disk-full", lambda: emit.write_file(str(trial.folder / "answer"), b"x" * 1_000))
    trial.monkeypatch.setattr(os, "fsync", honest)
    assert not [path for path in trial.folder.iterdir() if "answer" in path.name]
    trial.passes(lambda: emit.write_file(str(trial.folder / "answer"), b"x" * 1_000))
    line = AuditRecord(0, 1, "event", {"text": "x"}).line
    for cut in range(len(line)):
        trial.refused("audit-record-malformed", lambda cut=cut: AuditRecord.parse(line[:cut]))


@attack("A136", "sealed-too-much-work", "sealed-malformed")
def backup_that_never_opens(trial: Trial) -> None:
    """The work that a file asks for is read before any of it is done."""

    def asking(work: str, stanzas: int = 1) -> bytes:
        one = b"-> scrypt " + b"A" * 22 + b" " + work.encode() + b"\n" + b"A" * 43 + b"\n"
        return b"age-encryption.org/v1\n" + one * stanzas + b"--- " + b"A" * 43 + b"\n"

    for work in ("1", "10", "18", "22"):
        trial.passes(lambda work=work: sealed.needs_passphrase(asking(work)))
    for work in ("23", "30", "40", "63", "64", "99", "255"):
        refusal = trial.refused_as(
            {"sealed-too-much-work", "sealed-malformed"},
            lambda work=work: sealed.needs_passphrase(asking(work)),
        )
        assert refusal.rule == "sealed-too-much-work" or int(work) > 99
        trial.refused_as(
            {"sealed-too-much-work", "sealed-malformed"},
            lambda work=work: sealed.unseal(asking(work), sealed.Passphrase("x" * 12), "it"),
        )
    for work in ("+40", "-1", "040", "4e1", "\u0664\u0660", "", "9" * 1_000, "0x28"):
        trial.refused_as(
            {"sealed-malformed", "sealed-too-much-work"},
            lambda work=work: sealed.needs_passphrase(asking(work)),
        )
    trial.refused("sealed-malformed", lambda: sealed.needs_passphrase(b"PK\x03\x04" + bytes(100)))


TRAPS = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from tests.attacks.test_people import in_order, traps
print(json.dumps([traps(), in_order()]))
"""


def in_order() -> str:
    """A digest over what sets and dictionaries go into: a policy, a signed transaction, a receipt's verdicts."""
    wallet = wsh_wallet()
    psbt = Payment(wallet).psbt()
    verified = proven(psbt.raw, wallet)
    final = finalize(verify_signatures(verified, treasury_signed(psbt, verified, [1, 3])))
    verdicts = [each.words for each in evaluate(policy(allowed_destinations=("s0", "s1")), spend())]
    return hashlib.sha256(PolicyDraft().text() + final.raw + repr(verdicts).encode()).hexdigest()


def traps() -> list[list[str]]:
    """What each reader of untrusted text says to a million digits, to nesting without end, and to what makes patterns slow."""
    digits, deep, commas = "9" * 1_000_000, "[" * 100_000, "," * 200_000
    book = AddressBook(Network.REGTEST, (), frozenset())
    to = stranger_address()
    intent = b"falconer-intent 1\nkind pay\nmax-fee " + digits.encode() + b"\n"
    readers: list[tuple[str, Callable[[], object]]] = [
        ("payment", lambda: parse_payment(f"{to}={digits}", book)),
        ("fee rate", lambda: parse_fee_rate(digits)),
        ("uri", lambda: bip21.parse(f"bitcoin:{to}?amount={digits}", book)),
        ("uri", lambda: bip21.parse(f"bitcoin:{to}?" + "a=%20&" * 200_000, book)),
        ("intent", lambda: Intent.parse(intent)),
        ("request", lambda: SigningRequest.parse(intent)),
        ("receipt", lambda: Receipt.parse(intent)),
        ("policy", lambda: Policy.parse(b"falconer-policy 1\nversion " + digits.encode() + b"\n")),
        ("toml", lambda: compile_toml("version = " + digits[:200_000])),
        ("toml", lambda: compile_toml("a = " + deep)),
        ("toml", lambda: compile_toml("[a." + "b." * 100_000 + "c]")),
        ("audit", lambda: AuditRecord.parse(b'{"n":' + digits[:8_000].encode() + b"}")),
        ("audit", lambda: AuditRecord.parse(deep.encode())),
        ("labels", lambda: labels.read(deep.encode(), Network.REGTEST)),
        ("labels", lambda: labels.read(b'{"type":"tx","ref":"' + digits.encode() + b'"}', Network.REGTEST)),
        ("path", lambda: parse_path("/".join([digits] * 2))),
        ("path", lambda: parse_path("0/" * 500_000)),
        (
            "descriptor",
            lambda: RegisteredWallet.register(
                "w", Network.REGTEST, with_checksum(f"wsh(multi({digits[:10_000]},x))")
            ),
        ),
        (
            "descriptor",
            lambda: RegisteredWallet.register("w", Network.REGTEST, with_checksum(f"wsh({commas[:16_000]})")),
        ),
        ("address", lambda: script_of("1" * 1_000_000, Network.REGTEST)),
        ("address", lambda: script_of("bcrt1" + "q" * 1_000_000, Network.REGTEST)),
        ("ssh key", lambda: SshPublicKey.parse("ssh-ed25519 " + "A" * 1_000_000)),
        ("ssh signature", lambda: SshSignature.parse(b"-----BEGIN SSH SIGNATURE-----\n" + b"A" * 1_000_000)),
        ("psbt", lambda: UntrustedPsbt.parse(b"cHNidP" + b"A" * 1_000_000 + b"!")),
        ("words", lambda: check_words("abandon " * 100_000)),
        ("age", lambda: sealed.needs_passphrase(b"age-encryption.org/v1\n-> scrypt A " + digits.encode())),
        ("time", lambda: canonical.parse_time("2026-01-31T09:30:00Z" + " " * 1_000_000)),
    ]
    found = []
    for name, read in readers:
        try:
            read()
        except FalconerError as refused:
            found.append([name, refused.rule])
        except ValueError as odd:
            found.append([name, "ValueError" if name == "time" else f"ValueError: {str(odd)[:80]}"])
        else:
            found.append([name, "accepted"])
    return found


@attack(
    "A137",
    "payment-malformed",
    prevented="nothing is unpickled, evaluated or unpacked from an archive; readers are bounded, and no order of a set shows",
)
def traps_of_python(trial: Trial) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAPS], cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "12345"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    found, order = json.loads(done.stdout)
    assert len(found) >= 25
    assert {name: rule for name, rule in found if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule)} == {
        "time": "ValueError"
    }
    to = stranger_address()
    book = AddressBook(Network.REGTEST, (), frozenset())
    trial.passes(lambda: parse_payment(f"{to}=1", book))
    trial.refused("payment-malformed", lambda: parse_payment(f"{to}={'9' * 1_000_000}", book))
    assert sys.get_int_max_str_digits() == 4_300
    for planted in (
        "import pickle",
        "from yaml import load",
        "eval(text)",
        "import tarfile",
        "__import__(name)",
        "exec(code)",
        "import shelve",
    ):
        trial.fires(lambda planted=planted: _runs_no_data({"planted.py": ast.parse(planted)}))
    _runs_no_data(shipped())
    assert order == in_order()


def _runs_no_data(sources: dict[str, ast.Module]) -> None:
    modules = {
        "pickle",
        "marshal",
        "shelve",
        "yaml",
        "dill",
        "cloudpickle",
        "joblib",
        "tarfile",
        "zipfile",
        "shutil.unpack_archive",
        "runpy",
        "code",
        "codeop",
    }
    names = {"eval", "exec", "__import__", "compile"}
    found = []
    for name, tree in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [f"{name}: {each.name}" for each in node.names if each.name.split(".")[0] in modules]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in modules:
                found.append(f"{name}: {node.module}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                found.append(f"{name}:{node.lineno}: {node.func.id}()")
    assert not found, found


@attack(
    "A138",
    "selfcheck-failed",
    prevented="every dependency is locked by its hash: a wheel with one byte changed is not installed",
)
def wheel_with_one_byte_changed(trial: Trial) -> None:
    """A wheel of our own under pip's own hash checking; the locks; and the program's check of itself."""
    wheel = trial.folder / "wheels" / "small_thing-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "small_thing-1.0.dist-info"
    members = {
        "small_thing.py": "VALUE = 1\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: small-thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*members, f"{info}/RECORD")))
    lock = trial.folder / "lock.txt"
    lock.write_text(f"small-thing==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")

    def fetch(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--require-hashes", "--no-index", "--no-deps", "--no-cache-dir",
                "--no-compile",
                "--disable-pip-version-check", "--find-links", str(wheel.parent), "--target", str(trial.folder / name),
                "-r", str(lock),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = trial.passes(lambda: fetch("good"))
    assert good.returncode == 0, good.stderr
    assert (trial.folder / "good" / "small_thing.py").exists()
    data = wheel.read_bytes()
    at = data.index(b"VALUE = 1") + 8
    wheel.write_bytes(data[:at] + b"2" + data[at + 1 :])
    bad = fetch("bad")
    assert bad.returncode != 0
    assert "DO NOT MATCH THE HASHES" in bad.stderr
    assert not (trial.folder / "bad" / "small_thing.py").exists()
    trial.fires(lambda: _all_hashed("cbor2==5.7.0\n"))
    trial.fires(lambda: _all_hashed("cbor2>=5 --hash=sha256:" + "0" * 64 + "\n"))
    locks = sorted((PROJECT / "requirements").glob("*.txt"))
    assert len(locks) >= 3
    for each in locks:
        _all_hashed(each.read_text())
    # a library that computes something else, in place
    trial.passes(selfcheck.run)
    from falconer_offline.keys import private

    honest = private.PrivateNode.sign
    trial.monkeypatch.setattr(private.PrivateNode, "sign", lambda self, digest: honest(self, digest[::-1]))
    trial.refused("selfcheck-failed", selfcheck.run)


def _all_hashed(text: str) -> None:
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+", line), line
        assert "--hash=sha256:" in line, line
