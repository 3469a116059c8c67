"""A wallet's description or a key as it arrives, from a file or a code, brought into the one form that is registered or composed.

The checksum (BIP 380) is computed here only where something else stood for it: the checksum of the code for
`crypto-output` and `output-descriptor`, which carry none, and that of each key for Coldcard's lines. Any other
descriptor must bring its own; `RegisteredWallet.register` refuses the ones that do not.

An account offers keys, one for each kind of address; which of them is meant, its only one says, or the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.text import safe
from falconer_shared.wallet.formats import Form, form_of, read_wallet
from falconer_shared.wallet.multisig_text import WalletText

COVERED: Final = frozenset({"crypto-output", "output-descriptor"})
"""Names of codes that hold a descriptor without its checksum, under one of their own."""

ACCOUNTS: Final = frozenset({"crypto-account", "account-descriptor"})

OF_ONE_KEY: Final = ("pkh", "sh-wpkh", "wpkh", "tr")
"""Kinds of addresses that one key of an account makes a whole wallet of."""

MAX_ACCOUNT: Final = 64 * 1024
"""Bytes of the lines of an account: a hundred of the longest."""

_BRANCHES: Final = "/<0;1>/*"
_LINE: Final = re.compile(
    r"((?:[a-z]+\()+)(\[[0-9a-f]{8}(?:/[0-9]+[h']?)*\][xt]pub[1-9A-HJ-NP-Za-km-z]+)(\)+)\Z", re.ASCII
)
_WRAPPED: Final = {"pkh": "pkh({})", "sh-wpkh": "sh(wpkh({}))", "wpkh": "wpkh({})", "tr": "tr({})"}


def read_arrived(data: bytes, type_name: str = "", form: str | None = None) -> WalletText:
    """The wallet in a file, or in a code whose type had this name. `form` picks one of the kinds of an account.

    Raises:
        Malformed: what `read_wallet` raises, `account-malformed`. UsageError: `account-form`.
    """
    if type_name in ACCOUNTS:
        keys = account_keys(data)
        chosen = _chosen({name: keys[name] for name in OF_ONE_KEY if name in keys}, form, keys)
        text = _WRAPPED[chosen].format(keys[chosen] + _BRANCHES)
        return WalletText("", with_checksum(text), checked=True)
    if form is not None:
        raise UsageError(
            "account-form",
            "--form picks a key of an account, and this is a whole wallet",
            remedy="leave --form out",
        )
    data = data.strip()
    if type_name in COVERED and b"#" not in data:
        return WalletText("", with_checksum(data.decode("ascii")), checked=True)
    found = read_wallet(data)
    if form_of(data) is Form.MULTISIG_TEXT:
        return WalletText(found.name, with_checksum(found.descriptor), checked=True)
    return found


def account_keys(data: bytes) -> Mapping[str, str]:
    """The keys that an account offers, `[fingerprint/path]xpub` by the kind of addresses that each is for (`wpkh`, `sh-wsh`).

    Lines with other than one key are left out: no wallet is made of them here.

    Raises:
        Malformed: `account-malformed`.
    """
    if len(data) > MAX_ACCOUNT or not data.isascii():
        raise Malformed("account-malformed", "this is no account: it is too long, or not plain ASCII")
    found: dict[str, str] = {}
    for line in data.decode("ascii").split():
        match = _LINE.match(line)
        if match is None:
            continue
        functions = match[1].removesuffix("(").split("(")
        name = "-".join(word for word in functions if word != "cosigner")
        if len(functions) != len(match[3]) or name in found:
            raise Malformed(
                "account-malformed",
                f"an account offers one key for each kind of addresses, and this one not: '{safe(line, 40)}'",
            )
        found[name] = match[2]
    if not found:
        raise Malformed("account-malformed", "this account offers no key with its origin")
    return found


def account_key(data: bytes, form: str | None) -> str:
    """The one key of an account for this kind of addresses; its only one without `form`.

    Raises:
        Malformed: `account-malformed`. UsageError: `account-form`.
    """
    keys = account_keys(data)
    return keys[_chosen(keys, form, keys)]


def _chosen(usable: Mapping[str, str], form: str | None, offered: Mapping[str, str]) -> str:
    if form is None and len(usable) == 1:
        return next(iter(usable))
    if form is not None and form in usable:
        return form
    raise UsageError(
        "account-form",
        f"the account offers keys for {', '.join(safe(name, 20) for name in offered)}"
        + ("" if form is None else f", and none that is wanted here for {safe(form, 20)}"),
        remedy=f"say which: --form {' | '.join(usable)}"
        if usable
        else "one key of it makes no wallet by itself: bring the keys together with falconer wallet compose",
    )
