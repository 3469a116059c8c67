"""Environment files: what is taken over is exact, what is not is named, and no value is ever shown."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_online.config import Home, load
from falconer_online.env_file import config_text, policy_text, read, rules_of, settings_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import Malformed
from falconer_shared.policy.values import RULES
from tests.support.refusal import refused
from tests.support.treasury import stranger_address

REGTEST = Network.REGTEST


def rules(text: str):
    return rules_of(read(text.encode()), REGTEST)


def test_a_file_is_names_and_values():
    found = read(
        b"# a comment\n\nA=1\n  export B = two words  # said\nC='# no comment' # one\nD=\"a=b\"\nE=\nF=a#b\r\n"
    )
    assert found == {"A": "1", "B": "two words", "C": "# no comment", "D": "a=b", "E": "", "F": "a#b"}


@pytest.mark.parametrize(
    "line",
    [
        b"hunter2",
        b"=hunter2",
        b"1A=hunter2",
        b"A B=hunter2",
        b"A='hunter2",
        b'A="hunter2" hunter2',
        b"A=1\nA=hunter2",
        b"\xff",
    ],
)
def test_what_is_no_such_file_is_refused_without_being_quoted(line: bytes):
    with refused("env-file-malformed", Malformed) as caught:
        read(b"FINE=1\n" + line + b"\n")
    assert "hunter2" not in str(caught.value.as_json())


def test_a_file_has_a_bounded_number_of_lines():
    read(b"\n" * 9_999)
    with refused("env-file-malformed", Malformed):
        read(b"\n" * 10_000)


@pytest.mark.parametrize(
    ("line", "rule", "value"),
    [
        ("MAX_DAILY_SPEND_SATS=1000000", "max_daily_spend_sats", 1_000_000),
        ("MAX_DAILY_SPEND_SATS=1_000_000", "max_daily_spend_sats", 1_000_000),
        ("MAX_DAILY_SPEND_SATS=1,000,000", "max_daily_spend_sats", 1_000_000),
        ("MAX_FEE_PERCENT=5", "max_fee_percent", 5),
        ("ALLOWED_HOURS_START=9", "allowed_hours_start", "09:00"),
        ("ALLOWED_HOURS_START=09", "allowed_hours_start", "09:00"),
        ("ALLOWED_HOURS_END=17:30", "allowed_hours_end", "17:30"),
        ("ALLOWED_TIMEZONE=Europe/Berlin", "allowed_timezone", "Europe/Berlin"),
        ("WEEKEND_OPERATIONS=False", "weekend_operations", False),
        ("WEEKEND_OPERATIONS=1", "weekend_operations", True),
        ("NO_ADDRESS_REUSE=on", "no_address_reuse", True),
        ("AUTO_APPROVE_NEW_STRATEGIES=NO", "auto_approve_new_strategies", False),
    ],
)
def test_values_that_are_exact_are_taken_over(line: str, rule: str, value: object):
    found = rules(line)
    assert (found.rules, found.left) == ({rule: value}, ())


@pytest.mark.parametrize(
    "line",
    [
        "MAX_FEE_PERCENT=2.5", "MAX_FEE_PERCENT=101", "MAX_DAILY_SPEND_SATS=0.1", "MAX_DAILY_SPEND_SATS=1e8",
        "MAX_DAILY_SPEND_SATS=-1", "MAX_DAILY_SPEND_SATS=1 BTC", "MAX_DAILY_SPEND_SATS=10,00",
        "MAX_DAILY_SPEND_SATS=2100000000000001", "MAX_DAILY_SPEND_SATS=\u0661", "ALLOWED_HOURS_START=24",
        "ALLOWED_HOURS_START=9am", "ALLOWED_TIMEZONE=../x", "WEEKEND_OPERATIONS=maybe",
        "ALLOWED_DESTINATIONS=hunter2", "ALLOWED_DESTINATIONS=[]",
        "ALLOWED_DESTINATIONS=bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    ],
)  # fmt: skip
def test_values_that_are_not_are_named(line: str):
    found = rules(line)
    name, _, value = line.partition("=")
    assert found.rules == {}
    assert [each.name for each in found.left] == [name]
    assert found.left[0].reason.startswith("not taken over: ")
    assert value not in found.left[0].reason


def test_every_rule_can_come_from_a_file():
    one, two = stranger_address(1), stranger_address(2)
    values = {
        "allowed_destinations": one, "denied_destinations": two, "allowed_hours_start": "9", "allowed_hours_end": "17",
        "allowed_timezone": "UTC", "auto_approve_new_strategies": "no", "no_address_reuse": "yes", "weekend_operations": "no",
    }  # fmt: skip
    found = rules("\n".join(f"{name.upper()}={values.get(name, '7')}" for name in RULES))
    assert found.rules.keys() == RULES.keys()
    assert found.left == ()
    table = tomllib.loads(policy_text(found, ["version = 1"]))
    assert table["addresses"] == {"destination-001": one, "destination-002": two}
    assert table["rules"]["denied_destinations"] == ["destination-002"]
    assert table["rules"]["weekend_operations"] is False
    assert table["rules"].keys() == RULES.keys()


def test_one_address_has_one_name():
    one, two = stranger_address(1), stranger_address(2)
    found = rules(f"ALLOWED_DESTINATIONS={one}, {two};{one}\nDENIED_DESTINATIONS='[\"{two}\"]'")
    assert found.addresses == {"destination-001": one, "destination-002": two}
    assert found.rules["allowed_destinations"] == ("destination-001", "destination-002")
    assert found.rules["denied_destinations"] == ("destination-002",)


def test_what_is_unclear_is_noted():
    empty = rules("MAX_FEE_SATS=\nMAX_SINGLE_TX_SATS=0\nWEEKEND_OPERATIONS=0")
    assert empty.rules == {"max_single_tx_sats": 0, "weekend_operations": False}
    assert any("MAX_FEE_SATS is empty" in note for note in empty.notes)
    assert any("MAX_SINGLE_TX_SATS is 0" in note for note in empty.notes)
    assert any("set allowed_timezone" in note for note in empty.notes)
    assert not any("WEEKEND_OPERATIONS is 0" in note for note in empty.notes)


def test_every_other_name_is_listed_with_where_it_belongs():
    found = rules(
        "FALCONER_MULTISIG_THRESHOLD=2\nALERT_EMAIL=x\nLOG_LEVEL=x\nNODE_URL=x\nFALCONER_NODE_PASSWORD=x\nHOME=x\nmax_fee_sats=1"
    )
    reasons = {each.name: each.reason for each in found.left}
    for name in ("FALCONER_MULTISIG_THRESHOLD", "ALERT_EMAIL", "LOG_LEVEL", "NODE_URL"):
        assert reasons[name] == "is configuration: falconer config import-env"
    assert "environment" in reasons["FALCONER_NODE_PASSWORD"]
    assert reasons["HOME"] == reasons["max_fee_sats"] == "is no rule of a policy"


def test_settings_that_there_are_become_a_configuration(tmp_path: Path):
    found = settings_of(
        read(
            b"FALCONER_MULTISIG_NETWORK=regtest\nNODE_URL=http://127.0.0.1:18443\nFALCONER_CONFIRMATIONS=3\n"
            b"NODE_COOKIE=/x/.cookie\nFEE_TARGET_BLOCKS=2\nALERT_EMAIL=a@b\nMAX_FEE_SATS=1\nFALCONER_NODE_PASSWORD=hunter2\n"
        )
    )
    assert {each.name: each.reason for each in found.left} == {
        "ALERT_EMAIL": "is not yet known",
        "MAX_FEE_SATS": "is a rule of the policy: falconer policy import-env",
        "FALCONER_NODE_PASSWORD": "stays in the environment: it is read from there",
    }
    text = config_text(found)
    assert "hunter2" not in text
    (tmp_path / "config.toml").write_text(text)
    config = load(Home(tmp_path, tmp_path))
    assert (config.network, config.confirmations, config.fee_target_blocks) == (REGTEST, 3, 2)
    assert (config.node.url, config.node.cookie) == ("http://127.0.0.1:18443", Path("/x/.cookie"))


@pytest.mark.parametrize(
    "line",
    ["NODE_URL=http://user:hunter2@127.0.0.1:1", "NODE_URL=hunter2", "CONFIRMATIONS=0", "CONFIRMATIONS=x", "NETWORK=hunter2",
     "EXPIRY_SECONDS=99999999999"],
)  # fmt: skip
def test_settings_that_cannot_be_are_named(line: str):
    found = settings_of(read(line.encode()))
    assert found.values == {}
    assert found.left[0].reason.startswith("not taken over: ")
    assert "hunter2" not in found.left[0].reason


def test_two_names_for_one_setting_are_not_guessed_between():
    found = settings_of(read(b"NETWORK=regtest\nBITCOIN_NETWORK=mainnet\n"))
    assert found.values == {"network": "regtest"}
    assert found.left[0].reason == "says network a second time"


def test_what_is_missing_is_to_be_filled_in():
    text = config_text(settings_of({}))
    assert "# network = ?" in text
    assert "# url = ?" in text
    assert tomllib.loads(text)["confirmations"] == 6


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,20}\Z"),
        st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30),
    )
)
def test_no_value_is_shown_of_any_file(values: dict[str, str]):
    data = "".join(
        f'{name}="{value}"\n' for name, value in values.items() if '"' not in value and "\n" not in value
    ).encode()
    try:
        found = read(data)
    except Malformed:
        return
    for left in (rules_of(found, REGTEST).left, settings_of(found).left):
        for each in left:
            assert len(found[each.name]) < 8 or found[each.name] not in each.reason
