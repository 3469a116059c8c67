from __future__ import annotations

import dataclasses
import random
import signal
import subprocess
import sys
import time

import pytest

from falconer_offline.session import MAX_REVIEW_SECONDS, own_keys, refuse_session, sign_session
from falconer_offline.state import records
from falconer_offline.state.audit import check_journal
from falconer_shared.errors import Declined, PolicyViolation, SecretError, StateError
from falconer_shared.exchange.receipt import ReceiptMark, verify_receipt
from falconer_shared.exchange.response import check_response, parse_response
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.policy.windows import DAY_SECONDS
from falconer_shared.verify.signatures import verify_signatures
from tests.conftest import PROJECT
from tests.offline.office import NOW, Ring, Unwilling, Willing, small
from tests.support.refusal import refused
from tests.support.treasury import Payment, ecdsa, private_key

STEPS = [
    "reviewed", "secrets-asked",
    "locked", "written", "root-signed", "committed", "reserved",
    "unlocked", "signed",
    "locked", "written", "root-signed", "committed", "concluded",
]  # fmt: skip
RESERVED_AFTER = STEPS.index("committed") + 1
SIGNED_AFTER = len(STEPS) - STEPS[::-1].index("committed")


def sign(office, data: bytes, now: int = NOW, person=None, ring=None, steps=None):
    judged = office.judge(data, now)
    return sign_session(
        office.state(),
        judged,
        person or Willing(),
        ring or Ring(office),
        lambda: now,
        steps or (lambda _: None),
    )


def outcomes(office) -> list[str]:
    return [row[-1] for row in office.state().rows["spends"]]


def test_a_session_takes_its_steps_in_its_one_order(office):
    seen: list[str] = []
    person = Willing()
    data = office.request()
    answer = sign(office, data, person=person, steps=seen.append)
    assert seen == STEPS
    assert [name for name, _ in person.asked] == ["page", "total", "destination 1"]
    assert outcomes(office) == ["signed"]
    assert _events(office)[-2:] == ["reserved", "signed"]
    assert answer.state.root == office.state().root


def _events(office) -> list[str]:
    from falconer_shared.audit.record import AuditRecord

    return [AuditRecord.parse(line).event for line in office.state().journal]


def test_the_answer_is_what_the_coordinator_takes(office):
    data = office.request()
    judged = office.judge(data)
    answer = sign(office, data)
    response = parse_response(answer.psbt)
    receipt = check_response(response, judged.checked.request, office.draft.policy())
    assert receipt.signed
    assert receipt.total == 70_000
    assert (receipt.journal_size, receipt.journal_head) == office.state().head
    assert verify_signatures(judged.verified, answer.psbt).complete
    assert verify_receipt(answer.receipt, office.machine.public) == receipt


@pytest.mark.parametrize("version", [0, 2])
def test_every_signature_is_the_one_that_another_program_makes(office, version):
    """A088: recomputed from the seed by embit's derivation and libwally's RFC 6979."""
    payment = Payment(office.wallet, psbt_version=version)
    judged = office.judge(office.request(payment))
    answer = sign(office, office.request(payment))
    assert answer.psbt.version == version
    for item, view in zip(judged.verified.inputs, answer.psbt.inputs, strict=True):
        secret = private_key(1, office.wallet.keys[0].origin, item.place)
        assert view.partial_sigs == {item.scripts.pubkeys[0]: ecdsa(secret, item.digest)}


def test_of_a_multisig_this_machine_signs_with_its_own_key_alone(multi_office):
    data = multi_office.request()
    judged = multi_office.judge(data)
    answer = sign(multi_office, data)
    checked = verify_signatures(judged.verified, answer.psbt)
    assert checked.signers == {1}
    assert not checked.complete


def test_no_more_keys_sign_than_a_quorum_needs(tmp_path):
    from tests.offline.office import Office
    from tests.support.treasury import wsh_wallet

    office = Office.make(tmp_path / "home", wsh_wallet(), seeds=(1, 2, 3))
    judged = office.judge(office.request())
    assert sorted(own_keys(office.state(), judged)) == [0, 1]
    assert verify_signatures(judged.verified, sign(office, office.request()).psbt).complete


def test_a_wallet_without_a_key_of_ours_is_not_signed_for(tmp_path):
    from tests.offline.office import Office
    from tests.support.treasury import wsh_wallet

    office = Office.make(tmp_path / "home", wsh_wallet(), seeds=())
    with refused("wallet-without-own-key", StateError):
        sign(office, office.request())


def test_a_person_who_says_no_leaves_no_trace(office):
    before = office.state().root
    with refused("confirmation-wrong", Declined):
        sign(office, office.request(), person=Unwilling())
    assert office.state().root == before


@pytest.mark.parametrize(
    ("seconds", "signs"),
    [(0, True), (MAX_REVIEW_SECONDS, True), (MAX_REVIEW_SECONDS + 1, False), (-1, False)],
)
def test_a_page_that_lay_open_too_long_is_judged_again(office, seconds, signs):
    judged = office.judge(office.request())
    if signs:
        sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW + seconds)
        assert [row[-2] for row in office.state().rows["spends"]] == [NOW + seconds]
        return
    with refused("review-too-old", StateError):
        sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW + seconds)
    assert outcomes(office) == []


def test_an_intent_that_expired_while_the_page_lay_open_is_not_signed(office):
    data = office.request(alter_intent=lambda intent: dataclasses.replace(intent, expires=NOW + 10))
    judged = office.judge(data)
    with refused("review-too-old", StateError):
        sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW + 10)
    sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW + 9)


def test_a_key_that_does_not_open_takes_the_reservation_back(office):
    with refused("passphrase-wrong", SecretError):
        sign(office, office.request(), ring=Ring(office, SecretError("passphrase-wrong", "no")))
    assert outcomes(office) == ["released"]
    check_journal(office.state())
    assert not records.JournalHistory(office.state(), office.wallet.wallet_id).entries(0)
    sign(office, office.request())
    assert outcomes(office) == ["released", "signed"]


def test_a_mistake_of_ours_after_the_reservation_does_not_take_it_back(office):
    """Only a refusal before any key opened does: whatever else happens, a signature may exist."""
    with pytest.raises(ZeroDivisionError):
        sign(office, office.request(), ring=Ring(office, ZeroDivisionError()))
    assert outcomes(office) == ["reserved"]


def test_spends_add_up_to_the_daily_limit_and_not_above(office):
    """About 71,000 each: four fit into 300,000, a fifth does not until the first ones are a day old."""
    for number in range(4):
        sign(office, office.request(small(office.wallet, number)))
    with refused("policy-daily-limit", PolicyRefused):
        office.judge(office.request(small(office.wallet, 4)))
    later = NOW + DAY_SECONDS
    assert office.judge(office.request(small(office.wallet, 4), now=later), later)


def test_the_same_payment_again_counts_once(office):
    for _ in range(5):
        sign(office, office.request())
    assert outcomes(office) == ["signed"] * 5
    found = office.judge(office.request()).approved.verdicts
    assert {v.rule: v.value for v in found}["max_daily_spend_sats"] == "71000"


def test_ten_requests_judged_at_once_are_signed_one_by_one(office):
    """A127: all are judged on one state; the first is signed, the others must be judged again."""
    state = office.state()
    judged = [office.judge(office.request(small(office.wallet, number))) for number in range(10)]
    sign_session(state, judged[0], Willing(), Ring(office), lambda: NOW)
    for late in judged[1:]:
        with refused("state-changed", StateError):
            sign_session(state, late, Willing(), Ring(office), lambda: NOW)
    assert outcomes(office) == ["signed"]


def test_indexes_rise_with_what_was_signed(office):
    sign(office, office.request())
    known = records.known_indexes(office.state(), office.wallet.wallet_id)
    assert (known.highest_index(0), known.highest_index(1)) == (5, 2)


def test_a_refusal_is_numbered_signed_and_journaled(office):
    data = office.request()
    readable = office.judge(data).readable
    reason = PolicyViolation("policy-daily-limit", "too much")
    answer = refuse_session(office.state(), readable, reason, office.machine, NOW)
    receipt = check_response(parse_response(answer.psbt), readable.envelope.request, office.draft.policy())
    assert receipt.refusals == ("policy-daily-limit",)
    assert (receipt.number, receipt.total) == (1, None)
    assert not any(view.partial_sigs for view in answer.psbt.inputs)
    sign(office, data)
    assert [record.number for record in records.receipts(office.state(), office.wallet.wallet_id)] == [1, 2]
    check_journal(office.state())


def test_a_coordinator_that_knows_more_of_us_than_we_do_shows_a_lost_state(office, tmp_path):
    """A128: the state is put back to before a signature."""
    import shutil

    shutil.copytree(office.home, tmp_path / "backup")
    answer = sign(office, office.request())
    shutil.rmtree(office.home)
    shutil.copytree(tmp_path / "backup", office.home)
    office.marks = {"north": ReceiptMark("north", 1, answer.receipt.receipt.digest)}
    with refused("receipt-ahead"):
        office.judge(office.request())


def test_a_coordinator_that_knows_less_is_told(office):
    first = sign(office, office.request())
    sign(office, office.request())
    assert office.judge(office.request()).unsent == 2
    office.marks = {"north": ReceiptMark("north", 1, first.receipt.receipt.digest)}
    assert office.judge(office.request()).unsent == 1


def test_a_fork_of_our_past_is_refused(office):
    sign(office, office.request())
    office.marks = {"north": ReceiptMark("north", 1, "ab" * 32)}
    with refused("receipt-fork"):
        office.judge(office.request())


# kill -9


def _child(office, tmp_path, fatal: int, **options) -> subprocess.Popen[str]:
    (tmp_path / "request.psbt").write_bytes(office.request())
    return subprocess.Popen(
        [
            sys.executable, "-m", "tests.offline.child_sign", str(office.home), str(office.identity.value),
            str(tmp_path / "request.psbt"), str(tmp_path / "answer.psbt"), str(fatal),
        ],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def _check_after_death(office, tmp_path) -> list[str]:
    """Whatever happened: the state verifies, and a signature outside implies a reservation inside."""
    check_journal(office.state())
    found = outcomes(office)
    assert found in ([], ["reserved"], ["signed"])
    if (tmp_path / "answer.psbt").exists():
        assert found == ["signed"]
    # and the machine goes on from there: the same request counts once
    sign(office, office.request())
    verdicts = office.judge(office.request()).approved.verdicts
    assert {v.rule: v.value for v in verdicts}["max_daily_spend_sats"] == "71000"
    return found


@pytest.mark.parametrize("fatal", range(1, len(STEPS) + 2))
def test_killed_after_any_step_nothing_happened_or_the_reservation_stands(office, tmp_path, fatal):
    child = _child(office, tmp_path, fatal)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert out.split() == [*STEPS, "written-out"][:fatal]
    expected = [] if fatal < RESERVED_AFTER else ["reserved"] if fatal < SIGNED_AFTER else ["signed"]
    assert _check_after_death(office, tmp_path) == expected


@pytest.mark.slow
def test_killed_at_any_moment_nothing_happened_or_the_reservation_stands(office, tmp_path):
    """The moments between the steps, inside SQLite's commit among them."""
    child = _child(office, tmp_path, 0)
    child.stdout.readline()
    start = time.monotonic()
    child.communicate(timeout=60)
    duration = time.monotonic() - start
    assert child.returncode == 0
    (tmp_path / "answer.psbt").unlink()
    root = office.state().sequence
    for _ in range(6):
        child = _child(office, tmp_path, 0)
        child.stdout.readline()
        time.sleep(random.random() * duration)
        child.kill()
        child.communicate(timeout=60)
        state = office.state()
        check_journal(state)
        assert state.sequence - root in {0, 1, 2}
        assert not (tmp_path / "answer.psbt").exists() or state.sequence - root == 2
        (tmp_path / "answer.psbt").unlink(missing_ok=True)
        root = state.sequence
