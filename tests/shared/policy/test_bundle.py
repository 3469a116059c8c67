"""A signed policy in one text: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.policy.bundle import MAX_BUNDLE_BYTES, join, split
from falconer_shared.policy.signed import SignedPolicy
from falconer_shared.sshsig.signature import SshSignature
from tests.support.policies import PolicyDraft, signed
from tests.support.refusal import refused


def bundle(*names: str) -> tuple[SignedPolicy, bytes]:
    policy = signed(PolicyDraft().text(), *(names or ("alice", "bob")))
    return policy, join(policy)


def raw(policy: SignedPolicy) -> tuple[bytes, ...]:
    return tuple(SshSignature.parse(each).raw for each in policy.signatures)


@pytest.mark.parametrize("count", [1, 2, 32])
def test_what_goes_in_comes_out(count: int):
    policy, data = bundle(*(f"admin-{number}" for number in range(count)))
    assert split(data) == SignedPolicy(policy.text, raw(policy))
    assert join(split(data)) == data


def test_more_signatures_than_people_can_be_are_refused():
    _, data = bundle(*(f"admin-{number}" for number in range(33)))
    with refused("policy-bundle-malformed", Malformed):
        split(data)


def test_a_bundle_is_a_text_and_signatures_and_nothing_else():
    policy, data = bundle()
    armour = data[len(policy.text) :]
    for wrong in (
        policy.text,
        data + b"\n",
        data + b"rule max_fee_sats -\n",
        data[:-1],
        policy.text + b"-----BEGIN PGP SIGNATURE-----\n" + armour,
        policy.text + armour.replace(b"\n", b"\r\n"),
        # the same signatures in lines of another width
        policy.text + armour.replace(b"AAAA", b"AAAA\n", 1),
        b"",
        data + bytes(MAX_BUNDLE_BYTES),
    ):
        with refused("policy-bundle-malformed", Malformed):
            split(wrong)


def test_the_size_is_bounded_whatever_the_text_is():
    policy, data = bundle()
    long = b"x" * (MAX_BUNDLE_BYTES - len(data)) + data
    assert split(long).text.endswith(policy.text)
    with refused("policy-bundle-malformed", Malformed):
        split(b"x" + long)


def test_a_signature_that_is_none_is_refused_by_its_own_rule():
    policy, _ = bundle()
    with refused("ssh-signature-malformed", Malformed):
        split(policy.text + b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
