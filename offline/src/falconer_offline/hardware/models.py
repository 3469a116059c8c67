"""What each kind of device can do by way of HWI 3.2: one table, by which the program refuses early and which
docs/hardware.md shows (a test keeps both the same).

A device that says more than this of itself is not believed, and one that can do less says so itself. The facts are
those of HWI's own drivers; where a firmware can do more than the driver asks of it, the driver counts.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from falconer_shared.bitcoin.bip32 import HARDENED
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import VerificationError
from falconer_shared.wallet.registration import RegisteredWallet

MAX_COSIGNERS: Final = 15
"""Keys of a multisig that every one of these devices takes; HWI's drivers count no further."""


LEDGER_MAX_ORIGIN: Final = 4
"""Steps from a cosigner's master key to its extended key in a wallet that a Ledger registers (its Bitcoin app, HWI)."""


class Kind(enum.Enum):
    """A family of devices, by the name that HWI has for it."""

    LEDGER = "ledger"
    TREZOR = "trezor"
    COLDCARD = "coldcard"
    BITBOX02 = "bitbox02"
    JADE = "jade"
    KEEPKEY = "keepkey"


class Form(enum.Enum):
    """A form of descriptor, by its outermost words."""

    PKH = "pkh"
    NESTED = "sh(wpkh)"
    WPKH = "wpkh"
    TAPROOT = "tr"
    SORTED = "sortedmulti"
    MULTI = "multi"
    LEGACY_SORTED = "sh(sortedmulti)"
    LEGACY_MULTI = "sh(multi)"
    MINISCRIPT = "miniscript"
    TAPROOT_TREE = "tr with scripts"


class Registration(enum.Enum):
    """What a device wants to be told of a multisig wallet before it signs for it."""

    NONE = "none"
    EACH_TIME = "each time"
    FIRST_USE = "first use"
    ON_DEVICE = "on the device"


@dataclass(frozen=True, slots=True)
class Model:
    """One line of the table. `title` is how people call it."""

    kind: Kind
    title: str
    forms: frozenset[Form]
    registration: Registration
    standard_paths: bool
    pin_here: bool
    passphrase_here: bool
    psbt_v2: bool
    vendors: frozenset[int]

    def cannot(self, form: Form) -> bool:
        """Whether this kind of device signs for no wallet of that form."""
        return form not in self.forms


_SINGLE = frozenset({Form.PKH, Form.NESTED, Form.WPKH})
_SORTED = frozenset({Form.SORTED, Form.LEGACY_SORTED})
_MULTI = frozenset({Form.MULTI, Form.LEGACY_MULTI})

MODELS: Final[Mapping[Kind, Model]] = MappingProxyType(
    {
        model.kind: model
        for model in (
            Model(
                Kind.LEDGER,
                "Ledger",
                _SINGLE | {Form.TAPROOT} | _SORTED,
                Registration.EACH_TIME,
                standard_paths=True,
                pin_here=False,
                passphrase_here=False,
                psbt_v2=False,
                vendors=frozenset({0x2C97, 0x2581}),
            ),
            Model(
                Kind.TREZOR,
                "Trezor",
                _SINGLE | {Form.TAPROOT} | _SORTED | _MULTI,
                Registration.NONE,
                standard_paths=True,
                pin_here=True,
                passphrase_here=True,
                psbt_v2=False,
                vendors=frozenset({0x534C, 0x1209}),
            ),
            Model(
                Kind.COLDCARD,
                "Coldcard",
                _SINGLE | _SORTED,
                Registration.ON_DEVICE,
                standard_paths=False,
                pin_here=False,
                passphrase_here=False,
                psbt_v2=False,
                vendors=frozenset({0xD13E}),
            ),
            Model(
                Kind.BITBOX02,
                "BitBox02",
                frozenset({Form.NESTED, Form.WPKH, Form.TAPROOT, Form.SORTED}),
                Registration.FIRST_USE,
                standard_paths=True,
                pin_here=False,
                passphrase_here=False,
                psbt_v2=False,
                vendors=frozenset({0x03EB}),
            ),
            Model(
                Kind.JADE,
                "Jade",
                _SINGLE | _SORTED | _MULTI,
                Registration.FIRST_USE,
                standard_paths=False,
                pin_here=False,
                passphrase_here=False,
                psbt_v2=False,
                vendors=frozenset({0x10C4, 0x1A86, 0x303A}),
            ),
            Model(
                Kind.KEEPKEY,
                "KeepKey",
                _SINGLE | _SORTED | _MULTI,
                Registration.NONE,
                standard_paths=True,
                pin_here=True,
                passphrase_here=True,
                psbt_v2=False,
                vendors=frozenset({0x2B24}),
            ),
        )
    }
)
"""The table. No device gets PSBT version 2: HWI 3.2.0 takes the version and the lock time of the transaction in one from
an empty transaction, so that what comes back signed is another one (the recordings of the tests hold two). The driver
is always handed version 0.
"""

_WORDS: Final = re.compile(r"(?:[a-z_]+\()+")

_FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "pkh(": Form.PKH,
        "wpkh(": Form.WPKH,
        "sh(wpkh(": Form.NESTED,
        "tr(": Form.TAPROOT,
        "wsh(sortedmulti(": Form.SORTED,
        "sh(wsh(sortedmulti(": Form.SORTED,
        "wsh(multi(": Form.MULTI,
        "sh(wsh(multi(": Form.MULTI,
        "sh(sortedmulti(": Form.LEGACY_SORTED,
        "sh(multi(": Form.LEGACY_MULTI,
    }
)

_PURPOSES: Final = MappingProxyType({Form.PKH: 44, Form.NESTED: 49, Form.WPKH: 84, Form.TAPROOT: 86})
"""BIP 44, 49, 84 and 86: the first step of the standard path of each single-key form."""


def form_of(wallet: RegisteredWallet) -> Form:
    """The form of a registered wallet; what is in none of the simple ones is miniscript."""
    words = _WORDS.match(wallet.canonical)
    form = _FORMS.get(words.group() if words is not None else "", Form.MINISCRIPT)
    if form is Form.TAPROOT and wallet.size > 1:
        return Form.TAPROOT_TREE
    return form


def is_multisig(form: Form) -> bool:
    """Whether several keys stand in one script, so that a device may want to know the wallet first."""
    return form in _SORTED | _MULTI


def check_can_sign(kind: Kind, wallet: RegisteredWallet, position: int) -> None:
    """Accept a wallet for which this kind of device signs with the key at `position`.

    Raises:
        VerificationError: `device-cannot-sign-form`, `device-cannot-sign-path`, `device-cosigners-too-many`.
    """
    model, form = MODELS[kind], form_of(wallet)
    if model.cannot(form):
        others = ", ".join(each.title for each in MODELS.values() if not each.cannot(form)) or "none of them"
        raise VerificationError(
            "device-cannot-sign-form",
            f"a {model.title} does not sign for a wallet of the form {form.value} by way of HWI",
            remedy=f"of the devices known here these do: {others}",
        )
    if is_multisig(form) and wallet.size > MAX_COSIGNERS:
        raise VerificationError(
            "device-cosigners-too-many",
            f"the wallet has {wallet.size} keys, and a device takes {MAX_COSIGNERS}",
            limit=MAX_COSIGNERS,
        )
    _check_path(model, form, wallet, position)


def _check_path(model: Model, form: Form, wallet: RegisteredWallet, position: int) -> None:
    """Devices with standard paths sign with a single key at `purpose'/coin'/account'` only, and silently not elsewhere."""
    if model.kind is Kind.LEDGER and is_multisig(form):
        for key in wallet.keys:
            if len(key.origin) > LEDGER_MAX_ORIGIN:
                raise VerificationError(
                    "device-cannot-sign-path",
                    f"a Ledger takes cosigners at most {LEDGER_MAX_ORIGIN} steps below their master key, and one is at"
                    f" {key.origin_text()}",
                    remedy="make the wallet anew with keys at 48h/COINh/ACCOUNTh/2h",
                    limit=LEDGER_MAX_ORIGIN,
                )
    purpose = _PURPOSES.get(form)
    if not model.standard_paths or purpose is None:
        return
    key = wallet.keys[position]
    standard = (HARDENED + purpose, HARDENED + wallet.network.coin_type)
    if len(key.origin) != 3 or key.origin[:2] != standard or key.origin[2] < HARDENED:
        raise VerificationError(
            "device-cannot-sign-path",
            f"a {model.title} signs for {form.value} only with keys at {purpose}h/{wallet.network.coin_type}h/ACCOUNTh,"
            f" and this one is at {key.origin_text()}",
            remedy="make the wallet anew with the standard path; the device does not say so itself",
        )


CHAINS: Final[Mapping[Network, str]] = MappingProxyType(
    {
        Network.MAINNET: "MAIN",
        Network.TESTNET4: "TEST",
        Network.SIGNET: "TEST",
        Network.REGTEST: "REGTEST",
    }
)
"""HWI's names. Devices know one test network by its keys and addresses; testnet 4 and signet share both with it."""
