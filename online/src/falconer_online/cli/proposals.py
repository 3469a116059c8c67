"""`falconer proposals`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import proposal_ids
from falconer_online.cli.crossing import check_terminal, scan_options, show_options
from falconer_online.cli.crossing import show as show_codes
from falconer_online.cli.options import FILE, json_option, psbt_version_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import document, refresh, report, verdicts
from falconer_online.cli.times import local_of
from falconer_shared.crossing.options import SIGNERS, Scan, Show
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.store.rows import ProposalRow


@click.command("show")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@json_option
@pass_session
def show(session: Session, proposal_id: str) -> None:
    """One proposal, whole: payments, approvals, verdicts, and what happened to it."""
    from falconer_online.cli.shown import relatives
    from falconer_online.present import event_json, relatives_json, stored_verdicts, transaction_json

    coordinator = session.open()
    refresh(session, coordinator)
    with coordinator.store.read() as view:
        row = view.proposal(proposal_id)
        verified = coordinator.transaction(view, row)
        events = [event_json(line) for line in view.audit_lines(subject=row.id)]
        family = relatives_json(view, row, coordinator.transaction)
    proposal = report(session, coordinator, row)
    relatives(session, family, row.id)
    judged = stored_verdicts(row)
    session.say()
    verdicts(session, judged)
    session.say()
    for event in events:
        facts = event["facts"]
        move = (
            f"{facts.get('from')} -> {facts.get('to')}" if isinstance(facts, dict) and "to" in facts else ""
        )
        session.say(f"{local_of(str(event['at']))}  {event['event']}  {safe(move)}".rstrip())
    session.result(
        {
            "proposal": proposal,
            "family": list(family),
            "transaction": transaction_json(verified, row.txid),
            "verdicts": judged,
            "events": list(events),
        }
    )


@click.command("request-approval")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option("--out", type=FILE, help="Where the intent goes (default: ID.intent.txt).")
@show_options
@json_option
@pass_session
def request_approval(session: Session, proposal_id: str, out: Path | None, codes: Show) -> None:
    """Write the text that approvers sign, each on their own computer with their own SSH key; with --qr also as codes.

    A telephone reads the text with --dialect text, which makes one plain code of it.
    """
    from falconer_online.approvals import COLLECTING, judgement_of
    from falconer_online.coordinator import intent_of
    from falconer_online.files import write_out
    from falconer_online.proposals import expire_due
    from falconer_online.ssh_keygen import command
    from falconer_shared.approval.intent import NAMESPACE
    from falconer_shared.errors import StateError
    from falconer_shared.transport.parts import Kind

    if codes.qr:
        check_terminal(session)
    coordinator = session.open()
    with coordinator.exclusive():
        expire_due(coordinator)
    with coordinator.store.read() as view:
        row = view.proposal(proposal_id)
        if row.state not in COLLECTING:
            raise StateError(
                "proposal-state",
                f"proposal {row.id} is {row.state}, and takes no more approvals",
                state=row.state.value,
            )
        judgement = judgement_of(coordinator, view, row)
    intent = intent_of(row)
    target = out or Path(f"{row.id}.intent.txt")
    write_out(target, row.intent)
    if codes.wanted:
        show_codes(session, row.intent, Kind.TEXT, codes, f"intent of {row.id}")
    line = command(NAMESPACE, shown(target))
    session.say(row.intent.decode("ascii"))
    session.say(f"written: {shown(target)}   digest {intent.digest}")
    session.say(f"needed: {judgement.needed} of {', '.join(judgement.members) or 'nobody'}")
    session.say(f"there:  {', '.join(judgement.counted) or 'none'}")
    session.say("Each approver reads the text and runs, on their own computer (it writes a .sig file):")
    session.say(f"  {line}")
    session.next(f"falconer proposals approve {row.id} --signature {shown(target)}.sig --generate-psbt")
    session.result(
        {
            "id": row.id,
            "file": str(target),
            "intent_digest": intent.digest,
            "command": line,
            "needed": judgement.needed,
            "approvers": list(judgement.members),
            "approved_by": list(judgement.approved_by),
        }
    )


@click.command("approve")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.argument("files", nargs=-1, type=FILE, metavar="[PICTURE...]")
@click.option(
    "--signature", "signatures", type=FILE, multiple=True, help="An approver's .sig file; again for each."
)
@click.option("--key", type=FILE, help="Sign here with this SSH key (not advised: see the warning).")
@click.option("--generate-psbt", is_flag=True, help="Then write the signing request.")
@click.option("--out", type=FILE, help="Where the signing request goes (default: ID.psbt).")
@psbt_version_option
@scan_options
@json_option
@pass_session
def approve(  # noqa: PLR0913, PLR0917  # one argument per option
    session: Session,
    proposal_id: str,
    files: tuple[Path, ...],
    signatures: tuple[Path, ...],
    key: Path | None,
    generate_psbt: bool,  # noqa: FBT001
    out: Path | None,
    psbt_version: int | None,
    scan: Scan,
) -> None:
    """Take approvals of a proposal; with --generate-psbt also write the request that goes to the offline
    signers. --scan takes .sig files that approvers show as codes.
    """
    from falconer_online.approvals import approve as do_approve
    from falconer_online.files import MAX_TEXT_FILE, read_file

    if not generate_psbt and (out is not None or psbt_version is not None):
        raise UsageError(
            "usage", "--out and --psbt-version speak of the signing request, which --generate-psbt asks for"
        )
    if files and not scan.wanted:
        raise UsageError(
            "usage", "name approvals with --signature FILE", remedy="pictures of codes: --scan PICTURE..."
        )
    raw = [read_file(path, MAX_TEXT_FILE, "the signature") for path in signatures]
    if scan.wanted:
        from falconer_online.cli.crossing import scan_all
        from falconer_shared.transport.parts import Kind

        raw += [found.data for found in scan_all(session, scan, files, (Kind.TEXT, Kind.BYTES))]
    coordinator = session.open()
    if key is not None:
        session.warn(
            "an approval made on the coordinator is worth what the coordinator is worth: "
            "whoever controls this machine could have changed what you saw. Sign on your own computer"
        )
    row, judgement = do_approve(coordinator, proposal_id, raw, key)
    session.say(
        f"approved by {', '.join(judgement.counted) or 'nobody'}; needed: {judgement.needed} of "
        f"{', '.join(judgement.members) or 'nobody'}"
    )
    written: Path | None = None
    if generate_psbt:
        row, written, _ = _write_request(session, coordinator, row.id, out, psbt_version)
    step = _next_after_approval(row, judgement.enough, written)
    session.say(f"proposal {row.id} is {row.state}")
    session.next(step)
    session.result(
        {
            "proposal": document(coordinator, row),
            "approved_by": list(judgement.approved_by),
            "needed": judgement.needed,
            "psbt": str(written) if written is not None else None,
            "next": step,
        }
    )


def _next_after_approval(row: ProposalRow, enough: bool, written: Path | None) -> str:  # noqa: FBT001
    if written is not None:
        return f"carry {shown(written)} to the offline signers: falconer-offline sign {shown(written)} --out answer.psbt"
    if not enough:
        return f"more approvals: falconer proposals approve {row.id} --signature FILE"
    return f"falconer proposals approve {row.id} --generate-psbt"


@click.command("reject")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option("--reason", default="", help="Why; for people.")
@json_option
@pass_session
def reject(session: Session, proposal_id: str, reason: str) -> None:
    """Say no to a proposal; its coins are free again."""
    from falconer_online.proposals import reject as do_reject

    coordinator = session.open()
    row = do_reject(coordinator, proposal_id, reason)
    session.say(f"proposal {row.id} is rejected; its coins are free")
    if row.request_psbt is not None:
        session.warn(
            "its signing request had been made: a signature that exists cannot be recalled. "
            "To be certain, spend one of its coins otherwise"
        )
    session.result({"proposal": document(coordinator, row)})


@click.command("psbt")
@click.argument("proposal_id", metavar="ID", shell_complete=proposal_ids)
@click.option(
    "--out",
    type=FILE,
    help="Where the signing request goes (default: ID.psbt, or ID.SIGNER.psbt for a third party; none with --qr).",
)
@psbt_version_option
@show_options
@json_option
@pass_session
def psbt(session: Session, proposal_id: str, out: Path | None, psbt_version: int | None, codes: Show) -> None:
    """Write the signing request of an approved proposal, with the receipts that came in since; or show it as
    QR codes.

    --for another signer than falconer hands out the PSBT alone, without request, intent, approvals and receipts:
    only where the policy leaves keys to third parties, and never enough of them to spend.
    """
    from falconer_shared.transport.parts import Kind
    from falconer_shared.transport.profiles import route

    if codes.qr:
        check_terminal(session)
    coordinator = session.open()
    third_party = None if codes.signer == SIGNERS[0] else codes.signer
    if third_party is not None:
        from falconer_online.third_party import check_allowed

        route(third_party, Kind.PSBT)
        check_allowed(coordinator, proposal_id)
    row, written, data = _write_request(
        session,
        coordinator,
        proposal_id,
        out,
        psbt_version,
        to_file=out is not None or not codes.wanted,
        third_party=third_party,
    )
    if codes.wanted:
        show_codes(session, data, Kind.PSBT, codes, row.id)
    if third_party is not None:
        session.next(
            f"sign it with {third_party}; then falconer proposals receive FILE, or --scan PICTURE... (or --camera N)"
        )
    elif written is not None:
        session.next(f"falconer-offline sign {shown(written)} --out answer.psbt")
    else:
        session.next(
            "falconer-offline sign --scan PICTURE... (or --camera N) --qr; then falconer proposals receive --scan"
        )
    session.result(
        {
            "id": row.id,
            "file": str(written) if written is not None else None,
            "images": codes.qr_images,
            "for": codes.signer,
            "request": {"id": row.id, "digest": row.request_digest},
            "sha256": hashlib.sha256(data).hexdigest(),
            "proposal": document(coordinator, row),
        }
    )


def _write_request(
    session: Session,
    coordinator: Coordinator,
    proposal_id: str,
    out: Path | None,
    psbt_version: int | None,
    *,
    to_file: bool = True,
    third_party: str | None = None,
) -> tuple[ProposalRow, Path | None, bytes]:
    """Make the request where it is not made yet, and write it, or what a third party gets of it; the file, if any, and its
    bytes.
    """
    from falconer_online.files import write_out
    from falconer_online.request import build, export, mark_sent

    with session.busy("judging and signing the request"):
        row = build(coordinator, proposal_id)
    if third_party is None:
        target = out or Path(f"{row.id}.psbt")
        data = export(coordinator, row, psbt_version or 0)
    else:
        from falconer_online.third_party import export_bare

        target = out or Path(f"{row.id}.{third_party}.psbt")
        data = export_bare(coordinator, row, psbt_version or 0)
    # sent before written: a file that exists must never belong to a proposal that counts as unseen
    row = mark_sent(coordinator, row.id)
    if not to_file:
        return row, None, data
    write_out(target, data)
    what = "signing request" if third_party is None else f"PSBT for {third_party}"
    session.say(f"{what} written: {shown(target)} ({len(data):,} bytes)")
    return row, target, data
