"""`falconer policy explain | check | test | import-env` and `falconer config import-env`, as people run them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from falconer_shared.policy.compile import compile_toml
from tests.conftest import PROJECT
from tests.online.office import Office
from tests.support.treasury import stranger_address

AT = "2027-01-15T09:00:00Z"


@pytest.fixture
def documented(office: Office) -> Path:
    """The policy of the documentation, where no coordinator lives."""
    text = (PROJECT / "docs" / "policy.md").read_text(encoding="utf-8")
    found = re.search(r"```toml policy\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return office.path("policy.toml", found[1])


def test_a_policy_is_explained_from_toml_and_from_its_text_alike(office: Office, documented: Path):
    text = office.path("policy.txt", compile_toml(documented.read_text()).text)
    from_toml = office.run("policy", "explain", documented)
    assert from_toml.json == office.run("policy", "explain", text).json
    assert "Money may go to exchange, payroll and nowhere else." in from_toml.json["explained"]
    assert "Money may go to exchange, payroll and nowhere else." in from_toml.stderr


def test_without_a_file_there_must_be_a_coordinator(office: Office, documented: Path):
    assert office.run("policy", "explain", expect=9).ids == ["not-initialised"]
    assert office.run("policy", "check", "--pay", "@payroll=1", expect=9).ids == ["not-initialised"]
    broken = office.path("broken.toml", documented.read_text().replace("max_fee_sats", "max_fees_sats"))
    assert office.run("policy", "explain", broken, expect=3).ids == ["policy-toml-unknown-key"]


def test_a_hypothetical_payment_passes_or_says_why_not(office: Office, documented: Path):
    def check(*options: str, expect: int = 0):
        return office.run("policy", "check", "--policy", documented, "--at", AT, *options, expect=expect)

    passed = check("--pay", "@payroll=250000", "--fee-rate", "5")
    assert passed.json["verdict"] == "accepted"
    # one P2WPKH input, a payment, and change
    assert passed.json["transaction"]["fee_sats"] == 5 * 141
    assert passed.json["transaction"]["at"] == AT
    assert check("--pay", "@payroll=25000000", expect=5).ids == ["policy-single-limit"]
    assert check("--pay", f"{stranger_address(77)}=1", expect=5).ids == ["policy-destination-not-allowed"]
    assert check("--pay", "@payroll=1", "--fee-rate", "101", expect=5).ids == ["policy-fee-rate-limit"]
    assert check("--pay", "@payroll=1000001", expect=6).ids == ["approval-missing"]
    assert check("--pay", "@payroll=1000001", "--approver", "anna").json["approvals_needed"] == 1
    assert check("--pay", "@payroll=1", "--approver", "mallory", expect=2).ids == ["approver-unknown"]
    assert check("--pay", "@nobody=1", expect=2).ids == ["address-book-unknown"]
    assert check("--pay", "@payroll=1", "--pay", "@payroll=2", expect=2).ids == ["payment-repeated"]
    assert check("--pay", "@payroll=1", "--requester", "An Agent", expect=2).ids == ["proposal-name"]


def test_the_time_of_a_hypothetical_payment_is_what_is_said(office: Office, documented: Path):
    hours = 'allowed_hours_start = "09:00"\nallowed_hours_end = "17:00"\nallowed_timezone = "Europe/Berlin"\n'
    policy = office.path("hours.toml", documented.read_text() + hours)
    for at, status in (("2027-01-15T07:59:59Z", 5), ("2027-01-15T08:00:00Z", 0), ("2027-07-15T07:00:00Z", 0)):
        office.run("policy", "check", "--policy", policy, "--pay", "@payroll=1", "--at", at, expect=status)
    assert office.run(
        "policy", "check", "--policy", policy, "--pay", "@payroll=1", "--at", "noon", expect=2
    ).ids == ["time-malformed"]


def test_a_table_of_cases_ends_with_its_status(office: Office, documented: Path):
    good = f'policy = "policy.toml"\n[[case]]\nname = "small"\npay = {{ "@payroll" = 1 }}\nat = {AT}\nexpect = "accepted"\n'
    cases = office.path("cases.toml", good)
    assert office.run("policy", "test", cases).json["differing"] == 0
    bad = office.path(
        "bad.toml", good + good.split("\n", 1)[1].replace("small", "large").replace("= 1 }", "= 90000000 }")
    )
    answered = office.run("policy", "test", bad, expect=1)
    assert answered.json["differing"] == 1
    assert [each["ok"] for each in answered.json["cases"]] == [True, False]
    assert answered.json["cases"][1]["rules"] == [
        "approval-missing",
        "policy-daily-limit",
        "policy-single-limit",
    ]
    assert "DIFFERS" in answered.stderr
    other = office.path(
        "other.toml",
        documented.read_text().replace("max_single_tx_sats = 20_000_000", "max_single_tx_sats = 0"),
    )
    assert office.run("policy", "test", cases, "--policy", other, expect=1).json["differing"] == 1
    assert office.run("policy", "test", office.path("none.toml", "x = 1"), expect=3).ids == [
        "policy-cases-malformed"
    ]


def test_the_documented_cases_come_out(office: Office, documented: Path):
    text = (PROJECT / "docs" / "policy.md").read_text(encoding="utf-8")
    found = re.search(r"```toml cases\n(.*?)```", text, re.DOTALL)
    assert found is not None
    assert office.run("policy", "test", office.path("cases.toml", found[1])).json["differing"] == 0


ENV = f"""
export MAX_DAILY_SPEND_SATS=1000000
ALLOWED_DESTINATIONS={stranger_address(1)}
MAX_FEE_PERCENT=2.5
FALCONER_MULTISIG_NETWORK=regtest
NODE_URL=http://127.0.0.1:18443
FALCONER_NODE_PASSWORD=hunter2
ALERT_TOKEN=hunter3
"""


def test_an_environment_file_becomes_a_policy_to_complete(office: Office):
    file, out = office.path("env", ENV), office.folder / "policy.toml"
    assert office.run("policy", "import-env", file, "--out", out, expect=2).ids == ["network-missing"]
    answered = office.run("policy", "import-env", file, "--out", out, "--network", "regtest")
    assert answered.json["rules"] == ["allowed_destinations", "max_daily_spend_sats"]
    assert {each["name"] for each in answered.json["left"]} == {
        "MAX_FEE_PERCENT", "FALCONER_MULTISIG_NETWORK", "NODE_URL", "FALCONER_NODE_PASSWORD", "ALERT_TOKEN",
    }  # fmt: skip
    shown = answered.stdout + answered.stderr + out.read_text()
    assert "hunter" not in shown
    table = tomllib.loads(out.read_text())
    assert table["rules"] == {"allowed_destinations": ["destination-001"], "max_daily_spend_sats": 1_000_000}
    assert table["network"] == "regtest"
    assert office.run("policy", "compile", out, "--out", office.folder / "x", expect=9).ids == [
        "not-initialised"
    ]
    broken = office.path("broken", "hunter2\n")
    refusal = office.run("policy", "import-env", broken, "--out", out, "--network", "regtest", expect=3)
    assert refusal.ids == ["env-file-malformed"]
    assert "hunter2" not in refusal.stdout + refusal.stderr


def test_an_environment_file_becomes_a_configuration(office: Office):
    file, out = office.path("env", ENV), office.folder / "config.toml"
    answered = office.run("config", "import-env", file, "--out", out)
    assert answered.json["settings"] == ["network", "node.url"]
    assert "hunter" not in answered.stdout + answered.stderr + out.read_text()
    reasons = {each["name"]: each["reason"] for each in answered.json["left"]}
    assert reasons["ALERT_TOKEN"] == "is not yet known"
    assert reasons["MAX_FEE_PERCENT"] == "is a rule of the policy: falconer policy import-env"


def test_with_a_coordinator_its_wallet_its_policy_and_its_past_are_taken(
    treasury: Callable[..., Office], stranger: Callable[[], str]
):
    office = treasury(400_000, multisig=True, threshold=1_000_000, more="funding_proposal_max_pending = 1\n")
    explained = office.run("policy", "explain").json["explained"]
    assert any("each signer of a 2-of-3 wallet lets 2,000,000 sats pass" in line for line in explained)
    to = stranger()
    before = office.run("policy", "check", "--pay", f"{to}=50000", "--fee-rate", "10").json
    rules = {each["rule"]: each for each in before["verdicts"]}
    assert rules["max_daily_spend_sats"]["limit"] == "2000000"
    assert rules["max_daily_spend_sats"]["whole_limit"] == "3000000"
    made = office.create((to, 50_000), options=("--fee-rate", "10")).json
    real = {each["rule"]: each for each in made["verdicts"]}
    assert rules["max_daily_spend_sats"]["value"] == real["max_daily_spend_sats"]["value"]
    # what is proposed counts now, and no second proposal may wait
    again = office.run("policy", "check", "--pay", f"{to}=50000", "--fee-rate", "10", expect=5)
    assert again.ids == ["policy-pending-proposals"]
    file, out = office.path("env", "MAX_FEE_SATS=5\n"), office.folder / "next.toml"
    office.run("policy", "import-env", file, "--out", out)
    table = tomllib.loads(out.read_text())
    assert (table["wallet"], table["version"], table["admin_quorum"]) == (office.wallet_id, 2, 2)
    assert table["admins"].keys() == {"alice", "bob"}
    assert table["coordinator"].startswith("ssh-ed25519 ")
