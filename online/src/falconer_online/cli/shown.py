"""What several commands say about proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from falconer_online.cli.session import Session
from falconer_online.cli.times import local
from falconer_shared.errors import DeviceError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_online.store.rows import ProposalRow


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
    session.say(f"pays       {grouped(total)}  {btc(total)}  in {len(intent.pays)}")
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
