"""What each signer takes by QR code, and how: the data behind `--for NAME`.

Read from the wallets' own sources and documents. Old type names everywhere, since every wallet takes them. Sizes
and rates are what the signer's camera reads at ease; Coldcard's rate is its maker's, the others are careful
guesses. A person changes both while codes are shown.

What a signer cannot take is refused with what to do instead, never sent in a form that it might misread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from falconer_shared.errors import UsageError
from falconer_shared.text import safe
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling, Way


class Form(Enum):
    """In which form a wallet's description stands in the payload; the sender brings it into that form first."""

    DESCRIPTOR = "descriptor"
    MULTISIG_TEXT = "multisig-text"
    """Coldcard's lines `Name:`, `Policy:`, `Format:`, `Derivation:`, `fingerprint: xpub`."""

    JSON_DESC = "json-desc"
    """`{"name": ..., "desc": ...}`, as Coldcard reads it."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a payload goes to a signer. `form` matters for wallets alone."""

    way: Way
    frames_per_second: int
    form: Form = Form.DESCRIPTOR


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payload that the signer does not take by QR code."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One signer. `title` is how sentences name it."""

    title: str
    psbt: Route | Refusal
    wallet: Route | Refusal
    key: Route | Refusal
    transaction: Route | Refusal
    other: Route | Refusal = Refusal(
        "takes no policies, receipts or other files of Falconer's", "carry it as a file"
    )


_SIGNS: Final = Refusal(
    "signs transactions, and broadcasts none", "send it the PSBT, and the signed one to a node"
)
_OWN_KEYS: Final = Refusal("takes no keys of others, it gives its own", "register the wallet on it instead")


def _ur(
    version: int,
    rate: int,
    type_name: str | None = None,
    *,
    form: Form = Form.DESCRIPTOR,
    schedule: fountain.Schedule = fountain.cyclic,
) -> Route:
    return Route(Way(Spelling.UR, version, type_name, schedule), rate, form)


def _one(spelling: Spelling, version: int = 30) -> Route:
    return Route(Way(spelling, version), 1)


def _bbqr(version: int, rate: int, form: Form = Form.DESCRIPTOR) -> Route:
    return Route(Way(Spelling.BBQR, version), rate, form)


def _falconer(type_name: str) -> Route:
    return _ur(20, 12, type_name, schedule=fountain.dense)


PROFILES: Final[Mapping[str, Profile]] = {
    "falconer": Profile(
        "Falconer",
        psbt=_falconer("crypto-psbt"),
        wallet=_falconer("bytes"),  # with its checksum
        key=_falconer("bytes"),
        transaction=_bbqr(20, 12),
        other=_falconer("bytes"),
    ),
    "sparrow": Profile(
        "Sparrow",
        psbt=_ur(16, 8),
        wallet=_ur(16, 8, "crypto-output"),
        key=_ur(16, 8, "crypto-hdkey"),
        transaction=_bbqr(20, 6),
    ),
    "seedsigner": Profile(
        "SeedSigner",
        psbt=_ur(10, 5),
        wallet=_ur(10, 5, "crypto-output"),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "krux": Profile(
        "Krux",
        psbt=_ur(8, 5),
        wallet=_ur(8, 5, "bytes"),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "coldcard": Profile(
        "Coldcard Q",
        psbt=_bbqr(25, 4),
        wallet=_bbqr(25, 4, Form.JSON_DESC),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "jade": Profile(
        "Jade",
        psbt=_ur(10, 4),
        wallet=_ur(10, 4, "bytes", form=Form.MULTISIG_TEXT),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "keystone": Profile(
        "Keystone",
        psbt=_ur(14, 6),
        wallet=_ur(14, 6, "bytes", form=Form.MULTISIG_TEXT),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "passport": Profile(
        "Passport",
        psbt=_ur(14, 6),
        wallet=_ur(14, 6, "bytes", form=Form.MULTISIG_TEXT),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "specter": Profile(
        "Specter DIY",
        psbt=_ur(14, 5),
        wallet=_one(Spelling.ADDWALLET),
        key=_OWN_KEYS,
        transaction=_SIGNS,
    ),
    "nunchuk": Profile(
        "Nunchuk",
        psbt=_ur(16, 8),
        wallet=_ur(16, 8, "crypto-output"),
        key=Refusal("takes keys as an account, not one by one", "scan the account from the signer itself"),
        transaction=_SIGNS,
    ),
    "electrum": Profile(
        "Electrum",
        psbt=_one(Spelling.BASE43),
        wallet=Refusal(
            "reads no descriptor from a code", "make the wallet there from the keys, each as a code"
        ),
        key=_one(Spelling.TEXT),
        transaction=_one(Spelling.BASE43),
    ),
}
"""By the name that a person types."""


def route(signer: str, kind: Kind) -> Route:
    """How a payload of this kind goes to this signer.

    Raises:
        UsageError: `signer-unknown`, `signer-cannot-take`.
    """
    profile = PROFILES.get(signer)
    if profile is None:
        raise UsageError(
            "signer-unknown",
            f"'{safe(signer, 40)}' is no signer that is known here",
            remedy=f"one of {', '.join(PROFILES)}",
        )
    match kind:
        case Kind.PSBT:
            found = profile.psbt
        case Kind.TRANSACTION:
            found = profile.transaction
        case Kind.DESCRIPTOR | Kind.WALLET:
            found = profile.wallet
        case Kind.KEY:
            found = profile.key
        case _:
            found = profile.other
    if isinstance(found, Refusal):
        raise UsageError("signer-cannot-take", f"{profile.title} {found.reason}", remedy=found.remedy)
    return found
