from __future__ import annotations

import dataclasses

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from falconer_offline import screen
from falconer_shared.wallet.ownership import OwnPlace
from tests.support.treasury import Payment, stranger_address


def lines(office, **options) -> list[str]:
    return [line.plain for line in screen.page(office.judge(office.request(**options)), office.state())]


def test_the_page_shows_everything_that_is_signed(office):
    judged = office.judge(office.request())
    state = office.state()
    text = "\n".join(line.plain for line in screen.page(judged, state))
    for item in judged.verified.inputs:
        assert item.outpoint.text() in text
        assert f"{int(item.amount):,} sats" in text
    for output in judged.verified.outputs:
        assert output.address in text
        assert f"{int(output.amount):,} sats" in text
    for fact in (
        "70,000 sats   0.00070000 BTC", "1,000 sats, 4.785 sat/vB, 1.43 % of the payments", "lock time   0",
        "change 2", "regtest", judged.readable.digest, judged.verified.unsigned_hash, state.head[1],
        judged.approved.intent.digest, judged.verified.wallet.wallet_id, "may be replaced",
        "pass  max_daily_spend_sats: 71000 of 300000 here, 71000 of 300000 at the coordinator",
    ):  # fmt: skip
        assert fact in text


def test_what_nobody_vouches_for_is_said(office, approved_office):
    assert any("unproven" in line for line in lines(office))
    assert any("no name in the policy" in line for line in lines(office))
    approved = lines(approved_office, approvers=("anna",))
    assert not any("unproven" in line for line in approved)
    assert any("anna (the quorum that this amount takes)" in line for line in approved)


def test_names_come_from_the_policy(office):
    draft = dataclasses.replace(office.draft, version=2, addresses={"landlord": stranger_address()})
    office.install(draft, 1_800_000_000)
    office.draft = draft
    assert any(line.split() == ["who", "landlord"] for line in lines(office))


def test_sixty_outputs_are_all_there_and_in_order(office):
    """A125: none below a fold, none sorted away."""
    payment = Payment(
        office.wallet, pay=[(stranger_address(n), 1_000 + n) for n in range(60)], coins=[(OwnPlace(0, 3), 110_000)],
        change=[(OwnPlace(1, 2), 45_000)],
    )  # fmt: skip
    draft = dataclasses.replace(office.draft, version=2, rules={})
    office.install(draft, 1_800_000_000)
    office.draft = draft
    page = lines(office, payment=payment)
    places = [next(i for i, line in enumerate(page) if stranger_address(n) in line) for n in range(60)]
    assert places == sorted(places)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_of_others_moves_the_cursor_or_the_eye(text):
    """A117, A118: rich draws a Text, whatever is in it, without reading markup; what we put in is escaped first."""
    from falconer_shared.text import safe

    console = Console(
        record=True, force_terminal=False, width=400, markup=False, emoji=False, highlight=False
    )
    with console.capture() as captured:
        console.print(screen._fact("label", safe(text)))
        console.print(screen._fact("label", safe("[bold red]x[/] :smile: \x1b[2J\u202e")))
    shown = captured.get()
    assert shown.isascii()
    assert all(character == "\n" or " " <= character <= "~" for character in shown)
    assert "[bold red]x[/] :smile: \\x1b[2J\\u202e" in shown


def test_an_address_stays_in_one_piece():
    address = stranger_address()
    assert screen._address("to", address).plain.split() == ["to", address]


def test_long_lines_are_not_folded(office, capsys):
    judged = office.judge(office.request())
    screen.show(judged, office.state(), aside=False)
    printed = capsys.readouterr()
    assert judged.readable.digest in printed.out
    assert printed.err == ""
    screen.show(judged, office.state(), aside=True)
    assert judged.readable.digest in capsys.readouterr().err
