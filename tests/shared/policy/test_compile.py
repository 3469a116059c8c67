"""From TOML to the text that is signed, with errors that name the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.policy.compile import _TOP, compile_toml
from falconer_shared.policy.document import MAX_BYTES, Policy
from falconer_shared.policy.engine import STATELESS_RULES
from falconer_shared.policy.explain import SUMS, explain, explain_together
from falconer_shared.policy.spend import Outcome
from falconer_shared.policy.values import RULES
from tests.support.policies import PolicyDraft, SshKey, holders
from tests.support.spends import policy as policy_with
from tests.support.spends import spend, verdict
from tests.support.treasury import stranger_address, wpkh_descriptor

HOT = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
COLD = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"


def key(name: str) -> str:
    return SshKey.of(name).public.text()


TOML = f"""
version = 3
network = "regtest"
wallet = "{"ab" * 32}"
coordinator = "{key("coordinator")} falconer@desk"
admin_quorum = 1
mandatory_signers = ["machine-a"]

[admins]
zoe = "{key("zoe")} zoe@laptop"
adam = "{key("adam")}"

[approvers]
bert = "{key("bert")}"
anna = "{key("anna")}"

[groups]
desk = ["bert", "anna"]

[[approval_quorums]]
above_sats = 1_000_000
k = 2
group = "desk"

[[approval_quorums]]
above_sats = 0
k = 1
group = "desk"

[signers]
machine-a = "{key("machine-a")}"

[addresses]
hot = "{HOT}"
cold = "{COLD}"

[rules]
max_single_tx_sats = 5_000_000
max_daily_spend_sats = 9_000_000
human_approval_threshold_sats = 250_000
allowed_destinations = ["hot", "cold"]
max_fee_sats = "-"
"""


def refused(source: str, rule: str, toml_key: str | None) -> FalconerError:
    with pytest.raises(FalconerError) as caught:
        compile_toml(source)
    assert caught.value.rule == rule, caught.value.message
    assert caught.value.details.get("key") == toml_key
    if toml_key:
        assert toml_key in caught.value.message
    return caught.value


def changed(old: str, new: str) -> str:
    assert old in TOML
    return TOML.replace(old, new, 1)


def test_toml_becomes_the_canonical_text_in_its_one_order():
    compiled = compile_toml(TOML)
    assert Policy.parse(compiled.text) == compiled.policy
    assert compiled.digest == compiled.policy.digest
    lines = compiled.text.decode().split("\n")
    assert lines[:8] == [
        "falconer-policy 1",
        "version 3",
        "network regtest",
        "wallet " + "ab" * 32,
        "admin-quorum 1",
        f"admin adam {key('adam')}",
        f"admin zoe {key('zoe')}",
        f"approver anna {key('anna')}",
    ]
    assert "group desk anna,bert" in lines
    assert lines.index("approval-quorum 0 1 desk") + 1 == lines.index("approval-quorum 1000000 2 desk")
    assert f"coordinator {key('coordinator')}" in lines
    assert "rule allowed_destinations cold,hot" in lines
    assert "rule max_fee_sats -" in lines
    assert "rule max_weekly_spend_sats -" in lines


def test_the_order_of_toml_does_not_matter():
    reordered = changed('desk = ["bert", "anna"]', 'desk = ["anna", "bert"]').replace(
        '["hot", "cold"]', '["cold", "hot"]'
    )
    assert compile_toml(reordered).digest == compile_toml(TOML).digest


@pytest.mark.parametrize(
    ("old", "new", "toml_key"),
    [
        ("max_single_tx_sats =", "max_single_tx_sat =", "rules.max_single_tx_sat"),
        ("[signers]", "[signer]", "signer"),
        ("admin_quorum = 1", "admin_quorum = 1\nadmins_quorum = 1", "admins_quorum"),
        ("k = 2", "k = 2\nof = 3", "approval_quorums[1].of"),
    ],
)
def test_keys_that_are_not_known_are_refused(old: str, new: str, toml_key: str):
    refused(changed(old, new), "policy-toml-unknown-key", toml_key)


@pytest.mark.parametrize(
    ("line", "toml_key"),
    [
        ("version = 3\n", "version"),
        ('network = "regtest"\n', "network"),
        ("admin_quorum = 1\n", "admin_quorum"),
        (f'wallet = "{"ab" * 32}"\n', "wallet"),
        (f'coordinator = "{key("coordinator")} falconer@desk"\n', "coordinator"),
        ("k = 2\n", "approval_quorums[1].k"),
        ('group = "desk"\n', "approval_quorums[1].group"),
    ],
)
def test_keys_that_must_be_there_are_missed(line: str, toml_key: str):
    refused(changed(line, ""), "policy-toml-missing-key", toml_key)


@pytest.mark.parametrize(
    ("old", "new", "toml_key"),
    [
        ("version = 3", "version = true", "version"),
        ("version = 3", 'version = "3"', "version"),
        ("version = 3", "version = 3.0", "version"),
        ('network = "regtest"', "network = 1", "network"),
        (f'wallet = "{"ab" * 32}"', f'wallet = "{"AB" * 32}"', "wallet"),
        ("mandatory_signers = [", "mandatory_signers = [1, ", "mandatory_signers"),
        ('["bert", "anna"]', '"bert"', "groups.desk"),
        ("[[approval_quorums]]\nabove_sats = 0\nk = 1\ngroup", "[approval_quorum]\nx", None),
        ("above_sats = 0", "above_sats = 0.5", "approval_quorums[2].above_sats"),
        (f'zoe = "{key("zoe")} zoe@laptop"', "zoe = 1", "admins.zoe"),
        (f'zoe = "{key("zoe")} zoe@laptop"', f'Zoe = "{key("zoe")}"', "admins.Zoe"),
        (f'hot = "{HOT}"', f'"-" = "{HOT}"', "addresses.-"),
        ("max_single_tx_sats = 5_000_000", "max_single_tx_sats = -1", "rules.max_single_tx_sats"),
        ("max_single_tx_sats = 5_000_000", 'max_single_tx_sats = "5000000"', "rules.max_single_tx_sats"),
        ("max_single_tx_sats = 5_000_000", "max_single_tx_sats = 5e6", "rules.max_single_tx_sats"),
        ("max_single_tx_sats = 5_000_000", "max_single_tx_sats = true", "rules.max_single_tx_sats"),
        ('["hot", "cold"]', "[]", "rules.allowed_destinations"),
        ('["hot", "cold"]', '["hot", "hot"]', "rules.allowed_destinations"),
        ('["hot", "cold"]', '"hot"', "rules.allowed_destinations"),
        ('max_fee_sats = "-"', "max_fee_sats = 09:30:00", "rules.max_fee_sats"),
    ],
)
def test_values_of_another_type_are_refused(old: str, new: str, toml_key: str | None):
    if toml_key is None:
        refused(changed(old, new), "policy-toml-unknown-key", "approval_quorum")
        return
    refused(changed(old, new), "policy-toml-mistyped", toml_key)


def test_tables_are_tables():
    refused(changed("[groups]\ndesk =", "[[groups]]\ndesk ="), "policy-toml-mistyped", "groups")
    bare = TOML.partition("[[approval_quorums]]")[0] + "\n[approval_quorums]\nk = 1\n"
    refused(bare, "policy-toml-mistyped", "approval_quorums")
    inline = TOML.partition("[groups]")[0].replace(
        "admin_quorum = 1", "admin_quorum = 1\napproval_quorums = [1]"
    )
    refused(inline, "policy-toml-mistyped", "approval_quorums[1]")


@pytest.mark.parametrize(
    ("old", "new", "rule", "toml_key"),
    [
        ('network = "regtest"', 'network = "bitcoin"', "network-unknown", "network"),
        (key("anna"), "ssh-rsa AAAA", "ssh-key-unsupported", "approvers.anna"),
        (key("machine-a"), key("machine-a")[:-4], "ssh-key-malformed", "signers.machine-a"),
        (HOT, HOT[:-1] + "p", "bech32-checksum", "addresses.hot"),
        (HOT, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "address-other-network", "addresses.hot"),
        (HOT, HOT.upper(), "policy-address-spelling", "addresses.hot"),
    ],
)
def test_faults_further_down_get_the_key_too(old: str, new: str, rule: str, toml_key: str):
    with pytest.raises(FalconerError) as caught:
        compile_toml(changed(old, new))
    assert caught.value.details["key"] == toml_key
    assert caught.value.message.startswith(toml_key + ": ")
    if rule != "bech32-checksum":
        assert caught.value.rule == rule


@pytest.mark.parametrize(
    "source",
    [
        "",
        "version = ",
        "a = 1\na = 2",
        "x = " + "[" * 3000,
        "version = " + "9" * 5000,
        "\x00",
        "# " + "x" * MAX_BYTES,
        "[a" + ".a" * 10_001 + "]",
    ],
)
def test_what_is_not_toml_is_refused(source: str):
    with pytest.raises(Malformed) as caught:
        compile_toml(source)
    assert caught.value.rule == ("policy-toml-syntax" if source else "policy-toml-missing-key")


def test_as_many_dots_as_are_read():
    with pytest.raises(Malformed) as caught:
        compile_toml("# " + "." * 10_000)
    assert caught.value.rule == "policy-toml-missing-key"


def test_contradictions_are_found_in_toml_as_in_text():
    with pytest.raises(Malformed) as caught:
        compile_toml(changed("human_approval_threshold_sats = 250_000\n", ""))
    assert caught.value.rule == "policy-approval-quorum-unused"
    with pytest.raises(Malformed) as caught:
        compile_toml(changed('max_fee_sats = "-"', "weekend_operations = false"))
    assert caught.value.rule == "policy-timezone-missing"
    assert (
        compile_toml(changed('max_fee_sats = "-"', 'no_address_reuse = "yes"')).policy.rule(
            "no_address_reuse"
        )
        is True
    )


def test_an_allow_list_that_no_line_can_hold_is_refused_when_it_is_compiled():
    def with_names(count: int) -> str:
        names = [f"{'a' * 60}{number:03d}" for number in range(count)]
        book = "\n".join(f'{name} = "{stranger_address(number)}"' for number, name in enumerate(names))
        listed = ", ".join(f'"{name}"' for name in names)
        return changed("[addresses]", "[addresses]\n" + book).replace('["hot", "cold"]', f"[{listed}]")

    # 'rule allowed_destinations ' takes 26 characters, each name 63 and its comma one, of the 4,096 of a line
    assert compile_toml(with_names(63)).policy.destinations("allowed_destinations")
    with pytest.raises(Malformed) as caught:
        compile_toml(with_names(64))
    assert caught.value.rule == "policy-malformed"
    assert "too long" in caught.value.message


def test_what_a_policy_allows_is_said_in_sentences():
    lines = explain(compile_toml(TOML).policy)
    text = "\n".join(lines)
    assert "More than 250,000 sats (0.00250000 BTC) in a day needs approval." in lines
    assert "Approval is by 1 of group desk (anna, bert)." in lines
    assert "A transaction of more than 1,000,000 sats is approved by 2 of group desk (anna, bert)." in lines
    assert "max_single_tx_sats: at most 5,000,000 sats (0.05000000 BTC)." in lines
    assert "Money may go to cold, hot and nowhere else." in lines
    assert "Mandatory signers: machine-a." in text
    unlimited = lines[-1].removeprefix("No limit: ").removesuffix(".").split(", ")
    assert "max_fee_sats" in unlimited
    assert set(unlimited).isdisjoint(
        {"allowed_destinations", "human_approval_threshold_sats", "max_single_tx_sats"}
    )


def test_every_rule_that_is_set_has_its_sentence():
    book = {"hot": stranger_address(1), "partner": wpkh_descriptor(9), "thief": stranger_address(2)}
    rules = {
        "ai_decision_interval_seconds": 600,
        "allowed_destinations": ("hot", "partner"),
        "allowed_hours_end": "06:00",
        "allowed_hours_start": "22:00",
        "allowed_timezone": "Europe/Berlin",
        "auto_approve_new_strategies": False,
        "consolidate_below_fee_rate": 3,
        "denied_destinations": ("thief",),
        "funding_proposal_expiry_hours": 24,
        "funding_proposal_max_pending": 7,
        "funding_proposal_threshold_sats": 2_000,
        "human_approval_threshold_sats": 1_000,
        "max_daily_proposals": 9,
        "max_daily_spend_sats": 4_000,
        "max_destination_spend_sats": 5_000,
        "max_fee_percent": 2,
        "max_fee_rate_sats_per_vbyte": 11,
        "max_fee_sats": 12,
        "max_mempool_congestion_percent": 80,
        "max_single_tx_sats": 13,
        "max_weekly_spend_sats": 6_000,
        "min_change_value_sats": 14,
        "min_confirmations": 15,
        "no_address_reuse": True,
        "weekend_operations": False,
    }
    assert rules.keys() == RULES.keys()
    lines = explain(PolicyDraft(addresses=book, rules=dict(rules)).policy(), k=2, n=3)
    text = "\n".join(lines)
    for sentence in (
        "More than 2,000 sats (0.00002000 BTC) in one transaction needs approval, whatever the day's sum.",
        "The first payment of every requester and strategy needs approval",
        "max_weekly_spend_sats: at most 6,000 sats (0.00006000 BTC) in seven days.",
        "max_destination_spend_sats: at most 5,000 sats (0.00005000 BTC) to one destination in seven days.",
        "max_daily_proposals: at most 9 payments in a day",
        "max_fee_percent: a fee is at most 2 % of what is paid",
        "min_change_value_sats: nothing smaller than 14 sats goes back to the wallet.",
        "consolidate_below_fee_rate: coins are merged at 3 sat/vB or less.",
        "Money may go to hot, partner and nowhere else.",
        "No money may go to thief.",
        "no_address_reuse: no address is used twice",
        "ai_decision_interval_seconds: what one requester asks for lies 600 seconds apart or more.",
        "funding_proposal_expiry_hours: an intent may be signed for at most 24 hours.",
        "funding_proposal_max_pending: at most 7 proposals wait for approval or signature (the coordinator sees this, and no",
        "min_confirmations: coins that are paid with have at least 15 confirmations (the coordinator",
        "max_mempool_congestion_percent: payments wait while the memory pool is more than 80 % full (the coordinator",
        "Signing is from 22:00 to 06:00 of the next day, by the clocks of Europe/Berlin.",
        "Nothing is signed on Saturday and Sunday in Europe/Berlin.",
        "partner stands for the first 1,000 receive addresses of wpkh([",
        "max_weekly_spend_sats: each signer of a 2-of-3 wallet lets 4,000 sats pass (2/3 of 6,000 sats)",
        "max_destination_spend_sats: each signer of a 2-of-3 wallet lets 3,333 sats pass (2/3 of 5,000 sats)",
        "No limit: none; every rule is set.",
    ):
        assert sentence in text, sentence


def test_what_limits_nothing_is_said_too():
    generous = {
        "allowed_timezone": "UTC",
        "auto_approve_new_strategies": True,
        "no_address_reuse": False,
    }
    text = "\n".join(explain(PolicyDraft(tiers=(), rules=dict(generous)).policy()))
    assert "allowed_timezone: UTC, by which nothing is limited." in text
    assert "auto_approve_new_strategies: a new strategy needs no approval of its own." in text
    assert "no_address_reuse: addresses may be used again." in text
    assert "No amount ever needs a person's approval." in text
    day = {
        "allowed_timezone": "UTC",
        "allowed_hours_start": "09:00",
        "allowed_hours_end": "17:00",
        "weekend_operations": True,
    }
    text = "\n".join(explain(PolicyDraft(tiers=(), rules=dict(day)).policy()))
    assert "Signing is from 09:00 to 17:00, by the clocks of UTC." in text
    assert "Weekends are days like others." in text


def test_shares_are_said_with_numbers():
    limits = {"human_approval_threshold_sats": 100, "max_daily_spend_sats": 1_000}
    text = "\n".join(explain(PolicyDraft(rules=dict(limits)).policy(), k=2, n=3))
    assert (
        "max_daily_spend_sats: each signer of a 2-of-3 wallet lets 666 sats pass (2/3 of 1,000 sats)" in text
    )
    assert "human_approval_threshold_sats: each signer of a 2-of-3 wallet lets 66 sats pass" in text
    whole = PolicyDraft(rules=dict(limits), mandatory=("machine-a",)).policy()
    assert "In a 2-of-3 wallet every sum over a day or a week is enforced whole." in explain(whole, k=2, n=3)
    single = PolicyDraft(signers=holders("machine-a"), rules=dict(limits)).policy()
    assert "In a 1-of-1 wallet every sum over a day or a week is enforced whole." in explain(single, k=1, n=1)


def test_a_policy_says_when_machines_and_keys_do_not_match():
    """A spare machine with the same key, or keys that no machine holds, change what each machine may let pass."""
    limits = {"human_approval_threshold_sats": 100, "max_daily_spend_sats": 1_000}
    spare = PolicyDraft(signers=holders("machine-a", "machine-b"), rules=dict(limits)).policy()
    text = "\n".join(explain(spare, k=1, n=1))
    assert "lets 500 sats pass (1/2 of 1,000 sats)" in text
    assert "More signers (2) than keys (1): some key is on two machines" in text
    text = "\n".join(explain(spare, k=2, n=3))
    assert "lets 500 sats pass (1/2 of 1,000 sats)" in text
    assert "Fewer signers (2) than keys (3): what the other keys sign alone, no signer sees" in text


def test_a_policy_without_limits_says_so_loudly():
    lines = explain(PolicyDraft(tiers=(), rules={}).policy())
    assert "No amount ever needs a person's approval." in lines
    assert "max_daily_spend_sats" in lines[-1]


def test_wallets_together_spend_the_sum():
    one = PolicyDraft(tiers=(), rules={"max_daily_spend_sats": 1_000}).policy()
    two = PolicyDraft(tiers=(), rules={"max_daily_spend_sats": 234}).policy()
    none = PolicyDraft(tiers=(), rules={}).policy()
    assert explain_together([one, two]) == (
        "2 wallets together can spend 1,234 sats (0.00001234 BTC) in a day.",
    )
    assert "no limit" in explain_together([one, none])[0]


DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "policy.md"


def documented() -> Policy:
    """The policy that docs/policy.md shows."""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"```toml policy\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    return compile_toml(blocks[0]).policy


def test_the_documented_policy_compiles_to_the_documented_text_and_sentences():
    text = DOCUMENT.read_text(encoding="utf-8")
    policy = documented()
    assert f"```text canonical\n{policy.text.decode()}```" in text
    sentences = "\n".join(explain(policy, k=2, n=3))
    assert f"```text explained\n{sentences}\n```" in text


def test_every_rule_and_key_is_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in (*RULES, *_TOP):
        assert f"`{name}`" in text, name


def test_the_documented_table_says_of_every_rule_who_judges_it_and_by_which_share():
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text[text.index("| rule | value | passes while |") :].split("\n\n", 1)[0]
    found: dict[str, list[str]] = {}
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in cells[0].replace("`", "").split(", "):
            found[name] = cells
    assert found.keys() == RULES.keys()
    for name, cells in found.items():
        assert (cells[-1] == "both, alike") == (name in STATELESS_RULES), name
        assert (cells[-2] == "share") == (name in SUMS), name
        if cells[-1] == "coordinator":
            assert verdict(name, policy_with(**{name: 1}), spend()).outcome is Outcome.UNSEEN, name
