from __future__ import annotations

import dataclasses

import pytest

from falconer_offline.hardware import wire
from falconer_offline.hardware.models import CHAINS, MODELS, Form, Kind, check_can_sign, form_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import VerificationError
from falconer_shared.wallet.registration import RegisteredWallet
from tests.offline.hardware.devices import refuses
from tests.support.treasury import key_expression, wallet_of, with_checksum

FORM_OF = {
    "pkh": Form.PKH, "sh-wpkh": Form.NESTED, "wpkh": Form.WPKH, "tr": Form.TAPROOT, "sh": Form.LEGACY_SORTED,
    "sh-wsh": Form.SORTED, "wsh": Form.SORTED,
}  # fmt: skip


@pytest.mark.parametrize("form", FORM_OF)
def test_the_form_of_a_wallet_is_that_of_its_descriptor(form):
    assert form_of(wallet_of(form)) is FORM_OF[form]


def test_an_unsorted_multisig_is_a_form_of_its_own():
    assert form_of(wallet_of("wsh", script="multi")) is Form.MULTI
    assert form_of(wallet_of("sh", script="multi")) is Form.LEGACY_MULTI


def test_what_is_not_known_is_miniscript():
    strange = dataclasses.replace  # the wallet itself cannot be replaced: it is sealed
    with pytest.raises((TypeError, ValueError)):
        strange(wallet_of("wpkh"), canonical="wsh(or_d(")

    class Strange:
        canonical = "wsh(or_d(pk(a),pk(b)))"
        size = 2

    assert form_of(Strange()) is Form.MINISCRIPT


CANNOT = {
    (Kind.LEDGER, "wsh-multi"), (Kind.LEDGER, "sh-multi"),
    (Kind.COLDCARD, "tr"), (Kind.COLDCARD, "wsh-multi"), (Kind.COLDCARD, "sh-multi"),
    (Kind.BITBOX02, "pkh"), (Kind.BITBOX02, "sh"), (Kind.BITBOX02, "wsh-multi"), (Kind.BITBOX02, "sh-multi"),
    (Kind.JADE, "tr"),
    (Kind.KEEPKEY, "tr"),
}  # fmt: skip
"""Of all kinds and forms, those that HWI 3.2's drivers do not sign (read in hwilib/devices/*.py)."""


@pytest.mark.parametrize("form", [*FORM_OF, "wsh-multi", "sh-multi"])
@pytest.mark.parametrize("kind", Kind)
def test_a_device_is_asked_only_for_what_its_driver_can(kind, form):
    shape, _, script = form.partition("-multi")
    wallet = wallet_of(shape) if form in FORM_OF else wallet_of(shape, script="multi")
    del script
    if (kind, form) in CANNOT:
        found = refuses("device-cannot-sign-form", VerificationError, check_can_sign, kind, wallet, 0)
        assert MODELS[kind].title in found.message
    else:
        check_can_sign(kind, wallet, 0)


@pytest.mark.parametrize("kind", [Kind.LEDGER, Kind.TREZOR, Kind.BITBOX02, Kind.KEEPKEY])
@pytest.mark.parametrize("path", ["84h/1h", "84h/1h/0", "49h/1h/0h", "84h/1h/0h/0h", "0h/0h/0h"])
def test_an_unusual_path_is_refused_before_the_device_ignores_it(kind, path):
    descriptor = with_checksum(f"wpkh({key_expression(1, path)}/<0;1>/*)")
    wallet = RegisteredWallet.register("w", Network.REGTEST, descriptor)
    refuses("device-cannot-sign-path", VerificationError, check_can_sign, kind, wallet, 0)


def test_devices_that_sign_anywhere_are_not_asked_for_a_standard_path():
    descriptor = with_checksum(f"wpkh({key_expression(1, '7h/1')}/<0;1>/*)")
    check_can_sign(Kind.COLDCARD, RegisteredWallet.register("w", Network.REGTEST, descriptor), 0)


def test_a_ledger_takes_cosigners_four_steps_down_and_no_further():
    def wallet(path):
        keys = ",".join(f"{key_expression(seed, path)}/<0;1>/*" for seed in (1, 2))
        return RegisteredWallet.register("w", Network.REGTEST, with_checksum(f"wsh(sortedmulti(2,{keys}))"))

    check_can_sign(Kind.LEDGER, wallet("48h/1h/0h/2h"), 0)
    refuses(
        "device-cannot-sign-path", VerificationError, check_can_sign, Kind.LEDGER, wallet("48h/1h/0h/2h/0"), 0
    )
    check_can_sign(Kind.TREZOR, wallet("48h/1h/0h/2h/0"), 0)


def test_fifteen_cosigners_are_taken_and_sixteen_are_not():
    check_can_sign(Kind.TREZOR, wallet_of("wsh", seeds=range(1, 16)), 0)
    wallet = wallet_of("wsh", seeds=range(1, 17))
    refuses("device-cosigners-too-many", VerificationError, check_can_sign, Kind.TREZOR, wallet, 0)


def test_the_driver_process_knows_the_same_kinds():
    assert tuple(kind.value for kind in MODELS) == wire.KINDS
    assert {model.kind.value for model in MODELS.values() if model.passphrase_here} == wire.PASSPHRASE_KINDS
    assert set(CHAINS) == set(Network)
