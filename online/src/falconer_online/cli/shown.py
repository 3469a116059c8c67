"""What several commands say about proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from falconer_online.cli.session import Session
from falconer_online.cli.times import local
from falconer_shared.errors import DeviceError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.keeping import Created
    from falconer_online.store.rows import ProposalRow


_KINDS = {
    "sweep": "all that its coins hold goes to one destination",
    "own": "nothing leaves the wallet but the fee",
    "cancel": "brings home what the payment before it spends",
}


def refresh(session: Session, coordinator: Coordinator, *, aside: bool = False) -> None:
    """Expire and look for confirmations; with `aside`, what changed is not said."""
    from falconer_online.watch import refresh

    try:
        with session.busy("asking the node for confirmations"):
            changed = refresh(coordinator)
        for before, after in changed if not aside else ():
            session.say(f"{before.id}: {before.state} -> {after.state}")
    except DeviceError as problem:
        session.warn(f"confirmations are not fresh: {problem.message}")


def document(coordinator: Coordinator, row: ProposalRow) -> dict[str, Json]:
    from falconer_online.present import proposal_json

    with coordinator.store.read() as view:
        return proposal_json(view, view.proposal(row.id), coordinator.transaction(view, row))


def report(session: Session, coordinator: Coordinator, row: ProposalRow) -> dict[str, Json]:
    """Say a proposal in words, and give it as an object."""
    from falconer_online.coordinator import intent_of
    from falconer_online.present import proposal_json
    from falconer_shared.diagram import diagram

    intent = intent_of(row)
    with coordinator.store.read() as view:
        verified = coordinator.transaction(view, row)
        found = proposal_json(view, view.proposal(row.id), verified)
        wallet = view.wallet_by_id(row.wallet_id)
        policy = coordinator.policy(view, wallet, version=intent.policy_version).policy
    session.say(f"proposal   {row.id}  ({row.state})")
    session.say(f"wallet     {verified.wallet.name}")
    total = sum(int(amount) for amount, _ in intent.pays)
    if intent.pays:
        least = "at least " if intent.kind.value == "sweep" else ""
        session.say(f"pays       {least}{grouped(total)}  {btc(total)}  in {_payments(len(intent.pays))}")
    if intent.kind.value != "pay":
        session.say(f"kind       {intent.kind.value}: {_KINDS[intent.kind.value]}")
    for role, other in (
        ("replaces", row.replaces),
        ("hurries", row.accelerates),
        ("replaced", row.replaced_by),
    ):
        if other is not None:
            session.say(f"{role:<11}{'by ' if role == 'replaced' else ''}{other}")
    session.say()
    for line in diagram(verified, policy.name_of_address, session.strokes()):
        session.say(f"  {line}")
    session.say()
    session.say(
        f"fee        {grouped(verified.fee)}  {btc(verified.fee)}  "
        f"({verified.fee_rate.text()} sat/vB; approved up to {grouped(intent.max_fee)})"
    )
    session.say(
        f"inputs     {len(verified.inputs)}; change {grouped(sum(each.amount for each in verified.own_outputs))}"
    )
    session.say(f"spends     {intent.spends.text()}")
    session.say(
        f"requester  {intent.requester}; strategy {intent.strategy}; purpose {safe(row.purpose) or '-'}"
    )
    session.say(f"made       {local(row.created_at)}")
    session.say(f"expires    {local(row.expires_at)}")
    if row.txid is not None:
        session.say(f"txid       {row.txid}  ({row.confirmations or 0} confirmations)")
    return found


def relatives(session: Session, family: Sequence[dict[str, Json]], shown: str) -> None:
    """The whole family of a proposal, where it has one."""
    if not family:
        return
    rows = []
    for each in family:
        if each["accelerates"] is not None:
            role = f"accelerates {each['accelerates']}"
        elif each["replaces"] is not None:
            role = f"{'cancels' if each['kind'] == 'cancel' else 'replaces'} {each['replaces']}"
        else:
            role = "the first"
        mark = "  (this)" if each["id"] == shown else ""
        rows.append(
            (f"{each['id']}{mark}", each["state"], each["fee"], each["fee_rate"], role, each["txid"] or "-")
        )
    session.say()
    session.table(("id", "state", "fee", "sat/vB", "role", "txid"), rows)


def created(session: Session, coordinator: Coordinator, made: Created) -> None:
    """What a command says that made a proposal: the proposal, how it was judged, and the next step."""
    from falconer_online.present import transaction_json

    row, judgement = made.row, made.judgement
    proposal = report(session, coordinator, row)
    session.say()
    session.say(
        f"judged at one signer's share, {judgement.spend.share.k} of {judgement.spend.share.n} "
        f"{'(whole: the policy names mandatory signers)' if judgement.spend.share.whole else ''}".rstrip()
    )
    verdicts(session, judgement.as_json())
    if judgement.enough:
        why = "the policy asks for no approval" if not judgement.needed else "approved already"
        step = f"falconer proposals approve {row.id} --generate-psbt   ({why})"
    else:
        step = f"falconer proposals request-approval {row.id}   ({judgement.needed} of {', '.join(judgement.members)})"
    session.next(step)
    session.result(
        {
            "verdict": "accepted",
            "transaction": transaction_json(made.verified),
            "proposal": proposal,
            "verdicts": judgement.as_json(),
            "next": step,
        }
    )


def _payments(count: int) -> str:
    return f"{count} payment{'' if count == 1 else 's'}"


def verdicts(session: Session, judged: list[Json]) -> None:
    rows = []
    for each in judged:
        if isinstance(each, dict) and each.get("limit") is not None:
            whole = each.get("whole_limit")
            limits = _digits(each["limit"])
            if whole not in {None, each["limit"]}:
                limits += f" (whole {_digits(whole)})"
            # what only lacks a person's yes has not failed: it waits
            word = "needs approval" if each.get("id") == "approval-missing" else str(each["outcome"])
            rows.append((each["rule"], word, _digits(each["value"] or "-"), limits))
    session.table(("rule", "verdict", "value", "limit"), rows)


def _digits(value: Json) -> str:
    """A number with its digits in groups, any other word as it is."""
    text = str(value)
    return f"{int(text):,}" if text.isascii() and text.isdecimal() else text
