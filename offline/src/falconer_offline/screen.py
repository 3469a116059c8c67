"""The review page: everything a person must see before signing, on one page, drawn from the object that is
signed.

Drawn with `rich.text.Text` from strings of our own and escaped ones only; no markup is ever read out of data
(A117-A119, A124). All inputs and outputs are shown, none is folded away or sorted (A125). Names are those of
the policy's address book.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from falconer_offline.review import Judged
from falconer_offline.state.store import State
from falconer_shared.canonical import format_time
from falconer_shared.policy.spend import Outcome
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

_LABEL = 12


def show(judged: Judged, state: State, *, aside: bool) -> None:
    """Print the page, to standard error when `aside`."""
    console = Console(stderr=aside, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in page(judged, state):
        console.print(line)


def page(judged: Judged, state: State) -> Iterator[Text]:
    """The lines of the page."""
    approved, verified = judged.approved, judged.verified
    intent, wallet = approved.intent, judged.readable.wallet
    yield _heading(f"REQUEST TO SIGN   {wallet.network.label}   wallet {wallet.name}")
    yield _fact("wallet id", wallet.wallet_id)
    yield _fact(
        "proposal",
        f"{safe(intent.proposal)}, asked for by {safe(intent.requester)}, strategy {safe(intent.strategy)}",
    )
    if not approved.approved:
        yield _warning("requester and strategy are unproven: nobody signed the intent")
    yield Text()
    policy = approved.installed.policy
    for number, (amount, address) in enumerate(intent.pays, 1):
        yield _heading(f"PAY {number}   {grouped(amount)}   {btc(amount)}")
        yield _address("to", address)
        name = policy.name_of_address(address)
        yield (
            _fact("who", safe(name))
            if name is not None
            else _warning("this address has no name in the policy")
        )
    if not intent.pays:
        yield _heading("NOTHING LEAVES THIS WALLET")
    yield _fact("sum", f"{grouped(judged.total)}   {btc(judged.total)}")
    yield from _own_outputs(judged)
    yield from _fee(judged)
    yield Text()
    yield from _inputs(judged)
    yield _fact("lock time", str(verified.locktime))
    for note in verified.notes:
        yield _fact("note", safe(note))
    yield Text()
    yield from _approvals(judged)
    yield from _rules(judged)
    yield Text()
    yield _fact("request", judged.readable.digest)
    yield _fact("intent", intent.digest)
    yield _fact("transaction", verified.unsigned_hash)
    size, head = state.head
    yield _fact("journal", f"{size} entries, head {head}")
    if judged.unsent:
        yield _warning(
            f"the coordinator lacks our last {judged.unsent} receipts; receipt show --since gives them again"
        )


def _own_outputs(judged: Judged) -> Iterator[Text]:
    for output in judged.verified.own_outputs:
        place = output.place.text() if output.place is not None else ""
        yield _fact("own", f"{grouped(output.amount)} back to {place}")
        yield _address("", output.address)


def _fee(judged: Judged) -> Iterator[Text]:
    verified = judged.verified
    paid = int(verified.paid)
    # in hundredths of a percent of what is paid, rounded up: integers only
    hundredths = -(-int(verified.fee) * 10_000 // paid) if paid else 0
    share = f", {hundredths // 100}.{hundredths % 100:02d} % of the payments" if paid else ""
    yield _fact(
        "fee",
        f"{grouped(verified.fee)}, {verified.fee_rate.text()} sat/vB{share}, at most {grouped(judged.approved.intent.max_fee)}",
    )
    yield _fact("wallet", f"is poorer by {grouped(verified.spent)}")


def _inputs(judged: Judged) -> Iterator[Text]:
    for item in judged.verified.inputs:
        yield _fact(
            f"input {item.index + 1}",
            f"{grouped(item.amount)} from {item.place.text()}, {item.outpoint.text()}",
        )
        if item.sequence < 0xFFFFFFFE:
            yield _fact("", f"sequence {item.sequence:08x}")


def _approvals(judged: Judged) -> Iterator[Text]:
    approved = judged.approved
    who = ", ".join(safe(name) for name in approved.approvals) or "nobody"
    enough = "the quorum that this amount takes" if approved.approved else "no quorum"
    yield _fact("approved by", f"{who} ({enough})")
    intent = approved.intent
    yield _fact(
        "valid",
        f"{format_time(intent.not_before)} to {format_time(intent.expires)}; it is {format_time(approved.judged_at)}",
    )


def _rules(judged: Judged) -> Iterator[Text]:
    theirs = {line.name: line for line in judged.checked.request.rules}
    unlimited: list[str] = []
    for verdict in judged.approved.verdicts:
        if verdict.outcome is Outcome.PASS and verdict.limit is None:
            unlimited.append(verdict.rule)
            continue
        there = theirs.get(verdict.rule)
        numbers = f"{verdict.value or '-'} of {verdict.limit or '-'} here"
        if there is not None:
            numbers += f", {safe(there.value or '-')} of {safe(there.limit or '-')} at the coordinator"
        mark = {Outcome.PASS: "pass", Outcome.UNSEEN: "NOT JUDGED", Outcome.FAIL: "FAIL"}[verdict.outcome]
        yield _fact("rule", f"{mark}  {verdict.rule}: {numbers}")
    if unlimited:
        yield _fact("no limit", ", ".join(unlimited))


def _fact(label: str, value: str) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", "dim"), value)


def _heading(value: str) -> Text:
    return Text(value, style="bold")


def _warning(value: str) -> Text:
    return Text.assemble((f"{'!':<{_LABEL}}", "bold yellow"), (value, "yellow"))


def _address(label: str, address: str) -> Text:
    """An address in one piece, its groups of four told apart by brightness, so that it can be compared and
    copied whole (A122).
    """
    text = Text(f"{label:<{_LABEL}}", style="dim")
    for start in range(0, len(address), 4):
        text.append(address[start : start + 4], style=("bold" if start // 4 % 2 else "default") + " not dim")
    return text


def rows(items: Iterable[tuple[str, str]], *, aside: bool) -> None:
    """Print labelled facts, for commands that report."""
    console = Console(stderr=aside, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for label, value in items:
        console.print(_fact(label, value))
