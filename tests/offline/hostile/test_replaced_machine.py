"""A stick on which somebody put another machine: a state, a machine key and a policy of his own, and our sealed Bitcoin keys.

Whoever can write to the stick can make all of that, except a machine key that opens with our passphrase. Where keys are sealed
to an age identity, its recipient is all that he needs for that, and recipients are made to be public.
"""

from __future__ import annotations

import dataclasses

import pytest

from falconer_offline.keys.keyfile import open_seed
from falconer_offline.keys.sealed import Identity
from falconer_offline.session import sign_session
from falconer_offline.state import journal, records
from falconer_offline.state.store import change
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import SecretError
from falconer_shared.policy.engine import PolicyRefused
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import NOW, Office, Ring, Willing
from tests.support.refusal import refused
from tests.support.treasury import Payment, stranger_address


class RecipientOnly:
    """What the attacker knows of the identity: enough to seal, not to open."""

    def __init__(self, identity: Identity) -> None:
        self._recipient = identity.value.to_public()

    def to_public(self):
        return self._recipient


@pytest.fixture
def replaced(office, tmp_path):
    """The attacker's machine with our sealed keys: no limits in its policy, and the same wallet."""
    known = Identity(RecipientOnly(office.identity))
    mine = Office.make(tmp_path / "replaced", office.wallet, seeds=(), rules={}, identity=known)
    state = mine.state()
    with change(state, mine.machine) as (transaction, _):
        for record in records.keys(office.state()):
            transaction.run(
                "INSERT INTO keys VALUES (?, ?, ?, ?)",
                record.name,
                record.fingerprint,
                record.created,
                record.sealed,
            )
            transaction.run("UPDATE holders SET key = ? WHERE position = 0", record.name)
        journal.note(transaction, NOW, "key-imported")
    return mine


def test_another_machine_does_not_open_our_keys(office, replaced):
    """Else policy and limits would be the attacker's, and nothing but the page would stand in the way."""
    huge = Payment(
        office.wallet, coins=[(OwnPlace(0, 3), 90_000_000)], pay=[(stranger_address(9), 80_000_000)],
        change=[(OwnPlace(1, 2), 9_999_000)],
    )  # fmt: skip
    with refused("policy-daily-limit", PolicyRefused):
        office.judge(office.request(huge))
    judged = replaced.judge(replaced.request(huge))
    # the person hands over the real identity; machine key and keys open, the policy allows
    victim = dataclasses.replace(replaced, identity=office.identity)
    with refused("key-other-machine", SecretError):
        sign_session(victim.state(), judged, Willing(), Ring(victim), lambda: NOW)
    assert [row[-1] for row in victim.state().rows["spends"]] == ["released"]


def test_our_own_machine_opens_them(office):
    (record,) = records.keys(office.state())
    node = open_seed(
        record.sealed,
        Network.REGTEST,
        office.machine.public,
        record.fingerprint,
        office.identity,
        record.name,
    )
    assert node.public().fingerprint().hex() == record.fingerprint
