"""The picture of a transaction: everything that leaves is in it, it adds up, and no text of others draws in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.diagram import ASCII, MAX_OWN, UNICODE, Flow, diagram, drawing
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.ownership import OwnPlace
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wpkh_wallet

STROKES = set("─┐┤├└►│")


def test_the_picture_of_a_payment():
    wallet = wpkh_wallet()
    verified = verify(Payment(wallet).psbt(), wallet, NOTHING_KNOWN)
    there = stranger_address()
    assert diagram(verified, {there: "supplier"}.get) == (
        "60,000 sats  receive 3 ──┐",
        "50,000 sats  receive 5 ──┤",
        "                         ├─► 70,000 sats  pays supplier",
        f"                         │                {there}",
        "                         ├─► 39,000 sats  back to change 2",
        "                         └─►  1,000 sats  fee",
    )
    assert diagram(verified, lambda _: None, ASCII)[2:4] == (
        "                         +-> 70,000 sats  pays an address without a name",
        f"                         |                {there}",
    )


def test_every_payment_is_drawn_also_the_last_of_sixty():
    # A125: own coins are summed up, payments never
    wallet = wpkh_wallet()
    many = [(stranger_address(number), 1_000 + number) for number in range(60)]
    payment = Payment(
        wallet,
        coins=[(OwnPlace(0, number), 10_000 + number) for number in range(MAX_OWN + 8)],
        pay=many,
        change=[(OwnPlace(1, 2), 100_000)],
    )
    lines = diagram(verify(payment.psbt(), wallet, NOTHING_KNOWN), lambda _: None)
    text = "\n".join(lines)
    for number, (address, sats) in enumerate(many):
        assert f"{address}" in text, number
        assert f"{sats:,} sats  pays" in text
    assert lines[MAX_OWN - 1].startswith(f"{sum(10_000 + n for n in range(MAX_OWN - 1, MAX_OWN + 8)):,} sats")
    assert "9 more coins of our own" in lines[MAX_OWN - 1]


def test_up_to_the_bound_every_coin_is_drawn():
    coins = [Flow(1_000, f"receive {number}") for number in range(MAX_OWN)]
    lines = drawing(coins, [], [], 1_000 * MAX_OWN)
    assert len(lines) == MAX_OWN + 1
    assert not any("more" in line for line in lines)
    own = [Flow(1_000, f"back to change {number}") for number in range(MAX_OWN + 1)]
    lines = drawing([Flow(1_000 * MAX_OWN + 1_500, "receive 0")], [], own, 500)
    assert "2,000 sats  2 more outputs of our own" in lines[-2]


@pytest.mark.parametrize("fee", [999, 1_001])
def test_a_picture_that_does_not_add_up_is_not_drawn(fee: int):
    with pytest.raises(ValueError, match="add up"):
        drawing([Flow(10_000, "receive 0")], [Flow(9_000, "pays", "bcrt1q")], [], fee)
    with pytest.raises(ValueError, match="add up"):
        drawing([], [], [], 0)


TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@given(TEXT, TEXT, st.sampled_from([ASCII, UNICODE]))
def test_names_and_addresses_of_others_cannot_draw(what: str, address: str, strokes: object):
    # A117-A119: no escape sequence, no newline, no look-alike, and no stroke of the picture either
    lines = drawing([Flow(10_000, what)], [Flow(9_000, what, address)], [], 1_000, strokes)  # type: ignore[arg-type]
    assert len(lines) == 4
    for line in lines:
        assert all(" " <= character <= "~" or character in STROKES for character in line)
        assert len(line) < 400
    assert sum(line.count("►") for line in lines) == (0 if strokes is ASCII else 2)
