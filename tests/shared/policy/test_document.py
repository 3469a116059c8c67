"""The policy's text: one spelling, and nothing that contradicts itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, Malformed, PolicyViolation, VerificationError
from falconer_shared.policy.destinations import MAX_DESCRIPTOR_KEYS
from falconer_shared.policy.document import Policy
from falconer_shared.policy.parts import (
    MAX_ADDRESSES,
    MAX_PEOPLE,
    MAX_SIGNERS,
    MAX_TIERS,
    MAX_VERSION,
    ApprovalTier,
    Group,
    KeyHolder,
    named_address,
)
from falconer_shared.policy.values import RULES, Kind, check_value, read_value, write_value
from falconer_shared.units import MAX_MONEY
from tests.support.policies import PolicyDraft, SshKey, holders
from tests.support.treasury import stranger_address, with_checksum, wpkh_descriptor, wpkh_wallet

HOT = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
COLD = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"


def full_draft() -> PolicyDraft:
    return PolicyDraft(
        version=7,
        mandatory=("machine-a",),
        operators=holders("olga"),
        addresses={"cold": COLD, "hot": HOT},
        rules={
            "allowed_destinations": ("cold", "hot"),
            "human_approval_threshold_sats": 100_000,
            "max_daily_spend_sats": 2_000_000,
            "max_fee_rate_sats_per_vbyte": 50,
            "max_fee_sats": 20_000,
            "max_single_tx_sats": MAX_MONEY,
        },
    )


def refused(rule: str, draft: PolicyDraft) -> None:
    with pytest.raises(Malformed) as caught:
        draft.policy()
    assert caught.value.rule == rule


def test_the_text_is_the_designed_one():
    key = {name: SshKey.of(name).public.text() for name in (
        "admin-a", "admin-b", "admin-c", "anna", "bert", "carl", "machine-a", "machine-b", "machine-c", "olga", "coordinator"
    )}  # fmt: skip
    expected = f"""falconer-policy 1
version 7
network regtest
wallet {"ab" * 32}
admin-quorum 2
admin admin-a {key["admin-a"]}
admin admin-b {key["admin-b"]}
admin admin-c {key["admin-c"]}
approver anna {key["anna"]}
approver bert {key["bert"]}
approver carl {key["carl"]}
group board anna,bert,carl
group desk anna,bert
approval-quorum 0 1 desk
approval-quorum 500000 2 board
signer machine-a {key["machine-a"]}
signer machine-b {key["machine-b"]}
signer machine-c {key["machine-c"]}
mandatory-signer machine-a
operator olga {key["olga"]}
coordinator {key["coordinator"]}
address cold {COLD}
address hot {HOT}
rule ai_decision_interval_seconds -
rule allowed_destinations cold,hot
rule allowed_hours_end -
rule allowed_hours_start -
rule allowed_timezone -
rule auto_approve_new_strategies -
rule consolidate_below_fee_rate -
rule denied_destinations -
rule funding_proposal_expiry_hours -
rule funding_proposal_max_pending -
rule funding_proposal_threshold_sats -
rule human_approval_threshold_sats 100000
rule max_daily_proposals -
rule max_daily_spend_sats 2000000
rule max_destination_spend_sats -
rule max_fee_percent -
rule max_fee_rate_sats_per_vbyte 50
rule max_fee_sats 20000
rule max_mempool_congestion_percent -
rule max_single_tx_sats 2100000000000000
rule max_weekly_spend_sats -
rule min_change_value_sats -
rule min_confirmations -
rule no_address_reuse -
rule weekend_operations -
"""
    assert full_draft().text().decode() == expected
    assert Policy.parse(expected.encode()) == full_draft().policy()


def test_rules_stand_in_alphabetical_order_and_the_judged_ones_are_among_them():
    assert list(RULES) == sorted(RULES)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: text.replace("version 7", "version 07"), id="leading zero"),
        pytest.param(lambda text: text.replace("version 7", "version 0"), id="version zero"),
        pytest.param(
            lambda text: text.replace("version 7", f"version {MAX_VERSION + 1}"), id="version beyond"
        ),
        pytest.param(lambda text: text[:-1], id="no line feed"),
        pytest.param(lambda text: text + "rule two_person -\n", id="a line more"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("group board", "group  board"), id="two spaces"),
        pytest.param(lambda text: text.replace("anna,bert,carl", "carl,anna,bert"), id="members unsorted"),
        pytest.param(lambda text: text.replace("falconer-policy 1", "falconer-policy 2"), id="other format"),
        pytest.param(lambda text: text.replace("rule max_fee_sats 20000\n", ""), id="a rule missing"),
        pytest.param(lambda text: text.replace("admin-quorum 2\n", ""), id="a line missing"),
        pytest.param(
            lambda text: text.replace("rule max_fee_sats", "rule max_fee_satz"), id="a rule unknown"
        ),
        pytest.param(lambda text: text.replace("wallet abab", "wallet ABAB"), id="upper-case hex"),
        pytest.param(lambda text: text.replace("group desk", "group Desk"), id="upper-case name"),
        pytest.param(
            lambda text: text.replace("group desk anna,bert", "group desk anna,,bert"), id="empty name"
        ),
        pytest.param(
            lambda text: text.replace("operator olga", "operator -"), id="the sign for no limit as a name"
        ),
        pytest.param(
            lambda text: text.replace(
                "operator olga", "coordinator " + SshKey.of("x").public.text() + "\noperator olga"
            ),
            id="coordinator twice",
        ),
        pytest.param(
            lambda text: text.replace(
                SshKey.of("olga").public.text(), SshKey.of("olga").public.text() + " comment"
            ),
            id="a comment behind a key",
        ),
    ],
)
def test_any_other_spelling_is_refused(edit: Callable[[str], str]):
    text = full_draft().text().decode()
    assert edit(text) != text
    with pytest.raises(Malformed) as caught:
        Policy.parse(edit(text).encode())
    assert caught.value.rule == "policy-malformed"


def test_lists_are_bounded():
    many = [f"p{number:03d}" for number in range(MAX_PEOPLE + 1)]
    PolicyDraft(operators=holders(*many[:-1])).policy()
    refused("policy-malformed", PolicyDraft(operators=holders(*many)))
    PolicyDraft(signers=holders(*many[:MAX_SIGNERS])).policy()
    refused("policy-malformed", PolicyDraft(signers=holders(*many[: MAX_SIGNERS + 1])))
    tiers = tuple(ApprovalTier(number, 1, "desk") for number in range(MAX_TIERS + 1))
    PolicyDraft(tiers=tiers[:-1]).policy()
    refused("policy-malformed", PolicyDraft(tiers=tiers))
    refused("policy-malformed", PolicyDraft(tiers=(ApprovalTier(MAX_MONEY + 1, 1, "desk"),)))
    refused("policy-malformed", PolicyDraft(version=0))
    refused("policy-malformed", PolicyDraft(admins=tuple(reversed(holders("admin-a", "admin-b")))))
    PolicyDraft(tiers=(ApprovalTier(MAX_MONEY, 1, "desk"),)).policy()
    PolicyDraft(version=MAX_VERSION).policy()
    refused("policy-malformed", PolicyDraft(version=MAX_VERSION + 1))
    members = holders(*many[:-1])
    names = tuple(holder.name for holder in members)
    draft = PolicyDraft(
        approvers=members, groups=(Group("desk", names),), tiers=(ApprovalTier(0, MAX_PEOPLE, "desk"),)
    )
    assert Policy.parse(draft.text()) == draft.policy()
    book = {f"a{number:03d}": stranger_address(number) for number in range(MAX_ADDRESSES + 1)}
    refused("policy-malformed", PolicyDraft(addresses=book))
    book.popitem()
    assert len(Policy.parse(PolicyDraft(addresses=book).text()).addresses) == MAX_ADDRESSES


def test_parts_that_no_text_gives_are_a_programmers_mistake():
    policy = full_draft().policy()
    with pytest.raises(ValueError, match="every rule"):
        dataclasses.replace(policy, rules=policy.rules[1:])
    with pytest.raises(ValueError, match="every rule"):
        dataclasses.replace(policy, rules=tuple(reversed(policy.rules)))
    cold = policy.addresses[0]
    with pytest.raises(ValueError, match="named_address"):
        dataclasses.replace(policy, addresses=(dataclasses.replace(cold, script=b"\x51"),))


def test_names_are_unique():
    anna, other = holders("anna")[0], SshKey.of("other").public
    refused("policy-name-twice", PolicyDraft(approvers=(anna, KeyHolder("anna", other))))
    refused("policy-name-twice", PolicyDraft(groups=(Group("desk", ("anna", "anna")),)))
    refused("policy-name-twice", PolicyDraft(mandatory=("machine-a", "machine-a")))
    # the same name in two roles is one person with two hats
    PolicyDraft(operators=holders("anna")).policy()


def test_a_key_has_one_vote_in_a_role():
    anna = SshKey.of("anna").public
    approvers = (KeyHolder("anna", anna), KeyHolder("anna-again", anna), *holders("bert", "carl"))
    refused("policy-key-twice", PolicyDraft(approvers=approvers))
    machine = SshKey.of("machine-a").public
    refused("policy-key-twice", PolicyDraft(signers=(KeyHolder("a", machine), KeyHolder("b", machine))))
    refused("policy-key-twice", PolicyDraft(coordinator="machine-a"))
    PolicyDraft(operators=(KeyHolder("olga", anna),)).policy()


@pytest.mark.parametrize("role", ["admins", "approvers", "operators"])
@pytest.mark.parametrize("machine", ["machine-a", "coordinator"])
def test_a_machine_is_no_person(role: str, machine: str):
    draft = PolicyDraft()
    taken = getattr(draft, role)
    setattr(draft, role, (*taken, KeyHolder("zoe", SshKey.of("zoe").public)))
    draft.policy()
    setattr(draft, role, (*taken, KeyHolder("zoe", SshKey.of(machine).public)))
    refused("policy-machine-key-of-person", draft)


def test_quorums_can_be_met():
    PolicyDraft(admin_quorum=3).policy()
    refused("policy-quorum-impossible", PolicyDraft(admin_quorum=4))
    refused("policy-quorum-impossible", PolicyDraft(admin_quorum=0))
    PolicyDraft(tiers=(ApprovalTier(0, 2, "desk"),)).policy()
    refused("policy-quorum-impossible", PolicyDraft(tiers=(ApprovalTier(0, 3, "desk"),)))
    refused("policy-quorum-impossible", PolicyDraft(tiers=(ApprovalTier(0, 0, "desk"),)))


def test_whoever_is_named_exists():
    refused("policy-group-member-unknown", PolicyDraft(groups=(Group("desk", ("anna", "zoe")),)))
    # an administrator is no approver by being one
    refused("policy-group-member-unknown", PolicyDraft(groups=(Group("desk", ("admin-a", "anna")),)))
    refused("policy-group-unknown", PolicyDraft(tiers=(ApprovalTier(0, 1, "nobody"),)))
    PolicyDraft(mandatory=("machine-c",)).policy()
    refused("policy-mandatory-signer-unknown", PolicyDraft(mandatory=("machine-d",)))
    PolicyDraft(signers=holders("machine-a")).policy()
    refused("policy-signer-missing", PolicyDraft(signers=()))


def test_tiers_rise():
    PolicyDraft(tiers=(ApprovalTier(5, 1, "desk"), ApprovalTier(6, 2, "board"))).policy()
    refused(
        "policy-quorum-order", PolicyDraft(tiers=(ApprovalTier(5, 1, "desk"), ApprovalTier(5, 2, "board")))
    )
    refused(
        "policy-quorum-order", PolicyDraft(tiers=(ApprovalTier(6, 1, "desk"), ApprovalTier(5, 2, "board")))
    )


def test_a_threshold_and_its_quorum_need_each_other():
    refused("policy-approval-quorum-missing", PolicyDraft(tiers=()))
    refused("policy-approval-quorum-unused", PolicyDraft(rules={}))
    PolicyDraft(tiers=(), rules={}).policy()


def test_addresses_belong_to_the_network_and_have_one_spelling():
    assert named_address("hot", HOT, Network.REGTEST).script.hex().startswith("0014751e")
    for address, rule in (
        (HOT.upper(), "policy-address-spelling"),
        ("wpkh(xpub/*)", "descriptor-checksum-missing"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "address-other-network"),
    ):
        with pytest.raises(FalconerError) as caught:
            PolicyDraft(addresses={"hot": address}).policy()
        assert caught.value.rule == rule
    refused("policy-address-twice", PolicyDraft(addresses={"hot": HOT, "hot2": HOT}))
    PolicyDraft(addresses={"hot": HOT, "cold": COLD}).policy()


def test_allowed_destinations_are_of_the_address_book():
    rules = {"human_approval_threshold_sats": 1, "allowed_destinations": ("hot",)}
    allowed = PolicyDraft(addresses={"hot": HOT, "cold": COLD}, rules=dict(rules)).policy()
    assert [entry.name for entry in allowed.destinations("allowed_destinations") or ()] == ["hot"]
    refused("policy-destination-unknown", PolicyDraft(addresses={"cold": COLD}, rules=dict(rules)))


def test_hours_come_in_pairs_and_with_their_zone():
    def draft(**rules: object) -> PolicyDraft:
        return PolicyDraft(tiers=(), rules=dict(rules))  # type: ignore[arg-type]

    utc = {"allowed_timezone": "UTC"}
    hours = {"allowed_hours_start": "09:30", "allowed_hours_end": "17:00"}
    draft(**hours, **utc).policy()
    draft(weekend_operations=False, **utc).policy()
    # neither needs a zone to say that anything goes, and a zone by itself limits nothing
    draft(weekend_operations=True).policy()
    draft(**utc).policy()
    for name in hours:
        refused("policy-hours-incomplete", draft(**{name: "09:30"}, **utc))
    refused("policy-hours-empty", draft(**dict.fromkeys(hours, "09:30"), **utc))
    draft(allowed_hours_start="09:30", allowed_hours_end="09:29", **utc).policy()
    refused("policy-timezone-missing", draft(**hours))
    refused("policy-timezone-missing", draft(weekend_operations=False))


@pytest.mark.parametrize("zone", ["Mars/Phobos", "America", "Europe/Berlin/Mitte", "UTC/UTC", "Zone"])
def test_a_zone_is_one_of_the_database(zone: str):
    refused("policy-timezone-unknown", PolicyDraft(tiers=(), rules={"allowed_timezone": zone}))


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "EST5EDT"]
)
def test_a_zone_of_the_database_comes_back_from_the_text(zone: str):
    policy = PolicyDraft(tiers=(), rules={"allowed_timezone": zone}).policy()
    assert Policy.parse(policy.text).rule("allowed_timezone") == zone


@pytest.mark.parametrize(
    "rule",
    [
        {"funding_proposal_threshold_sats": 5},
        {"human_approval_threshold_sats": 5},
        {"auto_approve_new_strategies": False},
    ],
)
def test_each_rule_that_asks_for_approval_needs_a_quorum_and_uses_one(rule: dict[str, int]):
    PolicyDraft(rules=dict(rule)).policy()
    refused("policy-approval-quorum-missing", PolicyDraft(tiers=(), rules=dict(rule)))


def test_new_strategies_that_need_no_approval_need_no_quorum():
    PolicyDraft(tiers=(), rules={"auto_approve_new_strategies": True}).policy()
    refused("policy-approval-quorum-unused", PolicyDraft(rules={"auto_approve_new_strategies": True}))


def test_a_destination_is_not_both_allowed_and_denied():
    book = {"hot": HOT, "cold": COLD}
    both = {"allowed_destinations": ("cold", "hot"), "denied_destinations": ("hot",)}
    refused("policy-destination-contradiction", PolicyDraft(tiers=(), addresses=book, rules=dict(both)))
    PolicyDraft(tiers=(), addresses=book, rules={**both, "allowed_destinations": ("cold",)}).policy()
    refused(
        "policy-destination-unknown",
        PolicyDraft(tiers=(), addresses=book, rules={"denied_destinations": ("warm",)}),
    )


def test_a_descriptor_is_a_destination_in_its_canonical_spelling():
    wallet = wpkh_wallet()
    policy = PolicyDraft(addresses={"other": wallet.descriptor_text}).policy()
    entry = policy.addresses[0]
    assert (entry.address, entry.script) == (wallet.descriptor_text, None)
    assert Policy.parse(policy.text) == policy
    # another spelling of it is read from TOML, and is no canonical text
    spelt = with_checksum(wallet.canonical.replace("h/", "'/").replace("h]", "']"))
    assert spelt != wallet.descriptor_text
    assert PolicyDraft(addresses={"other": spelt}).policy() == policy
    with pytest.raises(Malformed) as caught:
        Policy.parse(policy.text.replace(wallet.descriptor_text.encode(), spelt.encode()))
    assert caught.value.rule == "policy-malformed"
    refused("policy-address-twice", PolicyDraft(addresses={"a": spelt, "b": wallet.descriptor_text}))
    damaged = wallet.descriptor_text[:-1] + ("q" if wallet.descriptor_text[-1] != "q" else "p")
    refused("descriptor-checksum-mismatch", PolicyDraft(addresses={"other": damaged}))


def test_a_descriptor_of_another_network_is_no_destination():
    with pytest.raises(VerificationError) as caught:
        PolicyDraft(network=Network.MAINNET, addresses={"other": wpkh_descriptor()}).policy()
    assert caught.value.rule == "xpub-other-network"


def test_the_descriptors_of_an_address_book_have_a_bounded_number_of_keys():
    book = {f"a{number}": wpkh_descriptor(number) for number in range(MAX_DESCRIPTOR_KEYS)}
    PolicyDraft(addresses=book).policy()
    refused("policy-descriptor-keys", PolicyDraft(addresses={**book, "more": wpkh_descriptor(99)}))


def test_descriptors_beyond_that_number_are_not_even_read():
    """A text of 256 kB with seventy descriptors of twenty keys took more than two seconds to refuse."""
    text = PolicyDraft(addresses={"a": wpkh_descriptor()}).text()
    line = b"address a " + wpkh_descriptor().encode() + b"\n"
    book = b"".join(b"address a%d wpkh([no-key])\n" % number for number in range(MAX_DESCRIPTOR_KEYS + 1))
    with pytest.raises(Malformed) as caught:
        Policy.parse(text.replace(line, book))
    assert caught.value.rule == "policy-descriptor-keys"


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("max_fee_sats", "020000"),
        ("max_fee_sats", "+1"),
        ("max_fee_sats", "1.5"),
        ("max_fee_sats", "none"),
        ("max_fee_sats", str(MAX_MONEY + 1)),
        ("max_fee_sats", "yes"),
        ("max_fee_rate_sats_per_vbyte", "1e3"),
        ("max_fee_rate_sats_per_vbyte", str(MAX_MONEY // 1000 + 1)),
        ("allowed_destinations", "hot,cold"),
        ("allowed_destinations", "cold,cold"),
        ("allowed_destinations", "cold,"),
        ("allowed_destinations", "cold,-"),
        ("no_address_reuse", "true"),
        ("no_address_reuse", "Yes"),
        ("allowed_hours_start", "24:00"),
        ("allowed_hours_start", "9:00"),
        ("allowed_timezone", "../../etc"),
        ("max_fee_percent", "101"),
    ],
)
def test_values_have_one_spelling(name: str, spelling: str):
    lines = full_draft().text().decode().split("\n")
    number = next(index for index, line in enumerate(lines) if line.startswith(f"rule {name} "))
    lines[number] = f"rule {name} {spelling}"
    with pytest.raises(Malformed) as caught:
        Policy.parse("\n".join(lines).encode())
    assert caught.value.rule == "policy-rule-mistyped"
    assert name in caught.value.message


def test_a_built_policy_holds_typed_values_too():
    refused("policy-rule-mistyped", PolicyDraft(rules={"human_approval_threshold_sats": True}))
    refused(
        "policy-rule-mistyped", PolicyDraft(rules={"human_approval_threshold_sats": 1, "max_fee_sats": -1})
    )
    refused(
        "policy-rule-mistyped", PolicyDraft(rules={"human_approval_threshold_sats": 1, "max_fee_sats": "5"})
    )


def test_limits_are_asked_for_by_what_they_are():
    policy = full_draft().policy()
    assert policy.limit("max_fee_sats") == 20_000
    assert policy.limit("max_weekly_spend_sats") is None
    with pytest.raises(TypeError):
        policy.limit("allowed_destinations")
    with pytest.raises(TypeError):
        policy.destinations("max_fee_sats")
    with pytest.raises(KeyError):
        policy.rule("max_everything")


def test_machines_and_addresses_are_found():
    policy = full_draft().policy()
    assert policy.signer_name(SshKey.of("machine-b").public) == "machine-b"
    with pytest.raises(PolicyViolation) as caught:
        policy.signer_name(SshKey.of("anna").public)
    assert caught.value.rule == "signer-not-in-policy"
    assert policy.name_of_address(HOT) == "hot"
    assert policy.name_of_address(HOT.upper()) is None


def test_an_address_within_a_named_descriptor_has_its_name():
    wallet = wpkh_wallet(7)
    book = {"all": wallet.descriptor_text, "third": wallet.address(0, 2)}
    policy = PolicyDraft(addresses=book).policy()
    assert (
        policy.name_of_address(wallet.address(0, 0))
        == policy.name_of_address(wallet.address(0, 999))
        == "all"
    )
    # its own name goes before the descriptor's
    assert policy.name_of_address(wallet.address(0, 2)) == "third"
    for address in (wallet.address(1, 0), wallet.address(0, 1000), stranger_address(), "nonsense"):
        assert policy.name_of_address(address) is None


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12).filter(
    lambda name: name != "-"
)


@st.composite
def drafts(draw: st.DrawFn) -> PolicyDraft:
    people = sorted(draw(st.sets(NAMES, min_size=1, max_size=5)))
    admins = sorted(draw(st.sets(NAMES, min_size=1, max_size=4)))
    # a machine's key must be nobody's: other names make other keys
    machines = tuple(
        KeyHolder(name, SshKey.of("m:" + name).public)
        for name in sorted(draw(st.sets(NAMES, min_size=1, max_size=4)))
    )
    groups = tuple(
        Group(name, tuple(sorted(draw(st.sets(st.sampled_from(people), min_size=1)))))
        for name in sorted(draw(st.sets(NAMES, min_size=1, max_size=3)))
    )
    aboves = sorted(draw(st.sets(st.integers(0, MAX_MONEY), min_size=1, max_size=4)))
    tiers = []
    for above in aboves:
        group = draw(st.sampled_from(groups))
        tiers.append(ApprovalTier(above, draw(st.integers(1, len(group.members))), group.name))
    addresses = dict(zip(sorted(draw(st.sets(NAMES, max_size=2))), (HOT, COLD), strict=False))
    sats = st.one_of(st.none(), st.integers(0, MAX_MONEY))
    rules = {name: draw(sats) for name in RULES if RULES[name] is Kind.SATS}
    rules["human_approval_threshold_sats"] = draw(st.integers(0, MAX_MONEY))
    rules["max_fee_rate_sats_per_vbyte"] = draw(st.one_of(st.none(), st.integers(0, MAX_MONEY // 1000)))
    if addresses:
        rules["allowed_destinations"] = tuple(
            sorted(draw(st.sets(st.sampled_from(sorted(addresses)), min_size=1)))
        )
    return PolicyDraft(
        version=draw(st.integers(1, MAX_VERSION)),
        wallet_id=draw(st.binary(min_size=32, max_size=32)).hex(),
        admin_quorum=draw(st.integers(1, len(admins))),
        admins=holders(*admins),
        approvers=holders(*people),
        groups=groups,
        tiers=tuple(tiers),
        signers=machines,
        mandatory=tuple(sorted(draw(st.sets(st.sampled_from([m.name for m in machines]))))),
        addresses=addresses,
        rules=rules,
        coordinator="m:coordinator:",
    )


@settings(max_examples=60, deadline=None)
@given(drafts())
def test_parse_and_text_are_inverses(draft: PolicyDraft):
    policy = draft.policy()
    assert Policy.parse(policy.text) == policy
    assert Policy.parse(policy.text).text == policy.text


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_byte_is_another_policy_or_none(data: st.DataObject):
    text = full_draft().text()
    position = data.draw(st.integers(0, len(text) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[position]))
    changed = text[:position] + bytes((value,)) + text[position + 1 :]
    try:
        policy = Policy.parse(changed)
    except FalconerError:
        return
    assert policy.text == changed
    assert policy.digest != full_draft().policy().digest


@given(st.sampled_from(sorted(RULES)), st.text(max_size=12))
def test_reading_a_value_is_the_inverse_of_writing_it(name: str, text: str):
    try:
        value = read_value(RULES[name], text)
    except ValueError:
        return
    assert write_value(value) == text
    assert check_value(RULES[name], value) == value
