"""The review page: everything a person must see before signing, on one page, drawn from the object that is
signed.

What the questions are about stands last, right above them, so that it is still on a screen of 24 lines. Drawn
with `rich.text.Text` from strings of our own and escaped ones only; no markup is ever read out of data
(A117-A119, A124). All inputs and outputs are shown, none is folded away or sorted (A125). Names are those of
the policy's address book.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from falconer_offline.earlier import Earlier
from falconer_offline.review import Judged
from falconer_offline.state.store import State
from falconer_offline.times import when
from falconer_shared import diagram
from falconer_shared.approval.intent import IntentKind
from falconer_shared.policy.spend import Outcome, Verdict
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

_LABEL = 12

_WORD = re.compile(r"[^ ]+")

_UNBOUNDED = 1 << 16
"""Columns of what is no terminal: a line in a file is not broken."""

_SAYS: Final = {
    IntentKind.SWEEP: "EVERYTHING IN THESE COINS GOES TO ONE ADDRESS",
    IntentKind.OWN: "NOTHING LEAVES THIS WALLET",
    IntentKind.CANCEL: "NOTHING LEAVES THIS WALLET",
}
"""What each kind of intent but a payment means."""


def show(judged: Judged, state: State, *, aside: bool) -> None:
    """Print the page, to standard error when `aside`."""
    console = Console(stderr=aside, highlight=False, markup=False, emoji=False, soft_wrap=True)
    width = console.width if console.is_terminal else _UNBOUNDED
    strokes = diagram.UNICODE if console.encoding.startswith("utf") else diagram.ASCII
    for line in page(judged, state, strokes):
        for part in _broken(line, width):
            console.print(part)


def page(judged: Judged, state: State, strokes: diagram.Strokes = diagram.UNICODE) -> Iterator[Text]:
    """The lines of the page, as long as they are."""
    approved, verified = judged.approved, judged.verified
    intent, wallet = approved.intent, judged.readable.wallet
    yield _heading(f"REQUEST TO SIGN   {wallet.network.label}   wallet {wallet.name}")
    yield _fact("wallet id", wallet.wallet_id)
    yield _fact("request", judged.readable.digest)
    yield _fact("intent", intent.digest)
    yield _fact("transaction", verified.unsigned_hash)
    size, head = state.head
    yield _fact("journal", f"{size} entries, head {head}")
    yield _fact(
        "proposal",
        f"{safe(intent.proposal)}, asked for by {safe(intent.requester)}, strategy {safe(intent.strategy)}",
    )
    if judged.unsent:
        yield _warning(
            f"the coordinator lacks our last {judged.unsent} receipts; receipt show --since gives them again"
        )
    yield Text()
    yield from _inputs(judged)
    yield _fact("lock time", str(verified.locktime))
    for note in verified.notes:
        yield _fact("note", safe(note))
    yield Text()
    yield from _rules(judged)
    yield from _approvals(judged)
    yield Text()
    yield from _money(judged, strokes)


def _money(judged: Judged, strokes: diagram.Strokes) -> Iterator[Text]:
    """Where everything goes: the part that is typed from."""
    intent, verified = judged.approved.intent, judged.verified
    yield from _drawing(judged, strokes)
    yield Text()
    yield from _own_outputs(judged)
    yield from _fee(judged)
    yield _fact("wallet", f"is poorer by {_both(verified.spent)}")
    yield Text()
    if intent.kind in _SAYS:
        yield _heading("   ".join(filter(None, (_SAYS[intent.kind], _seen(judged)))))
    if intent.kind is IntentKind.SWEEP:
        yield _fact("leaves", f"{_both(verified.paid)}; what was approved is the least that arrives:")
    yield from _earlier(judged.earlier)
    if intent.kind is IntentKind.CANCEL and not judged.earlier.replaced:
        yield _warning("no earlier transaction that spends the named coin was signed here")
    policy = judged.approved.installed.policy
    for number, (amount, address) in enumerate(intent.pays, 1):
        yield _heading(f"PAY {number}   {_both(amount)}")
        yield _address("to", address)
        name = policy.name_of_address(address)
        yield (
            _fact("who", safe(name))
            if name is not None
            else _warning("this address has no name in the policy")
        )
    if not judged.approved.approved:
        yield _warning("requester and strategy are unproven: nobody signed the intent")
    if intent.pays:
        yield _fact("sum", _both(judged.total))


def _seen(judged: Judged) -> str:
    """What the transaction and the journal prove of what the kind claims."""
    kind, verified = judged.approved.intent.kind, judged.verified
    if kind is IntentKind.CANCEL and judged.earlier.replaced:
        return "this takes the place of an earlier transaction"
    if kind is IntentKind.OWN and len(verified.inputs) > len(verified.own_outputs):
        return "its coins are put together"
    return ""


def _earlier(found: Earlier) -> Iterator[Text]:
    """What was signed here before and is replaced, or paid again."""
    for old in found.replaced:
        verb = "signed" if old.signed else "perhaps signed"
        fee = f"fee {old.fee_change:+,} sats"
        payments = "payments CHANGED" if old.differences else "payments unchanged"
        line = f"the transaction {verb} on {when(old.at)}: {fee}, {payments}"
        yield _warning(f"replaces {line}") if old.differences else _fact("replaces", line)
        for each in old.differences:
            yield _fact("", f"{_sats(each.before)} -> {_sats(each.now)}")
            yield _address("", each.address)
    if found.replaced:
        yield _fact("", "they share a coin, so one of them can confirm, and limits count them once")
    for at in found.same:
        yield _fact("again", f"this very transaction was written down here on {when(at)}")
    for address, at in found.repeats:
        yield _warning(
            f"the same amount was paid there on {when(at)}, by a transaction that this one does NOT replace"
        )
        yield _address("", address)


def _sats(sats: int) -> str:
    return grouped(sats) if sats else "nothing"


def _drawing(judged: Judged, strokes: diagram.Strokes) -> Iterator[Text]:
    """Inputs → outputs. The addresses stand whole beneath it."""
    policy, verified = judged.approved.installed.policy, judged.verified
    numbers = {address: f"PAY {number}" for number, (_, address) in enumerate(judged.approved.intent.pays, 1)}
    payments, own = [], []
    for output in verified.outputs:
        if output.place is None:
            name = policy.name_of_address(output.address)
            who = "an address without a name" if name is None else safe(name, diagram.MAX_NAME)
            payments.append(
                diagram.Flow(int(output.amount), f"{numbers.get(output.address, 'leaves')}  {who}")
            )
        else:
            own.append(diagram.Flow(int(output.amount), f"own, {output.place.text()}"))
    sources = [diagram.Flow(int(item.amount), item.place.text()) for item in verified.inputs]
    lines = diagram.drawing(sources, payments, own, int(verified.fee), strokes)
    first = min(len(sources), diagram.MAX_OWN)
    for number, line in enumerate(lines):
        target = number - first
        style = "" if target < 0 else "bold" if target < len(payments) else "green"
        yield Text(line, style="dim" if number == len(lines) - 1 else style, no_wrap=True)


def _both(sats: int) -> str:
    return f"{grouped(sats)}   {btc(sats)}"


def _own_outputs(judged: Judged) -> Iterator[Text]:
    for output in judged.verified.own_outputs:
        place = output.place.text() if output.place is not None else ""
        yield _fact("own", f"{_both(output.amount)}   back to {place}")
        yield _address("", output.address)


def _fee(judged: Judged) -> Iterator[Text]:
    verified = judged.verified
    paid = int(verified.paid)
    # in hundredths of a percent of what is paid, rounded up: integers only
    hundredths = -(-int(verified.fee) * 10_000 // paid) if paid else 0
    share = f", {hundredths // 100}.{hundredths % 100:02d} % of the payments" if paid else ""
    yield _fact("fee", _both(verified.fee))
    yield _fact(
        "",
        f"{verified.fee_rate.text()} sat/vB{share}, at most {grouped(judged.approved.intent.max_fee)}",
    )


def _inputs(judged: Judged) -> Iterator[Text]:
    for item in judged.verified.inputs:
        yield _fact(f"input {item.index + 1}", f"{_both(item.amount)}   from {item.place.text()}")
        yield _fact("", item.outpoint.text())
        if item.sequence < 0xFFFFFFFE:
            yield _fact("", f"sequence {item.sequence:08x}")


def _approvals(judged: Judged) -> Iterator[Text]:
    approved = judged.approved
    who = ", ".join(safe(name) for name in approved.approvals) or "nobody"
    enough = "the quorum that this amount takes" if approved.approved else "no quorum"
    yield _fact("approved by", f"{who} ({enough})")
    intent = approved.intent
    yield _fact("valid from", when(intent.not_before))
    yield _fact("until", when(intent.expires))
    yield _fact("it is", when(approved.judged_at))


def _rules(judged: Judged) -> Iterator[Text]:
    theirs = {line.name: line for line in judged.checked.request.rules}
    unlimited = 0
    for verdict in judged.approved.verdicts:
        if verdict.outcome is Outcome.PASS and verdict.limit is None:
            unlimited += 1
            continue
        mark = {Outcome.PASS: "pass", Outcome.UNSEEN: "NOT JUDGED", Outcome.FAIL: "FAIL"}[verdict.outcome]
        yield _fact("rule", f"{mark}  {verdict.rule}: {_numbers(verdict)}")
        there = theirs.get(verdict.rule)
        if there is not None and (there.value, there.limit) != (verdict.value, verdict.limit):
            yield _fact("", f"at the coordinator: {safe(there.value or '-')} of {safe(there.limit or '-')}")
    if unlimited:
        yield _fact(
            "no limit",
            f"set in {unlimited} of {len(judged.approved.verdicts)} rules; policy show names them",
        )


def _numbers(verdict: Verdict) -> str:
    value, limit = (_counted(word or "-") for word in (verdict.value, verdict.limit))
    return f"{value} of {limit}"


def _counted(word: str) -> str:
    """A plain number in groups of three."""
    return f"{int(word):,}" if word.isascii() and word.isdigit() and len(word) < 20 else safe(word)


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


def _broken(line: Text, width: int) -> Iterator[Text]:
    """A line in parts that fit, broken at spaces and indented like its first one; what has no space (an
    address, a digest) stays in one piece. A drawing is cut.
    """
    if line.no_wrap:
        line.truncate(width)
    if len(line) <= width or width <= 2 * _LABEL:
        yield line
        return
    label, value = line.divide([_LABEL])
    breaks: list[int] = []
    begun = 0
    for word in _WORD.finditer(value.plain):
        if word.start() > begun and word.end() - begun > width - _LABEL:
            begun = word.start()
            breaks.append(begun)
    for number, part in enumerate(value.divide(breaks)):
        part.rstrip()
        yield (Text(" " * _LABEL) if number else label) + part
