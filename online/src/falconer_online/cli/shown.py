"""What several commands say about proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from falconer_online.cli.session import Session
from falconer_shared.errors import DeviceError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.store.rows import ProposalRow


def refresh(session: Session, coordinator: Coordinator) -> None:
    from falconer_online.watch import refresh

    try:
        for before, after in refresh(coordinator):
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

    found = document(coordinator, row)
    with coordinator.store.read() as view:
        verified = coordinator.transaction(view, row)
    intent = intent_of(row)
    session.say(f"proposal   {row.id}  ({row.state})")
    session.say(f"wallet     {verified.wallet.name}")
    for amount, address in intent.pays:
        session.say(f"pays       {address}  {grouped(amount)}  {btc(amount)}")
    session.say(
        f"fee        {grouped(verified.fee)}  ({verified.fee_rate.text()} sat/vB; approved up to {grouped(intent.max_fee)})"
    )
    session.say(
        f"inputs     {len(verified.inputs)}; change {grouped(sum(each.amount for each in verified.own_outputs))}"
    )
    session.say(f"spends     {intent.spends.text()}")
    session.say(
        f"requester  {intent.requester}; strategy {intent.strategy}; purpose {safe(row.purpose) or '-'}"
    )
    session.say(f"expires    {found['expires']}")
    if row.txid is not None:
        session.say(f"txid       {row.txid}  ({row.confirmations or 0} confirmations)")
    return found


def verdicts(session: Session, judged: list[Json]) -> None:
    rows = []
    for each in judged:
        if isinstance(each, dict) and each.get("limit") is not None:
            whole = each.get("whole_limit")
            limits = (
                str(each["limit"]) if whole in {None, each["limit"]} else f"{each['limit']} (whole {whole})"
            )
            rows.append((each["rule"], each["outcome"], each["value"] or "-", limits))
    session.table(("rule", "verdict", "value", "limit"), rows)
