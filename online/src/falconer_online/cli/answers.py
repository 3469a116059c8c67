"""`falconer proposals receive` and `broadcast`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import proposal_ids
from falconer_online.cli.crossing import scan_options
from falconer_online.cli.options import FILE, json_option
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import document
from falconer_shared.errors import FalconerError, UsageError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.receive import Received
    from falconer_online.store.rows import ProposalRow
    from falconer_shared.crossing.options import Scan


@click.command("receive")
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE...]")
@scan_options
@json_option
@pass_session
def receive(session: Session, files: tuple[Path, ...], scan: Scan) -> None:
    """Take answers of signers: their signatures and receipts, each verified. The same answer twice changes
    nothing.
    """
    coordinator = session.open()
    answers = _take(session, files, scan)
    rows, receipts, warnings, complete = _receive(session, coordinator, answers)
    for row in rows:
        session.say(f"proposal {row.id} is {row.state}")
        if row.state.value == "signed":
            session.next(f"falconer proposals broadcast {row.id}")
    session.result(
        {
            "verdict": "accepted",
            "proposals": [document(coordinator, row) for row in rows],
            "receipts": receipts,
            "complete": complete,
            "warnings": list(warnings),
        }
    )


@click.command("broadcast")
@click.argument("signed", nargs=-1, metavar="SIGNED... | ID", shell_complete=proposal_ids)
@scan_options
@json_option
@pass_session
def broadcast(session: Session, signed: tuple[str, ...], scan: Scan) -> None:
    """Finalise a signed proposal and send it. SIGNED are answer files, received first; or give the proposal's
    ID.
    """
    from falconer_online.broadcast import broadcast as do_broadcast
    from falconer_online.present import transaction_json

    coordinator = session.open()
    proposal = _which(session, coordinator, signed, scan)
    with session.busy("finalising and sending"):
        done = do_broadcast(coordinator, proposal)
    verified = done.final.signed.verified
    if done.already:
        session.say(f"The network has it already: {done.final.txid_hex}")
    else:
        session.say(f"Sent: {done.final.txid_hex}")
    session.say(f"fee {grouped(done.final.fee)}, {btc(done.final.fee)}, {done.final.fee_rate.text()} sat/vB")
    if done.consensus is not None:
        session.say(f"scripts verified by Bitcoin Core's own code (py-bitcoinkernel {done.consensus})")
    session.next(f"falconer proposals show {done.row.id}   (confirmations)")
    session.result(
        {
            "verdict": "accepted",
            "proposal": document(coordinator, done.row),
            "transaction": transaction_json(verified, done.final.txid_hex),
            "already": done.already,
            "consensus": done.consensus,
        }
    )


def _which(session: Session, coordinator: Coordinator, signed: tuple[str, ...], scan: Scan) -> str:
    """The proposal that is meant: by its id, or by answer files or codes, which are received."""
    if len(signed) == 1 and not scan.wanted and not Path(signed[0]).exists():
        with coordinator.store.read() as view:
            known = {row.id for row in view.proposals()}
        if signed[0] in known:
            return signed[0]
        raise UsageError(
            "proposal-unknown", f"'{safe(signed[0])}' is neither a file nor the id of a proposal"
        )
    answers = _take(session, tuple(map(Path, signed)), scan)
    rows, _, _, _ = _receive(session, coordinator, answers)
    ids = {row.id for row in rows}
    if len(ids) != 1:
        raise UsageError(
            "broadcast-several", f"these files are for {len(ids)} proposals", remedy="broadcast one at a time"
        )
    return ids.pop()


def _take(session: Session, files: tuple[Path, ...], scan: Scan) -> list[tuple[str, bytes]]:
    """The answers, each with the name of what it came from: files, or codes."""
    from falconer_online.files import MAX_PSBT_FILE, read_file

    if scan.wanted:
        from falconer_online.cli.crossing import scan_psbts

        return scan_psbts(session, scan, files)
    if not files:
        raise UsageError(
            "usage", "name the answer files", remedy="or read codes: --scan PICTURE..., --camera N"
        )
    return [(str(path), read_file(path, MAX_PSBT_FILE, "the answer")) for path in files]


def _receive(
    session: Session, coordinator: Coordinator, answers: list[tuple[str, bytes]]
) -> tuple[list[ProposalRow], list[Json], list[str], bool]:
    from falconer_online.receive import receive as do_receive

    results: list[Received] = []
    with session.progress("verifying answers") as progress:
        for name, data in answers:
            try:
                result = do_receive(coordinator, data)
            except FalconerError as problem:
                problem.message = f"{safe(name)}: {problem.message}"
                problem.details["file"] = name
                raise
            _say_received(session, name, result)
            results.append(result)
            progress(len(results), len(answers))
    rows = {result.row.id: result.row for result in results}
    complete = {result.row.id: result.complete for result in results}
    receipts = [receipt for result in results for receipt in _receipt(coordinator, result)]
    warnings = [warning for result in results for warning in result.warnings]
    return list(rows.values()), receipts, warnings, all(complete.values())


def _say_received(session: Session, name: str, result: Received) -> None:
    receipt = result.receipt
    if receipt is None:
        session.say(f"{safe(name)}: signatures without a receipt")
    else:
        said = "signed" if receipt.signed else "REFUSED: " + ", ".join(receipt.refusals)
        session.say(f"{safe(name)}: receipt {receipt.number} of {receipt.signer}: {said}")
    if not result.new:
        session.say("  nothing in it was new")
    for warning in result.warnings:
        session.warn(warning)


def _receipt(coordinator: Coordinator, result: Received) -> list[Json]:
    from falconer_online.present import receipt_json

    if result.receipt is None:
        return []
    signer, number = result.receipt.signer, result.receipt.number
    with coordinator.store.read() as view:
        found = view.receipts(signer=signer, wallet_id=result.row.wallet_id, since=number)
        return [receipt_json(row, new=result.new) for row in found if row.number == number]
