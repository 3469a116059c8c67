"""Lists, sums, batches and times of proposals, on the command line and a real node."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from falconer_online.cli.options import parse_moment
from falconer_online.cli.times import local, short
from falconer_online.selection import csv_text
from falconer_shared.errors import UsageError
from tests.online.office import Office
from tests.support.node import RegtestNode
from tests.support.refusal import refused

NOW = 1_767_225_600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-01-01", NOW), ("2025-12-31T23:59:59Z", NOW - 1), ("7d", NOW - 604_800), ("30m", NOW - 1800), ("999999d", 0)],
)  # fmt: skip
def test_moments(text: str, seconds: int):
    assert parse_moment(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-1-1", "-7d", "0d", "7w"])
def test_other_words_are_no_moments(text: str):
    with refused("time-malformed", UsageError):
        parse_moment(text, NOW)


def test_times_are_shown_in_the_operators_zone_and_in_utc(monkeypatch: pytest.MonkeyPatch):
    try:
        for zone, shown in (
            ("UTC", "2026-01-01 00:00:00 UTC"),
            ("Europe/Berlin", "2026-01-01 01:00:00 CET (00:00:00 UTC)"),
            ("America/New_York", "2025-12-31 19:00:00 EST (2026-01-01 00:00:00 UTC)"),
        ):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert local(NOW) == shown
        assert short(NOW).endswith("12-31 19:00")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_purpose_is_no_formula():
    # CWE-1236: who asks for money writes the purpose, and a spreadsheet would run it
    text = csv_text(("a", "b"), [("=HYPERLINK(1)", -5), ("+1", 3), ("-", "x"), ("@a", 'say "x",\ny')])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"], ["'=HYPERLINK(1)", "-5"], ["'+1", "3"], ["-", "x"], ["'@a", 'say "x",\ny'],
    ]  # fmt: skip


@pytest.fixture
def three(treasury: Callable[..., Office], stranger: Callable[[], str]) -> Office:
    """Three proposals: 10,000 by the operator, 150,000 by a bot (pending), 20,000 rejected."""
    made = treasury(100_000, 300_000, 110_000)
    # one coin each, named: which ones a node would choose is its own affair
    coins = {each["sats"]: each["outpoint"] for each in made.run("wallet", "coins").json["coins"]}
    made.create((stranger(), 10_000), options=("--purpose", "=1+1", "--coins", coins[100_000]))
    made.create((stranger(), 150_000), options=("--requester", "bot-7", "--coins", coins[300_000]))
    third = made.create((stranger(), 20_000), options=("--coins", coins[110_000]))
    gone = third.json["proposal"]["id"]
    made.run("proposals", "reject", gone)
    return made


def sats(answer: Any) -> list[int]:
    return [sum(each["sats"] for each in row["payments"]) for row in answer.json["proposals"]]


def test_filters(three: Office):
    office = three

    def chosen(*words: str) -> list[int]:
        return sats(office.run("proposals", "list", *words))

    assert chosen() == [10_000, 150_000, 20_000]
    assert chosen("--state", "pending") == [150_000]
    assert chosen("--state", "pending", "--state", "rejected") == [150_000, 20_000]
    assert chosen("--requester", "bot-7") == [150_000]
    assert chosen("--wallet", "treasury", "--min", "20000") == [150_000, 20_000]
    assert chosen("--max", "20000") == [10_000, 20_000]
    assert chosen("--min", "20001", "--max", "149999") == []
    assert chosen("--since", "1h") == [10_000, 150_000, 20_000]
    assert chosen("--until", "1h") == []
    assert chosen("--since", "2100-01-01") == []
    assert office.run("proposals", "list", "--wallet", "x", expect=9).ids == ["wallet-unknown"]
    assert office.run("proposals", "list", "--state", "x", expect=2).ids == ["proposal-state-unknown"]
    assert office.run("proposals", "list", "--since", "x", expect=2).ids == ["time-malformed"]
    assert office.run("proposals", "list", "--csv", expect=2).ids == ["usage"]


def test_lists_and_sums_for_people_and_spreadsheets(three: Office, capsys: pytest.CaptureFixture[str]):
    from falconer_online.cli.root import run

    office = three
    capsys.readouterr()
    assert run(["proposals", "list", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["sats"] for row in rows] == ["10000", "150000", "20000"]
    assert [row["purpose"] for row in rows] == ["'=1+1", "", ""]
    assert rows[0]["created"].endswith("Z")
    assert run(["proposals", "list"]) == 0
    table = capsys.readouterr().out
    assert "150,000" in table
    assert "0.00150000" in table
    stats = office.run("proposals", "stats").json
    assert (stats["count"], stats["sats"]) == (3, 180_000)
    assert stats["by_requester"] == [
        {"requester": "bot-7", "count": 1, "sats": 150_000},
        {"requester": "operator", "count": 2, "sats": 30_000},
    ]
    assert {each["state"]: each["sats"] for each in stats["by_state"]} == {
        "pending": 150_000, "rejected": 20_000, "approved": 10_000,
    }  # fmt: skip
    assert sorted(each["sats"] for each in stats["by_destination"]) == [10_000, 20_000, 150_000]
    assert office.run("proposals", "stats", "--state", "pending").json["count"] == 1
    capsys.readouterr()
    assert run(["proposals", "stats", "--csv"]) == 0
    assert "requester,operator,2,30000\n" in capsys.readouterr().out
    assert run(["proposals", "stats"]) == 0
    assert "180,000 sats, 0.00180000 BTC" in capsys.readouterr().out


def test_what_is_past_its_time_expires_once(treasury: Callable[..., Office], stranger: Callable[[], str]):
    office = treasury(100_000)
    name = office.create((stranger(), 10_000), options=("--expires", "1s")).json["proposal"]["id"]
    assert office.run("wallet", "balance").json["held"] == 100_000
    deadline = time.monotonic() + 20
    expired: list[Any] = []
    while not expired and time.monotonic() < deadline:
        time.sleep(0.2)
        expired = office.run("proposals", "expire").json["expired"]
    assert [(each["id"], each["state"]) for each in expired] == [(name, "expired")]
    assert office.run("proposals", "expire").json["expired"] == []
    assert office.run("wallet", "balance").json["held"] == 0


def test_a_batch_a_uri_and_a_name_in_one_proposal(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(900_000)
    one, two, third, four = (stranger() for _ in range(4))
    batch = office.path("pay.csv", f"address,sats,label\n{one},10000,rent\n{two},20000\n")
    uri = f"bitcoin:{third.upper()}?amount=0.0003&label=Shop&message=order%2017&pj=x"
    made = office.create((four, 5_000), options=("--csv", str(batch), "--uri", uri, "--confirm-within", "2"))
    proposal = made.json["proposal"]
    assert [(each["address"], each["sats"]) for each in proposal["payments"]] == [
        (four, 5_000), (third, 30_000), (one, 10_000), (two, 20_000),
    ]  # fmt: skip
    assert proposal["purpose"] == "order 17"
    assert "pj" in made.stderr
    labels = office.run("labels", "list", "--type", "addr").json["labels"]
    assert {(each["ref"], each["label"]) for each in labels} == {(one, "rent"), (third, "Shop")}
    for address in (one, two, third, four):
        assert address in made.stderr
    name = proposal["id"]
    office.request(name)
    sent = office.run("proposals", "broadcast", office.answer(name, office.machines[0])).json
    raw = regtest_node.rpc("getrawtransaction", sent["transaction"]["txid"], 1)
    paid = {each["scriptPubKey"].get("address"): int(each["value"] * 100_000_000) for each in raw["vout"]}
    assert {address: paid[address] for address in (one, two, third, four)} == {
        one: 10_000, two: 20_000, third: 30_000, four: 5_000,
    }  # fmt: skip


def test_nothing_is_proposed_when_anything_is_wrong(
    treasury: Callable[..., Office], stranger: Callable[[], str]
):
    office = treasury(100_000)
    bad = office.path("bad.csv", f"{stranger()},1000\n{stranger()},1.5\n")
    refusal = office.create((stranger(), 1_000), options=("--csv", str(bad)), expect=2)
    assert refusal.ids == ["batch-malformed"]
    assert (refusal.json["rules"][0]["line"], refusal.json["rules"][0]["column"]) == (2, 2)
    assert office.run("proposals", "create", "--uri", "bitcoin:x?req-a=1", expect=3).json["rules"]
    assert office.run("proposals", "create", "--pay", "@supplier=5000", expect=2).ids == [
        "address-book-unknown"
    ]
    both = office.create((stranger(), 1_000), options=("--fee-rate", "2", "--confirm-within", "3"), expect=2)
    assert both.ids == ["usage"]
    assert office.create((stranger(), 1_000), options=("--confirm-within", "1009"), expect=2).ids == [
        "confirm-within"
    ]
    assert office.run("proposals", "list").json["proposals"] == []
    assert office.run("wallet", "balance").json["held"] == 0


def test_named_coins_and_payments_that_bear_the_fee(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(100_000, 60_000, 70_000)
    coins = {each["sats"]: each["outpoint"] for each in office.run("wallet", "coins").json["coins"]}
    named = ("--coins", coins[60_000], "--coins", coins[70_000])
    made = office.create(
        (stranger(), 100_000), (stranger(), 30_000), options=(*named, "--subtract-fee", "--fee-rate", "10")
    ).json
    tx = made["transaction"]
    assert {each["outpoint"] for each in tx["inputs"]} == {coins[60_000], coins[70_000]}
    assert tx["own_outputs"] == []
    part, rest = divmod(tx["fee"], 2)
    assert [each["sats"] for each in made["proposal"]["payments"]] == [100_000 - part - rest, 30_000 - part]
    again = office.create((stranger(), 1_000), options=("--coins", coins[60_000]), expect=9)
    assert again.ids == ["coin-held"]
    too_little = office.create(
        (stranger(), 99_990), options=("--coins", coins[100_000], "--fee-rate", "10"), expect=9
    )
    assert too_little.ids == ["funds-insufficient"]
    with_fee = ("--coins", coins[100_000], "--fee-rate", "50", "--subtract-fee")
    assert office.create((stranger(), 1_500), options=with_fee, expect=9).ids == ["funds-insufficient"]
    assert office.create((stranger(), 1), options=("--coins", "x"), expect=3).json["rules"]
    assert {each["outpoint"] for each in office.run("wallet", "coins").json["coins"] if each["held_by"]} == {
        coins[60_000],
        coins[70_000],
    }
    locked = regtest_node.rpc("listlockunspent", wallet=f"falconer-{office.wallet_id}")
    assert {f"{each['txid']}:{each['vout']}" for each in locked} == {coins[60_000], coins[70_000]}
