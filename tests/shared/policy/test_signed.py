"""Which signatures put a policy in force, and which never do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.policy.document import MAX_PEOPLE
from falconer_shared.policy.parts import KeyHolder
from falconer_shared.policy.signed import InstalledPolicy, PinnedAdmins, SignedPolicy, install, replay
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import armour
from tests.support.policies import WALLET_ID, PolicyDraft, SshKey, holders, signed
from tests.support.ssh_keygen import KeyFile

ADMINS = ("admin-a", "admin-b", "admin-c")


def put(candidate: SignedPolicy, trusted: PinnedAdmins | InstalledPolicy) -> InstalledPolicy:
    return install(candidate, trusted, network=Network.REGTEST, wallet_id=WALLET_ID)


def refused(rule: str, candidate: SignedPolicy, trusted: PinnedAdmins | InstalledPolicy) -> FalconerError:
    with pytest.raises(FalconerError) as caught:
        put(candidate, trusted)
    assert caught.value.rule == rule
    return caught.value


def test_version_1_takes_every_pinned_administrator():
    draft = PolicyDraft()
    installed = put(signed(draft.text(), *ADMINS), draft.pinned())
    assert installed.signed_by == ADMINS
    assert installed.digest == draft.policy().digest
    # two of three are the quorum inside the text, and nobody had agreed to that quorum yet
    error = refused("policy-signature-missing", signed(draft.text(), "admin-a", "admin-b"), draft.pinned())
    assert "admin-c" in (error.remedy or "")
    refused("policy-signature-missing", signed(draft.text()), draft.pinned())


def test_one_signature_twice_is_one():
    draft = PolicyDraft()
    twice = signed(draft.text(), "admin-a", "admin-a", "admin-b")
    refused("policy-signature-missing", twice, draft.pinned())
    assert put(signed(draft.text(), *ADMINS, "admin-a"), draft.pinned()).signed_by == ADMINS


def test_one_administrator_cannot_lower_the_quorum_for_all():
    draft = PolicyDraft(admin_quorum=1)
    refused("policy-signature-missing", signed(draft.text(), "admin-a"), draft.pinned())


def test_version_1_names_exactly_the_pinned_administrators():
    draft = PolicyDraft()
    pinned = draft.pinned()
    for admins in (
        holders("admin-a", "admin-b"),
        holders(*ADMINS, "mallory"),
        holders("admin-a", "admin-b", "mallory"),
    ):
        other = PolicyDraft(admins=admins)
        names = tuple(holder.name for holder in admins)
        refused("policy-admins-not-pinned", signed(other.text(), *names), pinned)
    # names are the policy's business, keys are not
    renamed = tuple(KeyHolder("z" + holder.name, holder.key) for holder in draft.admins)
    put(signed(PolicyDraft(admins=renamed).text(), *ADMINS), pinned)


def test_the_first_version_is_1():
    draft = PolicyDraft(version=2)
    refused("policy-first-version", signed(draft.text(), *ADMINS), draft.pinned())


def test_later_versions_are_signed_under_the_one_before():
    first = PolicyDraft().install()
    newcomers = PolicyDraft(version=2, admins=holders("new-a", "new-b"), admin_quorum=2)
    second = put(signed(newcomers.text(), "admin-a", "admin-c"), first)
    assert second.signed_by == ("admin-a", "admin-c")
    refused("policy-signature-missing", signed(newcomers.text(), "admin-a"), first)
    # whoever a text names has no say in that text
    refused("policy-signature-unknown-key", signed(newcomers.text(), "new-a", "new-b"), first)
    third = PolicyDraft(version=3)
    refused("policy-signature-unknown-key", signed(third.text(), "admin-a", "admin-b"), second)
    assert put(signed(third.text(), "new-a", "new-b"), second).policy.version == 3


def test_versions_rise():
    first = PolicyDraft().install()
    fifth = put(signed(PolicyDraft(version=5).text(), "admin-a", "admin-b"), first)
    refused("policy-version-rollback", signed(PolicyDraft(version=4).text(), *ADMINS), fifth)
    refused("policy-version-rollback", signed(PolicyDraft(version=1).text(), *ADMINS), fifth)
    fork = PolicyDraft(version=5, rules={"human_approval_threshold_sats": 99})
    refused("policy-version-fork", signed(fork.text(), *ADMINS), fifth)
    # the very policy again changes nothing
    assert put(signed(PolicyDraft(version=5).text()), fifth) is fifth


def test_other_wallets_and_networks_keep_their_policies():
    draft = PolicyDraft()
    candidate = signed(draft.text(), *ADMINS)
    for network, wallet_id, rule in (
        (Network.SIGNET, WALLET_ID, "policy-other-network"),
        (Network.REGTEST, "cd" * 32, "policy-other-wallet"),
    ):
        with pytest.raises(FalconerError) as caught:
            install(candidate, draft.pinned(), network=network, wallet_id=wallet_id)
        assert caught.value.rule == rule
    # a later version may not move either
    moved = PolicyDraft(version=2, wallet_id="cd" * 32)
    refused("policy-other-wallet", signed(moved.text(), *ADMINS), draft.install())


def test_every_signature_shown_must_hold():
    draft = PolicyDraft()
    text = draft.text()
    good = signed(text, *ADMINS)
    refused("policy-signature-unknown-key", signed(text, *ADMINS, "mallory"), draft.pinned())
    # approvers and machines are no administrators
    refused("policy-signature-unknown-key", signed(text, *ADMINS, "anna"), draft.pinned())
    elsewhere = SignedPolicy(
        text, (*good.signatures[:2], *signed(text, "admin-c", namespace="falconer-approval@1").signatures)
    )
    refused("policy-signature-invalid", elsewhere, draft.pinned())
    over_other = signed(PolicyDraft(version=2).text(), "admin-c").signatures
    refused("policy-signature-invalid", SignedPolicy(text, (*good.signatures, *over_other)), draft.pinned())
    with pytest.raises(Malformed):
        put(SignedPolicy(text, (*good.signatures, b"not a signature")), draft.pinned())
    many = SignedPolicy(text, good.signatures + good.signatures[:1] * (MAX_PEOPLE - 2))
    refused("policy-signature-too-many", many, draft.pinned())
    put(SignedPolicy(text, many.signatures[:-1]), draft.pinned())


def test_a_changed_text_is_not_what_was_signed():
    draft = PolicyDraft(rules={"human_approval_threshold_sats": 100})
    weaker = PolicyDraft(rules={"human_approval_threshold_sats": 900}).text()
    refused(
        "policy-signature-invalid",
        SignedPolicy(weaker, signed(draft.text(), *ADMINS).signatures),
        draft.pinned(),
    )


def test_a_chain_is_walked_from_the_pins_on():
    draft = PolicyDraft()
    chain = [
        signed(draft.text(), *ADMINS),
        signed(PolicyDraft(version=2, admins=holders("new-a"), admin_quorum=1).text(), "admin-a", "admin-b"),
        signed(PolicyDraft(version=3).text(), "new-a"),
    ]
    walked = replay(chain, draft.pinned(), network=Network.REGTEST, wallet_id=WALLET_ID)
    assert walked.policy.version == 3
    for broken in (chain[1:], [chain[0], chain[2]]):
        with pytest.raises(FalconerError):
            replay(broken, draft.pinned(), network=Network.REGTEST, wallet_id=WALLET_ID)
    with pytest.raises(FalconerError) as caught:
        replay([], draft.pinned(), network=Network.REGTEST, wallet_id=WALLET_ID)
    assert caught.value.rule == "policy-chain-empty"


def test_nobody_else_makes_an_installed_policy():
    installed = PolicyDraft().install()
    with pytest.raises(TypeError):
        InstalledPolicy(installed.policy, installed.digest, installed.signed, (), seal=object())  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(installed, digest="00")
    with pytest.raises(ValueError, match="different keys"):
        PinnedAdmins(())
    with pytest.raises(ValueError, match="different keys"):
        PinnedAdmins((SshKey.of("a").public, SshKey.of("a").public))


def test_pins_are_one_key_or_as_many_as_a_role_has():
    keys = [SshKey.of(f"pin-{number}").public for number in range(MAX_PEOPLE + 1)]
    lone = PolicyDraft(admins=holders("admin-a"), admin_quorum=1)
    assert put(signed(lone.text(), "admin-a"), lone.pinned()).signed_by == ("admin-a",)
    PinnedAdmins(tuple(keys[:MAX_PEOPLE]))
    with pytest.raises(ValueError, match="different keys"):
        PinnedAdmins(tuple(keys))


def test_signatures_of_the_real_ssh_keygen_install_a_policy(tmp_path: Path):
    keys = [KeyFile.make(tmp_path, name) for name in ("admin-a", "admin-b")]
    admins = tuple(KeyHolder(key.path.name, SshPublicKey.parse(key.public_line)) for key in keys)
    draft = PolicyDraft(admins=admins)
    signatures = tuple(key.sign(draft.text(), "falconer-policy@1") for key in keys)
    assert signatures[0].startswith(b"-----BEGIN SSH SIGNATURE-----")
    assert put(SignedPolicy(draft.text(), signatures), draft.pinned()).signed_by == ("admin-a", "admin-b")


def test_armoured_and_raw_signatures_are_one(tmp_path: Path):
    draft = PolicyDraft()
    raw = signed(draft.text(), *ADMINS)
    armoured = SignedPolicy(raw.text, tuple(armour(signature) for signature in raw.signatures))
    assert put(armoured, draft.pinned()).digest == put(raw, draft.pinned()).digest
