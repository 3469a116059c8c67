"""Who approved: real keys, real signatures, each counted once, none ignored."""

from __future__ import annotations

import dataclasses

import pytest

from falconer_shared.approval.intent import NAMESPACE
from falconer_shared.approval.quorum import MAX_APPROVALS, Approval, QuorumRequirement, count, identify
from falconer_shared.errors import ApprovalError
from falconer_shared.sshsig.signature import SshSignature, dearmour
from tests.support.refusal import refused
from tests.support.ssh_keygen import accepts


@pytest.fixture(scope="session")
def approvals(people, intent):
    return {name: Approval.parse(file.sign(intent.text, NAMESPACE)) for name, file in people.items()}


@pytest.fixture
def members(keys):
    return {name: keys[name] for name in ("ann", "bob", "cat")}


def test_names_those_who_signed_sorted(intent, members, approvals):
    assert identify(intent, members, [approvals["cat"], approvals["ann"]]) == ("ann", "cat")
    assert identify(intent, members, []) == ()


def test_raw_and_armoured_approvals_are_the_same(people, intent, approvals):
    armoured = people["ann"].sign(intent.text, NAMESPACE)
    assert Approval.parse(armoured) == Approval.parse(dearmour(armoured)) == approvals["ann"]
    assert approvals["ann"].raw == dearmour(armoured)


def test_enough_is_enough_and_one_fewer_is_not(intent, members, approvals):
    need = QuorumRequirement(2, members)
    assert count(intent, need, [approvals["bob"], approvals["ann"]]) == ("ann", "bob")
    assert count(intent, need, list(approvals.values())[:3]) == ("ann", "bob", "cat")
    with refused("approval-missing", ApprovalError) as caught:
        count(intent, need, [approvals["bob"]])
    assert caught.value.details == {"have": 1, "need": 2}
    assert "ann, cat" in caught.value.remedy
    with refused("approval-missing", ApprovalError):
        count(intent, need, [])


def test_a_key_counts_once_however_often_it_signed(people, intent, members, approvals):
    another = Approval.parse(people["ann"].sign(intent.text, NAMESPACE, "-O", "hashalg=sha256"))
    assert another != approvals["ann"]
    with refused("approval-missing", ApprovalError) as caught:
        count(intent, QuorumRequirement(2, members), [approvals["ann"], approvals["ann"], another])
    assert caught.value.details["have"] == 1


def test_a_stranger_is_refused_and_not_ignored(intent, members, approvals):
    with refused("approval-unknown-key", ApprovalError):
        count(intent, QuorumRequirement(1, members), [approvals["ann"], approvals["dan"]])


def test_other_approvers_are_verified_and_do_not_count(people, intent, keys, members, approvals):
    need = QuorumRequirement(1, members)
    assert count(intent, need, [approvals["ann"], approvals["dan"]], keys) == ("ann",)
    with refused("approval-missing", ApprovalError):
        count(intent, need, [approvals["dan"]], keys)
    wrong = Approval.parse(people["dan"].sign(intent.text + b"x", NAMESPACE))
    with refused("approval-invalid", ApprovalError):
        count(intent, need, [approvals["ann"], wrong], keys)


def test_an_approval_of_another_intent_is_refused_and_not_ignored(people, intent, members, approvals):
    other = dataclasses.replace(intent, proposal="another")
    with refused("approval-invalid", ApprovalError):
        identify(other, members, [approvals["ann"]])
    mixed = [approvals["ann"], Approval.parse(people["bob"].sign(other.text, NAMESPACE))]
    with refused("approval-invalid", ApprovalError):
        count(intent, QuorumRequirement(1, members), mixed)


@pytest.mark.parametrize(
    "namespace", ["falconer-policy@1", "falconer-request@1", "falconer-approval@2", "file"]
)
def test_a_signature_made_for_another_purpose_is_refused(people, intent, members, namespace):
    with refused("approval-invalid", ApprovalError):
        identify(intent, members, [Approval.parse(people["ann"].sign(intent.text, namespace))])


def test_anothers_name_on_a_signature_is_refused(intent, keys, members, approvals):
    old = approvals["dan"].signature
    claimed = Approval(SshSignature(keys["ann"], old.namespace, old.hash_name, old.signature))
    with refused("approval-invalid", ApprovalError):
        identify(intent, members, [claimed])


def test_the_number_of_approvals_is_bounded(intent, members, approvals):
    assert identify(intent, members, [approvals["ann"]] * MAX_APPROVALS) == ("ann",)
    with refused("approval-too-many", ApprovalError):
        identify(intent, members, [approvals["ann"]] * (MAX_APPROVALS + 1))


@pytest.mark.parametrize("k", [-1, 0, 4])
def test_a_quorum_that_cannot_be_is_refused(members, k):
    with refused("quorum-impossible", ApprovalError):
        QuorumRequirement(k, members)
    assert QuorumRequirement(1, members).k == 1
    assert QuorumRequirement(3, members).k == 3


def test_one_person_under_two_names_is_refused(intent, members, approvals):
    doubled = {**members, "ann2": members["ann"]}
    with refused("quorum-key-repeated", ApprovalError):
        QuorumRequirement(2, doubled)
    with refused("quorum-key-repeated", ApprovalError):
        identify(intent, doubled, [approvals["ann"]])


def test_anybody_can_check_an_approval_with_stock_ssh_keygen(tmp_path, people, intent, approvals):
    armoured = approvals["ann"].signature.armoured()
    assert accepts(tmp_path, people["ann"].public_line, armoured, intent.text, NAMESPACE)
    assert not accepts(tmp_path, people["bob"].public_line, armoured, intent.text, NAMESPACE)
    assert not accepts(tmp_path, people["ann"].public_line, armoured, intent.text[:-1], NAMESPACE)
