"""`journal` and `receipt`: what happened on this machine, to be compared with what others remember."""

from __future__ import annotations

import click

from falconer_offline import emit
from falconer_offline.cli import gap, giving
from falconer_offline.cli.shell import FILE, WALLET_NAME, Shell, json_option, pass_shell
from falconer_offline.state import records
from falconer_offline.state.audit import check_journal
from falconer_offline.times import when
from falconer_shared.audit.log import AuditHead
from falconer_shared.audit.record import AuditRecord
from falconer_shared.crossing.options import Show
from falconer_shared.errors import UsageError
from falconer_shared.exchange import receipts
from falconer_shared.exchange.receipt import Receipt, SignedReceipt
from falconer_shared.sshsig.signature import SshSignature
from falconer_shared.text import safe


@click.group()
def journal() -> None:
    """The journal: every reservation, signature, refusal and change, under one Merkle head."""


@journal.command()
@click.option(
    "--since",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Entries from number N on.",
)
@json_option
@pass_shell
def show(shell: Shell, since: int) -> None:
    """Show the journal and its head."""
    state = shell.state()
    size, head = state.head
    entries = [AuditRecord.parse(line) for line in state.journal[since:]]
    for entry in entries:
        facts = " ".join(f"{key}={safe(str(value), 100)}" for key, value in sorted(entry.facts.items()))
        shell.say(f"{entry.n:>5} {when(entry.at)} {entry.event:<18} {facts}".rstrip(), indent=6)
    shell.say(f"Journal   {size} entries, head {head}", indent=10)
    shell.report(
        {
            "size": size,
            "head": head,
            "entries": [
                {"n": entry.n, "at": entry.at, "event": entry.event, "facts": dict(entry.facts)}
                for entry in entries
            ],
        }
    )


@journal.command()
@click.option(
    "--head",
    "earlier",
    metavar="SIZE:ROOT",
    help="A head seen earlier, on a page or a receipt, that the journal must continue.",
)
@json_option
@pass_shell
def verify(shell: Shell, earlier: str | None) -> None:
    """Check journal, tables and receipts against each other, and against an earlier head."""
    state = shell.state()
    log = check_journal(state)
    if earlier is not None:
        log.check_continues(_parse_head(earlier))
    head = log.head
    shell.say(f"The journal verifies: {head.size} entries, head {head.root_hex}", indent=10)
    shell.report({"verdict": "accepted", "size": head.size, "head": head.root_hex})


def _parse_head(text: str) -> AuditHead:
    size, _, root = text.partition(":")
    if not size.isascii() or not size.isdigit() or len(size) > 15 or len(root) != 64:
        raise UsageError("usage", "--head takes SIZE:ROOT, as pages and receipts show them")
    try:
        return AuditHead(int(size), bytes.fromhex(root))
    except ValueError:
        raise UsageError("usage", "--head takes SIZE:ROOT, as pages and receipts show them") from None


@click.group()
def receipt() -> None:
    """Receipts: this machine's signed word on every request that it judged."""


@receipt.command("show")
@click.option(
    "--since",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Receipts from number N on.",
)
@click.option("--wallet", "name", type=WALLET_NAME, metavar="NAME", help="Of one wallet only.")
@click.option("--out", type=FILE, metavar="FILE", help="Write them as JSON to a new file as well.")
@gap.every_show_option
@json_option
@pass_shell
def show_receipts(shell: Shell, since: int, name: str | None, out: str | None, codes: Show) -> None:
    """Show receipts again, for a coordinator that lacks them: falconer receipt receive FILE, or --scan."""
    state = shell.state()
    wallets = records.wallets(state) if name is None else (records.wallet(state, name),)
    shown: list[SignedReceipt] = []
    names: list[dict[str, str]] = []
    for wallet in wallets:
        for record in records.receipts(state, wallet.wallet_id):
            if record.number < since:
                continue
            found = Receipt.parse(record.text)
            verdict = "signed" if found.signed else "refused: " + " ".join(found.refusals)
            shell.say(f"{wallet.name} {record.number:>4} {when(found.judged)} {verdict}", indent=10)
            shell.say(f"          request {found.request}")
            shown.append(SignedReceipt(found, SshSignature.parse(record.signature)))
            names.append({"wallet": wallet.name, "wallet_id": wallet.wallet_id})
    if not shown:
        shell.say(f"No receipts from number {since} on.")
    machine = state.machine.text()
    data = receipts.write(machine, shown, names)
    if out is not None:
        emit.write_file(out, data)
        shell.say(f"{len(shown)} receipts are in {safe(out)}.")
    if codes.wanted and shown:
        from falconer_shared.transport.parts import Kind

        giving.say_given(shell, giving.CodesExit.prepare(shell, codes).give(data, Kind.JSON, "receipts"))
    shell.report({"machine": machine, "receipts": list(receipts.entries(shown, names))})
