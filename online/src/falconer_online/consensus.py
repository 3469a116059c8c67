"""Bitcoin Core's own script verification, where its library is installed (extra `falconer-online[consensus]`).

The Finalizer checks its own work, and the node checks again. Between them stands this: the consensus code that every node runs,
asked in this process about each input and the output that was proven to be spent, before anything leaves the house. What it
refuses is never sent, whatever the node would say.

Nothing else imports the library, and nothing here imports it before it is asked: it loads 10 MB of code.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

from falconer_shared.errors import StateError, VerificationError
from falconer_shared.roles.finalize import FinalTransaction
from falconer_shared.text import safe

DISTRIBUTION = "py-bitcoinkernel"

INSTALL = "install it as docs/setup.md says, or take it away: pip uninstall py-bitcoinkernel"


@dataclass(frozen=True, slots=True)
class Kernel:
    """The library, loaded. `version` is its distribution's."""

    version: str
    module: ModuleType


def kernel() -> Kernel | None:
    """The library, or None where it is not installed.

    Raises:
        StateError: `consensus-unusable`: it is installed and does not load. Taking that for "not installed" would turn the check
            off without a word.
    """
    try:
        version = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    try:
        import pbk  # noqa: PLC0415 - 0.2 s and 10 MB, which only a broadcast needs
    except Exception as problem:  # a native library can fail in any way
        raise StateError(
            "consensus-unusable",
            f"{DISTRIBUTION} {safe(version, 40)} is installed and does not load: {safe(str(problem), 200)}",
            remedy=INSTALL,
        ) from problem
    return Kernel(version, pbk)


def check_scripts(final: FinalTransaction) -> str | None:
    """Accept a transaction each of whose inputs satisfies, by Bitcoin Core's code, the script of the proven output it spends.

    All consensus flags of today are on. Returns the version of the library that judged; None where none is installed: then
    nothing was checked here.

    Raises:
        VerificationError: `consensus-script-failed`. StateError: `consensus-unusable`.
    """
    found = kernel()
    if found is None:
        return None
    inputs = final.signed.verified.inputs
    spent = [(item.script_pubkey, int(item.amount)) for item in inputs]
    failing = _failing(found, final.raw, spent)
    if failing is not None:
        raise VerificationError(
            "consensus-script-failed",
            f"Bitcoin Core's own code says that input {failing} ({inputs[failing].outpoint.text()}) does not satisfy the script"
            " of the coin that it spends: nothing is sent",
            remedy="keep the answers of the signers: either they or one of the two programs is wrong",
            input=failing,
            version=found.version,
        )
    return found.version


def _failing(found: Kernel, raw: bytes, spent: list[tuple[bytes, int]]) -> int | None:
    """The first input whose script fails, None where all hold. `spent` is what each input spends: script and satoshis.

    Raises:
        StateError: `consensus-unusable`.
    """
    pbk = found.module
    try:
        transaction = pbk.Transaction(raw)
        if bytes(transaction) != raw:
            raise _unusable(found, "it reads another transaction than it was given")
        scripts = [pbk.ScriptPubkey(script) for script, _ in spent]
        outputs = [
            pbk.TransactionOutput(script, sats) for script, (_, sats) in zip(scripts, spent, strict=True)
        ]
        # taproot signs all amounts and scripts, so it is told all of them
        precomputed = pbk.script.PrecomputedTransactionData(transaction, outputs)
        flags = pbk.ScriptVerificationFlags.ALL
        for number, (script, (_, sats)) in enumerate(zip(scripts, spent, strict=True)):
            # False is a script that fails; an exception, a question that was asked wrongly
            if not script.verify(sats, transaction, precomputed, number, flags):
                return number
    except (RuntimeError, pbk.KernelException) as problem:
        raise _unusable(found, safe(str(problem), 200)) from problem
    return None


def _unusable(found: Kernel, why: str) -> StateError:
    return StateError(
        "consensus-unusable", f"{DISTRIBUTION} {safe(found.version, 40)}: {why}", remedy=INSTALL
    )
