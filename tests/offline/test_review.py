"""One valid request, one mutation each: what a wholly compromised coordinator may try."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline.review import Judged, ReviewedTransaction, judge, read_request, review
from falconer_offline.state.journal import Reservation
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import ApprovalError, Malformed, PolicyViolation, StateError, VerificationError
from falconer_shared.exchange.lines import RuleLine
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.windows import DAY_SECONDS
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Office, Ring, Willing, small
from tests.support.policies import KeyHolder, SshKey
from tests.support.refusal import refused
from tests.support.treasury import Payment, stranger_address, wpkh_wallet


def refuses(office: Office, data: bytes, rule: str, kind=None, now: int = NOW) -> None:
    with refused(rule) as caught:
        office.judge(data, now)
    if kind is not None:
        assert isinstance(caught.value, kind)


def test_the_valid_case_is_accepted(office):
    judged = office.judge(office.request())
    assert judged.total == 70_000
    assert judged.approved.installed.policy.version == 1


def test_change_to_a_foreign_address_is_a_payment_that_nobody_approved(office):
    """A015, A132."""
    pays = ((Amount(70_000), stranger_address()),)
    payment = Payment(
        office.wallet, pay=[(stranger_address(), 70_000), (stranger_address(9), 39_000)], change=[]
    )
    data = office.request(payment, alter_intent=lambda intent: dataclasses.replace(intent, pays=pays))
    refuses(office, data, "intent-payments-differ", ApprovalError)


def test_a_foreign_output_that_claims_to_be_change_is_refused(office):
    psbt = UntrustedPsbt.parse(office.request())
    own = next(i for i, view in enumerate(psbt.outputs) if view.bip32_derivations)
    foreign = 1 - own
    claimed = {key: value for key, value in psbt.output_maps[own].items() if key[:1] == b"\x02"}
    data = psbt.with_fields(output_add={foreign: claimed}).raw
    refuses(office, data, "change-not-derived", VerificationError)


def test_a_lying_amount_is_refused(office):
    """A001, A002: the previous transaction decides."""
    data = office.request()
    psbt = UntrustedPsbt.parse(data)
    utxo = psbt.input_maps[0][b"\x01"]
    lying = (int.from_bytes(utxo[:8], "little") - 5_000).to_bytes(8, "little") + utxo[8:]
    framed, falsified = (b"\x01\x01" + bytes((len(value),)) + value for value in (utxo, lying))
    assert data.count(framed) == 1
    refuses(office, data.replace(framed, falsified), "input-witness-utxo-differs", VerificationError)


def test_above_the_daily_limit(office):
    payment = Payment(office.wallet, coins=[(OwnPlace(0, 3), 400_000)], pay=[(stranger_address(), 299_001)],
                      change=[(OwnPlace(1, 2), 99_999)])  # fmt: skip
    refuses(office, office.request(payment), "policy-daily-limit", PolicyViolation)
    payment.pay, payment.change = [(stranger_address(), 299_000)], [(OwnPlace(1, 2), 100_000)]
    assert office.judge(office.request(payment))


def test_an_approval_is_needed_above_the_threshold(approved_office):
    data = approved_office.request()
    refuses(approved_office, data, "approval-missing", ApprovalError)
    judged = approved_office.judge(approved_office.request(approvers=("anna",)))
    assert judged.approved.approved
    refuses(
        approved_office,
        approved_office.request(approvers=("mallory",)),
        "approval-unknown-key",
        ApprovalError,
    )


def test_approvals_of_another_intent_do_not_count(approved_office):
    honest = UntrustedPsbt.parse(approved_office.request(approvers=("anna",)))
    other = UntrustedPsbt.parse(approved_office.request(small(approved_office.wallet, 7)))
    moved = {key: value for key, value in honest.global_map.items() if key not in other.global_map}
    assert moved
    data = other.with_fields(global_add=moved).raw
    with refused("approval-invalid") as caught:
        approved_office.judge(data)
    assert isinstance(caught.value, ApprovalError)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"unsigned_hash": "00" * 32}, "request-other-transaction"),
        ({"intent_digest": "00" * 32}, "request-other-intent"),
        ({"policy_version": 2}, "request-other-policy"),
        ({"policy_digest": "00" * 32}, "request-other-policy"),
        ({"network": Network.MAINNET}, "request-other-network-here"),
        ({"wallet_id": "00" * 32}, "wallet-not-registered"),
        ({"receipts": ()}, "request-other-signers"),
    ],
)
def test_every_fact_of_the_request_is_compared(office, change, rule):
    refuses(
        office,
        office.request(alter_request=lambda r: dataclasses.replace(r, **change)),
        rule,
        VerificationError,
    )


def test_a_stranger_with_the_same_words_is_no_coordinator(office):
    refuses(office, office.request(coordinator="mallory"), "request-other-coordinator", VerificationError)


def test_both_sides_must_have_judged_alike(office):
    def dearer(request):
        lines = [
            RuleLine(line.name, Outcome.PASS, "999", line.limit) if line.name == "max_fee_sats" else line
            for line in request.rules
        ]
        return dataclasses.replace(request, rules=tuple(lines))

    refuses(office, office.request(alter_request=dearer), "verdict-mismatch", VerificationError)


def test_an_intent_has_its_time(office):
    data = office.request()
    assert office.judge(data, NOW + 86_399)
    refuses(office, data, "intent-expired", ApprovalError, NOW + 86_400)
    early = office.request(alter_intent=lambda i: dataclasses.replace(i, not_before=NOW + 1))
    refuses(office, early, "intent-not-yet-valid", ApprovalError)
    assert office.judge(early, NOW + 1)


def test_the_clock_may_not_be_behind_the_journal(office):
    """A126: the mark is the last entry's time."""
    assert office.judge(office.request(), NOW)
    refuses(office, office.request(), "clock-behind-journal", StateError, NOW - 1)


def test_a_clock_that_ran_ahead_forgets_nothing(office):
    from falconer_offline.session import sign_session

    sign_session(office.state(), office.judge(office.request()), Willing(), Ring(office), lambda: NOW)
    later = NOW + DAY_SECONDS - 1
    found = office.judge(office.request(small(office.wallet, 1), now=later), later).approved.verdicts
    assert {v.rule: v.value for v in found}["max_daily_spend_sats"] == str(71_000 + 71_002)


def test_what_is_no_request_is_refused_by_name(office):
    for data, rule, kind in (
        (b"", "psbt-empty", Malformed),
        (b"not a psbt", "psbt-not-recognised", Malformed),
        (Payment(office.wallet).psbt().raw, "request-missing", VerificationError),
        (office.request()[:-1], None, Malformed),
        (office.request() + b"\0", None, Malformed),
    ):
        with pytest.raises(kind) as caught:
            office.judge(data)
        assert rule is None or caught.value.rule == rule


def test_no_policy_no_signature(tmp_path):
    from falconer_offline.state import journal
    from falconer_offline.state.store import change

    office = Office.make(tmp_path / "home", wpkh_wallet())
    data = office.request()
    with change(office.state(), office.machine) as (transaction, _):
        transaction.run("DELETE FROM policies")
        journal.note(transaction, NOW, "tested")
    refuses(office, data, "policy-missing", StateError)


def test_an_installed_policy_must_verify_from_the_pinned_administrators(office):
    """Even our own state is not believed about limits: the chain is walked again at each start."""
    from falconer_offline.state import journal, records
    from falconer_offline.state.store import change
    from tests.support.policies import signed

    laxer = dataclasses.replace(office.draft, rules={})
    candidate = signed(laxer.text(), "mallory")
    data = office.request()
    with change(office.state(), office.machine) as (transaction, _):
        transaction.run("UPDATE policies SET text = ?, signatures = ?", candidate.text,
                        records.pack_signatures(candidate.signatures))  # fmt: skip
        journal.note(transaction, NOW, "tested")
    refuses(office, data, "state-tampered", StateError)


def test_a_machine_that_the_policy_does_not_name_signs_nothing(office):
    draft = dataclasses.replace(
        office.draft, version=2, signers=(KeyHolder("south", SshKey.of("south").public),)
    )
    office.install(draft, NOW)
    office.draft = draft
    refuses(office, office.request(), "signer-not-in-policy", PolicyViolation)


def test_a_request_under_an_older_policy_is_refused(office):
    data = office.request()
    office.install(dataclasses.replace(office.draft, version=2), NOW)
    refuses(office, data, "request-other-policy", VerificationError)


def test_more_than_three_destinations_are_confirmed_by_the_digest(office):
    def asked(count: int) -> list[str]:
        payment = Payment(office.wallet, pay=[(stranger_address(n), 10_000) for n in range(count)],
                          change=[(OwnPlace(1, 2), 109_000 - 10_000 * count)])  # fmt: skip
        person = Willing()
        state = office.state()
        judged = judge(state, read_request(state, office.request(payment)), NOW)
        reviewed = review(judged, state, person)
        assert reviewed.verified is judged.verified
        assert person.asked[1] == ("total", str(count * 10_000))
        return [name for name, _ in person.asked[2:]]

    assert asked(1) == ["destination 1"]
    assert asked(3) == ["destination 1", "destination 2", "destination 3"]
    assert asked(4) == ["the intent digest"]


def test_trusted_types_cannot_be_made_elsewhere(office):
    judged = office.judge(office.request())
    for make in (
        lambda: ReviewedTransaction(judged, judged.total, seal=object()),
        lambda: Reservation("", "", 0, office.state(), seal=object()),
        lambda: ReviewedTransaction(judged, judged.total),
    ):
        with pytest.raises(TypeError):
            make()
    reviewed = review(judged, office.state(), Willing())
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(reviewed, typed_total=Amount(1))


def test_signing_refuses_a_reservation_for_something_else(office):
    from falconer_offline.sign import sign
    from falconer_offline.state import journal

    judged = office.judge(office.request())
    other = office.judge(office.request(small(office.wallet, 5)))
    reviewed = review(judged, office.state(), Willing())
    reservation = journal.reserve(
        office.state(), office.machine, office.wallet.wallet_id, other.approved.entry, "00" * 32
    )
    with pytest.raises(ValueError, match="another transaction"):
        sign(reviewed, reservation, {})


def test_signing_refuses_a_key_that_is_not_the_wallets(office):
    from falconer_offline.keys.private import PrivateNode
    from falconer_offline.sign import sign
    from falconer_offline.state import journal

    judged = office.judge(office.request())
    reviewed = review(judged, office.state(), Willing())
    reservation = journal.reserve(
        office.state(), office.machine, office.wallet.wallet_id, judged.approved.entry, judged.readable.digest
    )
    with pytest.raises(ValueError, match="no key"):
        sign(reviewed, reservation, {})
    with refused("key-not-of-wallet", VerificationError):
        sign(reviewed, reservation, {0: PrivateNode.from_seed(bytes(32))})


def test_two_signatures_with_one_nonce_are_never_given_out(office, monkeypatch):
    """A089: what a broken library might do."""
    from falconer_offline.keys.private import PrivateNode
    from falconer_offline.sign import sign
    from falconer_offline.state import journal
    from tests.offline.office import seed_bytes

    judged = office.judge(office.request())
    reviewed = review(judged, office.state(), Willing())
    reservation = journal.reserve(
        office.state(), office.machine, office.wallet.wallet_id, judged.approved.entry, judged.readable.digest
    )
    keys = {0: PrivateNode.from_seed(seed_bytes(1))}
    assert sign(reviewed, reservation, keys).complete
    same = keys[0].sign(bytes(32))
    monkeypatch.setattr(PrivateNode, "sign", lambda _self, _digest: same)
    with refused("nonce-repeated", VerificationError):
        sign(reviewed, reservation, keys)


def test_a_signature_that_does_not_verify_is_never_given_out(office, monkeypatch):
    from falconer_offline.keys.private import PrivateNode
    from falconer_offline.sign import sign
    from falconer_offline.state import journal
    from tests.offline.office import seed_bytes

    judged = office.judge(office.request())
    reviewed = review(judged, office.state(), Willing())
    reservation = journal.reserve(
        office.state(), office.machine, office.wallet.wallet_id, judged.approved.entry, judged.readable.digest
    )
    real = PrivateNode.sign
    monkeypatch.setattr(PrivateNode, "sign", lambda self, digest: real(self, digest[::-1]))
    with pytest.raises(VerificationError) as caught:
        sign(reviewed, reservation, {0: PrivateNode.from_seed(seed_bytes(1))})
    assert "signature" in caught.value.rule


def test_judged_is_a_plain_value(office):
    assert isinstance(office.judge(office.request()), Judged)
