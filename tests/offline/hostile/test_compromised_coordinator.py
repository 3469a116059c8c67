"""A coordinator wholly in hostile hands: its key signs every request here, so nothing but the machine's own judgement stands
in its way.
"""

from __future__ import annotations

import dataclasses
import random

import pytest

from falconer_offline import screen
from falconer_offline.review import judge, read_request
from falconer_offline.session import sign_session
from falconer_offline.state import journal, records
from falconer_offline.state.store import State, change
from falconer_shared import diagram
from falconer_shared.approval.intent import Intent
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.errors import ApprovalError, AuditError, VerificationError
from falconer_shared.exchange.envelope import build_envelope, embed, extract
from falconer_shared.exchange.receipt import Receipt, ReceiptMark, sign_receipt
from falconer_shared.exchange.request import sign_request
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Office, Ring, Willing, small
from tests.support.policies import SshKey, approvals
from tests.support.rawpsbt import RawPsbt, edited
from tests.support.refusal import outcome, refused
from tests.support.treasury import Payment, ecdsa, private_key, stranger_address, wsh_wallet

COORDINATOR = SshKey.of("coordinator")


def sign(office, data, now=NOW):
    return sign_session(office.state(), office.judge(data, now), Willing(), Ring(office), lambda: now)


def verdict(office, data, rule: str, now=NOW) -> str | None:
    found = office.judge(data, now).approved.verdicts
    return {each.rule: each.value for each in found}[rule]


def sealed(psbt: UntrustedPsbt, envelope, **changes) -> bytes:
    """The parts of an envelope put together anew around a PSBT, the request signed again."""
    parts = {"request": envelope.request, "intent": envelope.intent, "approvals": envelope.approvals,
             "receipts": envelope.receipts, **changes}  # fmt: skip
    signature = sign_request(parts["request"], COORDINATOR.private.sign, COORDINATOR.public)
    full = build_envelope(parts["request"], signature, parts["intent"], parts["approvals"], parts["receipts"])
    return embed(psbt, full).raw


# One approval, and what else it might be made to serve


def approved_payment(office) -> tuple[Payment, bytes]:
    payment = Payment(office.wallet)
    return payment, office.request(payment, approvers=("anna",))


def test_one_approval_signs_variants_that_exclude_each_other_and_count_once(approved_office):
    """A fee bump, another change, more coins: all of them spend the coin that the intent names."""
    office = approved_office
    payment, data = approved_payment(office)
    intent = extract(UntrustedPsbt.parse(data)).intent
    spent: list[Transaction] = []
    for number, fee in enumerate((1_000, 2_000, 4_000)):
        variant = Payment(office.wallet, coins=list(payment.coins), change=[(OwnPlace(1, 2), 40_000 - fee)])
        if number:
            variant.coins.append((OwnPlace(0, 8 + number), 10_000))
            variant.change.append((OwnPlace(1, 4), 10_000))
        data = office.request(variant, approvers=("anna",), alter_intent=lambda _: intent)
        sign(office, data)
        spent.append(variant.psbt().tx)
    common = set.intersection(*({each.outpoint for each in tx.inputs} for tx in spent))
    assert intent.spends in common
    assert len({tx.txid() for tx in spent}) == 3
    assert verdict(office, data, "max_daily_spend_sats") == "74000"


def test_an_approval_serves_no_transaction_without_its_coin(approved_office):
    office = approved_office
    _, data = approved_payment(office)
    intent = extract(UntrustedPsbt.parse(data)).intent
    other = Payment(office.wallet)
    other.coins = [(place, amount + 7) for place, amount in other.coins]
    again = office.request(other, approvers=("anna",), alter_intent=lambda _: intent)
    with refused("intent-coin-not-spent", ApprovalError):
        office.judge(again)


@pytest.mark.parametrize("field", ["proposal", "requester", "strategy", "expires", "not_before", "max_fee"])
def test_an_approval_serves_no_other_words(approved_office, field):
    """Any line of the intent but one sentence further: the approvals were for another text."""
    office = approved_office
    payment, data = approved_payment(office)
    envelope = extract(UntrustedPsbt.parse(data))
    old = getattr(envelope.intent, field)
    new = {"max_fee": lambda: Amount(old + 1)}.get(
        field, lambda: old + 1 if isinstance(old, int) else f"{old}x"
    )()
    intent = dataclasses.replace(envelope.intent, **{field: new})
    request = dataclasses.replace(envelope.request, intent_digest=intent.digest)
    with refused("approval-invalid", ApprovalError):
        office.judge(sealed(payment.psbt(), envelope, intent=intent, request=request))


def test_an_approval_does_not_outlive_its_policy(approved_office):
    """The same words under the next policy version, whose text differs in nothing else."""
    office = approved_office
    payment, data = approved_payment(office)
    shown = extract(UntrustedPsbt.parse(data)).approvals
    draft = dataclasses.replace(office.draft, version=2)
    office.install(draft, NOW)
    office.draft = draft
    fresh = extract(UntrustedPsbt.parse(office.request(payment)))
    with refused("approval-invalid", ApprovalError):
        office.judge(sealed(payment.psbt(), fresh, approvals=shown))


def test_an_approval_made_for_another_purpose_is_none(approved_office):
    office = approved_office
    payment, data = approved_payment(office)
    envelope = extract(UntrustedPsbt.parse(data))
    from falconer_shared.approval.quorum import Approval

    for namespace in ("falconer-policy@1", "falconer-request@1", "falconer-receipt@1", "git"):
        strange = Approval.parse(SshKey.of("anna").sign(envelope.intent.text, namespace))
        with refused("approval-invalid", ApprovalError):
            office.judge(sealed(payment.psbt(), envelope, approvals=(strange,)))


@pytest.mark.parametrize("who", ["coordinator", "admin-a", "carl", "nobody"])
def test_a_signature_by_somebody_else_is_no_approval(approved_office, who):
    """carl is an approver, and not of the group that this amount asks for."""
    data = approved_office.request()
    envelope = extract(UntrustedPsbt.parse(data))
    shown = approvals(envelope.intent.text, who)
    rule = "approval-missing" if who == "carl" else "approval-unknown-key"
    with refused(rule):
        approved_office.judge(sealed(Payment(approved_office.wallet).psbt(), envelope, approvals=shown))


# Anchors and windows


def test_one_transaction_under_two_anchors_counts_twice(office):
    """Both of its coins are named in turn: erring on the safe side, no set is chosen after the fact."""
    payment = Payment(office.wallet)
    second = payment.psbt().tx.inputs[1].outpoint
    sign(office, office.request(payment))
    other = office.request(payment, alter_intent=lambda intent: dataclasses.replace(intent, spends=second))
    assert verdict(office, other, "max_daily_spend_sats") == "142000"


def test_two_intents_that_name_one_coin_count_once_at_the_larger(office):
    """They cannot both confirm; the smaller one does not make the larger one smaller."""
    large = Payment(office.wallet)
    tiny = Payment(office.wallet, pay=[(stranger_address(5), 1_000)], change=[(OwnPlace(1, 2), 108_000)])
    sign(office, office.request(large))
    sign(office, office.request(tiny))
    assert verdict(office, office.request(tiny), "max_daily_spend_sats") == "71000"
    other = office.request(small(office.wallet, 3))
    assert verdict(office, other, "max_daily_spend_sats") == str(71_000 + 71_007 - 1)


def test_a_coin_named_again_on_another_day_counts_again(office):
    day = 86_400
    sign(office, office.request())
    later = office.request(now=NOW + day)
    assert verdict(office, later, "max_daily_spend_sats", NOW + day) == "71000"
    sign(office, later, NOW + day)
    other = office.request(small(office.wallet, 3), now=NOW + day)
    assert int(verdict(office, other, "max_daily_spend_sats", NOW + day)) > 142_000


def test_a_payment_to_ourselves_is_no_payment(office):
    """The search finds our own address without a hint, so an intent that calls it a payee describes something else."""
    own = office.wallet.address(0, 7)
    payment = Payment(office.wallet, pay=[(own, 70_000)])
    pays = ((Amount(70_000), own),)
    data = office.request(
        dataclasses.replace(payment, pay=[(stranger_address(), 70_000)]),
    )
    envelope = extract(UntrustedPsbt.parse(data))
    intent = dataclasses.replace(envelope.intent, pays=pays)
    psbt = payment.psbt()
    from falconer_shared.bitcoin.transaction import unsigned_hash

    request = dataclasses.replace(
        envelope.request, unsigned_hash=unsigned_hash(psbt.tx), intent_digest=intent.digest
    )
    with refused("intent-payments-differ", ApprovalError):
        office.judge(sealed(psbt, envelope, intent=intent, request=request))


def test_a_far_address_of_ours_without_hints_counts_as_leaving(office):
    """Beyond the window it is not recognised: then it is a payment in every sum and on the page."""
    far = office.wallet.address(0, 5_000)
    psbt = Payment(office.wallet, pay=[(far, 70_000)])
    judged = office.judge(office.request(psbt))
    assert judged.verified.spent == 71_000
    assert any(far in line.plain for line in screen.page(judged, office.state()) if "PAY" not in line.plain)


@pytest.mark.parametrize("extra", [1, 2])
def test_a_destination_twice_is_not_what_was_approved(approved_office, extra):
    office = approved_office
    _, data = approved_payment(office)
    intent = extract(UntrustedPsbt.parse(data)).intent
    twice = Payment(
        office.wallet,
        pay=[(stranger_address(), 70_000)] + [(stranger_address(), 10_000)] * extra,
        change=[(OwnPlace(1, 2), 39_000 - 10_000 * extra)],
    )
    again, rule = outcome(lambda: office.request(twice, approvers=("anna",), alter_intent=lambda _: intent))
    if rule is None:
        with refused("intent-payments-differ", ApprovalError):
            office.judge(again)
    else:
        # an honest intent for it cannot even be written
        assert rule == "intent-address-repeated"


# Receipts that ride along


def forged(signer: str, key: SshKey, number: int, request: str, refusals: tuple[str, ...] = ()):
    receipt = Receipt(
        signer=signer, number=number, request=request, refusals=refusals, rules=(), total=None, policy_version=1,
        journal_size=1, journal_head="00" * 32, program="x", judged=NOW,
    )  # fmt: skip
    return sign_receipt(receipt, key.private.sign, key.public)


@pytest.fixture
def guarded(tmp_path):
    """2-of-3; this machine is not the mandatory signer, `south` is."""
    office = Office.make(tmp_path / "guarded", wsh_wallet(), seeds=(2,))
    from falconer_shared.policy.parts import KeyHolder

    draft = dataclasses.replace(
        office.draft,
        version=2,
        signers=(*office.draft.signers, KeyHolder("south", SshKey.of("south").public)),
        mandatory=("south",),
    )
    office.install(draft, NOW)
    office.draft = draft
    return office


def request_with(office, *receipts):
    envelope = extract(UntrustedPsbt.parse(office.request()))
    return sealed(Payment(office.wallet).psbt(), envelope, receipts=receipts)


def test_a_mandatory_signer_cannot_be_spoken_for(guarded):
    digest = extract(UntrustedPsbt.parse(guarded.request())).request.digest
    south = SshKey.of("south")
    assert guarded.judge(request_with(guarded, forged("south", south, 1, digest))).approved
    for receipt, rule in (
        (forged("south", COORDINATOR, 1, digest), "receipt-unknown-signer"),
        (forged("south", SshKey.of("anna"), 1, digest), "receipt-unknown-signer"),
        (forged("north", south, 1, digest), "receipt-unknown-signer"),
        (forged("south", south, 1, "ab" * 32), "receipt-other-than-marked"),
        (forged("south", south, 1, digest, ("person-declined",)), "mandatory-signer-missing"),
    ):
        with refused(rule):
            guarded.judge(request_with(guarded, receipt))
    with refused("mandatory-signer-missing"):
        guarded.judge(request_with(guarded))


def test_a_receipt_for_the_last_request_does_not_serve_this_one(guarded):
    """The mandatory machine signed something: marked as its last receipt, so that it may ride along."""
    old = forged("south", SshKey.of("south"), 4, "cd" * 32)
    guarded.marks = {"south": ReceiptMark("south", 4, old.receipt.digest)}
    with refused("mandatory-signer-missing"):
        guarded.judge(request_with(guarded, old))


def test_our_own_past_cannot_be_rewritten(office):
    first = sign(office, office.request()).receipt
    for mark, rule in (
        (ReceiptMark("north", 1, "ab" * 32), "receipt-fork"),
        (ReceiptMark("north", 2, first.receipt.digest), "receipt-ahead"),
        (ReceiptMark("north", 2**53, "ab" * 32), "receipt-ahead"),
    ):
        office.marks = {"north": mark}
        with refused(rule, AuditError):
            office.judge(office.request())


def test_receipts_of_another_wallet_of_this_machine_are_not_this_ones(office):
    """Numbers count per wallet: the other wallet's fifth receipt is no sign that this one lost four."""
    sign(office, office.request())
    vault = wsh_wallet(seeds=(1, 2, 3))
    office.register(vault, NOW)
    assert not records.receipts(office.state(), vault.wallet_id)
    assert len(records.receipts(office.state(), office.wallet.wallet_id)) == 1


# What goes back


def test_the_answer_holds_our_signatures_and_nothing_that_came_in(tmp_path):
    """Another key's signature, unknown fields, a false proprietary field and a comment in every map: none comes back."""
    office = Office.make(tmp_path / "home", wsh_wallet(), seeds=(2,))
    judged = office.judge(office.request())
    item = judged.verified.inputs[0]
    key = office.wallet.keys[0]
    stranger = field_key(InputType.PARTIAL_SIG, item.scripts.pubkeys[0])
    theirs = ecdsa(private_key(1, key.origin, item.place), item.digest)

    def stuff(raw: RawPsbt) -> None:
        raw.set(raw.input(0), stranger, theirs)
        for number, entries in enumerate(raw.maps):
            entries.append((b"\x77payload", b"secret %d" % number))
            entries.append((b"\xfc\x08falconer\x30", b"secret %d" % number))

    data = edited(office.request(), stuff)
    answer = sign(office, data)
    assert b"secret" not in answer.psbt.raw
    assert [set(view.partial_sigs) for view in answer.psbt.inputs] == [
        {each.scripts.pubkeys[1]} for each in judged.verified.inputs
    ]
    assert theirs not in answer.psbt.raw
    plain = sign(office, office.request())
    assert [view.fields for view in plain.psbt.inputs] == [view.fields for view in answer.psbt.inputs]


def test_a_false_signature_in_the_request_is_not_passed_by(office):
    judged = office.judge(office.request())
    item = judged.verified.inputs[0]
    ours = field_key(InputType.PARTIAL_SIG, item.scripts.pubkeys[0])
    wrong = ecdsa(private_key(1, office.wallet.keys[0].origin, item.place), bytes(32))
    data = edited(office.request(), lambda raw: raw.set(raw.input(0), ours, wrong))
    with refused("signature-invalid", VerificationError):
        office.judge(data)


# The page


def test_words_of_the_coordinator_stay_printable_and_short(office):
    """The only words of its own that reach the page: ids, and values of rules that depend on state."""

    def altered(request):
        rules = tuple(
            dataclasses.replace(line, value="]approved-by-all[/bold]", limit="{0}%s\\x1b[2J")
            if line.name == "max_daily_spend_sats"
            else line
            for line in request.rules
        )
        return dataclasses.replace(request, rules=rules)

    judged = office.judge(office.request(alter_request=altered))
    page = [line.plain for line in screen.page(judged, office.state(), diagram.ASCII)]
    assert all(" " <= character <= "~" for line in page for character in line)
    place = next(number for number, line in enumerate(page) if "max_daily_spend_sats" in line)
    assert page[place].startswith("rule")
    assert page[place].endswith("71,000 of 300,000")
    # theirs stands on a line of its own that says whose words it holds
    assert page[place + 1].split(":")[0].strip() == "at the coordinator"
    assert "approved-by-all" not in "".join(page[:place] + page[place + 2 :])


def test_a_lock_time_is_said(office):
    """Nobody approves it: it decides when a signed transaction can confirm."""
    judged = office.judge(office.request(Payment(office.wallet, locktime=4_000_000_000)))
    text = "\n".join(line.plain for line in screen.page(judged, office.state()))
    assert "cannot confirm before 2096-10-02" in text


# Anything at all


def _mutated(data: bytes, chance: random.Random) -> bytes:
    raw = RawPsbt(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        entries = chance.choice(raw.maps)
        act = chance.randrange(6)
        if not entries or act == 0:
            kind = chance.choice([*range(0x20), 0x40, 0xFB, 0xFC, 0xFD])
            entries.append(
                (bytes([kind]) + chance.randbytes(chance.choice((0, 1, 32, 33))), chance.randbytes(9))
            )
            continue
        place = chance.randrange(len(entries))
        key, value = entries[place]
        if act == 1:
            entries.pop(place)
        elif act == 2 and value:
            at = chance.randrange(len(value))
            entries[place] = (
                key,
                value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :],
            )
        elif act == 3:
            entries[place] = (key, value[: chance.randrange(len(value) + 1)])
        elif act == 4:
            at = chance.randrange(len(key))
            entries[place] = (key[:at] + chance.randbytes(1) + key[at + 1 :], value)
        else:
            other = chance.choice(raw.maps)
            entries.append(chance.choice(other or entries))
    out = raw.bytes()
    return out if chance.random() < 0.8 else out[: chance.randrange(len(out))] + chance.randbytes(3)


@pytest.mark.parametrize("seed", range(8))
def test_every_mutation_is_refused_in_one_printable_sentence_or_changes_nothing(approved_office, seed):
    """Never a traceback, and what is accepted pays what was approved, from coins that are ours."""
    office = approved_office
    chance = random.Random(seed)
    state = office.state()
    requests = [
        office.request(Payment(office.wallet, psbt_version=version), approvers=("anna",))
        for version in (0, 2)
    ]
    honest = judge(state, read_request(state, requests[0]), NOW)
    accepted = 0
    for _ in range(150):
        data = _mutated(chance.choice(requests), chance)
        try:
            judged, rule = outcome(lambda data=data: judge(state, read_request(state, data), NOW))
        except Exception as mistake:
            raise AssertionError(f"{type(mistake).__name__} for {data.hex()}") from mistake
        if judged is None:
            assert rule
            continue
        accepted += 1
        assert judged.verified.unsigned_hash == honest.verified.unsigned_hash
        assert judged.verified.inputs == honest.verified.inputs
        assert [(each.amount, each.script) for each in judged.verified.payments] == [
            (amount, script_of(address, office.wallet.network))
            for amount, address in honest.approved.intent.pays
        ]
    assert accepted, "some mutations (fields that nobody believes) change nothing"


def test_one_digest_one_text(office):
    """Canonical text cannot be bent: no line of the intent has a second spelling that is read."""
    text = extract(UntrustedPsbt.parse(office.request())).intent.text
    chance = random.Random(1)
    for _ in range(3_000):
        at = chance.randrange(len(text))
        changed = (
            text[:at]
            + chance.choice((b"", b" ", b"\n", b"\r\n", b"\t", b"0", b"+", b"\xc2\xa0"))
            + text[at + chance.randrange(2) :]
        )
        intent, _ = outcome(lambda changed=changed: Intent.parse(changed))
        if intent is not None:
            assert intent.text == changed
            assert (intent.digest == extract(UntrustedPsbt.parse(office.request())).intent.digest) is (
                changed == text
            )


def test_two_processes_cannot_spend_the_same_day_twice(office):
    """Judged on one state, another process's change in between, of whatever kind: judged again or not signed."""
    judged = office.judge(office.request())
    with change(office.state(), office.machine) as (transaction, _):
        journal.note(transaction, NOW, "something-else")
    with refused("state-changed"):
        sign_session(
            State.open(office.home), office.judge(office.request()), Willing(), _Meddling(office), lambda: NOW
        )
    assert not office.state().rows["spends"]
    assert judged


class _Meddling(Ring):
    """While the person looks for the passphrase, another process writes."""

    def prepare(self, record):
        with change(self.office.state(), self.office.machine) as (transaction, _):
            journal.note(transaction, NOW, "something-else")
        return super().prepare(record)
