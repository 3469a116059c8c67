"""`falconer policy`."""

from __future__ import annotations

from pathlib import Path

import click

from falconer_online.cli.complete import wallet_names
from falconer_online.cli.crossing import scan_options, show_options
from falconer_online.cli.crossing import show as show_codes
from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import StateError, UsageError


@click.command("compile")
@click.argument("source", type=FILE, metavar="POLICY.TOML")
@click.option("--out", type=FILE, required=True, help="Where the canonical text goes.")
@show_options
@json_option
@pass_session
def compile_(session: Session, source: Path, out: Path, codes: Show) -> None:
    """Compile POLICY.TOML to the one text that is shown, signed and installed; with --qr also as codes."""
    from falconer_online.files import MAX_TEXT_FILE, read_file, write_out
    from falconer_online.policies import compile_policy
    from falconer_shared.transport.parts import Kind

    draft = compile_policy(session.open(), read_file(source, MAX_TEXT_FILE, "the policy"))
    policy = draft.policy
    write_out(out, policy.text)
    if codes.wanted:
        show_codes(session, policy.text, Kind.BYTES, codes, f"policy {policy.version}, unsigned")
    session.say(policy.text.decode("ascii"))
    for line in draft.explained:
        session.say(line)
    session.say(f"digest {policy.digest}")
    step = (
        f"every administrator, on their own computer: ssh-keygen -Y sign -f KEY -n falconer-policy@1 {shown(out)} "
        f"(or: falconer policy sign {shown(out)} --key KEY)"
    )
    session.next(step)
    session.result(
        {
            "file": str(out),
            "version": policy.version,
            "digest": policy.digest,
            "wallet_id": policy.wallet_id,
            "text": policy.text.decode("ascii"),
            "explained": list(draft.explained),
            "next": step,
        }
    )


@click.command("sign")
@click.argument("policy_file", type=FILE, metavar="POLICY.TXT")
@click.option("--key", type=FILE, required=True, help="The administrator's private SSH key.")
@click.option("--out", type=FILE, help="Where the signature goes (default: POLICY.TXT.<name>.sig).")
@json_option
@pass_session
def sign(session: Session, policy_file: Path, key: Path, out: Path | None) -> None:
    """Sign POLICY.TXT as an administrator. Works without a coordinator, on the administrator's own computer."""
    from falconer_online.config import find_home
    from falconer_online.files import MAX_TEXT_FILE, read_file, write_out
    from falconer_online.policies import current
    from falconer_online.policies import sign as do_sign
    from falconer_shared.canonical import digest
    from falconer_shared.policy.document import Policy

    text = read_file(policy_file, MAX_TEXT_FILE, "the policy text")
    wallet_id = Policy.parse(text).wallet_id
    in_force = None
    if find_home().config_file.exists():
        coordinator = session.open()
        with coordinator.store.read() as view:
            row = next((row for row in view.wallets() if row.wallet_id == wallet_id), None)
            in_force = current(coordinator, view, row) if row is not None else None
    name, signature = do_sign(text, key, None if in_force is None else in_force.policy)
    target = out or policy_file.with_name(f"{policy_file.name}.{name}.sig")
    write_out(target, signature.armoured())
    session.say(f"{name} signed {digest(text)}")
    session.say(f"written: {shown(target)}")
    session.next(f"falconer policy install {shown(policy_file)} --signature {shown(target)}")
    session.result({"file": str(target), "admin": name, "digest": digest(text)})


@click.command("install")
@click.argument("files", nargs=-1, type=FILE, metavar="POLICY.TXT")
@click.option("--signature", "signatures", type=FILE, multiple=True, help="A .sig file; again for each.")
@scan_options
@json_option
@pass_session
def install(session: Session, files: tuple[Path, ...], signatures: tuple[Path, ...], scan: Scan) -> None:
    """Install POLICY.TXT with the signatures of its administrators.

    A scan holds both, as policy show --qr shows them on either side, or the text alone beside --signature.
    """
    from falconer_online.files import MAX_TEXT_FILE, read_file
    from falconer_online.policies import install_policy

    raw = [read_file(path, MAX_TEXT_FILE, "the signature") for path in signatures]
    text, raw = _take(session, files, scan, raw)
    if not raw:
        raise UsageError("usage", "no signature was given", remedy="--signature FILE")
    row, installed, new = install_policy(session.open(), text, raw)
    policy = installed.policy
    session.say(
        f"Policy version {policy.version} {'now governs' if new else 'already governs'} wallet {row.name}."
    )
    session.say(f"digest     {installed.digest}")
    session.say(f"signed by  {', '.join(installed.signed_by)}")
    step = "install the same files on every offline machine: falconer-offline policy install; then falconer proposals create"
    session.next(step)
    session.result(
        {
            "wallet": row.name,
            "wallet_id": row.wallet_id,
            "version": policy.version,
            "digest": installed.digest,
            "signed_by": list(installed.signed_by),
            "new": new,
            "next": step,
        }
    )


def _take(
    session: Session, files: tuple[Path, ...], scan: Scan, signatures: list[bytes]
) -> tuple[bytes, list[bytes]]:
    """The policy's text and its signatures; those in the codes where none came by file."""
    from falconer_online.files import MAX_TEXT_FILE, read_file

    if not scan.wanted:
        if len(files) != 1:
            raise UsageError("usage", "name one file: the policy", remedy="--scan takes several pictures")
        return read_file(files[0], MAX_TEXT_FILE, "the policy text"), signatures
    from falconer_online.cli.crossing import scan_one
    from falconer_shared.policy.bundle import split
    from falconer_shared.transport.parts import Kind

    text = scan_one(session, scan, files, (Kind.BYTES, Kind.TEXT)).data
    # a text by itself in one code comes without the line feed that ends it in a file
    text = text if text.endswith(b"\n") else text + b"\n"
    if signatures:
        return text, signatures
    signed = split(text)
    return signed.text, list(signed.signatures)


@click.command("show")
@click.argument("name", required=False, shell_complete=wallet_names)
@show_options
@json_option
@pass_session
def show(session: Session, name: str | None, codes: Show) -> None:
    """The policy in force for a wallet; with its signatures as QR codes for falconer-offline policy install --scan."""
    from falconer_online.policies import current
    from falconer_shared.policy.bundle import join
    from falconer_shared.policy.explain import explain
    from falconer_shared.transport.parts import Kind

    coordinator = session.open()
    with coordinator.store.read() as view:
        row = view.wallet(name)
        wallet = coordinator.wallet(row)
        installed = current(coordinator, view, row)
    if installed is None:
        raise StateError("policy-not-installed", f"no policy is installed for wallet {row.name}")
    policy = installed.policy
    if codes.wanted:
        show_codes(session, join(installed.signed), Kind.BYTES, codes, f"policy {installed.policy.version}")
    session.say(policy.text.decode("ascii"))
    for line in explain(policy, k=wallet.threshold, n=wallet.size):
        session.say(line)
    session.say(f"digest {installed.digest}, signed by {', '.join(installed.signed_by)}")
    session.result(
        {
            "wallet": row.name,
            "wallet_id": row.wallet_id,
            "version": policy.version,
            "digest": installed.digest,
            "signed_by": list(installed.signed_by),
            "text": policy.text.decode("ascii"),
        }
    )
