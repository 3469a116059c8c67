"""`falconer proposals receive` and `broadcast`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_online.cli.shown import document
from falconer_shared.errors import FalconerError, UsageError
from falconer_shared.text import safe
from falconer_shared.units import grouped

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.receive import Received
    from falconer_online.store.rows import ProposalRow


@click.command("receive")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@json_option
@pass_session
def receive(session: Session, files: tuple[Path, ...]) -> None:
    """Take answers of signers: their signatures and receipts, each verified. The same answer twice changes
    nothing.
    """
    coordinator = session.open()
    rows, receipts, warnings, complete = _receive(session, coordinator, files)
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
@click.argument("signed", nargs=-1, required=True, metavar="SIGNED... | ID")
@json_option
@pass_session
def broadcast(session: Session, signed: tuple[str, ...]) -> None:
    """Finalise a signed proposal and send it. SIGNED are answer files, received first; or give the proposal's
    ID.
    """
    from falconer_online.broadcast import broadcast as do_broadcast
    from falconer_online.present import transaction_json

    coordinator = session.open()
    done = do_broadcast(coordinator, _which(session, coordinator, signed))
    verified = done.final.signed.verified
    if done.already:
        session.say(f"The network has it already: {done.final.txid_hex}")
    else:
        session.say(f"Sent: {done.final.txid_hex}")
    session.say(f"fee {grouped(done.final.fee)}, {done.final.fee_rate.text()} sat/vB")
    session.next(f"falconer proposals show {done.row.id}   (confirmations)")
    session.result(
        {
            "verdict": "accepted",
            "proposal": document(coordinator, done.row),
            "transaction": transaction_json(verified, done.final.txid_hex),
            "already": done.already,
        }
    )


def _which(session: Session, coordinator: Coordinator, signed: tuple[str, ...]) -> str:
    """The proposal that is meant: by its id, or by answer files, which are received."""
    if len(signed) == 1 and not Path(signed[0]).exists():
        with coordinator.store.read() as view:
            known = {row.id for row in view.proposals()}
        if signed[0] in known:
            return signed[0]
        raise UsageError(
            "proposal-unknown", f"'{safe(signed[0])}' is neither a file nor the id of a proposal"
        )
    rows, _, _, _ = _receive(session, coordinator, tuple(map(Path, signed)))
    ids = {row.id for row in rows}
    if len(ids) != 1:
        raise UsageError(
            "broadcast-several", f"these files are for {len(ids)} proposals", remedy="broadcast one at a time"
        )
    return ids.pop()


def _receive(
    session: Session, coordinator: Coordinator, files: tuple[Path, ...]
) -> tuple[list[ProposalRow], list[Json], list[str], bool]:
    from falconer_online.files import MAX_PSBT_FILE, read_file
    from falconer_online.receive import receive as do_receive

    answers = [(path, read_file(path, MAX_PSBT_FILE, "the answer")) for path in files]
    results: list[Received] = []
    for path, data in answers:
        try:
            result = do_receive(coordinator, data)
        except FalconerError as problem:
            problem.message = f"{shown(path)}: {problem.message}"
            problem.details["file"] = str(path)
            raise
        _say_received(session, path, result)
        results.append(result)
    rows = {result.row.id: result.row for result in results}
    complete = {result.row.id: result.complete for result in results}
    receipts = [receipt for result in results for receipt in _receipt(coordinator, result)]
    warnings = [warning for result in results for warning in result.warnings]
    return list(rows.values()), receipts, warnings, all(complete.values())


def _say_received(session: Session, path: Path, result: Received) -> None:
    receipt = result.receipt
    if receipt is None:
        session.say(f"{shown(path)}: signatures without a receipt")
    else:
        said = "signed" if receipt.signed else "REFUSED: " + ", ".join(receipt.refusals)
        session.say(f"{shown(path)}: receipt {receipt.number} of {receipt.signer}: {said}")
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
