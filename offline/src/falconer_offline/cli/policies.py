"""`policy`: what administrators signed, installed here by hand and never out of a request."""

from __future__ import annotations

import click

from falconer_offline import ingest, terminal
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, WALLET_NAME, Shell, json_option, pass_shell
from falconer_offline.state import journal, records
from falconer_offline.state.store import State, change
from falconer_shared.canonical import MAX_LINE
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import PolicyViolation, UsageError
from falconer_shared.policy import bundle
from falconer_shared.policy.document import MAX_BYTES, Policy
from falconer_shared.policy.signed import InstalledPolicy, SignedPolicy
from falconer_shared.policy.signed import install as install_policy
from falconer_shared.sshsig.signature import SshSignature
from falconer_shared.text import safe
from falconer_shared.transport.parts import Kind

MAX_SIGNATURE_FILE = 16 * 1024
"""An armoured Ed25519 signature has 300 bytes."""


@click.group()
def policy() -> None:
    """The policy of a wallet, signed by its administrators."""


@policy.command()
@click.argument("file", nargs=-1, type=FILE)
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="An administrator's signature. Repeat it.",
)
@gap.scan_options
@json_option
@pass_shell
def install(shell: Shell, file: tuple[str, ...], signatures: tuple[str, ...], scan: Scan) -> None:
    """Install the canonical policy text in FILE with its administrators' signatures.

    A scan holds both, as `falconer policy show --qr` shows them, or the text alone beside --signature.
    """
    state = shell.state()
    raw = [
        SshSignature.parse(ingest.read_file(path, MAX_SIGNATURE_FILE, "signature")).raw for path in signatures
    ]
    text = _take(file, scan)
    if scan.wanted and not raw:
        candidate = bundle.split(text)
        text, raw = candidate.text, list(candidate.signatures)
    if not raw:
        raise UsageError("usage", "no signature was given", remedy="--signature FILE")
    registered = records.wallet_by_id(state, Policy.parse(text).wallet_id)
    before = records.policy(state, registered) if records.policy_chain(state, registered.wallet_id) else None
    installed = install_policy(
        SignedPolicy(text, tuple(raw)),
        before if before is not None else records.admins(state),
        network=records.network(state),
        wallet_id=registered.wallet_id,
    )
    if before is not None and installed.digest == before.digest:
        shell.say(
            f"Policy version {installed.policy.version} of '{registered.name}' is installed already; nothing was changed."
        )
        shell.report(_document(state, installed, registered.name))
        return
    machine = shell.machine(state)
    _show(shell, state, installed, registered.name)
    terminal.confirm_ending("Last 4 characters of the policy digest: ", installed.digest)
    with change(state, machine) as (transaction, after):
        transaction.run(
            "INSERT INTO policies VALUES (?, ?, ?, ?)",
            registered.wallet_id,
            installed.policy.version,
            text,
            records.pack_signatures(raw),
        )
        journal.note(
            transaction,
            shell.clock(),
            "policy-installed",
            wallet=registered.wallet_id,
            version=installed.policy.version,
            digest=installed.digest,
        )
    shell.say(f"Installed policy version {installed.policy.version} of '{registered.name}'.")
    shell.report(_document(after[0], installed, registered.name))


@policy.command()
@click.option(
    "--wallet",
    "name",
    type=WALLET_NAME,
    metavar="NAME",
    help="Needed where more than one wallet is registered.",
)
@gap.every_show_option
@json_option
@pass_shell
def show(shell: Shell, name: str | None, codes: Show) -> None:
    """Show the policy in force for a wallet; with --qr also with its signatures as codes, for policy install --scan."""
    state = shell.state()
    found = records.wallets(state)
    if name is None and len(found) != 1:
        raise UsageError(
            "usage", f"{len(found)} wallets are registered", remedy="say which with --wallet NAME"
        )
    registered = found[0] if name is None else records.wallet(state, name)
    installed = records.policy(state, registered)
    if codes.wanted:
        way = giving.CodesExit.prepare(shell, codes)
        title = f"policy {installed.policy.version} of {registered.name}"
        giving.say_given(shell, way.give(bundle.join(installed.signed), Kind.BYTES, title))
    _show(shell, state, installed, registered.name)
    shell.report(_document(state, installed, registered.name))


def _take(files: tuple[str, ...], scan: Scan) -> bytes:
    kinds = (Kind.BYTES, Kind.TEXT)
    limit = bundle.MAX_BUNDLE_BYTES if scan.wanted else MAX_BYTES
    text = gap.take(files, limit, "policy", kinds, scan)
    # a text by itself in one code comes without the line feed that ends it in a file
    return text + b"\n" if scan.wanted and not text.endswith(b"\n") else text


def _show(shell: Shell, state: State, installed: InstalledPolicy, wallet: str) -> None:
    for line in installed.policy.text.decode("ascii").splitlines():
        # whole: a destination that is a descriptor takes a thousand characters
        shell.say(f"  {safe(line, MAX_LINE)}", indent=4)
    shell.say(f"Wallet    {wallet}")
    shell.say(f"Signed by {', '.join(installed.signed_by)}")
    if installed.policy.unlimited:
        names = ", ".join(installed.policy.unlimited)
        shell.say(f"No limit  in {len(installed.policy.unlimited)} rules: {names}", indent=10)
    name = _signer(state, installed)
    shell.say(
        f"Here      this machine signs as '{name}'"
        if name
        else "Here      this machine is NOT a signer under this policy"
    )
    shell.say(f"Digest    {installed.digest}")


def _signer(state: State, installed: InstalledPolicy) -> str | None:
    try:
        return installed.policy.signer_name(state.machine)
    except PolicyViolation:
        # may be installed all the same: it is how a machine is taken out of service
        return None


def _document(state: State, installed: InstalledPolicy, wallet: str) -> dict[str, object]:
    return {
        "wallet": wallet,
        "version": installed.policy.version,
        "digest": installed.digest,
        "signed_by": list(installed.signed_by),
        "signer": _signer(state, installed),
        "no_limit": list(installed.policy.unlimited),
        "text": installed.policy.text.decode("ascii"),
    }
