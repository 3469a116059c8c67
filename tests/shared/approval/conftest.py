"""A verified payment, the intent that describes it, and approvers with real SSH keys."""

from __future__ import annotations

import pytest

from falconer_shared.approval.intent import Intent, IntentKind
from falconer_shared.bitcoin.network import Network
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import verify
from tests.support.ssh_keygen import KeyFile
from tests.support.treasury import NOTHING_KNOWN, Payment, stranger_address, wpkh_wallet

POLICY = {"policy_version": 3, "policy_digest": "ab" * 32}


def payment() -> Payment:
    return Payment(wpkh_wallet(), pay=[(stranger_address(0), 40_000), (stranger_address(1), 30_000)])


@pytest.fixture(scope="session")
def verified():
    made = payment()
    return verify(made.psbt(), made.wallet, NOTHING_KNOWN)


@pytest.fixture(scope="session")
def facts(verified):
    """The constructor's arguments of an intent that fits `verified`."""
    return {
        "kind": IntentKind.PAY,
        "network": Network.REGTEST,
        "wallet_id": verified.wallet.wallet_id,
        "proposal": "2026-03-04.rent",
        "requester": "agent-7",
        "strategy": "-",
        **POLICY,
        "spends": verified.inputs[1].outpoint,
        "pays": ((Amount(40_000), stranger_address(0)), (Amount(30_000), stranger_address(1))),
        "max_fee": Amount(2_000),
        "not_before": 1_700_000_000,
        "expires": 1_700_086_400,
    }


@pytest.fixture(scope="session")
def intent(facts):
    return Intent(**facts)


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Four people with keys made by ssh-keygen."""
    folder = tmp_path_factory.mktemp("approvers")
    return {name: KeyFile.make(folder, name) for name in ("ann", "bob", "cat", "dan")}


@pytest.fixture(scope="session")
def keys(people):
    return {name: SshPublicKey.parse(file.public_line) for name, file in people.items()}
