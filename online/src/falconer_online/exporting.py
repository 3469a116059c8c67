"""A wallet's public data in the files that other programs read. Nothing here is secret, and none of it is signed:
whoever imports it compares the first addresses.

The forms were read from the programs that take them: Bitcoin Core's `importdescriptors`, Sparrow's descriptor
file, and the multisig text that Coldcard began and BlueWallet and others read.
"""

from __future__ import annotations

import json
import re
from typing import Final

from falconer_online.wallets import CHANGE, RECEIVE, WATCHED_INDEXES, branch_descriptor
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import UsageError
from falconer_shared.wallet.registration import RegisteredWallet

FORMATS: Final = ("descriptor", "core", "sparrow", "coldcard", "bluewallet-multisig-txt")

_MULTISIG: Final = re.compile(r"(wsh|sh|sh\(wsh)\((sortedmulti|multi)\(")
_SCRIPT_NAMES: Final = {"wsh": "P2WSH", "sh(wsh": "P2WSH-P2SH", "sh": "P2SH"}
"""What the multisig text calls its kinds of scripts; the nested one by the older spelling, which all take."""

_MAX_NAME: Final = 20
"""Characters of a name that a Coldcard keeps."""


def export(wallet: RegisteredWallet, form: str) -> str:
    """The file's text, LF at its end.

    Raises:
        UsageError: `wallet-export-form`: no such form, or one that cannot say this wallet.
    """
    match form:
        case "descriptor":
            return f"{wallet.descriptor_text}\n"
        case "core":
            return _core(wallet)
        case "sparrow":
            return _sparrow(wallet)
        case "coldcard":
            return _multisig(wallet, "Coldcard")
        case "bluewallet-multisig-txt":
            return _multisig(wallet, "BlueWallet")
    raise UsageError("wallet-export-form", "there is no such form", remedy=f"forms: {', '.join(FORMATS)}")


def _branches(wallet: RegisteredWallet) -> tuple[str, str]:
    return (
        with_checksum(branch_descriptor(wallet, RECEIVE)),
        with_checksum(branch_descriptor(wallet, CHANGE)),
    )


def _core(wallet: RegisteredWallet) -> str:
    # from the first block on: a birthday that is too late would hide coins without a word
    requests = [
        {
            "desc": descriptor,
            "active": True,
            "internal": internal,
            "range": [0, WATCHED_INDEXES - 1],
            "timestamp": 0,
        }
        for internal, descriptor in enumerate(_branches(wallet))
    ]
    for request in requests:
        request["internal"] = bool(request["internal"])
    return json.dumps(requests, indent=2) + "\n"


def _sparrow(wallet: RegisteredWallet) -> str:
    receive, change = _branches(wallet)
    return (
        f"# wallet {wallet.name}: receive and change in one (BIP 389)\n{wallet.descriptor_text}\n\n"
        f"# receive alone\n{receive}\n\n# change alone\n{change}\n"
    )


def _multisig(wallet: RegisteredWallet, program: str) -> str:
    match = _MULTISIG.match(wallet.canonical)
    if match is None or match[2] != "sortedmulti":
        raise UsageError(
            "wallet-export-form",
            "the multisig text says wallets of several keys in sorted order (sortedmulti) and no others",
            remedy="--format descriptor, core or sparrow",
        )
    paths = ["/".join(("m", *_steps(key.origin_text()))) for key in wallet.keys]
    lines = [
        f"# {program} multisig setup file, written by falconer",
        f"Name: {wallet.name[:_MAX_NAME]}",
        f"Policy: {wallet.threshold} of {wallet.size}",
        f"Format: {_SCRIPT_NAMES[match[1]]}",
    ]
    said = None
    for key, path in zip(wallet.keys, paths, strict=True):
        if path != said:
            lines += ["", f"Derivation: {path}"]
            said = path
        lines.append(f"{key.fingerprint.hex().upper()}: {key.xpub.text(wallet.network)}")
    return "\n".join(lines) + "\n"


def _steps(origin: str) -> list[str]:
    """The steps of `[fingerprint/48h/1h]` with the marker that those files use."""
    return [step.replace("h", "'") for step in origin.strip("[]").split("/")[1:]]
