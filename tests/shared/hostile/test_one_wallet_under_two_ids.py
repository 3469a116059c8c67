"""A second descriptor for coins that another registered wallet holds: a policy, a history and limits of its own."""

from __future__ import annotations

import pytest

from falconer_shared.errors import VerificationError
from falconer_shared.wallet.registration import check_no_shared_coins
from tests.support.refusal import refused
from tests.support.treasury import FORMS, wallet_of, wpkh_wallet, wsh_wallet


@pytest.mark.parametrize(
    "other",
    [
        wsh_wallet(seeds=(3, 2, 1), name="again"),
        wsh_wallet(seeds=(2, 3, 1), name="again"),
        wsh_wallet(form="multi", name="again"),
        wsh_wallet(seeds=(3, 1, 2), form="multi", name="again"),
        wallet_of("wsh", 2, (1, 3, 2)),
    ],
)
def test_another_order_of_the_same_keys_is_the_same_money(other):
    vault = wsh_wallet()
    assert other.wallet_id != vault.wallet_id
    shared = [n for n in range(20) if other.address(0, n) == vault.address(0, n)]
    assert shared
    for one, two in ((vault, other), (other, vault)):
        with refused("wallet-same-coins", VerificationError):
            check_no_shared_coins(one, [wpkh_wallet(), two])


def test_other_forms_keys_and_thresholds_are_other_money():
    """The same keys in another form, or another threshold, make other addresses everywhere."""
    others = [wallet_of(form) for form in FORMS if form != "wsh"]
    others += [wsh_wallet(threshold=1), wsh_wallet(threshold=3), wsh_wallet(seeds=(1, 2, 4)), wpkh_wallet(2)]
    check_no_shared_coins(wsh_wallet(), others)
    check_no_shared_coins(wsh_wallet(), [])
