"""What is measured: an offline machine that went through its ceremony, and a request of any number of inputs that it accepts.

The request is a coordinator's as it would stand in a file: every input with its previous transaction and derivations, the
intent, the verdicts and the coordinator's signature. The machine holds one key of the wallet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.offline.office import Office
from tests.support.treasury import Payment, stranger_address, wallet_of

KINDS = {"wpkh": "P2WPKH", "wsh": "P2WSH 2-of-3", "tr": "P2TR"}
"""Forms of a wallet as `wallet_of` takes them, and how tables name them."""

MOST_INPUTS = {"wpkh": 1_000, "wsh": 900, "tr": 1_000}
"""The largest case of each: of P2WSH 2-of-3 no standard transaction takes a thousand inputs."""

SEED = 1
"""The one key that signs, as `treasury.root` numbers them."""

COIN_SATS = 20_000
PAID_SATS = 7_000
FEE_SATS_PER_INPUT = 300
RULES: dict[str, object] = {"max_daily_spend_sats": 50_000_000, "max_fee_sats": 5_000_000}


def payment(form: str, inputs: int, number: int = 0) -> Payment:
    """So many coins at as many addresses, each made by a transaction of its own; one destination and one change output.

    `number` makes it another one of a row of payments, of the next coins and to the next change address.
    """
    change = (COIN_SATS - FEE_SATS_PER_INPUT) * inputs - PAID_SATS
    return Payment(
        wallet_of(form),
        coins=[(OwnPlace(0, number * inputs + index), COIN_SATS) for index in range(inputs)],
        pay=[(stranger_address(), PAID_SATS)],
        change=[(OwnPlace(1, number + 2), change)],
    )


@dataclass(frozen=True)
class Case:
    """A home on disk, the request for it, and the same PSBT without the request, as other programs get it."""

    office: Office
    request: bytes
    plain: bytes

    @classmethod
    def make(cls, folder: Path, form: str, inputs: int) -> Self:
        wanted = payment(form, inputs)
        office = Office.make(folder / "home", wanted.wallet, seeds=(SEED,), rules=dict(RULES))
        # the intent names the fee that its approvers accept
        request = office.request(
            wanted, alter_intent=lambda intent: replace(intent, max_fee=Amount(FEE_SATS_PER_INPUT * inputs))
        )
        return cls(office, request, wanted.psbt().raw)
