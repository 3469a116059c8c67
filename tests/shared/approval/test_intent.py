"""The intent's one spelling, and that a transaction must be exactly what it describes."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.approval.intent import MAX_INTENT_BYTES, MAX_PAYMENTS, Intent, IntentKind, check_intent
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import MAX_TIME
from falconer_shared.errors import ApprovalError, Malformed, VerificationError
from falconer_shared.units import MAX_MONEY, Amount
from falconer_shared.verify.transaction import verify
from tests.shared.approval.conftest import POLICY, payment
from tests.support.refusal import outcome, refused
from tests.support.treasury import NOTHING_KNOWN, stranger_address, wpkh_wallet

NOW = 1_700_000_000


def check(intent, verified, now=NOW, **changes):
    check_intent(intent, verified, **{**POLICY, "now": now, **changes})


def replaced(intent, **changes):
    return dataclasses.replace(intent, **changes)


# The text


def test_is_spelt_as_the_design_says(intent, facts):
    assert intent.text.decode() == (
        "falconer-intent 1\n"
        "kind pay\n"
        "network regtest\n"
        f"wallet {facts['wallet_id']}\n"
        "proposal 2026-03-04.rent\n"
        "requester agent-7\n"
        "strategy -\n"
        f"policy 3 {'ab' * 32}\n"
        f"spends {facts['spends'].text()}\n"
        f"pay 40000 {stranger_address(0)}\n"
        f"pay 30000 {stranger_address(1)}\n"
        "max-fee 2000\n"
        "not-before 2023-11-14T22:13:20Z\n"
        "expires 2023-11-15T22:13:20Z\n"
    )
    assert intent.digest == hashlib.sha256(intent.text).hexdigest()


def test_reading_is_the_inverse_of_writing(intent):
    assert Intent.parse(intent.text) == intent


def lines(intent):
    return intent.text.decode().splitlines(keepends=True)


@pytest.mark.parametrize("number", range(14))
def test_every_line_must_be_there_once_and_in_its_place(intent, number):
    whole = lines(intent)
    # one of two payments may go or trade places: that is another intent, with another digest
    if not whole[number].startswith("pay "):
        without = "".join(whole[:number] + whole[number + 1 :]).encode()
        with refused("intent-malformed", Malformed):
            Intent.parse(without)
        if number:
            moved = "".join(
                [*whole[: number - 1], whole[number], whole[number - 1], *whole[number + 1 :]]
            ).encode()
            with refused("intent-malformed", Malformed):
                Intent.parse(moved)
    twice = "".join([*whole[: number + 1], whole[number], *whole[number + 1 :]]).encode()
    with refused(
        "intent-address-repeated" if whole[number].startswith("pay ") else "intent-malformed", Malformed
    ):
        Intent.parse(twice)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("falconer-intent 1", "falconer-intent 2", "intent-malformed"),
        ("falconer-intent 1", "falconer-policy 1", "intent-malformed"),
        ("kind pay", "kind PAY", "intent-malformed"),
        ("kind pay", "kind give", "intent-malformed"),
        ("network regtest", "network testnet3", "network-unknown"),
        ("network regtest", "network mainnet", "address-other-network"),
        ("proposal 2026", "proposal  2026", "intent-malformed"),
        ("proposal 2026-03-04.rent", "proposal Rent", "intent-malformed"),
        ("proposal 2026-03-04.rent", "proposal " + "a" * 65, "intent-malformed"),
        ("requester agent-7", "requester agent 7", "intent-malformed"),
        ("strategy -", "strategy \u00e4", "intent-malformed"),
        ("strategy -", "strategy", "intent-malformed"),
        ("policy 3", "policy 0", "intent-malformed"),
        ("policy 3", "policy 03", "intent-malformed"),
        ("policy 3", "policy +3", "intent-malformed"),
        ("abab\n", "abaB\n", "intent-malformed"),
        ("abab\n", "abax\n", "intent-malformed"),
        ("abab\n", "ab\n", "intent-malformed"),
        ("abab\n", "ababab\n", "intent-malformed"),
        (":1\n", ":01\n", "outpoint-malformed"),
        ("pay 40000", "pay 040000", "intent-malformed"),
        ("pay 40000", "pay 0", "intent-malformed"),
        ("pay 40000", "pay -1", "intent-malformed"),
        ("pay 40000", "pay 1e4", "intent-malformed"),
        ("pay 40000", f"pay {MAX_MONEY + 1}", "intent-malformed"),
        ("pay 40000", f"pay {MAX_MONEY - 29_999}", "amount-out-of-range"),
        ("pay 40000", "pay", "intent-malformed"),
        ("max-fee 2000", "max-fee 2000 sats", "intent-malformed"),
        ("max-fee 2000", f"max-fee {MAX_MONEY + 1}", "intent-malformed"),
        ("not-before 2023-11-14T22:13:20Z", "not-before 2023-11-14 22:13:20Z", "intent-malformed"),
        ("not-before 2023-11-14T22:13:20Z", "not-before 2023-11-14T22:13:20+00:00", "intent-malformed"),
        ("not-before 2023-11-14T22:13:20Z", "not-before 2023-11-15T22:13:20Z", "intent-malformed"),
        ("expires 2023-11-15", "expires 2023-02-29", "intent-malformed"),
        ("22:13:20Z\n", "22:13:20Z\r\n", "intent-malformed"),
        ("kind pay\n", "kind pay\n\n", "intent-malformed"),
        ("strategy -\n", "strategy -\npurpose rent\n", "intent-malformed"),
    ],
)
def test_one_fault_of_spelling_is_enough(intent, old, new, rule):
    text = intent.text.decode()
    assert text.count(old) >= 1
    with refused(rule):
        Intent.parse(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("tail", [b" ", b"\n", b"x", b"x\n", b"\0"])
def test_nothing_follows(intent, tail):
    with refused("intent-malformed", Malformed):
        Intent.parse(intent.text + tail)


def test_the_last_line_feed_is_part_of_it(intent):
    with refused("intent-malformed", Malformed):
        Intent.parse(intent.text[:-1])


def test_an_address_in_capitals_is_another_spelling(intent):
    text = intent.text.decode().replace(stranger_address(0), stranger_address(0).upper()).encode()
    assert script_of(stranger_address(0).upper(), Network.REGTEST) == script_of(
        stranger_address(0), Network.REGTEST
    )
    with refused("intent-malformed", Malformed):
        Intent.parse(text)


def test_one_destination_twice_is_refused_whatever_the_amounts(facts):
    with refused("intent-address-repeated", Malformed):
        Intent(**{**facts, "pays": ((Amount(1), stranger_address(0)), (Amount(2), stranger_address(0)))})
    assert Intent(**{**facts, "pays": ((Amount(1), stranger_address(0)), (Amount(2), stranger_address(1)))})


def test_an_address_of_another_network_is_named_as_that(facts):
    foreign = address_of(script_of(stranger_address(0), Network.REGTEST), Network.MAINNET)
    with refused("address-other-network", VerificationError):
        Intent(**{**facts, "pays": ((Amount(1), foreign),)})


def many(count):
    return tuple((Amount(1_000 + n), stranger_address(n)) for n in range(count))


def test_the_number_of_payments_is_bounded(facts):
    most = Intent(**{**facts, "pays": many(MAX_PAYMENTS)})
    assert Intent.parse(most.text) == most
    with refused("intent-malformed", Malformed):
        Intent(**{**facts, "pays": many(MAX_PAYMENTS + 1)})
    with refused("intent-malformed", Malformed):
        Intent(**{**facts, "pays": ()})


def test_the_longest_honest_intent_fits_the_byte_bound(facts):
    taproot = tuple(
        (Amount(MAX_MONEY // MAX_PAYMENTS), address_of(b"\x51\x20" + n.to_bytes(32, "big"), Network.REGTEST))
        for n in range(MAX_PAYMENTS)
    )
    longest = {"proposal": "p" * 64, "requester": "r" * 64, "strategy": "s" * 64, "policy_version": 10**9}
    intent = Intent(**{**facts, **longest, "pays": taproot, "max_fee": Amount(MAX_MONEY)})
    assert len(intent.text) < MAX_INTENT_BYTES
    assert Intent.parse(intent.text) == intent


def test_a_text_beyond_the_bound_is_refused_unread():
    with refused("intent-malformed", Malformed):
        Intent.parse(b"falconer-intent 1\n" * 1_000)


@pytest.mark.parametrize(
    ("kind", "fewest", "most"),
    [
        (IntentKind.PAY, 1, MAX_PAYMENTS),
        (IntentKind.SWEEP, 1, 1),
        (IntentKind.OWN, 0, 0),
        (IntentKind.CANCEL, 0, 0),
        (IntentKind.RECOVER, 0, MAX_PAYMENTS),
    ],
)
def test_each_kind_has_its_number_of_payments(facts, kind, fewest, most):
    for count in {fewest, most}:
        made = Intent(**{**facts, "kind": kind, "pays": many(count)})
        assert Intent.parse(made.text) == made
    for count in {fewest - 1, most + 1} - {-1}:
        with refused("intent-malformed", Malformed):
            Intent(**{**facts, "kind": kind, "pays": many(count)})


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (IntentKind.PAY, "pay"),
        (IntentKind.SWEEP, "sweep"),
        (IntentKind.OWN, "own"),
        (IntentKind.CANCEL, "cancel"),
        (IntentKind.RECOVER, "recover"),
    ],
)
def test_each_kind_has_its_word(facts, kind, word):
    made = Intent(
        **{**facts, "kind": kind, "pays": many(1 if kind in {IntentKind.PAY, IntentKind.SWEEP} else 0)}
    )
    assert f"\nkind {word}\n".encode() in made.text


def test_both_ends_of_time(facts):
    first = Intent(**{**facts, "not_before": 0, "expires": 1})
    last = Intent(**{**facts, "expires": MAX_TIME})
    assert [Intent.parse(each.text) for each in (first, last)] == [first, last]
    for times in ({"not_before": -1}, {"expires": MAX_TIME + 1}, {"not_before": facts["expires"]}):
        with refused("intent-malformed", Malformed):
            Intent(**{**facts, **times})


def test_a_fee_of_nothing_may_be_approved(facts):
    free = Intent(**{**facts, "max_fee": Amount(0)})
    assert Intent.parse(free.text) == free


def test_nothing_is_paid_to_nobody(facts):
    assert Intent(**{**facts, "pays": ((Amount(1), stranger_address(0)),)}).pays[0][0] == 1
    with refused("intent-malformed", Malformed):
        Intent(**{**facts, "pays": ((Amount(0), stranger_address(0)),)})


@pytest.mark.parametrize(
    ("field", "wrong", "name"),
    [
        ("proposal", "Rent", "proposal"),
        ("requester", "", "requester"),
        ("strategy", "a b", "strategy"),
        ("wallet_id", "00", "wallet"),
        ("policy_digest", "AB" * 32, "policy digest"),
        ("policy_version", 0, "policy version"),
    ],
)
def test_the_sentence_names_the_field(facts, field, wrong, name):
    with refused("intent-malformed", Malformed) as caught:
        Intent(**{**facts, field: wrong})
    assert caught.value.message.startswith(f"intent: its {name} is not ")


def test_the_sentence_names_the_text(intent):
    with refused("intent-malformed", Malformed) as caught:
        Intent.parse(intent.text + b"x")
    assert caught.value.message.startswith("intent: ")


_TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=64)


@given(
    proposal=_TOKENS,
    requester=_TOKENS,
    strategy=_TOKENS,
    version=st.integers(1, 10**9),
    vout=st.integers(0, 2**32 - 1),
    amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=4),
    max_fee=st.integers(0, MAX_MONEY),
    not_before=st.integers(0, 2**33),
    validity=st.integers(1, 2**30),
)
def test_every_intent_comes_back_from_its_text(
    proposal, requester, strategy, version, vout, amounts, max_fee, not_before, validity
):
    made = Intent(
        kind=IntentKind.PAY, network=Network.REGTEST, wallet_id="00" * 32, proposal=proposal, requester=requester,
        strategy=strategy, policy_version=version, policy_digest="ff" * 32, spends=OutPoint(bytes(32), vout),
        pays=tuple((Amount(sats), stranger_address(n)) for n, sats in enumerate(amounts)), max_fee=Amount(max_fee),
        not_before=not_before, expires=not_before + validity,
    )  # fmt: skip
    assert Intent.parse(made.text) == made


@given(st.data())
def test_a_changed_byte_gives_another_digest_or_a_refusal(data):
    made = Intent(
        kind=IntentKind.PAY, network=Network.REGTEST, wallet_id="00" * 32, proposal="p", requester="r", strategy="-",
        policy_version=1, policy_digest="ff" * 32, spends=OutPoint(bytes(32), 1),
        pays=((Amount(5), stranger_address(0)),), max_fee=Amount(1), not_before=0, expires=1,
    )  # fmt: skip
    text = bytearray(made.text)
    position = data.draw(st.integers(0, len(text) - 1))
    text[position] = data.draw(st.integers(0, 255))
    read, rule = outcome(lambda: Intent.parse(bytes(text)))
    assert rule is not None or (read is not None and read.text == bytes(text))
    assert rule is not None or (read == made) == (bytes(text) == made.text)


# The comparison with a verified transaction


def test_the_described_transaction_passes_at_both_ends_of_its_time(intent, verified):
    check(intent, verified, now=intent.not_before)
    check(intent, verified, now=intent.expires - 1)


def test_too_early_and_too_late(intent, verified):
    with refused("intent-not-yet-valid", ApprovalError):
        check(intent, verified, now=intent.not_before - 1)
    with refused("intent-expired", ApprovalError):
        check(intent, verified, now=intent.expires)


def test_another_network(facts, verified):
    pays = tuple(
        (amount, address_of(script_of(address, Network.REGTEST), Network.SIGNET))
        for amount, address in facts["pays"]
    )
    with refused("intent-other-network", ApprovalError):
        check(Intent(**{**facts, "network": Network.SIGNET, "pays": pays}), verified)


def test_another_wallet(intent, verified):
    with refused("intent-other-wallet", ApprovalError):
        check(replaced(intent, wallet_id=wpkh_wallet(2).wallet_id), verified)


@pytest.mark.parametrize(
    "change", [{"policy_version": 2}, {"policy_version": 4}, {"policy_digest": "ac" * 32}]
)
def test_another_policy(intent, verified, change):
    with refused("intent-other-policy", ApprovalError):
        check(replaced(intent, **change), verified)
    with refused("intent-other-policy", ApprovalError):
        check(intent, verified, **change)


def test_the_named_coin_must_be_spent(intent, verified):
    for proven in verified.inputs:
        check(replaced(intent, spends=proven.outpoint), verified)
    for other in (
        OutPoint(intent.spends.txid, intent.spends.vout + 1),
        OutPoint(intent.spends.txid[::-1], intent.spends.vout),
    ):
        with refused("intent-coin-not-spent", ApprovalError):
            check(replaced(intent, spends=other), verified)


def test_the_fee_may_be_what_was_approved_and_no_more(intent, verified):
    check(replaced(intent, max_fee=verified.fee), verified)
    with refused("intent-fee-exceeded", ApprovalError):
        check(replaced(intent, max_fee=Amount(verified.fee - 1)), verified)


def test_the_order_of_outputs_does_not_matter(intent, verified):
    check(replaced(intent, pays=intent.pays[::-1]), verified)


@pytest.mark.parametrize(
    "pays",
    [
        ((40_000, 0),),
        ((40_000, 0), (30_001, 1)),
        ((40_000, 0), (29_999, 1)),
        ((30_000, 0), (40_000, 1)),
        ((40_000, 0), (30_000, 2)),
        ((70_000, 0),),
        ((40_000, 0), (30_000, 1), (1_000, 2)),
    ],
)
def test_payments_must_be_exactly_the_approved_ones(intent, verified, pays):
    changed = tuple((Amount(sats), stranger_address(number)) for sats, number in pays)
    with refused("intent-payments-differ", ApprovalError):
        check(replaced(intent, pays=changed), verified)


def test_a_second_output_to_an_approved_address_is_not_approved(intent):
    made = payment()
    made.pay.append((stranger_address(0), 1_000))
    made.change = [(made.change[0][0], made.change[0][1] - 1_000)]
    verified = verify(made.psbt(), made.wallet, NOTHING_KNOWN)
    with refused("intent-payments-differ", ApprovalError):
        check(replaced(intent, spends=verified.inputs[0].outpoint), verified)


def test_change_to_a_stranger_is_a_payment_that_nobody_approved(intent):
    made = payment()
    (_, amount), made.change = made.change[0], []
    made.pay.append((stranger_address(9), amount))
    verified = verify(made.psbt(), made.wallet, NOTHING_KNOWN)
    with refused("intent-payments-differ", ApprovalError):
        check(replaced(intent, spends=verified.inputs[0].outpoint), verified)


def test_a_fee_bump_inside_the_bound_needs_no_new_approval(intent):
    made = payment()
    made.change = [(made.change[0][0], made.change[0][1] - 1_000)]
    bumped = verify(made.psbt(), made.wallet, NOTHING_KNOWN)
    assert bumped.fee == intent.max_fee
    check(intent, bumped)
