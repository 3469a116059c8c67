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
        "70,000 sats   0.00070000 BTC", "1,000 sats   0.00001000 BTC", "4.785 sat/vB, 1.43 % of the payments, at most 4,000 sats",
        "lock time   0",
        "change 2", "regtest", judged.readable.digest, judged.verified.unsigned_hash, state.head[1],
        judged.approved.intent.digest, judged.verified.wallet.wallet_id, "may be replaced",
        "pass  max_daily_spend_sats: 71,000 of 300,000",
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


def test_lines_are_broken_at_spaces_and_never_inside_a_digest_or_an_address(office):
    judged, state = office.judge(office.request()), office.state()
    whole = [line.plain for line in screen.page(judged, state)]
    for width in (40, 79, 80, 120):
        shown = [part.plain for line in screen.page(judged, state) for part in screen._broken(line, width)]
        longest = max(len(word) for line in whole for word in line.split()) + screen._LABEL
        assert max(map(len, shown)) <= max(width, longest)
        # nothing is lost but the end of a drawing on a narrow screen
        if width >= 79:
            assert " ".join(" ".join(shown).split()) == " ".join(" ".join(whole).split())
    for digest in (judged.readable.digest, state.head[1], judged.verified.unsigned_hash):
        assert any(digest in line for line in shown)


def test_what_is_typed_from_stands_in_the_last_lines(office):
    """A screen of 24 lines, two of them for what comes after the page."""
    judged, state = office.judge(office.request()), office.state()
    last = [part.plain for line in screen.page(judged, state) for part in screen._broken(line, 80)][-22:]
    text = "\n".join(last)
    for fact in (
        "PAY 1   70,000 sats",
        "sum         70,000 sats",
        stranger_address(),
        "fee         1,000 sats",
        "receive 3 ──┐",
    ):
        assert fact in text
    assert "REQUEST TO SIGN" not in text


def test_the_drawing_tells_own_from_foreign_and_adds_up(office):
    draft = dataclasses.replace(office.draft, version=2, addresses={"landlord": stranger_address()})
    office.install(draft, 1_800_000_000)
    office.draft = draft
    page = lines(office)
    assert "                         ├─► 70,000 sats  PAY 1  landlord" in page
    assert "                         ├─► 39,000 sats  own, change 2" in page
    assert "                         └─►  1,000 sats  fee" in page
    judged = office.judge(office.request())
    ascii_only = [line.plain for line in screen.page(judged, office.state(), screen.diagram.ASCII)]
    assert all(line.isascii() for line in ascii_only)
    assert any(line.endswith("+-> 70,000 sats  PAY 1  landlord") for line in ascii_only)


def test_rules_without_a_limit_are_counted_and_others_are_shown_with_both_sides(office):
    page = lines(office)
    assert any(line.startswith("no limit    set in 23 of 25 rules") for line in page)
    assert not any("at the coordinator" in line for line in page)


def test_times_are_of_the_zone_with_utc_beside(office, monkeypatch):
    import time

    for zone, expected in (
        ("Europe/Berlin", "2027-01-15 09:00:00 CET (08:00:00Z)"),
        ("UTC", "2027-01-15T08:00:00Z"),
        ("Asia/Kathmandu", "2027-01-15 13:45:00 +05:45 (08:00:00Z)"),
        ("America/Los_Angeles", "2027-01-15 00:00:00 PST (08:00:00Z)"),
        ("Pacific/Honolulu", "2027-01-14 22:00:00 HST (2027-01-15T08:00:00Z)"),
        ("Etc/GMT+3", "2027-01-15 05:00:00 -03:00 (08:00:00Z)"),
    ):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert f"it is       {expected}" in lines(office)
        finally:
            monkeypatch.undo()
            time.tzset()
